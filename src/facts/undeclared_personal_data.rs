//! `undeclared_personal_data`: columns whose values look like personal data, and whether anybody said that they hold it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::purpose::Place;
use crate::evidence::columns::Role;
use crate::evidence::sample::Sample;
use crate::evidence::taxonomy::covers;
use crate::findings::Evidence;
use crate::manifest::Source;
use crate::scan::{self, Class};

/// One class of personal data in one column of one file; or a file in none of whose columns anything was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UndeclaredPersonalData {
    /// `consent_records`, `recommendations`, `subjects`, `items` or `prompts`.
    pub role: String,
    /// The file.
    pub path: String,
    /// The column, by the file's name for it; null when nothing was found in the file.
    pub column: Option<String>,
    /// The canonical column that it is mapped to, if any.
    pub canonical: Option<String>,
    /// `email`, `phone`, `iban`, `payment_card`, `ip_address`, `national_id`, `coordinates` or `free_text`.
    pub class: Option<String>,
    /// The fideslang data category that the class stands for.
    pub category: Option<String>,
    /// Values of the class in the sample.
    pub matches: u64,
    /// Values in the sample of the column that are not empty.
    pub sampled: u64,
    /// `matches` over `sampled`, 0 to 1.
    pub share: Option<f64>,
    /// Rows of the file that were looked at.
    pub rows: u64,
    /// Columns of the file that were looked at.
    pub columns: u64,
    /// Whether the manifest declares that the column holds it (`declares`); true when nothing was found.
    pub declared: bool,
    /// The data category that the manifest declares for the column, whether it covers what was found or not.
    pub declared_as: Option<String>,
    pub declared_at: Option<Place>,
}

impl FactKind for UndeclaredPersonalData {
    const NAME: &'static str = "undeclared_personal_data";
    const DOC: &'static str = "One fact per column of a table in which values look like personal data, and class of it; \
        one per file in which nothing was found. All columns of a file are looked at, whether they are used or not: the \
        first `measure.scan_rows` rows of a text file, as many spread over a Parquet file. Checksums decide over shapes \
        (IBAN, payment cards, German, Spanish and French identity numbers); a column is told when at least 2 % of its \
        values are e-mail addresses, 5 % are of a class with a checksum, 10 % are IP addresses, or 20 % have a weaker \
        shape (telephone numbers, US social security numbers, coordinates, sentences), never on fewer than three. \
        Sentences and coordinates are not looked for in items. A column is declared when `declares` of its source in the \
        manifest gives it a data category that covers the one found, or lies below it. That raw e-mail addresses or \
        telephone numbers serve as subject ids counts like any other column: they identify whoever reads the log. No \
        value is kept.";
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        BTreeMap::from([
            ("role", self.role.clone()),
            ("path", self.path.clone()),
            ("column", text(&self.column)),
            ("class", text(&self.class)),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let column = self.column.as_ref().map(|column| format!("column `{column}`")).unwrap_or_default();
        let mut evidence = vec![Evidence::place("found in", column, &self.path, 0)];
        evidence
            .push(Evidence::value("values of the class", format!("{} of {} looked at", self.matches, self.sampled)));
        if let (Some(category), Some(at)) = (&self.declared_as, &self.declared_at) {
            evidence.push(Evidence::place("declared as", category, &at.path, at.line));
        }
        evidence
    }
}

/// Looks at a sample of a file. `manifest` is the manifest's name.
pub fn measure(
    role: Role,
    source: &Source,
    path: &str,
    sample: &Sample,
    manifest: &str,
) -> Vec<UndeclaredPersonalData> {
    let of_file = UndeclaredPersonalData {
        role: role.id().into(),
        path: path.into(),
        column: None,
        canonical: None,
        class: None,
        category: None,
        matches: 0,
        sampled: 0,
        share: None,
        rows: sample.rows,
        columns: sample.columns.len() as u64,
        declared: true,
        declared_as: None,
        declared_at: None,
    };
    let mut facts = Vec::new();
    for (index, (name, values)) in sample.columns.iter().enumerate() {
        let canonical = canonical(role, source, name);
        let declared = source.declares.get(name).or_else(|| source.declares.get(canonical?));
        for found in scan::column(name, values.iter().map(String::as_str), &sample.separator) {
            if is_of_things(role, found.class) {
                continue;
            }
            let category = found.class.category();
            facts.push(UndeclaredPersonalData {
                column: Some(scan::told_name(name, index).into_owned()),
                canonical: canonical.map(str::to_owned),
                class: Some(found.class.id().into()),
                category: Some(category.into()),
                matches: found.matches,
                sampled: found.sampled,
                share: Some(found.matches as f64 / found.sampled as f64),
                declared: declared.is_some_and(|at| covers(at, category) || covers(category, at)),
                declared_as: declared.map(|at| at.value.clone()),
                declared_at: declared.map(|at| Place { path: manifest.to_owned(), line: at.line }),
                ..of_file.clone()
            });
        }
    }
    if facts.is_empty() {
        facts.push(of_file);
    }
    facts
}

/// Items are things: they are described in sentences, and lie somewhere.
fn is_of_things(role: Role, class: Class) -> bool {
    role == Role::Items && matches!(class, Class::FreeText | Class::Coordinates)
}

/// The canonical column that a file's column is read as.
fn canonical<'s>(role: Role, source: &'s Source, name: &str) -> Option<&'s str> {
    let mapped =
        source.columns.iter().find(|(_, written)| written.value == name).map(|(canonical, _)| canonical.as_str());
    let same = || role.columns().iter().map(|column| column.name).find(|column| *column == name);
    mapped.or_else(|| same().filter(|column| !source.columns.contains_key(*column)))
}
