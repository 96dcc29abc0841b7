//! What `--format` asks for: formats, and where each of them goes.

use std::path::{Path, PathBuf};

use super::write;
use crate::error::{Error, Problem, Result};
use crate::outputs::html::Templates;
use crate::outputs::{self, FORMATS, Format};
use crate::record::Record;

/// The help of `--format`, the same wherever it stands.
pub const HELP: &str = "What to write: NAME for its file in the folder, NAME=PATH for another file, NAME=- for standard output, \
    which then carries nothing else. NAME is json, findings, html, sarif, code-scanning (SARIF with the open findings alone, for GitHub), junit, markdown, \
    openmetrics, in-toto, or github (annotations of GitHub Actions; without PATH they go to standard output)";

/// Formats by where they go.
pub struct Asked {
    files: Vec<(PathBuf, &'static Format)>,
    printed: Option<&'static Format>,
    templates: Templates,
}

impl Asked {
    /// Reads `NAME` and `NAME=PATH`. With a folder, the record is always among what goes there: everything else can be made
    /// from it again.
    pub fn read(given: &[String], folder: Option<&Path>) -> Result<Self> {
        let mut asked = Self { files: Vec::new(), printed: None, templates: Templates::default() };
        if let (Some(folder), Some(record)) = (folder, outputs::by_name("json")) {
            asked.files.push((folder.join(record.file_name), record));
        }
        for given in given {
            let (name, path) = match given.split_once('=') {
                Some((name, path)) => (name, Some(path)),
                None => (given.as_str(), None),
            };
            let Some(format) = outputs::by_name(name) else {
                let known = FORMATS.iter().map(|format| format.name);
                return Err(Problem::new(format!("unknown output format `{name}`")).suggest(name, known).into());
            };
            match (path, folder) {
                (Some(""), _) => return Err(Problem::new(format!("`{given}` names no path")).help(NO_PATH).into()),
                (Some("-"), _) => asked.print(format)?,
                (Some(path), _) => asked.file(PathBuf::from(path), format)?,
                (None, _) if format.printed => asked.print(format)?,
                (None, Some(folder)) => asked.file(folder.join(format.file_name), format)?,
                (None, None) => {
                    let message = format!("nothing says where `{name}` goes");
                    let help = format!("`--format {name}=PATH` or `--out FOLDER`");
                    return Err(Problem::new(message).help(help).into());
                }
            }
        }
        for (path, _) in &asked.files {
            write::writable(path)?;
        }
        Ok(asked)
    }

    /// With the user's templates of the report, where there is a folder of them.
    pub fn with(mut self, templates: Option<&Path>) -> Result<Self> {
        if let Some(folder) = templates {
            self.templates = Templates::read(folder)?;
        }
        Ok(self)
    }

    fn file(&mut self, path: PathBuf, format: &'static Format) -> Result<()> {
        match self.files.iter().find(|(known, _)| *known == path) {
            Some((_, known)) if known.name != format.name => {
                let message = format!("`{}` and `{}` would both be written to this file", known.name, format.name);
                Err(Problem::in_file(&path, message).into())
            }
            Some(_) => Ok(()),
            None => {
                self.files.push((path, format));
                Ok(())
            }
        }
    }

    fn print(&mut self, format: &'static Format) -> Result<()> {
        match self.printed.replace(format) {
            Some(known) if known.name != format.name => {
                let message = format!("`{}` and `{}` would both go to standard output", known.name, format.name);
                Err(Problem::new(message).help(format!("`--format {}=PATH` for one of them", format.name)).into())
            }
            _ => Ok(()),
        }
    }

    /// Whether standard output is taken.
    pub fn prints(&self) -> bool {
        self.printed.is_some()
    }

    /// Writes all files, with those of `more`, or none; then prints what goes to standard output. The format changes
    /// nothing about how the command ends.
    pub fn write(&self, record: &Record, more: Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
        let mut files = Vec::new();
        for (path, format) in &self.files {
            files.push((path.clone(), format.render_with(record, &self.templates)?));
        }
        files.extend(more);
        let printed = self.printed.map(|format| format.render_with(record, &self.templates)).transpose()?;
        write::all(&files)?;
        printed.map_or(Ok(()), |bytes| print(&bytes))
    }

    /// Tells which files were written.
    pub fn tell(&self) {
        for (path, _) in &self.files {
            anstream::eprintln!("wrote {}", path.display());
        }
    }
}

const NO_PATH: &str = "a path follows the `=`, or `-` for standard output";

/// Bytes to standard output as they are; a reader that has gone away is no error.
fn print(bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("standard output", "write to", &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[&str], folder: Option<&str>) -> Result<Vec<String>> {
        let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
        let asked = Asked::read(&given, folder.map(Path::new))?;
        let files = asked.files.iter().map(|(path, format)| format!("{} {}", format.name, path.display()));
        Ok(files.chain(asked.printed.map(|format| format!("{} -", format.name))).collect())
    }

    fn fault(given: &[&str], folder: Option<&str>) -> String {
        read(given, folder).unwrap_err().to_string()
    }

    #[test]
    fn each_format_goes_where_it_is_asked_for() {
        let told = read(&["html", "sarif=x/y.sarif", "html=page.html", "html", "github"], Some("no-such"));
        let expected =
            ["json no-such/audit.json", "html no-such/report.html", "sarif x/y.sarif", "html page.html", "github -"];
        assert_eq!(told.unwrap(), expected);
        assert_eq!(read(&["markdown=-", "junit=a=b.xml"], None).unwrap(), ["junit a=b.xml", "markdown -"]);
        assert_eq!(read(&["github=told.txt"], None).unwrap(), ["github told.txt"]);
    }

    #[test]
    fn what_cannot_be_done_is_told_before_the_work() {
        assert!(fault(&["sariff"], None).contains("unknown output format `sariff` (did you mean `sarif`?)"));
        assert!(fault(&["sarif="], None).contains("names no path"));
        assert!(fault(&["html"], None).contains("nothing says where `html` goes"));
        assert!(
            fault(&["github", "markdown=-"], None).contains("`github` and `markdown` would both go to standard output")
        );
        assert!(fault(&["html=x", "sarif=x"], None).contains("`html` and `sarif` would both be written to this file"));
        assert!(fault(&["html=Cargo.toml/x.html"], None).contains("this is a file; expected a folder to write to"));
        assert!(fault(&["html=src"], None).contains("this is a folder; expected a file to write"));
    }
}
