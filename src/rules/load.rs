//! From the names in a manifest to checked packs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::SchemaGenerator;
use serde_json::Value;

use super::builtin::{self, BUILTIN};
use super::condition::Condition;
use super::evaluate::AuditContext;
use super::pack::{PackFile, Rule};
use super::template::Template;
use super::types::{Field, Roots, Type};
use super::words::Words;
use crate::error::{Problem, Result, all_clear};
use crate::facts::{self, KINDS, Kind};
use crate::manifest::Manifest;
use crate::yaml::{At, Document};

/// A pack that was read and checked, with the bounds in force.
#[derive(Debug, Clone)]
pub struct LoadedPack {
    pub id: String,
    pub version: String,
    pub title: String,
    /// The file as the manifest names it; `None` for a built-in pack.
    pub path: Option<PathBuf>,
    /// The pack's YAML.
    pub text: Arc<str>,
    pub rules: Vec<LoadedRule>,
}

/// A checked rule.
#[derive(Debug, Clone)]
pub struct LoadedRule {
    pub rule: Rule,
    /// The bounds in force, the manifest's changes included.
    pub params: BTreeMap<String, Value>,
    /// What it asks of facts; `None` for a question to a person.
    pub(super) judge: Option<Judge>,
}

/// The compiled parts of a rule on facts.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    pub kind: &'static str,
    pub needs_log: bool,
    pub applies: Option<Condition>,
    pub where_reason: Option<Template>,
    pub evidenced_when: Option<Condition>,
    pub not_evidenced_reason: Option<Template>,
    pub fail_when: Condition,
    pub pass_when: Option<Condition>,
    pub message: Template,
    pub plain: Option<Template>,
    pub words: Words,
    /// The field that counts the people concerned.
    pub people: Option<String>,
}

/// The packs that a manifest chooses, with its changes to their bounds.
pub fn load(manifest: &Document<Manifest>) -> Result<Vec<LoadedPack>> {
    let selection = &manifest.value.rules;
    let mut packs = Vec::new();
    for name in &selection.packs {
        packs.push(match builtin::pack(name) {
            Some(pack) => parse(Path::new(pack.path), pack.yaml)?.built_in(),
            None if looks_like_path(name) => {
                let document = Document::<PackFile>::read(&manifest.resolve(name))?;
                let mut pack = check(document)?;
                pack.path = Some(PathBuf::from(&name.value));
                pack
            }
            None => {
                let problem = manifest.problem(name, format!("unknown rule pack `{}`", name.value));
                return Err(problem.suggest(name, BUILTIN.iter().map(|pack| pack.id)).into());
            }
        });
    }
    distinct(&packs, manifest)?;
    override_params(&mut packs, &selection.params, &manifest.path)?;
    Ok(packs)
}

/// Reads a pack from its text; `path` is what errors call it.
pub fn parse(path: &Path, text: impl Into<Arc<str>>) -> Result<LoadedPack> {
    check(Document::parse(path, text)?)
}

/// Changes bounds. An unknown rule or parameter, or another type, is a problem of the file at `path`.
pub fn override_params(
    packs: &mut [LoadedPack],
    changes: &BTreeMap<String, BTreeMap<String, Value>>,
    path: &Path,
) -> Result<()> {
    let known: Vec<String> = packs.iter().flat_map(|p| &p.rules).map(|r| r.rule.id.value.clone()).collect();
    let mut problems = Vec::new();
    for (id, params) in changes {
        let Some(rule) = packs.iter_mut().flat_map(|p| &mut p.rules).find(|r| *r.rule.id == *id) else {
            let problem = Problem::in_file(path, format!("`rules.params` names the unknown rule `{id}`"));
            problems.push(problem.suggest(id, &known));
            continue;
        };
        for (name, new) in params {
            let Some(old) = rule.params.get_mut(name) else {
                let problem = Problem::in_file(path, format!("rule `{id}` has no parameter `{name}`"));
                problems.push(problem.suggest(name, rule.params.keys()));
                continue;
            };
            match changed(old, new) {
                Some(value) => *old = value,
                None => {
                    let message =
                        format!("parameter `{name}` of rule `{id}` is `{new}`; expected a value like `{old}`");
                    problems.push(Problem::in_file(path, message));
                }
            }
        }
    }
    all_clear(problems)
}

/// The new value in the old one's type: a decimal bound may be written without its decimals.
fn changed(old: &Value, new: &Value) -> Option<Value> {
    let (before, after) = (Type::of_param(old)?, Type::of_param(new)?);
    match (&before, &after) {
        (Type::Double, Type::Int) => new.as_f64().map(Value::from),
        (Type::List(a), Type::List(b)) if **a == Type::Double && **b == Type::Int => {
            Some(new.as_array()?.iter().filter_map(Value::as_f64).map(Value::from).collect())
        }
        (Type::List(_), Type::List(b)) if **b == Type::Any => Some(new.clone()),
        _ => (before == after).then(|| new.clone()),
    }
}

fn looks_like_path(name: &str) -> bool {
    name.contains(['/', '\\']) || name.ends_with(".yaml") || name.ends_with(".yml")
}

impl LoadedPack {
    fn built_in(mut self) -> Self {
        self.path = None;
        self
    }
}

fn distinct(packs: &[LoadedPack], manifest: &Document<Manifest>) -> Result<()> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for (pack, name) in packs.iter().zip(&manifest.value.rules.packs) {
        for rule in &pack.rules {
            if let Some(first) = seen.insert(&rule.rule.id, &pack.id) {
                let message = format!("rule `{}` is in the packs `{first}` and `{}`", *rule.rule.id, pack.id);
                problems.push(manifest.problem(name, message));
            }
        }
    }
    all_clear(problems)
}

fn check(document: Document<PackFile>) -> Result<LoadedPack> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let head = &document.value.pack;
    if !is_id(&head.id) {
        problems.push(document.problem(&head.id, format!("`{}` is not an id: lower case, digits, hyphens", *head.id)));
    }
    let mut rules = Vec::new();
    for rule in &document.value.rules {
        if !is_id(&rule.id) {
            let message = format!("`{}` is not an id: lower case, digits, hyphens", *rule.id);
            problems.push(document.problem(&rule.id, message));
        }
        if !seen.insert(rule.id.value.as_str()) {
            problems.push(document.problem(&rule.id, format!("rule `{}` is written twice", *rule.id)));
        }
        match load_rule(&document, rule) {
            Ok(loaded) => rules.push(loaded),
            Err(more) => problems.extend(more),
        }
    }
    all_clear(problems)?;
    let Document { path, text, value: PackFile { pack, .. } } = document;
    Ok(LoadedPack { id: pack.id.value, version: pack.version, title: pack.title, path: Some(path), text, rules })
}

fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn load_rule(document: &Document<PackFile>, rule: &Rule) -> Result<LoadedRule, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut params = BTreeMap::new();
    for (name, value) in &rule.params {
        match Type::of_param(value) {
            Some(of) => drop(params.insert(name.clone(), Field { of, nullable: false })),
            None => {
                let message =
                    format!("parameter `{name}` must be a number, a string, a bool or a list of one of these");
                problems.push(document.problem(value, message));
            }
        }
    }
    let texts = [
        &rule.applies,
        &rule.where_reason,
        &rule.evidenced_when,
        &rule.not_evidenced_reason,
        &rule.fail_when,
        &rule.pass_when,
        &rule.message,
        &rule.plain,
    ];
    for (name, value) in &rule.params {
        let used = format!("params.{name}");
        let mut all = texts.into_iter().chain(rule.words.iter().map(|of| &of.when)).flatten();
        if !all.any(|text| text.contains(&used)) {
            problems.push(document.problem(value, format!("no condition or text of this rule uses `{used}`")));
        }
    }
    let judge = match &rule.on {
        Some(on) => judge(document, rule, on, params).map_err(|more| problems.extend(more)).ok(),
        None => {
            if rule.question.is_none() {
                let message = "a rule needs `on`, a kind of fact, or a `question` to a person";
                problems.push(document.problem(&rule.id, message));
            }
            let words = rule.words.iter().map(|of| &of.word);
            for text in texts.into_iter().chain([&rule.people]).flatten().chain(words) {
                problems.push(document.problem(text, "a question to a person has no conditions and no templates"));
            }
            None
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut rule = rule.clone();
    for text in [&mut rule.title, &mut rule.why, &mut rule.remedy]
        .into_iter()
        .chain(&mut rule.question)
        .chain(&mut rule.none_reason)
    {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let params = rule.params.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
    Ok(LoadedRule { rule, params, judge })
}

fn judge(
    document: &Document<PackFile>,
    rule: &Rule,
    on: &At<String>,
    params: BTreeMap<String, Field>,
) -> Result<Judge, Vec<Problem>> {
    let Some(kind) = facts::kind(on) else {
        let problem = document.problem(on, format!("unknown kind of fact `{}`", on.value));
        return Err(vec![problem.suggest(on, KINDS.iter().map(|kind| kind.name))]);
    };
    let mut problems = Vec::new();
    let pairs = [
        (&rule.where_reason, &rule.applies, "where_reason", "where"),
        (&rule.not_evidenced_reason, &rule.evidenced_when, "not_evidenced_reason", "evidenced_when"),
    ];
    for (reason, condition, reason_key, key) in pairs {
        if let (Some(reason), None) = (reason, condition) {
            problems.push(document.problem(reason, format!("`{reason_key}` is for rules with `{key}`")));
        }
    }
    if let (Some(condition), None) = (&rule.evidenced_when, &rule.not_evidenced_reason) {
        problems.push(document.problem(condition, "`evidenced_when` needs a `not_evidenced_reason`"));
    }
    if rule.question.is_some() {
        problems.push(document.problem(&rule.id, "a rule judges facts (`on`) or asks a person (`question`), not both"));
    }
    let roots = roots(kind, params);
    let mut condition = |text: &Option<At<String>>| {
        let text = text.as_ref()?;
        Condition::compile(text, document, &roots).map_err(|more| problems.extend(more)).ok()
    };
    let applies = condition(&rule.applies);
    let evidenced_when = condition(&rule.evidenced_when);
    let fail_when = condition(&rule.fail_when);
    let pass_when = condition(&rule.pass_when);
    let words = Words::compile(&rule.words, document, &roots).map_err(|more| problems.extend(more)).ok();
    let mut template = |text: &Option<At<String>>| {
        let text = text.as_ref()?;
        Template::compile(text, document, &roots).map_err(|more| problems.extend(more)).ok()
    };
    let where_reason = template(&rule.where_reason);
    let not_evidenced_reason = template(&rule.not_evidenced_reason);
    let message = template(&rule.message);
    let plain = template(&rule.plain);
    problems.extend(rule.people.as_ref().and_then(|field| no_count(document, field, &roots)));
    for (given, key) in [(rule.fail_when.is_some(), "fail_when"), (rule.message.is_some(), "message")] {
        if !given {
            problems.push(document.problem(&rule.id, format!("rule `{}` needs `{key}`", *rule.id)));
        }
    }
    match (fail_when, message, words) {
        (Some(fail_when), Some(message), Some(words)) if problems.is_empty() => Ok(Judge {
            kind: kind.name,
            needs_log: kind.needs_log,
            applies,
            where_reason,
            evidenced_when,
            not_evidenced_reason,
            fail_when,
            pass_when,
            message,
            plain,
            words,
            people: rule.people.as_ref().map(|field| field.value.clone()),
        }),
        _ => Err(problems),
    }
}

/// What is wrong with a field that is to count people.
fn no_count(document: &Document<PackFile>, name: &At<String>, roots: &Roots) -> Option<Problem> {
    let Some(Type::Object(fields)) = roots.get("fact") else { return None };
    match fields.get(&name.value) {
        Some(field) if field.of == Type::Int => None,
        Some(field) => Some(document.problem(name, format!("`{}` is {}, not a whole number", name.value, field.of))),
        None => {
            let problem = document.problem(name, format!("the fact has no field `{}`", name.value));
            Some(problem.suggest(name, fields.keys()))
        }
    }
}

fn roots(kind: &Kind, params: BTreeMap<String, Field>) -> Roots {
    let audit = SchemaGenerator::default().into_root_schema_for::<AuditContext>();
    Roots::from([
        ("fact", Type::of_schema(&(kind.schema)())),
        ("params", Type::Object(params)),
        ("audit", Type::of_schema(&audit)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(folder: &Path, rules: &str) -> Document<Manifest> {
        let text = format!("probity: 1\nsystem: {{ name: s, owner: o }}\nevidence: {{}}\nrules:\n{rules}");
        Document::parse(&folder.join("audit.yaml"), text).unwrap()
    }

    #[test]
    fn packs_are_found_by_name_or_by_path_beside_the_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let own = "pack: { id: house, version: '1', title: t }\nrules:\n  - { id: no-clicks, title: t, step: assess-risks, \
                   severity: low, on: outcome_parity, fail_when: fact.metric == \"click\", message: m, why: w, remedy: r }\n";
        std::fs::write(folder.path().join("house.yaml"), own).unwrap();
        let packs = load(&manifest(folder.path(), "  packs: [playbook, house.yaml]\n")).unwrap();
        let found: Vec<(&str, Option<&Path>)> = packs.iter().map(|p| (p.id.as_str(), p.path.as_deref())).collect();
        assert_eq!(found, [("playbook", None), ("house", Some(Path::new("house.yaml")))]);

        std::fs::write(folder.path().join("house.yaml"), own.replace("fact.metric", "fact.metrik")).unwrap();
        let told = load(&manifest(folder.path(), "  packs: [house.yaml]\n")).unwrap_err().to_string();
        assert!(told.contains("house.yaml:3:") && told.ends_with("(did you mean `metric`?)"), "{told}");
        let told = load(&manifest(folder.path(), "  packs: [./none.yaml]\n")).unwrap_err().to_string();
        assert!(told.ends_with("none.yaml: cannot read: no such file or folder"), "{told}");
    }

    #[test]
    fn an_unknown_pack_and_a_rule_that_two_packs_hold_are_told_where_they_are_named() {
        let told = |rules: &str| load(&manifest(Path::new(""), rules)).unwrap_err().to_string();
        assert_eq!(
            told("  packs: [playbok]\n"),
            "audit.yaml:5:11: unknown rule pack `playbok` (did you mean `playbook`?)"
        );
        assert!(
            told("  packs: [playbook, playbook]\n").starts_with("audit.yaml:5:21: rule `undeclared-strategy` is in")
        );
        let unknown = told("  params: { outcome-four-fifths: { flour: 0.9 } }\n");
        assert_eq!(unknown, "audit.yaml: rule `outcome-four-fifths` has no parameter `flour` (did you mean `floor`?)");
    }

    #[test]
    fn what_counts_people_is_a_whole_number_of_the_fact() {
        let folder = tempfile::tempdir().unwrap();
        let told = |people: &str| {
            let own = format!(
                "pack: {{ id: house, version: '1', title: t }}\nrules:\n  - {{ id: r, title: t, step: assess-risks, severity: \
                 low, on: data_use, fail_when: fact.special, message: m, people: {people}, why: w, remedy: r }}\n"
            );
            std::fs::write(folder.path().join("house.yaml"), own).unwrap();
            load(&manifest(folder.path(), "  packs: [house.yaml]\n")).map_err(|error| error.to_string())
        };
        assert!(told("subjects_in_grace").is_ok());
        let wrong = told("subject_in_grace").unwrap_err();
        assert!(wrong.ends_with("no field `subject_in_grace` (did you mean `subjects_in_grace`?)"), "{wrong}");
        let wrong = told("strategy").unwrap_err();
        assert!(
            wrong.contains("house.yaml:3:") && wrong.ends_with("`strategy` is a string, not a whole number"),
            "{wrong}"
        );
    }

    #[test]
    fn the_published_schema_knows_every_key_and_no_other() {
        let schema = SchemaGenerator::default().into_root_schema_for::<PackFile>();
        let rule = &schema.as_value()["$defs"]["Rule"];
        assert_eq!(rule["additionalProperties"], Value::Bool(false));
        assert!(rule["properties"].get("where").is_some() && rule["properties"].get("applies").is_none());
    }
}
