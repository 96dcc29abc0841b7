//! Choice: the alternative for those who said no, explanations, and how people were asked. Counts are planted.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Audit, HEADER, csv, csv_row, facts, log, subject};

/// The audit in which `popular` says that it does not profile and reads nothing.
fn with_alternative() -> Audit {
    let reads = "    owner: web-team@shop.example\n    inputs: [web.events.views]";
    Audit::new().replacing(
        "audit.yaml",
        reads,
        "    owner: web-team@shop.example\n    profiling: false\n    inputs: []",
    )
}

/// Everyone in `people` says no to the purpose as a whole.
fn says_no(audit: Audit, people: impl Iterator<Item = u32>, status: &str, at: &str) -> Audit {
    let lines = people.map(|person| format!("{},{at},{status},personalize.content,,\n", subject(person)));
    let text = audit.text("consent.csv") + &lines.collect::<String>();
    audit.with("consent.csv", text)
}

/// The log in which `popular` decides about the people in `served`, whoever decided before.
fn served(audit: Audit, served: &[u32]) -> Audit {
    let people: BTreeSet<String> = served.iter().map(|person| subject(*person)).collect();
    let mut rows = log();
    for row in rows.iter_mut().filter(|row| people.contains(&row.subject)) {
        row.strategy = "popular";
    }
    audit.with("log.csv", csv(&rows))
}

fn rule<'a>(record: &'a Value, id: &str) -> &'a Value {
    let rules = record["steps"][3]["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["id"] == id).unwrap()
}

fn messages<'a>(record: &'a Value, rule: &str) -> Vec<&'a str> {
    let findings = record["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == rule);
    findings.map(|finding| finding["message"].as_str().unwrap()).collect()
}

#[track_caller]
fn has(fact: &Value, expected: &[(&str, u64)]) {
    for (name, value) in expected {
        assert_eq!(fact[name], *value, "{name} of {fact}");
    }
}

#[test]
fn those_who_said_no_and_were_served_without_a_profile_come_out_clean() {
    let audit = says_no(with_alternative(), 0..12, "refused", "2026-02-01T00:00:00Z");
    let run = served(audit, &(0..12).collect::<Vec<_>>()).run();
    let record = run.audited(0);
    let fact = facts(&record, "alternative")[0];
    // Eighty people with two decisions each; `popular` makes one of them, for the twelve both.
    has(fact, &[("decisions", 160), ("subjects", 80), ("by_alternative", 92), ("subjects_by_alternative", 80)]);
    has(fact, &[("refused", 24), ("refused_subjects", 12), ("refused_by_alternative", 24), ("silent", 0)]);
    assert_eq!((&fact["alternatives"][0], &fact["declared_at"][0]["line"]), (&"popular".into(), &20.into()));
    for id in ["no-alternative", "alternative-not-served", "contradicted-alternative", "use-without-consent"] {
        assert_eq!(rule(&record, id)["status"], "pass", "{id}");
    }
    let html = std::fs::read_to_string(run.out.join("report.html")).unwrap();
    assert!(html.contains("Served without being profiled") && html.contains("24 of 24"));
    run.leaks_nobody();
}

#[test]
fn those_who_said_no_and_were_profiled_all_the_same_are_counted() {
    let audit = says_no(with_alternative(), 0..10, "refused", "2026-02-01T00:00:00Z");
    let audit = says_no(audit, 10..13, "withdrawn", "2026-03-01T00:00:00Z");
    // A later grant of one context is a yes again, and what is said after the decisions does not count.
    let again = format!("{},2026-02-02T00:00:00Z,given,personalize.content,,web\n", subject(9));
    let text = audit.text("consent.csv") + &again;
    let audit = says_no(audit.with("consent.csv", text), 20..30, "refused", "2026-05-01T00:00:00Z");
    let run = served(audit, &(0..8).collect::<Vec<_>>()).run();
    let record = run.audited(1);
    let fact = facts(&record, "alternative")[0];
    // 0 to 8 twice without a profile; 8 and 10 to 13 once with and once without one.
    has(fact, &[("refused", 24), ("refused_subjects", 12), ("refused_by_alternative", 20)]);
    assert_eq!(
        messages(&record, "alternative-not-served"),
        ["of 24 decisions about people who had said no to `personalize.content` 20 were made without a profile \
             (83.33%; bound 95%; jurisdiction DE)"]
    );
    run.leaks_nobody();
}

#[test]
fn a_no_counts_from_the_end_of_grace_and_a_narrow_one_only_where_nothing_is_allowed_by_default() {
    let end = format!("purposes:\n  - purpose: {}", "personalize.content");
    let grace = with_alternative().replacing("policy.yaml", &end, &format!("grace: 400h\n{end}"));
    let run = says_no(grace, 0..12, "withdrawn", "2026-03-27T00:00:00Z").run();
    has(facts(&run.record(), "alternative")[0], &[("refused", 0), ("in_grace", 24)]);
    assert_eq!(rule(&run.record(), "alternative-not-served")["reason"], "nobody had said no");

    let narrow = |regime: &str| {
        let end = format!("purposes:\n  - purpose: {}", "personalize.content");
        let to = format!("default_regime: {regime}\n{end}");
        let audit = with_alternative().replacing("policy.yaml", &end, &to);
        // Everyone is asked about the web alone; every eighth says no.
        let line = |person: u32| {
            let answer = if person.is_multiple_of(8) { "refused" } else { "given" };
            format!("{},2026-01-01T00:00:00Z,{answer},personalize.content,,web\n", subject(person))
        };
        let text = "subject_id,timestamp,status,purpose,categories,contexts\n".to_owned();
        audit.with("consent.csv", text + &(0..80).map(line).collect::<String>()).run().record()
    };
    has(facts(&narrow("opt_in"), "alternative")[0], &[("refused", 20), ("refused_by_alternative", 10), ("silent", 0)]);
    has(facts(&narrow("opt_out"), "alternative")[0], &[("refused", 0), ("silent", 20)]);
}

#[test]
fn what_says_that_it_does_not_profile_is_taken_at_its_inputs() {
    let audit = Audit::new().replacing(
        "audit.yaml",
        "    owner: web-team@shop.example\n",
        "    owner: web-team@shop.example\n    profiling: false\n",
    );
    let run = says_no(audit, 0..12, "refused", "2026-02-01T00:00:00Z").run();
    let record = run.audited(1);
    assert_eq!(
        messages(&record, "contradicted-alternative"),
        [
            "strategy `popular` says that it does not profile, and reads web.events.views, which hold personal data that \
             no contract or law requires"
        ]
    );
    has(facts(&record, "alternative")[0], &[("by_alternative", 0), ("refused", 24), ("refused_by_alternative", 0)]);

    // The log shows what the manifest leaves out.
    let rows: String = log().iter().map(|row| format!("{},web.events.views\n", csv_row(row))).collect();
    let record = with_alternative().with("log.csv", format!("{HEADER},inputs\n{rows}")).run().audited(1);
    assert_eq!(messages(&record, "contradicted-alternative").len(), 1);

    // Nobody stands in: said, and below the bar of the gate.
    let record = Audit::new().run().audited(0);
    assert_eq!(
        messages(&record, "no-alternative"),
        [
            "hybrid, popular profile people for `personalize.content`, and no strategy is declared that serves without a \
             profile (jurisdiction DE)"
        ]
    );
    assert_eq!(rule(&record, "unexplained")["status"], "not_evidenced");
    assert_eq!(rule(&record, "asymmetric-choice")["status"], "not_evidenced");
}

/// One decision a person and strategy, so that the variance of the share is p(1 − p) / (n − 1); Student's t with 79 and
/// with 39 degrees of freedom at 97.5 % is 1.99045 and 2.02269.
#[test]
fn the_share_of_explained_decisions_has_its_interval() {
    let rows = log().into_iter().map(|row| {
        let person: u32 = row.subject[5..8].parse().unwrap();
        let explained = match row.strategy {
            "popular" => "1",
            _ if person.is_multiple_of(4) => "0",
            // One row of the decision is enough.
            _ if row.position == 3 => "true",
            _ => "",
        };
        format!("{},{explained}\n", csv_row(&row))
    });
    let text = format!("{HEADER},explained\n{}", rows.collect::<String>());
    let run = Audit::new().with("log.csv", text).run();
    let record = run.audited(0);
    let of = |strategy: &str, segment: &str| {
        let mut all = facts(&record, "explanation").into_iter();
        all.find(|fact| {
            fact["strategy"] == strategy && fact["segment"] == serde_json::from_str::<Value>(segment).unwrap()
        })
        .unwrap()
    };
    for (segment, n, explained, t) in
        [("{}", 80.0_f64, 60_u64, 1.99045), (r#"{"age_band":"18-29"}"#, 40.0, 20, 2.02269)]
    {
        let fact = of("hybrid", segment);
        has(fact, &[("decisions", n as u64), ("explained", explained), ("subjects", n as u64), ("unstated", 0)]);
        let p = explained as f64 / n;
        let half = t * (p * (1.0 - p) / (n - 1.0)).sqrt();
        let told = |name: &str| fact["share"][name].as_f64().unwrap();
        assert!((told("estimate") - p).abs() < 1e-12, "{fact}");
        assert!((told("low") - (p - half)).abs() < 1e-5 && (told("high") - (p + half)).abs() < 1e-5, "{fact}");
    }
    assert_eq!(of("popular", "{}")["share"]["estimate"], 1.0);
    // The whole of `hybrid` is below the bound, and so its segments are not judged on top.
    assert_eq!(
        messages(&record, "unexplained"),
        ["strategy `hybrid` showed an explanation in 75% of its decisions (95% interval 65.3% to 84.7%; bound 90%)"]
    );
    let html = std::fs::read_to_string(run.out.join("report.html")).unwrap();
    assert!(html.contains("Explanations shown") && html.contains("60 of 80"));
    run.leaks_nobody();
}

const PROMPTS: &str = "subject_id,timestamp,purpose,notice_version,yes_steps,no_steps,yes_seconds,no_seconds,preselected,no_on_first_layer,answer\n";

/// The audit with prompts, one line each.
fn prompted(lines: &str) -> Audit {
    let from = "  subjects: { path: subjects.csv";
    let to = format!("  prompts: {{ path: prompts.csv, declares: {{ subject_id: user.contact.email }} }}\n{from}");
    Audit::new().replacing("audit.yaml", from, &to).with("prompts.csv", format!("{PROMPTS}{lines}"))
}

#[test]
fn the_ways_to_yes_and_no_are_compared() {
    let mut lines = String::new();
    for person in 0..60 {
        let id = subject(person);
        let at = format!("2026-02-01T08:00:{person:02}Z");
        // Thirty see the old notice: a no takes three steps (of ten people: four), on the second layer, with the yes
        // ticked for six; thirty the new one, where both take one.
        let rest = match person {
            0..30 => {
                let no = if person < 10 { 4 } else { 3 };
                format!(
                    "2025-1,1,{no},2.5,{},{},0,{}",
                    10 + person,
                    u8::from(person < 6),
                    ["given", "refused", "dismissed"][(person % 3) as usize]
                )
            }
            _ => "2026-1,1,1,,,0,1,given".to_owned(),
        };
        lines += &format!("{id},{at},personalize.content,{rest}\n");
    }
    let run = prompted(&lines).run();
    let record = run.audited(1);
    let [old, new] = facts(&record, "prompt")[..] else { panic!("two notices") };
    has(old, &[("prompts", 30), ("subjects", 30), ("given", 10), ("refused", 10), ("dismissed", 10)]);
    has(
        old,
        &[
            ("both_steps", 30),
            ("harder_no", 30),
            ("preselected", 6),
            ("no_on_later_layer", 30),
            ("dismissed_as_yes", 0),
        ],
    );
    let effort = |name: &str, of: &str| old[name][of].as_f64().unwrap();
    assert_eq!((effort("yes_steps", "mean"), effort("no_steps", "median"), effort("no_steps", "max")), (1.0, 3.0, 4.0));
    // Ten of four and twenty of three steps; seconds from 10 to 39.
    assert!((effort("no_steps", "mean") - 100.0 / 30.0).abs() < 1e-12);
    assert_eq!((effort("no_seconds", "median"), effort("yes_seconds", "mean")), (24.5, 2.5));
    has(new, &[("prompts", 30), ("harder_no", 0), ("preselected", 0), ("no_on_later_layer", 0), ("given", 30)]);
    assert!(new["no_seconds"].is_null());
    assert_eq!(
        messages(&record, "asymmetric-choice"),
        [
            "in 30 of 30 prompts of notice `2025-1` for `personalize.content` a no takes more steps than a yes (on average \
             3.33 against 1.0; jurisdiction DE)"
        ]
    );
    assert_eq!((messages(&record, "preselected-consent").len(), messages(&record, "no-on-later-layer").len()), (1, 1));
    assert_eq!(rule(&record, "dismissal-taken-as-consent")["status"], "pass");
    let html = std::fs::read_to_string(run.out.join("report.html")).unwrap();
    assert!(html.contains("How people were asked"));
    run.leaks_nobody();
}

#[test]
fn dismissals_written_down_as_a_yes_and_repeats_after_a_no_are_found() {
    let mut lines = String::new();
    let mut ask = |person: u32, at: &str, answer: &str| {
        lines += &format!("{},{at},personalize.content,2026-1,1,1,,,0,1,{answer}\n", subject(person));
    };
    // The records of everyone know grants of the first three days of January, at midnight.
    for person in 0..6 {
        ask(person, "2025-12-31T23:58:00Z", "dismissed"); // a grant two minutes later
    }
    for person in 6..10 {
        ask(person, "2025-12-31T23:50:00Z", "dismissed"); // ten minutes later: not from this
    }
    for person in 10..14 {
        ask(person, "2025-12-31T23:58:00Z", "dismissed"); // asked again before the grant
        ask(person, "2025-12-31T23:59:00Z", "given");
    }
    // Four say no and are asked again twice within a year; four once; four twice, over a year apart; and four say yes
    // in between.
    for person in 20..36 {
        ask(person, "2026-02-01T10:00:00Z", "refused");
        ask(person, "2026-03-01T10:00:00Z", if person < 32 { "refused" } else { "given" });
    }
    for person in 20..24 {
        ask(person, "2026-04-01T10:00:00Z", "dismissed");
    }
    for person in 28..32 {
        ask(person, "2027-03-02T10:00:00Z", "dismissed");
    }
    for person in 32..36 {
        ask(person, "2026-04-01T10:00:00Z", "given");
    }
    // Two take their consent back in the records, and are asked twice more.
    for person in 40..42 {
        ask(person, "2026-04-01T10:00:00Z", "dismissed");
        ask(person, "2026-04-02T10:00:00Z", "dismissed");
    }
    let run = says_no(prompted(&lines), 40..42, "withdrawn", "2026-04-01T08:00:00Z").run();
    let record = run.audited(1);
    let [fact] = facts(&record, "prompt")[..] else { panic!("one notice") };
    // Repeats: sixteen in March, four in April, four a year later, and twice two after the withdrawal.
    has(fact, &[("dismissed_as_yes", 6), ("repeats", 28), ("excess_repeats", 6), ("subjects_repeated", 6)]);
    assert_eq!(messages(&record, "asked-again-too-soon").len(), 1);
    assert_eq!(
        messages(&record, "dismissal-taken-as-consent"),
        [
            "after 6 of 26 dismissed prompts of notice `2026-1` for `personalize.content` the consent records know a yes \
             (jurisdiction DE)"
        ]
    );
    run.leaks_nobody();
}

#[test]
fn prompts_that_name_nobody_leave_open_who_was_asked_again() {
    let lines = "2026-02-01T10:00:00Z,personalize.content,given\n2026-02-01T10:00:00Z,personalize.content,dismissed\n";
    let audit = prompted("").with("prompts.csv", format!("timestamp,purpose,answer\n{lines}"));
    let record = audit
        .replacing("audit.yaml", "prompts.csv, declares: { subject_id: user.contact.email }", "prompts.csv")
        .run()
        .audited(0);
    let [fact] = facts(&record, "prompt")[..] else { panic!("one notice") };
    has(fact, &[("prompts", 2), ("both_steps", 0)]);
    assert!(
        ["subjects", "harder_no", "preselected", "repeats", "dismissed_as_yes"].iter().all(|name| fact[name].is_null())
    );
    for id in [
        "asymmetric-choice",
        "preselected-consent",
        "no-on-later-layer",
        "dismissal-taken-as-consent",
        "asked-again-too-soon",
    ] {
        assert_eq!(rule(&record, id)["status"], "not_evidenced", "{id}");
    }
}

#[test]
fn a_purpose_that_nothing_knows_is_told_with_its_line() {
    let good = format!("{},2026-02-01T08:00:00Z,personalize.content,1,1,1,,,0,1,given\n", subject(1));
    let run = prompted(&format!("{good}{}", good.replace("personalize.content", "personalise.content"))).run();
    run.refused(&["prompts.csv:3", "purpose `personalise.content` is not in the taxonomy", "personalize.content"]);
    let run = prompted(&format!("{good}{}", good.replace(",given", ",maybe"))).max_rejected("0.6").run();
    run.audited(0);
    assert_eq!(run.rejected(), ["prompts.csv:3: answer is none of given, refused, dismissed"]);
}
