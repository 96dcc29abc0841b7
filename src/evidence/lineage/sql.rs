//! SQL files to flows: each statement by itself, so that one that cannot be parsed hides no other.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser;
use sqlparser::ast::{
    AlterTableOperation, ObjectName, Query, RenameTableNameKind, SetExpr, Statement, TableFactor, TableObject,
    UpdateTableFromKind, Visit, Visitor,
};
use sqlparser::dialect::{
    BigQueryDialect, Dialect as Rules, HiveDialect, PostgreSqlDialect, SnowflakeDialect, SparkSqlDialect,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::{Flow, Parsed, Unparsed, Why};
use crate::manifest::Dialect;

mod scopes;
#[cfg(test)]
mod tests;
mod walk;

use scopes::Scopes;
use walk::Walk;

/// Reads a text of SQL statements; `path` is what flows call it.
pub fn parse(text: &str, path: &str, dialect: Dialect) -> Parsed {
    let rules: &dyn Rules = match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Snowflake => &SnowflakeDialect {},
        Dialect::Bigquery => &BigQueryDialect {},
        Dialect::Spark => &SparkSqlDialect {},
        Dialect::Hive => &HiveDialect {},
    };
    let mut tokens = Vec::new();
    let broken = Tokenizer::new(rules, text).tokenize_with_location_into_buf(&mut tokens).err();
    let mut parsed = Parsed::default();
    let mut chunks: Vec<&[TokenWithSpan]> = tokens.split(|t| t.token == Token::SemiColon).collect();
    if let Some(error) = broken {
        // What comes after the last complete statement is lost.
        let rest = chunks.pop().unwrap_or_default();
        let line = first_line(rest).unwrap_or(error.location.line);
        parsed.statements += 1;
        parsed.unparsed.push(Unparsed { path: path.into(), line, reason: format!("no SQL: {}", error.message) });
    }
    let mut before = Vec::new();
    for chunk in chunks {
        let Some(line) = first_line(chunk) else { continue };
        parsed.statements += 1;
        let statements = Parser::new(rules).with_tokens_with_locations(chunk.to_vec()).parse_statements();
        let outcome = match statements {
            Ok(statements) => statements.iter().try_for_each(|statement| {
                for flow in flows(statement)? {
                    before.push(Flow { path: path.into(), line, ..flow });
                }
                Ok(())
            }),
            Err(error) => Err(in_words(&error.to_string())),
        };
        if let Err(reason) = outcome {
            parsed.unparsed.push(Unparsed { path: path.into(), line, reason });
        }
    }
    parsed.flows = before;
    parsed.unparsed.sort_by_key(|unparsed| unparsed.line);
    parsed
}

/// The line of the first token that is neither space nor comment.
fn first_line(tokens: &[TokenWithSpan]) -> Option<u64> {
    tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).map(|t| t.span.start.line)
}

/// The parser's complaint without what it found: a literal may be somebody's name.
fn in_words(error: &str) -> String {
    let error = error.trim_start_matches("sql parser error: ");
    let place = error.rfind(" at Line: ").map(|at| error[at..].to_lowercase()).unwrap_or_default();
    match error.split_once(", found: ") {
        Some((expected, _)) => {
            format!("no SQL of this dialect: {}{place}", expected.replacen("Expected", "expected", 1))
        }
        None => format!("no SQL of this dialect{place}"),
    }
}

/// What a statement makes from what. An error says why that cannot be told.
fn flows(statement: &Statement) -> Result<Vec<Flow>, String> {
    let mut walk = Walk::default();
    let target = match statement {
        Statement::Query(query) => {
            walk.query(query, &Scopes::default());
            into(&query.body)
        }
        Statement::CreateView(view) => {
            walk.query(&view.query, &Scopes::default());
            Some(text(&view.name))
        }
        Statement::CreateTable(table) => {
            if let Some(parent) = &table.partition_of {
                return Ok(vec![copy(&table.name, parent)]);
            }
            match (&table.query, &table.clone) {
                (Some(query), _) => {
                    walk.query(query, &Scopes::default());
                }
                (None, Some(original)) => return Ok(vec![copy(original, &table.name)]),
                (None, None) => return Ok(Vec::new()),
            }
            Some(text(&table.name))
        }
        Statement::Insert(insert) => {
            let TableObject::TableName(name) = &insert.table else {
                return Err("rows are inserted into something that is not a table".into());
            };
            if insert.multi_table_insert_type.is_some() {
                return Err("rows are inserted into several tables at once, which is not read".into());
            }
            let Some(source) = &insert.source else { return Ok(Vec::new()) };
            walk.query(source, &Scopes::default());
            Some(text(name))
        }
        Statement::Update(update) => {
            let mut scopes = Scopes::default();
            walk.from(std::slice::from_ref(&update.table), &mut scopes);
            if let Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) = &update.from {
                walk.from(from, &mut scopes);
            }
            walk.expressions(&update.assignments, Why::Selected, &scopes);
            walk.expressions(&update.selection, Why::Filter, &scopes);
            named(&update.table.relation)
        }
        Statement::Merge(merge) => {
            let mut scopes = Scopes::default();
            walk.factor(&merge.table, &mut scopes);
            walk.factor(&merge.source, &mut scopes);
            walk.expressions(&*merge.on, Why::JoinKey, &scopes);
            walk.expressions(&merge.clauses, Why::Selected, &scopes);
            named(&merge.table)
        }
        Statement::AlterTable(alter) => return Ok(renamed(&alter.name, &alter.operations)),
        Statement::CreateFunction(_) | Statement::CreateProcedure { .. } => {
            return Err("what the body of a function or procedure joins is not read".into());
        }
        Statement::Call(_) | Statement::Execute { .. } => {
            return Err("what this calls is written elsewhere, so that what it joins cannot be told".into());
        }
        // They read and show nothing, or take rows away.
        Statement::Explain { .. } | Statement::Delete(_) => return Ok(Vec::new()),
        other if Inside::of(other).queries => {
            return Err("what this kind of statement makes of its query is not read".into());
        }
        _ => return Ok(Vec::new()),
    };
    walk.fault()?;
    // Tables that stand where no scope was followed are read all the same.
    let inside = Inside::of(statement);
    let own = |name: &String| target.as_ref() == Some(name) || walk.is_cte(name);
    let sources = inside.relations.iter().filter(|name| !own(name)).cloned();
    let sources = walk.sources.iter().cloned().chain(sources).collect();
    Ok(vec![Flow { target, sources, columns: walk.columns, all_columns: true, keys: walk.keys, ..Flow::default() }])
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
    let all = super::Column { table: Some(from.clone()), name: "*".into(), why: Why::Selected };
    Flow { target: Some(to), sources: BTreeSet::from([from]), columns: BTreeSet::from([all]), ..Flow::default() }
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

/// A name without its quotes.
fn text(name: &ObjectName) -> String {
    let part = |part: &sqlparser::ast::ObjectNamePart| match part.as_ident() {
        Some(ident) => ident.value.clone(),
        None => part.to_string(),
    };
    name.0.iter().map(part).collect::<Vec<_>>().join(".")
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
