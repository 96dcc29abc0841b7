//! Workflow commands of GitHub Actions: findings as annotations at the lines they are about.

use super::ci::{counted, inside, is_open_failure, level, manifest, spot};
use super::summary::groups;
use super::text::{clean, count};
use crate::error::Result;
use crate::record::{GateStatus, Record};

/// Annotations of one level that GitHub shows of a step; it drops the others without a word.
const SHOWN: usize = 10;

/// The verdict, then one annotation per rule and strategy, worst first; of each level as many as are shown, the last
/// one of a longer list saying how many more there are.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    let verdict = &record.verdict;
    let (gate, of_gate) = match verdict.status {
        GateStatus::Passed => ("passed", "notice"),
        GateStatus::Failed => ("failed", "error"),
        GateStatus::NothingEvaluated => ("nothing was evaluated", "error"),
    };
    let mut text = command(of_gate, &[("title", &format!("Probity: {gate}"))], &verdict.sentence);
    let open = (0..record.findings.len()).filter(|index| is_open_failure(&record.findings[*index]));
    let groups = groups(record, open);
    for kind in ["error", "warning", "notice"] {
        let of_kind: Vec<_> = groups.iter().filter(|group| word(level(group.severity)) == kind).collect();
        let room = SHOWN - usize::from(kind == of_gate);
        let shown = if of_kind.len() > room { room - 1 } else { of_kind.len() };
        for group in &of_kind[..shown] {
            let Some(finding) = group.findings.first().and_then(|index| record.findings.get(*index)) else { continue };
            let at = spot(record, finding);
            let path = inside(record, at.path).unwrap_or_else(|| at.path.to_owned());
            let more = match group.findings.len() {
                0 | 1 => String::new(),
                n => format!(" (and {} like it)", counted(n - 1, "finding")),
            };
            let title = format!("{} ({})", group.rule, group.severity.label());
            let place = [("file", path.as_str()), ("line", &at.line.to_string()), ("title", &title)];
            text += &command(kind, &place, &format!("{}{more}", finding.message));
        }
        let rest: usize = of_kind[shown..].iter().map(|group| group.findings.len()).sum();
        if rest > 0 {
            let told = format!("{} more of this level; the report has them all", counted(rest, "finding"));
            text += &command(kind, &[("title", "Probity")], &told);
        }
    }
    if verdict.inconclusive > 0 {
        let told = format!("{} undecided: the evidence decides neither way", count(verdict.inconclusive));
        let file = inside(record, manifest(record)).unwrap_or_else(|| manifest(record).to_owned());
        text += &command("notice", &[("file", &file), ("title", "Probity: inconclusive")], &told);
    }
    Ok(text.into_bytes())
}

/// SARIF's level as GitHub calls it.
fn word(level: &'static str) -> &'static str {
    if level == "note" { "notice" } else { level }
}

/// A workflow command. Whatever could end a property, the message or the line is percent-encoded as the runner decodes
/// it again (`@actions/core`, `command.ts`).
fn command(name: &str, properties: &[(&str, &str)], message: &str) -> String {
    let data = |text: &str| clean(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property =
        |(name, value): &(&str, &str)| format!("{name}={}", data(value).replace(':', "%3A").replace(',', "%2C"));
    let properties: Vec<String> = properties.iter().map(property).collect();
    format!("::{name} {}::{}\n", properties.join(","), data(message))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::findings::Evidence;

    fn text(record: &Record) -> String {
        String::from_utf8(render(record).unwrap()).unwrap()
    }

    #[test]
    fn the_verdict_comes_first_then_the_worst() {
        let text = text(&sample::record());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "::error title=Probity%3A failed::The gate failed: five open findings are of severity high or above."
        );
        assert!(lines[1].starts_with(
            "::error file=policy.yaml,line=12,title=join-needs-consent (critical)::ranker_v2 combined store and web "
        ));
        assert!(text.contains("::notice file=audit.yaml,title=Probity%3A inconclusive::3 undecided"), "{text}");
    }

    #[test]
    fn no_more_than_are_shown_and_the_rest_is_counted() {
        let mut record = sample::record();
        let one = record.findings[0].clone();
        record.findings.truncate(1);
        for n in 0..20 {
            record.findings.push(crate::findings::Finding { rule: format!("rule-{n}"), ..one.clone() });
        }
        let text = text(&record);
        assert_eq!(text.lines().filter(|line| line.starts_with("::error ")).count(), SHOWN);
        assert!(text.contains("::error title=Probity::13 findings more of this level"), "{text}");
    }

    #[test]
    fn hostile_text_starts_no_command() {
        let mut record = sample::record();
        let hostile = "a\n::stop-commands::x\r\n%0A::error::,title=y";
        record.findings[0].rule = hostile.into();
        record.findings[0].message = hostile.into();
        record.findings[0].evidence = vec![Evidence::place("policy clause", "", hostile, 3)];
        record.verdict.sentence = hostile.into();
        let text = text(&record);
        let encoded = "a %3A%3Astop-commands%3A%3Ax  %250A%3A%3Aerror%3A%3A%2Ctitle=y";
        assert!(text.contains(&format!("file={encoded},line=3,title={encoded} (critical)::a ::stop-commands::x")));
        for line in text.lines() {
            assert!(["::error ", "::warning ", "::notice "].iter().any(|start| line.starts_with(start)), "{line}");
        }
    }
}
