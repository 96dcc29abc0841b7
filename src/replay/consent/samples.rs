//! Sample decisions for findings: who (by a pseudonym), when, and what that person had said until then.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::matters::Code;
use crate::engine::{Engine, rfc3339};
use crate::error::Result;
use crate::evidence::columns::LIST;
use crate::evidence::taxonomy::covers;

/// Records shown per sample: the last ones before the decision.
const RECORDS: usize = 6;

/// One decision without consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// A pseudonym under the key of the run, or without a key a number within the finding.
    pub subject: String,
    /// Time of the decision, RFC 3339, UTC.
    pub at: String,
    /// What the person had said about the purpose until then, oldest first; at most the last six records.
    pub records: Vec<SampleRecord>,
}

/// A consent record of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SampleRecord {
    /// RFC 3339, UTC.
    pub at: String,
    pub status: String,
    pub purpose: String,
    /// Empty: every context on its own.
    pub contexts: Vec<String>,
}

impl Sample {
    /// In one line, for people.
    pub fn sentence(&self) -> String {
        let record = |record: &SampleRecord| {
            let contexts = if record.contexts.is_empty() {
                String::new()
            } else {
                format!(" for {}", record.contexts.join(" with "))
            };
            format!("{} {}{contexts}", record.at, record.status)
        };
        let records: Vec<String> = self.records.iter().map(record).collect();
        let said =
            if records.is_empty() { "no record about this purpose until then".into() } else { records.join("; ") };
        format!("{} at {}; {said}", self.subject, self.at)
    }
}

/// How subjects are named in outputs.
pub struct Pseudonyms<'a>(pub Option<&'a [u8]>);

impl Pseudonyms<'_> {
    /// HMAC-SHA-256 of the id under the key, its first 8 bytes in hex; without a key, the `number` within the finding.
    fn of(&self, subject: &str, number: usize) -> String {
        match self.0.and_then(|key| Hmac::<Sha256>::new_from_slice(key).ok()) {
            Some(mut mac) => {
                mac.update(subject.as_bytes());
                format!("p-{}", crate::hex(&mac.finalize().into_bytes()[..8]))
            }
            None => format!("person {number}"),
        }
    }
}

/// Up to `many` samples for each matter, by its number: the people whose decisions without consent came first.
///
/// `on` joins `signatures` (s) with `judged` (j); `purposes` are those of the matters.
pub async fn of_matters(
    engine: &Engine,
    on: &str,
    many: usize,
    purposes: &[String],
    pseudonyms: &Pseudonyms<'_>,
    have_records: bool,
) -> Result<BTreeMap<usize, Vec<Sample>>> {
    let rows = engine
        .rows(&format!(
            "SELECT matter, subject_id, first FROM (SELECT matter, subject_id, first, \
              row_number() OVER (PARTITION BY matter ORDER BY first, subject_id) AS nth FROM \
              (SELECT j.matter AS matter, s.subject_id AS subject_id, min(s.first) AS first \
               FROM signatures s JOIN judged j ON {on} WHERE j.code = {} GROUP BY j.matter, s.subject_id)) \
             WHERE nth <= {many} ORDER BY matter, first, subject_id",
            Code::Without as i64
        ))
        .await?;
    let mut chosen: Vec<(usize, String, i64)> = Vec::new();
    for row in 0..rows.len() {
        let matter = usize::try_from(rows.count("matter", row)).unwrap_or(0);
        let subject = rows.text("subject_id", row).unwrap_or_default().to_owned();
        chosen.push((matter, subject, rows.integer("first", row).unwrap_or(0)));
    }
    let said = if have_records {
        records(engine, chosen.iter().map(|(_, subject, _)| subject.as_str())).await?
    } else {
        BTreeMap::new()
    };
    let mut samples: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
    for (matter, subject, at) in chosen {
        let purpose = purposes.get(matter).map_or("", String::as_str);
        let until = said.get(&subject).into_iter().flatten();
        let about: Vec<SampleRecord> = until
            .filter(|(time, record)| *time <= at && covers(&record.purpose, purpose))
            .map(|(_, record)| record.clone())
            .collect();
        let of_matter = samples.entry(matter).or_default();
        of_matter.push(Sample {
            subject: pseudonyms.of(&subject, of_matter.len() + 1),
            at: rfc3339(at),
            records: about[about.len().saturating_sub(RECORDS)..].to_vec(),
        });
    }
    Ok(samples)
}

/// All records of a few subjects, oldest first.
async fn records<'a>(
    engine: &Engine,
    subjects: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, Vec<(i64, SampleRecord)>>> {
    let distinct: std::collections::BTreeSet<&str> = subjects.collect();
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(distinct));
    engine.small_table("sampled", RecordBatch::try_from_iter([("subject_id", ids)])?)?;
    let rows = engine
        .rows(
            "SELECT r.subject_id AS subject_id, r.timestamp AS at, r.status AS status, r.purpose AS purpose, \
             r.contexts AS contexts FROM consent_events r JOIN sampled s ON r.subject_id = s.subject_id \
             ORDER BY r.subject_id, r.timestamp, r.status, r.purpose, contexts",
        )
        .await?;
    let mut records: BTreeMap<String, Vec<(i64, SampleRecord)>> = BTreeMap::new();
    for row in 0..rows.len() {
        let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
        let at = rows.integer("at", row).unwrap_or(0);
        let contexts =
            text("contexts").split(LIST).filter(|c| !c.trim().is_empty()).map(|c| c.trim().to_owned()).collect();
        let record = SampleRecord { at: rfc3339(at), status: text("status"), purpose: text("purpose"), contexts };
        records.entry(text("subject_id")).or_default().push((at, record));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_is_the_hmac_of_rfc_4231() {
        // RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?".
        let name = Pseudonyms(Some(b"Jefe")).of("what do ya want for nothing?", 1);
        assert_eq!(name, "p-5bdcc146bf60754e");
        assert_eq!(Pseudonyms(None).of("anna", 2), "person 2");
    }
}
