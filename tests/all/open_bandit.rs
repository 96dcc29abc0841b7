//! Real input: the Open Bandit sample, 60,000 impressions of a shop. Every number that the record says about it is
//! worked out here again, from the raw files with plain loops and from the formulas as the textbooks print them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const STRATEGIES: [&str; 2] = ["random", "bts"];
const CAMPAIGNS: [&str; 3] = ["all", "men", "women"];
const FEATURES: [&str; 4] = ["user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3"];
const MIN_CELL: u64 = 30;
/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959963984540054;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/open-bandit")
}

/// The bytes of a log file, named as in the manifest.
fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| {
        panic!("cannot read {name} of the Open Bandit sample ({error}): run `fixtures/open-bandit/fetch` first")
    })
}

fn file_names() -> Vec<String> {
    STRATEGIES.iter().flat_map(|s| CAMPAIGNS.iter().map(move |c| format!("data/{s}/{c}.csv"))).collect()
}

/// The record of an audit by the program itself, made once for all tests here.
fn record() -> &'static Value {
    static RECORD: OnceLock<Value> = OnceLock::new();
    RECORD.get_or_init(|| {
        for name in file_names() {
            file(&name);
        }
        let out = tempfile::tempdir().unwrap();
        let mut audit = cargo_bin_cmd!("probity");
        audit.arg("audit").arg(folder().join("audit.yaml")).arg("--out").arg(out.path());
        // No legal basis is declared, so the gate is red.
        audit.assert().code(1);
        serde_json::from_slice(&std::fs::read(out.path().join("audit.json")).unwrap()).unwrap()
    })
}

fn facts(kind: &str) -> Vec<&'static Value> {
    record()["facts"].as_array().unwrap().iter().filter(|fact| fact["kind"] == kind).collect()
}

/// Clicks and impressions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Count {
    x: u64,
    n: u64,
}

impl Count {
    fn rate(self) -> f64 {
        self.x as f64 / self.n as f64
    }
}

/// Strategy, attribute and position (empty for all): the segments that are compared with each other.
type Group = (String, String, String);

/// Counts by group and value, straight from the files.
fn counts() -> &'static BTreeMap<Group, BTreeMap<String, Count>> {
    static COUNTS: OnceLock<BTreeMap<Group, BTreeMap<String, Count>>> = OnceLock::new();
    COUNTS.get_or_init(|| {
        let mut counts: BTreeMap<Group, BTreeMap<String, Count>> = BTreeMap::new();
        for strategy in STRATEGIES {
            for campaign in CAMPAIGNS {
                let bytes = file(&format!("data/{strategy}/{campaign}.csv"));
                for row in csv::Reader::from_reader(bytes.as_slice()).deserialize::<BTreeMap<String, String>>() {
                    let row = row.unwrap();
                    let click: u64 = row["click"].parse().unwrap();
                    let mut values: Vec<(&str, &str)> = FEATURES.iter().map(|f| (*f, row[*f].as_str())).collect();
                    values.push(("campaign", campaign));
                    for (attribute, value) in values {
                        for position in ["", row["position"].as_str()] {
                            let group = (strategy.to_owned(), attribute.to_owned(), position.to_owned());
                            let count = counts.entry(group).or_default().entry(value.to_owned()).or_default();
                            count.n += 1;
                            count.x += click;
                        }
                    }
                }
            }
        }
        counts
    })
}

/// The fact about one segment.
fn fact_of((strategy, attribute, position): &Group, value: &str) -> &'static Value {
    let within = if position.is_empty() { json!({}) } else { json!({ "position": position }) };
    let found: Vec<&Value> = facts("outcome_parity")
        .into_iter()
        .filter(|fact| {
            fact["strategy"] == *strategy && fact["segment"] == json!({ attribute: value }) && fact["within"] == within
        })
        .collect();
    assert_eq!(found.len(), 1, "facts about {strategy}, {attribute}={value}, position {position:?}");
    found[0]
}

fn group(strategy: &str, attribute: &str, position: &str) -> Group {
    (strategy.to_owned(), attribute.to_owned(), position.to_owned())
}

/// The value that a segment is compared with: the manifest's, else the one with most impressions under both strategies.
fn reference(attribute: &str) -> String {
    if attribute == "campaign" {
        return "all".to_owned();
    }
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for strategy in STRATEGIES {
        for (value, count) in &counts()[&group(strategy, attribute, "")] {
            *totals.entry(value).or_default() += count.n;
        }
    }
    let largest = totals.iter().max_by_key(|(_, n)| **n).unwrap();
    assert_eq!(totals.values().filter(|n| *n == largest.1).count(), 1, "a tie for the largest {attribute}");
    (*largest.0).to_owned()
}

#[track_caller]
fn assert_interval(got: &Value, (estimate, low, high): (f64, f64, f64), method: &str) {
    let close = |field: &str, expected: f64| {
        let value = got[field].as_f64().unwrap_or_else(|| panic!("no {field} in {got}"));
        let tolerance = 1e-9 * expected.abs().max(1.0);
        assert!((value - expected).abs() <= tolerance, "{field} is {value}, expected {expected}");
    };
    close("estimate", estimate);
    close("low", low);
    close("high", high);
    assert_eq!((&got["level"], &got["method"]), (&json!(0.95), &json!(method)));
}

/// Wilson (1927): the roots p of (p̂ − p)² = z²·p(1 − p)/n.
fn wilson(count: Count) -> (f64, f64, f64) {
    let (n, p) = (count.n as f64, count.rate());
    let (a, b, c) = (1.0 + Z * Z / n, -(2.0 * p + Z * Z / n), p * p);
    let root = (b * b - 4.0 * a * c).sqrt();
    (p, (-b - root) / (2.0 * a), (-b + root) / (2.0 * a))
}

/// Newcombe (1998), method 10: the difference, with the distances to Wilson's limits squared and added.
fn newcombe(a: Count, b: Count) -> (f64, f64, f64) {
    let ((p1, l1, u1), (p2, l2, u2)) = (wilson(a), wilson(b));
    let difference = p1 - p2;
    let low = difference - ((p1 - l1).powi(2) + (u2 - p2).powi(2)).sqrt();
    (difference, low, difference + ((u1 - p1).powi(2) + (p2 - l2).powi(2)).sqrt())
}

/// Katz et al. (1978): the log of the ratio and its variance 1/x₁ − 1/n₁ + 1/x₂ − 1/n₂, with ½ added to every cell when
/// one is empty.
fn katz_log(a: Count, b: Count) -> (f64, f64) {
    let add = if [a, b].iter().any(|c| c.x == 0 || c.x == c.n) { 0.5 } else { 0.0 };
    let [(x1, n1), (x2, n2)] = [a, b].map(|c| (c.x as f64 + add, c.n as f64 + 2.0 * add));
    (((x1 / n1) / (x2 / n2)).ln(), 1.0 / x1 - 1.0 / n1 + 1.0 / x2 - 1.0 / n2)
}

/// The ratio with its limits, which always include it; None when the denominator is zero.
fn katz(a: Count, b: Count) -> Option<(f64, f64, f64)> {
    let (log, variance) = katz_log(a, b);
    let ratio = a.rate() / b.rate();
    let half = Z * variance.sqrt();
    (b.x > 0).then(|| (ratio, ratio.min((log - half).exp()), ratio.max((log + half).exp())))
}

/// The two-sided p of the pooled z-test; the normal density is integrated by Simpson's rule.
fn z_test(a: Count, b: Count) -> Option<f64> {
    let (n1, n2) = (a.n as f64, b.n as f64);
    let pooled = (a.x + b.x) as f64 / (n1 + n2);
    let z = (a.rate() - b.rate()).abs() / (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let steps = 2000;
    let inner: f64 =
        (1..steps).map(|i| f64::from(2 + 2 * (i % 2)) * density(z * f64::from(i) / f64::from(steps))).sum();
    let half = z / f64::from(steps) / 3.0 * (density(0.0) + inner + density(z));
    (a.x + b.x > 0).then_some(1.0 - 2.0 * half)
}

#[test]
fn the_evidence_is_named_with_its_hashes_and_rows() {
    let listed: BTreeMap<String, String> = std::fs::read_to_string(folder().join("SHA256SUMS"))
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once("  ").map(|(hash, name)| (name.to_owned(), hash.to_owned())))
        .collect();
    let evidence = record()["evidence"].as_array().unwrap();
    let logs: Vec<&Value> = evidence.iter().filter(|file| file["role"] == "recommendations").collect();
    assert_eq!(logs.len(), 6);
    for name in file_names() {
        let bytes = file(&name);
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sha256, listed[&name], "{name}: fetch it again with `fixtures/open-bandit/fetch`");
        let rows = csv::Reader::from_reader(bytes.as_slice()).records().count();
        let entry = json!({
            "role": "recommendations", "path": name, "format": "csv", "rows": rows, "rejected": 0, "sha256": sha256,
        });
        assert!(logs.contains(&&entry), "no {entry} among {logs:?}");
    }
    let roles: BTreeSet<&str> = evidence.iter().filter_map(|file| file["role"].as_str()).collect();
    assert_eq!(roles, BTreeSet::from(["manifest", "recommendations"]));
}

#[test]
fn decisions_and_times_are_those_of_the_files() {
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    let mut times = BTreeSet::new();
    for strategy in STRATEGIES {
        for campaign in CAMPAIGNS {
            let bytes = file(&format!("data/{strategy}/{campaign}.csv"));
            for row in csv::Reader::from_reader(bytes.as_slice()).records() {
                *rows.entry(strategy).or_default() += 1;
                times.insert(row.unwrap()[1].replace(' ', "T").replace("+00:00", "Z"));
            }
        }
    }
    let purposes = facts("purpose");
    assert_eq!(purposes.len(), 2);
    for fact in purposes {
        assert_eq!(fact["decisions"], rows[fact["strategy"].as_str().unwrap()]);
    }
    assert_eq!(record()["system"]["first_decision"], *times.first().unwrap());
    assert_eq!(record()["system"]["last_decision"], *times.last().unwrap());
}

#[test]
fn every_segment_has_its_counts_and_rates() {
    let expected: usize = counts().values().map(BTreeMap::len).sum();
    assert_eq!(facts("outcome_parity").len(), expected);
    for (group, values) in counts() {
        let suppressed = values.values().filter(|count| count.n < MIN_CELL).count();
        let shown = values.iter().filter(|(_, count)| count.n >= MIN_CELL);
        // A single hidden count would be the total less the others, so the smallest of those is withheld too.
        let withheld = shown.min_by_key(|(value, count)| (count.n, *value)).filter(|_| suppressed == 1);
        for (value, count) in values {
            let fact = fact_of(group, value);
            assert_eq!((&fact["unit"], &fact["metric"]), (&json!("impression"), &json!("click")));
            assert_eq!(fact["subjects"], Value::Null);
            let counts_withheld = withheld.is_some_and(|(smallest, _)| smallest == value);
            // A Wilson interval tells its n, so the withheld cell shows nothing at all.
            let hidden = count.n < MIN_CELL || counts_withheld;
            assert_eq!(fact["suppressed"], hidden, "{fact}");
            assert_eq!(fact["counts_withheld"], counts_withheld, "{fact}");
            if hidden {
                assert_eq!(fact["impressions"], Value::Null, "{fact}");
                assert_eq!(fact["comparison"], "suppressed");
                for number in ["rate", "ratio", "difference", "p_value", "q_value", "most_favoured", "to_decide"] {
                    assert_eq!(fact[number], Value::Null, "{number} of a suppressed cell: {fact}");
                }
            } else {
                assert_eq!(fact["impressions"], count.n, "{fact}");
                assert_interval(&fact["rate"], wilson(*count), "wilson");
            }
        }
    }
}

#[test]
fn every_comparison_is_the_textbook_one() {
    let mut p_values = Vec::new();
    for (group, values) in counts() {
        let reference = reference(&group.1);
        let base = values[&reference];
        assert!(base.n >= MIN_CELL, "the reference is large");
        let mut large: Vec<(&String, Count)> =
            values.iter().map(|(v, c)| (v, *c)).filter(|c| c.1.n >= MIN_CELL).collect();
        if values.len() - large.len() == 1 {
            let smallest = large.iter().min_by_key(|(value, count)| (count.n, *value)).unwrap().0;
            large.retain(|(value, _)| *value != smallest);
        }
        let top = large.iter().map(|(_, count)| count.rate()).fold(0.0, f64::max);
        let (best, best_count) = large.iter().find(|(_, count)| count.rate() == top).unwrap();
        for (value, count) in &large {
            let fact = fact_of(group, value);
            assert_eq!(fact["reference"], json!({ group.1.as_str(): reference }));
            assert_interval(&fact["reference_rate"], wilson(base), "wilson");
            let favoured = &fact["most_favoured"];
            assert_eq!(favoured["segment"], json!({ group.1.as_str(): best }), "{fact}");
            match katz(*count, *best_count).filter(|_| value != best) {
                Some(ratio) => assert_interval(&favoured["ratio"], ratio, "katz"),
                None => assert_eq!(favoured["ratio"], Value::Null),
            }
            if **value == reference {
                assert_eq!(fact["comparison"], "reference");
                for number in ["ratio", "difference", "p_value", "q_value", "to_decide"] {
                    assert_eq!(fact[number], Value::Null, "{number} of the reference: {fact}");
                }
                continue;
            }
            assert_interval(&fact["difference"], newcombe(*count, base), "newcombe");
            let Some(ratio) = katz(*count, base) else {
                assert_eq!((&fact["comparison"], &fact["ratio"]), (&json!("undefined"), &Value::Null));
                continue;
            };
            assert_eq!(fact["comparison"], "compared");
            assert_interval(&fact["ratio"], ratio, "katz");
            let p = z_test(*count, base).unwrap();
            assert!((fact["p_value"].as_f64().unwrap() - p).abs() < 1e-9, "p is {p}: {fact}");
            p_values.push((p, fact));
            check_to_decide(fact, *count, base, ratio);
        }
    }
    // Benjamini & Hochberg (1995): the least p·m/rank among this and all larger p.
    p_values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut q: f64 = 1.0;
    for (index, (p, fact)) in p_values.iter().enumerate().rev() {
        q = q.min(p * p_values.len() as f64 / (index + 1) as f64);
        assert!((fact["q_value"].as_f64().unwrap() - q).abs() < 1e-9, "q is {q}: {fact}");
    }
    assert!(p_values.len() > 100, "{} comparisons", p_values.len());
}

/// Katz's half width z·√(V·n₁/units) falls to the distance of the log ratio from the bound at z²·V·n₁/distance² units.
fn check_to_decide(fact: &Value, count: Count, base: Count, (_, low, high): (f64, f64, f64)) {
    let bound: f64 = 0.8;
    if count.x == 0 || !(low < bound && bound <= high) {
        assert_eq!(fact["to_decide"], Value::Null, "{fact}");
        return;
    }
    let (log, variance) = katz_log(count, base);
    let needed = Z * Z * variance * count.n as f64 / (log - bound.ln()).powi(2);
    let units = fact["to_decide"]["units"].as_f64().unwrap();
    assert_eq!(fact["to_decide"]["bound"], bound);
    assert!(units >= needed * (1.0 - 1e-9) && units <= (needed + 1.0) * (1.0 + 1e-9), "{needed} needed: {fact}");
}

#[test]
fn what_nobody_handed_over_never_passes() {
    assert_eq!(record()["system"]["settings"]["unit"], "impression");
    assert_eq!(record()["system"]["policy"], Value::Null);
    let quality: BTreeMap<&str, &Value> =
        facts("evidence_quality").into_iter().map(|fact| (fact["role"].as_str().unwrap(), fact)).collect();
    for role in ["data_map", "consent_policy", "consent_records", "subjects", "items"] {
        assert_eq!(quality[role]["given"], false, "{role}");
    }
    let log = quality["recommendations"];
    assert_eq!((&log["given"], &log["subjects"]), (&json!(true), &Value::Null));
    let missing = log["columns_missing"].as_array().unwrap();
    assert!(missing.contains(&json!("subject_id")) && !missing.contains(&json!("propensity")), "{missing:?}");

    for kind in ["field", "data_use", "join"] {
        assert!(facts(kind).is_empty(), "{kind}");
    }
    let (mut asked, mut steps) = (0, BTreeMap::new());
    for step in record()["steps"].as_array().unwrap() {
        steps.insert(step["id"].as_str().unwrap(), step["status"].as_str().unwrap());
        for rule in step["rules"].as_array().unwrap() {
            if ["field", "data_use", "join"].iter().any(|kind| rule["on"] == *kind) {
                asked += 1;
                assert_eq!(rule["status"], "not_evidenced", "{rule}");
                assert!(rule["verdicts"].get("pass").is_none(), "{rule}");
                assert!(rule["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{rule}");
            }
        }
    }
    assert!(asked >= 10, "only {asked} rules ask about inputs and consent");
    assert_eq!(steps["map-data-sensitivity"], "not_evidenced");
    assert_eq!(steps["design-for-choice"], "not_evidenced");
}

/// The click rates of the campaign `all` that the publisher's own pipeline prints for this sample, in the notebook
/// `examples/quickstart/obd.ipynb` of st-tech/zr-obp (obp 0.5.4). It shows the estimates of the value of `bts` (0.004553
/// by IPW, 0.004727 by DR), each over the click rate of `random` (1.198126, 1.244027), and their relative errors
/// against the click rate of `bts` (0.084019, 0.125548); so both click rates follow.
#[test]
fn click_rates_agree_with_the_publishers_notebook() {
    let rate = |strategy: &str| fact_of(&group(strategy, "campaign", ""), "all")["rate"]["estimate"].as_f64().unwrap();
    for (estimate, relative_value, relative_error) in [(0.004553, 1.198126, 0.084019), (0.004727, 1.244027, 0.125548)] {
        // Printed to the sixth decimal, so known to 1 in 9,000.
        let (random, bts): (f64, f64) = (estimate / relative_value, estimate / (1.0 + relative_error));
        assert!((rate("random") / random - 1.0).abs() < 2e-4, "{} is not {random}", rate("random"));
        assert!((rate("bts") / bts - 1.0).abs() < 2e-4, "{} is not {bts}", rate("bts"));
    }
}

/// pandas 3.1.1: `groupby(["strategy", "campaign"]).click` and `groupby(["strategy", "user_feature_0"]).click` of the
/// six files together, `.agg(["sum", "size"])`; statsmodels 0.15.0 on those counts: `proportion_confint(x, n,
/// method="wilson")`, `confint_proportions_2indep(…, compare="diff", method="newcomb")` and `(compare="ratio",
/// method="log")`, `proportions_ztest`.
#[test]
fn counts_and_intervals_agree_with_pandas_and_statsmodels() {
    let cef = "cef3390ed299c09874189c387777674a";
    let eighty_one = "81ce123cbb5bd8ce818f60fb3586bba5";
    for (strategy, attribute, value, x, n) in [
        ("random", "campaign", "all", 38, 10_000),
        ("random", "campaign", "men", 46, 10_000),
        ("random", "campaign", "women", 46, 10_000),
        ("bts", "campaign", "all", 42, 10_000),
        ("bts", "campaign", "men", 69, 10_000),
        ("bts", "campaign", "women", 46, 10_000),
        ("random", "user_feature_0", cef, 53, 10_715),
        ("random", "user_feature_0", eighty_one, 77, 19_132),
        ("bts", "user_feature_0", cef, 68, 10_882),
        ("bts", "user_feature_0", eighty_one, 86, 18_981),
    ] {
        let fact = fact_of(&group(strategy, attribute, ""), value);
        assert_eq!(fact["impressions"], n, "{strategy} {attribute}={value}");
        assert!((fact["rate"]["estimate"].as_f64().unwrap() - f64::from(x) / f64::from(n)).abs() < 1e-15, "{fact}");
    }
    let men = fact_of(&group("bts", "campaign", ""), "men");
    assert_interval(&men["reference_rate"], (0.0042, 0.0031088769681385277, 0.005671895816224385), "wilson");
    assert_interval(&men["difference"], (0.0027, 0.0006381998033857419, 0.0048241546514086525), "newcombe");
    assert_interval(&men["ratio"], (69.0 / 42.0, 1.120590462383424, 2.4085334316483284), "katz");
    assert!((men["p_value"].as_f64().unwrap() - 0.010173730317528376).abs() < 1e-9);
    let feature = fact_of(&group("random", "user_feature_0", ""), cef);
    let ratio = (53.0 / 10_715.0) / (77.0 / 19_132.0);
    assert_interval(&feature["ratio"], (ratio, 0.8669197272180654, 1.7423194982817347), "katz");
    assert!((feature["p_value"].as_f64().unwrap() - 0.24608346327734498).abs() < 1e-9);
}

/// obp 0.4.1 on the same files: `OpenBanditDataset.calc_on_policy_policy_value_estimate(behavior_policy, campaign)`, and the
/// mean `reward` at each `position` of `OpenBanditDataset(behavior_policy, campaign).obtain_batch_bandit_feedback()`.
#[test]
fn values_of_both_policies_are_those_of_obp() {
    for (strategy, campaign, value, by_position) in [
        ("random", "all", 0.0038, [0.0039133052378085495, 0.004103165298944901, 0.0033680342927127987]),
        ("random", "men", 0.0046, [0.0030450669914738123, 0.006493506493506494, 0.004206730769230769]),
        ("random", "women", 0.0046, [0.0045058576148993695, 0.004445761707172495, 0.004852896572641796]),
        ("bts", "all", 0.0042, [0.003271861986912552, 0.004522158577027435, 0.004817825956037338]),
        ("bts", "men", 0.0069, [0.008984725965858042, 0.006437768240343348, 0.00529567519858782]),
        ("bts", "women", 0.0046, [0.005170316301703163, 0.00505952380952381, 0.003579952267303103]),
    ] {
        let rate = |position: &str| {
            let fact = fact_of(&group(strategy, "campaign", position), campaign);
            fact["rate"]["estimate"].as_f64().unwrap()
        };
        assert!((rate("") - value).abs() < 1e-12, "{strategy} {campaign}");
        for (position, expected) in ["1", "2", "3"].into_iter().zip(by_position) {
            assert!((rate(position) - expected).abs() < 1e-12, "{strategy} {campaign} {position}");
        }
    }
}
