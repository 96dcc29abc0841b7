//! What a name means at a place in a query: relations by alias, and the table columns that theirs rest on.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::TableAlias;

use super::super::Key;

/// The columns of tables that an expression rests on.
pub(super) type Bases = BTreeSet<Key>;

/// What stands in a FROM clause.
#[derive(Debug, Clone)]
pub(super) enum Relation {
    Table(String),
    Derived(Output),
}

/// The columns of a query.
#[derive(Debug, Clone, Default)]
pub(super) struct Output {
    pub columns: Vec<(String, Bases)>,
    /// Tables all of whose columns are among them.
    pub open: BTreeSet<String>,
}

impl Output {
    pub fn all(&self) -> Bases {
        self.columns.iter().flat_map(|(_, bases)| bases.iter().cloned()).collect()
    }

    /// Adds all columns of a relation.
    pub fn star(&mut self, relation: &Relation) {
        match relation {
            Relation::Table(table) => {
                self.open.insert(table.clone());
            }
            Relation::Derived(output) => {
                self.open.extend(output.open.iter().cloned());
                for (name, bases) in &output.columns {
                    match self.columns.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                        Some((_, known)) => known.extend(bases.iter().cloned()),
                        None => self.columns.push((name.clone(), bases.clone())),
                    }
                }
            }
        }
    }

    pub fn aliased(mut self, alias: Option<&TableAlias>) -> Self {
        let names = alias.into_iter().flat_map(|alias| &alias.columns);
        for ((name, _), alias) in self.columns.iter_mut().zip(names) {
            name.clone_from(&alias.name.value);
        }
        self
    }
}

impl Relation {
    /// The column of that name; None when it certainly has none.
    pub fn column(&self, name: &str) -> Option<Bases> {
        let key = |table: Option<&String>| BTreeSet::from([Key { table: table.cloned(), column: name.to_owned() }]);
        match self {
            Self::Table(table) => Some(key(Some(table))),
            Self::Derived(output) => {
                let named = output.columns.iter().find(|(column, _)| column.eq_ignore_ascii_case(name));
                match (named, output.open.len()) {
                    (Some((_, bases)), _) => Some(bases.clone()),
                    (None, 0) => None,
                    (None, 1) => Some(key(output.open.first())),
                    (None, _) => Some(key(None)),
                }
            }
        }
    }
}

/// The names that can be seen from a place in a query.
#[derive(Debug, Clone)]
pub(super) struct Scopes {
    pub ctes: Vec<(String, Output)>,
    /// Relations by alias; the innermost query last.
    frames: Vec<Vec<(String, Relation)>>,
}

impl Default for Scopes {
    fn default() -> Self {
        Self { ctes: Vec::new(), frames: vec![Vec::new()] }
    }
}

impl Scopes {
    pub fn inner(&self) -> Self {
        let mut inner = self.clone();
        inner.frames.push(Vec::new());
        inner
    }

    pub fn frame(&self) -> &[(String, Relation)] {
        self.frames.last().map_or(&[], Vec::as_slice)
    }

    pub fn add(&mut self, alias: String, relation: Relation) {
        if let Some(frame) = self.frames.last_mut() {
            frame.push((alias, relation));
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
                return relation.column(parts[split]).unwrap_or_default();
            }
        }
        let Some(name) = parts.first() else { return Bases::new() };
        let unknown = || BTreeSet::from([Key { table: None, column: (*name).to_owned() }]);
        for frame in self.frames.iter().rev() {
            let found: Vec<Bases> = frame.iter().filter_map(|(_, relation)| relation.column(name)).collect();
            let row = frame.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
            match (row, found.as_slice()) {
                // A table's own name stands for its whole row.
                (Some((_, Relation::Table(table))), _) => {
                    return BTreeSet::from([Key { table: Some(table.clone()), column: "*".into() }]);
                }
                (_, [one]) => return one.clone(),
                (_, []) => {}
                _ => return unknown(),
            }
        }
        unknown()
    }
}
