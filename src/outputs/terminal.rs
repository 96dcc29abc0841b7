//! The summary that a run prints: what was audited, the seven steps, what is wrong, and the conclusion.

use anstyle::{AnsiColor, Style};

use super::findings_csv::disposition;
use super::text::{clean, count, day, period};
use crate::findings::{Disposition, Finding};
use crate::playbook::{Step, Verdict};
use crate::record::{EvidenceFile, GateStatus, Record, RuleResult};

/// Columns a line may take.
const WIDTH: usize = 96;
/// Findings listed of each status; the report has them all.
const SHOWN: usize = 12;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The summary, with colours as escape sequences: what prints it strips them where they are not wanted. Every colour
/// stands beside the word that it repeats.
pub fn render(record: &Record) -> String {
    let mut page = Page::default();
    audited(&mut page, record);
    steps(&mut page, record);
    findings(&mut page, record, Verdict::Fail, "Findings");
    findings(&mut page, record, Verdict::Inconclusive, "Inconclusive: the evidence does not decide");
    unanswered(&mut page, record, Verdict::NotEvidenced, "Not evidenced: nobody handed over what these need");
    unanswered(&mut page, record, Verdict::Manual, "For a person: answer these in the report");
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
    match &system.policy {
        Some(policy) => {
            let since = policy.effective.as_deref().map(|time| format!(", in effect since {}", day(time)));
            page.pair("consent policy", &format!("{}{}", policy.version, since.unwrap_or_default()));
        }
        None => page.pair("consent policy", "none was handed over"),
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

fn findings(page: &mut Page, record: &Record, status: Verdict, heading: &str) {
    let mut findings: Vec<&Finding> = record.findings.iter().filter(|finding| finding.status == status).collect();
    if findings.is_empty() {
        return;
    }
    page.heading(&format!("{heading} ({})", count(findings.len() as u64)));
    findings.sort_by_key(|finding| (finding.disposition != Disposition::Open, std::cmp::Reverse(finding.severity)));
    for finding in findings.iter().take(SHOWN) {
        let mut word = format!("{} {} {}", symbol(status), status.label(), finding.severity.label());
        if finding.disposition != Disposition::Open {
            word.push_str(&format!(", {}", disposition(finding.disposition)));
        }
        page.parts(&[(style(status), &word), (DIM, &format!("  {}", finding.rule))]);
        page.line(4, 4, Style::new(), &finding.message);
        if let Some((path, line)) = finding.evidence.iter().find_map(|e| Some((e.path.as_ref()?, e.line))) {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            page.line(4, 4, DIM, &format!("at {path}{line}"));
        }
    }
    if let Some(more) = findings.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        page.line(2, 2, DIM, &format!("and {} more, in the report", count(more as u64)));
    }
}

fn unanswered(page: &mut Page, record: &Record, status: Verdict, heading: &str) {
    let rules: Vec<&RuleResult> =
        record.steps.iter().flat_map(|step| &step.rules).filter(|rule| rule.status == status).collect();
    if rules.is_empty() {
        return;
    }
    page.heading(&format!("{heading} ({})", count(rules.len() as u64)));
    for rule in rules {
        let reason = rule.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        page.line(2, 4, Style::new(), &format!("{} {}: {}{reason}", symbol(status), rule.id, rule.title));
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
fn symbol(verdict: Verdict) -> char {
    match verdict {
        Verdict::Fail => '✗',
        Verdict::Inconclusive => '○',
        Verdict::NotEvidenced => '□',
        Verdict::Manual => '△',
        Verdict::Pass => '✓',
        Verdict::NotApplicable => '–',
    }
}

fn style(verdict: Verdict) -> Style {
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

/// Text under construction. Whatever enters it is cleaned first, so that the only escapes are its own.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn heading(&mut self, text: &str) {
        self.text.push('\n');
        self.line(0, 0, BOLD, text);
    }

    /// A name and its value, in two columns.
    fn pair(&mut self, name: &str, value: &str) {
        const COLUMN: usize = 19;
        let name = clean(name);
        let lines = wrap(&clean(value), WIDTH - COLUMN);
        for (i, line) in lines.iter().enumerate() {
            let name = if i == 0 { name.as_ref() } else { "" };
            self.text.push_str(&format!("  {DIM}{name:<16}{DIM:#} {line}\n"));
        }
    }

    /// One line of parts in their styles.
    fn parts(&mut self, parts: &[(Style, &str)]) {
        self.text.push_str("  ");
        for (style, text) in parts {
            self.text.push_str(&format!("{style}{}{style:#}", clean(text)));
        }
        self.text.push('\n');
    }

    /// A paragraph, its first line and the others indented by so many columns.
    fn line(&mut self, first: usize, others: usize, style: Style, text: &str) {
        for (i, line) in wrap(&clean(text), WIDTH - others.max(first)).iter().enumerate() {
            let indent = " ".repeat(if i == 0 { first } else { others });
            self.text.push_str(&format!("{indent}{style}{line}{style:#}\n"));
        }
    }
}

/// Breaks text at spaces into lines of at most `width` characters, and words that are longer wherever they must be.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(String::new());
            used = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            if let Some(line) = lines.last_mut() {
                line.extend(word);
            }
            lines.push(String::new());
            word = rest;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            used += word.len();
            line.extend(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
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
        assert!(text.contains("✗ fail critical  join-needs-consent\n    ranker_v2 combined store and web"));
        assert!(text.contains("✗ fail high, waived  use-needs-basis"));
        assert!(text.contains("at policy.yaml:12"));
        assert!(text.contains("□ exposure-by-provider: Providers get their share of attention (the log has no column"));
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
