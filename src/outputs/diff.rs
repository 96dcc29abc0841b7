//! Two audits beside each other, as text for a terminal, Markdown for a pull request, and JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use anstyle::Style;

use super::markdown::{code, prose, text as inert};
use super::page::{BOLD, DIM, Page};
use super::terminal::{style, symbol};
use super::text::{count, day, number};
use crate::decisions::compare::{Compared, Diff, Moved, Side};
use crate::error::{Error, Result};
use crate::facts::attributes;
use crate::facts::change::Direction;
use crate::findings::State;
use crate::playbook::Verdict;
use crate::record::GateStatus;
use crate::stats::Interval;

/// Findings and numbers listed for each state; the JSON has them all.
const SHOWN: usize = 20;

/// The states in the order in which they are told.
const TOLD: [State; 6] = [State::New, State::Worse, State::NotComparable, State::Fixed, State::Better, State::Same];

/// The whole of it as indented JSON.
pub fn json(diff: &Diff) -> Result<String> {
    let text = serde_json::to_string_pretty(diff).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(format!("{text}\n"))
}

/// For a terminal, with colours as escape sequences.
pub fn text(diff: &Diff) -> String {
    let mut page = Page::default();
    page.line(0, 0, BOLD, &format!("What changed in {}", diff.now.system));
    for (name, side) in [("before", &diff.before), ("now", &diff.now)] {
        page.pair(name, &told(side));
    }
    if diff.before.system != diff.now.system {
        page.line(2, 2, Style::new(), &format!("The earlier audit is of another system, {}.", diff.before.system));
    }
    page.heading("Findings");
    page.line(2, 2, Style::new(), &counts(&diff.counts));
    page.line(2, 2, DIM, &format!("undecided ones: {}", counts(&diff.undecided)));
    for state in TOLD.into_iter().filter(|state| *state != State::Same) {
        let of_it: Vec<&Compared> = diff.findings.iter().filter(|of| of.state == state && of.fails()).collect();
        if of_it.is_empty() {
            continue;
        }
        page.heading(&format!("{} ({})", heading(state), count(of_it.len() as u64)));
        for of in of_it.iter().take(SHOWN) {
            let word = format!("{} {:<8} ", symbol(mark(state)), of.severity.label());
            page.parts(&[(style(mark(state)), &word), (Style::new(), &of.rule)]);
            page.line(4, 4, DIM, &sentence(of));
        }
        more(&mut page, of_it.len());
    }
    page.heading("Numbers");
    page.line(2, 2, Style::new(), &numbers(diff));
    for of in diff.numbers.iter().take(SHOWN) {
        page.line(2, 4, Style::new(), &format!("- {}", moved(of)));
    }
    more(&mut page, diff.numbers.len());
    page.text
}

fn more(page: &mut Page, all: usize) {
    if all > SHOWN {
        page.line(2, 2, DIM, &format!("and {} more, in --format json", count((all - SHOWN) as u64)));
    }
}

/// For a comment on a pull request.
pub fn markdown(diff: &Diff) -> String {
    let mut text = format!("## What changed in {}\n\n", inert(&diff.now.system));
    let _ = writeln!(text, "Before: {}. Now: {}.\n", inert(&told(&diff.before)), inert(&told(&diff.now)));
    let _ = writeln!(text, "**Findings:** {}\n\nUndecided ones: {}\n", counts(&diff.counts), counts(&diff.undecided));
    for state in TOLD.into_iter().filter(|state| *state != State::Same) {
        let of_it: Vec<&Compared> = diff.findings.iter().filter(|of| of.state == state && of.fails()).collect();
        if of_it.is_empty() {
            continue;
        }
        let _ = writeln!(
            text,
            "### {} ({})\n\n| severity | rule | what |\n|---|---|---|",
            heading(state),
            count(of_it.len() as u64)
        );
        for of in of_it.iter().take(SHOWN) {
            let _ = writeln!(text, "| {} | {} | {} |", of.severity.label(), code(&of.rule), prose(&sentence(of)));
        }
        let rest = of_it.len().saturating_sub(SHOWN);
        text.push_str(&if rest > 0 { format!("\nand {} more\n\n", count(rest as u64)) } else { "\n".to_owned() });
    }
    let _ = writeln!(text, "**Numbers:** {}\n", numbers(diff));
    for of in diff.numbers.iter().take(SHOWN) {
        let _ = writeln!(text, "- {}", inert(&moved(of)));
    }
    if diff.numbers.len() > SHOWN {
        let _ = writeln!(text, "- and {} more", count((diff.numbers.len() - SHOWN) as u64));
    }
    text
}

fn told(side: &Side) -> String {
    let gate = match side.gate {
        GateStatus::Passed => "the gate passed",
        GateStatus::Failed => "the gate failed",
        GateStatus::NothingEvaluated => "nothing was evaluated",
    };
    let day = side.as_of.as_deref().map_or_else(|| "a day it does not name".to_owned(), day);
    format!("{day}, {gate}, record {}", side.record.get(..12).unwrap_or(&side.record))
}

fn counts(counts: &BTreeMap<State, u64>) -> String {
    let of = |state: &State| counts.get(state).copied().unwrap_or_default();
    let parts: Vec<String> = TOLD.iter().map(|state| format!("{} {}", count(of(state)), state.words())).collect();
    parts.join(", ")
}

fn numbers(diff: &Diff) -> String {
    let of = |direction: Direction| diff.numbers.iter().filter(|of| of.direction == direction).count() as u64;
    format!(
        "{} compared: {} surely worse, {} surely better; {} not comparable",
        count(diff.compared),
        count(of(Direction::Worse)),
        count(of(Direction::Better)),
        count(diff.not_comparable)
    )
}

fn heading(state: State) -> &'static str {
    match state {
        State::New => "New",
        State::Worse => "Worse",
        State::Better => "Better",
        State::Same => "The same",
        State::Fixed => "Fixed",
        State::NotComparable => "Not comparable",
    }
}

fn mark(state: State) -> Verdict {
    match state {
        State::New | State::Worse => Verdict::Fail,
        State::NotComparable => Verdict::Inconclusive,
        State::Fixed | State::Better => Verdict::Pass,
        State::Same => Verdict::NotApplicable,
    }
}

/// What a finding says, or was about.
fn sentence(of: &Compared) -> String {
    let what = of.message.clone().unwrap_or_else(|| attributes(&of.about));
    let reason = of.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let undecided = if of.now == Some(Verdict::Inconclusive) { "; undecided" } else { "" };
    format!("{}{undecided}{reason}", what.trim_end_matches('.'))
}

fn moved(of: &Moved) -> String {
    let told = |interval: &Interval| {
        format!("{} ({} to {})", number(interval.estimate), number(interval.low), number(interval.high))
    };
    let word = if of.direction == Direction::Worse { "worse" } else { "better" };
    let now = of.change.now.as_ref().map(told).unwrap_or_default();
    format!(
        "{word}: {} of {}: {} → {now}",
        of.change.measure.replace('_', " "),
        attributes(&of.change.about),
        told(&of.change.before)
    )
}
