//! Where each canonical column of a file comes from, and what is wrong with what the manifest says of that.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{Loader, Origin, Plan};
use crate::error::{Problem, Result, nearest};
use crate::evidence::columns::{Need, Role};
use crate::evidence::files::DataFile;
use crate::manifest::{Format, Source};
use crate::yaml::At;

/// What may be wrong with a file none of whose columns is known.
const NO_HEADER: &str =
    "none of its columns has a known name: is the line with their names missing, or the delimiter another?";

impl Loader<'_> {
    pub(super) fn check_source(&self, source: &Source, problems: &mut Vec<Problem>) {
        if let Some(zone) = &source.time_zone
            && datafusion::arrow::array::timezone::Tz::from_str(zone).is_err()
        {
            let message = format!("`{}` is no time zone", zone.value);
            problems
                .push(self.manifest.problem(zone, message).help("expected a name like `Europe/Berlin` or `+02:00`"));
        }
        if let Some(delimiter) = &source.delimiter
            && delimiter.len() != 1
        {
            problems.push(self.manifest.problem(delimiter, "a delimiter is one ASCII character"));
        }
        if matches!(source.format, Some(Format::Kantara | Format::Iso27560)) && self.role != Role::ConsentRecords {
            let message = format!("consent receipts cannot be {}", self.role.id());
            problems.push(self.manifest.problem(&source.path, message));
        }
        let known: Vec<&str> = self.columns().map(|c| c.name).collect();
        for (canonical, written) in &source.columns {
            if !known.contains(&canonical.as_str()) && !self.is_attribute(canonical) {
                let message = format!("`{canonical}` is no column that {} have", self.role.id());
                problems.push(self.manifest.problem(written, message).suggest(canonical, &known));
            }
        }
        for (column, field) in &source.fields {
            if self.role != Role::Subjects {
                let message = format!("`fields` says something only of `subjects`, not of {}", self.role.id());
                problems.push(self.manifest.problem(field, message));
            } else if known.contains(&column.as_str()) {
                let message = format!("`{column}` tells who a person is; what is measured are values about the person");
                problems.push(self.manifest.problem(field, message));
            }
        }
        for (canonical, value) in &source.values {
            if !known.contains(&canonical.as_str()) && !self.is_attribute(canonical) {
                let message = format!("`{canonical}` is no column that {} have or that is measured", self.role.id());
                let wanted = known.iter().copied().chain(self.attributes.iter().map(String::as_str));
                problems.push(self.manifest.problem(value, message).suggest(canonical, wanted));
            }
        }
    }

    fn is_attribute(&self, name: &str) -> bool {
        self.role.has_attributes() || self.attributes.contains(name)
    }

    /// Finds every canonical column of a file, or says which is missing and what is near it.
    pub(super) async fn origins<'a>(
        &self,
        source: &'a Source,
        file: DataFile,
        problems: &mut Vec<Problem>,
    ) -> Result<Plan<'a>> {
        let schema = self.schema(source, &file).await?;
        let header: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
        let mut origins = BTreeMap::new();
        let has = |name: &str| {
            let wanted = source.columns.get(name).map_or(name, |at| at.value.as_str());
            header.iter().any(|column| *column == wanted)
        };
        let canonical = self.columns().map(|column| {
            let mandatory = match column.need {
                Need::Mandatory => true,
                Need::Unless(other) => !has(other),
                Need::Optional => false,
            };
            (column.name, mandatory)
        });
        let attributes = self.attributes.iter().map(|name| (name.as_str(), false));
        for (name, mandatory) in canonical.chain(attributes) {
            let written = source.columns.get(name);
            let held = source.fields.get(name);
            let wanted = written.map_or(name, |at| at.value.as_str());
            let constant = source.values.get(name).map(|at| &at.value).or_else(|| file.partition.get(wanted));
            let origin = match constant {
                _ if header.iter().any(|column| *column == wanted) => Origin::Column(wanted.to_owned()),
                Some(constant) => Origin::Constant(constant.clone()),
                None => {
                    let problem = |at: &At<String>, message: String| {
                        let problem = self.manifest.problem(at, message);
                        match nearest(wanted, &header) {
                            None if !self.is_header(source, &header) => problem.help(NO_HEADER),
                            _ => problem.suggest(wanted, &header),
                        }
                    };
                    if let Some(at) = written.or(held) {
                        problems.push(problem(at, format!("`{}` has no column `{wanted}`", file.name)));
                    } else if mandatory && !self.optional.contains(&name) {
                        let message = format!("`{}` has no column `{name}`, and `columns:` maps none to it", file.name);
                        problems.push(problem(&source.path, message));
                    }
                    continue;
                }
            };
            origins.insert(name.to_owned(), origin);
        }
        Ok(Plan { source, file, origins, schema })
    }

    /// Whether any name is one that we look for. Else it may be a row about a person, whose cells are not to be told.
    fn is_header(&self, source: &Source, names: &[&String]) -> bool {
        let known = |name: &str| self.columns().any(|column| column.name == name);
        names.iter().any(|name| known(name) || source.columns.values().any(|at| at.value == **name))
    }
}
