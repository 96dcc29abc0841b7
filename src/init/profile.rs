//! What a sample of a column's values looks like.

use std::collections::BTreeSet;

use chrono::Utc;
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;

use crate::evidence::columns::{Column, Kind, LIST};
use crate::manifest::Epoch;
use crate::scan::{self, Found};

/// Distinct values that are remembered; past these a column has many.
const DISTINCT: usize = 1000;
/// 1990-01-01 and 2100-01-01, in seconds since 1970: what lies outside is rather a number than a time.
const TIMES: std::ops::Range<u64> = 631_152_000..4_102_444_800;
/// Positions are below this.
const LAST_POSITION: f64 = 10_000.0;
/// The share of values that must fit.
const MOST: f64 = 0.99;

/// A column of a table, by a sample. The values it looked at stay in memory.
pub struct Profile {
    /// As the file writes it.
    pub name: String,
    /// Values that are not empty.
    pub filled: u64,
    /// The different values, up to a bound.
    pub distinct: BTreeSet<String>,
    /// Whether there are more than the bound.
    pub many: bool,
    /// Whether a value came twice, as far as different ones are remembered.
    repeated: bool,
    /// What parts the elements, if the cells are lists.
    pub listed: Option<char>,
    /// Whether the cells are JSON arrays written into text.
    pub bracketed: bool,
    /// Personal data that its values are.
    pub personal: Vec<Found>,
    times: Times,
    flags: u64,
    counts: u64,
    numbers: u64,
    shares: u64,
    countries: u64,
    /// Elements of all cells.
    elements: u64,
}

#[derive(Default)]
struct Times {
    zoned: u64,
    /// Any text that is a time.
    texts: u64,
    epochs: [u64; 3],
}

impl Profile {
    /// `listed` is what parts the elements of a cell where the format has lists of its own.
    pub fn of(name: &str, values: &[String], own_lists: bool) -> Self {
        let mut profile = Self {
            name: name.to_owned(),
            filled: 0,
            distinct: BTreeSet::new(),
            many: false,
            repeated: false,
            listed: None,
            bracketed: false,
            personal: Vec::new(),
            times: Times::default(),
            flags: 0,
            counts: 0,
            numbers: 0,
            shares: 0,
            countries: 0,
            elements: 0,
        };
        let filled = || values.iter().map(|value| value.trim()).filter(|value| !value.is_empty());
        profile.filled = filled().count() as u64;
        profile.bracketed =
            profile.filled > 0 && !own_lists && filled().all(|cell| cell.starts_with('[') && cell.ends_with(']'));
        profile.listed = separator(name, filled, profile.filled, own_lists);
        for cell in filled() {
            match profile.listed {
                None => profile.element(cell),
                Some(separator) => cell.split(separator).for_each(|element| profile.element(element.trim())),
            }
            if profile.many {
                continue;
            }
            profile.repeated |= !profile.distinct.insert(cell.to_owned());
            profile.many = profile.distinct.len() > DISTINCT;
        }
        let separator = profile.listed.map(String::from).unwrap_or_default();
        profile.personal = scan::column(name, filled(), &separator);
        profile
    }

    fn element(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.elements += 1;
        self.flags += u64::from(is_flag(text));
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if let Ok(number) = text.parse::<f64>() {
            let finite = number.is_finite();
            self.numbers += u64::from(finite);
            self.counts += u64::from(digits && number < LAST_POSITION);
            self.shares += u64::from(finite && number > 0.0 && number <= 1.0);
        }
        for (epoch, hits) in Epoch::ALL.iter().zip(&mut self.times.epochs) {
            let scale = 1_000_000 / u64::from(epoch.microseconds());
            let whole = text.split('.').next().unwrap_or_default();
            *hits += u64::from(whole.parse::<u64>().is_ok_and(|count| TIMES.contains(&(count / scale))));
        }
        if !digits && text.len() >= 10 && string_to_datetime(&Utc, text).is_ok() {
            self.times.texts += 1;
            self.times.zoned += u64::from(is_zoned(text));
        }
        self.countries += u64::from(is_country(text));
    }

    fn most(&self, hits: u64) -> bool {
        self.elements > 0 && hits as f64 >= MOST * self.elements as f64
    }

    /// Whether the values can be what a canonical column holds. A column without any value can be anything.
    pub fn fits(&self, column: &Column<'_>) -> bool {
        if self.elements == 0 {
            return true;
        }
        match (column.name, column.kind) {
            ("propensity", _) | (_, Kind::Probability) => self.most(self.shares),
            ("jurisdiction", _) => self.most(self.countries),
            ("strategy", _) => !self.is_time() && self.few().is_some(),
            ("subject_id" | "item_id" | "linked_id", _) => self.times.texts == 0,
            (_, Kind::Flag) => self.most(self.flags),
            (_, Kind::Count | Kind::Points(_)) => self.most(self.counts),
            (_, Kind::Number | Kind::Money) => self.most(self.numbers),
            (_, Kind::Time) => self.is_time(),
            (_, Kind::Date) => self.most(self.times.texts),
            (_, Kind::Choice(words)) => {
                !self.many && self.distinct.iter().all(|value| words.contains(&value.to_lowercase().as_str()))
            }
            (_, Kind::Text | Kind::List) => true,
        }
    }

    /// Whether the values are times, as text or as a count since 1970.
    pub fn is_time(&self) -> bool {
        self.most(self.times.texts) || self.epoch().is_some()
    }

    /// What the values count, if they are times as numbers.
    pub fn epoch(&self) -> Option<Epoch> {
        let told = Epoch::ALL.into_iter().zip(self.times.epochs);
        told.filter(|(_, hits)| self.most(*hits)).map(|(epoch, _)| epoch).next()
    }

    /// Whether there are times without a zone.
    pub fn lacks_zone(&self) -> bool {
        self.epoch().is_none() && self.times.texts > self.times.zoned
    }

    /// The values, where they are few, short and no personal data, as names of models and purposes are.
    pub fn few(&self) -> Option<Vec<&str>> {
        let plain = |value: &&String| {
            let personal = scan::told_name(value, 0) != value.as_str();
            value.len() <= 64 && !personal && !value.contains('@') && !value.contains(LIST)
        };
        let few = !self.many && self.distinct.len() <= 20 && self.personal.is_empty();
        (few && self.distinct.iter().all(|value| plain(&value)))
            .then(|| self.distinct.iter().map(String::as_str).collect())
    }

    /// Whether no value comes twice, in a sample of `rows`.
    pub fn is_unique(&self, rows: u64) -> bool {
        self.filled == rows && !self.repeated
    }

    /// Whether people or items may be grouped by it: few values, each of several rows, none of them personal by itself.
    pub fn is_attribute(&self) -> bool {
        let count = self.distinct.len() as u64;
        let fractions = self.most(self.numbers) && !self.most(self.counts);
        !self.many
            && (2..=12).contains(&count)
            && count * 5 <= self.filled
            && self.personal.is_empty()
            && !self.is_time()
            && !fractions
            && self.listed.is_none()
    }
}

/// What parts the elements of the cells, if most of them are lists.
fn separator<'v, I: Iterator<Item = &'v str>>(
    name: &str,
    cells: impl Fn() -> I,
    filled: u64,
    own_lists: bool,
) -> Option<char> {
    let own = LIST.chars().next();
    if own_lists {
        return own.filter(|own| cells().any(|cell| cell.contains(*own)));
    }
    let plural = super::names::words(name).last().is_some_and(|word| word.ends_with('s') || word == "list");
    // Blanks and commas stand in titles, too.
    let candidates: &[char] = if plural { &['|', ';', ',', ' '] } else { &['|', ';'] };
    candidates.iter().copied().find(|separator| {
        let with = cells().filter(|cell| cell.contains(*separator)).count() as u64;
        with > 0 && with * 2 >= filled
    })
}

fn is_flag(text: &str) -> bool {
    let words = ["0", "1", "true", "false", "t", "f", "yes", "no", "y", "n", "1.0", "0.0"];
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// As the loader tells it.
fn is_zoned(text: &str) -> bool {
    let sign =
        |from_end: usize| text.len().checked_sub(from_end).is_some_and(|at| matches!(text.as_bytes()[at], b'+' | b'-'));
    text.len() > 10 && (text.ends_with(['Z', 'z']) || sign(6) || sign(5) || sign(3))
}

/// `DE` or `US-CA`.
fn is_country(text: &str) -> bool {
    let (country, region) = text.split_once('-').unwrap_or((text, "X"));
    let upper = |part: &str| part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    country.len() == 2
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=3).contains(&region.len())
        && upper(region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::columns::Role;

    fn profile(name: &str, values: &[&str]) -> Profile {
        Profile::of(name, &values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>(), false)
    }

    fn fits(profile: &Profile, canonical: &str) -> bool {
        let columns = Role::Recommendations.columns().iter();
        profile.fits(columns.clone().find(|column| column.name == canonical).expect("a column"))
    }

    #[test]
    fn times_are_told_from_numbers_and_their_unit_and_zone_from_each_other() {
        assert_eq!(profile("t", &["964982703", "881250949"]).epoch(), Some(Epoch::Seconds));
        assert_eq!(profile("t", &["1767225600123"]).epoch(), Some(Epoch::Milliseconds));
        assert_eq!(profile("t", &["1767225600123456"]).epoch(), Some(Epoch::Microseconds));
        assert_eq!(profile("t", &["1767225600.25"]).epoch(), Some(Epoch::Seconds));
        assert_eq!(profile("t", &["964982703", "17"]).epoch(), None);
    }

    #[test]
    fn values_decide_what_a_column_can_be() {
        let zoned = profile("t", &["2026-03-01T10:00:00Z", "2026-03-01 10:00:00.5+01:00"]);
        assert!(fits(&zoned, "timestamp") && !zoned.lacks_zone());
        assert!(profile("t", &["2026-03-01 10:00:00"]).lacks_zone());
        assert!(!fits(&profile("t", &["01/03/2026 10:00"]), "timestamp"), "the loader does not read it either");
        assert!(fits(&profile("c", &["0", "1", "TRUE"]), "clicked") && !fits(&profile("c", &["0", "7"]), "clicked"));
        assert!(
            fits(&profile("p", &["0.5", "1"]), "propensity") && !fits(&profile("p", &["0.5", "1.5"]), "propensity")
        );
        assert!(fits(&profile("country", &["DE", "US-CA"]), "jurisdiction"));
        assert!(!fits(&profile("country", &["Germany"]), "jurisdiction"));
        assert!(!fits(&profile("price", &["12 EUR"]), "price"));
        assert!(fits(&profile("model", &["a", "b"]), "strategy"));
        let many: Vec<String> = (0..30).map(|n| format!("m{n}")).collect();
        assert!(!fits(&Profile::of("model", &many, false), "strategy"));
        assert!(!fits(&profile("model", &["anna@people.example"]), "strategy"));
    }

    #[test]
    fn lists_are_told_by_what_parts_them_and_titles_are_none() {
        assert_eq!(profile("items", &["a|b|c", "d"]).listed, Some('|'));
        assert_eq!(profile("items", &["a,b,c", "d,e"]).listed, Some(','));
        assert_eq!(profile("item", &["Knitted vest, blue", "Shirt, red"]).listed, None);
        assert!(profile("items", &["[\"a\",\"b\"]"]).bracketed);
        let own = Profile::of("items", &[format!("a{LIST}b")], true);
        assert_eq!(own.listed, LIST.chars().next());
    }
}
