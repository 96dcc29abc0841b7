//! A record for tests: every kind of fact, every verdict, and names that mean harm.

use std::collections::BTreeMap;

use serde_json::json;

mod candidates;
mod conditions;
mod facts;
mod items;
mod loyalty;
mod watch;

use facts::facts;

use crate::facts::Fact;
use crate::findings::{Disposition, Evidence, Finding};
use crate::playbook::{Severity, Step, Verdict};
use crate::record::Record;

pub const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "=cmd()|' /C calc'!A0",
    "\u{202E}gnp.exe\u{202C} שלום",
    "\u{1b}[31mred\u{7}",
    "https://example.invalid/a-very-long-name-without-a-place-to-break-it-that-goes-on-and-on-and-on-and-on-and-on-and-on",
];

/// A value that nobody reads to the end.
pub const OPAQUE: &str = "3aef0b3e1c052b4f2e9c90bf0ebeb84f";

/// The record. Only its shape means something; its numbers are made up.
pub fn record() -> Record {
    let facts = facts();
    let find = |wanted: &dyn Fn(&Fact) -> bool| facts.iter().position(wanted).unwrap_or(0);
    let join = find(&|fact| matches!(fact, Fact::Join(join) if join.counts.events_without_consent > 0));
    let uses: Vec<usize> = (0..facts.len())
        .filter(|index| matches!(&facts[*index], Fact::DataUse(of) if of.counts.events_without_consent > 0))
        .collect();
    let field = find(&|fact| matches!(fact, Fact::Field(field) if !field.mapped));
    let purpose = find(&|fact| matches!(fact, Fact::Purpose(purpose) if !purpose.declared));
    let mut findings = vec![
        finding(
            "join-needs-consent",
            Step::DesignForChoice,
            Severity::Critical,
            Verdict::Fail,
            join,
            "ranker_v2 combined store and web 18,204 times for 2,310 people without a grant that covers both",
        ),
        finding(
            "use-needs-basis",
            Step::DesignForChoice,
            Severity::High,
            Verdict::Fail,
            uses[0],
            "`ranker_v2` used `user.health` 5,120 times for 640 people without explicit consent",
        ),
        finding(
            "use-needs-basis",
            Step::DesignForChoice,
            Severity::High,
            Verdict::Fail,
            uses[1],
            "`ranker_v2` used `user.location` 48 times for 6 people without consent",
        ),
        finding(
            "input-mapped",
            Step::MapDataSensitivity,
            Severity::Medium,
            Verdict::Fail,
            field,
            &format!("ranker_v2 reads {}, which the data map does not know", HOSTILE[0]),
        ),
        finding(
            "strategy-declared",
            Step::ClarifyPurpose,
            Severity::High,
            Verdict::Fail,
            purpose,
            &format!("{} decided 120 times and nobody declared it", HOSTILE[1]),
        ),
    ];
    findings[1].disposition = Disposition::Waived;
    findings[2].disposition = Disposition::Waived;
    findings[3].disposition = Disposition::Baseline;
    for (index, fact) in facts.iter().enumerate() {
        let Fact::OutcomeParity(fact) = fact else { continue };
        let Some(ratio) = &fact.ratio else { continue };
        let status = match (ratio.high < 0.8, ratio.low >= 0.8) {
            (true, _) => Verdict::Fail,
            (_, true) => Verdict::Pass,
            _ => Verdict::Inconclusive,
        };
        if status != Verdict::Pass {
            let segment = crate::facts::attributes(&fact.segment);
            let message = format!(
                "{segment} gets {:.2} of the reference's {} from {}",
                ratio.estimate, fact.metric, fact.strategy
            );
            findings.push(finding("outcome-four-fifths", Step::TestForBias, Severity::High, status, index, &message));
        }
    }
    for (index, fact) in facts.iter().enumerate() {
        let Fact::ConditionalParity(fact) = fact else { continue };
        if fact.adjusted.as_ref().is_some_and(|ratio| ratio.high < 0.8) {
            let message = "the segment gets 0.62 of the reference's click at the same position";
            findings.push(finding(
                "gap-within-strata",
                Step::TestForBias,
                Severity::High,
                Verdict::Fail,
                index,
                message,
            ));
        }
    }
    let of = |kind: &str| -> Vec<usize> {
        facts.iter().enumerate().filter(|(_, fact)| fact.kind() == kind).map(|(index, _)| index).collect()
    };
    let joined: Vec<usize> = of("data_use").into_iter().chain(of("join")).collect();
    // Every fact of a kind passes but for those that the rule has a finding of, and those left out as not applicable.
    let verdicts = |rule: &str, kind: &str, exempt: &dyn Fn(&Fact) -> bool| {
        let mut verdicts: BTreeMap<Verdict, Vec<usize>> = BTreeMap::new();
        for index in of(kind) {
            let found = findings.iter().find(|finding| finding.rule == rule && finding.fact == index);
            let verdict = match found {
                Some(finding) => finding.status,
                None if exempt(&facts[index]) => Verdict::NotApplicable,
                None => Verdict::Pass,
            };
            verdicts.entry(verdict).or_default().push(index);
        }
        json!(verdicts)
    };
    let undeclared = |fact: &Fact| matches!(fact, Fact::Purpose(of) if !of.declared);
    let needs_none = |fact: &Fact| matches!(fact, Fact::Join(of) if !of.requires_consent);
    let uncompared = |fact: &Fact| matches!(fact, Fact::OutcomeParity(of) if of.ratio.is_none());
    let unlike = |fact: &Fact| matches!(fact, Fact::ConditionalParity(of) if of.adjusted.is_none());
    let (mut kept, mut words) = (BTreeMap::<_, Vec<usize>>::new(), BTreeMap::<_, Vec<usize>>::new());
    for (index, fact) in facts.iter().enumerate() {
        let Fact::Loyalty(fact) = fact else { continue };
        let Some((verdict, word)) = loyalty::said(fact) else { continue };
        words.entry(word).or_default().push(index);
        if fact.lasting {
            kept.entry(verdict).or_default().push(index);
        }
    }
    let mut harm = rule(
        "loyalty-harm",
        "No strategy keeps relevantly fewer people",
        "high",
        "fail",
        Some("loyalty"),
        None,
        json!(kept),
        json!({"q": 0.05}),
    );
    harm["words"] = json!(words);
    let (bought, kept): (Vec<usize>, Vec<usize>) = of("loyalty_balance").into_iter().partition(|index| {
        matches!(&facts[*index], Fact::LoyaltyBalance(of) if of.retention.as_ref().is_some_and(|side| side.ratio.high < 1.0))
    });
    let steps = json!([
        {"id": "clarify-purpose", "status": "fail", "facts": of("purpose"), "rules": [
            rule("strategy-declared", "Every strategy that decides is declared", "high", "fail", Some("purpose"), None, verdicts("strategy-declared", "purpose", &|_| false), json!({})),
            rule("purpose-reviewed", "Purposes are reviewed in time", "low", "pass", Some("purpose"), None, verdicts("purpose-reviewed", "purpose", &undeclared), json!({})),
        ]},
        {"id": "map-data-sensitivity", "status": "fail", "facts": of("field"), "rules": [
            rule("input-mapped", "Every input is in the data map", "medium", "fail", Some("field"), None, verdicts("input-mapped", "field", &|_| false), json!({})),
        ]},
        {"id": "assess-risks", "status": "manual", "facts": of("join"), "rules": [
            rule("proxy", "No input stands in for a protected attribute", "medium", "pass", Some("proxy"), None, verdicts("proxy", "proxy", &|_| false), json!({"bound": 0.3})),
            rule("risk-register", "Is there a risk register that names these joins, and who keeps it?", "medium", "manual", None, None, json!({}), json!({})),
        ]},
        {"id": "design-for-choice", "status": "fail", "facts": joined, "rules": [
            rule("join-needs-consent", "Contexts are combined with consent only", "critical", "fail", Some("join"), None, verdicts("join-needs-consent", "join", &needs_none), json!({})),
            rule("use-needs-basis", "Every use of data has its legal basis", "high", "fail", Some("data_use"), None, verdicts("use-needs-basis", "data_use", &|_| false), json!({"max_share": 0.0})),
        ]},
        {"id": "test-for-bias", "status": "fail", "facts": of("outcome_parity"), "rules": [
            rule("outcome-four-fifths", "No segment gets less than four fifths of the reference's outcome", "high", "fail", Some("outcome_parity"), None,
                verdicts("outcome-four-fifths", "outcome_parity", &uncompared), json!({"floor": 0.8, "q": 0.05})),
            rule("reference-served-worse", "The reference gets no less than four fifths of any segment's outcome", "high", "pass", Some("outcome_parity"), None,
                verdicts("reference-served-worse", "outcome_parity", &uncompared), json!({"ceiling": 1.25, "q": 0.05})),
            rule("gap-within-strata", "Under the same conditions no segment gets less than four fifths", "high", "fail", Some("conditional_parity"), None,
                verdicts("gap-within-strata", "conditional_parity", &unlike), json!({"floor": 0.8, "q": 0.05})),
            rule("exposure-by-provider", "Providers get their share of attention", "medium", "not_evidenced", Some("exposure_parity"), Some("the log has no column `provider`"), json!({}), json!({})),
            rule("item-exposure", "Every group of items gets its share of attention", "medium", "pass", Some("exposure_parity"), None,
                verdicts("item-exposure", "exposure_parity", &|fact| matches!(fact, Fact::ExposureParity(of) if of.ratio.is_none())), json!({"floor": 0.8, "q": 0.05})),
        ]},
        {"id": "document-decisions", "status": "manual", "facts": of("evidence_quality"), "rules": [
            rule("sign-off", "Has the owner of the system read this report and accepted what it leaves open?", "low", "manual", None, None, json!({}), json!({})),
            rule("minors-kept-out", "Minors are not profiled", "high", "not_applicable", Some("data_use"), Some("the policy names no age limit in this jurisdiction"), json!({}), json!({})),
        ]},
        {"id": "monitor-continuously", "status": "fail", "facts": of("loyalty"), "rules": [
            harm,
            rule("gain-bought-with-loyalty", "Nothing is sold at once at the cost of people staying", "high", "fail", Some("loyalty_balance"), None,
                json!({"fail": bought, "pass": kept}), json!({"q": 0.05})),
            rule("trend-known", "Outcomes are followed over time", "medium", "not_evidenced", None, Some("no earlier audit was handed over"), json!({}), json!({})),
        ]},
    ]);
    let mut record = json!({
        "schema_version": "1.0",
        "tool": {"name": "probity", "version": "0.1.0"},
        "system": {
            "name": "Shop recommendations", "owner": "Personalisation team <perso@example.org>",
            "description": "Ranks products on the home page, in the app and in e-mails.", "as_of": "2026-03-31",
            "first_decision": "2026-03-01T00:00:12Z", "last_decision": "2026-03-31T23:58:01Z",
            "policies": [{"version": "2026-01", "effective": "2026-03-03T00:00:00Z"}],
            "packs": [{"id": "playbook", "version": "1.0"}, {"id": "gdpr", "version": "1.0"}],
            "settings": {"unit": "subject", "level": 0.95, "min_cell": 30, "max_rejected": 0.001, "seed": 7},
        },
        "run": {"started": "2026-04-02T08:15:00Z", "seconds": 4.218},
        "evidence": [
            evidence("manifest", "audit.yaml", "yaml", None),
            evidence("data_map", "map/shop.yml", "yaml", None),
            evidence("consent_policy", "policy.yaml", "yaml", None),
            evidence("consent_records", "consent/2026.csv.gz", "csv.gz", Some((48_120, 3))),
            evidence("recommendations", "log/2026-03.parquet", "parquet", Some((1_204_233, 12))),
            evidence("subjects", HOSTILE[1], "csv", Some((20_001, 0))),
        ],
        "steps": [], "facts": [], "findings": [],
        "waivers": [
            {"rule": "use-needs-basis", "subject": {"strategy": HOSTILE[0], "category": "user.location"}, "reason": HOSTILE[1],
             "owner": HOSTILE[2], "approved_by": HOSTILE[3], "created": "2026-03-01", "expires": "2026-06-30",
             "state": "applied", "findings": ["a", "b"], "path": "decisions.yaml", "line": 2},
            {"rule": "input-mapped", "subject": {"field": HOSTILE[5]}, "reason": "a new feed", "owner": "the feed's team",
             "approved_by": "privacy", "created": "2026-01-01", "expires": "2026-02-01", "state": "expired",
             "findings": [], "path": "decisions.yaml", "line": 12},
        ],
        "verdict": {"status": "failed", "exit_code": 1, "fail_on": "high", "failures": {"critical": 1, "high": 4}, "inconclusive": 3,
            "sentence": "The gate failed: five open findings are of severity high or above."},
    });
    for step in steps.as_array().into_iter().flatten() {
        let mut step = step.clone();
        let own = findings.iter().enumerate().filter(|(_, finding)| Some(finding.step.id()) == step["id"].as_str());
        step["findings"] = json!(own.map(|(index, _)| index).collect::<Vec<_>>());
        if let Some(steps) = record["steps"].as_array_mut() {
            steps.push(step);
        }
    }
    record["facts"] = json!(facts);
    record["findings"] = json!(findings);
    serde_json::from_value(record).expect("the sample is a record")
}

fn finding(rule: &str, step: Step, severity: Severity, status: Verdict, fact: usize, message: &str) -> Finding {
    let identity = BTreeMap::from([("fact", fact.to_string())]);
    Finding {
        rule: rule.into(),
        step,
        severity,
        status,
        disposition: Disposition::Open,
        fingerprint: crate::findings::fingerprint(rule, "sample", &identity),
        message: message.into(),
        plain: (severity == Severity::Critical).then(|| format!("people had not agreed to {}", HOSTILE[0])),
        people: (severity == Severity::Critical).then_some(40),
        fact,
        evidence: vec![
            Evidence::place("policy clause", "consent", "policy.yaml", 12),
            Evidence::value("fields", HOSTILE[2]),
            Evidence::place("combined at", "", "sql/join_web_store.sql", 31),
        ],
        since_baseline: None,
        since_last_audit: None,
    }
}

#[allow(clippy::too_many_arguments)]
fn rule(
    id: &str,
    title: &str,
    severity: &str,
    status: &str,
    on: Option<&str>,
    reason: Option<&str>,
    verdicts: serde_json::Value,
    params: serde_json::Value,
) -> serde_json::Value {
    json!({
        "id": id, "pack": "playbook", "title": title, "severity": severity, "status": status, "reason": reason, "on": on,
        "verdicts": verdicts, "params": params,
        "why": "People cannot object to what they were never asked about.",
        "remedy": "Ask for the combination where it is used, or drop the second source from the strategy's inputs.",
        "references": ["GDPR Art. 6(1)(a), 7", "https://eur-lex.europa.eu/eli/reg/2016/679/oj"],
    })
}

fn evidence(role: &str, path: &str, format: &str, rows: Option<(u64, u64)>) -> serde_json::Value {
    json!({
        "role": role, "path": path, "format": format, "rows": rows.map(|r| r.0), "rejected": rows.map(|r| r.1),
        "sha256": crate::hex(&[0x5a; 32]),
    })
}
