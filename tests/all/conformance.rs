//! The conformance table of consent: every folder of `fixtures/conformance` is one case, audited by itself, and the
//! record says what the folder's `expect.yaml` says: no more, no less.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/conformance");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md");

/// What tells one fact from another.
const NAMES: [&str; 8] =
    ["kind", "strategy", "operation", "category", "contexts", "jurisdiction", "policy_version", "role"];
/// The kinds of which a case expects every fact.
const WHOLE: [&str; 2] = ["data_use", "join"];
/// The kinds whose rules a case expects whole: what fails there and is not named fails the test.
const JUDGED: [&str; 3] = ["coverage", "data_use", "join"];
/// Rules whose failure says that something could not be judged.
const GAPS: [&str; 2] = ["unknown-consent", "unjudged-decisions"];

/// `expect.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    case: String,
    happens: String,
    verdict: Verdict,
    proof: String,
    /// Why the audit does not say yet what it should.
    not_yet: Option<String>,
    facts: Vec<Value>,
    #[serde(default)]
    fails: Strategies,
    #[serde(default)]
    passes: Strategies,
    #[serde(default)]
    not_evidenced: Strategies,
}

/// Rules, each with the strategies of the facts that got one verdict.
type Strategies = BTreeMap<String, BTreeSet<String>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Fail,
    Gap,
    InGrace,
    NotJudged,
    Pass,
}

impl Verdict {
    fn label(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Gap => "gap",
            Self::InGrace => "in grace",
            Self::NotJudged => "not judged",
            Self::Pass => "pass",
        }
    }
}

struct Case {
    folder: String,
    expected: Expected,
}

/// Cases whose folders begin with a letter, in order.
fn cases(letter: &str) -> Vec<Case> {
    let entries = std::fs::read_dir(CASES).expect("there are cases");
    let mut folders: Vec<String> =
        entries.map(|entry| entry.expect("a folder").file_name().to_string_lossy().into_owned()).collect();
    folders.retain(|folder| folder.starts_with(letter));
    folders.sort();
    let read = |folder: String| {
        let path = Path::new(CASES).join(&folder).join("expect.yaml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let expected: Expected =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Case { folder, expected }
    };
    folders.into_iter().map(read).collect()
}

impl Case {
    fn audit(&self) -> Value {
        let out = tempfile::tempdir().expect("a temporary folder");
        let out: PathBuf = out.path().join("report");
        let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
        command.current_dir(Path::new(CASES).join(&self.folder)).args(["audit", "audit.yaml", "--out"]).arg(&out);
        let output = command.env("NO_COLOR", "1").output().expect("the program runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        // Where nothing could be judged the gate says so.
        let codes: &[i32] = if self.expected.verdict == Verdict::NotJudged { &[3] } else { &[0, 1] };
        assert!(output.status.code().is_some_and(|code| codes.contains(&code)), "{}: {stderr}", self.folder);
        let text = std::fs::read_to_string(out.join("audit.json")).expect("there is a record");
        serde_json::from_str(&text).expect("the record is JSON")
    }

    /// Everything in which the record is not what was expected.
    fn faults(&self, record: &Value) -> Vec<String> {
        let mut faults = self.facts(record);
        faults.extend(self.rules(record));
        faults
    }

    fn facts(&self, record: &Value) -> Vec<String> {
        let facts = record["facts"].as_array().expect("facts");
        let (mut faults, mut found) = (Vec::new(), BTreeSet::new());
        for expected in self.expected.facts.iter().flat_map(each_strategy) {
            let same = |fact: &Value| NAMES.iter().all(|name| expected.get(name).is_none_or(|own| fact[name] == *own));
            let matching: Vec<usize> = (0..facts.len()).filter(|&index| same(&facts[index])).collect();
            let [index] = matching[..] else {
                faults.push(format!("{} facts are {expected}", matching.len()));
                continue;
            };
            found.insert(index);
            let (fact, expected) = (&facts[index], expected.as_object().expect("a fact"));
            let differs = expected.iter().filter(|(name, value)| fact[name.as_str()] != **value);
            faults.extend(differs.map(|(name, value)| format!("{name} is not {value}: {fact}")));
            // Every count of decisions that a case does not state is none.
            let counts = fact.as_object().expect("a fact").iter().filter(|(name, _)| name.starts_with("events"));
            let unstated = counts.filter(|(name, count)| !expected.contains_key(name.as_str()) && **count != 0);
            faults.extend(unstated.map(|(name, count)| format!("{name} is {count} and not stated: {fact}")));
        }
        let whole = (0..facts.len()).filter(|&index| WHOLE.iter().any(|kind| facts[index]["kind"] == *kind));
        let unexpected = whole.filter(|index| !found.contains(index));
        faults.extend(unexpected.map(|index| format!("nobody expected {}", facts[index])));
        faults
    }

    fn rules(&self, record: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        for (verdict, expected) in [("fail", &self.expected.fails), ("not_evidenced", &self.expected.not_evidenced)] {
            let told = told(record, verdict, |on, rule| JUDGED.contains(&on) || expected.contains_key(rule));
            if told != *expected {
                faults.push(format!("{verdict}: {told:?} is not {expected:?}"));
            }
        }
        let passed = told(record, "pass", |_, _| true);
        for (rule, strategies) in &self.expected.passes {
            if !passed.get(rule).is_some_and(|passed| strategies.is_subset(passed)) {
                faults.push(format!("`{rule}` does not pass for {strategies:?}"));
            }
        }
        faults
    }

    /// The verdict that follows from what the case expects of facts and rules.
    fn follows(&self) -> Verdict {
        let Expected { facts, fails, not_evidenced, .. } = &self.expected;
        let count = |name: &str| facts.iter().any(|fact| fact.get(name).is_some());
        if fails.keys().any(|rule| !GAPS.contains(&rule.as_str())) {
            Verdict::Fail
        } else if !fails.is_empty() || !not_evidenced.is_empty() {
            Verdict::Gap
        } else if count("events_in_grace") {
            Verdict::InGrace
        } else if count("events_before_policy") {
            Verdict::NotJudged
        } else {
            Verdict::Pass
        }
    }

    /// Its line in the table.
    fn row(&self) -> String {
        let (expected, folder) = (&self.expected, &self.folder);
        let verdict = match expected.not_yet {
            Some(_) => format!("**not yet** ({} is right)", expected.verdict.label()),
            None => expected.verdict.label().to_owned(),
        };
        let proof = expected.not_yet.as_ref().unwrap_or(&expected.proof);
        let cells = [&expected.case, &expected.happens, &verdict, proof].map(|text| text.trim().replace('|', "\\|"));
        format!("| {} | [{folder}](../fixtures/conformance/{folder}) |", cells.join(" | "))
    }
}

/// A fact of several strategies stands for one of each.
fn each_strategy(fact: &Value) -> Vec<Value> {
    let with = |key: &str, value: &Value| {
        let mut fact = fact.clone();
        fact[key] = value.clone();
        fact
    };
    if let Some(strategies) = fact["strategy"].as_array() {
        return strategies.iter().flat_map(|strategy| each_strategy(&with("strategy", strategy))).collect();
    }
    let serves = WHOLE.iter().any(|kind| fact["kind"] == *kind) && fact.get("operation").is_none();
    vec![if serves { with("operation", &"serve".into()) } else { fact.clone() }]
}

/// The rules that gave this verdict, and the strategies of the facts that they gave it to; what is waived left out.
fn told(record: &Value, verdict: &str, of: impl Fn(&str, &str) -> bool) -> Strategies {
    let mut told = Strategies::new();
    for step in record["steps"].as_array().expect("steps") {
        for rule in step["rules"].as_array().expect("rules") {
            let (on, id) = (rule["on"].as_str().unwrap_or_default(), rule["id"].as_str().expect("an id"));
            let facts = rule["verdicts"][verdict].as_array().filter(|_| of(on, id));
            for index in facts.into_iter().flatten() {
                let waived = record["findings"].as_array().expect("findings").iter().any(|finding| {
                    finding["rule"] == id && finding["fact"] == *index && finding["disposition"] == "waived"
                });
                if waived {
                    continue;
                }
                let index = usize::try_from(index.as_u64().expect("an index")).expect("an index");
                let strategy = record["facts"][index]["strategy"].as_str().unwrap_or_default();
                told.entry(id.to_owned()).or_default().insert(strategy.to_owned());
            }
        }
    }
    told
}

/// Audits every case that begins with a letter.
fn conform(letter: &str, may_be: &[Verdict]) {
    let mut told = Vec::new();
    for case in cases(letter) {
        let Case { folder, expected } = &case;
        let number = folder.split('-').next().and_then(|name| name[1..].parse::<u32>().ok());
        let id = number.map(|number| format!("{}{number}", letter.to_uppercase()));
        assert_eq!(id.as_ref(), Some(&expected.case), "{folder}");
        assert!(may_be.contains(&expected.verdict), "{folder}: {:?}", expected.verdict);
        assert_eq!(case.follows(), expected.verdict, "{folder}");
        let faults = case.faults(&case.audit());
        match &expected.not_yet {
            None => told.extend(faults.iter().map(|fault| format!("{folder}: {fault}"))),
            Some(_) if faults.is_empty() => told.push(format!("{folder} works by now: take `not_yet` out")),
            Some(_) => {}
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn what_must_be_caught_is_caught() {
    conform("c", &[Verdict::Fail]);
}

#[test]
fn what_must_not_be_flagged_is_not() {
    conform("n", &[Verdict::InGrace, Verdict::Pass]);
}

#[test]
fn further_cases_hold() {
    conform("a", &[Verdict::Fail, Verdict::Gap, Verdict::InGrace, Verdict::NotJudged, Verdict::Pass]);
}

#[test]
fn the_table_lists_exactly_the_cases() {
    let text = std::fs::read_to_string(TABLE).expect("there is a table");
    let listed: Vec<&str> = text.lines().filter(|line| line.contains("../fixtures/conformance/")).collect();
    let rows: Vec<String> = ["c", "n", "a"].into_iter().flat_map(cases).map(|case| case.row()).collect();
    assert_eq!(cases("").len(), rows.len(), "a folder is of no part of the table");
    assert_eq!(listed, rows, "the rows of docs/conformance.md should be:\n{}", rows.join("\n"));
    // Every case of the specification is there.
    let numbered = |letter: &str| -> Vec<String> { cases(letter).into_iter().map(|case| case.expected.case).collect() };
    assert_eq!(numbered("c"), (1..=17).map(|number| format!("C{number}")).collect::<Vec<_>>());
    assert_eq!(numbered("n"), (1..=13).map(|number| format!("N{number}")).collect::<Vec<_>>());
}
