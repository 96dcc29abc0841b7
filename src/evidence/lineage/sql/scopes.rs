//! What a name means at a place in a query: relations by alias, and the table columns that theirs rest on.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::outputs::{Base, Bases, Output, Outputs};

/// What stands in a FROM clause.
#[derive(Debug, Clone)]
pub(super) enum Relation {
    Table(String),
    Derived(Rc<Outputs>),
}

impl Relation {
    pub fn derived(outputs: Outputs) -> Self {
        Self::Derived(Rc::new(outputs))
    }

    /// A relation of which any column rests on all of these.
    pub fn of(bases: Bases) -> Self {
        let mut outputs = Outputs::default();
        outputs.push("", bases);
        Self::derived(outputs)
    }

    /// The column of that name; None when it certainly has none.
    pub fn column(&self, name: &str) -> Option<Bases> {
        match self {
            Self::Table(table) => Some(BTreeSet::from([Base::of(table, name)])),
            Self::Derived(outputs) => outputs.column(name),
        }
    }

    /// What all its columns come from.
    pub fn all(&self) -> Bases {
        match self {
            Self::Table(table) => BTreeSet::from([Base::whole(table)]),
            Self::Derived(outputs) => outputs.all(),
        }
    }

    /// What decides which rows it has.
    pub fn rows(&self) -> Bases {
        match self {
            Self::Table(_) => Bases::new(),
            Self::Derived(outputs) => outputs.rows.clone(),
        }
    }

    /// All columns but some, as `SELECT *` gives them.
    pub fn star(&self, except: &BTreeSet<String>) -> Vec<Output> {
        let is_left_out = |name: &str| except.iter().any(|e| e.eq_ignore_ascii_case(name));
        match self {
            Self::Table(table) => vec![Output::All { table: table.clone(), except: except.clone() }],
            Self::Derived(outputs) => {
                let kept = outputs.columns.iter().filter_map(|output| match output {
                    Output::Column { name, .. } if is_left_out(name) => None,
                    Output::Column { .. } => Some(output.clone()),
                    Output::All { table, except: own } => {
                        Some(Output::All { table: table.clone(), except: own.union(except).cloned().collect() })
                    }
                });
                kept.collect()
            }
        }
    }

    /// Whether a column of that name is written there, and not merely among all of some table.
    fn states(&self, name: &str) -> bool {
        let Self::Derived(outputs) = self else { return false };
        let mut columns = outputs.columns.iter();
        columns.any(|output| matches!(output, Output::Column { name: own, .. } if own.eq_ignore_ascii_case(name)))
    }
}

/// The names that can be seen from a place in a query.
#[derive(Debug, Clone)]
pub(super) struct Scopes {
    pub ctes: Vec<(String, Rc<Outputs>)>,
    /// Relations by alias; the innermost query last.
    frames: Vec<Vec<(String, Relation)>>,
    /// Columns that the innermost query has named so far.
    pub named: Vec<(String, Bases)>,
}

impl Default for Scopes {
    fn default() -> Self {
        Self { ctes: Vec::new(), frames: vec![Vec::new()], named: Vec::new() }
    }
}

impl Scopes {
    pub fn inner(&self) -> Self {
        let mut inner = self.clone();
        inner.frames.push(Vec::new());
        inner.named.clear();
        inner
    }

    pub fn frame(&self) -> &[(String, Relation)] {
        self.frames.last().map_or(&[], Vec::as_slice)
    }

    pub fn add(&mut self, alias: impl Into<String>, relation: Relation) {
        if let Some(frame) = self.frames.last_mut() {
            frame.push((alias.into(), relation));
        }
    }

    pub fn relation(&self, qualifier: &str) -> Option<&Relation> {
        let ends = |name: &str| {
            name.len() > qualifier.len()
                && name.is_char_boundary(name.len() - qualifier.len())
                && name[name.len() - qualifier.len()..].eq_ignore_ascii_case(qualifier)
                && name[..name.len() - qualifier.len()].ends_with('.')
        };
        let is = |(alias, relation): &&(String, Relation)| {
            alias.eq_ignore_ascii_case(qualifier)
                || matches!(relation, Relation::Table(name) if name.eq_ignore_ascii_case(qualifier) || ends(name))
        };
        self.frames.iter().rev().find_map(|frame| frame.iter().find(is)).map(|(_, relation)| relation)
    }

    /// The table columns that a name means.
    pub fn resolve(&self, parts: &[&str]) -> Bases {
        // `a.b.c` is column c of table a.b, or field c of column b of table a.
        for split in (1..parts.len()).rev() {
            if let Some(relation) = self.relation(&parts[..split].join(".")) {
                return relation.column(&parts[split..].join(".")).unwrap_or_else(|| relation.all());
            }
        }
        let Some(first) = parts.first() else { return Bases::new() };
        let name = parts.join(".");
        let unknown = || BTreeSet::from([Base { tables: BTreeSet::new(), column: name.clone(), optional: false }]);
        let mut found = self.frames.iter().rev().map(|frame| in_frame(frame, first, &name)).find(|b| !b.is_empty());
        let named = self.named.iter().filter(|(alias, _)| parts.len() == 1 && alias.eq_ignore_ascii_case(first));
        let own: Bases = named.flat_map(|(_, bases)| bases.iter().cloned()).collect();
        if !own.is_empty() {
            let stated = self.frame().iter().any(|(_, relation)| relation.states(first));
            // Whether it is a column of a table or the statement's own name, only the table can tell.
            let columns = found.unwrap_or_default().into_iter();
            let columns: Bases = columns.map(|base| Base { optional: base.optional || !stated, ..base }).collect();
            found = Some(columns.into_iter().chain(own).collect());
        }
        found.unwrap_or_else(unknown)
    }
}

/// What a name without a qualifier means among these relations; nothing when none of them has it.
fn in_frame(frame: &[(String, Relation)], first: &str, name: &str) -> Bases {
    let stated = frame.iter().filter(|(_, relation)| relation.states(first));
    let stated: Bases = stated.filter_map(|(_, relation)| relation.column(name)).flatten().collect();
    if !stated.is_empty() {
        return stated;
    }
    // A relation's own name stands for its whole row.
    if let Some((_, row)) = frame.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(first)) {
        return row.all();
    }
    let (mut found, mut tables) = (Bases::new(), BTreeSet::new());
    for base in frame.iter().filter_map(|(_, relation)| relation.column(name)).flatten() {
        if base.column == name && !base.optional {
            tables.extend(base.tables);
        } else {
            found.insert(base);
        }
    }
    if !tables.is_empty() {
        found.insert(Base { tables, column: name.to_owned(), optional: false });
    }
    found
}
