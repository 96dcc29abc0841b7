//! Static joins: contexts that lineage combines into what a strategy reads, whether or not a log shows it.
//!
//! A table stands for what the data map says of it and for all that flows into it, however many steps away. Tables are
//! followed whole, but for the columns that a statement takes from a mapped table that no lineage makes. A hash or mask
//! cuts nothing; only a declared breaker does.

use std::collections::{BTreeMap, BTreeSet};

use super::uses::{self, PairAsk, Use};
use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::data_map::{DataMap, Resolved};
use crate::evidence::lineage::{Flow, Lineage};
use crate::evidence::table::Reject;
use crate::manifest::Manifest;

mod tables;

use tables::Tables;

/// A pair of contexts that lineage combines for one strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticJoin {
    pub strategy: String,
    pub purpose: String,
    /// In alphabetical order.
    pub contexts: (String, String),
    pub ask: PairAsk,
    /// The key that rows of the two contexts meet by.
    pub link: Option<String>,
    /// Columns that the statements use.
    pub fields: BTreeSet<String>,
    /// File, line and run of each statement or run that combines them.
    pub sources: BTreeSet<(String, u64, Option<String>)>,
}

/// What lineage shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    pub joins: Vec<StaticJoin>,
    /// Flows to a strategy from tables that nobody mapped: which contexts these stand for is not known.
    pub unknown: Vec<Reject>,
}

/// Asks of lineage what the replay asks of a log. `uses` are the log's, for inputs that only its rows name.
pub fn find(lineage: &Lineage, map: &DataMap, policy: &ConsentPolicy, manifest: &Manifest, uses: &[Use]) -> Found {
    let tables = Tables::new(lineage, map, manifest);
    let graph = Graph::new(lineage, &tables, map, policy);
    let mut found = Found::default();
    let mut unknown = BTreeMap::new();
    for strategy in &manifest.strategies {
        let mut inputs: BTreeSet<String> = strategy.inputs.iter().map(|input| input.value.clone()).collect();
        inputs.extend(uses.iter().filter(|u| u.strategy == *strategy.id).flat_map(|u| u.inputs.iter().cloned()));
        let reached = graph.upstream(inputs.iter().map(|input| tables.of_field(input)).collect());
        for edge in graph.edges.iter().filter(|edge| reached.contains(&edge.target)) {
            for source in edge.sources.iter().filter(|source| !graph.known(source)) {
                let reason = format!(
                    "`{source}` is read here and is in no dataset of the data map, so that its contexts are not known"
                );
                unknown.entry((edge.flow.path.clone(), edge.flow.line)).or_insert(reason);
            }
        }
        let mut resolved = Resolved::default();
        for table in &reached {
            resolved.merge(graph.stands_for.get(table).cloned().unwrap_or_default());
        }
        let usage = Use { inputs, resolved, ..Use::declared(manifest, map, &strategy.id) };
        let asked = uses::ask(&usage, &strategy.purpose, policy, manifest, map, &mut Vec::new());
        for (contexts, ask) in asked.pairs {
            let pair = (contexts.0.as_str(), contexts.1.as_str());
            let (mut edges, mut circles) = (Vec::new(), Vec::new());
            for table in &reached {
                let (joined, circle) = graph.combining(table, pair);
                edges.extend(joined);
                circles.extend(circle);
            }
            if edges.is_empty() {
                edges = circles;
            }
            if edges.is_empty() {
                continue;
            }
            found.joins.push(StaticJoin {
                strategy: usage.strategy.clone(),
                purpose: strategy.purpose.value.clone(),
                ask,
                link: edges.iter().find_map(|edge| graph.link(edge, pair)),
                fields: edges.iter().flat_map(|edge| graph.fields(edge, pair)).collect(),
                sources: edges.iter().map(|e| (e.flow.path.clone(), e.flow.line, e.flow.run.clone())).collect(),
                contexts,
            });
        }
    }
    found.unknown = unknown.into_iter().map(|((file, line), reason)| Reject { file, line, reason }).collect();
    found
}

/// A flow, with its tables under the names that stand for them.
struct Edge<'a> {
    flow: &'a Flow,
    target: String,
    sources: BTreeSet<String>,
}

struct Graph<'a> {
    tables: &'a Tables<'a>,
    map: &'a DataMap,
    policy: &'a ConsentPolicy,
    edges: Vec<Edge<'a>>,
    /// Tables that some flow makes.
    made: BTreeSet<String>,
    /// All that a table stands for, contexts under their one name.
    stands_for: BTreeMap<String, Resolved>,
}

impl<'a> Graph<'a> {
    fn new(lineage: &'a Lineage, tables: &'a Tables<'a>, map: &'a DataMap, policy: &'a ConsentPolicy) -> Self {
        let edge = |flow: &'a Flow| {
            Some(Edge {
                flow,
                target: tables.of(flow.target.as_ref()?),
                sources: flow.sources.iter().map(|source| tables.of(source)).collect(),
            })
        };
        let edges: Vec<Edge> = lineage.flows.iter().filter_map(edge).collect();
        let made = edges.iter().map(|edge| edge.target.clone()).collect();
        let mut graph = Self { tables, map, policy, edges, made, stands_for: BTreeMap::new() };
        let all: BTreeSet<String> =
            graph.edges.iter().flat_map(|e| e.sources.iter().cloned().chain([e.target.clone()])).collect();
        for table in all {
            let own = graph.own(&table);
            graph.stands_for.insert(table, own);
        }
        // What flows in is added until nothing changes; tables may feed each other in circles.
        let mut changed = true;
        while changed {
            changed = false;
            for index in 0..graph.edges.len() {
                let edge = &graph.edges[index];
                if graph.is_cut(&edge.target) {
                    continue;
                }
                let mut sum = Resolved::default();
                edge.sources.iter().for_each(|source| sum.merge(graph.read(edge, source)));
                let into = graph.stands_for.entry(edge.target.clone()).or_default();
                let before = into.parts.clone();
                into.merge(sum);
                changed |= into.parts != before;
            }
        }
        graph
    }

    /// Whether the contexts of a table can be known: it is mapped, or made from others.
    fn known(&self, table: &str) -> bool {
        self.made.contains(table) || self.tables.is_mapped(table)
    }

    /// What the data map says of a table.
    fn own(&self, table: &str) -> Resolved {
        // What is made was collected where its sources were, unless the map says otherwise.
        let made = self.made.contains(table);
        let fields = self.map.fields.iter().filter(|(_, field)| field.collection == table);
        let stated = fields.filter(|(_, field)| !made || field.context_declared || !field.derived_from.is_empty());
        let mut own = Resolved::default();
        stated.for_each(|(key, _)| own.merge(self.field(key)));
        own
    }

    fn field(&self, key: &str) -> Resolved {
        let resolved = self.map.resolve(key).unwrap_or_default();
        let mut canonical = Resolved { special: resolved.special, ..Resolved::default() };
        for ((category, context), special) in resolved.parts {
            *canonical.parts.entry((category, self.policy.canonical(&context).to_owned())).or_default() |= special;
        }
        canonical
    }

    /// Whether a breaker ends what a table is derived from: one of its fields has it, and the others hold nothing personal.
    fn is_cut(&self, table: &str) -> bool {
        let fields = || self.map.fields.iter().filter(|(_, field)| field.collection == table);
        fields().any(|(_, field)| field.breaker.is_some())
            && fields().all(|(key, _)| self.map.resolve(key).is_some_and(|field| field.parts.is_empty()))
    }

    /// What a flow takes from one of its sources.
    fn read(&self, edge: &Edge, source: &str) -> Resolved {
        self.columns(edge, source).unwrap_or_else(|| self.stands_for.get(source).cloned().unwrap_or_default())
    }

    /// The same by column; None when not all of them are known.
    fn columns(&self, edge: &Edge, source: &str) -> Option<Resolved> {
        let flow = edge.flow;
        if !flow.all_columns || self.made.contains(source) || flow.columns.iter().any(|c| c.table.is_none()) {
            return None;
        }
        let mut sum = Resolved::default();
        let of_it = |table: &Option<String>| table.as_ref().is_some_and(|table| self.tables.of(table) == source);
        let mut any = false;
        for column in flow.columns.iter().filter(|column| of_it(&column.table)) {
            let key = format!("{source}.{}", column.name);
            let field = self.map.fields.keys().find(|known| known.eq_ignore_ascii_case(&key))?;
            sum.merge(self.field(field));
            any = true;
        }
        any.then_some(sum)
    }

    /// The tables that feed `tables`, themselves included, up to the next breaker.
    fn upstream(&self, tables: Vec<String>) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut next = tables;
        while let Some(table) = next.pop() {
            if !self.is_cut(&table) && reached.insert(table.clone()) {
                let into = self.edges.iter().filter(|edge| edge.target == table);
                next.extend(into.flat_map(|edge| edge.sources.iter().cloned()));
            }
        }
        reached
    }

    /// The flows into a table that bring a pair together there, and not before; and, apart, those that only hand on what
    /// goes round in a circle.
    fn combining(&self, table: &str, (a, b): (&str, &str)) -> (Vec<&Edge<'a>>, Vec<&Edge<'a>>) {
        let has = |resolved: &Resolved, context: &str| resolved.parts.keys().any(|(_, c)| c == context);
        let both = |resolved: &Resolved| has(resolved, a) && has(resolved, b);
        let (mut joined, mut parts, mut circles, mut before) = (Vec::new(), Vec::new(), Vec::new(), false);
        if !self.stands_for.get(table).is_some_and(both) {
            return (joined, circles);
        }
        for edge in self.edges.iter().filter(|edge| edge.target == table) {
            let reads: Vec<(&String, Resolved)> = edge.sources.iter().map(|s| (s, self.read(edge, s))).collect();
            let holds_a = || reads.iter().filter(|(_, read)| has(read, a));
            let holds_b = || reads.iter().filter(|(_, read)| has(read, b));
            if holds_a().next().is_none() || holds_b().next().is_none() {
                if holds_a().chain(holds_b()).next().is_some() {
                    parts.push(edge);
                }
                continue;
            }
            let handed_on = |(source, read): &&(&String, Resolved)| {
                *source != table && self.made.contains(*source) && both(read) && !self.feeds(table, source)
            };
            let meets = holds_a().any(|(one, read)| {
                holds_b().any(|(other, _)| one != other) || (both(read) && !self.made.contains(*one))
            });
            match (reads.iter().any(|read| handed_on(&read)), meets) {
                (true, _) => before = true,
                (false, true) => joined.push(edge),
                (false, false) => circles.push(edge),
            }
        }
        if joined.is_empty() && !before && !both(&self.own(table)) {
            // Several flows, each with its part.
            joined = parts;
        }
        (joined, circles)
    }

    /// Whether one table is among those that another is made from.
    fn feeds(&self, one: &str, other: &str) -> bool {
        self.upstream(vec![other.to_owned()]).contains(one)
    }

    /// The key by which a flow joins tables of the two contexts.
    fn link(&self, edge: &Edge, (a, b): (&str, &str)) -> Option<String> {
        let has = |table: &Option<String>, context: &str| {
            let table = table.as_ref().map(|table| self.tables.of(table));
            table.is_some_and(|table| self.read(edge, &table).parts.keys().any(|(_, c)| c == context))
        };
        let joins = |left: &Option<String>, right: &Option<String>| {
            (has(left, a) && has(right, b)) || (has(left, b) && has(right, a))
        };
        let key = edge.flow.keys.iter().find(|key| joins(&key.left.table, &key.right.table))?;
        Some(format!("{} = {}", key.left.text(), key.right.text()))
    }

    /// The columns that a flow uses of tables of the two contexts, by the names of the data map.
    fn fields(&self, edge: &Edge, (a, b): (&str, &str)) -> BTreeSet<String> {
        let named = edge.flow.columns.iter().filter_map(|c| Some((self.tables.of(c.table.as_ref()?), &c.name)));
        let of_pair = |table: &String| self.read(edge, table).parts.keys().any(|(_, c)| c == a || c == b);
        named.filter(|(table, _)| of_pair(table)).map(|(table, name)| format!("{table}.{name}")).collect()
    }
}

#[cfg(test)]
mod tests;
