//! The look at samples of every table for personal data that nobody declared.

use std::sync::Arc;

use super::declared::Declared;
use super::tables::Tables;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::evidence::receipts::Terms;
use crate::evidence::{files, sample};
use crate::facts::undeclared_personal_data::{self, UndeclaredPersonalData};

/// What the scan of every file of every table found. The values it looked at end here.
pub(super) async fn scan_facts(declared: &Declared, tables: &Tables) -> Result<Vec<UndeclaredPersonalData>> {
    let rows = declared.manifest.value.measure.scan_rows as usize;
    let mut facts = Vec::new();
    if rows == 0 {
        return Ok(facts);
    }
    for role in Role::ALL {
        if !tables.0.contains_key(&role) {
            continue;
        }
        for source in declared.sources(role) {
            let terms = Arc::new(Terms::of(source, &declared.taxonomy));
            for mut file in files::files(&declared.manifest, source)? {
                file.terms = terms.clone();
                let sample = sample::sample(source, &file, rows).await?;
                let manifest = &declared.name;
                facts.extend(undeclared_personal_data::measure(role, source, &file.name, &sample, manifest));
            }
        }
    }
    Ok(facts)
}
