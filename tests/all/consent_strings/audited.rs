//! A shop whose consent records are strings. Who said what is planted, and so is what follows for each strategy.

use std::collections::BTreeMap;

use serde_json::Value;

use super::encode::{Tc, california, gpp, national};
use crate::support::{Audit, facts, subject};

const MANIFEST: &str = "
probity: 1
system: { name: Strings, owner: nobody, jurisdiction: DE }
purposes:
  - id: personalize.content
  - id: marketing.advertising
strategies:
  - { id: content, purpose: personalize.content, inputs: [web.t.views] }
  - { id: place, purpose: personalize.content, inputs: [web.t.place] }
  - { id: ads, purpose: marketing.advertising, inputs: [web.t.basket] }
  - { id: interest, purpose: marketing.advertising, inputs: [web.t.views] }
measure: { max_rejected: 0.1 }
evidence:
  data_map: map.yaml
  consent_policy: policy.yaml
  consent_records:
    - { path: strings.csv }
    - { path: mixed.csv }
  recommendations: { path: log.csv }
";

const MAP: &str = "
dataset:
  - fides_key: web
    meta: { context: web }
    collections:
      - name: t
        fields:
          - { name: views, data_categories: [user.behavior.browsing_history] }
          - { name: basket, data_categories: [user.behavior.purchase_history] }
          - { name: place, data_categories: [user.location.precise] }
";

const POLICY: &str = "
version: '1'
regimes: { US-CA: opt_out, US: opt_out }
purposes:
  - purpose: personalize.content
    categories:
      - { category: user.behavior, basis: consent }
      - { category: user.location, basis: consent }
  - purpose: marketing.advertising
    categories:
      - { category: user.behavior, basis: consent }
      - { category: user.behavior.browsing_history, basis: legitimate_interests }
consent_strings:
  contexts: [web]
  tcf:
    vendor: 755
    purposes: { 4: marketing.advertising, 6: personalize.content }
    special_features: { 1: user.location.precise }
  gpp:
    opt_outs: { SaleOptOut: marketing.advertising }
    gpc: [marketing.advertising, personalize]
    known_child: personalize
";

const ALL: Tc = Tc {
    purposes: &[1, 4, 6],
    interests: &[4],
    features: &[1],
    vendors: &[10, 755],
    vendor_interests: &[755],
    restrictions: &[],
    disclosed: &[10, 755],
};

/// Strategies with the category each uses.
const STRATEGIES: [(&str, &str); 4] = [
    ("content", "user.behavior.browsing_history"),
    ("place", "user.location.precise"),
    ("ads", "user.behavior.purchase_history"),
    ("interest", "user.behavior.browsing_history"),
];

const RECORDED: [&str; 2] = ["2026-03-01T10:00:00Z", "2026-03-03T10:00:00Z"];
const DECIDED: [&str; 2] = ["2026-03-02T10:00:00Z", "2026-03-04T10:00:00Z"];

/// So many people who said this, and the strategies that may serve them, on the first day and on the second.
struct Group {
    people: u32,
    strings: Vec<String>,
    jurisdiction: &'static str,
    allowed: [&'static [&'static str]; 2],
}

fn groups() -> Vec<Group> {
    let everything: &[&str] = &["content", "place", "ads", "interest"];
    let group = |people, strings: &[String], jurisdiction, allowed| Group {
        people,
        strings: strings.to_vec(),
        jurisdiction,
        allowed: [allowed, allowed],
    };
    let europe = |people, tc: Tc, allowed| group(people, &[tc.text()], "DE", allowed);
    let usa = |people, string: String, allowed| group(people, &[string], "US-CA", allowed);
    let (personal, commercial): (&[&str], &[&str]) = (&["content", "place"], &["ads", "interest"]);
    vec![
        europe(41, ALL, everything),
        // No consent to purpose 4; its legitimate interest stands.
        europe(5, Tc { purposes: &[1, 6], ..ALL }, &["content", "place", "interest"]),
        // Our vendor is in no consent.
        europe(7, Tc { vendors: &[10], ..ALL }, &["interest"]),
        // C17: the publisher flatly forbids purpose 6 to our vendor; to another one; for another purpose.
        europe(11, Tc { restrictions: &[(6, 0, &[700, 755])], ..ALL }, commercial),
        europe(2, Tc { restrictions: &[(6, 0, &[10]), (5, 0, &[755])], ..ALL }, everything),
        // It requires consent where we have a legitimate interest, and an interest where we have consent.
        europe(6, Tc { restrictions: &[(4, 1, &[755])], ..ALL }, &["content", "place", "ads"]),
        europe(10, Tc { restrictions: &[(4, 2, &[755])], ..ALL }, &["content", "place", "interest"]),
        // C17: nobody told the person about our vendor.
        europe(13, Tc { disclosed: &[10], ..ALL }, &[]),
        // An objection to the legitimate interest is no refused consent, and the reverse.
        europe(3, Tc { interests: &[], ..ALL }, &["content", "place", "ads"]),
        europe(17, Tc { purposes: &[], ..ALL }, &["interest"]),
        // Special feature 1: precise location without an opt-in.
        europe(9, Tc { features: &[2], ..ALL }, &["content", "ads", "interest"]),
        // Everything on the first day; on the second neither consent nor interest.
        Group {
            people: 8,
            strings: vec![ALL.text(), Tc { purposes: &[], interests: &[], ..ALL }.text()],
            jurisdiction: "DE",
            allowed: [everything, &[]],
        },
        // And back.
        Group {
            people: 4,
            strings: vec![Tc { purposes: &[], interests: &[], features: &[], ..ALL }.text(), ALL.text()],
            jurisdiction: "DE",
            allowed: [&[], everything],
        },
        usa(19, gpp(&[(8, &california(1, None))]), personal),
        usa(12, gpp(&[(8, &california(2, Some(false)))]), everything),
        usa(6, gpp(&[(8, &california(2, Some(true)))]), &[]),
        usa(5, "1YYN".into(), personal),
        usa(3, "1YN-".into(), everything),
        usa(14, gpp(&[(7, &national([0, 1, 0]))]), commercial),
        // The section after it is not known: that is told, and what is known counts.
        usa(2, gpp(&[(8, &california(1, None)), (40, "BAAA")]), personal),
        // Opted out, then in again.
        Group {
            people: 7,
            strings: vec![gpp(&[(8, &california(1, None))]), gpp(&[(8, &california(2, None))])],
            jurisdiction: "US-CA",
            allowed: [personal, everything],
        },
    ]
}

/// Decisions and those without consent, by strategy and jurisdiction.
type Counts = BTreeMap<(String, String), (u64, u64)>;

fn shop() -> (Audit, Counts) {
    let mut strings = "subject_id,timestamp,consent_string\n".to_owned();
    let mut mixed = "subject_id,timestamp,status,purpose,consent_string\n".to_owned();
    let mut log = "request_id,timestamp,subject_id,item_id,strategy,jurisdiction\n".to_owned();
    let mut counts = Counts::new();
    let mut person = 0;
    let mut decide = |person: u32, group: &Group| {
        for (day, decided) in DECIDED.iter().enumerate() {
            for (strategy, _) in STRATEGIES {
                let jurisdiction = group.jurisdiction;
                log +=
                    &format!("{person}-{day}-{strategy},{decided},{},i1,{strategy},{jurisdiction}\n", subject(person));
                let (all, without) = counts.entry((strategy.into(), jurisdiction.into())).or_default();
                *all += 1;
                *without += u64::from(!group.allowed[day].contains(&strategy));
            }
        }
    };
    for group in groups() {
        for _ in 0..group.people {
            for (string, recorded) in group.strings.iter().zip(RECORDED) {
                // Half of the people in each file.
                match person % 2 {
                    0 => strings += &format!("{},{recorded},{string}\n", subject(person)),
                    _ => mixed += &format!("{},{recorded},,,{string}\n", subject(person)),
                }
            }
            decide(person, &group);
            person += 1;
        }
    }
    // Plain records stand beside strings as before.
    for _ in 0..5 {
        mixed += &format!("{},{},given,personalize.content,\n", subject(person), RECORDED[0]);
        let allowed: &[&str] = &["content", "place", "interest"];
        decide(person, &Group { people: 1, strings: vec![], jurisdiction: "DE", allowed: [allowed, allowed] });
        person += 1;
    }
    let audit = Audit::new()
        .with("audit.yaml", MANIFEST)
        .with("map.yaml", MAP)
        .with("policy.yaml", POLICY)
        .with("strings.csv", strings)
        .with("mixed.csv", mixed)
        .with("log.csv", log);
    (audit, counts)
}

/// Adds up the facts of each strategy and jurisdiction, over the versions of the policy.
fn found(record: &Value) -> Counts {
    let mut counts = Counts::new();
    for fact in facts(record, "data_use") {
        let text = |field: &str| fact[field].as_str().expect("a text").to_owned();
        let number = |field: &str| fact[field].as_u64().expect("a count");
        let (all, without) = counts.entry((text("strategy"), text("jurisdiction"))).or_default();
        *all += number("events");
        *without += number("events_without_consent");
        assert_eq!(number("events_permitted"), number("events") - number("events_without_consent"), "{fact}");
    }
    counts
}

#[test]
fn the_planted_decisions_without_consent_are_found() {
    let (audit, counts) = shop();
    assert!(counts.values().all(|(all, without)| without > &10 && without < all), "{counts:?}");
    let run = audit.run();
    let record = run.record();
    assert_eq!(found(&record), counts);
    // Six people whose browser says no, in two decisions of each strategy.
    let told: Vec<u64> = facts(&record, "data_use").iter().filter_map(|fact| fact["events_gpc"].as_u64()).collect();
    assert_eq!(told.iter().filter(|n| **n == 12).count(), STRATEGIES.len(), "{told:?}");
    assert_eq!(told.iter().sum::<u64>(), 12 * STRATEGIES.len() as u64);
    let rejected = run.rejected();
    assert_eq!(rejected.len(), 2, "{rejected:?}");
    let told = "GPP string: section 40 is not known here; what else it says was read";
    assert!(rejected.iter().all(|line| line.ends_with(told)), "{rejected:?}");
    run.leaks_nobody();
    assert!(!run.everything().contains("1YYN"));
}

#[test]
fn rows_that_say_nothing_are_rejected_with_their_line() {
    let (audit, counts) = shop();
    let (strings, mixed) = (audit.text("strings.csv"), audit.text("mixed.csv"));
    let (first, second) = (strings.lines().count() + 1, mixed.lines().count() + 1);
    let cut = &ALL.text()[..30];
    let old = "BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA";
    let row = |text: &str| format!("someone,2026-03-01T00:00:00Z,{text}\n");
    let audit = audit.with("strings.csv", strings + &row(cut) + &row("") + &row(old)).with(
        "mixed.csv",
        mixed + &row(",,") + &row("given,,") + &row("given,,1YNN") + &row("given,personalize,hello"),
    );
    let run = audit.run();
    // What was rejected changes nothing.
    assert_eq!(found(&run.record()), counts);
    let rejected = run.rejected();
    for told in [
        format!("strings.csv:{first}: the core segment of the TC string ends within PurposesLITransparency"),
        format!("strings.csv:{}: both status and consent_string are empty", first + 1),
        format!("strings.csv:{}: the string is of TCF version 1, which is void since 2020-09-30", first + 2),
        format!("mixed.csv:{second}: both status and consent_string are empty"),
        format!("mixed.csv:{}: both purpose and consent_string are empty", second + 1),
        format!("mixed.csv:{}: status and purpose belong together, and one of them is empty", second + 2),
        format!(
            "mixed.csv:{}: the string is no TC string (which begins with `C`), GPP string (`D`) or US Privacy string (`1`)",
            second + 3
        ),
    ] {
        assert!(rejected.contains(&told), "`{told}` in {rejected:?}");
    }
    assert_eq!(rejected.len(), 2 + 7, "{rejected:?}");
}

#[test]
fn strings_that_the_policy_does_not_explain_stop_the_audit() {
    let (audit, _) = shop();
    let policy = POLICY.split("  gpp:").next().expect("a policy");
    let told = "GPP string: the consent policy does not say what section 8 means: state `consent_strings.gpp`";
    audit.with("policy.yaml", policy).run().refused(&[told]);
    let (audit, _) = shop();
    let policy = POLICY.replace("SaleOptOut", "SellOptOut");
    let told = ["`SellOptOut` is no opt-out of the GPP", "did you mean `SaleOptOut`?", "policy.yaml:20:29"];
    audit.with("policy.yaml", policy).run().refused(&told);
}

/// A record is read by the version of the policy that held when it was made. The second names another vendor, which has
/// everybody's consent and nobody's legitimate interest.
#[test]
fn strings_mean_what_the_policy_of_their_time_says() {
    let (audit, mut counts) = shop();
    let later = POLICY
        .replace("version: '1'", "version: '2'\neffective: 2026-03-03T00:00:00Z")
        .replace("vendor: 755", "vendor: 10");
    let audit = audit.with("later.yaml", later).replacing(
        "audit.yaml",
        "consent_policy: policy.yaml",
        "consent_policy: [policy.yaml, later.yaml]",
    );
    // Only the four people who came back said everything again on the second day.
    counts.get_mut(&("interest".into(), "DE".into())).expect("a count").1 += 4;
    assert_eq!(found(&audit.run().record()), counts);
}

/// A file with neither strings nor states is missing a column, as ever.
#[test]
fn a_file_needs_strings_or_states() {
    let (audit, _) = shop();
    let audit = audit.with("mixed.csv", "subject_id,timestamp,purpose\n");
    audit.run().refused(&["`mixed.csv` has no column `status`"]);
}
