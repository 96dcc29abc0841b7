//! Tests of a pack, as data: a fact in, a verdict out.
//!
//! ```yaml
//! facts:
//!   declared: { kind: purpose, strategy: s, declared: true }   # whole facts, to start from
//! tests:
//!   - rule: undeclared-strategy
//!     fact: declared
//!     with: { declared: false }                                # what differs; null makes a field null
//!     expect: fail
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::evaluate::{AuditContext, Bench, Decision};
use super::load::{LoadedPack, LoadedRule, override_params};
use crate::error::{Error, Problem, Result, all_clear};
use crate::facts::Fact;
use crate::playbook::Verdict;
use crate::yaml::{At, Document};

/// A file of tests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// Whole facts by name, for tests to start from.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Value>")]
    pub facts: BTreeMap<String, At<Value>>,
    /// The `audit` that conditions see; default the one of [`default_audit`].
    pub audit: Option<AuditContext>,
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    pub rule: At<String>,
    /// What it shows, in words.
    pub name: Option<String>,
    /// One of `facts`; absent for a question to a person.
    pub fact: Option<At<String>>,
    /// Fields that differ from that fact. Objects are merged, anything else is replaced.
    #[serde(rename = "with", default)]
    pub differs: BTreeMap<String, Value>,
    /// Bounds that differ from the pack's.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    pub expect: At<Expected>,
    /// The whole sentence of the finding.
    pub message: Option<At<String>>,
    /// The whole sentence in plain words.
    pub plain: Option<At<String>>,
    /// The whole reason.
    pub reason: Option<At<String>>,
    /// The word for where the fact stands.
    pub word: Option<At<String>>,
}

/// A verdict, or `left_out`: the rule says nothing of the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    Pass,
    Fail,
    Inconclusive,
    NotEvidenced,
    NotApplicable,
    Manual,
    LeftOut,
}

impl Expected {
    /// As the file writes it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::NotEvidenced => "not_evidenced",
            Self::NotApplicable => "not_applicable",
            Self::Manual => "manual",
            Self::LeftOut => "left_out",
        }
    }
}

/// How the tests of a pack came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub passed: usize,
    /// Each with its place in the test file.
    pub failures: Vec<Problem>,
    /// Which verdicts the tests of each rule expect.
    pub covered: BTreeMap<String, BTreeSet<Expected>>,
}

/// The settings that tests run under unless they name their own.
pub fn default_audit() -> AuditContext {
    AuditContext {
        system: "shop".into(),
        owner: "team".into(),
        as_of: Some("2026-01-31".into()),
        unit: "subject".into(),
        level: 0.95,
        min_cell: 30,
    }
}

/// Runs the tests in `text` against a pack; `path` is what failures call the file.
///
/// # Errors
/// When the file cannot be read as tests: an unknown key, fact, field or rule.
pub fn run(pack: &LoadedPack, path: &Path, text: impl Into<Arc<str>>) -> Result<Report> {
    let document = Document::<TestFile>::parse(path, text)?;
    let file = &document.value;
    let mut problems: Vec<Problem> =
        file.facts.values().filter_map(|base| read_fact(&document, base, base.value.clone()).err()).collect();
    let mut report = Report { passed: 0, failures: Vec::new(), covered: BTreeMap::new() };
    let audit = file.audit.clone().unwrap_or_else(default_audit);
    for test in &file.tests {
        match run_one(pack, &document, test, &audit) {
            Ok(None) => report.passed += 1,
            Ok(Some(failure)) => report.failures.push(failure),
            Err(Error::Invalid(more)) => problems.extend(more),
            Err(fault) => return Err(fault),
        }
        report.covered.entry(test.rule.value.clone()).or_default().insert(test.expect.value);
    }
    all_clear(problems)?;
    Ok(report)
}

fn run_one(
    pack: &LoadedPack,
    document: &Document<TestFile>,
    test: &Test,
    audit: &AuditContext,
) -> Result<Option<Problem>> {
    let mut pack = pack.clone();
    let known: Vec<String> = pack.rules.iter().map(|rule| rule.rule.id.value.clone()).collect();
    pack.rules.retain(|rule| *rule.rule.id == *test.rule);
    if pack.rules.is_empty() {
        let problem = document.problem(&test.rule, format!("the pack has no rule `{}`", *test.rule));
        return Err(problem.suggest(&test.rule, known).into());
    }
    if !test.params.is_empty() {
        let changes = BTreeMap::from([(test.rule.value.clone(), test.params.clone())]);
        override_params(std::slice::from_mut(&mut pack), &changes, &document.path)?;
    }
    let decision = decide(&pack, &pack.rules[0], document, test, audit)?;
    let found = expected(&decision);
    let name = test.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    if found != *test.expect {
        let mut message =
            format!("rule `{}`{name}: expected `{}`, got `{}`", *test.rule, test.expect.label(), found.label());
        if let Some(reason) = decision.reason.or(decision.message) {
            message = format!("{message}: {reason}");
        }
        return Ok(Some(document.problem(&test.expect, message)));
    }
    for (wanted, got, what) in [
        (&test.message, &decision.message, "message"),
        (&test.plain, &decision.plain, "plain sentence"),
        (&test.reason, &decision.reason, "reason"),
        (&test.word, &decision.word, "word"),
    ] {
        if let Some(wanted) = wanted
            && got.as_deref() != Some(wanted.trim())
        {
            let got = got.as_deref().unwrap_or_default();
            return Ok(Some(document.problem(wanted, format!("rule `{}`{name}: the {what} is `{got}`", *test.rule))));
        }
    }
    Ok(None)
}

fn decide(
    pack: &LoadedPack,
    rule: &LoadedRule,
    document: &Document<TestFile>,
    test: &Test,
    audit: &AuditContext,
) -> Result<Decision> {
    let (judge, name) = match (&rule.judge, &test.fact) {
        (Some(judge), Some(name)) => (judge, name),
        (None, None) => {
            return Ok(Decision {
                verdict: Some(Verdict::Manual),
                reason: rule.rule.question.clone(),
                ..Decision::default()
            });
        }
        (Some(_), None) => return Err(document.problem(&test.rule, "this rule needs a `fact`").into()),
        (None, Some(name)) => return Err(document.problem(name, "this rule asks a person and takes no fact").into()),
    };
    let Some(base) = document.value.facts.get(&name.value) else {
        let problem = document.problem(name, format!("no fact is called `{}`", name.value));
        return Err(problem.suggest(name, document.value.facts.keys()).into());
    };
    let mut json = base.value.clone();
    merge(&mut json, &Value::Object(test.differs.clone().into_iter().collect()));
    let fact = read_fact(document, &test.rule, json)?;
    if fact.kind() != judge.kind {
        let message = format!("rule `{}` is on `{}`, this fact is `{}`", *test.rule, judge.kind, fact.kind());
        return Err(document.problem(name, message).into());
    }
    Bench::new(&[fact], audit)?.decide(pack, rule, judge, 0)
}

fn expected(decision: &Decision) -> Expected {
    match decision.verdict {
        None => Expected::LeftOut,
        Some(Verdict::Pass) => Expected::Pass,
        Some(Verdict::Fail) => Expected::Fail,
        Some(Verdict::Inconclusive) => Expected::Inconclusive,
        Some(Verdict::NotEvidenced) => Expected::NotEvidenced,
        Some(Verdict::NotApplicable) => Expected::NotApplicable,
        Some(Verdict::Manual) => Expected::Manual,
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// A fact, with every field it was written with: an unknown one is a problem, not ignored.
fn read_fact<V>(document: &Document<TestFile>, at: &At<V>, json: Value) -> Result<Fact, Problem> {
    let fact: Fact = serde_json::from_value(json.clone())
        .map_err(|error| document.problem(at, format!("this is not a whole fact: {error}")))?;
    let back = serde_json::to_value(&fact).map_err(|error| document.problem(at, error.to_string()))?;
    match unknown_field(&json, &back) {
        Some((field, known)) => {
            let message = format!("a fact of the kind `{}` has no field `{field}`", fact.kind());
            Err(document.problem(at, message).suggest(&field, known))
        }
        None => Ok(fact),
    }
}

fn unknown_field(written: &Value, known: &Value) -> Option<(String, Vec<String>)> {
    let (Value::Object(written), Value::Object(known)) = (written, known) else { return None };
    written.iter().find_map(|(name, value)| match known.get(name) {
        None => Some((name.clone(), known.keys().cloned().collect())),
        Some(inner) => unknown_field(value, inner),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::builtin::{self, BUILTIN};
    use crate::rules::load::parse;

    fn packs() -> impl Iterator<Item = (&'static builtin::Builtin, LoadedPack)> {
        BUILTIN.iter().map(|pack| match parse(Path::new(pack.path), pack.yaml) {
            Ok(loaded) => (pack, loaded),
            Err(error) => panic!("{error}"),
        })
    }

    #[test]
    fn the_built_in_packs_pass_their_own_tests() {
        for (pack, loaded) in packs() {
            let report = run(&loaded, Path::new(pack.tests_path), pack.tests).unwrap_or_else(|e| panic!("{e}"));
            let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
            assert!(failures.is_empty(), "{}", failures.join("\n"));
        }
    }

    #[test]
    fn every_rule_is_tested_for_pass_and_fail_and_every_question_for_being_one() {
        for (pack, loaded) in packs() {
            let report = run(&loaded, Path::new(pack.tests_path), pack.tests).unwrap_or_else(|e| panic!("{e}"));
            for rule in &loaded.rules {
                let id = &rule.rule.id.value;
                let covered = report.covered.get(id).cloned().unwrap_or_default();
                let mut wanted = match (&rule.judge, &rule.rule.evidenced_when) {
                    (None, _) => vec![Expected::Manual],
                    (Some(_), None) => vec![Expected::Pass, Expected::Fail],
                    (Some(_), Some(_)) => vec![Expected::Pass, Expected::Fail, Expected::NotEvidenced],
                };
                if rule.rule.pass_when.is_some() {
                    wanted.push(Expected::Inconclusive);
                }
                for verdict in wanted {
                    assert!(covered.contains(&verdict), "rule `{id}` has no test that expects {verdict:?}");
                }
            }
        }
    }

    /// Whoever builds no such systems reads these: whole sentences, as they come out of the tests' facts.
    #[test]
    fn plain_words_are_whole_sentences() {
        for (pack, loaded) in packs() {
            for rule in &loaded.rules {
                let Some(plain) = &rule.rule.plain else { continue };
                let id = &rule.rule.id.value;
                let first = plain.trim_start_matches("{% if").chars().next().unwrap_or(' ');
                assert!(
                    first.is_uppercase() || ['{', '`', ' '].contains(&first),
                    "{id} of {}: {}",
                    pack.id,
                    plain.value
                );
                assert!(plain.trim_end().ends_with('.'), "{id} of {}: {}", pack.id, plain.value);
                assert!(!plain.contains("subject "), "{id} of {} calls people subjects", pack.id);
            }
        }
    }

    #[test]
    fn rules_and_their_documentation_are_the_same_list() {
        for (pack, loaded) in packs() {
            let rules: BTreeSet<&str> = loaded.rules.iter().map(|rule| rule.rule.id.value.as_str()).collect();
            let documented: BTreeSet<&str> = pack.docs.iter().map(|(id, _)| *id).collect();
            assert_eq!(rules, documented, "the rules of `{}` and the documents compiled in", pack.id);
            assert_eq!(loaded.id, pack.id);
            for (id, doc) in pack.docs {
                assert!(doc.starts_with(&format!("# {id}\n")), "{id}.md starts with its own name");
                for heading in ["## What it checks", "## Why it is bad", "## Example", "## What to do"] {
                    assert!(doc.contains(heading), "{id}.md lacks `{heading}`");
                }
            }
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(pack.id);
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .filter_map(|entry| {
                    entry.unwrap().file_name().to_str().and_then(|n| n.strip_suffix(".md")).map(str::to_owned)
                })
                .collect();
            files.sort();
            let mut documented: Vec<&str> = documented.into_iter().collect();
            documented.sort_unstable();
            assert_eq!(files, documented, "the .md files of `{}` and the documents compiled in", pack.id);
        }
    }

    const FACTS: &str = "facts:\n  p: { kind: purpose, strategy: s, declared: true, decisions: 3 }\n";

    fn report(tests: &str) -> Result<Report> {
        let (_, playbook) = packs().find(|(pack, _)| pack.id == "playbook").unwrap();
        run(&playbook, Path::new("x.test.yaml"), format!("{FACTS}{tests}"))
    }

    #[test]
    fn a_wrong_expectation_is_told_with_its_line() {
        let tests =
            "tests:\n  - rule: undeclared-strategy\n    fact: p\n    with: { declared: false }\n    expect: pass\n";
        let failures = report(tests).unwrap().failures;
        let told = failures[0].to_string();
        assert!(
            told.starts_with("x.test.yaml:7:13: rule `undeclared-strategy`: expected `pass`, got `fail`: "),
            "{told}"
        );
    }

    #[test]
    fn an_unknown_field_or_rule_is_a_problem_and_not_ignored() {
        let tests = "tests:\n  - { rule: undeclared-strategy, fact: p, with: { decleared: false }, expect: pass }\n";
        let told = report(tests).unwrap_err().to_string();
        assert!(told.contains("has no field `decleared` (did you mean `declared`?)"), "{told}");
        let told = report("tests:\n  - { rule: undeclared-strat, fact: p, expect: pass }\n").unwrap_err().to_string();
        assert!(told.contains("did you mean `undeclared-strategy`?"), "{told}");
    }
}
