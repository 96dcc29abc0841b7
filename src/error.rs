//! What can go wrong, in words a user can act on.
//!
//! A [`Problem`] says what was expected, where (file, line, column) and what to do. An [`Error`] is a list of them,
//! so that one run reports every mistake of a file and not only the first.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an audit could not be made. Every variant ends the program with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was handed over cannot be used as it is.
    #[error("{}", join(.0))]
    Invalid(Vec<Problem>),
    /// A fault of Probity itself, or of the machine under it.
    #[error("internal fault: {0}")]
    Internal(String),
}

/// One mistake, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Lower case, one line, what the user wrote in backticks.
    pub message: String,
    /// Where it stands, if it stands anywhere.
    pub place: Option<Place>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file. Lines and columns count from 1; 0 means unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub path: PathBuf,
    pub line: u64,
    pub column: u64,
    /// The whole text of a small file (YAML), to show the line in question; never a log's.
    pub text: Option<Arc<str>>,
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, help: None }
    }

    /// A problem with a file as a whole.
    pub fn in_file(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::new(message).at(path, 0, 0)
    }

    pub fn at(mut self, path: impl AsRef<Path>, line: u64, column: u64) -> Self {
        self.place = Some(Place { path: path.as_ref().to_owned(), line, column, text: None });
        self
    }

    /// Lets the line in question be shown; an empty text is none to show.
    pub fn with_text(mut self, text: Arc<str>) -> Self {
        if let Some(place) = self.place.as_mut().filter(|_| !text.is_empty()) {
            place.text = Some(text);
        }
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// As [`Problem::help`], unless there is help already.
    pub fn help_if_none(self, help: &str) -> Self {
        if self.help.is_some() { self } else { self.help(help) }
    }

    /// Adds "did you mean" when a known name is near enough to `wrong`, else the list of known names.
    pub fn suggest<S: AsRef<str>>(self, wrong: &str, known: impl IntoIterator<Item = S>) -> Self {
        let known: Vec<String> = known.into_iter().map(|k| k.as_ref().to_owned()).collect();
        match nearest(wrong, &known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None if known.is_empty() || known.len() > 24 => self,
            None => {
                self.help(format!("known: {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")))
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { path, line, column, .. }) = &self.place {
            match (line, column) {
                (0, _) => write!(f, "{}: ", path.display())?,
                (_, 0) => write!(f, "{}:{line}: ", path.display())?,
                _ => write!(f, "{}:{line}:{column}: ", path.display())?,
            }
        }
        write!(f, "{}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Invalid(vec![problem])
    }
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        use datafusion::error::DataFusionError as Fault;
        match error {
            Fault::External(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => Self::Internal(other.to_string()),
            },
            Fault::Context(_, inner) => (*inner).into(),
            Fault::Shared(inner) => match Arc::try_unwrap(inner) {
                Ok(inner) => inner.into(),
                Err(inner) => Self::from_shared(&inner),
            },
            other => Self::Internal(other.strip_backtrace()),
        }
    }
}

impl From<datafusion::arrow::error::ArrowError> for Error {
    fn from(error: datafusion::arrow::error::ArrowError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl Error {
    /// A reader's own error stays what it is, however many plans it passed through.
    fn from_shared(error: &datafusion::error::DataFusionError) -> Self {
        match error.find_root() {
            datafusion::error::DataFusionError::External(inner) => match inner.downcast_ref::<Self>() {
                Some(Self::Invalid(problems)) => Self::Invalid(problems.clone()),
                _ => Self::Internal(inner.to_string()),
            },
            other => Self::Internal(other.to_string()),
        }
    }

    /// An input or output error, told with the file's path and in words.
    pub fn io(path: impl AsRef<Path>, doing: &str, error: &std::io::Error) -> Self {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file or folder".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        Problem::in_file(path, format!("cannot {doing}: {reason}")).into()
    }
}

/// Fails with all problems found, or passes when there are none.
pub fn all_clear(problems: Vec<Problem>) -> Result<()> {
    if problems.is_empty() { Ok(()) } else { Err(Error::Invalid(problems)) }
}

/// The known name that `wrong` most likely stands for: Jaro-Winkler similarity of at least 0.8, ties by order.
pub fn nearest<'a, S: AsRef<str>>(wrong: &str, known: &'a [S]) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&wrong, &name.as_ref().to_lowercase()), name.as_ref()))
        .filter(|(similarity, _)| *similarity >= 0.8)
        .fold(None, |best: Option<(f64, &str)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
        .map(|(_, name)| name)
}

fn join(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("timestmp", &["subject_id", "timestamp"]), Some("timestamp"));
        assert_eq!(nearest("zebra", &["subject_id", "timestamp"]), None);
    }

    #[test]
    fn a_problem_reads_as_one_line_with_its_place() {
        let problem = Problem::new("unknown key `ownr`").at("audit.yaml", 3, 5).suggest("ownr", ["owner", "name"]);
        assert_eq!(problem.to_string(), "audit.yaml:3:5: unknown key `ownr` (did you mean `owner`?)");
    }
}
