//! OpenLineage events to flows: one flow per run (or job) and dataset that it writes.
//!
//! A run tells its inputs and outputs in several events; they are put together by its id. Column lineage is read in both
//! its forms: join keys and filters among the `fields` of each output column, as older producers write them, and under
//! `dataset`, as newer ones do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{Base, Column, Flow, JoinKey, Key, Outputs, Parsed, Unparsed, Why};

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
    r#type: Option<String>,
    subtype: Option<String>,
    masking: bool,
}

impl Transformation {
    fn why(&self) -> Why {
        match self.subtype.as_deref().map(str::to_uppercase).as_deref() {
            Some("JOIN") => Why::JoinKey,
            Some("FILTER" | "CONDITIONAL") => Why::Filter,
            Some("GROUP_BY" | "SORT" | "WINDOW") => Why::Group,
            _ if self.is_indirect() => Why::Filter,
            _ => Why::Selected,
        }
    }

    fn is_indirect(&self) -> bool {
        self.r#type.as_deref().is_some_and(|t| t.eq_ignore_ascii_case("INDIRECT"))
    }

    /// Whether it decides which rows there are, and so counts for every column, under whichever it is told.
    fn is_of_rows(&self) -> bool {
        match self.subtype.as_deref().map(str::to_uppercase).as_deref() {
            Some("JOIN" | "FILTER" | "GROUP_BY" | "SORT") => true,
            Some("CONDITIONAL" | "WINDOW") => false,
            _ => self.is_indirect(),
        }
    }
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
    inputs: BTreeSet<String>,
    /// With the line of the first event that names it.
    outputs: BTreeMap<String, (u64, Vec<ColumnLineage>)>,
    run: Option<String>,
}

/// Reads events: one, a list of them, or one after the other; `path` is what flows call the file.
pub fn parse(text: &str, path: &str) -> Parsed {
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
            _ => {
                at = text[at..].find('\n').map_or(text.len(), |end| at + end);
                Err("no JSON".to_owned())
            }
        };
        if let Err(reason) = outcome {
            parsed.unparsed.push(Unparsed { path: path.into(), line, reason });
        }
    }
    parsed.flows = wholes.into_values().flat_map(|whole| flows(whole, path)).collect();
    parsed.flows.sort_by(|a, b| (a.line, &a.target).cmp(&(b.line, &b.target)));
    parsed
}

/// Adds one event to what is known of its run.
fn event(
    value: Value,
    line: u64,
    wholes: &mut BTreeMap<String, Whole>,
    aliases: &mut BTreeSet<(String, String)>,
) -> Result<(), String> {
    if value.get("metadata").is_some_and(|metadata| metadata.get("dbt_schema_version").is_some()) {
        return Err("a dbt manifest, which is not read; hand over the compiled SQL or OpenLineage events".into());
    }
    if !value.is_object() || ["run", "job", "dataset"].iter().all(|key| value.get(key).is_none()) {
        return Err("no OpenLineage event: it has neither `run`, `job` nor `dataset`".into());
    }
    // The reader's message may repeat a value of the event; only its kind is told.
    let event: Event = serde_json::from_value(value).map_err(|_| {
        "no OpenLineage event: a run, job or dataset lacks its name, or is not of the right shape".to_owned()
    })?;
    let run = event.run.map(|run| run.run_id);
    let job = event.job.map(|job| format!("{}/{}", job.namespace, job.name)).unwrap_or_default();
    let key = run.as_ref().map_or_else(|| format!("job {job}"), |run| format!("run {run}"));
    let whole = wholes.entry(key).or_default();
    whole.run = run;
    for dataset in event.inputs {
        alias(&dataset, aliases);
        whole.inputs.insert(dataset.name);
    }
    // An event about a dataset alone says what its columns come from.
    for dataset in event.outputs.into_iter().chain(event.dataset) {
        alias(&dataset, aliases);
        let (_, columns) = whole.outputs.entry(dataset.name).or_insert((line, Vec::new()));
        columns.extend(dataset.facets.column_lineage);
    }
    Ok(())
}

fn alias(dataset: &Dataset, aliases: &mut BTreeSet<(String, String)>) {
    let symlinks = dataset.facets.symlinks.iter().flat_map(|symlinks| &symlinks.identifiers);
    aliases.extend(symlinks.map(|symlink| (dataset.name.clone(), symlink.name.clone())));
}

fn flows(whole: Whole, path: &str) -> Vec<Flow> {
    let Whole { inputs, outputs, run } = whole;
    let flow = |(target, (line, lineage)): (String, (u64, Vec<ColumnLineage>))| {
        let mut flow = Flow {
            target: Some(target),
            sources: inputs.clone(),
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
            let mut why: Vec<Why> = field.transformations.iter().map(Transformation::why).collect();
            if why.is_empty() {
                why.push(Why::Selected);
            }
            if field.transformations.iter().any(|t| t.masking) {
                flow.hashed.insert(Key { table: Some(field.name.clone()), column: field.field.clone() });
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
        flow.outputs = by_column(&lineage, &flow.sources);
        flow
    };
    outputs.into_iter().map(flow).filter(|flow| !flow.sources.is_empty()).collect()
}

/// What each column comes from; None when no event tells.
fn by_column(lineage: &[ColumnLineage], sources: &BTreeSet<String>) -> Option<Outputs> {
    let mut outputs = Outputs::default();
    let mut tells_rows = false;
    for (name, inputs) in lineage.iter().flat_map(|facet| &facet.fields) {
        let mut bases = BTreeSet::new();
        for field in &inputs.input_fields {
            let base = || Base::of(&field.name, &field.field);
            tells_rows |= field.transformations.iter().any(Transformation::is_indirect);
            if field.transformations.iter().any(Transformation::is_of_rows) {
                outputs.rows.insert(base());
            }
            if field.transformations.is_empty() || !field.transformations.iter().all(Transformation::is_of_rows) {
                bases.insert(base());
            }
        }
        outputs.push(name, bases);
    }
    for field in lineage.iter().flat_map(|facet| &facet.dataset) {
        tells_rows = true;
        outputs.rows.insert(Base::of(&field.name, &field.field));
    }
    if !tells_rows && sources.len() > 1 {
        // The producer leaves out by which columns the inputs are joined and filtered; some column of each it is.
        outputs.rows.extend(sources.iter().map(|source| Base::of(source, "?")));
    }
    (!outputs.columns.is_empty()).then_some(outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Flow> {
        let parsed = parse(text, "runs.jsonl");
        assert_eq!(parsed.unparsed, []);
        parsed.flows
    }

    fn keys(flow: &Flow) -> Vec<String> {
        flow.keys.iter().map(|key| format!("{} = {}", key.left.text(), key.right.text())).collect()
    }

    const START: &str = r#"{"eventType": "START", "run": {"runId": "r1"}, "job": {"namespace": "etl", "name": "f"},
        "inputs": [{"namespace": "db", "name": "shop.web.events"}, {"namespace": "db", "name": "shop.store.receipts"}]}"#;

    fn complete(lineage: &str) -> String {
        format!(
            r#"{{"eventType": "COMPLETE", "run": {{"runId": "r1"}}, "job": {{"namespace": "etl", "name": "f"}},
            "outputs": [{{"namespace": "db", "name": "shop.features.f", "facets": {{"columnLineage": {lineage}}}}}]}}"#
        )
    }

    #[test]
    fn the_events_of_a_run_are_put_together() {
        let flows = read(&format!("{START}\n{}\n", complete(r#"{"fields": {}}"#)));
        assert_eq!(flows.len(), 1);
        assert_eq!((flows[0].target.as_deref(), flows[0].line), (Some("shop.features.f"), 3));
        assert_eq!(flows[0].run.as_deref(), Some("r1"));
        assert_eq!(flows[0].sources.iter().collect::<Vec<_>>(), ["shop.store.receipts", "shop.web.events"]);
        let flows = read(&format!("[{START},\n{}]", complete(r#"{"fields": {}}"#)));
        assert_eq!((flows.len(), flows[0].line), (1, 3));
    }

    #[test]
    fn join_keys_are_found_in_both_forms_of_column_lineage() {
        let joined = |table: &str| {
            format!(
                r#"{{"namespace": "db", "name": "shop.{table}", "field": "email_sha256",
                "transformations": [{{"type": "INDIRECT", "subtype": "JOIN", "masking": true}}]}}"#
            )
        };
        let (web, store) = (joined("web.events"), joined("store.receipts"));
        let value = r#"{"namespace": "db", "name": "shop.web.events", "field": "views",
            "transformations": [{"type": "DIRECT", "subtype": "IDENTITY"}]}"#;
        let older = format!(r#"{{"fields": {{"views": {{"inputFields": [{value}, {web}, {store}]}}}}}}"#);
        let newer = format!(r#"{{"fields": {{"views": {{"inputFields": [{value}]}}}}, "dataset": [{web}, {store}]}}"#);
        for lineage in [older, newer] {
            let flows = read(&complete(&lineage));
            assert_eq!(keys(&flows[0]), ["shop.store.receipts.email_sha256 = shop.web.events.email_sha256"]);
            // The facet names datasets that no event lists as input.
            assert_eq!(flows[0].sources.len(), 2);
            let of = |why| flows[0].columns.iter().filter(move |c| c.why == why).count();
            assert_eq!((of(Why::Selected), of(Why::JoinKey)), (1, 2));
        }
    }

    #[test]
    fn symlinks_are_other_names() {
        let event = r#"{"run": {"runId": "r"}, "job": {"name": "j"}, "inputs": [{"name": "s3/web/1", "facets":
            {"symlinks": {"identifiers": [{"namespace": "hive", "name": "web.events", "type": "TABLE"}]}}}],
            "outputs": [{"name": "features.f"}]}"#;
        let aliases = parse(event, "e.json").aliases;
        assert_eq!(aliases, BTreeSet::from([("s3/web/1".to_owned(), "web.events".to_owned())]));
    }

    #[test]
    fn jobs_and_datasets_speak_without_a_run() {
        let job = r#"{"job": {"namespace": "etl", "name": "j"}, "inputs": [{"name": "web.events"}],
            "outputs": [{"name": "features.f"}]}"#;
        assert_eq!((read(job)[0].run.as_deref(), read(job)[0].sources.len()), (None, 1));
        let dataset = r#"{"dataset": {"name": "features.f", "facets": {"columnLineage": {"fields": {"a":
            {"inputFields": [{"name": "web.events", "field": "views"}]}}}}}}"#;
        assert_eq!(read(dataset)[0].target.as_deref(), Some("features.f"));
    }

    #[test]
    fn what_is_no_event_is_listed_with_its_line_and_hides_no_other() {
        let whole = complete("{}").replace('\n', " ");
        let start = START.replace('\n', " ");
        let text = format!(
            "{start}\nnot json {{\n{{\"a\": 1}}\n{whole}\n{{\"run\": {{}}, \"who\": \"anna@people.example\"}}\n"
        );
        let parsed = parse(&text, "runs.jsonl");
        assert_eq!((parsed.flows.len(), parsed.statements), (1, 5));
        assert_eq!(parsed.unparsed.iter().map(|u| u.line).collect::<Vec<_>>(), [2, 3, 5]);
        assert!(parsed.unparsed.iter().all(|u| !u.reason.contains("anna")));
        let dbt = parse(r#"{"metadata": {"dbt_schema_version": "v12"}}"#, "manifest.json");
        assert!(dbt.unparsed[0].reason.contains("dbt"));
    }
}
