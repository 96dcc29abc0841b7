//! `proxy`: how much an input tells of a protected attribute.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::measured::{Harm, Number};
use super::purpose::Place;
use crate::findings::Evidence;
use crate::stats::{Interval, benjamini_hochberg};

/// One field behind a strategy's inputs, beside one protected attribute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Proxy {
    pub strategy: String,
    /// As `dataset.collection.field`.
    pub field: String,
    /// The strategy's inputs through which it arrives.
    pub inputs: Vec<String>,
    /// The column of subjects with its values; null when none was handed over.
    pub column: Option<String>,
    /// The protected attribute; null when the field's values were not handed over.
    pub attribute: Option<String>,
    /// What became of the comparison.
    pub comparison: Association,
    /// `cramers_v` where the field's values are groups, `correlation_ratio` where they are numbers; null when not
    /// measured.
    pub statistic: Option<String>,
    /// 0 (tells nothing) to 1 (tells all), corrected for chance; null when not measured.
    pub strength: Option<Interval>,
    /// The same without the correction.
    pub uncorrected: Option<f64>,
    /// Of the null hypothesis that they have nothing to do with each other.
    pub p_value: Option<f64>,
    /// Benjamini-Hochberg adjusted within all comparisons with this attribute.
    pub q_value: Option<f64>,
    /// People whose attribute is known; of numbers, who have a number, too. Null when not measured.
    pub subjects: Option<u64>,
    /// People in its decisions of whom that is not known; null when not measured.
    pub unknown: Option<u64>,
    /// Groups of the field that were told apart, "(other)" included; null for numbers and when not measured.
    pub levels: Option<u64>,
    /// Its values that were counted as "(other)"; null for numbers and when not measured.
    pub levels_merged: Option<u64>,
    /// Groups of the attribute that were told apart; null when not measured.
    pub attribute_levels: Option<u64>,
    pub mapped_at: Place,
}

/// What became of the comparison of a field with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Association {
    /// Measured.
    Measured,
    /// The field is the attribute.
    Itself,
    /// The field's values were not handed over.
    NotAtHand,
    /// Fewer people than `min_cell`.
    Suppressed,
    /// All have the same value, or the same attribute.
    Constant,
}

impl FactKind for Proxy {
    const NAME: &'static str = "proxy";
    const DOC: &'static str = include_str!("proxy.md");
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("field", self.field.clone()),
            ("attribute", self.attribute.clone().unwrap_or_default()),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let at = &self.mapped_at;
        let mut evidence = vec![Evidence::place("mapped at", &self.field, &at.path, at.line)];
        let through: Vec<&str> = self.inputs.iter().filter(|input| **input != self.field).map(String::as_str).collect();
        if !through.is_empty() {
            evidence.push(Evidence::value("arrives through", through.join(", ")));
        }
        if let Some(subjects) = self.subjects {
            evidence.push(Evidence::value("people compared", subjects.to_string()));
        }
        evidence
    }

    fn numbers(&self, _: f64) -> Vec<Number> {
        Number::of("strength", Harm::High, &self.strength)
    }
}

/// Sets every q: Benjamini-Hochberg over all comparisons with one attribute.
pub fn correct(facts: &mut [Proxy]) {
    let mut families: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, fact) in facts.iter().enumerate() {
        if let (Some(attribute), Some(_)) = (&fact.attribute, fact.p_value) {
            families.entry(attribute.clone()).or_default().push(index);
        }
    }
    for family in families.values() {
        let p: Vec<f64> = family.iter().filter_map(|&index| facts[index].p_value).collect();
        for (&index, q) in family.iter().zip(benjamini_hochberg(&p)) {
            facts[index].q_value = Some(q);
        }
    }
}
