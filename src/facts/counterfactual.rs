//! `counterfactual`: what people would get under a candidate strategy, judged on the log of another one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{Harm, Number};
pub use super::outcome_parity::Comparison;
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest::{self, Unit};
use crate::replay::candidate::{Cell, Found};
use crate::replay::segments::{Segments, is_known};
use crate::stats::off_policy::Estimator;
use crate::stats::{Interval, benjamini_hochberg, ratio_mean};

/// What one segment would get under a candidate, by one estimator, beside what it got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counterfactual {
    pub candidate: String,
    /// The strategy on whose log it is judged.
    pub on: String,
    /// `click`, `conversion` or `revenue`; empty when refused.
    pub metric: String,
    /// `replay`, `inverse_propensity`, `clipped`, `self_normalised`, `direct_method`, `doubly_robust` or
    /// `doubly_robust_cross_fitted`; empty when refused.
    pub estimator: String,
    /// `independent`: each position by itself. `cascade`: also what stands above it. `slate`: all of the request. `single`:
    /// the log has no positions.
    pub assumption: String,
    /// The attribute that makes the segment, e.g. `{age_band: 65+}`; empty for everyone.
    pub segment: BTreeMap<String, String>,
    /// The segment it is compared with; empty for everyone.
    pub reference: BTreeMap<String, String>,
    /// What one independent unit is: `subject` or `impression`.
    pub unit: String,
    /// What became of the comparison with the reference. Everyone is `undefined`: there is no other.
    pub comparison: Comparison,
    /// Why no estimate can be made; then no number is there.
    pub refused: Option<String>,
    /// λ, the most that a row weighs; null unless the estimator is `clipped`.
    pub clip: Option<f64>,
    /// The estimated value per impression.
    pub estimate: Option<f64>,
    /// The same with its interval; null where it has none.
    pub value: Option<Interval>,
    /// What the segment gets under `on`.
    pub current: Option<Interval>,
    /// `value` over `current`; null for the direct method.
    pub change: Option<Interval>,
    /// Two-sided, of the null hypothesis that the candidate changes nothing.
    pub change_p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all segments of this estimator and outcome.
    pub change_q_value: Option<f64>,
    /// `change` for everyone.
    pub overall_change: Option<Interval>,
    /// `value` over that of the reference; null unless compared.
    pub ratio: Option<Interval>,
    /// Two-sided, of the null hypothesis that there is no difference from the reference.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all comparisons of this estimator and outcome.
    pub q_value: Option<f64>,
    /// So many impressions chosen by the candidate itself would tell as much.
    pub effective_impressions: Option<f64>,
    /// The largest weight of an impression.
    pub max_weight: Option<f64>,
    /// 1 but for chance, where the propensities are right and the log misses nothing.
    pub mean_weight: Option<Interval>,
    /// Share of the candidate's probability on items that the log never shows in that position.
    pub unsupported_share: Option<f64>,
    /// How far propensities are from what the log shows, 0 to 1, in the worst position (in the first unless positions are
    /// independent); null when they are not there.
    pub propensity_distance: Option<f64>,
    /// Subjects of the segment; null when withheld or when the log has no subjects.
    pub subjects: Option<u64>,
    /// Their impressions; null when withheld.
    pub impressions: Option<u64>,
    /// Impressions for which the candidate's probabilities add up to less than 1; null when withheld.
    pub short: Option<u64>,
    /// Impressions of the whole log of which the candidate's table says nothing; under `cascade` and `slate` also those of
    /// requests in which a position on which their weight depends is not there, or there twice.
    pub uncovered: u64,
    /// Whether the segment is below `min_cell` units, so that its numbers are withheld.
    pub suppressed: bool,
}

impl FactKind for Counterfactual {
    const NAME: &'static str = "counterfactual";
    const DOC: &'static str = include_str!("counterfactual.md");
    const MEASURES: &'static [&'static str] = &[
        "replay",
        "inverse_propensity",
        "clipped",
        "self_normalised",
        "direct_method",
        "doubly_robust",
        "doubly_robust_cross_fitted",
    ];
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("candidate", self.candidate.clone()),
            ("on", self.on.clone()),
            ("metric", self.metric.clone()),
            ("estimator", self.estimator.clone()),
            ("assumption", self.assumption.clone()),
            ("segment", attributes(&self.segment)),
            ("reference", attributes(&self.reference)),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = vec![Evidence::value("judged on the log of", self.on.clone())];
        if self.assumption != "single" {
            evidence.push(Evidence::value("positions taken as", self.assumption.clone()));
        }
        if let Some(rows) = self.effective_impressions {
            evidence.push(Evidence::value("effective impressions", format!("{rows:.0}")));
        }
        if let Some(reason) = &self.refused {
            evidence.push(Evidence::value("refused", reason.clone()));
        }
        evidence
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::of("value", Harm::Low, &self.value)
    }
}

/// The candidate as the manifest names it.
pub struct Subject<'a> {
    pub candidate: &'a str,
    pub on: &'a str,
    pub clip: f64,
    /// Whether the log has positions.
    pub positioned: bool,
}

/// Estimates every segment by every estimator, outcome by outcome, under one assumption.
pub fn measure(
    found: &Found,
    subject: &Subject<'_>,
    segments: &Segments,
    settings: &manifest::Measure,
) -> Vec<Counterfactual> {
    let blank = blank(found, subject, settings);
    if found.refused.is_some() {
        return vec![blank];
    }
    let mut facts = Vec::new();
    let mut metrics: Vec<&str> = found.cells.iter().map(|cell| cell.metric.id).collect();
    metrics.dedup();
    for metric in metrics {
        let cells: Vec<&Cell> = found.cells.iter().filter(|cell| cell.metric.id == metric).collect();
        for estimator in Estimator::ALL {
            if estimator == Estimator::Replay && !found.replayable {
                continue;
            }
            let family = Family { blank: &blank, cells: &cells, estimator, segments, settings };
            facts.extend(family.facts(subject.clip));
        }
    }
    facts
}

fn blank(found: &Found, subject: &Subject<'_>, settings: &manifest::Measure) -> Counterfactual {
    Counterfactual {
        candidate: subject.candidate.to_owned(),
        on: subject.on.to_owned(),
        metric: String::new(),
        estimator: String::new(),
        assumption: if subject.positioned { found.assumption.id() } else { "single" }.to_owned(),
        segment: BTreeMap::new(),
        reference: BTreeMap::new(),
        unit: settings.unit.id().to_owned(),
        comparison: Comparison::Undefined,
        refused: found.refused.clone(),
        clip: None,
        estimate: None,
        value: None,
        current: None,
        change: None,
        change_p_value: None,
        change_q_value: None,
        overall_change: None,
        ratio: None,
        p_value: None,
        q_value: None,
        effective_impressions: None,
        max_weight: None,
        mean_weight: None,
        unsupported_share: None,
        propensity_distance: if found.refused.is_some() { None } else { found.distance },
        subjects: None,
        impressions: None,
        short: None,
        uncovered: found.uncovered,
        suppressed: false,
    }
}

/// All segments by one estimator.
struct Family<'a> {
    blank: &'a Counterfactual,
    cells: &'a [&'a Cell],
    estimator: Estimator,
    segments: &'a Segments,
    settings: &'a manifest::Measure,
}

impl Family<'_> {
    fn facts(&self, clip: f64) -> Vec<Counterfactual> {
        let mut facts: Vec<Counterfactual> = self.cells.iter().map(|cell| self.fact(cell, clip)).collect();
        let overall = facts.iter().find(|fact| fact.segment.is_empty()).and_then(|fact| fact.change.clone());
        for fact in &mut facts {
            fact.overall_change.clone_from(&overall);
        }
        correct(&mut facts, |fact| fact.p_value, |fact, q| fact.q_value = Some(q));
        correct(&mut facts, |fact| fact.change_p_value, |fact, q| fact.change_q_value = Some(q));
        facts
    }

    fn fact(&self, cell: &Cell, clip: f64) -> Counterfactual {
        let (level, estimator) = (self.settings.level, self.estimator);
        let small = |cell: &Cell| cell.units < self.settings.min_cell;
        let (attribute, value) = cell.segment.iter().next().unzip();
        let reference = attribute.and_then(|attribute| self.segments.references.get(attribute));
        let is_reference = value.is_some() && value == reference;
        let other = self.cells.iter().find(|of| {
            !is_reference && of.segment.len() == 1 && attribute.zip(reference) == of.segment.iter().next() && !small(of)
        });
        let mut fact = Counterfactual {
            metric: cell.metric.id.to_owned(),
            estimator: estimator.id().to_owned(),
            segment: cell.segment.clone(),
            reference: attribute.zip(reference).map(|(name, of)| (name.clone(), of.clone())).into_iter().collect(),
            clip: (estimator == Estimator::Clipped).then_some(clip),
            suppressed: small(cell),
            ..self.blank.clone()
        };
        if fact.suppressed {
            fact.comparison = Comparison::Suppressed;
            return fact;
        }
        let sums = &cell.sums;
        let mean = sums.mean(estimator);
        fact.estimate = sums.estimate(estimator);
        fact.value = sums.value(estimator).and_then(|mean| mean.interval(level));
        fact.current = sums.current().and_then(|mean| mean.interval(level));
        (fact.change, fact.change_p_value) = sums.change(estimator, level).unzip();
        fact.effective_impressions = Some(sums.effective_rows());
        fact.max_weight = Some(cell.max_weight);
        fact.mean_weight = sums.mean_weight().and_then(|mean| mean.interval(level));
        fact.unsupported_share = Some(cell.unsupported);
        let counts = !self.withheld(cell);
        fact.subjects = (counts && self.settings.unit == Unit::Subject).then_some(cell.units);
        fact.impressions = counts.then_some(cell.impressions);
        fact.short = counts.then_some(cell.short);
        let known = value.is_none_or(|value| is_known(value));
        let pair = other.filter(|_| known).and_then(|other| mean.zip(other.sums.mean(estimator)));
        fact.ratio = pair.and_then(|(a, b)| ratio_mean::ratio(&a, &b, level));
        fact.p_value = pair.and_then(|(a, b)| ratio_mean::p_value(&a, &b));
        fact.comparison = match () {
            () if !known => Comparison::Unknown,
            () if is_reference => Comparison::Reference,
            () if fact.ratio.is_none() || fact.p_value.is_none() => Comparison::Undefined,
            () => Comparison::Compared,
        };
        fact
    }

    /// One hidden count is the total less the others: then the smallest shown one is withheld with it.
    fn withheld(&self, cell: &Cell) -> bool {
        let same = |of: &&&Cell| of.segment.keys().eq(cell.segment.keys()) && !of.segment.is_empty();
        let (hidden, shown): (Vec<&Cell>, Vec<&Cell>) =
            self.cells.iter().filter(same).copied().partition(|of| of.units < self.settings.min_cell);
        let smallest = shown.iter().min_by_key(|of| (of.units, &of.segment));
        hidden.len() == 1 && smallest.is_some_and(|of| of.segment == cell.segment)
    }
}

/// Sets every q: Benjamini-Hochberg over those that have a p.
fn correct(
    facts: &mut [Counterfactual],
    p_of: impl Fn(&Counterfactual) -> Option<f64>,
    set: impl Fn(&mut Counterfactual, f64),
) {
    let tested: Vec<usize> = (0..facts.len()).filter(|&i| p_of(&facts[i]).is_some()).collect();
    let p: Vec<f64> = tested.iter().filter_map(|&i| p_of(&facts[i])).collect();
    for (&index, q) in tested.iter().zip(benjamini_hochberg(&p)) {
        set(&mut facts[index], q);
    }
}
