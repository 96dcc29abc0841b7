//! Times and durations as consent documents write them.

use chrono::{DateTime, Months, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta};
use serde_json::Value;

/// Later than this a number of seconds is more likely one of milliseconds: the year 5138.
const LATEST: i64 = 100_000_000_000;

/// A time in seconds since 1970, as RFC 3339.
pub fn epoch(value: &Value) -> Result<String, String> {
    let seconds = value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    let time = seconds.filter(|seconds| (0..LATEST).contains(seconds)).and_then(|s| DateTime::from_timestamp(s, 0));
    let time = time.ok_or("the time is not in seconds since 1970".to_owned())?;
    Ok(time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A time, a date or a date with a clock, written out; None for any other text. A date ends when it begins.
pub fn date(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(format!("{day}T00:00:00Z"));
    }
    Moment::parse(text).map(|moment| moment.text())
}

/// Whether a text is a time, with or without its zone.
pub fn is_time(text: &str) -> bool {
    Moment::parse(text).is_some()
}

/// `start` and a duration of ISO 8601 after it (`P12M`, `P1Y6M`, `P30D`, `PT24H`).
pub fn after(start: &str, duration: &str) -> Option<String> {
    let (months, rest) = parse(duration)?;
    let shift = |time: NaiveDateTime| time.checked_add_months(Months::new(months))?.checked_add_signed(rest);
    let moment = match Moment::parse(start)? {
        Moment::Zoned(time) => Moment::Zoned(time.checked_add_months(Months::new(months))?.checked_add_signed(rest)?),
        Moment::Local(time) => Moment::Local(shift(time)?),
    };
    Some(moment.text())
}

/// A time with its zone, or by the clock of a zone that the source states.
enum Moment {
    Zoned(DateTime<chrono::FixedOffset>),
    Local(NaiveDateTime),
}

impl Moment {
    fn parse(text: &str) -> Option<Self> {
        let zoned = DateTime::parse_from_rfc3339(text).map(Self::Zoned);
        zoned.or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(Self::Local)).ok()
    }

    fn text(&self) -> String {
        match self {
            Self::Zoned(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            Self::Local(time) => time.format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
        }
    }
}

/// Months, and what is left beside them.
fn parse(duration: &str) -> Option<(u32, TimeDelta)> {
    let (date, clock) = match duration.trim().strip_prefix('P')?.split_once('T') {
        Some((date, clock)) => (date, clock),
        None => (duration.trim().strip_prefix('P')?, ""),
    };
    let (mut months, mut rest, mut parts) = (0_u32, TimeDelta::zero(), 0);
    for (part, of_clock) in [(date, false), (clock, true)] {
        let mut digits = String::new();
        for c in part.chars() {
            if c.is_ascii_digit() {
                digits.push(c);
                continue;
            }
            let n: u32 = std::mem::take(&mut digits).parse().ok()?;
            let (more, delta) = match (c, of_clock) {
                ('Y', false) => (n.checked_mul(12)?, TimeDelta::zero()),
                ('M', false) => (n, TimeDelta::zero()),
                ('W', false) => (0, TimeDelta::try_weeks(n.into())?),
                ('D', false) => (0, TimeDelta::try_days(n.into())?),
                ('H', true) => (0, TimeDelta::try_hours(n.into())?),
                ('M', true) => (0, TimeDelta::try_minutes(n.into())?),
                ('S', true) => (0, TimeDelta::try_seconds(n.into())?),
                _ => return None,
            };
            months = months.checked_add(more)?;
            rest = rest.checked_add(&delta)?;
            parts += 1;
        }
        if !digits.is_empty() {
            return None;
        }
    }
    (parts > 0).then_some((months, rest))
}
