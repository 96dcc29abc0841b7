//! Through a query: which tables it reads, which of their columns it uses for what, and by which keys rows meet.
//!
//! A column is followed through common table expressions, subqueries and functions to the table that has it; a hash or
//! mask changes nothing of that.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableWithJoins, Visit, Visitor,
};

use super::super::{Column, JoinKey, Key, Why};
use super::scopes::{Bases, Output, Relation, Scopes};
use super::text;

/// Queries that one statement may hold, repeated visits included: no statement of people's comes near.
const BUDGET: u32 = 20_000;

/// What was seen on the way.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub sources: BTreeSet<String>,
    pub columns: BTreeSet<Column>,
    pub keys: BTreeSet<JoinKey>,
    ctes: BTreeSet<String>,
    queries: u32,
    nested: bool,
}

impl Walk {
    pub fn fault(&self) -> Result<(), String> {
        if self.queries > BUDGET {
            return Err("the statement nests too many queries to be followed".into());
        }
        if self.nested {
            Err("a statement that writes stands within a query, which is not read".into())
        } else {
            Ok(())
        }
    }

    pub fn is_cte(&self, name: &str) -> bool {
        self.ctes.contains(&name.to_lowercase())
    }

    pub fn query(&mut self, query: &Query, outer: &Scopes) -> Output {
        self.queries += 1;
        if self.queries > BUDGET {
            return Output::default();
        }
        let mut scopes = outer.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = cte.alias.name.value.clone();
            self.ctes.insert(name.to_lowercase());
            let mut seen = scopes.clone();
            if query.with.as_ref().is_some_and(|with| with.recursive) {
                seen.ctes.push((name.clone(), Output::default()));
            }
            let output = self.query(&cte.query, &seen).aliased(Some(&cte.alias));
            scopes.ctes.push((name, output));
        }
        let (output, inner) = self.body(&query.body, &scopes);
        self.expressions(&query.order_by, Why::Group, &inner);
        self.expressions(&query.limit_clause, Why::Filter, &inner);
        self.expressions(&query.pipe_operators, Why::Filter, &inner);
        output
    }

    /// The columns of a query's body, and what its ORDER BY can see.
    fn body(&mut self, body: &SetExpr, outer: &Scopes) -> (Output, Scopes) {
        match body {
            SetExpr::Select(select) => self.select(select, outer),
            SetExpr::Query(query) => {
                let output = self.query(query, outer);
                let mut scopes = outer.inner();
                scopes.add(String::new(), Relation::Derived(output.clone()));
                (output, scopes)
            }
            SetExpr::SetOperation { left, right, .. } => {
                let (mut output, _) = self.body(left, outer);
                let (right, _) = self.body(right, outer);
                output.open.extend(right.open);
                for (index, (name, bases)) in right.columns.into_iter().enumerate() {
                    match output.columns.get_mut(index) {
                        Some((_, own)) => own.extend(bases),
                        None => output.columns.push((name, bases)),
                    }
                }
                let mut scopes = outer.inner();
                scopes.add(String::new(), Relation::Derived(output.clone()));
                (output, scopes)
            }
            SetExpr::Values(values) => {
                self.expressions(values, Why::Selected, outer);
                (Output::default(), outer.clone())
            }
            SetExpr::Table(table) => {
                let parts = [table.schema_name.as_deref(), table.table_name.as_deref()];
                let name = parts.into_iter().flatten().collect::<Vec<_>>().join(".");
                let mut output = Output::default();
                let relation = self.table(&name, outer);
                self.star(&relation);
                output.star(&relation);
                (output, outer.clone())
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.nested = true;
                (Output::default(), outer.clone())
            }
        }
    }

    fn select(&mut self, select: &Select, outer: &Scopes) -> (Output, Scopes) {
        let mut scopes = outer.inner();
        self.from(&select.from, &mut scopes);
        self.expressions(&select.lateral_views, Why::Selected, &scopes);
        let mut output = Output::default();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = match expr {
                        Expr::Identifier(ident) => ident.value.clone(),
                        Expr::CompoundIdentifier(parts) => parts.last().map(|i| i.value.clone()).unwrap_or_default(),
                        _ => String::new(),
                    };
                    let bases = self.expressions(expr, Why::Selected, &scopes);
                    output.columns.push((name, bases));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let bases = self.expressions(expr, Why::Selected, &scopes);
                    output.columns.push((alias.value.clone(), bases));
                }
                SelectItem::ExprWithAliases { expr, aliases } => {
                    let bases = self.expressions(expr, Why::Selected, &scopes);
                    output.columns.extend(aliases.iter().map(|alias| (alias.value.clone(), bases.clone())));
                }
                SelectItem::Wildcard(_) => {
                    for (_, relation) in scopes.frame() {
                        self.star(relation);
                        output.star(relation);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    if let Some(relation) = scopes.relation(&text(name)) {
                        self.star(relation);
                        output.star(relation);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                    let bases = self.expressions(expr, Why::Selected, &scopes);
                    output.columns.push((String::new(), bases));
                }
            }
        }
        self.expressions(&select.distinct, Why::Group, &scopes);
        self.expressions(&select.prewhere, Why::Filter, &scopes);
        self.expressions(&select.selection, Why::Filter, &scopes);
        self.expressions(&select.connect_by, Why::Filter, &scopes);
        self.expressions(&select.group_by, Why::Group, &scopes);
        self.expressions(&select.cluster_by, Why::Group, &scopes);
        self.expressions(&select.distribute_by, Why::Group, &scopes);
        self.expressions(&select.sort_by, Why::Group, &scopes);
        self.expressions(&select.having, Why::Filter, &scopes);
        self.expressions(&select.named_window, Why::Group, &scopes);
        self.expressions(&select.qualify, Why::Filter, &scopes);
        (output, scopes)
    }

    /// Adds what stands in a FROM clause to the innermost scope.
    pub fn from(&mut self, from: &[TableWithJoins], scopes: &mut Scopes) {
        for table in from {
            let start = scopes.frame().len();
            self.factor(&table.relation, scopes);
            for join in &table.joins {
                let before = scopes.frame().len();
                self.factor(&join.relation, scopes);
                self.join(join, scopes, start, before);
            }
        }
    }

    fn join(&mut self, join: &Join, scopes: &Scopes, start: usize, before: usize) {
        use JoinOperator as Op;
        let constraint = match &join.join_operator {
            Op::Join(on) | Op::Inner(on) | Op::Left(on) | Op::LeftOuter(on) | Op::Right(on) | Op::RightOuter(on) => on,
            Op::FullOuter(on) | Op::CrossJoin(on) | Op::Semi(on) | Op::LeftSemi(on) | Op::RightSemi(on) => on,
            Op::Anti(on) | Op::LeftAnti(on) | Op::RightAnti(on) | Op::StraightJoin(on) => on,
            Op::AsOf { match_condition, constraint } => {
                self.expressions(match_condition, Why::JoinKey, scopes);
                constraint
            }
            Op::CrossApply | Op::OuterApply | Op::ArrayJoin | Op::LeftArrayJoin | Op::InnerArrayJoin => return,
        };
        let names: Vec<String> = match constraint {
            JoinConstraint::On(on) => {
                self.expressions(on, Why::JoinKey, scopes);
                return;
            }
            JoinConstraint::Using(names) => names.iter().map(text).collect(),
            // Which columns two tables share is not known here.
            JoinConstraint::Natural => vec!["*".into()],
            JoinConstraint::None => return,
        };
        let (left, right) = scopes.frame().split_at(before);
        let of = |side: &[(String, Relation)], name: &str| -> Bases {
            side.iter().filter_map(|(_, relation)| relation.column(name)).flatten().collect()
        };
        for name in &names {
            self.keys(&of(&left[start..], name), &of(right, name));
        }
    }

    /// Adds one element of a FROM clause to the innermost scope.
    pub fn factor(&mut self, factor: &TableFactor, scopes: &mut Scopes) {
        let alias_of = |alias: &Option<TableAlias>| alias.as_ref().map(|alias| alias.name.value.clone());
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let name = text(name);
                let relation = self.table(&name, scopes);
                let last = name.rsplit('.').next().unwrap_or_default().to_owned();
                scopes.add(alias_of(alias).unwrap_or(last), relation);
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let output = self.query(subquery, scopes).aliased(alias.as_ref());
                scopes.add(alias_of(alias).unwrap_or_default(), Relation::Derived(output));
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.from(std::slice::from_ref(table_with_joins), scopes);
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mut inner = scopes.inner();
                self.from(std::slice::from_ref(table_with_joins), &mut inner);
                scopes.add(alias_of(alias).unwrap_or_default(), whole(&inner));
            }
            TableFactor::Pivot { table, alias, .. }
            | TableFactor::Unpivot { table, alias, .. }
            | TableFactor::MatchRecognize { table, alias, .. } => {
                let mut inner = scopes.inner();
                self.factor(table, &mut inner);
                self.expressions(factor, Why::Group, &inner);
                for (_, relation) in inner.frame() {
                    self.star(relation);
                }
                let name = alias_of(alias).or_else(|| inner.frame().first().map(|(name, _)| name.clone()));
                scopes.add(name.unwrap_or_default(), whole(&inner));
            }
            other => {
                let bases = self.expressions(other, Why::Selected, scopes);
                let alias = match other {
                    TableFactor::Table { alias, .. }
                    | TableFactor::TableFunction { alias, .. }
                    | TableFactor::Function { alias, .. }
                    | TableFactor::UNNEST { alias, .. }
                    | TableFactor::JsonTable { alias, .. } => alias_of(alias),
                    _ => None,
                };
                // Whatever a function makes of a table's columns, it rests on them.
                let open = bases.into_iter().filter_map(|key| key.table).collect();
                let output = Output { columns: Vec::new(), open };
                scopes.add(alias.unwrap_or_default(), Relation::Derived(output));
            }
        }
    }

    fn table(&mut self, name: &str, scopes: &Scopes) -> Relation {
        let cte = scopes.ctes.iter().rev().find(|(cte, _)| cte.eq_ignore_ascii_case(name));
        match cte {
            Some((_, output)) => Relation::Derived(output.clone()),
            None => {
                self.sources.insert(name.to_owned());
                Relation::Table(name.to_owned())
            }
        }
    }

    fn star(&mut self, relation: &Relation) {
        if let Relation::Table(table) = relation {
            self.columns.insert(Column { table: Some(table.clone()), name: "*".into(), why: Why::Selected });
        }
    }

    /// Notes all columns in a piece of a statement, and returns what they rest on.
    pub fn expressions<N: Visit>(&mut self, node: &N, why: Why, scopes: &Scopes) -> Bases {
        let mut seen = Expressions { walk: self, scopes, why, depth: 0, bases: Bases::new() };
        let _ = node.visit(&mut seen);
        seen.bases
    }

    /// Two expressions are compared for being equal: where they rest on different tables, that joins these.
    fn equal(&mut self, left: &Expr, right: &Expr, why: Why, scopes: &Scopes) {
        let mut left = self.expressions(left, why, scopes);
        let mut right = self.expressions(right, why, scopes);
        other_of_two(&mut left, &right, scopes);
        other_of_two(&mut right, &left, scopes);
        self.keys(&left, &right);
    }

    fn keys(&mut self, left: &Bases, right: &Bases) {
        for left in left {
            for right in right.iter().filter(|right| right.table != left.table || right.table.is_none()) {
                let (left, right) = if left <= right { (left, right) } else { (right, left) };
                self.keys.insert(JoinKey { left: left.clone(), right: right.clone() });
                for Key { table, column } in [left, right] {
                    let (table, name) = (table.clone(), column.clone());
                    self.columns.insert(Column { table, name, why: Why::JoinKey });
                }
            }
        }
    }
}

/// All that a scope holds, as one relation.
fn whole(scopes: &Scopes) -> Relation {
    let mut output = Output::default();
    scopes.frame().iter().for_each(|(_, relation)| output.star(relation));
    Relation::Derived(output)
}

/// With two tables in scope, a column that is compared with one of them is taken to be the other's.
fn other_of_two(side: &mut Bases, other: &Bases, scopes: &Scopes) {
    if let ([(_, Relation::Table(a)), (_, Relation::Table(b))], 1) = (scopes.frame(), other.len())
        && let Some(Key { table: Some(table), .. }) = other.first()
        && side.iter().all(|key| key.table.is_none())
    {
        let table = if table == a { b } else { a };
        *side = side.iter().map(|key| Key { table: Some(table.clone()), column: key.column.clone() }).collect();
    }
}

/// Visits the expressions of one query; those of queries within it are visited in scopes of their own.
struct Expressions<'w> {
    walk: &'w mut Walk,
    scopes: &'w Scopes,
    why: Why,
    depth: u32,
    bases: Bases,
}

impl Expressions<'_> {
    fn name(&mut self, parts: &[Ident]) {
        let parts: Vec<&str> = parts.iter().map(|ident| ident.value.as_str()).collect();
        for key in self.scopes.resolve(&parts) {
            let Key { table, column: name } = key.clone();
            self.walk.columns.insert(Column { table, name, why: self.why });
            self.bases.insert(key);
        }
    }
}

impl Visitor for Expressions<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth == 0 {
            let output = self.walk.query(query, self.scopes);
            self.bases.extend(output.all());
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.depth > 0 || self.walk.queries > BUDGET {
            return ControlFlow::Continue(());
        }
        match expr {
            Expr::Identifier(ident) => self.name(std::slice::from_ref(ident)),
            Expr::CompoundIdentifier(parts) => self.name(parts),
            Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::Spaceship, right }
            | Expr::IsNotDistinctFrom(left, right) => self.walk.equal(left, right, self.why, self.scopes),
            Expr::InSubquery { expr, subquery, .. } => {
                let left = self.walk.expressions(&**expr, self.why, self.scopes);
                let right = self.walk.query(subquery, self.scopes).all();
                self.walk.keys(&left, &right);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
