//! The type checker of conditions. CEL in Rust has none, so this one walks the parsed tree.
//!
//! A condition that passes cannot fail while it runs, but for values that only the data decides: a null, a missing
//! name in a map, a division by zero.

use cel::Program;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::types::{Roots, Type};
use crate::error::Problem;

/// A mistake in a condition: what is wrong, and how many bytes into it. The problem has no place yet.
#[derive(Debug)]
pub(super) struct Mistake {
    pub offset: usize,
    pub problem: Problem,
}

/// All mistakes of a parsed condition, by place. It must be a bool.
pub(super) fn check(program: &Program, roots: &Roots) -> Vec<Mistake> {
    let mut checker = Checker { program, roots, locals: Vec::new(), mistakes: Vec::new() };
    let root = program.expression();
    let found = checker.infer(root);
    if !matches!(found, Type::Bool | Type::Any) {
        let problem = Problem::new(format!("a condition must be true or false; this is {found}"));
        checker.mistakes.push(Mistake { offset: 0, problem });
    }
    checker.mistakes.sort_by_key(|mistake| mistake.offset);
    checker.mistakes
}

struct Checker<'a> {
    program: &'a Program,
    roots: &'a Roots,
    /// The names that macros bind, innermost last.
    locals: Vec<(String, Type)>,
    mistakes: Vec<Mistake>,
}

impl Checker<'_> {
    fn source(&self) -> &str {
        &self.program.source_info().source
    }

    fn offset(&self, expr: &IdedExpr) -> usize {
        self.program.source_info().offset_for(expr.id).map_or(0, |(start, _)| start as usize)
    }

    /// Where an expression starts, rather than where its operator stands.
    fn start(&self, expr: &IdedExpr) -> usize {
        match &expr.expr {
            Expr::Select(select) => self.start(&select.operand),
            Expr::Call(call) => {
                let first = call.target.as_deref().or(call.args.first());
                first.map_or(self.offset(expr), |first| self.start(first).min(self.offset(expr)))
            }
            Expr::Comprehension(comprehension) => self.start(&comprehension.iter_range),
            _ => self.offset(expr),
        }
    }

    fn wrong(&mut self, offset: usize, message: impl Into<String>) -> Type {
        self.report(offset, Problem::new(message))
    }

    fn report(&mut self, offset: usize, problem: Problem) -> Type {
        // Macros repeat parts of what was written.
        if !self.mistakes.iter().any(|known| known.offset == offset && known.problem == problem) {
            self.mistakes.push(Mistake { offset, problem });
        }
        Type::Any
    }

    fn infer(&mut self, expr: &IdedExpr) -> Type {
        match &expr.expr {
            Expr::Ident(name) => self.ident(expr, name),
            Expr::Select(select) => self.select(select).0,
            Expr::Call(call) => self.call(expr, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                let mut of = Type::Any;
                for element in &list.elements {
                    let found = self.infer(element);
                    of = match of.join(&found) {
                        Some(joined) => joined,
                        None => self.wrong(self.start(element), format!("this list of {of} also has {found}")),
                    };
                }
                Type::List(Box::new(of))
            }
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::Double(_) => Type::Double,
                LiteralValue::String(_) => Type::text(),
                LiteralValue::Null => Type::Null,
                LiteralValue::UInt(_) => self.wrong(self.offset(expr), "write whole numbers without `u`"),
                LiteralValue::Bytes(_) => self.wrong(self.offset(expr), "no fact holds bytes"),
            },
            Expr::Map(_) | Expr::Struct(_) => {
                self.wrong(self.offset(expr), "a condition reads facts and makes no maps or objects")
            }
            Expr::Unspecified => self.wrong(self.offset(expr), "this cannot be read as a condition"),
        }
    }

    fn ident(&mut self, expr: &IdedExpr, name: &str) -> Type {
        if let Some((_, of)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return of.clone();
        }
        if let Some(of) = self.roots.get(name) {
            return of.clone();
        }
        let bound = self.locals.iter().map(|(local, _)| local.as_str()).filter(|local| !local.starts_with('@'));
        let known: Vec<&str> = self.roots.keys().copied().chain(bound).collect();
        let problem = Problem::new(format!("unknown name `{name}`")).suggest(name, known);
        self.report(self.offset(expr), problem)
    }

    /// The type of a field, and whether it can be null or missing.
    fn select(&mut self, select: &SelectExpr) -> (Type, bool) {
        let operand = self.infer(&select.operand);
        let name = &select.field;
        let at = self.name_offset(select);
        let found = match operand {
            Type::Object(mut fields) => match fields.remove(name) {
                Some(field) => (field.of, field.nullable),
                None => {
                    let whole = self.written(&select.operand);
                    let problem =
                        Problem::new(format!("`{whole}` has no field `{name}`")).suggest(name, fields.into_keys());
                    (self.report(at, problem), true)
                }
            },
            Type::Map(of) => (*of, true),
            Type::Any => (Type::Any, true),
            other => {
                let whole = self.written(&select.operand);
                (self.wrong(at, format!("`{whole}` is {other} and has no field `{name}`")), true)
            }
        };
        if select.test { (Type::Bool, false) } else { found }
    }

    /// Where the name of a selected field stands; the tree only knows the dot.
    fn name_offset(&self, select: &SelectExpr) -> usize {
        let operand = self.program.source_info().offset_for(select.operand.id).map_or(0, |(_, stop)| stop as usize + 1);
        let rest = self.source().get(operand..).unwrap_or_default();
        operand + rest.find(select.field.as_str()).unwrap_or(0)
    }

    /// An operand as the author wrote it, or nearly so.
    fn written(&self, expr: &IdedExpr) -> String {
        path(expr).map_or_else(|| "this".to_owned(), |path| path.join("."))
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Type {
        use operators::*;
        let at = self.offset(expr);
        match (call.func_name.as_str(), call.args.as_slice()) {
            (LOGICAL_AND | LOGICAL_OR, _) | (LOGICAL_NOT | NOT_STRICTLY_FALSE, [_]) => {
                for arg in &call.args {
                    self.expect_bool(arg);
                }
                Type::Bool
            }
            (CONDITIONAL, [condition, yes, no]) => {
                self.expect_bool(condition);
                let (yes, no) = (self.infer(yes), self.infer(no));
                match yes.join(&no) {
                    Some(of) => of,
                    None => self.wrong(at, format!("one branch is {yes}, the other {no}")),
                }
            }
            (EQUALS | NOT_EQUALS, [left, right]) => self.equality(at, left, right),
            (LESS | LESS_EQUALS | GREATER | GREATER_EQUALS, [left, right]) => {
                let (a, b) = (self.infer(left), self.infer(right));
                let texts = matches!((&a, &b), (Type::Text(_) | Type::Any, Type::Text(_) | Type::Any));
                let numbers = a.is_number() && b.is_number();
                if !(texts || numbers) {
                    self.wrong(at, format!("{a} has no order with {b}"));
                }
                Type::Bool
            }
            (IN, [left, right]) => {
                let (needle, hay) = (self.infer(left), self.infer(right));
                match &hay {
                    Type::List(of) if needle.equals(of) => {
                        if let Expr::List(list) = &right.expr {
                            list.elements.iter().for_each(|element| self.closed_set(&needle, element));
                        }
                        self.closed_set(of, left);
                    }
                    Type::List(of) => {
                        self.wrong(at, format!("{needle} cannot be in a list of {}", plural(of)));
                    }
                    Type::Map(_) if matches!(needle, Type::Text(_) | Type::Any) => {}
                    Type::Any => {}
                    other => {
                        self.wrong(at, format!("`in` needs a list, or a map's name; this is {other}"));
                    }
                }
                Type::Bool
            }
            (ADD | SUBSTRACT | MULTIPLY | DIVIDE | MODULO, [left, right]) => self.arithmetic(at, call, left, right),
            (NEGATE, [operand]) => match self.infer(operand) {
                number @ (Type::Int | Type::Double | Type::Any) => number,
                other => self.wrong(at, format!("{other} has no minus")),
            },
            (INDEX, [list, index]) => match (self.infer(list), self.infer(index)) {
                (Type::List(of), Type::Int | Type::Any) | (Type::Map(of), Type::Text(_) | Type::Any) => *of,
                (Type::Any, _) => Type::Any,
                (Type::Object(_), _) => self.wrong(at, "a field is read with a dot, e.g. `fact.strategy`"),
                (whole, index) => self.wrong(at, format!("{whole} has no place named by {index}")),
            },
            _ => self.function(expr, call),
        }
    }

    fn expect_bool(&mut self, expr: &IdedExpr) {
        let found = self.infer(expr);
        if !matches!(found, Type::Bool | Type::Any) {
            self.wrong(self.start(expr), format!("expected true or false here; this is {found}"));
        }
    }

    fn equality(&mut self, at: usize, left: &IdedExpr, right: &IdedExpr) -> Type {
        let null = |e: &IdedExpr| matches!(e.expr, Expr::Literal(LiteralValue::Null));
        match (null(left), null(right)) {
            (false, false) => {
                let (a, b) = (self.infer(left), self.infer(right));
                if a.equals(&b) {
                    self.closed_set(&a, right);
                    self.closed_set(&b, left);
                } else {
                    self.wrong(at, format!("{a} never equals {b}"));
                }
            }
            (true, true) => {
                self.wrong(at, "null always equals null");
            }
            (true, false) => self.null_test(at, right),
            (false, true) => self.null_test(at, left),
        }
        Type::Bool
    }

    fn null_test(&mut self, at: usize, of: &IdedExpr) {
        let Expr::Select(select) = &of.expr else {
            self.infer(of);
            self.wrong(at, "only a field can be compared with null");
            return;
        };
        let (_, nullable) = self.select(select);
        if !nullable {
            let mut problem = Problem::new(format!("`{}` is never null", self.written(of)));
            if matches!(select.operand.expr, Expr::Select(_)) {
                problem = problem.help(format!("compare `{}` with null", self.written(&select.operand)));
            }
            self.report(self.name_offset(select), problem);
        }
    }

    /// A literal that meets a closed set of values must be one of them.
    fn closed_set(&mut self, of: &Type, literal: &IdedExpr) {
        if let (Type::Text(Some(values)), Expr::Literal(LiteralValue::String(text))) = (of, &literal.expr)
            && !values.iter().any(|value| value == text.inner())
        {
            let problem = Problem::new(format!("this field is never `{}`", text.inner())).suggest(text.inner(), values);
            self.report(self.offset(literal), problem);
        }
    }

    fn arithmetic(&mut self, at: usize, call: &CallExpr, left: &IdedExpr, right: &IdedExpr) -> Type {
        let (a, b) = (self.infer(left), self.infer(right));
        let sign = call.func_name.trim_matches('_');
        match (&a, &b) {
            (Type::Int, Type::Double) | (Type::Double, Type::Int) => {
                let problem = Problem::new(format!("`{sign}` cannot mix a whole and a decimal number"))
                    .help("wrap the whole one in `double(…)`, or write `2.0` for `2`");
                self.report(at, problem)
            }
            (Type::Double, Type::Double) if sign == "%" => self.wrong(at, "`%` is for whole numbers"),
            (Type::Int | Type::Any, Type::Int) | (Type::Int, Type::Any) => Type::Int,
            (Type::Double | Type::Any, Type::Double) | (Type::Double, Type::Any) => Type::Double,
            (Type::Any, Type::Any) => Type::Any,
            (Type::Text(_) | Type::Any, Type::Text(_)) | (Type::Text(_), Type::Any) if sign == "+" => Type::text(),
            (Type::List(_) | Type::Any, Type::List(_)) | (Type::List(_), Type::Any) if sign == "+" => {
                a.join(&b).unwrap_or_else(|| self.wrong(at, "these lists hold different things"))
            }
            _ => self.wrong(at, format!("`{sign}` cannot take {a} and {b}")),
        }
    }

    /// `all`, `exists`, `exists_one`, `map` and `filter`, which the parser writes out as loops.
    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Type {
        let range = self.infer(&comprehension.iter_range);
        let at = self.start(&comprehension.iter_range);
        let makes_list = matches!(comprehension.accu_init.expr, Expr::List(_));
        let element = match range {
            Type::List(of) => *of,
            Type::Map(_) if makes_list => {
                self.wrong(at, "the names of a map have no order, so no list is made of them")
            }
            Type::Map(_) => Type::text(),
            Type::Any => Type::Any,
            other => self.wrong(at, format!("this needs a list, or a map's names; it is {other}")),
        };
        let start = self.infer(&comprehension.accu_init);
        let depth = self.locals.len();
        self.locals.push((comprehension.accu_var.clone(), start));
        self.locals.push((comprehension.iter_var.clone(), element));
        self.infer(&comprehension.loop_cond);
        let step = self.infer(&comprehension.loop_step);
        self.locals.truncate(depth);
        self.locals.push((comprehension.accu_var.clone(), step));
        let result = self.infer(&comprehension.result);
        self.locals.truncate(depth);
        result
    }
}

/// `a.b.c` as its names, when an expression is nothing but that.
pub(super) fn path(expr: &IdedExpr) -> Option<Vec<&str>> {
    match &expr.expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) if !select.test => {
            let mut path = path(&select.operand)?;
            path.push(&select.field);
            Some(path)
        }
        _ => None,
    }
}

fn plural(of: &Type) -> &'static str {
    match of {
        Type::Bool => "bools",
        Type::Int | Type::Double => "numbers",
        Type::Text(_) => "strings",
        Type::List(_) => "lists",
        _ => "objects",
    }
}

mod functions;
#[cfg(test)]
mod tests;
