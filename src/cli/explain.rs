//! `probity explain`: what a rule, a kind of fact, an outcome or a step means.

use super::{Ending, print};
use crate::error::{Problem, Result};
use crate::facts;
use crate::metrics::{self, METRICS};
use crate::playbook::Step;
use crate::rules::{self, builtin};

/// Explain a rule, a kind of fact, an outcome or a step of the playbook
#[derive(clap::Args)]
pub struct Args {
    /// Id of a rule (outcome-four-fifths), a kind of fact (join), an outcome (ndcg) or a step (test-for-bias); without it,
    /// list them all
    id: Option<String>,
}

pub fn run(args: &Args) -> Result<Ending> {
    let text = match &args.id {
        None => list(),
        Some(id) => explain(id)?,
    };
    print(&format!("{}\n", text.trim_end()))?;
    Ok(Ending::done())
}

fn explain(id: &str) -> Result<String> {
    if let Some(doc) = rules::explain(id) {
        return Ok(doc.to_owned());
    }
    if let Some(kind) = facts::kind(id) {
        return Ok(of_kind(kind, kind.name, "A kind of fact."));
    }
    let measured =
        facts::of_measure(id).map(|kind| of_kind(kind, id, &format!("A measure of the fact `{}`.", kind.name)));
    let measured: Vec<String> = measured.collect();
    if !measured.is_empty() {
        return Ok(measured.join("\n"));
    }
    if let Some(metric) = metrics::named(id) {
        return Ok(metric.explained());
    }
    if let Some(step) = Step::ALL.into_iter().find(|step| step.id() == id) {
        return Ok(format!("# {}\n\nA step of the playbook.\n\n{}", step.title(), step.question()));
    }
    let known = builtin::documented().chain(facts::KINDS.iter().map(|kind| kind.name));
    let known = known
        .chain(facts::KINDS.iter().flat_map(|kind| kind.measures.iter().copied()))
        .chain(metrics::IDS)
        .chain(Step::ALL.map(Step::id));
    Err(Problem::new(format!("nothing is called `{id}`"))
        .suggest(id, known)
        .help_if_none("`probity explain` lists all")
        .into())
}

fn of_kind(kind: &facts::Kind, title: &str, what: &str) -> String {
    format!("# {title}\n\n{what}\n\n{}\n\n## Fields\n\n{}", kind.doc.trim(), fields(kind))
}

/// The fields of a kind of fact with their descriptions, from its schema.
pub(super) fn fields(kind: &facts::Kind) -> String {
    let schema = (kind.schema)();
    let properties = schema.get("properties").and_then(|p| p.as_object()).cloned().unwrap_or_default();
    let line = |(name, property): (&String, &serde_json::Value)| {
        let text = property.get("description").and_then(|d| d.as_str()).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() { format!("- `{name}`\n") } else { format!("- `{name}`: {text}\n") }
    };
    properties.iter().map(line).collect()
}

fn list() -> String {
    let rules = |pack: &builtin::Builtin| {
        let ids: String = pack.docs.iter().map(|(id, _)| format!("  {id}\n")).collect();
        format!("Rules of the pack `{}`\n{ids}\n", pack.id)
    };
    let rules: String = builtin::BUILTIN.iter().map(rules).collect();
    let kinds = facts::KINDS.iter().map(|kind| match kind.measures {
        [] => format!("  {}\n", kind.name),
        measures => format!("  {}: {}\n", kind.name, measures.join(", ")),
    });
    let kinds: String = kinds.collect();
    let width = METRICS.iter().map(|metric| metric.id.len()).max().unwrap_or_default();
    let outcomes: String = METRICS.iter().map(|metric| format!("  {:width$}  {}\n", metric.id, metric.title)).collect();
    let steps: String = Step::ALL.iter().map(|step| format!("  {}\n", step.id())).collect();
    format!(
        "{rules}Kinds of facts, and the measures they take\n{kinds}\nOutcomes (measure.metrics)\n{outcomes}\nSteps of the playbook\n{steps}"
    )
}
