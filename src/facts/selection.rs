//! `selection`: how often people of each category are selected, or score above the median.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measured::{Harm, Number};
use super::{FactKind, attributes};
use crate::findings::Evidence;
use crate::manifest::{Measure, SelectionOutcome};
use crate::replay::segments::{Segments, is_known};
use crate::replay::selection::{Cell, Table};
use crate::stats::{Interval, Proportion, benjamini_hochberg, proportion};

/// One category of one table, beside the most selected category of that table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Selection {
    pub strategy: String,
    /// `selected`: selected at least once. `score`: highest score strictly above the median of everybody's.
    pub outcome: String,
    /// The attributes that make the categories, e.g. `[sex, race]`.
    pub table: Vec<String>,
    /// The values that make this category, e.g. `{sex: female, race: asian}`.
    pub category: BTreeMap<String, String>,
    /// What is counted: `subject`, or `impression` where each row stands for itself.
    pub unit: String,
    /// What became of the comparison.
    pub comparison: Standing,
    /// People of the category who were assessed; null when withheld.
    pub applicants: Option<u64>,
    /// Those of them who were selected, or scored above the median; null when withheld.
    pub selected: Option<u64>,
    /// `selected` over `applicants`; null when withheld.
    pub rate: Option<Interval>,
    /// The category's share of all people of known category in the table, 0 to 1; null when withheld.
    pub share: Option<f64>,
    /// Whether that share is below `exclude_below`, so that no impact ratio is worked out (6 RCNY 5-301(d)).
    pub excluded: bool,
    /// `measure.selection.exclude_below`.
    pub exclude_below: f64,
    /// The category with the highest rate among those shown and not excluded; of several, the one with most people.
    pub most_selected: Option<BTreeMap<String, String>>,
    /// `rate` over that of the most selected category, 0 to 1; 1 for that category itself. Null unless compared.
    pub impact_ratio: Option<f64>,
    /// The same with its interval; null for the most selected category.
    pub impact_interval: Option<Interval>,
    /// The manifest's reference category, or the largest value of each attribute.
    pub reference: BTreeMap<String, String>,
    /// `rate` over that of `reference`.
    pub reference_ratio: Option<Interval>,
    /// How many standard deviations the rate lies from the most selected's, by the pooled variance; below 0 is less.
    pub standard_deviations: Option<f64>,
    /// Two-sided, of the null hypothesis that the rate is that of the most selected category.
    pub p_value: Option<f64>,
    /// How p was found: `fisher_exact` or `two_proportion_z`.
    pub test: Option<String>,
    /// Benjamini-Hochberg adjusted within all categories of this outcome.
    pub q_value: Option<f64>,
    /// People of the category who would have to be selected in addition to reach the highest rate.
    pub shortfall: Option<f64>,
    /// How few different decisions would bring the impact ratio to `bound`; null when it is there already.
    pub flips_with: Option<FlipsWith>,
    /// Whether the numbers are withheld: the category is below `min_cell`, or would tell the size of one that is.
    pub suppressed: bool,
    /// People assessed who fall in no category of this table because an attribute is not known, or stated in several
    /// ways; they are in no rate (6 RCNY 5-301(b)(5)).
    pub unknown: u64,
    /// `unknown` over everyone assessed.
    pub unknown_share: f64,
    /// People the strategy decided about without the log saying whether they were selected, or what they scored.
    pub unstated: u64,
    /// The median of all scores, unknown categories included; null for `selected` and below `min_cell` people.
    pub median: Option<f64>,
}

/// What became of a category's comparison with the most selected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Compared with the most selected category.
    Compared,
    /// It is the most selected category.
    MostSelected,
    /// Too small a share of the data for an impact ratio.
    Excluded,
    /// Too few people to show.
    Suppressed,
    /// Nobody was selected in any category.
    Undefined,
}

/// Selections that would have to go to this category rather than to the most selected one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlipsWith {
    /// The ratio in question, from `measure.decide_at`.
    pub bound: f64,
    pub people: u64,
}

impl FactKind for Selection {
    const NAME: &'static str = "selection";
    const DOC: &'static str = include_str!("selection.md");
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("outcome", self.outcome.clone()),
            ("category", attributes(&self.category)),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        if let Some(most) = &self.most_selected {
            evidence.push(Evidence::value("most selected", attributes(most)));
        }
        if let Some(FlipsWith { bound, people }) = &self.flips_with {
            let s = if *people == 1 { "" } else { "s" };
            evidence.push(Evidence::value("small numbers", format!("{people} other decision{s} would reach {bound}")));
        }
        evidence
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::of("impact_interval", Harm::Low, &self.impact_interval)
    }
}

/// The categories of every table.
pub fn measure(tables: &[Table], segments: &Segments, measure: &Measure) -> Vec<Selection> {
    let mut facts: Vec<Selection> = tables.iter().flat_map(|table| of_table(table, segments, measure)).collect();
    for outcome in SelectionOutcome::ALL {
        let family: Vec<usize> = (0..facts.len())
            .filter(|&index| facts[index].outcome == outcome.id() && facts[index].p_value.is_some())
            .collect();
        let p: Vec<f64> = family.iter().filter_map(|&index| facts[index].p_value).collect();
        for (&index, q) in family.iter().zip(benjamini_hochberg(&p)) {
            facts[index].q_value = Some(q);
        }
    }
    facts
}

fn of_table(table: &Table, segments: &Segments, measure: &Measure) -> Vec<Selection> {
    let (known, unknown): (Vec<&Cell>, Vec<&Cell>) = table
        .cells
        .iter()
        .filter(|cell| cell.assessed > 0)
        .partition(|cell| cell.values.iter().all(|value| is_known(value)));
    let people = |cells: &[&Cell]| cells.iter().map(|cell| cell.assessed).sum::<u64>();
    let (total, nameless) = (people(&known), people(&unknown));
    let unstated = table.cells.iter().map(|cell| cell.unstated).sum();
    let share = |cell: &Cell| cell.assessed as f64 / total as f64;
    let is_excluded = |cell: &Cell| share(cell) < measure.selection.exclude_below;
    let hidden = hidden(&known, measure.min_cell);
    let is_hidden = |cell: &Cell| hidden.contains(&cell.values);
    let most = known.iter().copied().filter(|cell| !is_hidden(cell) && !is_excluded(cell)).max_by(|a, b| {
        let cross = |a: &Cell, b: &Cell| u128::from(a.chosen) * u128::from(b.assessed);
        cross(a, b).cmp(&cross(b, a)).then(a.assessed.cmp(&b.assessed)).then_with(|| b.values.cmp(&a.values))
    });
    let named = |values: &[String]| -> BTreeMap<String, String> {
        table.attributes.iter().cloned().zip(values.iter().cloned()).collect()
    };
    let reference: Option<Vec<String>> =
        table.attributes.iter().map(|attribute| segments.references.get(attribute).cloned()).collect();
    let reference_cell = known.iter().find(|cell| reference.as_ref() == Some(&cell.values) && !is_hidden(cell));
    let fact = |cell: &&Cell| {
        let cell = *cell;
        let (excluded, suppressed) = (is_excluded(cell), is_hidden(cell));
        let own = share_of(cell);
        let comparison = match most {
            _ if suppressed => Standing::Suppressed,
            _ if excluded => Standing::Excluded,
            Some(best) if best.chosen > 0 && best.values == cell.values => Standing::MostSelected,
            Some(best) if best.chosen > 0 => Standing::Compared,
            _ => Standing::Undefined,
        };
        let best = most.map(share_of).filter(|_| comparison == Standing::Compared);
        let test = best.and_then(|best| test(own, best));
        let impact_ratio = match comparison {
            Standing::MostSelected => Some(1.0),
            _ => best.and_then(|best| proportion::ratio(own, best)),
        };
        Selection {
            strategy: table.strategy.clone(),
            outcome: table.outcome.id().to_owned(),
            table: table.attributes.clone(),
            category: named(&cell.values),
            unit: measure.unit.id().to_owned(),
            comparison,
            applicants: (!suppressed).then_some(cell.assessed),
            selected: (!suppressed).then_some(cell.chosen),
            rate: own.wilson(measure.level).filter(|_| !suppressed),
            share: (!suppressed).then(|| share(cell)),
            excluded,
            exclude_below: measure.selection.exclude_below,
            most_selected: most.filter(|best| best.chosen > 0).map(|best| named(&best.values)),
            impact_ratio,
            impact_interval: best.and_then(|best| proportion::katz(own, best, measure.level)),
            reference: reference.as_deref().map(&named).unwrap_or_default(),
            reference_ratio: reference_cell
                .filter(|reference| !suppressed && reference.values != cell.values)
                .and_then(|reference| proportion::katz(own, share_of(reference), measure.level)),
            standard_deviations: best.and_then(|best| proportion::z_score(own, best)),
            p_value: test.map(|(p, _)| p),
            test: test.map(|(_, name)| name.to_owned()),
            q_value: None,
            shortfall: best.map(|best| {
                let rate = best.successes as f64 / best.trials as f64;
                rate * own.trials as f64 - own.successes as f64
            }),
            flips_with: best.and_then(|best| flips(own, best, measure.decide_at)),
            suppressed,
            unknown: nameless,
            unknown_share: nameless as f64 / (total + nameless) as f64,
            unstated,
            median: table.median.filter(|_| total + nameless >= measure.min_cell),
        }
    };
    known.iter().map(fact).collect()
}

fn share_of(cell: &Cell) -> Proportion {
    Proportion { successes: cell.chosen, trials: cell.assessed }
}

/// The exact test where it is within reach, else its approximation.
fn test(own: Proportion, best: Proportion) -> Option<(f64, &'static str)> {
    let exact = proportion::fisher(own, best).map(|p| (p, "fisher_exact"));
    exact.or_else(|| Some((proportion::z_test(own, best)?, "two_proportion_z")))
}

/// The fewest selections k for which (x + k)/n over (x' - k)/n' is at least `bound`. None when it is without any, or
/// never comes to be.
fn flips(own: Proportion, best: Proportion, bound: f64) -> Option<FlipsWith> {
    let moved = |people: u64| {
        let own = Proportion { successes: own.successes + people, ..own };
        let best = Proportion { successes: best.successes.checked_sub(people)?, ..best };
        (own.successes <= own.trials).then(|| proportion::ratio(own, best).unwrap_or(f64::INFINITY))
    };
    if moved(0)? >= bound {
        return None;
    }
    let (n, m) = (own.trials as f64, best.trials as f64);
    let missing = bound * best.successes as f64 * n - own.successes as f64 * m;
    // Rounding may have put the root a little too high.
    let first = (missing / (m + bound * n)).floor().max(1.0) as u64;
    let people = (first..=first + 2).find(|people| moved(*people).is_some_and(|ratio| ratio >= bound))?;
    Some(FlipsWith { bound, people })
}

/// Categories whose numbers are withheld. A lone small category among those that agree in all attributes but one would
/// be their total less the others: then the smallest of these is withheld with it.
fn hidden(cells: &[&Cell], min_cell: u64) -> BTreeSet<Vec<String>> {
    let mut hidden: BTreeSet<Vec<String>> =
        cells.iter().filter(|cell| cell.assessed < min_cell).map(|cell| cell.values.clone()).collect();
    let mut lines: BTreeMap<(usize, Vec<&String>), Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        for open in 0..cell.values.len() {
            let fixed = cell.values.iter().enumerate().filter(|(nth, _)| *nth != open).map(|(_, value)| value);
            lines.entry((open, fixed.collect())).or_default().push(cell);
        }
    }
    loop {
        let before = hidden.len();
        for line in lines.values() {
            let (own, shown): (Vec<&Cell>, Vec<&Cell>) = line.iter().partition(|cell| hidden.contains(&cell.values));
            if own.len() == 1
                && let Some(next) = shown.iter().min_by_key(|cell| (cell.assessed, &cell.values))
            {
                hidden.insert(next.values.clone());
            }
        }
        if hidden.len() == before {
            return hidden;
        }
    }
}

#[cfg(test)]
mod tests;
