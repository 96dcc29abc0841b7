//! The shop's files.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::chance::Chance;
use super::items::{CATEGORIES, Catalogue, Item};
use super::offers::Offers;
use super::people::{self, Subject};
use super::plan::{self, HYBRID, POPULAR, Planned, READINGS, WEB};
use super::truth::{Ledger, Truth};
use super::{DAY, LENGTH_OF_LIST, Options, START};
use crate::error::{Error, Result};

/// Written as they are.
const TEMPLATES: [(&str, &str); 4] = [
    ("audit.yaml", include_str!("audit.yaml")),
    ("data-map.yaml", include_str!("data-map.yaml")),
    ("consent-policy.yaml", include_str!("consent-policy.yaml")),
    ("lineage.jsonl", include_str!("lineage.jsonl")),
];
/// Clicks per million impressions at the mean position.
const CLICK: u64 = 60_000;
/// Of a click, by position from the top, in thousandths of the mean.
const POSITION: [u64; LENGTH_OF_LIST] = [1_600, 1_350, 1_200, 1_050, 950, 880, 820, 760, 720, 670];
/// Orders per thousand clicks.
const ORDER: u64 = 160;
/// When the clocks of Berlin go forward.
const SUMMER: i64 = START + 28 * DAY + 3_600;

/// Writes everything into `folder`, which does not exist yet.
pub fn write(options: &Options, folder: &Path) -> Result<Truth> {
    let log = folder.join("recommendations");
    std::fs::create_dir_all(&log).map_err(|e| Error::io(&log, "create", &e))?;
    for (name, text) in TEMPLATES {
        put(&folder.join(name), text.as_bytes())?;
    }
    let subjects = people::draw(options);
    let catalogue = Catalogue::draw(options.seed);
    let mut ledger = Ledger::default();
    let planned = plan::plan(options, &subjects, &mut ledger);
    put(&folder.join("subjects.csv"), subjects_table(&subjects).as_bytes())?;
    put(&folder.join("consent.csv"), consent_table(&subjects).as_bytes())?;
    put(&folder.join("items.jsonl"), items_table(&catalogue).as_bytes())?;
    let chance = Chance::new(options.seed, 7);
    let offers = Offers::draw(options, &catalogue);
    Log { options, subjects: &subjects, catalogue: &catalogue, offers, chance }.write(&log, &planned, &mut ledger)?;
    let truth = ledger.close(options);
    let mut text = serde_json::to_string_pretty(&truth).map_err(|e| Error::Internal(e.to_string()))?;
    text.push('\n');
    put(&folder.join("truth.json"), text.as_bytes())?;
    Ok(truth)
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::io(path, "write", &e))
}

fn customer(index: usize) -> String {
    format!("c{index:05}")
}

/// RFC 3339, with the offset of Berlin or, elsewhere, in UTC.
fn stamp(time: i64, berlin: bool) -> String {
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
fn money(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn subjects_table(subjects: &[Subject]) -> String {
    let mut table = "subject_id,age_band,gender,region,tenure\n".to_owned();
    for (index, subject) in subjects.iter().enumerate() {
        let Subject { age_band, gender, region, tenure, .. } = subject;
        let _ = writeln!(table, "{},{age_band},{gender},{region},{tenure}", customer(index));
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

/// The recommendations.
struct Log<'a> {
    options: &'a Options,
    subjects: &'a [Subject],
    catalogue: &'a Catalogue,
    offers: Offers<'a>,
    chance: Chance,
}

/// Items, prices, clicks, orders and revenue of one decision, each a list in the order of the items.
#[derive(Default)]
struct Lists {
    items: String,
    prices: String,
    clicks: String,
    orders: String,
    revenue: String,
}

impl Log<'_> {
    /// Writes a file per month. `planned` is in the order of time.
    fn write(mut self, folder: &Path, planned: &[Planned], ledger: &mut Ledger) -> Result<()> {
        let months = ["2026-03", "2026-04", "2026-05"];
        let paths = months.map(|month| folder.join(format!("{month}.csv.gz")));
        let mut files = Vec::new();
        for path in &paths {
            let mut file = create(path)?;
            let header = "request,served_at,customer,model,items,prices,clicks,orders,revenue,inputs,country\n";
            file.write_all(header.as_bytes()).map_err(|e| Error::io(path, "write", &e))?;
            files.push(file);
        }
        for (number, decision) in planned.iter().enumerate() {
            let subject = &self.subjects[decision.subject as usize];
            let reading = &READINGS[usize::from(decision.reading)];
            let served = stamp(decision.time, subject.jurisdiction == "DE");
            let lists = self.outcome(subject, decision.time, reading.strategy, ledger);
            let Lists { items, prices, clicks, orders, revenue } = lists;
            // The manifest names the jurisdiction of rows that name none.
            let silent = self.chance.per_mille(50) && subject.jurisdiction == "DE";
            let country = if silent { "" } else { subject.jurisdiction };
            let (customer, model, inputs) = (customer(decision.subject as usize), reading.strategy, reading.inputs);
            let at = months.iter().position(|month| served.starts_with(month)).unwrap_or(months.len() - 1);
            writeln!(
                files[at],
                "r{number:06},{served},{customer},{model},{items},{prices},{clicks},{orders},{revenue},{inputs},{country}"
            )
            .map_err(|e| Error::io(&paths[at], "write", &e))?;
        }
        for (file, path) in files.into_iter().zip(&paths) {
            let buffer = file.finish().map_err(|e| Error::io(path, "write", &e))?;
            buffer.into_inner().map_err(|e| Error::io(path, "write", e.error()))?;
        }
        Ok(())
    }

    fn outcome(&mut self, subject: &Subject, time: i64, strategy: &'static str, ledger: &mut Ledger) -> Lists {
        let taste = (strategy != POPULAR).then_some(subject.taste);
        let skill = match strategy {
            HYBRID => 1_080,
            WEB => 1_000,
            POPULAR => 850,
            _ => 950,
        };
        // Per thousand millions; what is left to divide by is divided last, with the position.
        let willing = CLICK * skill * subject.eagerness / 1_000 * subject.planted(self.options.clean) / 1_000;
        let chance = &mut self.chance;
        let mut items = self.catalogue.choose(LENGTH_OF_LIST, taste, chance);
        let outcomes = POSITION.map(|position| {
            let click = chance.per_million(willing * position / 1_000_000);
            (click, chance.per_mille(ORDER) && click)
        });
        let exchanged = self.offers.exchange(strategy, &mut items, |place| outcomes[place].1);
        let (mut clicks, mut orders, mut revenue) = (0, 0, 0);
        let mut lists = Lists::default();
        for (position, (item, (click, order))) in items.iter().copied().zip(outcomes).enumerate() {
            let Item { provider, price, .. } = self.catalogue.items[item];
            let (shown_at, dearer) = self.offers.price(item, time, subject, strategy);
            // Offers move what is shown; the books are kept at list prices.
            let paid = if order { price } else { 0 };
            let between = if position == 0 { "" } else { "|" };
            let paid_text = if order { money(paid) } else { "0".to_owned() };
            let _ = write!(lists.items, "{between}{}", Item::id(item));
            let _ = write!(lists.prices, "{between}{}", money(shown_at));
            let _ = write!(lists.clicks, "{between}{}", u8::from(click));
            let _ = write!(lists.orders, "{between}{}", u8::from(order));
            let _ = write!(lists.revenue, "{between}{paid_text}");
            clicks += u64::from(click);
            orders += u64::from(order);
            revenue += paid;
            ledger.offered.show(strategy, provider, dearer);
        }
        ledger.offered.exchange(exchanged);
        ledger.outcome(subject, strategy, clicks, orders, revenue);
        lists
    }
}

/// A gzip file whose header carries neither time nor name.
fn create(path: &Path) -> Result<GzEncoder<BufWriter<File>>> {
    let file = File::create(path).map_err(|e| Error::io(path, "create", &e))?;
    Ok(GzBuilder::new().mtime(0).write(BufWriter::new(file), Compression::best()))
}
