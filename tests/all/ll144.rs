//! The worked examples of 6 RCNY 5-301, from a log of applicants to the printed ratios.
//!
//! The rule prints counts and ratios only. The log is made from the counts, a person in two rows each: whoever was
//! selected was so in one of them, and the higher of two scores counts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Audit, facts};

/// Race/ethnicity and sex, applicants, selected, impact ratio as printed, at 5-301(b).
const INTERSECTIONS: [(&str, &str, u64, u64, &str); 14] = [
    ("hispanic", "male", 205, 90, "0.841"),
    ("hispanic", "female", 190, 82, "0.827"),
    ("white", "male", 412, 215, "1.000"),
    ("black", "male", 226, 95, "0.806"),
    ("pacific", "male", 87, 37, "0.815"),
    ("asian", "male", 321, 167, "0.997"),
    ("native", "male", 24, 11, "0.878"),
    ("several", "male", 115, 52, "0.866"),
    ("white", "female", 385, 197, "0.981"),
    ("black", "female", 164, 75, "0.876"),
    ("pacific", "female", 32, 15, "0.898"),
    ("asian", "female", 295, 135, "0.877"),
    ("native", "female", 17, 7, "0.789"),
    ("several", "female", 98, 44, "0.860"),
];

/// The rule's table by race/ethnicity has other totals than the one above, so that it is a strategy of its own.
const RACES: [(&str, u64, u64, &str); 7] = [
    ("hispanic", 408, 204, "0.97"),
    ("white", 797, 412, "1.00"),
    ("black", 390, 170, "0.84"),
    ("pacific", 119, 52, "0.85"),
    ("asian", 616, 302, "0.95"),
    ("native", 41, 18, "0.85"),
    ("several", 213, 96, "0.87"),
];

/// Applicants, how many of them realise the printed scoring rate, that rate and the impact ratio, at 5-301(c).
const SCORES: [(&str, &str, u64, u64, &str, &str); 14] = [
    ("hispanic", "male", 16, 12, "75.0", "1.00"),
    ("hispanic", "female", 12, 6, "50.0", "0.67"),
    ("white", "male", 20, 7, "35.0", "0.47"),
    ("black", "male", 20, 10, "50.0", "0.67"),
    ("pacific", "male", 4, 3, "75.0", "1.00"),
    ("asian", "male", 12, 7, "58.3", "0.78"),
    ("native", "male", 8, 5, "62.5", "0.83"),
    ("several", "male", 12, 6, "50.0", "0.67"),
    ("white", "female", 20, 8, "40.0", "0.53"),
    ("black", "female", 12, 6, "50.0", "0.67"),
    ("pacific", "female", 4, 2, "50.0", "0.67"),
    ("asian", "female", 12, 3, "25.0", "0.33"),
    ("native", "female", 8, 5, "62.5", "0.83"),
    ("several", "female", 8, 4, "50.0", "0.67"),
];

const MANIFEST: &str = "\
probity: 1
system: { name: Hiring, owner: people@firm.example, as_of: 2026-06-01 }
measure:
  segments: [{ attribute: sex }, { attribute: race, reference: white }]
  min_cell: 1
  selection: { tables: [[sex], [race], [sex, race]], exclude_below: 0.0 }
rules: { packs: [ll144] }
evidence:
  subjects: { path: people.csv, declares: { subject_id: user.unique_id } }
  recommendations: { path: log.csv, declares: { subject_id: user.unique_id } }
";

/// People and what was decided about them.
struct Log {
    people: String,
    rows: String,
    count: u64,
}

impl Log {
    fn new() -> Self {
        Self {
            people: "subject_id,sex,race\n".to_owned(),
            rows: "timestamp,subject_id,item_id,strategy,selected,score\n".to_owned(),
            count: 0,
        }
    }

    /// One applicant, in two rows.
    fn add(&mut self, strategy: &str, sex: &str, race: &str, decisions: [&str; 2]) {
        let person = self.count;
        self.people += &format!("applicant{person},{sex},{race}\n");
        for (day, decision) in decisions.iter().enumerate() {
            self.rows += &format!("2026-03-0{}T10:00:00Z,applicant{person},job,{strategy},{decision}\n", day + 1);
        }
        self.count += 1;
    }

    /// `chosen` of `n` are selected, in the second of two rows only.
    fn selected(&mut self, strategy: &str, sex: &str, race: &str, n: u64, chosen: u64) {
        for nth in 0..n {
            self.add(strategy, sex, race, if nth < chosen { ["0,", "1,"] } else { ["0,", ","] });
        }
    }

    /// `above` of `n` score 65 once and 10 once, so that neither their mean nor their lowest score is above 50; the
    /// others score 50 at most.
    fn scored(&mut self, strategy: &str, sex: &str, race: &str, n: u64, above: u64) {
        for nth in 0..n {
            let others = if nth + 1 == n { [",50", ",50"] } else { [",40.5", ",35"] };
            self.add(strategy, sex, race, if nth < above { [",65", ",10"] } else { others });
        }
    }
}

fn log() -> Log {
    let mut log = Log::new();
    for (race, sex, n, selected, _) in INTERSECTIONS {
        log.selected("resumes", sex, race, n, selected);
    }
    // Of 250 people the sex is not known, and of most of them the race neither.
    log.selected("resumes", "", "", 150, 90);
    log.selected("resumes", "", "white", 100, 100);
    for (race, n, selected, _) in RACES {
        log.selected("resumes-by-race", "male", race, n, selected);
    }
    for (race, sex, n, above, ..) in SCORES {
        log.scored("culture", sex, race, n, above);
    }
    // Fifteen of unknown category, one of them in the very middle of all.
    for nth in 0..15 {
        log.add("culture", "", "", if nth < 7 { [",90", ",90"] } else { [",50", ",20"] });
    }
    for (strategy, selected) in [("four-fifths", 48), ("below", 47)] {
        log.selected(strategy, "female", "white", 100, selected);
        log.selected(strategy, "male", "white", 100, 60);
    }
    // With those of unknown sex the median is 4, which nobody of known sex exceeds; without them it would be 2.5.
    for (sex, score) in [("female", 1), ("female", 2), ("male", 3), ("male", 4), ("", 10), ("", 10), ("", 10)] {
        let score = format!(",{score}");
        log.add("whole-sample", sex, "", [&score, &score]);
    }
    log
}

fn audit(manifest: &str) -> Value {
    let log = log();
    let run = Audit::new().with("audit.yaml", manifest).with("people.csv", log.people).with("log.csv", log.rows).run();
    let record = run.audited(1);
    let everything = run.everything();
    assert!(!everything.contains("applicant1"), "somebody is named");
    record
}

/// The categories of one table under one strategy, by their values.
fn table<'a>(record: &'a Value, strategy: &str, outcome: &str, attributes: &[&str]) -> BTreeMap<String, &'a Value> {
    let own = facts(record, "selection").into_iter().filter(|fact| {
        let names = fact["table"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        fact["strategy"] == strategy && fact["outcome"] == outcome && names.eq(attributes.iter().copied())
    });
    own.map(|fact| {
        let values = attributes.iter().map(|name| fact["category"][name].as_str().unwrap());
        (values.collect::<Vec<_>>().join(" "), fact)
    })
    .collect()
}

fn printed(fact: &Value, decimals: usize) -> String {
    format!("{:.decimals$}", fact["impact_ratio"].as_f64().expect("there is a ratio"))
}

fn percent(fact: &Value) -> String {
    format!("{:.1}", fact["rate"]["estimate"].as_f64().unwrap() * 100.0)
}

/// Verdict of a rule on a fact.
fn verdict<'a>(record: &'a Value, rule: &str, fact: &Value) -> Option<&'a str> {
    let index = record["facts"].as_array().unwrap().iter().position(|other| other == fact).unwrap();
    let rules = record["steps"].as_array().unwrap().iter().flat_map(|step| step["rules"].as_array().unwrap());
    let verdicts = rules.filter(|own| own["id"] == rule).flat_map(|own| own["verdicts"].as_object().unwrap());
    let mut holding = verdicts.filter(|(_, facts)| facts.as_array().unwrap().contains(&index.into()));
    holding.next().map(|(verdict, _)| verdict.as_str())
}

#[test]
fn every_printed_ratio_of_the_rule_comes_out() {
    let record = audit(MANIFEST);

    let sexes = table(&record, "resumes", "selected", &["sex"]);
    assert_eq!(sexes.len(), 2);
    for (sex, n, selected, rate, ratio) in [("male", 1390, 667, 48, "1.000"), ("female", 1181, 555, 47, "0.979")] {
        let fact = sexes[sex];
        assert_eq!((&fact["applicants"], &fact["selected"]), (&n.into(), &selected.into()));
        assert_eq!((fact["rate"]["estimate"].as_f64().unwrap() * 100.0).round(), f64::from(rate));
        assert_eq!(printed(fact, 3), ratio, "{sex}");
        assert_eq!(fact["unknown"], 250);
    }

    let both = table(&record, "resumes", "selected", &["sex", "race"]);
    assert_eq!(both.len(), 14);
    for (race, sex, n, selected, ratio) in INTERSECTIONS {
        let fact = both[&format!("{sex} {race}")];
        assert_eq!((&fact["applicants"], &fact["selected"]), (&n.into(), &selected.into()));
        assert_eq!(printed(fact, 3), ratio, "{sex} {race}");
        assert_eq!((fact["unknown"].as_u64(), fact["excluded"].as_bool()), (Some(250), Some(false)));
        // Only the 17 Native American women are below four fifths, and one decision more would take them over it.
        let expected = match (race, sex) {
            ("native", "female") => Some("inconclusive"),
            ("white", "male") => None,
            _ => Some("pass"),
        };
        assert_eq!(verdict(&record, "ll144-selection", fact), expected, "{sex} {race}");
    }
    assert_eq!(both["female native"]["flips_with"], serde_json::json!({"bound": 0.8, "people": 1}));

    let races = table(&record, "resumes-by-race", "selected", &["race"]);
    assert_eq!(races.len(), 7);
    for (race, n, selected, ratio) in RACES {
        let fact = races[race];
        assert_eq!((&fact["applicants"], &fact["selected"]), (&n.into(), &selected.into()));
        assert_eq!(printed(fact, 2), ratio, "{race}");
    }

    // holisticai 1.0.14 `disparate_impact` and `z_test_diff` of Black beside White applicants.
    let black = races["black"];
    let near = |value: &Value, expected: f64| assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value}");
    near(&black["impact_ratio"], 0.843228777694797);
    near(&black["standard_deviations"], -2.6233297421);
    near(&black["reference_ratio"]["estimate"], 0.843228777694797);
    // scipy 1.17.1 `stats.fisher_exact([[170, 220], [412, 385]])`.
    near(&black["p_value"], 0.009430110452292514);

    let scored = table(&record, "culture", "score", &["sex", "race"]);
    assert_eq!(scored.len(), 14);
    for (race, sex, n, above, rate, ratio) in SCORES {
        let fact = scored[&format!("{sex} {race}")];
        assert_eq!((&fact["applicants"], &fact["selected"]), (&n.into(), &above.into()), "{sex} {race}");
        assert_eq!((percent(fact).as_str(), printed(fact, 2).as_str()), (rate, ratio), "{sex} {race}");
        assert_eq!((&fact["unknown"], &fact["median"]), (&15.into(), &50.0.into()));
    }
    // Both at 75 %: the larger one is named, and the other's ratio is 1 as well.
    assert_eq!(scored["male hispanic"]["comparison"], "most_selected");
    assert_eq!(
        (&scored["male pacific"]["comparison"], printed(scored["male pacific"], 2).as_str()),
        (&"compared".into(), "1.00")
    );

    let sexes = table(&record, "culture", "score", &["sex"]);
    for (sex, n, rate, ratio) in [("male", 92, "54.3", "1.00"), ("female", 76, "44.7", "0.82")] {
        assert_eq!(sexes[sex]["applicants"], n);
        assert_eq!((percent(sexes[sex]).as_str(), printed(sexes[sex], 2).as_str()), (rate, ratio));
    }
    let races = table(&record, "culture", "score", &["race"]);
    // The rule prints 64.2 for 18 of 28, cut off and not rounded.
    for (race, n, rate, ratio) in [
        ("hispanic", 28, "64.3", "1.00"),
        ("white", 40, "37.5", "0.58"),
        ("black", 32, "50.0", "0.78"),
        ("pacific", 8, "62.5", "0.97"),
        ("asian", 24, "41.7", "0.65"),
        ("native", 16, "62.5", "0.97"),
        ("several", 20, "50.0", "0.78"),
    ] {
        assert_eq!(races[race]["applicants"], n);
        assert_eq!((percent(races[race]).as_str(), printed(races[race], 2).as_str()), (rate, ratio), "{race}");
    }

    for (strategy, ratio, expected) in [("four-fifths", 0.8, "pass"), ("below", 47.0 / 60.0, "fail")] {
        let women = table(&record, strategy, "selected", &["sex"])["female"];
        assert_eq!(women["impact_ratio"].as_f64(), Some(ratio));
        assert_eq!(verdict(&record, "ll144-selection", women), Some(expected));
    }

    let whole = table(&record, "whole-sample", "score", &["sex"]);
    for fact in whole.values() {
        assert_eq!((&fact["median"], &fact["selected"], &fact["unknown"]), (&4.0.into(), &0.into(), &3.into()));
        assert_eq!((&fact["comparison"], &fact["impact_ratio"]), (&"undefined".into(), &Value::Null));
    }
}

/// Unless the manifest says otherwise, categories below 2 % of the data get no ratio, and their numbers stay.
#[test]
fn small_categories_are_left_out_and_their_numbers_stay() {
    let record = audit(&MANIFEST.replace(", exclude_below: 0.0", ""));
    let left_out = |strategy: &str, outcome: &str, attributes: &[&str]| -> Vec<String> {
        let own = table(&record, strategy, outcome, attributes).into_iter();
        own.filter(|(_, fact)| fact["excluded"] == true).map(|(category, _)| category).collect()
    };
    // 17, 32 and 24 of 2,571; 41 of 2,584.
    assert_eq!(left_out("resumes", "selected", &["sex", "race"]), ["female native", "female pacific", "male native"]);
    assert_eq!(left_out("resumes-by-race", "selected", &["race"]), ["native"]);
    assert_eq!(left_out("culture", "score", &["sex", "race"]), [""; 0]);
    let both = table(&record, "resumes", "selected", &["sex", "race"]);
    let native = both["female native"];
    assert_eq!(
        (&native["applicants"], &native["selected"], &native["impact_ratio"]),
        (&17.into(), &7.into(), &Value::Null)
    );
    assert!((native["share"].as_f64().unwrap() - 17.0 / 2571.0).abs() < 1e-12);
    assert_eq!(verdict(&record, "ll144-selection", native), Some("not_applicable"));
    assert_eq!(verdict(&record, "ll144-exclusions", native), Some("pass"));
    // The others are held against the same category as before.
    assert_eq!(printed(both["male black"], 3), "0.806");
}

/// What the manifest may get wrong, told with the nearest right name.
#[test]
fn tables_of_unknown_attributes_are_refused() {
    let log = log();
    let manifest = MANIFEST.replace("[sex, race]]", "[sex, rce], [sex]]");
    let run = Audit::new().with("audit.yaml", manifest).with("people.csv", log.people).with("log.csv", log.rows).run();
    run.refused(&[
        "`rce` is not an attribute of `measure.segments`",
        "did you mean `race`?",
        "an earlier table has the same attributes",
    ]);
}
