//! The templates of the report: those built in, and those of a folder that stand in for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tera::{ErrorKind, Tera};

use crate::error::{Error, Problem, Result, all_clear};

/// The style sheet's name in a folder of templates.
const STYLE: &str = "style.css";

macro_rules! built_in {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_str!(concat!("../../../templates/", $name)))),+] };
}

/// All files, in the order in which templates refer to each other. Partials end in `.html`: what does not is not escaped.
const BUILT_IN: &[(&str, &str)] = built_in![
    "components.html",
    "masthead.html",
    "conclusion.html",
    "changes.html",
    "chapter.html",
    "purposes.html",
    "fields.html",
    "scan.html",
    "register.html",
    "risks.html",
    "funnel.html",
    "consent.html",
    "choice.html",
    "overview.html",
    "parity.html",
    "subgroups.html",
    "conditions.html",
    "inequality.html",
    "selection.html",
    "prices.html",
    "items.html",
    "lists.html",
    "catalogue.html",
    "candidate.html",
    "loyalty.html",
    "watch.html",
    "findings.html",
    "limits.html",
    "decisions.html",
    "methods.html",
    "appendix.html",
    "report.html",
    "style.css",
];

/// The templates that a report is made with.
#[derive(Debug, Clone)]
pub struct Templates {
    files: BTreeMap<&'static str, Text>,
}

#[derive(Debug, Clone)]
struct Text {
    text: String,
    /// Where it was read; `None` when it is built in.
    path: Option<PathBuf>,
}

impl Default for Templates {
    fn default() -> Self {
        // The parser of HTML reads line ends as LF, and the policy's hash is of what it reads.
        let text = |text: &str| Text { text: text.replace("\r\n", "\n"), path: None };
        Self { files: BUILT_IN.iter().map(|(name, built_in)| (*name, text(built_in))).collect() }
    }
}

impl Templates {
    /// The built-in files by their names, to start own ones from.
    pub fn built_in() -> &'static [(&'static str, &'static str)] {
        BUILT_IN
    }

    /// The built-in templates, and in the place of each the file of the same name in `folder`, if there is one.
    ///
    /// # Errors
    /// When the folder cannot be read, holds a file that no template is called like, or a template cannot be parsed:
    /// all of them at once. Files that start with a dot are not looked at.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut templates = Self::default();
        let mut problems = Vec::new();
        let entries = std::fs::read_dir(folder).map_err(|error| Error::io(folder, "read the templates", &error))?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|error| Error::io(folder, "read the templates", &error))?.path());
        }
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let Some((known, _)) = BUILT_IN.iter().find(|(known, _)| *known == name) else {
                let message = format!("no template of the report is called `{name}`");
                problems.push(Problem::in_file(&path, message).suggest(&name, BUILT_IN.iter().map(|(known, _)| known)));
                continue;
            };
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let text = text.replace("\r\n", "\n");
                    problems.extend(ill_formed(known, &path, &text));
                    templates.files.insert(known, Text { text, path: Some(path) });
                }
                Err(error) => problems.push(Problem::in_file(&path, format!("cannot read the template: {error}"))),
            }
        }
        all_clear(problems)?;
        Ok(templates)
    }

    /// The style sheet.
    pub(super) fn style(&self) -> &str {
        self.files.get(STYLE).map_or("", |style| &style.text)
    }

    /// Gives the templates to the engine, which checks how they refer to each other.
    pub(super) fn add_to(&self, tera: &mut Tera) -> Result<()> {
        let partials = self.files.iter().filter(|(name, _)| **name != STYLE);
        tera.add_raw_templates(partials.map(|(name, of)| (*name, of.text.as_str()))).map_err(|error| self.fault(&error))
    }

    /// A fault of the engine: a problem of the user's file where there are any, else one of ours.
    pub(super) fn fault(&self, error: &tera::Error) -> Error {
        let own = self.files.values().any(|of| of.path.is_some());
        if !own {
            return Error::Internal(format!("cannot render the report: {}", error.to_string().replace('\n', " ")));
        }
        let (ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report)) = error.kind() else {
            return Problem::new(format!("the report's templates do not fit together: {error}")).into();
        };
        let path = self.files.get(report.filename()).and_then(|of| of.path.clone());
        let path = path.unwrap_or_else(|| PathBuf::from("templates").join(report.filename()));
        let span = report.span();
        Problem::new(format!("the template cannot be filled in: {}", report.message()))
            .at(path, span.start_line as u64, span.start_col as u64 + 1)
            .into()
    }
}

/// What is wrong with one file by itself.
fn ill_formed(name: &str, path: &Path, text: &str) -> Option<Problem> {
    if name == STYLE {
        // It would end the style sheet early, and whatever follows would become part of the page.
        let line = text.lines().position(|line| line.to_lowercase().contains("</style"))? as u64 + 1;
        return Some(Problem::new("a style sheet cannot contain `</style`").at(path, line, 0));
    }
    // Names of other files and of filters are looked at when all are there: here only the grammar counts.
    match Tera::new().add_raw_template(name, text) {
        Err(error) => match error.kind() {
            ErrorKind::SyntaxError(report) => {
                let span = report.span();
                let problem = Problem::new(format!("the template cannot be read: {}", report.message()));
                Some(problem.at(path, span.start_line as u64, span.start_col as u64 + 1))
            }
            _ => None,
        },
        Ok(()) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::render_with;
    use super::*;
    use crate::outputs::sample;

    fn with(files: &[(&str, &str)]) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let said = |error: Error| error.to_string().replace(&folder.path().display().to_string(), "own");
        let templates = Templates::read(folder.path()).map_err(said)?;
        let html = render_with(&sample::record(), &templates).map_err(said)?;
        Ok(String::from_utf8(html).expect("UTF-8"))
    }

    #[test]
    fn a_file_of_the_folder_stands_in_for_the_built_in_one_and_is_escaped_all_the_same() {
        let own = "<footer>By {{ record.system.name }}, {{ record.tool.name }} {{ 'a < b' }}</footer>";
        let html =
            with(&[("masthead.html", own), (".hidden", "{{"), ("style.css", "body {\r\n color: red }\n")]).unwrap();
        assert!(html.contains("<footer>By ") && html.contains("a &lt; b</footer>"));
        assert!(!html.contains("<header class=\"masthead\">") && html.contains("id=\"conclusion\""));
        assert!(html.contains("<style>body {\n color: red }\n</style>"));
        let hash = super::super::sha256_base64("body {\n color: red }\n");
        assert!(html.contains(&format!("style-src 'sha256-{hash}'")));
        assert_eq!(with(&[]), Ok(String::from_utf8(super::super::render(&sample::record()).unwrap()).unwrap()));
    }

    #[test]
    fn every_mistake_is_told_with_its_file_and_line() {
        let said =
            with(&[("mastheads.html", "x"), ("appendix.html", "a\nb {{ c\n"), ("style.css", "p {}\n</STYLE><script>")])
                .unwrap_err();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 3, "{said}");
        assert!(lines[0].starts_with("own/appendix.html:") && lines[0].contains("cannot be read"), "{said}");
        assert!(lines[1].contains("own/mastheads.html: no template of the report is called `mastheads.html` (did you mean `masthead.html`?)"), "{said}");
        assert!(lines[2].starts_with("own/style.css:2: a style sheet cannot contain"), "{said}");
        let said = with(&[("masthead.html", "<p>\n{{ record.system.nam | upper }}</p>")]).unwrap_err();
        assert!(said.starts_with("own/masthead.html:2:"), "{said}");
        let said = with(&[("masthead.html", "{{ record.system.name | shout }}")]).unwrap_err();
        assert!(said.contains("shout"), "{said}");
        let said = Templates::read(Path::new("no/such/folder")).unwrap_err().to_string();
        assert_eq!(said, "no/such/folder: cannot read the templates: no such file or folder");
    }

    /// A file that is not in the table would be shipped to nobody.
    #[test]
    fn every_file_of_the_folder_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("the folder")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        files.sort();
        let mut known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(files, known);
    }
}
