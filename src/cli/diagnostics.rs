//! Errors as people read them: the place, the line in question, and what to do.

use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::error::{Error, Problem};

/// Problems shown one by one; the rest are counted.
const SHOWN: usize = 20;

/// Prints an error to stderr.
pub fn show(error: &Error) {
    match error {
        Error::Internal(message) => {
            anstream::eprintln!("internal fault: {message}\nThis is a defect of Probity; please report it.");
        }
        Error::Invalid(problems) => {
            for problem in problems.iter().take(SHOWN) {
                anstream::eprintln!("{}", render(problem).trim_end());
            }
            if problems.len() > SHOWN {
                anstream::eprintln!("… and {} more", problems.len() - SHOWN);
            }
        }
    }
}

fn render(problem: &Problem) -> String {
    let shown = Shown::of(problem);
    let mut text = String::new();
    let theme = if std::env::var_os("NO_COLOR").is_some() {
        GraphicalTheme::unicode_nocolor()
    } else {
        GraphicalTheme::unicode()
    };
    match GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false).render_report(&mut text, &shown) {
        Ok(()) => text,
        Err(_) => format!("error: {problem}"),
    }
}

/// A problem in miette's terms.
#[derive(Debug)]
struct Shown {
    message: String,
    help: Option<String>,
    source: Option<NamedSource<String>>,
    span: Option<SourceSpan>,
}

impl Shown {
    fn of(problem: &Problem) -> Self {
        let place = problem.place.as_ref().and_then(|place| Some((place, place.text.as_ref()?)));
        if let Some((place, text)) = place
            && place.line > 0
        {
            let name = place.path.display().to_string();
            return Self {
                message: problem.message.clone(),
                help: problem.help.clone(),
                span: Some(span(text, place.line, place.column)),
                source: Some(NamedSource::new(name, text.to_string())),
            };
        }
        let bare = Problem { help: None, ..problem.clone() };
        Self { message: bare.to_string(), help: problem.help.clone(), source: None, span: None }
    }
}

/// The word at a line and column, both from 1; the whole line when the column is unknown.
fn span(text: &str, line: u64, column: u64) -> SourceSpan {
    let index = usize::try_from(line - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(index).map(str::len).sum();
    let line = text[start..].lines().next().unwrap_or_default();
    let skipped: usize = match column {
        0 => line.len() - line.trim_start().len(),
        column => line.chars().take(usize::try_from(column - 1).unwrap_or(0)).map(char::len_utf8).sum(),
    };
    let rest = &line[skipped..];
    let length =
        if column == 0 { rest.trim_end().len() } else { rest.find([' ', ',', ':', ']', '}']).unwrap_or(rest.len()) };
    (start + skipped, length.max(1)).into()
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(Some("here".into()), span))))
    }
}
