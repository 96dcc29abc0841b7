//! How numbers went from audit to audit, for a terminal.

use std::collections::BTreeMap;

use super::page::{BOLD, DIM, Page};
use super::text::{count, number};
use crate::decisions::snapshot::Snapshot;
use crate::facts::attributes;
use crate::facts::measured::Measured;

use anstyle::Style;

/// Up to so many numbers are told audit by audit.
const FEW: usize = 3;

/// The numbers of the audits, the oldest first, each as a line of bars and its first and last value, and where there are
/// few each audit's value with its interval. `only` keeps those whose name holds it.
pub fn render(audits: &[&Snapshot], only: Option<&str>) -> String {
    let mut page = Page::default();
    let Some((first, last)) = audits.first().zip(audits.last()) else {
        return "The ledger holds no audit.\n".to_owned();
    };
    page.line(0, 0, BOLD, &format!("{} audits of {}", count(audits.len() as u64), last.system));
    page.line(2, 2, DIM, &format!("from {} to {}", first.day(), last.day()));
    let mut series: BTreeMap<(&str, String, &str), Vec<Option<&Measured>>> = BTreeMap::new();
    for (index, audit) in audits.iter().enumerate() {
        for of in &audit.measures {
            let points = series.entry((&of.kind, attributes(&of.about), &of.measure)).or_default();
            points.resize(index, None);
            points.push(Some(of));
        }
    }
    series.retain(|(kind, about, measure), _| {
        let name = format!("{kind} {measure} {about}");
        only.is_none_or(|only| name.contains(only))
    });
    let whole = series.len() <= FEW;
    let mut kind_before = "";
    for ((kind, about, measure), points) in &series {
        if *kind != kind_before {
            page.heading(&kind.replace('_', " "));
            kind_before = kind;
        }
        let points = (0..audits.len()).map(|index| points.get(index).copied().flatten());
        let values: Vec<Option<f64>> = points.clone().map(|of| Some(of?.value.estimate)).collect();
        let ends = values.iter().flatten().next().zip(values.iter().flatten().next_back());
        let ends = ends.map(|(first, last)| format!("{} → {}", number(*first), number(*last))).unwrap_or_default();
        page.line(2, 4, Style::new(), &format!("{about} ({})", measure.replace('_', " ")));
        page.line(4, 4, DIM, &format!("{}  {ends}", bars(&values)));
        for (audit, of) in audits.iter().zip(points).filter(|_| whole) {
            let told = of.map_or_else(
                || "not measured".to_owned(),
                |of| {
                    let value = &of.value;
                    format!("{} ({} to {})", number(value.estimate), number(value.low), number(value.high))
                },
            );
            page.pair(audit.as_of.as_deref().unwrap_or("no day"), &told);
        }
    }
    if series.is_empty() {
        page.line(2, 2, Style::new(), "no number has a name that holds this");
    }
    page.text
}

/// One bar a value, from the least to the greatest; a dot where there is none.
fn bars(values: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = || values.iter().flatten().copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let bar = |value: &Option<f64>| match value {
        None => '·',
        Some(_) if high <= low => BARS[3],
        // Between 0 and 7 by construction.
        Some(value) => BARS[(((value - low) / (high - low)) * 7.0).round() as usize],
    };
    values.iter().map(bar).collect()
}
