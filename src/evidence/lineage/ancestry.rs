//! Ancestry: what every column is made of, by the data map's `derived_from` and by lineage together.
//!
//! A column is a node; what a statement or run makes it of are edges. Where a statement does not tell its columns
//! apart, or reads all of a table, everything that it may mean is an edge: more than there is at worst, never less.

use std::collections::HashMap;
use std::sync::Mutex;

use super::outputs::How;
use super::reach::Reach;
use super::tables::Tables;
use crate::evidence::data_map::{DataMap, Resolved};
use crate::evidence::taxonomy::is_personal;

mod columns;
mod compile;

pub(super) use columns::Session;

/// All columns of a table.
const ALL: &str = "*";
/// Some column of a table, nobody knows which.
const SOME: &str = "?";

/// A column of a table, by the numbers of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    pub(super) table: u32,
    pub(super) column: u32,
}

impl Node {
    /// The number of its table.
    pub fn table(self) -> u32 {
        self.table
    }
}

/// One step from a column to what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub to: Node,
    /// The flow that takes it, by its place in the lineage; None for the data map.
    pub flow: Option<usize>,
    /// Whether the value comes from there, and not merely the choice of rows.
    pub value: bool,
}

/// Everything that columns are made of.
#[derive(Debug, Default)]
pub struct Ancestry {
    tables: Tables,
    names: Names,
    flows: Vec<Compiled>,
    /// Flows by their target.
    into: HashMap<u32, Vec<usize>>,
    /// Keys of the data map's fields.
    mapped: HashMap<Node, String>,
    /// The data map's fields by table, and by the field that they lie within.
    of_table: HashMap<u32, Vec<Node>>,
    within: HashMap<Node, Vec<Node>>,
    /// Columns of tables in their order, where a statement tells.
    order: HashMap<u32, Vec<u32>>,
    resolved: Mutex<HashMap<String, Option<Resolved>>>,
}

#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Names {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(known) = self.numbers.get(text) {
            return *known;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// A flow, with names as numbers.
#[derive(Debug)]
struct Compiled {
    /// Its place in the lineage.
    flow: usize,
    how: How,
    /// None: not told by column.
    columns: Option<Vec<Item>>,
    rows: Vec<Source>,
    /// All that it reads.
    whole: Vec<Source>,
}

#[derive(Debug)]
enum Item {
    Column { name: u32, sources: Vec<Source> },
    All { table: u32, except: Vec<u32> },
}

#[derive(Debug)]
struct Source {
    tables: Vec<u32>,
    column: u32,
    optional: bool,
}

impl Ancestry {
    /// What a field stands for; None when neither the data map nor lineage knows it.
    pub fn resolve(&self, map: &DataMap, field: &str) -> Option<Resolved> {
        let lock = || self.resolved.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = lock().get(field) {
            return known.clone();
        }
        let resolved = self.find(map, field).map(|node| Reach::new(self, map, [node]).resolved());
        lock().insert(field.to_owned(), resolved.clone());
        resolved
    }

    /// The column that a field's name means: one that the data map has, or one of a table that lineage makes.
    pub fn find(&self, map: &DataMap, field: &str) -> Option<Node> {
        if let Some(mapped) = map.fields.get(field) {
            let path = field[(mapped.collection.len() + 1).min(field.len())..].to_lowercase();
            return self.node(&mapped.collection, &path);
        }
        let dots: Vec<usize> = field.match_indices('.').map(|(dot, _)| dot).collect();
        dots.into_iter().rev().find_map(|dot| {
            let node = self.node(&self.tables.of(&field[..dot]), &field[dot + 1..].to_lowercase())?;
            self.is_made(node.table).then_some(node)
        })
    }

    /// The column of a table of the lineage, by the name that the lineage gives it.
    pub fn column(&self, table: &str, column: &str) -> Option<Node> {
        self.node(&self.tables.of(table), &column.to_lowercase())
    }

    fn node(&self, table: &str, column: &str) -> Option<Node> {
        let table = *self.names.numbers.get(table)?;
        // A column that nothing names is some column of its table.
        let column = *self.names.numbers.get(column).or_else(|| self.names.numbers.get(SOME))?;
        Some(Node { table, column })
    }

    pub fn table_name(&self, node: Node) -> &str {
        &self.names.texts[node.table as usize]
    }

    pub fn column_name(&self, node: Node) -> &str {
        &self.names.texts[node.column as usize]
    }

    /// Whether some flow fills the table.
    pub(super) fn is_made(&self, table: u32) -> bool {
        self.into.get(&table).is_some_and(|flows| flows.iter().any(|flow| self.flows[*flow].how != How::Changes))
    }

    pub(super) fn is_mapped(&self, table: u32) -> bool {
        self.of_table.contains_key(&table)
    }

    /// The mapped fields of a table.
    pub(super) fn fields(&self, table: u32) -> &[Node] {
        self.of_table.get(&table).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_all(&self, node: Node) -> bool {
        self.column_name(node) == ALL
    }

    /// The data map's field for a column, or for the column it lies within.
    pub fn key(&self, node: Node) -> Option<&str> {
        let mut path = self.column_name(node);
        loop {
            let column = *self.names.numbers.get(path)?;
            if let Some(key) = self.mapped.get(&Node { table: node.table, column }) {
                return Some(key);
            }
            path = path.rsplit_once('.')?.0;
        }
    }

    /// Whether what a column is made of ends here: its own breaker, or a key of the groups that a breaker of its table
    /// covers, when the map says that all else in the table is about nobody.
    pub(super) fn is_cut(&self, map: &DataMap, node: Node) -> bool {
        let field = |key: &str| map.fields.get(key);
        let Some(own) = self.key(node).and_then(field) else { return false };
        let about_nobody = |node: &Node| {
            self.key(*node).and_then(field).is_some_and(|field| {
                let categories = &field.categories;
                field.breaker.is_some()
                    || (field.derived_from.is_empty()
                        && !categories.is_empty()
                        && !categories.iter().any(|c| is_personal(c)))
            })
        };
        let has_breaker = |node: &Node| self.key(*node).and_then(field).is_some_and(|f| f.breaker.is_some());
        let fields = self.fields(node.table);
        own.breaker.is_some()
            || (self.is_made(node.table) && fields.iter().any(has_breaker) && fields.iter().all(about_nobody))
    }

    /// What a column is made of, one step up.
    pub(super) fn parents(&self, map: &DataMap, node: Node, session: &mut Session) -> Vec<Step> {
        let mut steps = Vec::new();
        let from_map = |to: Node| Step { to, flow: None, value: true };
        let field = self.key(node).and_then(|key| map.fields.get(key));
        let derived = field.into_iter().flat_map(|field| &field.derived_from);
        steps.extend(derived.filter_map(|source| self.find(map, source)).map(from_map));
        steps.extend(self.within.get(&node).into_iter().flatten().copied().map(from_map));
        if self.is_all(node) {
            steps.extend(self.fields(node.table).iter().copied().map(from_map));
        }
        let flows = || self.into.get(&node.table).into_iter().flatten().map(|flow| &self.flows[*flow]);
        let mut given = false;
        for flow in flows() {
            if self.is_all(node) {
                self.push(&flow.whole, flow, true, session, &mut steps);
                given = true;
            } else if let Some(to) = self.given(flow, node, session) {
                let value = to.into_iter().map(|to| Step { to, flow: Some(flow.flow), value: true });
                steps.extend(value);
                self.push(&flow.rows, flow, false, session, &mut steps);
                given = true;
            }
        }
        // Nothing says what gives it: lineage has the column under another name, or lacks a statement.
        if !given && self.is_made(node.table) {
            for flow in flows().filter(|flow| flow.how != How::Changes && (field.is_none() || flow.how == How::Makes)) {
                self.push(&flow.whole, flow, true, session, &mut steps);
            }
        }
        steps.sort();
        steps.dedup();
        steps
    }

    fn push(&self, from: &[Source], flow: &Compiled, value: bool, session: &mut Session, steps: &mut Vec<Step>) {
        for source in from {
            let nodes = self.chosen(source, session);
            steps.extend(nodes.into_iter().map(|to| Step { to, flow: Some(flow.flow), value }));
        }
    }

    /// Whether only changes of rows that are there already give the column, so that it also is what it was before.
    pub(super) fn is_only_changed(&self, node: Node) -> bool {
        !self.is_made(node.table)
    }
}
