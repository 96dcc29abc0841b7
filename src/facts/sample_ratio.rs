//! `sample_ratio`: whether people were dealt out to the arms in the shares that were meant.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use crate::findings::Evidence;
use crate::manifest;
use crate::replay::loyalty::Found;
use crate::stats::allocation::chi_squared;

/// Below this p-value arms are not compared.
pub const REFUSE: f64 = 0.001;

/// The arms of a comparison over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampleRatio {
    pub holdout: String,
    pub arms: Vec<Arm>,
    /// Whether the shares were stated; all the same otherwise.
    pub stated: bool,
    /// Of the χ² test that the arms have the shares they should; null with fewer than two of them.
    pub p_value: Option<f64>,
    /// The statistic of that test.
    pub chi_squared: Option<f64>,
    /// People whom more than one arm served, and who count for the first; null where fewer than `min_cell`.
    pub crossed: Option<u64>,
    /// People who had no start before the end of what was handed over.
    pub left_out: u64,
}

/// How many people an arm has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    pub strategy: String,
    pub people: u64,
    /// How many it should have.
    pub expected: f64,
}

impl FactKind for SampleRatio {
    const NAME: &'static str = "sample_ratio";
    const DOC: &'static str = include_str!("sample_ratio.md");
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("holdout", self.holdout.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let told = |arm: &Arm| {
            let words = format!("{} people, of {:.1} expected", arm.people, arm.expected);
            Evidence::value("arm", format!("{}: {words}", arm.strategy))
        };
        self.arms.iter().map(told).collect()
    }
}

/// Tests the whole of every arm.
pub fn measure(found: &Found, loyalty: &manifest::Loyalty, min_cell: u64) -> SampleRatio {
    let named: Vec<&String> =
        if loyalty.split.is_empty() { found.cells.keys().collect() } else { loyalty.split.keys().collect() };
    let whole = |arm: &String| found.cells.get(arm).and_then(|cells| cells.get(&None));
    let counts: Vec<(u64, f64)> = named
        .iter()
        .map(|arm| (whole(arm).map_or(0, |cell| cell.people), loyalty.split.get(*arm).map_or(1.0, |share| share.value)))
        .collect();
    let (people, shares) = counts.iter().fold((0, 0.0), |(n, s), (people, share)| (n + people, s + share));
    let arm = |(strategy, (own, share)): (&&String, &(u64, f64))| Arm {
        strategy: (*strategy).clone(),
        people: *own,
        expected: people as f64 * share / shares,
    };
    let test = chi_squared(&counts);
    let crossed: u64 = named.iter().filter_map(|arm| whole(arm)).map(|cell| cell.crossed).sum();
    SampleRatio {
        holdout: loyalty.holdout.value.clone(),
        arms: named.iter().zip(&counts).map(arm).collect(),
        stated: !loyalty.split.is_empty(),
        p_value: test.map(|test| test.p_value),
        chi_squared: test.map(|test| test.statistic),
        crossed: Some(crossed).filter(|n| *n == 0 || *n >= min_cell),
        left_out: found.left_out,
    }
}
