//! From sums by stratum to facts.

use std::collections::{BTreeMap, BTreeSet};

use super::pair::{Own, Pair, simpson};
use super::{ConditionalParity, Simpson, StratumRates};
use crate::facts::outcome_parity::Comparison;
use crate::manifest::{Measure, Metric, Unit};
use crate::replay::segments::{Segments, is_known};
use crate::replay::strata::{Cells, Of, POSITION, Strata};
use crate::stats::benjamini_hochberg;

/// The name of the condition that is the strategy itself.
const STRATEGY: &str = "strategy";

/// What the facts are made of.
pub struct Conditional<'a> {
    pub strata: &'a Strata,
    pub segments: &'a Segments,
    pub measure: &'a Measure,
}

/// Compares every segment with its reference: in each strategy by each condition, and over all strategies by strategy, and
/// by position and strategy at once.
pub fn measure(of: &Conditional<'_>) -> Vec<ConditionalParity> {
    let whole = of.strata.by.get("");
    let strategies: BTreeSet<&String> =
        whole.into_iter().flat_map(BTreeMap::values).flat_map(|cells| cells.keys().map(|(name, _)| name)).collect();
    let mut facts = Vec::new();
    for (condition, cells) in of.strata.by.iter().filter(|(condition, _)| !condition.is_empty()) {
        for strategy in &strategies {
            facts.extend(of.family(Some(strategy), vec![condition.clone()], cells));
        }
    }
    if let Some(whole) = whole.filter(|_| strategies.len() > 1) {
        facts.extend(of.family(None, vec![STRATEGY.into()], whole));
        if let Some(cells) = of.strata.by.get(POSITION) {
            facts.extend(of.family(None, vec![POSITION.into(), STRATEGY.into()], cells));
        }
    }
    correct(&mut facts);
    facts
}

/// How many there are of a segment, and what of it may be shown.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    units: u64,
    small: bool,
    withheld: bool,
}

impl Conditional<'_> {
    /// All segments of all metrics beside their references, under the same conditions.
    fn family(
        &self,
        strategy: Option<&String>,
        by: Vec<String>,
        cells: &BTreeMap<Of, Cells>,
    ) -> Vec<ConditionalParity> {
        let groups: BTreeSet<(Metric, &String)> =
            cells.keys().map(|(metric, attribute, _)| (*metric, attribute)).collect();
        let mut facts = Vec::new();
        for (metric, attribute) in groups {
            let sizes = self.sizes(metric, attribute, strategy);
            let reference = self.segments.references.get(attribute);
            let own = |value: &String| -> Own<'_> {
                let cells = cells.get(&(metric, attribute.clone(), value.clone())).into_iter().flatten();
                cells.filter(|((name, _), _)| strategy.is_none_or(|strategy| strategy == name)).collect()
            };
            let theirs = reference.map(|value| (own(value), sizes.get(value).copied().unwrap_or_default()));
            for (value, size) in sizes.iter().filter(|(value, _)| Some(*value) != reference) {
                let named = |value: &String| BTreeMap::from([(attribute.clone(), value.clone())]);
                let mut fact = ConditionalParity {
                    strategy: strategy.cloned(),
                    metric: metric.id().into(),
                    segment: named(value),
                    reference: reference.map(named).unwrap_or_default(),
                    by: by.clone(),
                    unit: self.measure.unit.id().into(),
                    ..empty()
                };
                self.fill(&mut fact, *size, is_known(value), &own(value), theirs.as_ref());
                facts.push(fact);
            }
        }
        facts
    }

    /// Sizes of the values of an attribute in a strategy or, where there is none, in all of them.
    fn sizes(&self, metric: Metric, attribute: &String, strategy: Option<&String>) -> BTreeMap<String, Size> {
        let Some(whole) = self.strata.by.get("") else { return BTreeMap::new() };
        let cells = whole.iter().filter(|((of, name, _), _)| (*of, name) == (metric, attribute));
        let Some(strategy) = strategy else {
            let units = self.strata.units.iter().filter(|((of, name, _), _)| (*of, name) == (metric, attribute));
            let mut sizes = self.shown(units.map(|((.., value), units)| (value.clone(), *units)).collect());
            // What is withheld of a strategy would be the total less the others.
            let strategies: BTreeSet<&String> =
                cells.flat_map(|(_, cells)| cells.keys().map(|(name, _)| name)).collect();
            for strategy in strategies {
                for (value, size) in self.sizes(metric, attribute, Some(strategy)) {
                    if (size.small || size.withheld)
                        && let Some(of) = sizes.get_mut(&value)
                    {
                        of.withheld = true;
                    }
                }
            }
            return sizes;
        };
        let units = cells.filter_map(|((.., value), cells)| {
            let cell = cells.get(&(strategy.clone(), String::new()))?;
            Some((value.clone(), cell.units))
        });
        self.shown(units.collect())
    }

    /// One small size would be the total less the others: then the smallest of those is withheld with it.
    fn shown(&self, units: BTreeMap<String, u64>) -> BTreeMap<String, Size> {
        let small = |units: u64| units < self.measure.min_cell;
        let lone = units.values().filter(|units| small(**units)).count() == 1;
        let other =
            units.iter().filter(|(_, units)| lone && !small(**units)).min_by_key(|(value, units)| (**units, *value));
        let other = other.map(|(value, _)| value.clone());
        let size = |(value, units): (String, u64)| {
            let withheld = other.as_ref() == Some(&value);
            (value, Size { units, small: small(units), withheld })
        };
        units.into_iter().map(size).collect()
    }

    fn fill(
        &self,
        fact: &mut ConditionalParity,
        size: Size,
        known: bool,
        ours: &Own<'_>,
        theirs: Option<&(Own<'_>, Size)>,
    ) {
        let by_subject = self.measure.unit == Unit::Subject;
        // Intervals of independent rows tell how many there are.
        let hidden = |size: Size| size.small || (size.withheld && !by_subject);
        fact.suppressed = hidden(size);
        fact.counts_withheld = size.withheld;
        if hidden(size) {
            fact.comparison = Comparison::Suppressed;
            return;
        }
        let counted: f64 = ours.values().map(|cell| cell.impressions()).sum();
        fact.subjects = (by_subject && !size.withheld).then_some(size.units);
        fact.impressions = (!size.withheld).then_some(counted.round() as u64);
        if !known {
            fact.comparison = Comparison::Unknown;
            return;
        }
        let Some((theirs, reference)) = theirs.filter(|(_, reference)| !hidden(*reference)) else { return };
        let pair = Pair::of(ours, theirs, self.measure);
        fact.strata = pair.strata.iter().filter(|of| of.compares()).count() as u64;
        fact.strata_left_out = pair.strata.len() as u64 - fact.strata;
        fact.gap = pair.gap();
        fact.standardised = pair.standardised();
        if fact.by.len() == 1 {
            fact.by_stratum = self.by_stratum(fact, &pair, size.withheld || reference.withheld);
        }
        let Some((crude, (adjusted, p_value))) = pair.crude().zip(pair.adjusted()) else { return };
        let large = pair.large(&crude);
        fact.comparison = Comparison::Compared;
        fact.simpson = simpson(&crude, &adjusted, &large);
        fact.large_strata = large.len() as u64;
        fact.large_strata_opposite = large.iter().filter(|opposite| **opposite).count() as u64;
        fact.odds_ratio = pair.odds_ratio();
        fact.cmh = pair.cmh();
        fact.breslow_day = pair.breslow_day();
        (fact.crude, fact.adjusted, fact.p_value) = (Some(crude), Some(adjusted), p_value);
    }

    fn by_stratum(&self, fact: &ConditionalParity, pair: &Pair<'_>, withheld: bool) -> Vec<StratumRates> {
        // That nobody was shown anything there tells of nobody.
        let few = |units: u64| units > 0 && units < self.measure.min_cell;
        let small = |units: &[u64; 2]| units.iter().any(|units| few(*units));
        let lone = pair.units.iter().filter(|units| small(units)).count() == 1;
        let others = (0..pair.units.len()).filter(|at| lone && !small(&pair.units[*at]));
        let other = others.min_by_key(|at| pair.units[*at].into_iter().min());
        let row = |at: usize| {
            let (of, [ours, theirs], (strategy, level)) = (pair.strata[at], pair.units[at], pair.keys[at]);
            let suppressed = small(&pair.units[at]) || other == Some(at);
            let shown = |count: f64| (!suppressed && !withheld).then_some(count.round() as u64);
            let rate = |events: f64, rows: f64| (!suppressed && rows > 0.0).then(|| events / rows);
            let (own, reference) = (rate(of.events, of.rows), rate(of.reference_events, of.reference_rows));
            StratumRates {
                stratum: if fact.strategy.is_none() { strategy.clone() } else { level.clone() },
                units: shown(ours as f64),
                reference_units: shown(theirs as f64),
                impressions: shown(of.rows),
                reference_impressions: shown(of.reference_rows),
                rate: own,
                reference_rate: reference,
                ratio: own.zip(reference).map(|(own, reference)| own / reference).filter(|ratio| ratio.is_finite()),
                suppressed,
            }
        };
        let mut rows: Vec<StratumRates> = (0..pair.strata.len()).map(row).collect();
        // Positions by number: 2 before 10.
        let number = |row: &StratumRates| row.stratum.trim_end_matches('+').parse().unwrap_or(f64::INFINITY);
        rows.sort_by(|a, b| number(a).total_cmp(&number(b)).then_with(|| a.stratum.cmp(&b.stratum)));
        rows
    }
}

/// A fact that says nothing yet.
fn empty() -> ConditionalParity {
    ConditionalParity {
        strategy: None,
        metric: String::new(),
        segment: BTreeMap::new(),
        reference: BTreeMap::new(),
        by: Vec::new(),
        unit: String::new(),
        comparison: Comparison::Undefined,
        subjects: None,
        impressions: None,
        strata: 0,
        strata_left_out: 0,
        crude: None,
        adjusted: None,
        p_value: None,
        q_value: None,
        odds_ratio: None,
        cmh: None,
        breslow_day: None,
        gap: None,
        standardised: None,
        simpson: Simpson::None,
        large_strata: 0,
        large_strata_opposite: 0,
        suppressed: false,
        counts_withheld: false,
        by_stratum: Vec::new(),
    }
}

/// Sets every q: Benjamini-Hochberg over all comparisons of one metric by the same conditions.
fn correct(facts: &mut [ConditionalParity]) {
    let mut families: BTreeMap<(String, Vec<String>), Vec<usize>> = BTreeMap::new();
    for (index, fact) in facts.iter().enumerate().filter(|(_, fact)| fact.p_value.is_some()) {
        families.entry((fact.metric.clone(), fact.by.clone())).or_default().push(index);
    }
    for family in families.into_values() {
        let p: Vec<f64> = family.iter().filter_map(|&index| facts[index].p_value).collect();
        for (&index, q) in family.iter().zip(benjamini_hochberg(&p)) {
            facts[index].q_value = Some(q);
        }
    }
}

#[cfg(test)]
mod tests;
