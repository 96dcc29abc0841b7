//! What the columns that a statement makes come from.
//!
//! A text of SQL is read without knowing the tables it names. Where only they can tell (`SELECT *`, a column of one of
//! two tables), the choice is kept, and made once all lineage and the data map are read.

use std::collections::BTreeSet;

/// A column of a table that a value rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Base {
    /// One of these has it; one alone is certain. None: a table that nothing names.
    pub tables: BTreeSet<String>,
    /// `*` for all of them. A field within a column is `column.field`.
    pub column: String,
    /// Whether the statement itself gives the name another meaning, so that it counts only where a table has it.
    pub optional: bool,
}

pub type Bases = BTreeSet<Base>;

impl Base {
    pub fn of(table: impl Into<String>, column: impl Into<String>) -> Self {
        Self { tables: BTreeSet::from([table.into()]), column: column.into(), optional: false }
    }

    /// All columns of a table.
    pub fn whole(table: impl Into<String>) -> Self {
        Self::of(table, "*")
    }

    /// The table, when there is but one.
    pub fn table(&self) -> Option<&String> {
        self.tables.first().filter(|_| self.tables.len() == 1)
    }
}

/// A column of an output, or several of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// An empty name is one that the engine chooses.
    Column { name: String, bases: Bases },
    /// All columns of a table under their own names, but for some.
    All { table: String, except: BTreeSet<String> },
}

/// How a flow changes its target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum How {
    /// Makes it (`CREATE TABLE … AS`, a view, a run); its columns have the names of the outputs.
    #[default]
    Makes,
    /// Adds rows; the outputs have the names of the target's own columns, and no other column is filled.
    Fills,
    /// Adds rows; the outputs are the target's columns by their position, whatever the outputs are called.
    Places,
    /// Changes rows that are there: the outputs are added to what those columns hold already.
    Changes,
}

/// The columns of an output, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    pub columns: Vec<Output>,
    /// What decides which rows there are, and so counts for every column: keys, filters, groups, an order with a limit.
    pub rows: Bases,
}

impl Outputs {
    /// Adds a column under a name.
    pub fn push(&mut self, name: impl Into<String>, bases: Bases) {
        self.columns.push(Output::Column { name: name.into(), bases });
    }

    /// What the values of all columns come from.
    pub fn all(&self) -> Bases {
        let bases = |output: &Output| match output {
            Output::Column { bases, .. } => bases.clone(),
            Output::All { table, .. } => BTreeSet::from([Base::whole(table)]),
        };
        self.columns.iter().flat_map(bases).collect()
    }

    /// Everything that the output rests on, filters and keys included.
    pub fn everything(&self) -> Bases {
        let mut all = self.all();
        all.extend(self.rows.iter().cloned());
        all
    }

    /// What the value of a column comes from; None when there certainly is no column of that name.
    pub fn column(&self, name: &str) -> Option<Bases> {
        let named = |wanted: &str| -> Option<Bases> {
            let columns = self.columns.iter().filter_map(|output| match output {
                Output::Column { name, bases } if name.eq_ignore_ascii_case(wanted) => Some(bases),
                _ => None,
            });
            columns.fold(None, |found: Option<Bases>, bases| {
                let mut found = found.unwrap_or_default();
                found.extend(bases.iter().cloned());
                Some(found)
            })
        };
        let head = head(name);
        if let Some(bases) = named(name).or_else(|| named(head)) {
            return Some(bases);
        }
        let stars = self.columns.iter().filter_map(|output| match output {
            Output::All { table, except } if !except.iter().any(|e| e.eq_ignore_ascii_case(head)) => Some(table),
            _ => None,
        });
        let tables: BTreeSet<String> = stars.cloned().collect();
        // A column that the engine names may be the one that is meant.
        let mut found = named("");
        if !tables.is_empty() {
            found.get_or_insert_default().insert(Base { tables, column: name.to_owned(), optional: false });
        }
        found
    }

    /// Gives the first columns other names, as an alias with a list of columns does.
    pub fn renamed<'n>(mut self, names: impl ExactSizeIterator<Item = &'n str>) -> Self {
        if names.len() == 0 {
            return self;
        }
        if self.columns.iter().any(|output| matches!(output, Output::All { .. })) {
            // Which column stands at which place is not known: each may be any.
            let all = self.all();
            let mut columns: Vec<Output> =
                names.map(|n| Output::Column { name: n.into(), bases: all.clone() }).collect();
            columns.append(&mut self.columns);
            return Self { columns, ..self };
        }
        for (output, new) in self.columns.iter_mut().zip(names) {
            if let Output::Column { name, .. } = output {
                new.clone_into(name);
            }
        }
        self
    }

    /// Adds the rows of another output below, column by column as they stand, or by name.
    pub fn stack(&mut self, other: Self, by_name: bool) {
        self.rows.extend(other.rows.iter().cloned());
        if by_name {
            self.columns.extend(other.columns);
            return;
        }
        let certain = |outputs: &Self| outputs.columns.iter().all(|output| matches!(output, Output::Column { .. }));
        if !certain(self) || !certain(&other) {
            // What stands at which place is not known: all of the other's may be in each.
            self.rows.extend(other.all());
            return;
        }
        for (index, output) in other.columns.into_iter().enumerate() {
            match (self.columns.get_mut(index), output) {
                (Some(Output::Column { bases, .. }), Output::Column { bases: more, .. }) => bases.extend(more),
                (_, output) => self.columns.push(output),
            }
        }
    }
}

/// A column without the fields within it.
pub(super) fn head(column: &str) -> &str {
    column.split_once('.').map_or(column, |(head, _)| head)
}
