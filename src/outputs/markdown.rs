//! `summary.md`: the audit as a comment on a pull request or the summary of a job, in GitHub's Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::ci::{counted, inside, is_open_failure, place, set_aside};
use super::summary::{Group, by_reason, groups};
use super::terminal::symbol;
use super::text::{clean, count, day, period};
use crate::decisions::baseline::{Earlier, Gone};
use crate::decisions::waivers::{WaiverResult, WaiverState};
use crate::error::Result;
use crate::findings::{Disposition, Finding, State};
use crate::playbook::{Severity, Step, Verdict};
use crate::record::{GateStatus, Record};

/// Bytes of the page. GitHub takes 65,536 characters of a comment and refuses a longer one whole.
const MOST: usize = 60_000;
/// Findings of one rule and strategy that are told in full.
const TOLD: usize = 5;
/// Findings listed of those that are gone.
const LISTED: usize = 20;
/// Bytes of one piece of text from the evidence.
const LONG: usize = 1_000;

/// The page: verdict, steps and the open findings, then all else folded up.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    let mut tail = waivers(record);
    tail += &folded(record);
    tail += &about(record);
    let mut page = verdict(record);
    page += &steps(record);
    page += &since_baseline(record);
    // What is short is whole; the findings take what is left.
    let room = MOST.saturating_sub(page.len() + tail.len().min(MOST / 2));
    page += &findings(record, room);
    page += &tail;
    Ok(cut(page).into_bytes())
}

/// A page that is too long for all that ends before the line that would not fit, and says so.
fn cut(mut page: String) -> String {
    const TOLD: &str = "\n\n</details>\n\nThe rest does not fit here; it is in the report.\n";
    if page.len() > MOST {
        let end = (0..=MOST - TOLD.len()).rev().find(|end| page.is_char_boundary(*end)).unwrap_or_default();
        let end = page[..end].rfind('\n').unwrap_or_default();
        page.truncate(end);
        page.push_str(TOLD);
    }
    page
}

fn verdict(record: &Record) -> String {
    let mark = match record.verdict.status {
        GateStatus::Passed => symbol(Verdict::Pass),
        GateStatus::Failed => symbol(Verdict::Fail),
        GateStatus::NothingEvaluated => symbol(Verdict::NotEvidenced),
    };
    format!("## Audit of {}\n\n**{mark} {}**\n\n", text(&record.system.name), text(&record.verdict.sentence))
}

fn steps(record: &Record) -> String {
    let mut table = "| Step | Status | Open findings | Undecided |\n| :--- | :--- | ---: | ---: |\n".to_owned();
    for step in &record.steps {
        let number = 1 + Step::ALL.iter().position(|known| *known == step.id).unwrap_or_default();
        let of_step = |is: fn(&Finding) -> bool| {
            let findings = step.findings.iter().filter_map(|index| record.findings.get(*index));
            count(findings.filter(|finding| is(finding)).count() as u64)
        };
        let _ = writeln!(
            table,
            "| {number}. {} | {} {} | {} | {} |",
            step.id.title(),
            symbol(step.status),
            step.status.label(),
            of_step(is_open_failure),
            of_step(is_undecided),
        );
    }
    table + "\n"
}

fn is_undecided(finding: &Finding) -> bool {
    finding.status == Verdict::Inconclusive && finding.disposition == Disposition::Open
}

/// What changed since the baseline, counted; the findings say it one by one.
fn since_baseline(record: &Record) -> String {
    let Some(baseline) = &record.baseline else { return String::new() };
    let mut counts: BTreeMap<State, usize> = BTreeMap::new();
    let failing = record.findings.iter().filter(|finding| finding.status == Verdict::Fail);
    for state in failing.filter_map(|finding| finding.since_baseline) {
        *counts.entry(state).or_default() += 1;
    }
    let gone = |all: &[Gone]| all.iter().filter(|gone| gone.status == Verdict::Fail).count();
    *counts.entry(State::Fixed).or_default() += gone(&baseline.since.fixed);
    *counts.entry(State::NotComparable).or_default() += gone(&baseline.since.not_comparable);
    let told =
        |state: &State| format!("{} {}", count(counts.get(state).copied().unwrap_or_default() as u64), state.words());
    let of = baseline.since.as_of.as_deref().map(|of| format!(" of {}", text(&day(of)))).unwrap_or_default();
    let parts: Vec<String> = State::ALL.iter().map(told).collect();
    format!("**Since the baseline{of}**, failing findings: {}\n\n", parts.join(", "))
}

/// Open findings by rule and strategy, worst first, in as many bytes as there are.
fn findings(record: &Record, room: usize) -> String {
    let open = (0..record.findings.len()).filter(|index| is_open_failure(&record.findings[*index]));
    let groups = groups(record, open);
    if groups.is_empty() {
        return String::new();
    }
    let all: usize = groups.iter().map(|group| group.findings.len()).sum();
    let mut page = format!("### {}\n", counted(all, "open finding"));
    let (mut told, mut severity): (usize, Option<Severity>) = (0, None);
    for group in &groups {
        let mut part = String::new();
        if severity != Some(group.severity) {
            severity = Some(group.severity);
            let _ = write!(part, "\n**{} {}**\n\n", symbol(Verdict::Fail), group.severity.label());
        }
        part += &of_group(record, group);
        if page.len() + part.len() > room {
            break;
        }
        page += &part;
        told += group.findings.len();
    }
    if told < all {
        let _ = writeln!(page, "\nand {} more, in the report", count((all - told) as u64));
    }
    page + "\n"
}

fn of_group(record: &Record, group: &Group<'_>) -> String {
    let about = if group.strategy.is_empty() { String::new() } else { format!(" of {}", code(&group.strategy)) };
    let findings: Vec<&Finding> = group.findings.iter().filter_map(|index| record.findings.get(*index)).collect();
    let sentence = |finding: &Finding| {
        let since = match finding.since_baseline {
            Some(state @ (State::New | State::Worse | State::NotComparable)) => format!("**{}**: ", state.words()),
            _ => String::new(),
        };
        let message = format!("{since}{}", prose(finding.message.trim_end_matches('.')));
        let Some(at) = place(record, finding) else { return message };
        let path = inside(record, at.path).unwrap_or_else(|| at.path.to_owned());
        format!("{message}, at {}", code(&format!("{path}:{}", at.line)))
    };
    if let [one] = findings[..] {
        return format!("- {}: {}\n", code(group.rule), sentence(one));
    }
    let mut part = format!("- {}{about}, {}:\n", code(group.rule), counted(findings.len(), "finding"));
    for finding in findings.iter().take(TOLD) {
        let _ = writeln!(part, "  - {}", sentence(finding));
    }
    if findings.len() > TOLD {
        let _ = writeln!(part, "  - and {} more, in the report", count((findings.len() - TOLD) as u64));
    }
    part
}

/// What somebody wrote down and what keeps nothing from failing the gate.
fn waivers(record: &Record) -> String {
    let mut page = String::new();
    for waiver in record.waivers.iter().filter(|waiver| waiver.state != WaiverState::Applied) {
        if page.is_empty() {
            page.push_str("### Waivers without effect\n\n");
        }
        let place = code(&format!("{}:{}", waiver.path, waiver.line));
        let _ = writeln!(page, "- {} ({place}): {}", code(&waiver.rule), waiver.state.words());
    }
    if page.is_empty() { page } else { page + "\n" }
}

/// What fails no gate, by rule: all of it counted, none of it hidden.
fn folded(record: &Record) -> String {
    let mut page = String::new();
    let by_rule = |is: &dyn Fn(&Finding) -> bool| {
        let mut rules: Vec<(&str, usize)> = Vec::new();
        for finding in record.findings.iter().filter(|finding| is(finding)) {
            match rules.iter_mut().find(|(rule, _)| *rule == finding.rule) {
                Some((_, findings)) => *findings += 1,
                None => rules.push((&finding.rule, 1)),
            }
        }
        rules
    };
    let mut section = |title: String, lines: &[String]| {
        if !lines.is_empty() {
            let _ = writeln!(page, "<details><summary>{title}</summary>\n\n{}\n\n</details>\n", lines.join("\n"));
        }
    };
    let undecided = by_rule(&is_undecided);
    let lines: Vec<String> = undecided.iter().map(|(rule, n)| format!("- {}: {n}", code(rule))).collect();
    let all: usize = undecided.iter().map(|(_, n)| n).sum();
    section(format!("{} that the evidence does not decide", counted(all, "finding")), &lines);
    let count_of = |kind| record.findings.iter().filter(|finding| finding.disposition == kind).count();
    let waivers = record.waivers.iter().filter(|waiver| waiver.state == WaiverState::Applied);
    let told = |waiver: &WaiverResult| {
        let WaiverResult { rule, findings, expires, owner, reason, .. } = waiver;
        let until = text(&format!("until {expires}, {owner} answers for it: {reason}"));
        format!("- {}: {} {until}", code(rule), findings.len())
    };
    let title = |kind| format!("{} {}", counted(count_of(kind), "finding"), set_aside(kind));
    section(title(Disposition::Waived), &waivers.map(told).collect::<Vec<_>>());
    let known = by_rule(&|finding| finding.disposition == Disposition::Baseline);
    let lines: Vec<String> = known.iter().map(|(rule, n)| format!("- {}: {n}", code(rule))).collect();
    section(title(Disposition::Baseline), &lines);
    if let Some(baseline) = &record.baseline {
        let told = |gone: &Gone| {
            let about: Vec<String> = gone.about.iter().map(|(name, value)| format!("{name} {value}")).collect();
            let reason = gone.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("- {}: {}", code(&gone.rule), text(&format!("{}{reason}", about.join(", "))))
        };
        let Earlier { fixed, not_comparable, .. } = &baseline.since;
        let lists = [
            (fixed, "fixed since the baseline"),
            (not_comparable, "of the baseline gone, which nothing shows to be fixed"),
        ];
        for (gone, what) in lists {
            let gone: Vec<&Gone> = gone.iter().filter(|gone| gone.status == Verdict::Fail).collect();
            let mut lines: Vec<String> = gone.iter().copied().take(LISTED).map(told).collect();
            if gone.len() > LISTED {
                lines.push(format!("- and {} more, in the report", count((gone.len() - LISTED) as u64)));
            }
            section(format!("{} {what}", counted(gone.len(), "finding")), &lines);
        }
    }
    let reasons = by_reason(record, &[Verdict::NotEvidenced]);
    let lines: Vec<String> = reasons
        .iter()
        .map(|(_, reason, rules)| {
            let ids: Vec<String> = rules.iter().map(|(_, rule)| code(&rule.id)).collect();
            format!("- {}: {}", ids.join(", "), prose(reason.unwrap_or("nothing was handed over")))
        })
        .collect();
    let all: usize = reasons.iter().map(|(_, _, rules)| rules.len()).sum();
    section(format!("{} not evidenced: nobody handed over what they need", counted(all, "rule")), &lines);
    let manual = record.steps.iter().flat_map(|step| &step.rules).filter(|rule| rule.status == Verdict::Manual);
    let lines: Vec<String> = manual.map(|rule| format!("- {}: {}", code(&rule.id), text(&rule.title))).collect();
    section(format!("{} for a person", counted(lines.len(), "question")), &lines);
    let mut statuses: BTreeMap<Verdict, usize> = BTreeMap::new();
    for rule in record.steps.iter().flat_map(|step| &step.rules) {
        *statuses.entry(rule.status).or_default() += 1;
    }
    let lines: Vec<String> =
        statuses.iter().rev().map(|(status, n)| format!("- {} {}: {n}", symbol(*status), status.label())).collect();
    section(format!("{} in all", counted(statuses.values().sum(), "rule")), &lines);
    page
}

fn about(record: &Record) -> String {
    let system = &record.system;
    let mut parts = Vec::new();
    if let Some((first, last)) = system.first_decision.as_deref().zip(system.last_decision.as_deref()) {
        parts.push(format!("decisions of {}", period(first, last)));
    }
    parts.extend(system.as_of.as_deref().map(|of| format!("as of {}", day(of))));
    parts.extend(system.policies.iter().map(|policy| format!("consent policy {}", policy.version)));
    parts.extend(system.packs.iter().map(|pack| format!("{} {}", pack.id, pack.version)));
    parts.push(format!("{} {}", record.tool.name, record.tool.version));
    parts.push(format!("{} answers for it", system.owner));
    format!("<sub>{}</sub>\n", text(&parts.join(" · ")))
}

/// A sentence: what stands between backticks as code, all else as text.
pub(super) fn prose(sentence: &str) -> String {
    let (mut page, mut rest) = (String::new(), sentence);
    while let Some((before, (inner, after))) =
        rest.split_once('`').and_then(|(before, rest)| Some((before, rest.split_once('`')?)))
    {
        page += &text(before);
        page += &code(inner);
        rest = after;
    }
    page + &text(rest)
}

/// A name or value as code. One with a backtick cannot be: its text stands there instead.
pub(super) fn code(value: &str) -> String {
    let value = short(value);
    // A span of code loses blanks at both ends, and `|` would end a cell.
    let fits = !value.trim().is_empty() && value.trim() == value && !value.contains(['`', '|']);
    if fits { format!("`{value}`") } else { text(&value) }
}

/// Text that stays text within a line of GitHub's Markdown: no HTML, link, mention, reference, emphasis, code or cell.
/// It must not begin a line.
pub(super) fn text(raw: &str) -> String {
    let raw = short(raw);
    let mut page = String::with_capacity(raw.len() + 16);
    let mut before = ' ';
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            // Mentions, e-mail addresses, issues: GitHub looks for them in what a reader sees, where an escape is gone.
            // A word joiner, which nobody sees, keeps the parts from making one.
            '@' | '#' => {
                page.push('\\');
                page.push(c);
                page.push('\u{2060}');
            }
            // `https://…` and `www.…` become links unbidden.
            ':' if chars.peek() == Some(&'/') => page.push_str("\\:\u{2060}"),
            // `GH-12` is an issue.
            '-' if before.eq_ignore_ascii_case(&'h') => page.push_str("-\u{2060}"),
            '.' if before.eq_ignore_ascii_case(&'w') => page.push_str("\\.\u{2060}"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '!' | '|' | '~' | '$' | '^' => {
                page.push('\\');
                page.push(c);
            }
            c => page.push(c),
        }
        before = c;
    }
    page
}

/// [`clean`] text, cut where it is longer than anybody reads.
fn short(raw: &str) -> String {
    let raw = clean(raw);
    if raw.len() <= LONG {
        return raw.into_owned();
    }
    let end = (0..=LONG).rev().find(|end| raw.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", &raw[..end])
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn page(record: &Record) -> String {
        String::from_utf8(render(record).unwrap()).unwrap()
    }

    #[test]
    fn the_verdict_the_steps_and_the_worst_come_first() {
        let record = sample::record();
        let page = page(&record);
        assert!(
            page.starts_with("## Audit of Shop recommendations\n\n**✗ The gate failed: five open findings"),
            "{page}"
        );
        assert!(page.contains("\n| 4. Design for choice | ✗ fail | "), "{page}");
        let worst = page.find("- `join-needs-consent`: ranker\\_v2 combined store and web").unwrap();
        assert!(worst < page.find("`use-needs-basis`").unwrap() && page.contains("`policy.yaml:12`"));
        assert!(page.contains("- `input-mapped` (`decisions.yaml:12`): it has expired"), "{page}");
    }

    /// GitHub refuses a comment that is too long, whole.
    #[test]
    fn a_page_is_never_too_long_and_says_what_it_leaves_out() {
        let mut record = sample::record();
        let mut one = record.findings[0].clone();
        one.message = "word ".repeat(400);
        record.findings = (0..3_000).map(|n| Finding { rule: format!("rule-{n}"), ..one.clone() }).collect();
        let page = page(&record);
        assert!(page.len() <= MOST, "{}", page.len());
        let told = page.matches("\n- `rule-").count();
        assert!(told > 20, "{told}");
        assert!(page.contains(&format!("\nand {} more, in the report\n", count(3_000 - told as u64))), "{told}");
        assert!(page.trim_end().ends_with("</sub>"), "the end is there");

        // Even where what is folded is too long.
        let waiver = record.waivers[1].clone();
        record.waivers = vec![waiver; 3_000];
        let page = super::tests::page(&record);
        assert!(page.len() <= MOST, "{}", page.len());
        assert!(page.ends_with("The rest does not fit here; it is in the report.\n"));
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(text("a_b *c* <d> | e"), "a\\_b \\*c\\* &lt;d&gt; \\| e");
        assert_eq!(text("@me #1"), "\\@\u{2060}me \\#\u{2060}1");
        assert_eq!(text("https://x www.x GH-1"), "https\\:\u{2060}//x www\\.\u{2060}x GH-\u{2060}1");
        assert_eq!(prose("uses `a_b` at 0.8."), "uses `a_b` at 0.8.");
        assert_eq!(prose("an `a|b` or ` alone"), "an a\\|b or \\` alone");
        assert_eq!(code("a`b"), "a\\`b");
    }
}
