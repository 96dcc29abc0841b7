use std::collections::BTreeSet;

use super::super::{json, sample};
use super::*;
use crate::playbook::Step;

fn html() -> String {
    String::from_utf8(render(&sample::record()).unwrap()).unwrap()
}

/// Writes the sample's report where `PROBITY_SAMPLE_HTML` says, to look at it.
#[test]
fn the_sample_renders() {
    let html = html();
    if let Ok(path) = std::env::var("PROBITY_SAMPLE_HTML") {
        std::fs::write(path, &html).unwrap();
    }
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    for step in Step::ALL {
        assert!(html.contains(step.title()) && html.contains(step.question()), "{}", step.id());
    }
}

#[test]
fn hostile_text_stays_text() {
    let html = html();
    let lower = html.to_lowercase();
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    for forbidden in ["<script", "<img", "<iframe", "<link", "<object", "javascript:", " onerror=alert(1)>", "style=\""]
    {
        assert!(!lower.contains(forbidden), "{forbidden}");
    }
    assert!(html.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(!html.contains('\u{202E}'));
}

/// Every string of the record made hostile, so that no field is forgotten.
#[test]
fn no_field_of_the_record_reaches_the_page_unescaped() {
    const MARK: &str = "\"'><b hostile=\"1\">{{ 7 * 7 }}{% raw %}</style></title>";
    fn poison(value: &mut serde_json::Value, key: &str) {
        use serde_json::Value;
        // Words that the record's types fix.
        let fixed = [
            "schema_version",
            "id",
            "status",
            "severity",
            "kind",
            "comparison",
            "since",
            "harm",
            "segment_comparison",
            "catalogue",
            "simpson",
            "disposition",
            "step",
            "fail_on",
            "measured_by",
            "state",
        ];
        match value {
            Value::String(text) if !fixed.contains(&key) => text.push_str(MARK),
            Value::Array(items) => items.iter_mut().for_each(|item| poison(item, key)),
            Value::Object(map) => map.iter_mut().for_each(|(key, item)| poison(item, key)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(sample::record()).unwrap();
    poison(&mut value, "");
    let html = String::from_utf8(render(&serde_json::from_value(value).unwrap()).unwrap()).unwrap();
    assert!(html.contains("&lt;b hostile=&quot;1&quot;&gt;{{ 7 * 7 }}"));
    assert!(!html.contains("<b hostile"));
    assert_eq!(html.matches("</style>").count(), 1);
    assert_eq!(html.matches("</title>").count(), html.matches("<title>").count());
}

#[test]
fn nothing_is_loaded_and_only_the_own_style_is_allowed() {
    let html = html();
    let policy =
        html.split("http-equiv=\"Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"));
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert!(policy.contains(&sha256_base64(style)));
    assert!(!style.contains("url(http") && !style.contains("@import") && !style.contains('<'));
    for attribute in ["src=\"", "srcset=\"", "action=\"", "xlink:href"] {
        assert!(!html.contains(attribute), "{attribute}");
    }
}

#[test]
fn the_hash_is_that_of_openssl() {
    // printf abc | openssl dgst -sha256 -binary | base64
    assert_eq!(sha256_base64("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

#[test]
fn ids_are_unique_and_every_link_within_the_page_has_its_target() {
    let html = html();
    let ids: Vec<&str> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len());
    for target in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(unique.contains(target), "#{target}");
    }
}

#[test]
fn headings_skip_no_level_and_tables_have_captions_and_scopes() {
    let html = html();
    let mut last = 0;
    for level in html.split("<h").skip(1).filter_map(|rest| rest.chars().next().and_then(|c| c.to_digit(10))) {
        assert!(level <= last + 1, "h{level} after h{last}");
        last = level;
    }
    assert_eq!(html.matches("<h1").count(), 1);
    assert_eq!(html.matches("<table").count(), html.matches("<caption").count());
    assert!(
        html.split("<th").skip(1).filter(|rest| !rest.starts_with("ead")).all(|rest| rest
            .split('>')
            .next()
            .unwrap()
            .contains("scope="))
    );
}

#[test]
fn a_record_read_back_gives_the_same_page() {
    let record = sample::record();
    let again = serde_json::from_slice(&json::render(&record).unwrap()).unwrap();
    assert!(render(&record).unwrap() == render(&again).unwrap());
}

#[test]
fn an_audit_without_a_log_renders() {
    let mut record = sample::record();
    record.facts.clear();
    record.findings.clear();
    record.evidence.clear();
    record.system.first_decision = None;
    record.system.policies.clear();
    record.system.as_of = None;
    record.system.description.clear();
    record.system.packs.clear();
    for step in &mut record.steps {
        (step.facts, step.findings, step.rules) = (vec![], vec![], vec![]);
    }
    let html = String::from_utf8(render(&record).unwrap()).unwrap();
    assert!(html.contains("No log"));
}

/// Three hundred comparisons: what passes is folded, and nothing is lost.
#[test]
fn many_comparisons_fold_what_passes() {
    let mut record = sample::record();
    for n in 0..12 {
        for index in 0..sample::record().facts.len() {
            if let crate::facts::Fact::OutcomeParity(mut fact) = record.facts[index].clone() {
                fact.strategy = format!("ranker_{n}");
                fact.metric = if n > 5 { "pass_rate".into() } else { fact.metric };
                let rule = &mut record.steps[4].rules[0].verdicts;
                if fact.ratio.is_some() {
                    rule.entry(Verdict::Pass).or_default().push(record.facts.len());
                }
                record.facts.push(crate::facts::Fact::OutcomeParity(fact));
            }
        }
    }
    let html = String::from_utf8(render(&record).unwrap()).unwrap();
    if let Ok(path) = std::env::var("PROBITY_SAMPLE_HTML") {
        std::fs::write(format!("{path}.many.html"), &html).unwrap();
    }
    assert!(html.contains("<details class=\"rest\"><summary>") && html.contains("<summary>The chart</summary>"));
    for index in 0..record.facts.len() {
        assert_eq!(html.matches(&format!(" id=\"fact-{index}\"")).count(), 1, "fact {index}");
    }
}

/// The verdicts of a fact are those that the record says, rule by rule.
#[test]
fn a_row_shows_the_verdict_of_each_rule_where_they_differ() {
    let mut record = sample::record();
    let Some(index) = record.facts.iter().position(
        |fact| matches!(fact, crate::facts::Fact::OutcomeParity(of) if of.segment.values().any(|v| v == "18-24")),
    ) else {
        panic!("the sample compares 18-24");
    };
    let row = |record: &Record| {
        let html = String::from_utf8(render(record).unwrap()).unwrap();
        let row = html.split(&format!("<tr id=\"fact-{index}\">")).nth(1).unwrap();
        row.split("</tr>").next().unwrap().to_owned()
    };
    assert!(row(&record).contains("v-pass") && !row(&record).contains("at 1.25"));
    let other = &mut record.steps[4].rules[1].verdicts;
    other.get_mut(&Verdict::Pass).unwrap().retain(|fact| *fact != index);
    other.insert(Verdict::Inconclusive, vec![index]);
    let row = row(&record);
    assert!(row.contains("v-inconclusive") && row.contains("at 0.8 pass"), "{row}");
    assert!(row.contains("at 1.25 inconclusive (q too large)"), "{row}");
}

#[test]
fn long_values_are_short_in_charts_and_whole_once_in_the_numbers() {
    let html = html();
    assert!(html.contains(&format!("<abbr title=\"{}\">3aef0b…</abbr>", sample::OPAQUE)));
    assert_eq!(html.matches(&format!("<bdi>{}</bdi>", sample::OPAQUE)).count(), 1);
    assert!(html.contains(">0 of 96,512 impressions</text>"));
}

#[test]
fn findings_that_differ_in_the_category_only_are_one_card_and_undecided_ones_a_table() {
    let html = html();
    assert!(html.contains("The widest of 2 such findings"));
    assert!(html.contains("<code>ranker_<wbr>v2</code> used <code>user.<wbr>health</code>"));
    assert!(html.contains(" that the evidence does not decide</summary>"));
    assert_eq!(html.matches("<li class=\"finding\"").count(), {
        let record = sample::record();
        let failing = record.findings.iter().filter(|finding| finding.status == Verdict::Fail).count();
        failing - 2
    });
}
