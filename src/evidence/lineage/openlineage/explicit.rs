//! Explicit lineage, the facet `lineage` 1-0-0: the edges themselves, between datasets and jobs.
//!
//! Where an event has it, it is the whole of what flows, and neither its inputs and outputs nor column lineage add an
//! edge. A job stands for what flows into it: its own entries, and the inputs of its events that no dataset is made from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{ColumnLineage, InputField, Inputs, Output, Transformation, Whole};

/// On a job, or observed during its run.
#[derive(Debug, Deserialize)]
pub(super) struct OfJob {
    entries: Vec<Written>,
}

/// On a dataset.
#[derive(Debug, Deserialize)]
pub(super) struct OfDataset {
    #[serde(default)]
    inputs: Vec<Input>,
    #[serde(default)]
    fields: BTreeMap<String, Field>,
}

#[derive(Debug, Deserialize)]
struct Written {
    #[serde(default)]
    namespace: String,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(flatten)]
    made: OfDataset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    Dataset,
    Job,
}

#[derive(Debug, Deserialize)]
struct Field {
    inputs: Vec<Input>,
}

#[derive(Debug, Deserialize)]
struct Input {
    #[serde(default)]
    namespace: String,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Kind,
    field: Option<String>,
    #[serde(default)]
    transformations: Vec<Transformation>,
}

/// A dataset or job, and what feeds it.
#[derive(Debug)]
pub(super) struct Entry {
    line: u64,
    target: Target,
    datasets: BTreeSet<String>,
    /// None is the event's own.
    jobs: BTreeSet<Option<String>>,
    columns: ColumnLineage,
}

#[derive(Debug)]
enum Target {
    Dataset(String),
    /// None is the event's own.
    Job(Option<String>),
}

impl OfJob {
    pub fn entries(self, line: u64) -> Result<Vec<Entry>, String> {
        let entry = |written: Written| {
            let target = match (written.kind, written.name) {
                (Kind::Job, name) => Target::Job(name.map(|name| job(&written.namespace, &name))),
                (Kind::Dataset, Some(name)) => Target::Dataset(name),
                (Kind::Dataset, None) => return Err("an entry of its lineage is a dataset without a name".to_owned()),
            };
            Ok(Entry::new(target, written.made, line))
        };
        self.entries.into_iter().map(entry).collect()
    }
}

impl OfDataset {
    pub fn entry(self, dataset: &str, line: u64) -> Entry {
        Entry::new(Target::Dataset(dataset.to_owned()), self, line)
    }
}

impl Entry {
    fn new(target: Target, made: OfDataset, line: u64) -> Self {
        let mut entry =
            Self { line, target, datasets: BTreeSet::new(), jobs: BTreeSet::new(), columns: ColumnLineage::default() };
        entry.columns.dataset = entry.columns(made.inputs);
        for (field, from) in made.fields {
            let input_fields = entry.columns(from.inputs);
            entry.columns.fields.insert(field, Inputs { input_fields });
        }
        entry
    }

    /// Notes where inputs come from, and returns those that are columns.
    fn columns(&mut self, inputs: Vec<Input>) -> Vec<InputField> {
        let mut columns = Vec::new();
        for Input { namespace, name, kind, field, transformations } in inputs {
            match (kind, name) {
                (Kind::Dataset, Some(name)) => {
                    self.datasets.insert(name.clone());
                    columns.extend(field.map(|field| InputField { name, field, transformations }));
                }
                (Kind::Dataset, None) => {}
                (Kind::Job, name) => {
                    self.jobs.insert(name.map(|name| job(&namespace, &name)));
                }
            }
        }
        columns
    }
}

fn job(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// What feeds a job, as far as all events tell.
#[derive(Default)]
struct Fed {
    datasets: BTreeSet<String>,
    jobs: BTreeSet<String>,
}

/// Gives every output of a run with explicit lineage its sources. What leaves something open is told with its line.
pub(super) fn settle(wholes: &mut BTreeMap<String, Whole>) -> Vec<(u64, String)> {
    let mut fed: BTreeMap<String, Fed> = BTreeMap::new();
    for whole in wholes.values() {
        let own = whole.job.clone().unwrap_or_default();
        for entry in &whole.explicit {
            if let Target::Job(name) = &entry.target {
                let into = fed.entry(name.clone().unwrap_or_else(|| own.clone())).or_default();
                into.datasets.extend(entry.datasets.iter().cloned());
                into.jobs.extend(entry.jobs.iter().map(|job| job.clone().unwrap_or_else(|| own.clone())));
            }
        }
        if whole.job.is_some() {
            let made = whole.explicit.iter().filter(|entry| matches!(entry.target, Target::Dataset(_)));
            let told: BTreeSet<&String> = made.flat_map(|entry| &entry.datasets).collect();
            let direct = whole.inputs.iter().filter(|input| !told.contains(input)).cloned();
            fed.entry(own).or_default().datasets.extend(direct);
        }
    }
    let mut open = Vec::new();
    for whole in wholes.values_mut().filter(|whole| !whole.explicit.is_empty()) {
        let own = whole.job.clone().unwrap_or_default();
        for output in whole.outputs.values_mut() {
            output.sources = Some(behind(&own, &fed).unwrap_or_default());
        }
        let mut seen = BTreeSet::new();
        for Entry { line, target, datasets, jobs, columns } in std::mem::take(&mut whole.explicit) {
            let Target::Dataset(name) = target else { continue };
            let output = whole.outputs.entry(name.clone()).or_insert_with(|| Output { line, ..Output::default() });
            if seen.insert(name.clone()) {
                (output.line, output.sources) = (line, Some(BTreeSet::new()));
                output.lineage.clear();
            }
            let sources = output.sources.get_or_insert_default();
            sources.extend(datasets);
            for job in jobs.into_iter().map(|job| job.unwrap_or_else(|| own.clone())) {
                match behind(&job, &fed) {
                    Ok(behind) => sources.extend(behind),
                    Err(unknown) => open.push((
                        line,
                        format!("`{name}` comes from the job `{unknown}`, and no event tells what that is fed by"),
                    )),
                }
            }
            output.lineage.push(columns);
        }
    }
    open
}

/// The datasets that a job stands for, however many jobs away. An error names one that no event knows.
fn behind(job: &str, fed: &BTreeMap<String, Fed>) -> Result<BTreeSet<String>, String> {
    let mut datasets = BTreeSet::new();
    let mut seen = BTreeSet::from([job]);
    let mut open = vec![job];
    while let Some(job) = open.pop() {
        let from = fed.get(job).ok_or_else(|| job.to_owned())?;
        datasets.extend(from.datasets.iter().cloned());
        open.extend(from.jobs.iter().map(String::as_str).filter(|job| seen.insert(job)));
    }
    Ok(datasets)
}
