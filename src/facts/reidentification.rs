//! `reidentification`: how far a strategy's inputs tell people apart.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::measured::{Harm, Number};
use super::purpose::Place;
use crate::findings::Evidence;
use crate::replay::reidentification::Sizes;

/// The quasi-identifiers that one strategy's inputs expose, and the classes of people who are alike in them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reidentification {
    pub strategy: String,
    /// Among its inputs and their sources, as the data map marks them.
    pub quasi_identifiers: Vec<QuasiIdentifier>,
    /// Contexts that the quasi-identifiers were collected in; two or more make a join.
    pub contexts: Vec<String>,
    /// Quasi-identifiers whose values were not handed over.
    pub missing: Vec<String>,
    /// Inputs that the data map does not know, which may hide more of them.
    pub unmapped: Vec<String>,
    /// Classes of fewer people count as small (`measure.k`).
    pub k: u64,
    /// People measured: those in the strategy's decisions, or everyone without a log; null when nothing was measured.
    pub subjects: Option<u64>,
    /// People in its decisions of whom `subjects` tells nothing.
    pub subjects_missing: u64,
    /// Whether there are fewer people than `min_cell`, so that nothing was measured.
    pub suppressed: bool,
    /// Classes by all quasi-identifiers at hand; null when nothing was measured.
    pub joined: Option<Classes>,
    /// Classes by the quasi-identifiers at hand of each context alone.
    pub before: Vec<ContextClasses>,
    /// Share of people alone in their class after the join, less that of the worst context; null without a join.
    pub increment_unique: Option<f64>,
    /// The same for the share of people in classes of fewer than `k`.
    pub increment_under_k: Option<f64>,
    /// The share of people in classes of fewer than `k`, were all those missing in such classes.
    pub under_k_at_most: Option<f64>,
    /// Per special field at hand, what the classes give away of it.
    pub diversity: Vec<Diversity>,
    /// Special fields among its inputs and their sources whose values were not handed over.
    pub special_missing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuasiIdentifier {
    /// As `dataset.collection.field`.
    pub field: String,
    pub contexts: Vec<String>,
    /// The column of subjects with its values; null when none was handed over.
    pub column: Option<String>,
    pub mapped_at: Place,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContextClasses {
    pub context: String,
    pub classes: Classes,
}

/// Classes of people who are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Classes {
    /// How many there are.
    pub count: u64,
    /// People in the smallest class.
    pub k_min: u64,
    /// Size of the class of the person at the 5th percentile, people ordered by the size of their class.
    pub k_p5: u64,
    /// The same at the median.
    pub k_median: u64,
    /// People alone in their class.
    pub unique: u64,
    /// People in classes of fewer than `k`.
    pub under_k: u64,
    /// `unique` over all people, 0 to 1.
    pub share_unique: f64,
    /// `under_k` over all people, 0 to 1.
    pub share_under_k: f64,
    /// People by the size of their class.
    pub sizes: Vec<SizeBand>,
}

/// People in classes of `from` to `to` people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SizeBand {
    pub from: u64,
    /// Null: any size from `from` up.
    pub to: Option<u64>,
    pub subjects: u64,
}

/// What the classes give away of one special field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Diversity {
    pub field: String,
    /// Distinct values among all people.
    pub values: u64,
    /// Distinct l: the fewest values in any class.
    pub l_distinct: u64,
    /// Entropy l, from 1: as many equally common values as the least diverse class has entropy for.
    pub l_entropy: f64,
    /// t: the greatest distance of a class's shares of the values from everyone's, 0 to 1.
    pub t: f64,
    /// People in classes where all have the same value.
    pub alike: u64,
    /// `alike` over all people, 0 to 1.
    pub share_alike: f64,
}

impl FactKind for Reidentification {
    const NAME: &'static str = "reidentification";
    const DOC: &'static str = include_str!("reidentification.md");
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("strategy", self.strategy.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let marked = self.quasi_identifiers.iter().map(|quasi| {
            Evidence::place("quasi-identifier", &quasi.field, &quasi.mapped_at.path, quasi.mapped_at.line)
        });
        let mut evidence: Vec<Evidence> = marked.collect();
        if let Some(joined) = &self.joined {
            evidence.push(Evidence::value("people alone in their class", joined.unique.to_string()));
            evidence.push(Evidence::value("smallest class", joined.k_min.to_string()));
        }
        evidence
    }

    fn numbers(&self, level: f64) -> Vec<Number> {
        let under = self.joined.as_ref().map(|joined| joined.under_k);
        Number::share("share_under_k", Harm::High, under, self.subjects, level)
    }
}

/// Sizes of classes that are shown apart: alone, a few, some, many.
const BANDS: [(u64, Option<u64>); 4] = [(1, Some(1)), (2, Some(4)), (5, Some(9)), (10, None)];

impl Classes {
    /// What the sizes of the classes say; None without any class.
    pub fn of(sizes: &Sizes, k: u64) -> Option<Self> {
        let all: u64 = people(sizes, |_| true);
        let k_min = sizes.iter().map(|(size, _)| *size).min()?;
        let (unique, under_k) = (people(sizes, |size| size == 1), people(sizes, |size| size < k));
        let band = |(from, to): (u64, Option<u64>)| SizeBand {
            from,
            to,
            subjects: people(sizes, |size| from <= size && to.is_none_or(|to| size <= to)),
        };
        Some(Self {
            count: sizes.iter().map(|(_, classes)| classes).sum(),
            k_min,
            k_p5: at_share(sizes, 0.05, all),
            k_median: at_share(sizes, 0.5, all),
            unique,
            under_k,
            share_unique: share(unique, all),
            share_under_k: share(under_k, all),
            sizes: BANDS.map(band).into(),
        })
    }
}

/// One number over another, 0 over nothing.
pub fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

fn people(sizes: &Sizes, of: impl Fn(u64) -> bool) -> u64 {
    sizes.iter().filter(|(size, _)| of(*size)).map(|(size, classes)| size * classes).sum()
}

/// The smallest size such that at least `share` of all people are in classes no greater.
fn at_share(sizes: &Sizes, share: f64, all: u64) -> u64 {
    let mut below = 0;
    let reached = sizes.iter().find(|(size, classes)| {
        below += size * classes;
        below as f64 >= share * all as f64
    });
    reached.map_or(0, |(size, _)| *size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12 people alone, 6 pairs, 1 class of 8, 1 of 68: 100 people, told by hand.
    #[test]
    fn classes_are_counted_by_person() {
        let classes = Classes::of(&vec![(1, 12), (2, 6), (8, 1), (68, 1)], 5).unwrap();
        assert_eq!((classes.count, classes.k_min, classes.k_p5, classes.k_median), (20, 1, 1, 68));
        assert_eq!((classes.unique, classes.under_k), (12, 24));
        assert_eq!((classes.share_unique, classes.share_under_k), (0.12, 0.24));
        let bands: Vec<u64> = classes.sizes.iter().map(|band| band.subjects).collect();
        assert_eq!(bands, [12, 12, 8, 68]);
        assert_eq!(Classes::of(&Vec::new(), 5), None);
    }

    /// The 5th percentile by person, with numpy's `percentile(k, 5, method="inverted_cdf")` over each person's k: 2 of
    /// 100 people alone, 4 in pairs, 94 together give 2.
    #[test]
    fn percentiles_are_of_people_not_of_classes() {
        let classes = Classes::of(&vec![(1, 2), (2, 2), (94, 1)], 2).unwrap();
        assert_eq!((classes.k_p5, classes.k_median, classes.under_k), (2, 94, 2));
    }
}
