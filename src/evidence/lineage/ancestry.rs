//! Ancestry: what every column is made of, by the data map's `derived_from` and by lineage together.
//!
//! A column is a node; what a statement or run makes it of are edges. Where a statement does not tell its columns apart,
//! or reads all of a table, everything that it may mean is an edge: more than there is at worst, never less.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use super::outputs::{Base, Bases, How, Output, Outputs};
use super::reach::Reach;
use super::tables::Tables;
use super::{Flow, Lineage};
use crate::evidence::data_map::{DataMap, Resolved};
use crate::evidence::taxonomy::is_personal;

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

/// Whether a table has a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    Yes,
    No,
    /// Nobody tells its columns.
    Maybe,
}

/// What was found out about tables on the way through.
#[derive(Debug, Default)]
pub(super) struct Session {
    has: HashMap<Node, Has>,
    /// How many tables that copy each other lie between the question and its answer.
    depth: u32,
}

/// Copies of copies that are looked through for a column. Past it the answer is that nobody tells.
const DEPTH: u32 = 200;

impl Ancestry {
    /// `names` say which collection of the data map a name of the lineage means.
    pub fn new(map: &DataMap, lineage: &Lineage, names: &BTreeMap<String, String>) -> Self {
        let collections: BTreeSet<&str> = map.fields.values().map(|field| field.collection.as_str()).collect();
        let mut ancestry = Self { tables: Tables::new(lineage, &collections, names), ..Self::default() };
        ancestry.names.number(ALL);
        ancestry.names.number(SOME);
        for (key, field) in &map.fields {
            let table = ancestry.names.number(&field.collection);
            let path = key[(field.collection.len() + 1).min(key.len())..].to_lowercase();
            let node = Node { table, column: ancestry.names.number(&path) };
            ancestry.mapped.insert(node, key.clone());
            ancestry.of_table.entry(table).or_default().push(node);
            for (dot, _) in path.match_indices('.') {
                let outer = Node { table, column: ancestry.names.number(&path[..dot]) };
                ancestry.within.entry(outer).or_default().push(node);
            }
        }
        let mut known = HashMap::new();
        for (index, flow) in lineage.flows.iter().enumerate() {
            ancestry.compile(index, flow, &mut known);
        }
        for (table, columns) in &lineage.declared {
            let table = ancestry.table(table, &mut known);
            let columns = columns.iter().map(|column| ancestry.names.number(&column.to_lowercase())).collect();
            ancestry.order.insert(table, columns);
        }
        ancestry
    }

    fn table(&mut self, name: &str, known: &mut HashMap<String, u32>) -> u32 {
        if let Some(number) = known.get(name) {
            return *number;
        }
        let number = self.names.number(&self.tables.of(name));
        known.insert(name.to_owned(), number);
        number
    }

    fn compile(&mut self, index: usize, flow: &Flow, known: &mut HashMap<String, u32>) {
        // Rows that are written out come from nowhere.
        let Some(target) = flow.target.as_ref().filter(|_| !flow.sources.is_empty()) else { return };
        let target = self.table(target, known);
        let whole = self.sources(&whole(flow), known);
        let columns = flow.outputs.as_ref().map(|outputs| self.items(outputs, known));
        let rows = flow.outputs.as_ref().map(|outputs| self.sources(&outputs.rows, known)).unwrap_or_default();
        // What makes a table tells its columns, if it names all.
        let name = |item: &Item| match item {
            Item::Column { name, .. } if !self.names.texts[*name as usize].is_empty() => Some(*name),
            _ => None,
        };
        if let (How::Makes, Some(items)) = (flow.how, &columns)
            && let Some(order) = items.iter().map(name).collect::<Option<Vec<u32>>>()
        {
            self.order.entry(target).or_insert(order);
        }
        self.into.entry(target).or_default().push(self.flows.len());
        self.flows.push(Compiled { flow: index, how: flow.how, columns, rows, whole });
    }

    fn items(&mut self, outputs: &Outputs, known: &mut HashMap<String, u32>) -> Vec<Item> {
        let mut items = Vec::new();
        for output in &outputs.columns {
            items.push(match output {
                Output::Column { name, bases } => {
                    let name = self.names.number(&name.to_lowercase());
                    Item::Column { name, sources: self.sources(bases, known) }
                }
                Output::All { table, except } => Item::All {
                    table: self.table(table, known),
                    except: except.iter().map(|name| self.names.number(&name.to_lowercase())).collect(),
                },
            });
        }
        items
    }

    fn sources(&mut self, bases: &Bases, known: &mut HashMap<String, u32>) -> Vec<Source> {
        let mut sources = Vec::with_capacity(bases.len());
        for base in bases {
            sources.push(Source {
                tables: base.tables.iter().map(|table| self.table(table, known)).collect(),
                column: self.names.number(&base.column.to_lowercase()),
                optional: base.optional,
            });
        }
        sources
    }

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

    /// What a flow makes the value of a column of; None when it leaves the column alone.
    fn given(&self, flow: &Compiled, node: Node, session: &mut Session) -> Option<Vec<Node>> {
        let all = |sources: &[Source], session: &mut Session| -> Vec<Node> {
            sources.iter().flat_map(|source| self.chosen(source, session)).collect()
        };
        let Some(items) = &flow.columns else { return Some(all(&flow.whole, session)) };
        if flow.how == How::Places {
            return match (self.order.get(&node.table), items.as_slice()) {
                (_, [Item::Column { sources, .. }]) => Some(all(sources, session)),
                (Some(order), items) if items.iter().all(|item| matches!(item, Item::Column { .. })) => {
                    let head = self.names.numbers.get(super::outputs::head(self.column_name(node)));
                    let place = order.iter().position(|column| *column == node.column || Some(column) == head)?;
                    match items.get(place)? {
                        Item::Column { sources, .. } => Some(all(sources, session)),
                        Item::All { .. } => None,
                    }
                }
                _ => Some(all(&flow.whole, session)),
            };
        }
        let named = |wanted: u32| -> Vec<&Vec<Source>> {
            let columns = items.iter().filter_map(|item| match item {
                Item::Column { name, sources } if *name == wanted => Some(sources),
                _ => None,
            });
            columns.collect()
        };
        let head = super::outputs::head(self.column_name(node));
        let head = self.names.numbers.get(head).copied().unwrap_or(node.column);
        for wanted in [node.column, head] {
            let found = named(wanted);
            if !found.is_empty() {
                return Some(found.into_iter().flat_map(|sources| all(sources, session)).collect());
            }
        }
        let stars = items.iter().filter_map(|item| match item {
            Item::All { table, except } if !except.contains(&head) => Some(*table),
            _ => None,
        });
        let tables: Vec<u32> = stars.collect::<BTreeSet<_>>().into_iter().collect();
        let unnamed = self.names.numbers.get("").map(|empty| named(*empty)).unwrap_or_default();
        if tables.is_empty() && unnamed.is_empty() {
            return None;
        }
        let mut nodes = self.chosen(&Source { tables, column: node.column, optional: false }, session);
        nodes.extend(unnamed.into_iter().flat_map(|sources| all(sources, session)));
        Some(nodes)
    }

    /// The columns that a source may mean: that of the table that has it, else that of each that may.
    fn chosen(&self, source: &Source, session: &mut Session) -> Vec<Node> {
        let each = source.tables.iter().map(|table| Node { table: *table, column: source.column });
        if source.tables.len() == 1 && !source.optional {
            return each.collect();
        }
        let (mut sure, mut open) = (Vec::new(), Vec::new());
        for node in each.clone() {
            match self.has(node, session) {
                Has::Yes => sure.push(node),
                Has::Maybe => open.push(node),
                Has::No => {}
            }
        }
        match (sure.is_empty(), source.optional, open.is_empty()) {
            (false, ..) => sure,
            (true, true, _) => Vec::new(),
            (true, false, false) => open,
            (true, false, true) => each.collect(),
        }
    }

    fn has(&self, node: Node, session: &mut Session) -> Has {
        if let Some(known) = session.has.get(&node) {
            return *known;
        }
        if session.depth == DEPTH {
            return Has::Maybe;
        }
        // Tables may copy each other in circles.
        session.has.insert(node, Has::Maybe);
        session.depth += 1;
        let found = self.look(node, session);
        session.depth -= 1;
        session.has.insert(node, found);
        found
    }

    fn look(&self, node: Node, session: &mut Session) -> Has {
        if self.is_all(node) || self.key(node).is_some() {
            return Has::Yes;
        }
        let head = super::outputs::head(self.column_name(node));
        let head = self.names.numbers.get(head).copied().unwrap_or(node.column);
        let order = self.order.get(&node.table);
        match (order, self.is_made(node.table)) {
            (Some(order), _) if order.contains(&head) => return Has::Yes,
            (Some(_), false) => return Has::No,
            (None, false) => return Has::Maybe,
            _ => {}
        }
        let mut found = Has::No;
        for flow in self.into.get(&node.table).into_iter().flatten().map(|flow| &self.flows[*flow]) {
            let Some(items) = flow.columns.as_ref().filter(|_| flow.how != How::Places) else {
                if order.is_none() {
                    found = Has::Maybe;
                }
                continue;
            };
            for item in items {
                let here = match item {
                    Item::Column { name, .. } if *name == head => Has::Yes,
                    Item::Column { name, .. } if self.names.texts[*name as usize].is_empty() => Has::Maybe,
                    Item::Column { .. } => Has::No,
                    Item::All { except, .. } if except.contains(&head) => Has::No,
                    Item::All { table, .. } => self.has(Node { table: *table, column: node.column }, session),
                };
                match here {
                    Has::Yes => return Has::Yes,
                    Has::Maybe => found = Has::Maybe,
                    Has::No => {}
                }
            }
        }
        found
    }

    /// Whether only changes of rows that are there already give the column, so that it also is what it was before.
    pub(super) fn is_only_changed(&self, node: Node) -> bool {
        !self.is_made(node.table)
    }
}

/// All that a flow reads: the columns it uses, and the whole of each table of which none is known.
fn whole(flow: &Flow) -> Bases {
    let mut whole: Bases = flow.outputs.as_ref().map(Outputs::everything).unwrap_or_default();
    if flow.outputs.is_none() && flow.all_columns {
        for column in &flow.columns {
            let tables = column.table.iter().cloned().collect::<BTreeSet<_>>();
            let tables = if tables.is_empty() { flow.sources.clone() } else { tables };
            whole.insert(Base { tables, column: column.name.clone(), optional: false });
        }
    }
    let used: BTreeSet<&String> = whole.iter().flat_map(|base| &base.tables).collect();
    let unused: Vec<Base> = flow.sources.iter().filter(|s| !used.contains(s)).map(Base::whole).collect();
    // A statement tells all that it uses; a table of which it uses nothing is there to be changed.
    if flow.outputs.is_none() || !flow.all_columns {
        whole.extend(unused);
    }
    whole
}
