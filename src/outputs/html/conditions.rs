//! How comparisons under equal conditions are laid out: each as it is and beside it with the condition held equal, and how
//! the gap splits up.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::parity::title;
use super::tiers::{Tiers, bounds, said, severity, summarise, worst};
use super::view::{MANY, Row, States, rows};
use crate::facts::conditional_parity::{ConditionalParity, Gap, Part, Simpson};
use crate::facts::outcome_parity::Comparison;
use crate::facts::{Fact, attributes};
use crate::outputs::charts::{Piece, Scale, Whisker, axis, pieces, whisker};
use crate::outputs::text;
use crate::record::Record;

#[derive(Debug, Serialize)]
pub struct Conditions<'a> {
    pub groups: Tiers<Group<'a>>,
    /// Comparisons that are turned round under equal conditions, the certain ones first.
    pub reversed: Vec<String>,
}

/// One chart: a metric by an attribute.
#[derive(Debug, Serialize)]
pub struct Group<'a> {
    /// In words, e.g. `clicks per impression`.
    pub metric: String,
    pub by: String,
    pub state: &'static str,
    /// How many rows have each verdict.
    pub summary: String,
    pub closed: bool,
    pub axis: String,
    pub sections: Vec<Section<'a>>,
    /// Sections without a failure beside some with one.
    pub folded: Vec<Section<'a>>,
}

/// The same conditions in one strategy, or in all.
#[derive(Debug, Serialize)]
pub struct Section<'a> {
    pub strategy: Option<&'a str>,
    /// What is held equal, e.g. `position and strategy`.
    pub held: String,
    pub reference: String,
    /// The worst verdict in it.
    pub state: &'static str,
    pub pairs: Vec<Pair<'a>>,
    /// Segments that are not compared.
    pub others: Vec<Row<'a, ConditionalParity>>,
}

/// A segment beside the reference.
#[derive(Debug, Serialize)]
pub struct Pair<'a> {
    pub row: Row<'a, ConditionalParity>,
    pub label: String,
    pub crude: String,
    pub adjusted: String,
    pub bar: String,
    pub sentence: String,
    pub strata: Vec<Stratum<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Stratum<'a> {
    pub name: &'a str,
    /// Units, impressions and rate: of the segment, then of the reference.
    pub sides: [Side; 2],
    pub ratio: Option<f64>,
    pub suppressed: bool,
}

#[derive(Debug, Serialize)]
pub struct Side {
    pub units: Option<u64>,
    pub impressions: Option<u64>,
    pub rate: Option<f64>,
}

pub fn conditions<'a>(record: &'a Record, states: &States) -> Conditions<'a> {
    let all = rows(record, states, |fact| if let Fact::ConditionalParity(fact) = fact { Some(fact) } else { None });
    let mut turned: Vec<&ConditionalParity> =
        all.iter().map(|row| row.fact).filter(|fact| fact.simpson != Simpson::None).collect();
    turned.sort_by_key(|fact| fact.simpson != Simpson::Certain);
    let reversed = turned.into_iter().map(turn).collect();
    let fold = all.len() > MANY;
    let mut groups: BTreeMap<(String, &str), Vec<Row<'a, ConditionalParity>>> = BTreeMap::new();
    for row in all {
        let by = row.fact.segment.keys().cloned().collect::<Vec<_>>().join(" × ");
        groups.entry((by, &row.fact.metric)).or_default().push(row);
    }
    let group = |((by, metric), rows): ((String, &str), Vec<Row<'a, ConditionalParity>>)| {
        let words: Vec<_> = rows.iter().map(|row| said(row.fact.comparison, row.state)).collect();
        let state = worst(words.iter().map(|(state, _)| *state));
        let bounds = bounds(record, rows.iter().map(|row| row.index));
        let (axis, sections) = sections(rows, &bounds, states);
        let open = fold && state == "fail";
        let (sections, folded) = sections.into_iter().partition(|section| !open || section.state == "fail");
        let (summary, closed) = (summarise(words.into_iter()), fold && state == "inconclusive");
        Group { metric: title(metric), by, state, summary, closed, axis, sections, folded }
    };
    let groups = groups.into_iter().map(group).collect();
    Conditions { groups: Tiers::new(groups, fold, "pass", |group: &Group<'_>| group.state), reversed }
}

/// Strategy and conditions.
type Key<'a> = (Option<&'a str>, &'a [String]);

/// The axis and what stands below it.
fn sections<'a>(rows: Vec<Row<'a, ConditionalParity>>, bounds: &[f64], states: &States) -> (String, Vec<Section<'a>>) {
    let intervals = rows.iter().flat_map(|row| [&row.fact.crude, &row.fact.adjusted]).flatten();
    let scale = Scale::around(intervals.flat_map(|of| [of.low, of.high]).chain(bounds.iter().copied()));
    let extent = rows.iter().filter_map(|row| row.fact.gap.as_ref()).map(reach).fold(0.0, f64::max);
    let mut sections: BTreeMap<Key<'a>, Vec<Row<'a, ConditionalParity>>> = BTreeMap::new();
    for row in rows {
        sections.entry((row.fact.strategy.as_deref(), row.fact.by.as_slice())).or_default().push(row);
    }
    let section = |((strategy, by), rows): (Key<'a>, Vec<Row<'a, ConditionalParity>>)| {
        let reference = rows.first().map(|row| attributes(&row.fact.reference)).unwrap_or_default();
        let (mut rows, others): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.fact.comparison == Comparison::Compared);
        rows.sort_by_key(|row| Reverse(states.rank(row.index)));
        let pairs: Vec<_> = rows.into_iter().map(|row| pair(row, scale, bounds, extent)).collect();
        let state = worst(pairs.iter().map(|pair| pair.row.state));
        Section { strategy, held: by.join(" and "), reference, state, pairs, others }
    };
    let mut sections: Vec<_> = sections.into_iter().map(section).collect();
    sections.sort_by_key(|section| Reverse(severity(section.state)));
    (axis(scale, bounds), sections)
}

fn pair<'a>(row: Row<'a, ConditionalParity>, scale: Scale, bounds: &[f64], extent: f64) -> Pair<'a> {
    let fact = row.fact;
    let label = fact.segment.values().cloned().collect::<Vec<_>>().join(" × ");
    let plot = |of: &Option<crate::stats::Interval>, mark, verdict: &str| {
        let of = of.as_ref().map(|of| Whisker {
            label: &label,
            estimate: of.estimate,
            low: of.low,
            high: of.high,
            mark,
            verdict,
        });
        of.map(|of| whisker(scale, bounds, of)).unwrap_or_default()
    };
    let side = |units, impressions, rate| Side { units, impressions, rate };
    let strata = fact.by_stratum.iter().map(|of| Stratum {
        name: &of.stratum,
        sides: [
            side(of.units, of.impressions, of.rate),
            side(of.reference_units, of.reference_impressions, of.reference_rate),
        ],
        ratio: of.ratio,
        suppressed: of.suppressed,
    });
    Pair {
        crude: plot(&fact.crude, "none", "whatever the conditions"),
        adjusted: plot(&fact.adjusted, row.state, &format!("at the same {}", fact.by.join(" and "))),
        bar: fact.gap.as_ref().map(|gap| bar(gap, extent)).unwrap_or_default(),
        sentence: fact.gap.as_ref().map(|gap| sentence(gap, &fact.by)).unwrap_or_default(),
        strata: strata.collect(),
        label,
        row,
    }
}

fn parts(gap: &Gap) -> Vec<(&'static str, &'static str, f64)> {
    let unmatched = gap.unmatched.iter().map(|part| ("unmatched", "conditions of one only", part.estimate));
    let both = [
        ("composition", "different conditions", gap.composition.estimate),
        ("within", "the same conditions", gap.within.estimate),
    ];
    both.into_iter().chain(unmatched).collect()
}

/// How far the parts of one sign reach from 0.
fn reach(gap: &Gap) -> f64 {
    let side = |sign: f64| parts(gap).iter().map(|(.., value)| (sign * value).max(0.0)).sum::<f64>();
    side(1.0).max(side(-1.0))
}

fn bar(gap: &Gap, extent: f64) -> String {
    let shown = parts(gap);
    let shown: Vec<Piece<'_>> = shown
        .iter()
        .map(|(class, label, value)| Piece { class, label, value: *value, words: format!("{} pp", signed(*value)) })
        .collect();
    pieces(&shown, extent)
}

/// What the parts of a gap say, in percentage points.
fn sentence(gap: &Gap, by: &[String]) -> String {
    let (total, composition, within) = (gap.total.estimate, gap.composition.estimate, gap.within.estimate);
    let (held, nouns) = (by.join(" and "), by.iter().map(|name| noun(name)).collect::<Vec<_>>().join(" and "));
    let range = |part: &Part| {
        let interval = part.interval.as_ref();
        interval.map(|of| format!(" ({} to {})", signed(of.low), signed(of.high))).unwrap_or_default()
    };
    let whole = format!("gap of {} percentage points{}", signed(total), range(&gap.total));
    let kind = if composition < 0.0 { "less" } else { "more" };
    let inside = range(&gap.within);
    let made = format!(
        "is made of {} from {kind} favourable {nouns} and of {} at the same {held}{inside}",
        signed(composition),
        signed(within)
    );
    let body = if composition == 0.0 {
        format!("Both are shown the same mix of {nouns}: the whole {whole} is there at the same {held}, too")
    } else if gap.explained.is_none() {
        format!("The {whole} may be chance; it {made}")
    } else if composition * total > 0.0 && within * total >= 0.0 {
        let [composition, within] = [composition, within].map(|share| text::number(share.abs() * 100.0));
        format!(
            "Of the {whole}, {composition} come from {kind} favourable {nouns} and {within} remain at the same {held}{inside}"
        )
    } else {
        format!("The {whole} {made}")
    };
    let unmatched = gap
        .unmatched
        .as_ref()
        .map(|part| format!("; {} come from where only one of the two is shown anything", signed(part.estimate)));
    format!("{body}{}.", unmatched.unwrap_or_default())
}

fn signed(share: f64) -> String {
    text::signed(share * 100.0)
}

fn noun(condition: &str) -> String {
    match condition {
        "position" => "positions".into(),
        "strategy" => "strategies".into(),
        other => format!("values of {other}"),
    }
}

/// A reversal in words.
fn turn(fact: &ConditionalParity) -> String {
    let ratio = |of: &Option<crate::stats::Interval>| {
        let words = of
            .as_ref()
            .map(|of| format!("{} ({} to {})", text::number(of.estimate), text::number(of.low), text::number(of.high)));
        words.unwrap_or_else(|| "unknown".into())
    };
    let place = fact.strategy.as_ref().map_or("over all strategies".to_owned(), |name| format!("under `{name}`"));
    let doubt = match fact.simpson {
        Simpson::Certain => "",
        _ => ", which may be chance",
    };
    format!(
        "{} {place}: {} gets {} times what {} gets, but {} times at the same {}{doubt}.",
        title(&fact.metric),
        attributes(&fact.segment),
        ratio(&fact.crude),
        attributes(&fact.reference),
        ratio(&fact.adjusted),
        fact.by.join(" and "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(estimate: f64) -> Part {
        Part { estimate, interval: None }
    }

    fn gap(composition: f64, within: f64, clear: bool) -> Gap {
        let total = composition + within;
        let explained = clear.then_some(composition / total);
        Gap { total: part(total), composition: part(composition), within: part(within), unmatched: None, explained }
    }

    #[test]
    fn the_parts_of_a_gap_are_told_in_words() {
        let by = ["position".to_owned()];
        assert_eq!(
            sentence(&gap(-0.016, -0.005, true), &by),
            "Of the gap of −2.10 percentage points, 1.60 come from less favourable positions and 0.500 remain at the same \
             position."
        );
        assert_eq!(
            sentence(&gap(-0.016, 0.005, true), &by),
            "The gap of −1.10 percentage points is made of −1.60 from less favourable positions and of +0.500 at the same \
             position."
        );
        assert_eq!(
            sentence(&gap(0.001, 0.0, false), &[by[0].clone(), "hour".into()]),
            "The gap of +0.100 percentage points may be chance; it is made of +0.100 from more favourable positions and \
             values of hour and of 0 at the same position and hour."
        );
        assert_eq!(
            sentence(&gap(0.0, -0.02, true), &by),
            "Both are shown the same mix of positions: the whole gap of −2.00 percentage points is there at the same \
             position, too."
        );
    }
}
