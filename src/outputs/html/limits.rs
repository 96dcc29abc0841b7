//! What the audit does not say: evidence that is missing, rows that could not be read, groups too small to show, and
//! what was taken to be so.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::facts::Fact;
use crate::facts::outcome_parity::Comparison;
use crate::playbook::Verdict;
use crate::record::{Record, RuleResult};

#[derive(Debug, Serialize)]
pub struct Limits<'a> {
    /// Tables with rows that could not be read.
    pub rejected: Vec<Rejected<'a>>,
    /// Rows of all tables.
    pub rows: u64,
    /// Facts that show no numbers, by kind.
    pub withheld: Vec<Withheld>,
    /// Rules that left something undecided, and how much.
    pub undecided: Vec<(&'a RuleResult, u64)>,
    /// Decisions whose consent could not be judged, by why.
    pub unjudged: BTreeMap<&'a str, u64>,
    pub assumptions: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Rejected<'a> {
    pub role: &'a str,
    pub rows: u64,
    pub rejected: u64,
    pub share: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Withheld {
    pub words: &'static str,
    /// Those too small to show.
    pub small: u64,
    /// Those whose numbers would give a small one away.
    pub beside: u64,
    /// Those whose attribute is not known.
    pub unknown: u64,
    pub all: u64,
}

pub fn limits(record: &Record) -> Limits<'_> {
    let mut limits = Limits {
        rejected: Vec::new(),
        rows: 0,
        withheld: withheld(record),
        undecided: Vec::new(),
        unjudged: BTreeMap::new(),
        assumptions: assumptions(record),
    };
    for fact in &record.facts {
        match fact {
            Fact::EvidenceQuality(of) => {
                let (rows, rejected) = (of.rows.unwrap_or_default(), of.rejected.unwrap_or_default());
                limits.rows += rows;
                if rejected > 0 {
                    limits.rejected.push(Rejected { role: &of.role, rows, rejected, share: of.rejected_share });
                }
            }
            Fact::Coverage(of) => {
                for (gap, decisions) in &of.gaps {
                    *limits.unjudged.entry(gap).or_default() += decisions;
                }
            }
            _ => {}
        }
    }
    for rule in record.steps.iter().flat_map(|step| &step.rules) {
        let open = rule.verdicts.get(&Verdict::Inconclusive).map_or(0, Vec::len);
        if open > 0 {
            limits.undecided.push((rule, open as u64));
        }
    }
    limits
}

/// Facts whose numbers are withheld, by kind in the order of the record.
fn withheld(record: &Record) -> Vec<Withheld> {
    let mut kinds: Vec<(&str, Withheld)> = Vec::new();
    for fact in &record.facts {
        let Some((comparison, suppressed, beside)) = standing(fact) else { continue };
        let kind = fact.kind();
        if kinds.iter().all(|(known, _)| *known != kind) {
            let words = super::view::home(fact).0;
            kinds.push((kind, Withheld { words, small: 0, beside: 0, unknown: 0, all: 0 }));
        }
        let Some((_, of)) = kinds.iter_mut().find(|(known, _)| *known == kind) else { continue };
        of.all += 1;
        let small = suppressed || comparison == Some(Comparison::Suppressed);
        of.small += u64::from(small);
        of.beside += u64::from(!small && beside);
        of.unknown += u64::from(!small && comparison == Some(Comparison::Unknown));
    }
    let withheld = |of: &Withheld| of.small + of.beside + of.unknown > 0;
    kinds.into_iter().map(|(_, of)| of).filter(withheld).collect()
}

/// What a fact was compared to be, whether it is too small, and whether its counts would give a smaller one away.
fn standing(fact: &Fact) -> Option<(Option<Comparison>, bool, bool)> {
    match fact {
        Fact::OutcomeParity(of) => Some((Some(of.comparison), of.suppressed, of.counts_withheld)),
        Fact::ConditionalParity(of) => Some((Some(of.comparison), of.suppressed, of.counts_withheld)),
        Fact::PriceParity(of) => Some((Some(of.comparison), of.suppressed, of.counts_withheld)),
        Fact::ExposureParity(of) => Some((Some(of.comparison), of.suppressed, of.counts_withheld)),
        Fact::ListParity(of) => Some((Some(of.comparison), of.suppressed, of.counts_withheld)),
        Fact::Subgroup(of) => Some((Some(of.comparison), false, false)),
        Fact::Selection(of) => Some((None, of.suppressed, false)),
        Fact::Explanation(of) => Some((None, of.suppressed, false)),
        Fact::Reidentification(of) => Some((None, of.suppressed, false)),
        _ => None,
    }
}

/// What the numbers take to be so, as far as this record has numbers that do.
fn assumptions(record: &Record) -> Vec<String> {
    let mut all = vec![
        "The evidence is what it claims to be, and nothing was left out of it on purpose. Files are \
        named by their SHA-256 in the appendix, so that anybody can check that these are the ones."
            .to_owned(),
    ];
    let has = |of: fn(&Fact) -> bool| record.facts.iter().any(of);
    if has(|fact| matches!(fact, Fact::DataUse(_) | Fact::Join(_))) {
        all.push(
            "Clocks agree: whether a yes came before a decision is told by the times in both files. Where the log does \
             not say what a decision used, it used what its strategy declares."
                .into(),
        );
    }
    let compared = |fact: &Fact| {
        matches!(fact, Fact::OutcomeParity(_) | Fact::Subgroup(_) | Fact::PriceParity(_) | Fact::ConditionalParity(_))
    };
    if has(compared) {
        all.push(format!(
            "One {0} does not change what happens to another: uncertainty is counted in {0}s. Groups are those that the \
             evidence names; whoever is in none of them is counted and not compared.",
            record.system.settings.unit
        ));
        all.push(
            "A difference between groups is measured, not its cause. Under equal conditions only what is named is held \
             equal."
                .into(),
        );
    }
    let discounts: BTreeSet<&str> = record
        .facts
        .iter()
        .filter_map(|fact| if let Fact::ExposureParity(of) = fact { Some(of.discount.as_str()) } else { None })
        .collect();
    if !discounts.is_empty() {
        let names = discounts.into_iter().collect::<Vec<_>>().join(", ");
        all.push(format!("How much attention a place in a list gets follows a model, and was not observed: {names}."));
    }
    if has(|fact| matches!(fact, Fact::UndeclaredPersonalData(_))) {
        all.push(
            "Personal data was looked for by its shape, in a sample of each column: what looks like none may be some."
                .into(),
        );
    }
    if has(|fact| matches!(fact, Fact::Reidentification(of) if of.joined.is_some())) {
        all.push(
            "Who can be told apart was asked of the people in the log only, and of the values that the evidence holds."
                .into(),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::sample;

    #[test]
    fn what_is_withheld_is_counted_and_what_is_shown_is_not() {
        let mut record = sample::record();
        let before = limits(&record);
        let small = |limits: &Limits<'_>| limits.withheld.iter().map(|of| of.small).sum::<u64>();
        let planted = small(&before);
        let shown = record.facts.iter_mut().find_map(|fact| match fact {
            Fact::OutcomeParity(of) if of.comparison == Comparison::Compared => Some(of),
            _ => None,
        });
        shown.expect("the sample compares").comparison = Comparison::Suppressed;
        assert_eq!(small(&limits(&record)), planted + 1);
        record.facts.retain(|fact| matches!(fact, Fact::Purpose(_)));
        let bare = limits(&record);
        assert!(bare.withheld.is_empty() && bare.unjudged.is_empty() && bare.rejected.is_empty());
        assert_eq!(bare.assumptions.len(), 1);
    }
}
