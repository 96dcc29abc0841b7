//! Statements to flows: what each makes, adds to or changes, and what of.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AlterTableOperation, Assignment, AssignmentTarget, CreateTable, Delete, Expr, FromTable, Insert, Merge,
    MergeAction, MergeInsertKind, ObjectName, OnConflictAction, OnInsert, Query, RenameTableNameKind, SetExpr,
    Statement, TableFactor, TableObject, Update, UpdateTableFromKind, Visit, Visitor,
};

use super::super::outputs::{Base, Bases, How, Output, Outputs};
use super::super::{Column, Flow, Why};
use super::scopes::{Relation, Scopes};
use super::text;
use super::walk::Walk;

/// What a statement makes from what. An error says why that cannot be told. Columns that it declares are noted.
pub(super) fn flows(statement: &Statement, declared: &mut BTreeMap<String, Vec<String>>) -> Result<Vec<Flow>, String> {
    let mut walk = Walk::default();
    let (target, how, outputs) = match statement {
        Statement::Query(query) => (into(&query.body), How::Makes, walk.query(query, &Scopes::default())),
        Statement::CreateView(view) => {
            let output = walk.query(&view.query, &Scopes::default());
            let names: Vec<&str> = view.columns.iter().map(|column| column.name.value.as_str()).collect();
            (Some(text(&view.name)), How::Makes, output.renamed(names.into_iter()))
        }
        Statement::CreateTable(table) => match created(table, &mut walk, declared) {
            Created::From(outputs) => (Some(text(&table.name)), How::Makes, outputs),
            Created::Copy(flow) => return Ok(vec![*flow]),
            Created::Empty => return Ok(Vec::new()),
        },
        Statement::Insert(insert) => match inserted(insert, &mut walk)? {
            Some((target, how, outputs)) => (Some(target), how, outputs),
            None => return Ok(Vec::new()),
        },
        Statement::Update(update) => updated(update, &mut walk),
        Statement::Merge(merge) => merged(merge, &mut walk),
        Statement::Delete(delete) => match deleted(delete, &mut walk) {
            Some((target, outputs)) => (Some(target), How::Changes, outputs),
            None => return Ok(Vec::new()),
        },
        Statement::AlterTable(alter) => return Ok(renamed(&alter.name, &alter.operations)),
        Statement::CreateFunction(_) | Statement::CreateProcedure { .. } => {
            return Err("what the body of a function or procedure joins is not read".into());
        }
        Statement::Call(_) | Statement::Execute { .. } => {
            return Err("what this calls is written elsewhere, so that what it joins cannot be told".into());
        }
        // It reads and shows nothing.
        Statement::Explain { .. } => return Ok(Vec::new()),
        other if Inside::of(other).queries => {
            return Err("what this kind of statement makes of its query is not read".into());
        }
        _ => return Ok(Vec::new()),
    };
    walk.fault()?;
    Ok(vec![flow(statement, walk, target, how, outputs)])
}

fn flow(statement: &Statement, walk: Walk, target: Option<String>, how: How, mut outputs: Outputs) -> Flow {
    // Tables that stand where no scope was followed are read all the same.
    let own = |name: &String| target.as_ref() == Some(name) || walk.is_cte(name) || walk.sources.contains(name);
    let missed: Vec<String> = Inside::of(statement).relations.into_iter().filter(|name| !own(name)).collect();
    outputs.rows.extend(missed.iter().map(Base::whole));
    let mut sources = walk.sources;
    sources.extend(missed);
    Flow {
        target,
        sources,
        columns: walk.columns,
        all_columns: true,
        keys: walk.keys,
        hashed: walk.hashed,
        outputs: Some(outputs),
        how,
        ..Flow::default()
    }
}

enum Created {
    From(Outputs),
    Copy(Box<Flow>),
    /// No rows as yet.
    Empty,
}

fn created(table: &CreateTable, walk: &mut Walk, declared: &mut BTreeMap<String, Vec<String>>) -> Created {
    let names = || table.columns.iter().map(|column| column.name.value.as_str());
    if let Some(parent) = &table.partition_of {
        return Created::Copy(Box::new(copy(&table.name, parent)));
    }
    match (&table.query, &table.clone) {
        (Some(query), _) => {
            let output = walk.query(query, &Scopes::default());
            Created::From(output.renamed(names().collect::<Vec<_>>().into_iter()))
        }
        (None, Some(original)) => Created::Copy(Box::new(copy(original, &table.name))),
        (None, None) => {
            if !table.columns.is_empty() {
                declared.insert(text(&table.name), names().map(str::to_owned).collect());
            }
            Created::Empty
        }
    }
}

fn inserted(insert: &Insert, walk: &mut Walk) -> Result<Option<(String, How, Outputs)>, String> {
    let TableObject::TableName(name) = &insert.table else {
        return Err("rows are inserted into something that is not a table".into());
    };
    if insert.multi_table_insert_type.is_some() {
        return Err("rows are inserted into several tables at once, which is not read".into());
    }
    let Some(source) = &insert.source else { return Ok(None) };
    let output = walk.query(source, &Scopes::default());
    if insert.columns.is_empty() {
        return Ok(Some((text(name), How::Places, output)));
    }
    let names: Vec<String> = insert.columns.iter().map(last).collect();
    let mut output = output.renamed(names.iter().map(String::as_str).collect::<Vec<_>>().into_iter());
    // What no place of the list is given to is no column of the target.
    output.columns.truncate(names.len());
    let (assignments, condition) = match &insert.on {
        Some(OnInsert::DuplicateKeyUpdate(assignments)) => (assignments.as_slice(), None),
        Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
            OnConflictAction::DoUpdate(update) => (update.assignments.as_slice(), update.selection.as_ref()),
            OnConflictAction::DoNothing => (&[][..], None),
        },
        _ => (&[][..], None),
    };
    let mut scopes = Scopes::default();
    scopes.add(last(name), Relation::Table(text(name)));
    scopes.add("excluded", Relation::derived(Outputs { columns: output.columns.clone(), rows: Bases::new() }));
    assigned(assignments, walk, &scopes, &mut output);
    if let Some(condition) = condition {
        output.rows.extend(walk.expressions(condition, Why::Filter, &scopes));
    }
    Ok(Some((text(name), How::Fills, output)))
}

fn updated(update: &Update, walk: &mut Walk) -> (Option<String>, How, Outputs) {
    let mut scopes = Scopes::default();
    let mut output = Outputs { columns: Vec::new(), rows: walk.from(std::slice::from_ref(&update.table), &mut scopes) };
    if let Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = &update.from {
        output.rows.extend(walk.from(from, &mut scopes));
    }
    assigned(&update.assignments, walk, &scopes, &mut output);
    output.rows.extend(walk.expressions(&update.selection, Why::Filter, &scopes));
    walk.rows(&mut output, &scopes);
    (named(&update.table.relation), How::Changes, output)
}

fn merged(merge: &Merge, walk: &mut Walk) -> (Option<String>, How, Outputs) {
    let mut scopes = Scopes::default();
    let mut output = Outputs { columns: Vec::new(), rows: walk.factor(&merge.table, &mut scopes) };
    output.rows.extend(walk.factor(&merge.source, &mut scopes));
    output.rows.extend(walk.expressions(&*merge.on, Why::JoinKey, &scopes));
    let mut how = How::Changes;
    for clause in &merge.clauses {
        output.rows.extend(walk.expressions(&clause.predicate, Why::Filter, &scopes));
        match &clause.action {
            MergeAction::Insert(insert) => {
                how = How::Fills;
                output.rows.extend(walk.expressions(&insert.insert_predicate, Why::Filter, &scopes));
                let mut cells = Outputs::default();
                match &insert.kind {
                    MergeInsertKind::Values(values) => {
                        for cell in values.rows.iter().flat_map(|row| &row.content) {
                            cells.push("", walk.expressions(cell, Why::Selected, &scopes));
                        }
                    }
                    MergeInsertKind::Row => {
                        let source = scopes.frame().last().map(|(_, relation)| relation.star(&BTreeSet::new()));
                        cells.columns = source.unwrap_or_default();
                    }
                }
                if insert.columns.is_empty() && matches!(insert.kind, MergeInsertKind::Values(_)) {
                    // They are the target's by their position: each may be any.
                    let all = cells.all();
                    output.rows.extend(all.iter().cloned());
                    cells.columns = vec![Output::Column { name: String::new(), bases: all }];
                }
                let names: Vec<String> = insert.columns.iter().map(last).collect();
                let cells = cells.renamed(names.iter().map(String::as_str).collect::<Vec<_>>().into_iter());
                output.columns.extend(cells.columns);
            }
            MergeAction::Update(update) => {
                assigned(&update.assignments, walk, &scopes, &mut output);
                output.rows.extend(walk.expressions(&update.update_predicate, Why::Filter, &scopes));
                output.rows.extend(walk.expressions(&update.delete_predicate, Why::Filter, &scopes));
            }
            MergeAction::Delete { .. } => {}
        }
    }
    walk.rows(&mut output, &scopes);
    (named(&merge.table), how, output)
}

/// Which rows of a table stay, by other tables: that is in all its columns.
fn deleted(delete: &Delete, walk: &mut Walk) -> Option<(String, Outputs)> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let target = named(&from.first()?.relation)?;
    let mut scopes = Scopes::default();
    let mut rows = walk.from(from, &mut scopes);
    rows.extend(walk.from(delete.using.as_deref().unwrap_or_default(), &mut scopes));
    rows.extend(walk.expressions(&delete.selection, Why::Filter, &scopes));
    let all = Output::All { table: target.clone(), except: BTreeSet::new() };
    let reads_another = walk.sources.iter().any(|source| *source != target);
    reads_another.then_some((target, Outputs { columns: vec![all], rows }))
}

/// `SET a = x, (b, c) = (…)`.
fn assigned(assignments: &[Assignment], walk: &mut Walk, scopes: &Scopes, output: &mut Outputs) {
    for Assignment { target, value } in assignments {
        match (target, value) {
            (AssignmentTarget::Tuple(names), Expr::Tuple(values)) if names.len() == values.len() => {
                for (name, value) in names.iter().zip(values) {
                    output.push(last(name), walk.expressions(value, Why::Selected, scopes));
                }
            }
            (AssignmentTarget::Tuple(names), value) => {
                let bases = walk.expressions(value, Why::Selected, scopes);
                names.iter().for_each(|name| output.push(last(name), bases.clone()));
            }
            (AssignmentTarget::ColumnName(name), value) => {
                output.push(last(name), walk.expressions(value, Why::Selected, scopes));
            }
        }
    }
}

/// `SELECT … INTO target`.
fn into(body: &SetExpr) -> Option<String> {
    match body {
        SetExpr::Select(select) => select.into.as_ref().map(|into| text(&into.name)),
        SetExpr::Query(query) => into(&query.body),
        SetExpr::SetOperation { left, .. } => into(left),
        _ => None,
    }
}

/// All of one table becomes another.
fn copy(from: &ObjectName, to: &ObjectName) -> Flow {
    copied(text(from), text(to))
}

fn copied(from: String, to: String) -> Flow {
    let all = Column { table: Some(from.clone()), name: "*".into(), why: Why::Selected };
    let output = Output::All { table: from.clone(), except: BTreeSet::new() };
    Flow {
        target: Some(to),
        sources: BTreeSet::from([from]),
        columns: BTreeSet::from([all]),
        outputs: Some(Outputs { columns: vec![output], rows: Bases::new() }),
        ..Flow::default()
    }
}

fn renamed(name: &ObjectName, operations: &[AlterTableOperation]) -> Vec<Flow> {
    let mut flows = Vec::new();
    for operation in operations {
        match operation {
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::As(new) | RenameTableNameKind::To(new),
            } => {
                // A bare new name stays in the schema of the old one.
                let (old, mut new) = (text(name), text(new));
                if let (false, Some((schema, _))) = (new.contains('.'), old.rsplit_once('.')) {
                    new = format!("{schema}.{new}");
                }
                flows.push(copied(old, new));
            }
            AlterTableOperation::SwapWith { table_name } => {
                flows.push(copy(name, table_name));
                flows.push(copy(table_name, name));
            }
            _ => {}
        }
    }
    flows
}

fn named(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, .. } => Some(text(name)),
        _ => None,
    }
}

/// A column without the table before it.
fn last(name: &ObjectName) -> String {
    text(name).rsplit('.').next().unwrap_or_default().to_owned()
}

/// The tables and queries that stand anywhere in a statement.
#[derive(Default)]
struct Inside {
    relations: BTreeSet<String>,
    queries: bool,
}

impl Inside {
    fn of(statement: &Statement) -> Self {
        let mut inside = Self::default();
        let _ = statement.visit(&mut inside);
        inside
    }
}

impl Visitor for Inside {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.queries = true;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: None, .. } = factor {
            self.relations.insert(text(name));
        }
        ControlFlow::Continue(())
    }
}
