//! `purpose`: what each strategy is for, as declared, beside what the log shows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use crate::findings::Evidence;

/// One strategy, declared or seen in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Purpose {
    pub strategy: String,
    /// Whether the manifest declares the strategy.
    pub declared: bool,
    /// The purpose it serves; null when undeclared.
    pub purpose: Option<String>,
    pub legal_basis: Option<String>,
    pub benefit: Option<String>,
    pub objective: Option<String>,
    /// `short_term`, `long_term` or `both`.
    pub horizon: Option<String>,
    /// How it decides, in plain words.
    pub logic: Option<String>,
    pub owner: Option<String>,
    /// Whether it uses data about the person; null when undeclared.
    pub profiling: Option<bool>,
    /// `YYYY-MM-DD`
    pub review_date: Option<String>,
    /// Whether the review date lies before the day the audit speaks for; null when either is missing.
    pub review_overdue: Option<bool>,
    /// Decisions in the log; null when there is no log.
    pub decisions: Option<u64>,
    /// File and line of the declaration.
    pub declared_at: Option<Place>,
}

/// A place in a file of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Relative to the manifest.
    pub path: String,
    /// From 1.
    pub line: u64,
}

impl FactKind for Purpose {
    const NAME: &'static str = "purpose";
    const DOC: &'static str = "One fact per strategy that the manifest declares or the log shows: the purpose it serves, \
        the legal basis, benefit, objective and logic declared for it, its review date, and how many decisions of the \
        log it made. A strategy that decided without being declared has `declared: false`.";
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("strategy", self.strategy.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        if let Some(at) = &self.declared_at {
            evidence.push(Evidence::place("declared at", "", &at.path, at.line));
        }
        if let Some(decisions) = self.decisions {
            evidence.push(Evidence::value("decisions in the log", decisions.to_string()));
        }
        evidence
    }
}
