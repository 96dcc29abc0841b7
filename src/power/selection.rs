//! A category's selection beside the most selected one's, drawn anew.

use std::collections::BTreeMap;

use super::number::{Family, Number, Plan, Samples};
use crate::facts::selection::{self, Selection, Standing};
use crate::facts::{Fact, attributes};
use crate::manifest::{Measure, Unit};
use crate::replay::segments::{Segments, is_known};
use crate::replay::selection::Table;
use crate::stats::Interval;
use crate::stats::draw::{Draws, binomial};

/// One category of one table.
pub(super) struct Selected<'a> {
    own: &'a Selection,
    fact: &'a Fact,
    table: &'a Table,
    /// Where the category stands in its table.
    at: usize,
    /// The highest rate of the table.
    best: f64,
    segments: &'a Segments,
    measure: &'a Measure,
    family: Family,
}

/// Every category that was compared.
pub(super) fn numbers<'a>(
    facts: &'a [Fact],
    tables: &'a [Table],
    segments: &'a Segments,
    measure: &'a Measure,
) -> Vec<Selected<'a>> {
    let all = || facts.iter().enumerate().filter_map(|(at, fact)| Some((at, fact, selected(fact)?)));
    let number = |(number, fact, own): (usize, &'a Fact, &'a Selection)| {
        let is_own = |table: &&Table| {
            table.strategy == own.strategy && table.outcome.id() == own.outcome && table.attributes == own.table
        };
        let table = tables.iter().find(is_own)?;
        let place = |category: &BTreeMap<String, String>| {
            let values: Vec<&String> = own.table.iter().filter_map(|name| category.get(name)).collect();
            table.cells.iter().position(|cell| cell.values.iter().collect::<Vec<_>>() == values)
        };
        let most = &table.cells[place(own.most_selected.as_ref()?)?];
        let others = all().filter(|(at, _, other)| *at != number && other.outcome == own.outcome);
        Some(Selected {
            own,
            fact,
            table,
            at: place(&own.category)?,
            best: most.chosen as f64 / most.assessed as f64,
            segments,
            measure,
            family: Family::of(others.map(|(_, _, other)| other.p_value)),
        })
    };
    all().filter(|(_, _, own)| own.comparison == Standing::Compared).filter_map(number).collect()
}

fn selected(fact: &Fact) -> Option<&Selection> {
    match fact {
        Fact::Selection(selection) => Some(selection),
        _ => None,
    }
}

impl Number for Selected<'_> {
    fn measure(&self) -> &'static str {
        "impact ratio"
    }

    fn says(&self) -> String {
        let most = self.own.most_selected.as_ref().map(attributes).unwrap_or_default();
        format!("{} against the most selected ({most}), {}", attributes(&self.own.category), self.own.outcome)
    }

    fn fact(&self) -> &Fact {
        self.fact
    }

    fn observed(&self) -> Option<f64> {
        self.own.impact_ratio
    }

    fn units(&self) -> Option<u64> {
        self.own.applicants
    }

    fn of_people(&self) -> bool {
        self.own.unit == Unit::Subject.id()
    }

    /// No category is selected more often than the most selected one.
    fn most(&self) -> f64 {
        1.0
    }

    fn certain(&self, size: f64) -> Fact {
        let method = self.own.impact_interval.as_ref().map(|of| of.method.clone()).unwrap_or_default();
        let p = if size == 1.0 { 1.0 } else { 0.0 };
        Fact::Selection(Selection {
            impact_ratio: Some(size),
            impact_interval: Some(Interval {
                estimate: size,
                low: size,
                high: size,
                level: self.measure.level,
                method,
            }),
            p_value: Some(p),
            q_value: Some(p),
            flips_with: None,
            ..self.own.clone()
        })
    }

    fn samples<'a>(&'a self, plan: &Plan<'_>, _: f64, scale: f64) -> Box<dyn Samples + 'a> {
        let luck = |nth: usize| {
            let mut draws = Draws::new(plan.seed, (plan.stream << 24) + nth as u64);
            self.table.cells.iter().map(|_| draws.uniform()).collect()
        };
        Box::new(OfSelected { of: self, luck: (0..plan.many).map(luck).collect(), scale })
    }
}

struct OfSelected<'a> {
    of: &'a Selected<'a>,
    /// A uniform number for each category of each sample.
    luck: Vec<Vec<f64>>,
    scale: f64,
}

impl Samples for OfSelected<'_> {
    /// The whole table is measured anew, so that another category can come out as the most selected.
    fn fact(&self, nth: usize, size: f64) -> Fact {
        let Selected { own, table, at, best, segments, measure, family, .. } = self.of;
        let mut made = (*table).clone();
        for (place, (cell, luck)) in made.cells.iter_mut().zip(&self.luck[nth]).enumerate() {
            if cell.assessed == 0 || !cell.values.iter().all(|value| is_known(value)) {
                continue;
            }
            let mut rate = cell.chosen as f64 / cell.assessed as f64;
            if place == *at {
                rate = best * size;
                cell.assessed = ((cell.assessed as f64 * self.scale).round() as u64).max(1);
            }
            cell.chosen = binomial(cell.assessed, rate, *luck);
        }
        let facts = selection::measure(std::slice::from_ref(&made), segments, measure);
        let found = facts.into_iter().find(|of| of.category == own.category);
        let Some(mut found) = found else { return self.of.fact.clone() };
        found.q_value = family.corrected(found.p_value).0;
        Fact::Selection(found)
    }
}
