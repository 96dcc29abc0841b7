//! What several comparisons lay out in the same way: numbers with their intervals in words, and the groups that rows make.

use std::collections::BTreeMap;

use serde::Serialize;

use super::view::Row;
use crate::outputs::charts::{Scale, Whisker, grid, whisker};
use crate::outputs::text;
use crate::stats::Interval;

/// A number and its interval in words.
#[derive(Debug, Serialize)]
pub struct Told {
    pub estimate: String,
    pub interval: String,
}

impl Told {
    pub fn of(interval: &Option<Interval>, number: fn(f64) -> String) -> Option<Self> {
        let of = interval.as_ref()?;
        let interval = format!("{} to {}", number(of.low), number(of.high));
        Some(Self { estimate: number(of.estimate), interval })
    }
}

/// A ratio with three places after the point: a hundredth of it matters.
pub fn ratio(of: f64) -> String {
    format!("{of:.3}")
}

/// A difference of shares in percentage points.
pub fn points(of: f64) -> String {
    format!("{} pp", text::signed(of * 100.0))
}

/// The values of a segment.
pub fn label(segment: &BTreeMap<String, String>) -> String {
    segment.values().cloned().collect::<Vec<_>>().join(" × ")
}

/// A line of a chart: the interval, or nothing but the grid.
pub fn line(
    of: Option<&Interval>,
    scale: Scale,
    bounds: &[f64],
    label: &str,
    mark: &'static str,
    verdict: &str,
) -> String {
    match of {
        Some(&Interval { estimate, low, high, .. }) => {
            whisker(scale, bounds, Whisker { label, estimate, low, high, mark, verdict })
        }
        None => grid(scale, bounds),
    }
}

/// Rows by the place of their measure on the page and by the attributes that make their segments. Measures without a place
/// are left out.
pub fn by_measure<'a, T>(
    rows: Vec<Row<'a, T>>,
    place: impl Fn(&T) -> Option<usize>,
    segment: impl Fn(&T) -> &BTreeMap<String, String>,
) -> BTreeMap<(usize, String), Vec<Row<'a, T>>> {
    let mut groups: BTreeMap<(usize, String), Vec<Row<'a, T>>> = BTreeMap::new();
    for row in rows {
        let Some(place) = place(row.fact) else { continue };
        let by = segment(row.fact).keys().cloned().collect::<Vec<_>>().join(" × ");
        groups.entry((place, by)).or_default().push(row);
    }
    groups
}
