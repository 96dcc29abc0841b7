//! Through expressions: the columns they rest on, those that are compared, and those that are hashed.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query, Visit, Visitor,
};

use super::super::outputs::{Base, Bases};
use super::super::{Column, JoinKey, Key, Why};
use super::scopes::{Relation, Scopes};
use super::text;
use super::walk::Walk;

impl Walk {
    /// Notes all columns in a piece of a statement, and returns what they rest on.
    pub fn expressions<N: Visit>(&mut self, node: &N, why: Why, scopes: &Scopes) -> Bases {
        let mut seen = Expressions { walk: self, scopes, why, inside: 0, hashes: 0, bases: Bases::new() };
        let _ = node.visit(&mut seen);
        seen.bases
    }

    /// Two expressions are compared for being equal: where they rest on different tables, that joins these.
    fn equal(&mut self, left: &Expr, right: &Expr, why: Why, scopes: &Scopes) -> Bases {
        let (left, right) = (bare(left), bare(right));
        if let (Expr::Tuple(left), Expr::Tuple(right)) = (left, right)
            && left.len() == right.len()
        {
            return left.iter().zip(right).flat_map(|(left, right)| self.equal(left, right, why, scopes)).collect();
        }
        let mut left = self.expressions(left, why, scopes);
        let mut right = self.expressions(right, why, scopes);
        other_of_two(&mut left, &right);
        other_of_two(&mut right, &left);
        self.keys(&left, &right);
        left.into_iter().chain(right).collect()
    }

    /// Notes that rows meet by these.
    pub fn keys(&mut self, left: &Bases, right: &Bases) {
        for left in left.iter().filter(|base| !base.optional).map(key) {
            for right in right.iter().filter(|base| !base.optional).map(key) {
                if left.table.is_some() && left.table == right.table {
                    continue;
                }
                for Key { table, column } in [&left, &right] {
                    let (table, name) = (table.clone(), column.clone());
                    self.columns.insert(Column { table, name, why: Why::JoinKey });
                }
                let (left, right) = if left <= right { (&left, &right) } else { (&right, &left) };
                self.keys.insert(JoinKey { left: left.clone(), right: right.clone() });
            }
        }
    }
}

fn key(base: &Base) -> Key {
    Key { table: base.table().cloned(), column: base.column.clone() }
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => bare(inner),
        other => other,
    }
}

/// With two tables that may have a column, one that is compared with a column of the one is taken to be the other's.
fn other_of_two(side: &mut Bases, other: &Bases) {
    let Some(table) = other.first().filter(|_| other.len() == 1).and_then(Base::table) else { return };
    let is_open = |base: &Base| base.tables.len() == 2 && base.tables.contains(table);
    if side.iter().all(is_open) {
        *side = std::mem::take(side)
            .into_iter()
            .map(|base| Base { tables: base.tables.into_iter().filter(|t| t != table).collect(), ..base })
            .collect();
    }
}

/// Functions that hide a value and keep whose it is, whatever they are called around these words.
const HASHES: [&str; 9] = ["sha", "md5", "md4", "hash", "hmac", "digest", "fingerprint", "murmur", "crc32"];

fn is_hash(function: &Function) -> bool {
    let name = text(&function.name).to_lowercase();
    HASHES.iter().any(|hash| name.contains(hash))
}

/// Visits the expressions of one query; those of queries within it are visited in scopes of their own.
struct Expressions<'w> {
    walk: &'w mut Walk,
    scopes: &'w Scopes,
    why: Why,
    /// How deep in a part that was looked at on its own.
    inside: u32,
    /// Hash functions around the place.
    hashes: u32,
    bases: Bases,
}

impl Expressions<'_> {
    fn name(&mut self, parts: &[Ident]) {
        let parts: Vec<&str> = parts.iter().map(|ident| ident.value.as_str()).collect();
        let bases = self.scopes.resolve(&parts);
        self.note(bases);
    }

    fn note(&mut self, bases: Bases) {
        for base in &bases {
            if !base.optional {
                let Key { table, column: name } = key(base);
                self.walk.columns.insert(Column { table, name, why: self.why });
            }
            if self.hashes > 0 {
                self.walk.hashed.insert(key(base));
            }
        }
        self.bases.extend(bases);
    }

    /// `f(t.*)` and, but for `count(*)`, `f(*)`.
    fn stars(&mut self, function: &Function) {
        let FunctionArguments::List(list) = &function.args else { return };
        for arg in &list.args {
            let arg = match arg {
                FunctionArg::Unnamed(arg) | FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } => arg,
            };
            let relations: Vec<Relation> = match arg {
                FunctionArgExpr::QualifiedWildcard(name) => {
                    self.scopes.relation(&text(name)).into_iter().cloned().collect()
                }
                FunctionArgExpr::Wildcard if !text(&function.name).eq_ignore_ascii_case("count") => {
                    self.scopes.frame().iter().map(|(_, relation)| relation.clone()).collect()
                }
                _ => continue,
            };
            relations.iter().for_each(|relation| self.note(relation.all()));
        }
    }

    /// Looks at an expression as a whole, when its parts mean something together.
    fn whole(&mut self, expr: &Expr) -> bool {
        match expr {
            Expr::Identifier(ident) => self.name(std::slice::from_ref(ident)),
            Expr::CompoundIdentifier(parts) => self.name(parts),
            Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::Spaceship, right }
            | Expr::IsNotDistinctFrom(left, right) => {
                let bases = self.walk.equal(left, right, self.why, self.scopes);
                self.bases.extend(bases);
            }
            Expr::InSubquery { expr, subquery, .. } => {
                let mut left = self.walk.expressions(&**expr, self.why, self.scopes);
                let right = self.walk.query(subquery, self.scopes);
                other_of_two(&mut left, &right.all());
                self.walk.keys(&left, &right.all());
                self.bases.extend(left);
                self.bases.extend(right.everything());
            }
            _ => return false,
        }
        true
    }
}

impl Visitor for Expressions<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.inside == 0 {
            let output = self.walk.query(query, self.scopes);
            self.bases.extend(output.everything());
        }
        self.inside += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.inside -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.walk.is_exhausted() {
            return ControlFlow::Break(());
        }
        if self.inside > 0 || self.whole(expr) {
            self.inside += 1;
        } else if let Expr::Function(function) = expr {
            self.hashes += u32::from(is_hash(function));
            self.stars(function);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.inside > 0 {
            self.inside -= 1;
        } else if let Expr::Function(function) = expr {
            self.hashes -= u32::from(is_hash(function));
        }
        ControlFlow::Continue(())
    }
}
