//! Position and confounding through the whole audit: admissions at Berkeley as a log, planted gaps of place and of fit, and
//! every count against plain loops over random rows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Audit, facts};

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: contract, benefit: Less to look through. }
strategies: []
measure:
  MEASURE
rules:
  packs: [fairness]
evidence:
  SUBJECTS
  recommendations: { path: log.csv, declares: { subject_id: user.unique_id } }
";

const SUBJECTS: &str = "subjects: { path: subjects.csv, declares: { subject_id: user.unique_id } }";

/// An audit of this log under the fairness pack.
fn record(measure: &str, subjects: Option<&str>, log: &str) -> Value {
    let manifest = MANIFEST
        .replace("MEASURE", measure)
        .replace("  SUBJECTS\n", &subjects.map_or(String::new(), |_| format!("  {SUBJECTS}\n")));
    let audit = Audit::new().with("audit.yaml", manifest).with("log.csv", log);
    let audit = match subjects {
        Some(subjects) => audit.with("subjects.csv", subjects),
        None => audit,
    };
    let run = audit.run();
    assert!(run.code != Some(2), "{}", run.stderr);
    run.record()
}

/// The verdict of a rule on a fact.
fn verdict<'a>(record: &'a Value, rule: &str, fact: &Value) -> &'a str {
    let index = record["facts"].as_array().unwrap().iter().position(|of| of == fact).unwrap();
    let rules = record["steps"].as_array().unwrap().iter().flat_map(|step| step["rules"].as_array().unwrap());
    let rule = rules.into_iter().find(|of| of["id"] == rule).expect("the pack has the rule");
    let verdicts = rule["verdicts"].as_object().unwrap();
    let of = verdicts.iter().find(|(_, facts)| facts.as_array().unwrap().contains(&json!(index)));
    of.map(|(verdict, _)| verdict.as_str()).expect("the rule judged the fact")
}

#[track_caller]
fn near(got: &Value, expected: f64, within: f64) {
    let got = got.as_f64().unwrap_or_else(|| panic!("{got} is a number"));
    assert!((got - expected).abs() <= within, "{got} is not {expected}");
}

/// Departments of Berkeley, 1973 (Bickel, Hammel & O'Connell 1975; `UCBAdmissions` of R): men admitted and rejected, then
/// women.
const ADMISSIONS: [(&str, [u32; 4]); 6] = [
    ("A", [512, 313, 89, 19]),
    ("B", [353, 207, 17, 8]),
    ("C", [120, 205, 202, 391]),
    ("D", [138, 279, 131, 244]),
    ("E", [53, 138, 94, 299]),
    ("F", [22, 351, 24, 317]),
];

/// Who applied where, who they are, and whether they were admitted.
fn applications() -> Vec<(String, &'static str, &'static str, u32)> {
    let mut all = Vec::new();
    for (department, cells) in ADMISSIONS {
        for (count, (gender, admitted)) in
            cells.into_iter().zip([("male", 1), ("male", 0), ("female", 1), ("female", 0)])
        {
            for _ in 0..count {
                all.push((format!("applicant-{:04}", all.len()), department, gender, admitted));
            }
        }
    }
    all
}

/// statsmodels 0.15.0 `StratifiedTable`: M² 1.4269462 with continuity correction, p .2322635, odds ratio .9046968, risk
/// ratio .9449050, Breslow-Day with Tarone's correction 18.8255; of independent rows .7719074 to 1.0603298 around the odds
/// ratio. Crude rates are .4452 and .3035.
#[test]
fn admissions_at_berkeley_are_turned_round() {
    let (mut log, mut subjects) =
        ("subject_id,timestamp,item_id,strategy,clicked\n".to_owned(), "subject_id,gender\n".to_owned());
    for (who, department, gender, admitted) in applications() {
        log += &format!("{who},2026-03-01T08:00:00Z,place,{department},{admitted}\n");
        subjects += &format!("{who},{gender}\n");
    }
    let settings = "segments: [{ attribute: gender, reference: female }]\n  conditional: true";
    let record = record(settings, Some(&subjects), &log);
    let found = facts(&record, "conditional_parity");
    assert_eq!(found.len(), 1, "by strategy, over all of them");
    let fact = found[0];
    assert_eq!((&fact["strategy"], &fact["by"]), (&Value::Null, &json!(["strategy"])));
    assert_eq!((&fact["segment"], &fact["comparison"]), (&json!({"gender": "male"}), &json!("compared")));
    // 25 women applied to B, which is withheld; the men there are withheld with them, and so is the sum over all of it.
    assert_eq!((&fact["subjects"], &fact["impressions"], &fact["strata"]), (&Value::Null, &Value::Null, &json!(6)));
    near(&fact["crude"]["estimate"], (1198.0 / 2691.0) / (557.0 / 1835.0), 1e-9);
    near(&fact["adjusted"]["estimate"], 0.944905022595929, 1e-9);
    near(&fact["odds_ratio"]["estimate"], 0.9046968282586231, 1e-9);
    near(&fact["cmh"]["statistic"], 1.4269462285866883, 1e-9);
    near(&fact["cmh"]["p_value"], 0.23226346281704802, 1e-9);
    near(&fact["breslow_day"]["statistic"], 18.82550125205323, 1e-9);
    // Each applicant has one row, so that people and rows are as uncertain.
    near(&fact["odds_ratio"]["low"], 0.7719, 0.03);
    near(&fact["odds_ratio"]["high"], 1.0603, 0.03);
    assert!(fact["crude"]["low"].as_f64().unwrap() > 1.0 && fact["adjusted"]["low"].as_f64().unwrap() < 1.0);
    assert_eq!(fact["simpson"], "apparent", "the adjusted interval holds 1");
    assert_eq!(verdict(&record, "reversed-by-strata", fact), "inconclusive");
    assert_eq!(verdict(&record, "gap-within-strata", fact), "pass");
    // The gap of 14 points, split up by hand.
    let (men, women) = (2691.0, 1835.0);
    let (mut composition, mut within) = (0.0, 0.0);
    for (_, [a, b, c, d]) in ADMISSIONS {
        let [a, b, c, d] = [a, b, c, d].map(f64::from);
        let (p, q, r, s) = ((a + b) / men, (c + d) / women, a / (a + b), c / (c + d));
        composition += (p - q) * (r + s) / 2.0;
        within += (r - s) * (p + q) / 2.0;
    }
    near(&fact["gap"]["composition"]["estimate"], composition, 1e-12);
    near(&fact["gap"]["within"]["estimate"], within, 1e-12);
    near(&fact["gap"]["total"]["estimate"], 1198.0 / 2691.0 - 557.0 / 1835.0, 1e-12);
    assert!(fact["gap"]["explained"].as_f64().unwrap() > 1.0, "more than all of it");
    // B and the smallest other department are not shown.
    let shown: Vec<(&str, bool)> = fact["by_stratum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["stratum"].as_str().unwrap(), row["suppressed"].as_bool().unwrap()))
        .collect();
    assert_eq!(shown, [("A", true), ("B", true), ("C", false), ("D", false), ("E", false), ("F", false)]);
}

#[test]
fn rows_without_people_have_the_closed_forms() {
    let mut log = "timestamp,item_id,strategy,clicked,gender\n".to_owned();
    for (at, (_, department, gender, admitted)) in applications().into_iter().enumerate() {
        log += &format!(
            "2026-03-01T{:02}:{:02}:{:02}Z,place,{department},{admitted},{gender}\n",
            at / 3600,
            at / 60 % 60,
            at % 60
        );
    }
    let settings = "unit: impression\n  min_cell: 10\n  segments: [{ attribute: gender, reference: female }]";
    let log_only = |extra: &str| {
        let manifest = MANIFEST
            .replace("MEASURE", &format!("{settings}{extra}"))
            .replace("  SUBJECTS\n", "")
            .replace(", declares: { subject_id: user.unique_id }", "");
        let run = Audit::new().with("audit.yaml", manifest).with("log.csv", &log).run();
        assert!(run.code != Some(2), "{}", run.stderr);
        run.record()
    };
    assert!(facts(&log_only(""), "conditional_parity").is_empty(), "rows are compared so only when asked");
    let record = log_only("\n  conditional: true");
    let found = facts(&record, "conditional_parity");
    let fact = found[0];
    assert_eq!((found.len(), &fact["subjects"], &fact["impressions"]), (1, &Value::Null, &json!(2691)));
    near(&fact["odds_ratio"]["low"], 0.7719073617593505, 1e-9);
    near(&fact["odds_ratio"]["high"], 1.0603297644366558, 1e-9);
    near(&fact["p_value"], 0.23226346281704802, 1e-9);
    assert_eq!(fact["odds_ratio"]["method"], "robins_breslow_greenland");
    assert_eq!((&fact["adjusted"]["method"], &fact["crude"]["method"]), (&json!("greenland_robins"), &json!("katz")));
}

/// A small generator of numbers that any language has.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn chance(&mut self, of: f64) -> bool {
        (self.below(1_000_000) as f64) < of * 1e6
    }
}

/// 1,200 people with 10 rows each. The old are shown the second of two places in `lower` of their rows, the others in 0.2;
/// where both see the same they click `factor` times as often.
fn planted(lower: f64, factor: f64) -> Value {
    let mut draw = Numbers(7);
    let (mut log, mut subjects) =
        ("subject_id,timestamp,item_id,position,strategy,clicked\n".to_owned(), "subject_id,age\n".to_owned());
    for person in 0..1_200 {
        let old = person % 3 == 0;
        subjects += &format!("p{person},{}\n", if old { "old" } else { "mid" });
        let own = 0.5 + draw.below(1_000) as f64 / 1_000.0;
        for row in 0..10 {
            let position = 1 + u64::from(draw.chance(if old { lower } else { 0.2 }));
            let rate = if position == 1 { 0.5 } else { 0.12 } * own * if old { factor } else { 1.0 };
            let clicked = u8::from(draw.chance(rate));
            log += &format!("p{person},2026-03-01T08:00:{row:02}Z,i{row},{position},s,{clicked}\n");
        }
    }
    record("segments: [{ attribute: age }]", Some(&subjects), &log)
}

#[test]
fn a_gap_of_place_alone_is_not_one_of_fit() {
    let record = planted(0.7, 1.0);
    let found = facts(&record, "conditional_parity");
    let fact = found[0];
    assert_eq!((found.len(), &fact["by"], &fact["strategy"]), (1, &json!(["position"]), &json!("s")));
    // By design: 0.3·0.5 + 0.7·0.12 over 0.8·0.5 + 0.2·0.12.
    near(&fact["crude"]["estimate"], 0.234 / 0.424, 0.06);
    assert!(fact["crude"]["high"].as_f64().unwrap() < 0.8, "{fact}");
    let (low, high) = (fact["adjusted"]["low"].as_f64().unwrap(), fact["adjusted"]["high"].as_f64().unwrap());
    assert!(low < 1.0 && 1.0 < high && low > 0.8, "{fact}");
    near(&fact["gap"]["composition"]["estimate"], -0.19, 0.02);
    near(&fact["gap"]["explained"], 1.0, 0.15);
    assert!(fact["gap"]["within"]["interval"]["high"].as_f64().unwrap() > 0.0);
    assert_eq!(verdict(&record, "gap-within-strata", fact), "pass");
    assert_ne!(verdict(&record, "reversed-by-strata", fact), "fail");
}

#[test]
fn a_gap_of_fit_remains_in_the_same_place() {
    let record = planted(0.2, 0.6);
    let fact = facts(&record, "conditional_parity")[0];
    near(&fact["adjusted"]["estimate"], 0.6, 0.06);
    near(&fact["gap"]["within"]["estimate"], -0.17, 0.025);
    let composition = &fact["gap"]["composition"]["interval"];
    assert!(composition["low"].as_f64().unwrap() < 0.0 && composition["high"].as_f64().unwrap() > 0.0, "{fact}");
    assert_eq!((verdict(&record, "gap-within-strata", fact), &fact["simpson"]), ("fail", &json!("none")));
}

/// Lower places for those who make more of each: the whole says the opposite of every part.
#[test]
fn a_reversal_is_certain_where_both_intervals_say_so() {
    let record = planted(0.9, 1.35);
    let fact = facts(&record, "conditional_parity")[0];
    assert_eq!((&fact["simpson"], &fact["large_strata_opposite"]), (&json!("certain"), &json!(2)), "{fact}");
    assert_eq!(verdict(&record, "reversed-by-strata", fact), "fail");
    assert_eq!(verdict(&record, "gap-within-strata", fact), "pass");
}

struct Row {
    person: u64,
    strategy: &'static str,
    position: Option<u64>,
    slot: Option<u64>,
    clicked: Option<bool>,
    converted: bool,
}

/// Rows with everything that may be missing, people in several strategies, positions past 10, 60 slots.
fn rows() -> Vec<Row> {
    let mut draw = Numbers(3);
    let row = |_| {
        let person = draw.below(400);
        let strategy = ["one", "two", "three"][draw.below(3) as usize];
        let position = draw.below(17);
        let slot = draw.below(60).min(draw.below(60));
        let rate = if person.is_multiple_of(2) { 0.3 } else { 0.2 } / (1.0 + position as f64 / 8.0);
        let clicked = draw.chance(rate);
        Row {
            person,
            strategy,
            position: (position > 0).then_some(position),
            slot: (slot > 2).then_some(slot),
            clicked: (draw.below(20) > 0).then_some(clicked),
            converted: draw.chance(0.1),
        }
    };
    (0..9_000).map(row).collect()
}

/// Attributes by person; some are not known.
fn attribute(name: &str, person: u64) -> String {
    let of: &[&str] = if name == "age" { &["", "young", "mid", "old"] } else { &["north", "south"] };
    let at = if name == "age" { person % 7 % 4 } else { person / 3 % 2 };
    of[at as usize].to_owned()
}

/// People, impressions and events of the segment and of the reference.
type Sides = [(BTreeSet<u64>, f64, f64); 2];

#[test]
fn counts_and_ratios_are_those_of_plain_loops() {
    let rows = rows();
    let mut log = "subject_id,timestamp,item_id,position,strategy,clicked,converted,slot\n".to_owned();
    let text = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    for (at, row) in rows.iter().enumerate() {
        let clicked = row.clicked.map(|clicked| u8::from(clicked).to_string()).unwrap_or_default();
        log += &format!(
            "p{},2026-03-01T{:02}:{:02}:{:02}Z,i{at},{},{},{clicked},{},{}\n",
            row.person,
            at / 3600,
            at / 60 % 60,
            at % 60,
            text(row.position),
            row.strategy,
            u8::from(row.converted),
            text(row.slot),
        );
    }
    let mut subjects = "subject_id,age,region\n".to_owned();
    for person in 0..400 {
        subjects += &format!("p{person},{},{}\n", attribute("age", person), attribute("region", person));
    }
    let settings = "segments: [{ attribute: age, reference: mid }, { attribute: region, reference: north }]\n  min_cell: 20\n  within: [slot, position]";
    let record = record(settings, Some(&subjects), &log);
    let found = facts(&record, "conditional_parity");
    // Of each metric: the two values and the unknown of one attribute, one value of the other; by position and slot in three
    // strategies, and over all of them by strategy and by position and strategy.
    assert_eq!(found.len(), 2 * (3 + 1) * (2 * 3 + 2));

    // The 40 slots with most rows stand alone.
    let mut slots: BTreeMap<String, u64> = BTreeMap::new();
    let slot_of = |row: &Row| row.slot.map_or("(unknown)".to_owned(), |slot| slot.to_string());
    for row in &rows {
        *slots.entry(slot_of(row)).or_default() += 1;
    }
    let mut ranked: Vec<_> = slots.into_iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let kept: BTreeSet<String> = ranked.into_iter().take(40).map(|(slot, _)| slot).collect();
    let level = |row: &Row, by: &str| match by {
        "strategy" => row.strategy.to_owned(),
        "position" => match row.position {
            Some(11..) => "11+".to_owned(),
            Some(position) => position.to_string(),
            None => "(unknown)".to_owned(),
        },
        _ => Some(slot_of(row)).filter(|slot| kept.contains(slot)).unwrap_or_else(|| "(other)".to_owned()),
    };
    for fact in found {
        let (name, value) = fact["segment"].as_object().unwrap().iter().next().unwrap();
        let value = value.as_str().unwrap();
        let reference = fact["reference"][name].as_str().unwrap();
        let by: Vec<&str> = fact["by"].as_array().unwrap().iter().map(|by| by.as_str().unwrap()).collect();
        let mut people: BTreeSet<u64> = BTreeSet::new();
        // People, impressions and events of the segment and of the reference, by stratum.
        let mut strata: BTreeMap<Vec<String>, Sides> = BTreeMap::new();
        for row in &rows {
            let event = if fact["metric"] == "click" { row.clicked } else { Some(row.converted) };
            let own = attribute(name, row.person);
            let own = if own.is_empty() { "(unknown)" } else { &own };
            let side = [value, reference].iter().position(|of| *of == own);
            let here = fact["strategy"].is_null() || fact["strategy"] == row.strategy;
            let (Some(event), Some(side), true) = (event, side, here) else { continue };
            let key = by.iter().map(|by| level(row, by)).collect();
            let cell = &mut strata.entry(key).or_default()[side];
            cell.0.insert(row.person);
            cell.1 += 1.0;
            cell.2 += f64::from(u8::from(event));
            if side == 0 {
                people.insert(row.person);
            }
        }
        let sum = |of: &dyn Fn(&Sides) -> f64| strata.values().map(of).sum::<f64>();
        assert_eq!(fact["subjects"], people.len(), "{fact}");
        near(&fact["impressions"], sum(&|s| s[0].1), 0.0);
        if value == "(unknown)" {
            assert_eq!((&fact["comparison"], &fact["crude"]), (&json!("unknown"), &Value::Null));
            continue;
        }
        near(
            &fact["crude"]["estimate"],
            sum(&|s| s[0].2) / sum(&|s| s[0].1) / (sum(&|s| s[1].2) / sum(&|s| s[1].1)),
            1e-9,
        );
        let part = |top: f64, n: f64, m: f64| if n + m > 0.0 { top / (n + m) } else { 0.0 };
        let ours = sum(&|s| part(s[0].2 * s[1].1, s[0].1, s[1].1));
        let theirs = sum(&|s| part(s[1].2 * s[0].1, s[0].1, s[1].1));
        near(&fact["adjusted"]["estimate"], ours / theirs, 1e-9);
        let compared = strata.values().filter(|s| s[0].1 * s[1].1 > 0.0 && s[0].2 + s[1].2 > 0.0).count();
        assert_eq!(fact["strata"], compared, "{fact}");
        assert_eq!(fact["strata_left_out"], strata.len() - compared);
        let table = fact["by_stratum"].as_array().unwrap();
        assert_eq!(table.len(), if by.len() == 1 { strata.len() } else { 0 });
        let few = |n: usize| n > 0 && n < 20;
        let small = strata.values().filter(|s| few(s[0].0.len()) || few(s[1].0.len())).count();
        for row in table {
            let of = &strata[&vec![row["stratum"].as_str().unwrap().to_owned()]];
            let suppressed = few(of[0].0.len()) || few(of[1].0.len());
            assert!(row["suppressed"] == suppressed || small == 1, "{row}");
            if row["suppressed"] == true {
                assert_eq!((&row["units"], &row["rate"]), (&Value::Null, &Value::Null));
                continue;
            }
            assert_eq!((&row["units"], &row["reference_units"]), (&json!(of[0].0.len()), &json!(of[1].0.len())));
            near(&row["impressions"], of[0].1, 0.0);
            near(&row["reference_rate"], of[1].2 / of[1].1, 1e-12);
        }
    }
}

#[test]
fn it_is_left_out_where_nobody_asks_and_there_is_no_position() {
    let log = "subject_id,timestamp,item_id,strategy,clicked\np1,2026-03-01T08:00:00Z,a,s,1\n";
    let record = record("segments: [{ attribute: age }]", Some("subject_id,age\np1,old\n"), log);
    assert!(facts(&record, "conditional_parity").is_empty());
    let rules = record["steps"].as_array().unwrap().iter().flat_map(|step| step["rules"].as_array().unwrap());
    let rule = rules.into_iter().find(|rule| rule["id"] == "gap-within-strata").unwrap();
    assert_eq!(rule["status"], "not_evidenced");
    assert!(rule["reason"].as_str().unwrap().contains("measure.conditional: true"), "{rule}");
}
