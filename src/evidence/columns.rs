//! The canonical columns of each table of evidence, and the SQL that turns a user's column into one.
//!
//! A value that cannot be read never becomes null in silence: every rule below comes with its reason for rejection.

mod tables;

use datafusion::arrow::datatypes::DataType;

use crate::engine::{literal, quoted};
use crate::manifest::Epoch;
use tables::{CANDIDATE, CONSENT_RECORDS, HISTORY, ITEMS, LINKS, OUTCOMES, PROMPTS, RECOMMENDATIONS, SUBJECTS, USES};
pub use tables::{CONSENT_STATUS, OPERATIONS, OUTCOME_KINDS};

/// A table of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Recommendations,
    ConsentRecords,
    Uses,
    Links,
    Subjects,
    Items,
    Prompts,
    History,
    Candidate,
    Outcomes,
}

impl Role {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 10] = [
        Self::ConsentRecords,
        Self::Recommendations,
        Self::Uses,
        Self::Links,
        Self::Subjects,
        Self::Items,
        Self::Prompts,
        Self::History,
        Self::Candidate,
        Self::Outcomes,
    ];

    pub fn id(self) -> &'static str {
        match self {
            Self::Recommendations => "recommendations",
            Self::ConsentRecords => "consent_records",
            Self::Uses => "uses",
            Self::Links => "links",
            Self::Subjects => "subjects",
            Self::Items => "items",
            Self::Prompts => "prompts",
            Self::History => "history",
            Self::Candidate => "candidate",
            Self::Outcomes => "outcomes",
        }
    }

    pub fn columns(self) -> &'static [Column<'static>] {
        match self {
            Self::Recommendations => RECOMMENDATIONS,
            Self::ConsentRecords => CONSENT_RECORDS,
            Self::Uses => USES,
            Self::Links => LINKS,
            Self::Subjects => SUBJECTS,
            Self::Items => ITEMS,
            Self::Prompts => PROMPTS,
            Self::History => HISTORY,
            Self::Candidate => CANDIDATE,
            Self::Outcomes => OUTCOMES,
        }
    }

    /// Whether columns that are not canonical are attributes to compare by.
    pub fn has_attributes(self) -> bool {
        matches!(self, Self::Subjects | Self::Items)
    }
}

/// A canonical column.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    pub name: &'a str,
    pub kind: Kind,
    pub need: Need,
    /// Whether it belongs to the item: a list in a row per decision.
    pub per_item: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The column must be there and every row must fill it.
    Mandatory,
    /// As mandatory, but for rows that fill the named column instead.
    Unless(&'static str),
    Optional,
}

/// What a canonical column holds, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; an identifier is never a number, `007` is not `7`.
    Text,
    /// Microseconds since 1970, UTC, as a 64-bit integer.
    Time,
    /// A day as a 64-bit integer: year, month and day in decimal, 20100228.
    Date,
    /// 0 or 1.
    Flag,
    /// A finite 64-bit float.
    Number,
    /// A finite 64-bit float from 0 to 1.
    Probability,
    /// Ten-thousandths of the log's currency, as a 64-bit integer: sums of integers do not depend on their order.
    Money,
    /// A whole number from 0.
    Count,
    /// Text elements, joined by [`LIST`].
    List,
    /// A whole number from 0 to this.
    Points(u8),
    /// One of a few words.
    Choice(&'static [&'static str]),
}

/// What joins the elements of a list inside a canonical text column.
pub const LIST: &str = "\u{1f}";

use Kind::{Choice, Count, Date, Flag, List, Money, Number, Points, Probability, Text, Time};
use Need::Mandatory;

/// Reason for a time without zone where the source states none. It is systematic, so it stops the run.
pub const NO_ZONE: &str = "has no time zone";

/// How a source writes what plain text leaves open.
#[derive(Debug, Clone)]
pub struct Dialect {
    pub time_zone: Option<String>,
    /// What times that are numbers count.
    pub epoch: Option<Epoch>,
    pub list_separator: String,
}

/// A user's column on its way to canonical: the SQL of its value, and of why a row is rejected.
pub struct Reading {
    pub value: String,
    /// Conditions, in order, each with the reason it stands for.
    pub rejections: Vec<(String, String)>,
}

impl Kind {
    /// The type of the canonical column in SQL.
    pub fn sql_type(self) -> &'static str {
        match self {
            Text | List | Choice(_) => "VARCHAR",
            Time | Date | Flag | Money | Count | Points(_) => "BIGINT",
            Number | Probability => "DOUBLE",
        }
    }
}

/// Reads `raw`, a SQL expression of type `from`, as the canonical `column`.
///
/// With `listed`, the cell holds a list of such values: it stays text, joined by [`LIST`], and is checked as a whole.
pub fn read(column: &Column<'_>, raw: &str, from: &DataType, listed: bool, dialect: &Dialect) -> Reading {
    let name = column.name;
    let mut rejections = Vec::new();
    if column.need == Mandatory {
        rejections.push((format!("{raw} IS NULL"), format!("{name} is empty")));
    }
    if listed {
        let (pattern, expected) = list_pattern(column, dialect);
        rejections.push((
            format!("{raw} IS NOT NULL AND NOT regexp_like({raw}, {})", literal(&pattern)),
            format!("{name} is not a list of {expected}"),
        ));
        return Reading { value: relist(raw, dialect), rejections };
    }
    let value = match column.kind {
        Text => format!("CAST({raw} AS VARCHAR)"),
        List => relist(raw, dialect),
        Choice(words) => {
            let word = format!("lower(CAST({raw} AS VARCHAR))");
            let list = words.iter().map(|w| literal(w)).collect::<Vec<_>>().join(", ");
            rejections.push((
                format!("{raw} IS NOT NULL AND {word} NOT IN ({list})"),
                format!("{name} is none of {}", words.join(", ")),
            ));
            word
        }
        Flag => {
            let value = flag(raw, from);
            rejections.push(unread(raw, &value, name, "0 or 1, true or false"));
            value
        }
        Number => {
            let value = format!("TRY_CAST({raw} AS DOUBLE)");
            rejections.push(unread(raw, &value, name, "a number"));
            rejections
                .push((format!("isnan({value}) OR abs({value}) > 1.7e308"), format!("{name} is not a finite number")));
            value
        }
        Probability => {
            let value = format!("TRY_CAST({raw} AS DOUBLE)");
            rejections.push(unread(raw, &value, name, "a number"));
            rejections.push((
                format!("isnan({value}) OR {value} < 0 OR {value} > 1"),
                format!("{name} is not between 0 and 1"),
            ));
            value
        }
        Money => {
            let number = format!("TRY_CAST({raw} AS DOUBLE)");
            rejections.push(unread(raw, &number, name, "a number"));
            rejections.push((
                format!("isnan({number}) OR abs({number}) > 1e12"),
                format!("{name} is not a finite amount up to 1e12"),
            ));
            format!("CASE WHEN abs({number}) <= 1e12 THEN CAST(round({number} * 10000) AS BIGINT) END")
        }
        Count => {
            let value = format!("TRY_CAST({raw} AS BIGINT)");
            rejections.push((
                format!("{raw} IS NOT NULL AND ({value} IS NULL OR {value} < 0)"),
                format!("{name} is not a whole number from 0"),
            ));
            value
        }
        Points(most) => {
            // `9.0` is what a table of floats makes of a 9.
            let number = format!("TRY_CAST({raw} AS DOUBLE)");
            rejections.push((
                format!(
                    "{raw} IS NOT NULL AND ({number} IS NULL OR {number} NOT BETWEEN 0 AND {most} OR {number} <> floor({number}))"
                ),
                format!("{name} is not a whole number from 0 to {most}"),
            ));
            format!("CASE WHEN {number} BETWEEN 0 AND {most} THEN CAST({number} AS BIGINT) END")
        }
        Date => {
            let day = format!("arrow_try_cast({raw}, 'Date32')");
            let expected = "a day like 2010-02-28";
            if from.is_numeric() {
                rejections.push((format!("{raw} IS NOT NULL"), format!("{name} is not {expected}")));
                "CAST(NULL AS BIGINT)".to_owned()
            } else {
                rejections.push(unread(raw, &day, name, expected));
                decimal_day(&day)
            }
        }
        Time => return time(name, raw, from, rejections, dialect),
    };
    Reading { value, rejections }
}

/// The raw column as text without blanks around, and null when nothing is left; other types as they are.
pub fn clean(column: &str, from: &DataType) -> String {
    match from {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(_, _) => {
            format!("nullif(trim(CAST({} AS VARCHAR)), '')", quoted(column))
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::ListView(_) | DataType::FixedSizeList(_, _) => {
            format!("array_to_string({}, {}, '')", quoted(column), literal(LIST))
        }
        _ => quoted(column),
    }
}

/// A date or timestamp as year, month and day in decimal, so that a difference of such days tells an age.
pub fn decimal_day(day: &str) -> String {
    format!(
        "CAST(date_part('year', {day}) AS BIGINT) * 10000 + CAST(date_part('month', {day}) AS BIGINT) * 100 \
         + CAST(date_part('day', {day}) AS BIGINT)"
    )
}

fn unread(raw: &str, value: &str, name: &str, expected: &str) -> (String, String) {
    (format!("{raw} IS NOT NULL AND {value} IS NULL"), format!("{name} is not {expected}"))
}

fn flag(raw: &str, from: &DataType) -> String {
    if *from == DataType::Boolean {
        return format!("CAST({raw} AS BIGINT)");
    }
    if from.is_numeric() {
        return format!("CASE WHEN {raw} = 1 THEN 1 WHEN {raw} = 0 THEN 0 END");
    }
    format!(
        "CASE lower({raw}) {} END",
        flag_words().map(|(word, value)| format!("WHEN '{word}' THEN {value}")).collect::<Vec<_>>().join(" ")
    )
}

fn flag_words() -> impl Iterator<Item = (&'static str, u8)> {
    let yes = ["1", "true", "t", "yes", "y", "1.0"].map(|word| (word, 1));
    let no = ["0", "false", "f", "no", "n", "0.0"].map(|word| (word, 0));
    yes.into_iter().chain(no)
}

/// The flag in `raw`, a text that [`read`] accepted.
pub fn flag_of_text(raw: &str) -> String {
    flag(raw, &DataType::Utf8)
}

/// Microseconds up to which a 64-bit float counts exactly: the year 2255.
const LAST_EXACT: u64 = 1 << 53;

/// A time that is a number. What lies beyond the last exact one was counted in a smaller unit.
fn counted(name: &str, raw: &str, mut rejections: Vec<(String, String)>, epoch: Epoch) -> Reading {
    let count = format!("TRY_CAST({raw} AS DOUBLE) * {}", epoch.microseconds());
    let value = format!("CASE WHEN {count} BETWEEN 0 AND {LAST_EXACT} THEN CAST(round({count}) AS BIGINT) END");
    rejections.push(unread(raw, &value, name, &format!("a count of {} from 1970 to the year 2255", epoch.id())));
    Reading { value, rejections }
}

fn time(name: &str, raw: &str, from: &DataType, mut rejections: Vec<(String, String)>, dialect: &Dialect) -> Reading {
    if let (Some(epoch), false) = (dialect.epoch, matches!(from, DataType::Timestamp(_, _))) {
        return counted(name, raw, rejections, epoch);
    }
    let zone = dialect.time_zone.as_deref().unwrap_or("+00:00");
    let target = literal(&format!("Timestamp(Microsecond, Some(\"{zone}\"))"));
    let is_text =
        matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(_, _));
    let unzoned = match from {
        DataType::Timestamp(_, zone) => zone.is_none().then(|| format!("{raw} IS NOT NULL")),
        _ if is_text => {
            let offset = |length: usize| format!("substr(right({raw}, {length}), 1, 1) IN ('+', '-')");
            let zoned = format!(
                "character_length({raw}) > 10 AND (right({raw}, 1) IN ('Z', 'z') OR {} OR {} OR {})",
                offset(6),
                offset(5),
                offset(3)
            );
            Some(format!("{raw} IS NOT NULL AND NOT ({zoned})"))
        }
        _ => None,
    };
    let readable = matches!(from, DataType::Timestamp(_, _)) || is_text;
    let instant = if readable { format!("arrow_try_cast({raw}, {target})") } else { "NULL".to_owned() };
    if let (Some(unzoned), None) = (unzoned, &dialect.time_zone) {
        // A value that is no time at all is told as that, whatever its zone.
        rejections.push((format!("({unzoned}) AND {instant} IS NOT NULL"), format!("{name} {NO_ZONE}")));
    }
    if let (true, Some(zone)) = (readable, &dialect.time_zone) {
        let wall_clock = format!("arrow_try_cast({raw}, 'Timestamp(Microsecond, None)')");
        rejections.push((
            format!("{raw} IS NOT NULL AND {instant} IS NULL AND {wall_clock} IS NOT NULL"),
            format!("{name} is a time that the change of clocks in {zone} skips or repeats"),
        ));
    }
    rejections.push((
        format!("{raw} IS NOT NULL AND {instant} IS NULL"),
        format!("{name} is not a time like 2026-03-01T10:00:00Z"),
    ));
    Reading { value: format!("CAST({instant} AS BIGINT)"), rejections }
}

fn relist(raw: &str, dialect: &Dialect) -> String {
    if dialect.list_separator == LIST {
        return format!("CAST({raw} AS VARCHAR)");
    }
    format!("replace(CAST({raw} AS VARCHAR), {}, {})", literal(&dialect.list_separator), literal(LIST))
}

/// A regular expression for the whole cell, and what its elements are. Blank elements mean "not known", ids excepted.
fn list_pattern(column: &Column<'_>, dialect: &Dialect) -> (String, String) {
    let separator = regex_escape(&dialect.list_separator);
    let (element, expected) = match column.kind {
        Flag => {
            let words = flag_words().map(|(word, _)| regex_escape(word)).collect::<Vec<_>>().join("|");
            (format!("(?i:{words})?"), "0 or 1")
        }
        Number => (r"([-+]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,2})?)?".to_owned(), "numbers"),
        Money => (r"([-+]?(\d{1,12}(\.\d{0,30})?|\.\d{1,30}))?".to_owned(), "amounts up to 1e12"),
        Count => (r"(\d{1,9})?".to_owned(), "whole numbers"),
        _ => (format!("[^{separator}]*[^{separator} ][^{separator}]*"), "ids without gaps"),
    };
    (format!("^ *{element} *({separator} *{element} *)*$"), expected.to_owned())
}

fn regex_escape(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_ascii_punctuation() { vec!['\\', c] } else { vec![c] }).collect()
}
