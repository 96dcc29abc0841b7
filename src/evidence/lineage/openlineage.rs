//! OpenLineage events to flows: one flow per run (or job) and dataset that it writes.
//!
//! A run tells its inputs and outputs in several events; they are put together by its id. Column lineage is read in both
//! its forms: join keys and filters among the `fields` of each output column, as older producers write them, and under
//! `dataset`, as newer ones do. Explicit lineage (the facet `lineage`) goes before both, and where no event tells of
//! columns the job's query does.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Column, Flow, JoinKey, Key, Parsed, Unparsed, Why};
use crate::manifest::Dialect;

mod explicit;
mod query;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    run: Option<Run>,
    job: Option<Job>,
    #[serde(default)]
    inputs: Vec<Dataset>,
    #[serde(default)]
    outputs: Vec<Dataset>,
    /// Of an event about a dataset alone.
    dataset: Option<Dataset>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_id: String,
}

#[derive(Debug, Deserialize)]
struct Job {
    #[serde(default)]
    namespace: String,
    name: String,
    #[serde(default)]
    facets: JobFacets,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobFacets {
    lineage: Option<explicit::OfJob>,
    sql: Option<query::Sql>,
}

#[derive(Debug, Deserialize)]
struct Dataset {
    name: String,
    #[serde(default)]
    facets: Facets,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Facets {
    column_lineage: Option<ColumnLineage>,
    lineage: Option<explicit::OfDataset>,
    symlinks: Option<Symlinks>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ColumnLineage {
    fields: BTreeMap<String, Inputs>,
    dataset: Vec<InputField>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Inputs {
    input_fields: Vec<InputField>,
}

#[derive(Debug, Deserialize)]
struct InputField {
    name: String,
    field: String,
    #[serde(default)]
    transformations: Vec<Transformation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Transformation {
    subtype: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Symlinks {
    #[serde(default)]
    identifiers: Vec<Identifier>,
}

#[derive(Debug, Deserialize)]
struct Identifier {
    name: String,
}

/// What the events of one run say together.
#[derive(Default)]
struct Whole {
    job: Option<String>,
    inputs: BTreeSet<String>,
    outputs: BTreeMap<String, Output>,
    explicit: Vec<explicit::Entry>,
    sql: Option<(u64, query::Sql)>,
    run: Option<String>,
}

/// A dataset that a run writes.
#[derive(Default)]
struct Output {
    /// Of the first event that names it.
    line: u64,
    lineage: Vec<ColumnLineage>,
    /// What explicit lineage makes it from; else it is all inputs of the run.
    sources: Option<BTreeSet<String>>,
}

/// Reads events: one, a list of them, or one after the other; `path` is what flows call the file, `dialect` the SQL of
/// jobs that do not say theirs.
pub fn read(text: &str, path: &str, dialect: Dialect) -> Parsed {
    let mut parsed = Parsed::default();
    let mut wholes: BTreeMap<String, Whole> = BTreeMap::new();
    let mut at = 0;
    loop {
        at +=
            text[at..].len() - text[at..].trim_start_matches([' ', '\t', '\r', '\n', ',', '[', ']', '\u{feff}']).len();
        if at >= text.len() {
            break;
        }
        let line = 1 + text[..at].matches('\n').count() as u64;
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        let value = values.next();
        let read = values.byte_offset();
        parsed.statements += 1;
        let outcome = match value {
            Some(Ok(value)) => {
                at += read;
                event(value, line, &mut wholes, &mut parsed.aliases)
            }
            // The next line may be an event again.
            broken => {
                at = text[at..].find('\n').map_or(text.len(), |end| at + end);
                let end = broken.and_then(Result::err).map_or(line, |error| line + error.line() as u64 - 1);
                Err(if end > line { format!("no JSON: it is broken at line {end}") } else { "no JSON".to_owned() })
            }
        };
        if let Err(reason) = outcome {
            parsed.unparsed.push(Unparsed { path: path.into(), line, reason });
        }
    }
    let open = explicit::settle(&mut wholes);
    parsed.unparsed.extend(open.into_iter().map(|(line, reason)| Unparsed { path: path.into(), line, reason }));
    for mut whole in wholes.into_values() {
        let (sql, run) = (whole.sql.take(), whole.run.clone());
        let (told, untold): (Vec<_>, Vec<_>) = whole.outputs.into_iter().partition(|(_, output)| output.is_told());
        // Where all that a run writes is told, its query has nothing to add.
        let all_told = untold.is_empty() && !told.is_empty();
        let flows = |outputs| flows(outputs, &whole.inputs, &run, path);
        parsed.flows.extend(flows(told));
        let untold = flows(untold);
        match sql {
            Some((line, sql)) if !all_told => {
                let read =
                    sql.refine(untold, Flow { path: path.into(), line, run: run.clone(), ..Flow::default() }, dialect);
                parsed.flows.extend(read.flows);
                parsed.unparsed.extend(read.unparsed);
            }
            _ => parsed.flows.extend(untold),
        }
    }
    parsed.flows.retain(|flow| !flow.sources.is_empty());
    parsed.flows.sort_by(|a, b| (a.line, &a.target).cmp(&(b.line, &b.target)));
    parsed.unparsed.sort_by_key(|unparsed| unparsed.line);
    parsed
}

/// As [`read`], of jobs that run on Postgres.
#[cfg(test)]
pub fn parse(text: &str, path: &str) -> Parsed {
    read(text, path, Dialect::Postgres)
}

impl Output {
    /// Whether some event tells of its columns.
    fn is_told(&self) -> bool {
        self.sources.is_some()
            || self.lineage.iter().any(|lineage| !lineage.fields.is_empty() || !lineage.dataset.is_empty())
    }
}

/// Adds one event to what is known of its run.
fn event(
    value: Value,
    line: u64,
    wholes: &mut BTreeMap<String, Whole>,
    aliases: &mut BTreeSet<(String, String)>,
) -> Result<(), String> {
    if !value.is_object() || ["run", "job", "dataset"].iter().all(|key| value.get(key).is_none()) {
        return Err("no OpenLineage event: it has neither `run`, `job` nor `dataset`".into());
    }
    // The reader's message may repeat a value of the event; only its kind is told.
    let event: Event = serde_json::from_value(value).map_err(|_| {
        "no OpenLineage event: a run, job or dataset lacks its name, or is not of the right shape".to_owned()
    })?;
    let run = event.run.map(|run| run.run_id);
    let (mut job, mut facets) = (None, JobFacets::default());
    if let Some(Job { namespace, name, facets: of_job }) = event.job {
        (job, facets) = (Some(format!("{namespace}/{name}")), of_job);
    }
    let key = match (&run, &job) {
        (Some(run), _) => format!("run {run}"),
        (None, job) => format!("job {}", job.as_deref().unwrap_or_default()),
    };
    let whole = wholes.entry(key).or_default();
    whole.run = run;
    whole.job = job.or(whole.job.take());
    if let Some(sql) = facets.sql {
        whole.sql.get_or_insert((line, sql));
    }
    if let Some(lineage) = facets.lineage {
        whole.explicit.extend(lineage.entries(line)?);
    }
    for mut dataset in event.inputs {
        alias(&dataset, aliases);
        if let Some(lineage) = dataset.facets.lineage.take() {
            whole.explicit.push(lineage.entry(&dataset.name, line));
        }
        whole.inputs.insert(dataset.name);
    }
    // An event about a dataset alone says what its columns come from.
    for mut dataset in event.outputs.into_iter().chain(event.dataset) {
        alias(&dataset, aliases);
        if let Some(lineage) = dataset.facets.lineage.take() {
            whole.explicit.push(lineage.entry(&dataset.name, line));
        }
        let output = whole.outputs.entry(dataset.name).or_insert_with(|| Output { line, ..Output::default() });
        output.lineage.extend(dataset.facets.column_lineage);
    }
    Ok(())
}

fn alias(dataset: &Dataset, aliases: &mut BTreeSet<(String, String)>) {
    let symlinks = dataset.facets.symlinks.iter().flat_map(|symlinks| &symlinks.identifiers);
    aliases.extend(symlinks.map(|symlink| (dataset.name.clone(), symlink.name.clone())));
}

fn flows(outputs: Vec<(String, Output)>, inputs: &BTreeSet<String>, run: &Option<String>, path: &str) -> Vec<Flow> {
    let flow = |(target, output): (String, Output)| {
        let Output { line, lineage, sources } = output;
        let mut flow = Flow {
            target: Some(target),
            sources: sources.unwrap_or_else(|| inputs.clone()),
            path: path.into(),
            line,
            run: run.clone(),
            ..Flow::default()
        };
        let fields = lineage.iter().flat_map(|l| l.fields.values().flat_map(|i| &i.input_fields).chain(&l.dataset));
        let mut joined: BTreeSet<Key> = BTreeSet::new();
        for field in fields {
            flow.sources.insert(field.name.clone());
            // A field without transformations is read for its value. Whether it was masked changes nothing.
            let mut why: Vec<Why> = field.transformations.iter().map(|t| why(t.subtype.as_deref())).collect();
            if why.is_empty() {
                why.push(Why::Selected);
            }
            for why in why {
                if why == Why::JoinKey {
                    joined.insert(Key { table: Some(field.name.clone()), column: field.field.clone() });
                }
                flow.columns.insert(Column { table: Some(field.name.clone()), name: field.field.clone(), why });
            }
        }
        for left in &joined {
            for right in joined.iter().filter(|right| right.table > left.table) {
                flow.keys.insert(JoinKey { left: left.clone(), right: right.clone() });
            }
        }
        flow
    };
    outputs.into_iter().map(flow).collect()
}

fn why(subtype: Option<&str>) -> Why {
    match subtype.map(str::to_uppercase).as_deref() {
        Some("JOIN") => Why::JoinKey,
        Some("FILTER" | "CONDITIONAL") => Why::Filter,
        Some("GROUP_BY" | "SORT" | "WINDOW") => Why::Group,
        _ => Why::Selected,
    }
}

#[cfg(test)]
mod tests;
