//! FROM clauses: what stands in them, and the keys by which it is joined.

use datafusion::sql::sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, LateralView, TableAlias, TableFactor, TableWithJoins,
};

use super::super::Why;
use super::super::outputs::{Bases, Outputs};
use super::scopes::{Relation, Scopes};
use super::text;
use super::walk::{Walk, aliased};

impl Walk {
    /// Adds what stands in a FROM clause to the innermost scope, and returns what decides which of its rows meet.
    pub fn from(&mut self, from: &[TableWithJoins], scopes: &mut Scopes) -> Bases {
        let mut rows = Bases::new();
        for table in from {
            let start = scopes.frame().len();
            rows.extend(self.factor(&table.relation, scopes));
            for join in &table.joins {
                let before = scopes.frame().len();
                rows.extend(self.factor(&join.relation, scopes));
                rows.extend(self.join(join, scopes, start, before));
            }
        }
        rows
    }

    fn join(&mut self, join: &Join, scopes: &Scopes, start: usize, before: usize) -> Bases {
        use JoinOperator as Op;
        let mut rows = Bases::new();
        let constraint = match &join.join_operator {
            Op::Join(on) | Op::Inner(on) | Op::Left(on) | Op::LeftOuter(on) | Op::Right(on) | Op::RightOuter(on) => on,
            Op::FullOuter(on) | Op::CrossJoin(on) | Op::Semi(on) | Op::LeftSemi(on) | Op::RightSemi(on) => on,
            Op::Anti(on) | Op::LeftAnti(on) | Op::RightAnti(on) | Op::StraightJoin(on) => on,
            Op::AsOf { match_condition, constraint } => {
                rows.extend(self.expressions(match_condition, Why::JoinKey, scopes));
                constraint
            }
            Op::CrossApply | Op::OuterApply | Op::ArrayJoin | Op::LeftArrayJoin | Op::InnerArrayJoin => return rows,
        };
        let names: Vec<String> = match constraint {
            JoinConstraint::On(on) => {
                rows.extend(self.expressions(on, Why::JoinKey, scopes));
                return rows;
            }
            JoinConstraint::Using(names) => names.iter().map(text).collect(),
            // Which columns two tables share is not known here.
            JoinConstraint::Natural => vec!["*".into()],
            JoinConstraint::None => return rows,
        };
        let (left, right) = scopes.frame().split_at(before);
        let of = |side: &[(String, Relation)], name: &str| -> Bases {
            let column = |relation: &Relation| match name {
                "*" => Some(relation.all()),
                name => relation.column(name),
            };
            side.iter().filter_map(|(_, relation)| column(relation)).flatten().collect()
        };
        for name in &names {
            let (left, right) = (of(&left[start..], name), of(right, name));
            self.keys(&left, &right);
            rows.extend(left);
            rows.extend(right);
        }
        rows
    }

    /// Adds one element of a FROM clause to the innermost scope, and returns what decides which of its rows meet.
    pub fn factor(&mut self, factor: &TableFactor, scopes: &mut Scopes) -> Bases {
        let alias_of = |alias: &Option<TableAlias>| alias.as_ref().map(|alias| alias.name.value.clone());
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let name = text(name);
                let mut relation = self.table(&name, scopes);
                if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
                    let all = Outputs { columns: relation.star(&Default::default()), rows: relation.rows() };
                    relation = Relation::derived(aliased(all, alias.as_ref()));
                }
                let last = name.rsplit('.').next().unwrap_or_default().to_owned();
                scopes.add(alias_of(alias).unwrap_or(last), relation);
                Bases::new()
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let output = aliased(self.query(subquery, scopes), alias.as_ref());
                scopes.add(alias_of(alias).unwrap_or_default(), Relation::derived(output));
                Bases::new()
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.from(std::slice::from_ref(table_with_joins), scopes)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mut inner = scopes.inner();
                let rows = self.from(std::slice::from_ref(table_with_joins), &mut inner);
                let columns = inner.frame().iter().flat_map(|(_, r)| r.star(&Default::default())).collect();
                let rows = inner.frame().iter().flat_map(|(_, relation)| relation.rows()).chain(rows).collect();
                scopes.add(alias_of(alias).unwrap_or_default(), Relation::derived(Outputs { columns, rows }));
                Bases::new()
            }
            TableFactor::Pivot { table, alias, .. }
            | TableFactor::Unpivot { table, alias, .. }
            | TableFactor::MatchRecognize { table, alias, .. } => {
                let mut inner = scopes.inner();
                let mut all = self.factor(table, &mut inner);
                all.extend(self.expressions(factor, Why::Group, &inner));
                for (_, relation) in inner.frame() {
                    self.star(relation);
                    all.extend(relation.all());
                    all.extend(relation.rows());
                }
                let name = alias_of(alias).or_else(|| inner.frame().first().map(|(name, _)| name.clone()));
                scopes.add(name.unwrap_or_default(), Relation::of(all));
                Bases::new()
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
                scopes.add(alias.unwrap_or_default(), Relation::of(bases));
                Bases::new()
            }
        }
    }

    /// `LATERAL VIEW explode(…) t AS a, b`.
    pub fn lateral_views(&mut self, views: &[LateralView], scopes: &mut Scopes) {
        for view in views {
            let bases = self.expressions(&view.lateral_view, Why::Selected, scopes);
            let mut outputs = Outputs::default();
            view.lateral_col_alias.iter().for_each(|column| outputs.push(&column.value, bases.clone()));
            if outputs.columns.is_empty() {
                outputs.push("", bases);
            }
            scopes.add(text(&view.lateral_view_name), Relation::derived(outputs));
        }
    }

    pub fn table(&mut self, name: &str, scopes: &Scopes) -> Relation {
        let cte = scopes.ctes.iter().rev().find(|(cte, _)| cte.eq_ignore_ascii_case(name));
        match cte {
            Some((_, output)) => Relation::Derived(output.clone()),
            None => {
                self.sources.insert(name.to_owned());
                Relation::Table(name.to_owned())
            }
        }
    }
}
