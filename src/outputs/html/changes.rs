//! What changed since an earlier audit: its findings that are new, worse, better or fixed, and its numbers.

use std::cmp::Reverse;

use serde::Serialize;

use super::conclusion::{Worst, told};
use super::view::{MANY, Row, States, rows};
use crate::decisions::baseline::{Earlier, Gone};
use crate::facts::change::{Change, Direction, Since};
use crate::facts::{Fact, attributes};
use crate::findings::State;
use crate::outputs::text::count;
use crate::record::{Record, RuleResult};

/// How many new ones are told before they are folded, and how many that are worse.
const SHOWN: usize = 6;

/// This audit beside one earlier audit.
#[derive(Debug, Serialize)]
pub struct Changes<'a> {
    /// `baseline` or `last-audit`.
    pub id: &'static str,
    pub title: &'static str,
    pub path: &'a str,
    pub since: &'a Earlier,
    /// How many findings became what, e.g. `3 new`, the worst first.
    pub counts: Vec<(&'static str, u64)>,
    /// It is the audit that stands above, too: its findings are not told twice.
    pub told: bool,
    pub groups: Vec<Group<'a>>,
    /// Numbers that surely moved, for the worse first.
    pub numbers: Vec<Moved<'a>>,
    /// Further ones.
    pub more: Vec<Moved<'a>>,
    /// All others.
    pub folded: Vec<Moved<'a>>,
}

/// Findings that became the same.
#[derive(Debug, Serialize)]
pub struct Group<'a> {
    pub title: &'static str,
    pub all: usize,
    pub shown: Vec<Became<'a>>,
    pub folded: Vec<Became<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Became<'a> {
    /// A finding of now; null when it is gone.
    pub now: Option<Worst<'a>>,
    /// A finding of then that is gone, and its rule, where it is still asked.
    pub gone: Option<(&'a Gone, Option<&'a RuleResult>)>,
    /// What the one that is gone was about.
    pub about: String,
}

#[derive(Debug, Serialize)]
pub struct Moved<'a> {
    pub row: Row<'a, Change>,
    pub about: String,
    pub direction: Direction,
    pub word: &'static str,
}

/// Since the baseline and since the last audit of the ledger, as far as there are such.
pub fn changes<'a>(record: &'a Record, states: &States) -> Vec<Changes<'a>> {
    let mut all = Vec::new();
    if let Some(baseline) = &record.baseline {
        let of = |finding: usize| record.findings[finding].since_baseline;
        let title = "Since the baseline";
        all.push(beside(record, states, ("baseline", title, &baseline.path, Since::Baseline), &baseline.since, of));
    }
    if let Some(ledger) = &record.ledger
        && let Some(last) = &ledger.last_audit
    {
        let of = |finding: usize| record.findings[finding].since_last_audit;
        let title = "Since the last audit";
        all.push(beside(record, states, ("last-audit", title, &ledger.path, Since::LastAudit), last, of));
    }
    if let [baseline, last] = all.as_mut_slice()
        && baseline.since == last.since
    {
        last.told = true;
        last.groups.clear();
    }
    all
}

fn beside<'a>(
    record: &'a Record,
    states: &States,
    (id, title, path, kind): (&'static str, &'static str, &'a str, Since),
    since: &'a Earlier,
    state: impl Fn(usize) -> Option<State>,
) -> Changes<'a> {
    let gone = |of: State| match of {
        State::Fixed => since.fixed.as_slice(),
        State::NotComparable => since.not_comparable.as_slice(),
        _ => &[],
    };
    let mut counts = Vec::new();
    let mut groups = Vec::new();
    for of in State::ALL {
        let all = became(record, (0..record.findings.len()).filter(|finding| state(*finding) == Some(of)), gone(of));
        counts.push((of.words(), all.len() as u64));
        let title = match of {
            State::New => "New",
            State::Worse => "Worse than then",
            State::Better => "Better than then, and still there",
            State::Fixed => "Fixed",
            State::NotComparable => "Not comparable",
            State::Same => continue,
        };
        if !all.is_empty() {
            let total = all.len();
            let mut shown = all;
            // What went wrong is told; what went well, and what nobody can tell, is there to be unfolded.
            let open = if matches!(of, State::New | State::Worse) { SHOWN } else { 0 };
            let folded = shown.split_off(shown.len().min(open));
            groups.push(Group { title, all: total, shown, folded });
        }
    }
    let (mut numbers, folded) = numbers(record, states, kind);
    let more = numbers.split_off(numbers.len().min(MANY));
    Changes { id, title, path, since, counts, told: false, groups, numbers, more, folded }
}

/// Findings of now, the worst first, then those that are gone.
fn became<'a>(record: &'a Record, now: impl Iterator<Item = usize>, gone: &'a [Gone]) -> Vec<Became<'a>> {
    let mut now: Vec<usize> = now.collect();
    now.sort_by_key(|index| {
        let finding = &record.findings[*index];
        (Reverse((finding.status, finding.severity, finding.people)), *index)
    });
    let there = now.into_iter().map(|index| Became { now: told(record, index), gone: None, about: String::new() });
    let rules = || record.steps.iter().flat_map(|step| &step.rules);
    let rule = |gone: &Gone| rules().find(|rule| rule.id == gone.rule);
    let vanished =
        gone.iter().map(|gone| Became { now: None, gone: Some((gone, rule(gone))), about: attributes(&gone.about) });
    there.chain(vanished).collect()
}

fn numbers<'a>(record: &'a Record, states: &States, kind: Since) -> (Vec<Moved<'a>>, Vec<Moved<'a>>) {
    let of = rows(record, states, |fact| if let Fact::Change(of) = fact { Some(of) } else { None });
    let moved = of.into_iter().filter(|row| row.fact.since == kind).map(|row| {
        let direction = row.fact.direction();
        let word = match direction {
            Direction::Worse => "worse",
            Direction::Better => "better",
            Direction::Same => "the same, as far as is known",
            Direction::NotComparable => "not comparable",
        };
        Moved { about: attributes(&row.fact.about), row, direction, word }
    });
    let (mut sure, rest): (Vec<_>, Vec<_>) =
        moved.partition(|of| matches!(of.direction, Direction::Worse | Direction::Better));
    sure.sort_by_key(|of| of.direction);
    (sure, rest)
}

/// How a comparison is told in one sentence: `3 new, 1 worse, 2 fixed`; empty where nothing changed.
pub fn sentence(changes: &Changes<'_>) -> String {
    let told = changes.counts.iter().filter(|(word, n)| *n > 0 && *word != State::Same.words());
    told.map(|(word, n)| format!("{} {word}", count(*n))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::sample;
    use crate::playbook::{Severity, Verdict};

    fn beside_a_baseline() -> Record {
        let mut record = sample::record();
        let gone = Gone {
            rule: "use-needs-basis".into(),
            severity: Severity::High,
            status: Verdict::Fail,
            fingerprint: "ab".repeat(16),
            about: [("strategy".to_owned(), "<old>".to_owned())].into(),
            reason: None,
        };
        let since = Earlier {
            as_of: Some("2026-01-31".into()),
            record: "cd".repeat(32),
            findings: 3,
            fixed: vec![gone.clone()],
            not_comparable: vec![Gone { reason: Some("its rule is not asked".into()), ..gone }],
        };
        record.baseline = Some(crate::decisions::baseline::BaselineResult { path: "baseline.json".into(), since });
        for (index, finding) in record.findings.iter_mut().enumerate() {
            finding.since_baseline = Some([State::New, State::Worse, State::Better, State::Same][index % 4]);
        }
        record
    }

    /// Every finding of now and then is counted once, and the page says each number.
    #[test]
    fn what_became_of_each_finding_is_counted_and_shown() {
        let record = beside_a_baseline();
        let all = changes(&record, &States::new(&record));
        let [of] = all.as_slice() else { panic!("{} comparisons", all.len()) };
        let counted: u64 = of.counts.iter().map(|(_, n)| n).sum();
        assert_eq!(counted, record.findings.len() as u64 + 2);
        let listed: usize = of.groups.iter().map(|group| group.shown.len() + group.folded.len()).sum();
        let same = of.counts.iter().find(|(word, _)| *word == "same").map_or(0, |(_, n)| *n);
        assert_eq!(listed as u64 + same, counted);
        assert!(sentence(of).ends_with("1 fixed, 1 not comparable"), "{}", sentence(of));
        let html = String::from_utf8(super::super::render(&record).unwrap()).unwrap();
        assert!(html.contains("Since the baseline") && html.contains("&lt;old&gt;") && !html.contains("<old>"));
        assert!(changes(&sample::record(), &States::new(&sample::record())).is_empty());
    }
}
