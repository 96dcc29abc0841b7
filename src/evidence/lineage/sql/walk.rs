//! Through a query: which tables it reads, which of their columns it uses for what, by which keys rows meet, and what
//! each of its own columns comes from.
//!
//! A column is followed through common table expressions, subqueries and functions to the table that has it; a hash or
//! mask changes nothing of that. What decides which rows there are counts for every column; the condition of a CASE and
//! the partition of a window count for the column they stand in.

use std::collections::BTreeSet;
use std::rc::Rc;

use datafusion::sql::sqlparser::ast::{
    Distinct, ExcludeSelectItem, Expr, GroupByExpr, ObjectName, OrderByKind, Query, RenameSelectItem, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, TableAlias, Value,
    WildcardAdditionalOptions,
};

use super::super::outputs::{Bases, Output, Outputs};
use super::super::{Column, JoinKey, Key, Why};
use super::scopes::{Relation, Scopes};
use super::text;

/// Queries that one statement may hold, repeated visits included: no statement of people's comes near.
const BUDGET: u32 = 20_000;

/// What was seen on the way.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub sources: BTreeSet<String>,
    pub columns: BTreeSet<Column>,
    pub keys: BTreeSet<JoinKey>,
    pub hashed: BTreeSet<Key>,
    ctes: BTreeSet<String>,
    queries: u32,
    nested: bool,
}

impl Walk {
    pub fn fault(&self) -> Result<(), String> {
        if self.is_exhausted() {
            return Err("the statement nests too many queries to be followed".into());
        }
        if self.nested {
            Err("a statement that writes stands within a query, which is not read".into())
        } else {
            Ok(())
        }
    }

    pub fn is_exhausted(&self) -> bool {
        self.queries > BUDGET
    }

    pub fn is_cte(&self, name: &str) -> bool {
        self.ctes.contains(&name.to_lowercase())
    }

    pub fn query(&mut self, query: &Query, outer: &Scopes) -> Outputs {
        self.queries += 1;
        if self.is_exhausted() {
            return Outputs::default();
        }
        let mut scopes = outer.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = cte.alias.name.value.clone();
            self.ctes.insert(name.to_lowercase());
            let mut seen = scopes.clone();
            if query.with.as_ref().is_some_and(|with| with.recursive) {
                // It starts as its first part, and what that rests on comes round again.
                let start = match &*cte.query.body {
                    SetExpr::SetOperation { left, .. } => self.body(left, &scopes).0,
                    _ => Outputs::default(),
                };
                seen.ctes.push((name.clone(), Rc::new(aliased(start, Some(&cte.alias)))));
                let once = aliased(self.query(&cte.query, &seen), Some(&cte.alias));
                seen.ctes.push((name.clone(), Rc::new(once)));
            }
            let output = aliased(self.query(&cte.query, &seen), Some(&cte.alias));
            scopes.ctes.push((name, Rc::new(output)));
        }
        let (mut output, inner) = self.body(&query.body, &scopes);
        let mut order = self.expressions(&query.order_by, Why::Group, &inner);
        if let Some(OrderByKind::Expressions(by)) = query.order_by.as_ref().map(|order| &order.kind) {
            order.extend(by.iter().flat_map(|by| at_place(&by.expr, &output)));
        }
        output.rows.extend(self.expressions(&query.limit_clause, Why::Filter, &inner));
        if query.limit_clause.is_some() || query.fetch.is_some() || is_topped(&query.body) {
            output.rows.extend(order);
        }
        if !query.pipe_operators.is_empty() {
            // They make new columns of these, step by step: each may rest on all.
            let mut all = self.expressions(&query.pipe_operators, Why::Filter, &inner);
            all.extend(output.everything());
            output = Outputs::default();
            output.push("", all);
        }
        output
    }

    /// The columns of a query's body, and what its ORDER BY can see.
    pub fn body(&mut self, body: &SetExpr, outer: &Scopes) -> (Outputs, Scopes) {
        let seen = |output: &Outputs| {
            let mut scopes = outer.inner();
            scopes.add("", Relation::derived(output.clone()));
            scopes
        };
        match body {
            SetExpr::Select(select) => self.select(select, outer),
            SetExpr::Query(query) => {
                let output = self.query(query, outer);
                let scopes = seen(&output);
                (output, scopes)
            }
            SetExpr::SetOperation { op, set_quantifier, left, right } => {
                let (mut output, _) = self.body(left, outer);
                let (right, _) = self.body(right, outer);
                if matches!(op, SetOperator::Union) {
                    use SetQuantifier as By;
                    output.stack(right, matches!(set_quantifier, By::ByName | By::AllByName | By::DistinctByName));
                } else {
                    // The other side only decides which rows stay, by all of their columns.
                    let all = output.all();
                    output.rows.extend(all.into_iter().chain(right.everything()));
                }
                let scopes = seen(&output);
                (output, scopes)
            }
            SetExpr::Values(values) => {
                let mut output = Outputs::default();
                for row in &values.rows {
                    let mut cells = Outputs::default();
                    row.content.iter().for_each(|cell| cells.push("", self.expressions(cell, Why::Selected, outer)));
                    output.stack(cells, false);
                }
                (output, outer.clone())
            }
            SetExpr::Table(table) => {
                let parts = [table.schema_name.as_deref(), table.table_name.as_deref()];
                let name = parts.into_iter().flatten().collect::<Vec<_>>().join(".");
                let relation = self.table(&name, outer);
                self.star(&relation);
                let output = Outputs { columns: relation.star(&BTreeSet::new()), rows: relation.rows() };
                (output, outer.clone())
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.nested = true;
                (Outputs::default(), outer.clone())
            }
        }
    }

    fn select(&mut self, select: &Select, outer: &Scopes) -> (Outputs, Scopes) {
        let mut scopes = outer.inner();
        let mut output = Outputs { columns: Vec::new(), rows: self.from(&select.from, &mut scopes) };
        self.lateral_views(&select.lateral_views, &mut scopes);
        output.rows.extend(self.expressions(&select.prewhere, Why::Filter, &scopes));
        output.rows.extend(self.expressions(&select.selection, Why::Filter, &scopes));
        output.rows.extend(self.expressions(&select.connect_by, Why::Filter, &scopes));
        for item in &select.projection {
            self.item(item, &mut output, &mut scopes);
        }
        output.rows.extend(self.grouped(&select.group_by, &output, &scopes));
        if let Some(Distinct::On(by)) = &select.distinct {
            output.rows.extend(self.expressions(by, Why::Group, &scopes));
            output.rows.extend(by.iter().flat_map(|expr| at_place(expr, &output)).collect::<Vec<_>>());
        }
        for by in [&select.cluster_by, &select.distribute_by] {
            self.expressions(by, Why::Group, &scopes);
        }
        self.expressions(&select.sort_by, Why::Group, &scopes);
        output.rows.extend(self.expressions(&select.having, Why::Filter, &scopes));
        output.rows.extend(self.expressions(&select.named_window, Why::Group, &scopes));
        output.rows.extend(self.expressions(&select.qualify, Why::Filter, &scopes));
        self.rows(&mut output, &scopes);
        (output, scopes)
    }

    /// One element of a SELECT list.
    fn item(&mut self, item: &SelectItem, output: &mut Outputs, scopes: &mut Scopes) {
        let (names, expr) = match item {
            SelectItem::UnnamedExpr(expr) => (vec![name_of(expr)], expr),
            SelectItem::ExprWithAlias { expr, alias } => (vec![alias.value.clone()], expr),
            SelectItem::ExprWithAliases { expr, aliases } => {
                (aliases.iter().map(|alias| alias.value.clone()).collect(), expr)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                (vec![String::new()], expr)
            }
            SelectItem::Wildcard(options) => {
                let relations: Vec<Relation> = scopes.frame().iter().map(|(_, relation)| relation.clone()).collect();
                return self.wildcard(&relations, options, output, scopes);
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let relations: Vec<Relation> = match scopes.relation(&text(name)) {
                    Some(relation) => vec![relation.clone()],
                    // `column.*`: the fields within a column.
                    None => {
                        let parts: Vec<String> = text(name).split('.').map(str::to_owned).collect();
                        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                        vec![Relation::of(scopes.resolve(&parts))]
                    }
                };
                return self.wildcard(&relations, options, output, scopes);
            }
        };
        let bases = self.expressions(expr, Why::Selected, scopes);
        for name in names {
            if !matches!(item, SelectItem::UnnamedExpr(_)) {
                scopes.named.push((name.clone(), bases.clone()));
            }
            output.push(name, bases.clone());
        }
    }

    /// `*`, but for what the options leave out, replace or rename.
    fn wildcard(
        &mut self,
        relations: &[Relation],
        options: &WildcardAdditionalOptions,
        output: &mut Outputs,
        scopes: &Scopes,
    ) {
        let mut except = BTreeSet::new();
        if let Some(left_out) = &options.opt_except {
            except
                .extend(left_out.additional_elements.iter().chain([&left_out.first_element]).map(|i| i.value.clone()));
        }
        let last = |name: &ObjectName| text(name).rsplit('.').next().unwrap_or_default().to_owned();
        match &options.opt_exclude {
            Some(ExcludeSelectItem::Single(name)) => except.extend([last(name)]),
            Some(ExcludeSelectItem::Multiple(names)) => except.extend(names.iter().map(last)),
            None => {}
        }
        let mut others = Vec::new();
        for replaced in options.opt_replace.iter().flat_map(|replace| &replace.items) {
            let bases = self.expressions(&replaced.expr, Why::Selected, scopes);
            except.insert(replaced.column_name.value.clone());
            others.push(Output::Column { name: replaced.column_name.value.clone(), bases });
        }
        let renamed = match &options.opt_rename {
            Some(RenameSelectItem::Single(one)) => std::slice::from_ref(one),
            Some(RenameSelectItem::Multiple(many)) => many.as_slice(),
            None => &[],
        };
        for one in renamed {
            let bases = relations.iter().filter_map(|relation| relation.column(&one.ident.value)).flatten().collect();
            except.insert(one.ident.value.clone());
            others.push(Output::Column { name: one.alias.value.clone(), bases });
        }
        for relation in relations {
            self.star(relation);
            output.columns.extend(relation.star(&except));
        }
        output.columns.extend(others);
    }

    fn grouped(&mut self, by: &GroupByExpr, output: &Outputs, scopes: &Scopes) -> Bases {
        let mut bases = self.expressions(by, Why::Group, scopes);
        match by {
            GroupByExpr::All(_) => bases.extend(output.all()),
            GroupByExpr::Expressions(each, _) => bases.extend(each.iter().flat_map(|expr| at_place(expr, output))),
        }
        bases
    }

    /// Adds what the relations of a FROM clause bring in: one of which nothing is used decides by its rows alone.
    pub fn rows(&mut self, output: &mut Outputs, scopes: &Scopes) {
        for (_, relation) in scopes.frame() {
            output.rows.extend(relation.rows());
        }
        let used: BTreeSet<String> = output.everything().into_iter().flat_map(|base| base.tables).collect();
        for (_, relation) in scopes.frame() {
            let own = relation.all();
            if !own.iter().any(|base| base.tables.iter().any(|table| used.contains(table))) {
                output.rows.extend(own);
            }
        }
    }

    pub fn star(&mut self, relation: &Relation) {
        let tables = relation.star(&BTreeSet::new()).into_iter().filter_map(|output| match output {
            Output::All { table, .. } => Some(table),
            Output::Column { .. } => None,
        });
        self.columns.extend(tables.map(|t| Column { table: Some(t), name: "*".into(), why: Why::Selected }));
    }
}

/// The columns of an alias with a list: `t (a, b)`.
pub(super) fn aliased(outputs: Outputs, alias: Option<&TableAlias>) -> Outputs {
    let names: Vec<&str> =
        alias.into_iter().flat_map(|alias| &alias.columns).map(|column| column.name.value.as_str()).collect();
    outputs.renamed(names.into_iter())
}

/// What a number in GROUP BY or ORDER BY stands for.
fn at_place(expr: &Expr, output: &Outputs) -> Bases {
    let Expr::Value(value) = expr else { return Bases::new() };
    let Value::Number(number, _) = &value.value else { return Bases::new() };
    let place = number.to_string().parse::<usize>().unwrap_or(0);
    if output.columns.iter().take(place).any(|output| matches!(output, Output::All { .. })) {
        return output.all();
    }
    match place.checked_sub(1).and_then(|index| output.columns.get(index)) {
        Some(Output::Column { bases, .. }) => bases.clone(),
        _ => Bases::new(),
    }
}

fn is_topped(body: &SetExpr) -> bool {
    matches!(body, SetExpr::Select(select) if select.top.is_some())
}

/// The name that a column has without an alias; empty where the engine chooses one.
fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|i| i.value.clone()).unwrap_or_default(),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => name_of(expr),
        _ => String::new(),
    }
}
