//! `mix`: what the log is made of, so that a later audit can tell whether it still is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use crate::findings::Evidence;
use crate::replay::mixes::{OTHER, Of, Tally, bin_place};
use crate::replay::segments::is_known;
use crate::stats::drift::{BinSums, design_effect};

/// How often each value, or bin of values, of one column occurs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mix {
    /// What is counted: `decisions`, `subjects` or `impressions`.
    pub of: String,
    /// The column of the log or attribute of `measure.segments` by whose values it is counted.
    pub by: String,
    /// Upper edges of the bins of numbers, ascending; empty where values are words. The first audit of a ledger chooses
    /// them, and all later ones keep them.
    pub edges: Vec<f64>,
    /// The values, and `(other)` for those pooled; empty when suppressed.
    pub bins: Vec<Bin>,
    /// Everything counted; null when suppressed.
    pub total: Option<u64>,
    /// How many independent observations `total` is worth, as far as that can be told: rows of one person resemble each
    /// other.
    pub effective: Option<u64>,
    /// Values in `(other)`.
    pub pooled: u64,
    /// Whether there are fewer than `min_cell` subjects in all, so that the numbers are withheld.
    pub suppressed: bool,
}

/// A value and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bin {
    pub name: String,
    pub count: u64,
}

/// Values of words that are told apart.
const MOST: usize = 30;

impl FactKind for Mix {
    const NAME: &'static str = "mix";
    const DOC: &'static str = include_str!("mix.md");
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("of", self.of.clone()), ("by", self.by.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        self.total.map(|total| Evidence::value(&self.of, total.to_string())).into_iter().collect()
    }
}

impl Mix {
    /// What is counted by what, in words: `decisions by strategy`.
    pub fn name(&self) -> String {
        format!("{} by {}", self.of, self.by)
    }
}

/// A bin before it is known whether it may be told.
#[derive(Debug, Clone)]
struct Cell {
    name: String,
    count: u64,
    /// People in it; a pooled bin has at least so many.
    units: u64,
}

/// Makes facts of the tallies, in their order. A column that says nothing of any row is left out.
pub fn measure(tallies: &[Tally], min_cell: u64) -> Vec<Mix> {
    let told = tallies.iter().filter(|tally| tally.bins.keys().any(|name| is_known(name)));
    told.map(|tally| of_tally(tally, min_cell)).collect()
}

fn of_tally(tally: &Tally, min_cell: u64) -> Mix {
    let sums: Vec<BinSums> = tally.bins.values().map(|bin| bin.sums).collect();
    let total: f64 = sums.iter().map(|sum| sum.y).sum();
    let suppressed = tally.units < min_cell;
    let exclusive = tally.of == Of::Subjects;
    let effective = match design_effect(&sums, tally.units as f64).filter(|_| !exclusive) {
        Some(effect) => (total / effect).round() as u64,
        // A person is one observation. And where all is in one bin, nothing shows how alike the rows of a person are.
        None => tally.units,
    };
    let cells =
        tally.bins.iter().map(|(name, bin)| Cell { name: name.clone(), count: bin.sums.y as u64, units: bin.units });
    // How many decisions a strategy made is told of every strategy (`purpose`).
    let floor = if tally.by == "strategy" { 1 } else { min_cell };
    let (mut cells, pooled) = if suppressed { (Vec::new(), 0) } else { pool(cells.collect(), floor, exclusive) };
    if tally.edges.is_empty() {
        cells.sort_by(|a, b| (a.name == OTHER).cmp(&(b.name == OTHER)).then_with(|| a.name.cmp(&b.name)));
    } else {
        cells.sort_by_key(|cell| bin_place(&tally.edges, &cell.name));
    }
    Mix {
        of: tally.of.id().into(),
        by: tally.by.clone(),
        edges: tally.edges.clone(),
        bins: cells.into_iter().map(|cell| Bin { name: cell.name, count: cell.count }).collect(),
        total: (!suppressed).then_some(total as u64),
        effective: (!suppressed).then_some(effective),
        pooled,
        suppressed,
    }
}

/// Keeps the most frequent values with at least `floor` people and pools the rest. Where the rest are too few people by
/// themselves, the smallest of those kept joins them: their number would be that of a small value otherwise.
///
/// Where a person may be in several values, those in all of them are at least those in the largest.
fn pool(mut cells: Vec<Cell>, floor: u64, exclusive: bool) -> (Vec<Cell>, u64) {
    cells.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    let mut kept: Vec<Cell> = Vec::new();
    let (mut other, mut pooled) = (Cell { name: OTHER.to_owned(), count: 0, units: 0 }, 0);
    let mut join = |cell: Cell, other: &mut Cell| {
        other.count += cell.count;
        other.units = if exclusive { other.units + cell.units } else { other.units.max(cell.units) };
        pooled += 1;
    };
    for cell in cells {
        if cell.name == OTHER || cell.units < floor || kept.len() == MOST {
            join(cell, &mut other);
        } else {
            kept.push(cell);
        }
    }
    while other.count > 0 && other.units < floor {
        let least = (0..kept.len()).min_by_key(|&index| kept[index].units);
        let Some(least) = least else { break };
        join(kept.remove(least), &mut other);
    }
    if other.count > 0 {
        kept.push(other);
    }
    (kept, pooled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::replay::mixes;

    fn cell(name: &str, count: u64, units: u64) -> Cell {
        Cell { name: name.into(), count, units }
    }

    fn tally(of: Of, cells: &[(&str, u64, u64)]) -> Tally {
        let bin = |count: u64, units: u64| {
            let y = count as f64;
            mixes::Bin { sums: BinSums { y, yy: y, yn: y }, units }
        };
        Tally {
            of,
            by: "age_band".into(),
            edges: Vec::new(),
            bins: cells.iter().map(|(name, count, units)| ((*name).to_owned(), bin(*count, *units))).collect(),
            units: cells.iter().map(|cell| cell.2).sum(),
        }
    }

    fn told(mix: &Mix) -> Vec<(&str, u64)> {
        mix.bins.iter().map(|bin| (bin.name.as_str(), bin.count)).collect()
    }

    #[test]
    fn a_small_value_takes_the_next_smallest_with_it() {
        let of = |cells: &[(&str, u64, u64)]| of_tally(&tally(Of::Subjects, cells), 30);
        let mix = of(&[("a", 500, 500), ("b", 40, 40), ("c", 300, 300), ("d", 3, 3)]);
        assert_eq!(told(&mix), [("a", 500), ("c", 300), (OTHER, 43)]);
        assert_eq!((mix.pooled, mix.total, mix.suppressed), (2, Some(843), false));
        // Enough by themselves: nobody has to join them.
        let mix = of(&[("a", 500, 500), ("b", 20, 20), ("c", 20, 20)]);
        assert_eq!(told(&mix), [("a", 500), (OTHER, 40)]);
        // Nothing may be told of seven people.
        let mix = of(&[("a", 4, 4), ("b", 3, 3)]);
        assert_eq!((told(&mix).len(), mix.total, mix.effective, mix.suppressed), (0, None, None, true));
    }

    #[test]
    fn the_same_people_may_be_in_two_small_values() {
        let mix = of_tally(&tally(Of::Decisions, &[("a", 900, 60), ("b", 500, 50), ("c", 90, 20), ("d", 80, 20)]), 30);
        assert_eq!(told(&mix), [("a", 900), (OTHER, 670)]);
    }

    #[test]
    fn thirty_values_are_told_apart() {
        let names: Vec<String> = (0..50).map(|nth| format!("v{nth:02}")).collect();
        let cells: Vec<(&str, u64, u64)> =
            names.iter().enumerate().map(|(nth, name)| (name.as_str(), 1000 - nth as u64, 100)).collect();
        let mix = of_tally(&tally(Of::Decisions, &cells), 30);
        assert_eq!((mix.bins.len(), mix.pooled), (31, 20));
        assert_eq!(mix.bins[0].name, "v00");
        assert_eq!(mix.bins[30].name, OTHER);
    }

    #[test]
    fn a_column_that_says_nothing_is_left_out() {
        let unknown = tally(Of::Decisions, &[(crate::replay::segments::UNKNOWN, 90, 40)]);
        assert_eq!(measure(&[unknown], 30), []);
    }

    proptest! {
        /// Nothing is lost, and no count is told of fewer people than the floor.
        #[test]
        fn pooling_hides_the_few(
            cells in prop::collection::vec((1u64..100, 1u64..60), 1..50), floor in 1u64..40, exclusive: bool,
        ) {
            let before: Vec<Cell> = cells.iter().enumerate()
                .map(|(nth, (rows, units))| cell(&format!("v{nth}"), units * rows, *units)).collect();
            let total: u64 = before.iter().map(|cell| cell.count).sum();
            let people = before.iter().map(|cell| cell.units);
            let enough = if exclusive { people.sum::<u64>() } else { people.max().unwrap_or(0) } >= floor;
            let (after, _) = pool(before, floor, exclusive);
            prop_assert_eq!(after.iter().map(|cell| cell.count).sum::<u64>(), total);
            prop_assert!(!enough || after.iter().all(|cell| cell.units >= floor));
        }
    }
}
