//! The shape of a rule pack: YAML, every unknown key an error.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::playbook::{Severity, Step};
use crate::yaml::At;

/// A file of rules.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackFile {
    pub pack: PackHead,
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackHead {
    /// Lower case, digits and hyphens.
    pub id: At<String>,
    pub version: String,
    pub title: String,
}

/// One rule. It judges each fact of one kind, or, without `on`, puts a question to a person.
///
/// For each fact: `where` says whether the rule applies, then `evidenced_when` whether enough was handed over, then
/// `fail_when` and `pass_when` decide. A condition that needs a null field is never a pass: the fact is not evidenced.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Reads well after "allow": `undeclared-strategy`.
    pub id: At<String>,
    pub title: String,
    pub step: Step,
    /// The kind of fact that it judges; absent for a question to a person.
    pub on: Option<At<String>>,
    pub severity: Severity,
    /// CEL. Facts for which this is false are left out.
    #[serde(rename = "where")]
    pub applies: Option<At<String>>,
    /// Template. Facts that `where` leaves out count as not applicable for this reason; where it comes out empty they
    /// do not count at all.
    pub where_reason: Option<At<String>>,
    /// Why nothing can be said when `where` leaves no fact: the rule is then not evidenced.
    pub none_reason: Option<String>,
    /// CEL. Facts for which this is false are not evidenced.
    pub evidenced_when: Option<At<String>>,
    /// Template: the reason when `evidenced_when` is false or not known.
    pub not_evidenced_reason: Option<At<String>>,
    /// CEL. Facts for which this is true violate the rule.
    pub fail_when: Option<At<String>>,
    /// CEL. With it, a fact for which neither condition is true is inconclusive; without it, such a fact passes.
    pub pass_when: Option<At<String>>,
    /// Words for where a fact stands, finer than the verdict, that reports show beside it: the first whose `when` is true.
    /// They are asked of every fact of the kind, also of those that `where` leaves out; a null that decides gives no word.
    #[serde(default)]
    pub words: Vec<Word>,
    /// Bounds that conditions and texts read as `params.name`; a manifest may change them.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Param>")]
    pub params: BTreeMap<String, At<Value>>,
    /// Template: what a finding says, in one sentence with the numbers.
    pub message: Option<At<String>>,
    /// Template: the same for people who build no such systems, in a whole sentence; the report's first page has it.
    pub plain: Option<At<String>>,
    /// The field of the fact that counts the people a finding concerns.
    pub people: Option<At<String>>,
    /// What a person has to answer, for rules without `on`.
    pub question: Option<String>,
    /// The harm, in one sentence.
    pub why: String,
    /// What to do.
    pub remedy: String,
    #[serde(default)]
    pub references: Vec<String>,
    /// Whether a decision may waive its findings.
    #[serde(default = "yes")]
    pub waivable: bool,
}

/// A word for where a fact stands.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Word {
    pub word: At<String>,
    /// CEL. Absent in the last one: otherwise.
    pub when: Option<At<String>>,
}

/// For the published schema only: what a parameter can be.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes a shape; values are read as JSON")]
enum Param {
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Param>),
}

fn yes() -> bool {
    true
}
