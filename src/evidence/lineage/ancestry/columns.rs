//! Which columns a name means, once all tables are known.

use std::collections::{BTreeSet, HashMap};

use super::super::outputs::{How, head};
use super::{Ancestry, Compiled, Item, Node, Source};

/// Copies of copies that are looked through for a column. Past it the answer is that nobody tells.
const DEPTH: u32 = 200;

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
pub(in super::super) struct Session {
    has: HashMap<Node, Has>,
    /// How many tables that copy each other lie between the question and its answer.
    depth: u32,
}

impl Ancestry {
    /// What a flow makes the value of a column of; None when it leaves the column alone.
    pub(super) fn given(&self, flow: &Compiled, node: Node, session: &mut Session) -> Option<Vec<Node>> {
        let all = |sources: &[Source], session: &mut Session| -> Vec<Node> {
            sources.iter().flat_map(|source| self.chosen(source, session)).collect()
        };
        let Some(items) = &flow.columns else { return Some(all(&flow.whole, session)) };
        if flow.how == How::Places {
            return match (self.order.get(&node.table), items.as_slice()) {
                (_, [Item::Column { sources, .. }]) => Some(all(sources, session)),
                (Some(order), items) if items.iter().all(|item| matches!(item, Item::Column { .. })) => {
                    let first = self.names.numbers.get(head(self.column_name(node)));
                    let place = order.iter().position(|column| *column == node.column || Some(column) == first)?;
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
        let first = head(self.column_name(node));
        let first = self.names.numbers.get(first).copied().unwrap_or(node.column);
        for wanted in [node.column, first] {
            let found = named(wanted);
            if !found.is_empty() {
                return Some(found.into_iter().flat_map(|sources| all(sources, session)).collect());
            }
        }
        let stars = items.iter().filter_map(|item| match item {
            Item::All { table, except } if !except.contains(&first) => Some(*table),
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
    pub(super) fn chosen(&self, source: &Source, session: &mut Session) -> Vec<Node> {
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
        let first = head(self.column_name(node));
        let first = self.names.numbers.get(first).copied().unwrap_or(node.column);
        let order = self.order.get(&node.table);
        match (order, self.is_made(node.table)) {
            (Some(order), _) if order.contains(&first) => return Has::Yes,
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
                    Item::Column { name, .. } if *name == first => Has::Yes,
                    Item::Column { name, .. } if self.names.texts[*name as usize].is_empty() => Has::Maybe,
                    Item::Column { .. } => Has::No,
                    Item::All { except, .. } if except.contains(&first) => Has::No,
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
}
