//! Lineage and data map on their way into one graph.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::outputs::{Base, Bases, How, Output, Outputs};
use super::super::tables::Tables;
use super::super::{Flow, Lineage};
use super::{ALL, Ancestry, Compiled, Item, Node, SOME, Source};
use crate::evidence::data_map::DataMap;

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
