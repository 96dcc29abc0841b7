//! The shop's files.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::items::{CATEGORIES, Catalogue, Item};
use super::log::Log;
use super::people::{self, Subject};
use super::plan::{Plan, What};
use super::spotlight::Spotlight;
use super::truth::{Ledger, Truth};
use super::{DAY, START, conduct, extras, loyalty};
use crate::error::{Error, Result};

/// Written with the parts that the plan needs: what stands between `#if NAME` and `#end`.
const TEMPLATES: [(&str, &str); 4] = [
    ("audit.yaml", include_str!("audit.yaml")),
    ("data-map.yaml", include_str!("data-map.yaml")),
    ("consent-policy.yaml", include_str!("consent-policy.yaml")),
    ("lineage.jsonl", include_str!("lineage.jsonl")),
];
/// When the clocks of Berlin go forward.
const SUMMER: i64 = START + 28 * DAY + 3_600;

/// Writes everything into `folder`, which does not exist yet.
pub fn write(plan: &Plan, folder: &Path) -> Result<Truth> {
    let subjects = people::draw(plan);
    let catalogue = Catalogue::draw(plan.seed);
    let mut ledger = Ledger::of(plan);
    let planned = conduct::decide(plan, &subjects, &mut ledger);
    let spotlight = Spotlight::set(plan, &catalogue, &subjects, &planned)?;
    let log = folder.join("recommendations");
    std::fs::create_dir_all(&log).map_err(|e| Error::io(&log, "create", &e))?;
    let parts = Parts::of(plan);
    for (name, text) in TEMPLATES {
        put(&folder.join(name), parts.render(text).as_bytes())?;
    }
    put(&folder.join("subjects.csv"), subjects_table(&subjects, &parts).as_bytes())?;
    put(&folder.join("consent.csv"), consent_table(&subjects).as_bytes())?;
    put(&folder.join("items.jsonl"), items_table(&catalogue).as_bytes())?;
    if parts.has("candidate") {
        put(&folder.join("candidate.csv"), spotlight.table().as_bytes())?;
    }
    if parts.has("loyalty") {
        put_compressed(&folder.join("outcomes.csv.gz"), &loyalty::purchases(plan, &subjects, &planned))?;
    }
    if parts.has("history") {
        put_compressed(&folder.join("history.csv.gz"), &extras::history(plan, &subjects, &catalogue))?;
    }
    if parts.has("prompts") {
        put(&folder.join("prompts.csv"), extras::prompts(plan, &subjects, &mut ledger).as_bytes())?;
    }
    Log::of(plan, &parts, &subjects, &catalogue, &spotlight).write(&log, &planned, &mut ledger)?;
    let truth = ledger.close(spotlight.told(plan));
    let mut text = serde_json::to_string_pretty(&truth).map_err(|e| Error::Internal(e.to_string()))?;
    text.push('\n');
    put(&folder.join("truth.json"), text.as_bytes())?;
    Ok(truth)
}

/// What only some shops have, by name.
pub struct Parts(Vec<&'static str>);

impl Parts {
    fn of(plan: &Plan) -> Self {
        let part = |what: &What| match what {
            What::Candidate { .. } => Some("candidate"),
            What::Loyalty { .. } | What::Allocation { .. } => Some("loyalty"),
            What::BestSellers { .. } | What::OffTaste { .. } => Some("history"),
            What::Selection { .. } => Some("selection"),
            What::Prompt { .. } => Some("prompts"),
            What::Unexplained { .. } => Some("explained"),
            What::PersonalData { .. } => Some("note"),
            What::Minors { .. } => Some("minors"),
            What::PrivacySignal { .. } => Some("signal"),
            What::Proxy { .. } => Some("tier"),
            _ => None,
        };
        Self(plan.effects.iter().filter_map(|effect| part(&effect.what)).collect())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    fn render(&self, template: &str) -> String {
        let (mut text, mut wanted) = (String::new(), true);
        for line in template.lines() {
            match line.trim().strip_prefix('#') {
                Some("end") => wanted = true,
                Some(marker) if marker.starts_with("if ") => wanted = self.has(&marker[3..]),
                _ if wanted => {
                    text.push_str(line);
                    text.push('\n');
                }
                _ => {}
            }
        }
        text
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io(path, "write", &e))
}

pub fn customer(index: usize) -> String {
    format!("c{index:05}")
}

/// RFC 3339, with the offset of Berlin or, elsewhere, in UTC.
pub fn stamp(time: i64, berlin: bool) -> String {
    let hours = match berlin {
        false => 0,
        true if time < SUMMER => 1,
        true => 2,
    };
    let utc = DateTime::from_timestamp(time, 0).unwrap_or_default();
    match FixedOffset::east_opt(hours * 3_600) {
        Some(zone) if hours > 0 => utc.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false),
        _ => utc.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

/// Hundredths as a decimal number.
pub fn money(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn subjects_table(subjects: &[Subject], parts: &Parts) -> String {
    let (arms, tiers) = (parts.has("loyalty"), parts.has("tier"));
    let mut table = "subject_id,age_band,gender,region,tenure".to_owned();
    table += if arms { ",arm" } else { "" };
    table += if tiers { ",tier\n" } else { "\n" };
    for (index, subject) in subjects.iter().enumerate() {
        let Subject { age_band, gender, region, tenure, .. } = subject;
        let _ = write!(table, "{},{age_band},{gender},{region},{tenure}", customer(index));
        if arms {
            table += if subject.holdout { ",holdout" } else { ",personal" };
        }
        if tiers {
            let _ = write!(table, ",{}", subject.tier);
        }
        table.push('\n');
    }
    table
}

fn consent_table(subjects: &[Subject]) -> String {
    let mut records: Vec<_> = subjects
        .iter()
        .enumerate()
        .flat_map(|(index, subject)| subject.biography.records.iter().map(move |record| (index, subject, record)))
        .collect();
    // As the shop's consent service exports it: by time. Stable, so that ties stay as they were written.
    records.sort_by_key(|(index, _, record)| (record.time, *index));
    let mut table = "subject_id,timestamp,status,purpose,categories,contexts,explicit,expires,jurisdiction,\
                     notice_version,mechanism\n"
        .to_owned();
    for (index, subject, record) in records {
        let _ = writeln!(
            table,
            "{},{},{},{},{},{},{},{},{},{},{}",
            customer(index),
            stamp(record.time, false),
            record.status,
            record.purpose,
            record.categories,
            record.contexts,
            record.explicit,
            record.expires.map(|time| stamp(time, false)).unwrap_or_default(),
            subject.jurisdiction,
            record.notice,
            record.mechanism,
        );
    }
    table
}

fn items_table(catalogue: &Catalogue) -> String {
    let mut table = String::new();
    for (index, item) in catalogue.items.iter().enumerate() {
        let Item { provider, category, price } = item;
        let (id, category, price) = (Item::id(index), CATEGORIES[*category], money(*price));
        // None of these texts has a character that JSON would escape.
        let _ =
            writeln!(table, r#"{{"item_id":"{id}","provider":"{provider}","category":"{category}","price":{price}}}"#);
    }
    table
}

/// A gzip file whose header carries neither time nor name.
pub fn create(path: &Path) -> Result<GzEncoder<BufWriter<File>>> {
    let file = File::create(path).map_err(|e| Error::io(path, "create", &e))?;
    Ok(GzBuilder::new().mtime(0).write(BufWriter::new(file), Compression::best()))
}

pub fn finish(file: GzEncoder<BufWriter<File>>, path: &Path) -> Result<()> {
    let buffer = file.finish().map_err(|e| Error::io(path, "write", &e))?;
    buffer.into_inner().map_err(|e| Error::io(path, "write", e.error()))?;
    Ok(())
}

fn put_compressed(path: &Path, text: &str) -> Result<()> {
    let mut file = create(path)?;
    file.write_all(text.as_bytes()).map_err(|e| Error::io(path, "write", &e))?;
    finish(file, path)
}
