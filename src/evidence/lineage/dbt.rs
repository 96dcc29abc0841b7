//! dbt manifests to flows: one for each model and snapshot, read from its compiled SQL.
//!
//! Where there is none (a Python model, a project that was only parsed) or it cannot be read, the flow is what dbt says
//! the node depends on: whole tables, their columns unknown. Tests and analyses make nothing, and seeds are made of
//! nothing that lineage knows.

use super::{Flow, Parsed, Unparsed, query_log, sql};
use crate::evidence::dbt::{Manifest, Node};
use crate::manifest::Dialect;

/// Reads a manifest that lies at `name`; `dialect` is its SQL's when the adapter is not known.
pub fn parse(manifest: &Manifest, name: &str, dialect: Dialect) -> Parsed {
    let dialect = manifest.adapter.as_deref().and_then(Dialect::of_database).unwrap_or(dialect);
    let mut parsed = Parsed::default();
    for (id, node) in &manifest.nodes {
        if let (Some(relation), Some(full)) = (node.relation(), node.full_name())
            && relation != full
        {
            parsed.aliases.insert((relation, full));
        }
        let mut reader = Reader { manifest, dialect, id, node, path: path(manifest, node, name), parsed: &mut parsed };
        match node.resource_type.as_str() {
            "model" if node.is_ephemeral() => {}
            "model" | "snapshot" => reader.made(node.relation()),
            // An exposure is read by somebody, and stands under its own name.
            "exposure" => reader.made(Some(id.clone())),
            // What runs once at the start or end of dbt's run.
            "operation" | "sql_operation" => reader.made(None),
            _ => continue,
        }
        for hook in node.hooks() {
            reader.hook(hook);
        }
    }
    parsed
}

/// One node on its way into flows.
struct Reader<'a> {
    manifest: &'a Manifest,
    dialect: Dialect,
    id: &'a str,
    node: &'a Node,
    path: String,
    parsed: &'a mut Parsed,
}

impl Reader<'_> {
    fn made(&mut self, target: Option<String>) {
        self.parsed.statements += 1;
        if let Some(sql) = self.node.sql() {
            let read = sql::parse(sql, &self.path, self.dialect);
            if read.unparsed.is_empty() {
                for flow in read.flows {
                    let flow = self.flow(flow.target.clone().or_else(|| target.clone()), flow);
                    self.parsed.flows.push(flow);
                }
                return;
            }
            for fault in read.unparsed {
                // Its line is one of the compiled text, which is no file.
                self.unparsed(fault.reason);
            }
        }
        match self.manifest.upstream(self.id) {
            Ok(sources) if sources.is_empty() => {}
            Ok(sources) => {
                let flow = self.flow(target, Flow { sources, ..Flow::default() });
                self.parsed.flows.push(flow);
            }
            Err(lacking) => self.unparsed(format!("it depends on `{lacking}`, which the manifest does not have")),
        }
    }

    /// A hook is kept as it is written, templates and all; most only grant rights.
    fn hook(&mut self, written: &str) {
        let this = self.node.relation().unwrap_or_default();
        let written = written.replace("{{ this }}", &this).replace("{{this}}", &this);
        let alone = !written.trim_end_matches(|c: char| c == ';' || c.is_whitespace()).contains(';');
        if written.trim().is_empty() || (alone && query_log::is_no_lineage(&written)) {
            return;
        }
        self.parsed.statements += 1;
        if written.contains("{{") || written.contains("{%") {
            self.unparsed("it has a hook whose SQL is a template, so that what it joins cannot be told".into());
            return;
        }
        let read = sql::parse(&written, &self.path, self.dialect);
        let flows: Vec<Flow> = read.flows.into_iter().map(|flow| self.flow(flow.target.clone(), flow)).collect();
        self.parsed.flows.extend(flows);
        for fault in read.unparsed {
            self.unparsed(format!("it has a hook that cannot be read: {}", fault.reason));
        }
    }

    fn flow(&self, target: Option<String>, flow: Flow) -> Flow {
        Flow { target, path: self.path.clone(), line: 1, run: Some(self.id.to_owned()), ..flow }
    }

    fn unparsed(&mut self, reason: String) {
        let reason = format!("`{}`: {reason}", self.id);
        self.parsed.unparsed.push(Unparsed { path: self.path.clone(), line: 1, reason });
    }
}

/// The file that a node is written in, from the folder of the audit's manifest: dbt writes its own manifest into the
/// folder `target` of the project, and keeps the packages it installs in `dbt_packages`.
fn path(manifest: &Manifest, node: &Node, name: &str) -> String {
    let Some(original) = &node.original_file_path else { return name.to_owned() };
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let root = folder.strip_suffix("target").filter(|root| root.is_empty() || root.ends_with('/')).unwrap_or(folder);
    let mut path = root.trim_end_matches('/').to_owned();
    let mut add = |part: &str| {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
    };
    match (&node.package_name, &manifest.project) {
        (Some(package), Some(project)) if package != project => add(&format!("dbt_packages/{package}")),
        _ => {}
    }
    add(&original.replace('\\', "/"));
    path
}

#[cfg(test)]
mod tests;
