//! Outcomes of a segment beside the reference's, drawn anew.

use super::number::{Family, Number, Plan, Samples};
use super::population::{How, Population, Samples as Drawn};
use crate::facts::outcome_parity::{Comparison, OutcomeParity};
use crate::facts::{Fact, attributes};
use crate::manifest::{Measure, Unit};
use crate::metrics::{self, Metric, Scale};
use crate::replay::outcomes::Cell;
use crate::replay::shapes::{Of, Shapes};
use crate::stats::{ClusterSums, Interval};

/// No segment is looked at that gets more than so many times the reference's outcome.
const MOST: f64 = 4.0;

/// One comparison.
pub(super) struct Outcome<'a> {
    parity: &'a OutcomeParity,
    fact: &'a Fact,
    metric: &'static Metric,
    measure: &'a Measure,
    segment: Population,
    reference: Population,
    family: Family,
}

/// Every comparison of segments that was made.
pub(super) fn numbers<'a>(facts: &'a [Fact], shapes: &Shapes, measure: &'a Measure) -> Vec<Outcome<'a>> {
    let all = || facts.iter().enumerate().filter_map(|(at, fact)| Some((at, fact, parity(fact)?)));
    let compared = all().filter(|(_, _, own)| own.comparison == Comparison::Compared);
    let number = |(at, fact, own): (usize, &'a Fact, &'a OutcomeParity)| {
        let metric = metrics::named(&own.metric)?;
        let shape = |of: &std::collections::BTreeMap<String, String>| {
            let (attribute, value) = of.iter().next()?;
            let of = Of {
                strategy: own.strategy.clone(),
                metric: metric.id.to_owned(),
                attribute: attribute.clone(),
                value: value.clone(),
                within: own.within.iter().next().map(|(column, value)| (column.clone(), value.clone())),
            };
            shapes.get(&of)
        };
        let others = all().filter(|(other, _, of)| *other != at && metrics::named(&of.metric) == Some(metric));
        Some(Outcome {
            parity: own,
            fact,
            metric,
            measure,
            segment: Population::of(shape(&own.segment)?, how(metric))?,
            // What becomes of the reference is chance alone.
            reference: Population::of(shape(&own.reference)?, How::Scaled)?,
            family: Family::of(others.map(|(_, _, of)| of.p_value)),
        })
    };
    compared.filter_map(number).filter(|number| number.reference.rate() > 0.0).collect()
}

fn parity(fact: &Fact) -> Option<&OutcomeParity> {
    match fact {
        Fact::OutcomeParity(parity) => Some(parity),
        _ => None,
    }
}

fn how(metric: &Metric) -> How {
    match metric.scale {
        Scale::Share => How::Thinned,
        Scale::Count => How::Repeated,
        Scale::Money => How::Scaled,
        Scale::Score => How::Mixed,
    }
}

impl Outcome<'_> {
    fn cell(&self, sums: ClusterSums) -> Cell {
        Cell {
            strategy: self.parity.strategy.clone(),
            metric: self.metric,
            segment: self.parity.segment.clone(),
            within: None,
            units: sums.clusters,
            impressions: sums.n.round() as u64,
            sums,
        }
    }
}

impl Number for Outcome<'_> {
    fn measure(&self) -> &'static str {
        "ratio"
    }

    fn says(&self) -> String {
        let OutcomeParity { segment, reference, metric, within, .. } = self.parity;
        let within = if within.is_empty() { String::new() } else { format!(" within {}", attributes(within)) };
        format!("{} against {}, {metric}{within}", attributes(segment), attributes(reference))
    }

    fn fact(&self) -> &Fact {
        self.fact
    }

    fn observed(&self) -> Option<f64> {
        self.parity.ratio.as_ref().map(|ratio| ratio.estimate)
    }

    fn units(&self) -> Option<u64> {
        if self.of_people() { self.parity.subjects } else { self.parity.impressions }
    }

    fn of_people(&self) -> bool {
        self.parity.unit == Unit::Subject.id()
    }

    fn most(&self) -> f64 {
        let rate = self.reference.rate();
        if self.metric.scale.is_bounded() { MOST.min(1.0 / rate) } else { MOST }
    }

    fn certain(&self, size: f64) -> Fact {
        let known = |estimate: f64| {
            let method = self.parity.ratio.as_ref().map(|ratio| ratio.method.clone()).unwrap_or_default();
            Some(Interval { estimate, low: estimate, high: estimate, level: self.measure.level, method })
        };
        let rate = self.reference.rate();
        let p = if size == 1.0 { 1.0 } else { 0.0 };
        let alike = f64::from(u8::from((size.ln()).abs() >= self.measure.decide_at.ln().abs()));
        Fact::OutcomeParity(OutcomeParity {
            rate: known(rate * size),
            reference_rate: known(rate),
            ratio: known(size),
            difference: known(rate * size - rate),
            p_value: Some(p),
            q_value: Some(p),
            p_holm: Some(p),
            p_equivalence: Some(alike),
            ..self.parity.clone()
        })
    }

    fn samples<'a>(&'a self, plan: &Plan<'_>, most: f64, scale: f64) -> Box<dyn Samples + 'a> {
        let rate = self.reference.rate();
        let wanted = ["rate", "reference_rate", "difference", "p_value", "q_value", "p_holm", "p_equivalence"];
        Box::new(OfOutcome {
            of: self,
            segment: self.segment.samples((plan.seed, 2 * plan.stream), plan.many, most * rate, scale),
            reference: self.reference.samples((plan.seed, 2 * plan.stream + 1), plan.many, rate, 1.0),
            rate,
            wanted: wanted.into_iter().filter(|name| (plan.reads)(name)).collect(),
        })
    }
}

struct OfOutcome<'a> {
    of: &'a Outcome<'a>,
    segment: Drawn<'a>,
    reference: Drawn<'a>,
    rate: f64,
    wanted: Vec<&'static str>,
}

impl Samples for OfOutcome<'_> {
    fn fact(&self, nth: usize, size: f64) -> Fact {
        let Outcome { parity, measure, segment, family, .. } = self.of;
        let rate = self.rate * size;
        let (own, other) = match segment.reaches(rate) {
            true => (self.segment.sums(nth, rate), self.reference.own(nth)),
            false => Default::default(),
        };
        let (own, other) = (self.of.cell(own), self.of.cell(other));
        let mut made = parity.with(&own, &other, measure, |name| self.wanted.contains(&name));
        (made.q_value, made.p_holm) = family.corrected(made.p_value);
        Fact::OutcomeParity(made)
    }
}
