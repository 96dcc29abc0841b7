//! The summary that a run prints: what was audited, the seven steps, what is wrong, and the conclusion.

use anstyle::{AnsiColor, Style};

use super::findings_csv::disposition;
use super::page::{BOLD, DIM, Page};
use super::summary::{by_reason, failing, worst};
use super::text::{count, day, period};
use crate::decisions::baseline::Gone;
use crate::decisions::waivers::WaiverState;
use crate::findings::{Disposition, Finding, State};
use crate::playbook::{Step, Verdict};
use crate::record::{EvidenceFile, GateStatus, Record};

/// Groups of findings listed; the report has them all.
const SHOWN: usize = 12;
/// Findings told in full.
const WORST: usize = 3;

/// The summary, with colours as escape sequences: what prints it strips them where they are not wanted. Every colour
/// stands beside the word that it repeats.
pub fn render(record: &Record) -> String {
    let mut page = Page::default();
    audited(&mut page, record);
    steps(&mut page, record);
    failures(&mut page, record);
    undecided(&mut page, record);
    not_evidenced(&mut page, record);
    questions(&mut page, record);
    waivers(&mut page, record);
    earlier(&mut page, record);
    evidence(&mut page, record);
    conclusion(&mut page, record);
    page.text
}

fn audited(page: &mut Page, record: &Record) {
    let system = &record.system;
    let title = format!("Audit of {}", system.name);
    page.line(0, 0, BOLD, &title);
    page.pair("answers for it", &system.owner);
    match system.first_decision.as_deref().zip(system.last_decision.as_deref()) {
        Some((first, last)) => page.pair("decisions", &period(first, last)),
        None => page.pair("decisions", "no log was handed over"),
    }
    for policy in &system.policies {
        let since = policy.effective.as_deref().map(|time| format!(", in effect since {}", day(time)));
        page.pair("consent policy", &format!("{}{}", policy.version, since.unwrap_or_default()));
    }
    if system.policies.is_empty() {
        page.pair("consent policy", "none was handed over");
    }
    let packs: Vec<_> = system.packs.iter().map(|pack| format!("{} {}", pack.id, pack.version)).collect();
    page.pair("rule packs", &packs.join(", "));
}

fn steps(page: &mut Page, record: &Record) {
    page.heading("The seven steps");
    for step in &record.steps {
        let number = 1 + Step::ALL.iter().position(|known| *known == step.id).unwrap_or_default();
        let status = format!("{} {:<14}", symbol(step.status), step.status.label());
        let name = format!("{number} {:<22}", step.id.title());
        let rules = match step.rules.len() {
            1 => "1 rule".into(),
            n => format!("{n} rules"),
        };
        page.parts(&[(style(step.status), &status), (Style::new(), &name), (DIM, &rules)]);
    }
}

/// One line per rule and strategy, worst first, and the worst findings in full.
fn failures(page: &mut Page, record: &Record) {
    let groups = failing(record);
    let all: usize = groups.iter().map(|group| group.findings.len()).sum();
    if all == 0 {
        return;
    }
    page.heading(&format!("Findings ({})", count(all as u64)));
    let width = groups.iter().take(SHOWN).map(|group| group.rule.len()).max().unwrap_or_default();
    for group in groups.iter().take(SHOWN) {
        let word = format!("{} {:<8}", symbol(Verdict::Fail), group.severity.label());
        let mut about = Vec::new();
        if !group.strategy.is_empty() {
            about.push(group.strategy.clone());
        }
        if group.findings.len() > 1 {
            about.push(format!("{} findings", count(group.findings.len() as u64)));
        }
        if group.disposition != Disposition::Open {
            about.push(disposition(group.disposition).to_owned());
        }
        let about = if about.is_empty() { String::new() } else { format!("  {}", about.join(", ")) };
        let rule = if about.is_empty() { group.rule.to_owned() } else { format!("{:<width$}", group.rule) };
        page.parts(&[(style(Verdict::Fail), &word), (Style::new(), &format!(" {rule}")), (DIM, &about)]);
    }
    if let Some(more) = groups.get(SHOWN..).filter(|more| !more.is_empty()) {
        let more: usize = more.iter().map(|group| group.findings.len()).sum();
        page.line(2, 2, DIM, &format!("and {} more, in the report", count(more as u64)));
    }
    let worst = worst(&groups, WORST);
    if !worst.is_empty() {
        page.heading("The worst");
    }
    for finding in worst.into_iter().filter_map(|index| record.findings.get(index)) {
        let place = finding.evidence.iter().find_map(|e| Some((e.path.as_ref()?, e.line)));
        let place = place.map(|(path, line)| match line {
            Some(line) => format!(", at {path}:{line}"),
            None => format!(", at {path}"),
        });
        page.line(
            2,
            4,
            Style::new(),
            &format!("- {}{}", finding.message.trim_end_matches('.'), place.unwrap_or_default()),
        );
    }
}

fn undecided(page: &mut Page, record: &Record) {
    let mut rules: Vec<(&str, u64)> = Vec::new();
    for finding in record.findings.iter().filter(|finding| finding.status == Verdict::Inconclusive) {
        match rules.iter_mut().find(|(rule, _)| *rule == finding.rule) {
            Some((_, findings)) => *findings += 1,
            None => rules.push((&finding.rule, 1)),
        }
    }
    if rules.is_empty() {
        return;
    }
    page.heading("Inconclusive: the evidence does not decide");
    for (rule, findings) in rules {
        let word = format!("{} {rule}: {}", symbol(Verdict::Inconclusive), count(findings));
        page.line(2, 4, style(Verdict::Inconclusive), &word);
    }
}

fn not_evidenced(page: &mut Page, record: &Record) {
    let reasons = by_reason(record, &[Verdict::NotEvidenced]);
    if reasons.is_empty() {
        return;
    }
    page.heading("Not evidenced: nobody handed over what these need");
    for (_, reason, rules) in reasons {
        let ids: Vec<&str> = rules.iter().map(|(_, rule)| rule.id.as_str()).collect();
        let reason = reason.map(|reason| format!("{reason}: ")).unwrap_or_default();
        page.line(2, 4, Style::new(), &format!("{} {reason}{}", symbol(Verdict::NotEvidenced), ids.join(", ")));
    }
}

fn questions(page: &mut Page, record: &Record) {
    let rules = record.steps.iter().flat_map(|step| &step.rules).filter(|rule| rule.status == Verdict::Manual);
    let mut rules = rules.peekable();
    if rules.peek().is_none() {
        return;
    }
    page.heading("For a person: answer these in the report");
    for rule in rules {
        page.line(2, 4, Style::new(), &format!("{} {}: {}", symbol(Verdict::Manual), rule.id, rule.title));
    }
}

fn waivers(page: &mut Page, record: &Record) {
    if record.waivers.is_empty() {
        return;
    }
    page.heading("Waivers");
    for waiver in &record.waivers {
        let findings = waiver.findings.len() as u64;
        let noun = if findings == 1 { "finding" } else { "findings" };
        let told = match waiver.state {
            WaiverState::Applied => {
                format!("covers {} {noun} until {}; {} answers for it", count(findings), waiver.expires, waiver.owner)
            }
            other => format!("no effect: {}", other.words()),
        };
        page.line(2, 4, Style::new(), &format!("{} ({}:{}): {told}", waiver.rule, waiver.path, waiver.line));
    }
}

/// What became of things since the baseline and the last audit.
fn earlier(page: &mut Page, record: &Record) {
    let baseline = record.baseline.as_ref().map(|of| ("since the baseline", &of.since, &of.path));
    let last = record.ledger.as_ref().and_then(|of| Some(("since the last audit", of.last_audit.as_ref()?, &of.path)));
    let earlier: Vec<_> = baseline.into_iter().chain(last).collect();
    if earlier.is_empty() && record.ledger.is_none() {
        return;
    }
    page.heading("Earlier audits");
    for (name, since, path) in earlier {
        let state = |finding: &Finding| match name {
            "since the baseline" => finding.since_baseline,
            _ => finding.since_last_audit,
        };
        let failing = record.findings.iter().filter(|finding| finding.status == Verdict::Fail);
        let now = |of: State| failing.clone().filter(|finding| state(finding) == Some(of)).count();
        let gone = |all: &[Gone]| all.iter().filter(|gone| gone.status == Verdict::Fail).count();
        let told = [
            (State::New, now(State::New)),
            (State::Worse, now(State::Worse)),
            (State::Better, now(State::Better)),
            (State::Fixed, gone(&since.fixed)),
            (State::Same, now(State::Same)),
            (State::NotComparable, now(State::NotComparable) + gone(&since.not_comparable)),
        ];
        let told: Vec<String> = told.iter().map(|(of, n)| format!("{} {}", count(*n as u64), of.words())).collect();
        let day = since.as_of.as_deref().map(|of| format!(" of {}", day(of))).unwrap_or_default();
        page.line(2, 4, Style::new(), &format!("{name}{day} ({path}), failing findings: {}", told.join(", ")));
    }
    let better =
        record.findings.iter().any(|of| of.since_baseline == Some(State::Better) && of.status == Verdict::Fail);
    if let Some(baseline) = &record.baseline
        && (better || baseline.since.fixed.iter().any(|gone| gone.status == Verdict::Fail))
    {
        let told = "to hold what got better, write the baseline anew: probity baseline write --replace";
        page.line(2, 4, DIM, told);
    }
    if let Some(ledger) = &record.ledger {
        let head = ledger.head.get(..16).unwrap_or(&ledger.head);
        page.line(2, 4, DIM, &format!("ledger {}: lines {}, head {head}…", ledger.path, count(ledger.count)));
    }
}

fn evidence(page: &mut Page, record: &Record) {
    page.heading("Evidence");
    let mut roles: Vec<(&str, Vec<&EvidenceFile>)> = Vec::new();
    for file in &record.evidence {
        match roles.iter_mut().find(|(role, _)| *role == file.role) {
            Some((_, files)) => files.push(file),
            None => roles.push((&file.role, vec![file])),
        }
    }
    for (role, files) in roles {
        let mut text = match files[..] {
            [file] => file.path.clone(),
            _ => format!("{} files", count(files.len() as u64)),
        };
        if files.iter().any(|file| file.rows.is_some()) {
            let sum = |of: fn(&EvidenceFile) -> Option<u64>| count(files.iter().filter_map(|file| of(file)).sum());
            text.push_str(&format!(", {} rows, {} rejected", sum(|file| file.rows), sum(|file| file.rejected)));
        }
        page.pair(&role.replace('_', " "), &text);
    }
    if record.evidence.is_empty() {
        page.line(2, 2, Style::new(), "none is recorded");
    }
}

fn conclusion(page: &mut Page, record: &Record) {
    page.heading("Conclusion");
    let (verdict, word) = match record.verdict.status {
        GateStatus::Passed => (Verdict::Pass, "passed"),
        GateStatus::Failed => (Verdict::Fail, "failed"),
        GateStatus::NothingEvaluated => (Verdict::NotEvidenced, "nothing evaluated"),
    };
    page.parts(&[(style(verdict).bold(), &format!("{} {word}", symbol(verdict)))]);
    page.line(4, 4, Style::new(), &record.verdict.sentence);
}

/// A shape for each verdict, so that a list can be scanned without colour.
pub(super) fn symbol(verdict: Verdict) -> char {
    match verdict {
        Verdict::Fail => '✗',
        Verdict::Inconclusive => '○',
        Verdict::NotEvidenced => '□',
        Verdict::Manual => '△',
        Verdict::Pass => '✓',
        Verdict::NotApplicable => '–',
    }
}

pub(super) fn style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Fail => AnsiColor::Red,
        Verdict::Inconclusive => AnsiColor::Yellow,
        Verdict::NotEvidenced => AnsiColor::Magenta,
        Verdict::Manual => AnsiColor::Cyan,
        Verdict::Pass => AnsiColor::Green,
        Verdict::NotApplicable => return DIM,
    };
    colour.on_default()
}

#[cfg(test)]
mod tests {
    use super::super::page::{WIDTH, wrap};
    use super::super::sample;
    use super::*;

    fn plain() -> String {
        anstream::adapter::strip_str(&render(&sample::record())).to_string()
    }

    #[test]
    fn it_reads_without_colour() {
        let text = plain();
        if let Ok(path) = std::env::var("PROBITY_SAMPLE_TEXT") {
            std::fs::write(path, render(&sample::record())).unwrap();
        }
        for step in Step::ALL {
            assert!(text.contains(step.title()), "{}", step.id());
        }
        assert!(text.contains("✗ critical join-needs-consent   ranker_v2\n"), "{text}");
        assert!(text.contains("use-needs-basis      ranker_v2, 2 findings, waived"), "{text}");
        assert!(text.contains("- ranker_v2 combined store and web"), "{text}");
        assert!(text.contains("use-needs-basis (decisions.yaml:2): covers 2 findings until 2026-06-30; "), "{text}");
        assert!(text.contains("input-mapped (decisions.yaml:12): no effect: it has expired"), "{text}");
        assert!(text.contains(", at policy.yaml:12"));
        assert!(text.contains("○ outcome-four-fifths: "));
        assert!(text.contains("□ the log has no column `provider`: exposure-by-provider"));
        assert!(text.contains("✗ failed\n    The gate failed: five open findings"));
        assert!(text.contains("log/2026-03.parquet, 1,204,233 rows, 12 rejected"));
    }

    #[test]
    fn no_line_is_too_long() {
        for line in plain().lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn hostile_text_cannot_steer_the_terminal() {
        let mut record = sample::record();
        record.system.name = sample::HOSTILE[4].into();
        record.system.owner = "\u{9b}31m\u{202E}x\r\ny".into();
        record.findings[0].rule = "\u{1b}]0;title\u{7}".into();
        let text = render(&record);
        // What styles leave behind is text alone.
        let stripped = anstream::adapter::strip_str(&text).to_string();
        assert!(stripped.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(stripped.contains("\u{FFFD}[31mred\u{FFFD}"));
        assert!(!stripped.contains('\u{202E}'));
    }
}
