//! The functions that conditions may call, and what they take.

use cel::Program;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};

use super::Checker;
use crate::error::Problem;
use crate::rules::types::Type;

/// Functions and macros, with how they are called.
const FUNCTIONS: &[(&str, &str)] = &[
    ("size", "size(list)"),
    ("startsWith", "text.startsWith(\"…\")"),
    ("endsWith", "text.endsWith(\"…\")"),
    ("contains", "text.contains(\"…\")"),
    ("matches", "text.matches(\"pattern\")"),
    ("double", "double(whole number)"),
    ("int", "int(decimal number)"),
    ("string", "string(value)"),
    ("has", "has(fact.field)"),
    ("all", "list.all(x, condition on x)"),
    ("exists", "list.exists(x, condition on x)"),
    ("exists_one", "list.exists_one(x, condition on x)"),
    ("map", "list.map(x, value of x)"),
    ("filter", "list.filter(x, condition on x)"),
];

const MACROS: &[&str] = &["has", "all", "exists", "exists_one", "map", "filter"];

impl Checker<'_> {
    pub(super) fn function(&mut self, expr: &IdedExpr, call: &CallExpr) -> Type {
        let name = call.func_name.as_str();
        let at = self.function_offset(expr, name);
        let Some((_, usage)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
            let problem = Problem::new(format!("unknown function `{name}`"));
            return self.report(at, problem.suggest(name, FUNCTIONS.iter().map(|(known, _)| known)));
        };
        if MACROS.contains(&name) {
            // The parser has written out every macro that it knew by its arguments.
            return self
                .report(at, Problem::new(format!("`{name}` is not written so")).help(format!("write `{usage}`")));
        }
        let target = call.target.as_deref();
        let types: Vec<Type> = target.into_iter().chain(&call.args).map(|arg| self.infer(arg)).collect();
        let text = |of: &Type| matches!(of, Type::Text(_) | Type::Any);
        let result = match (name, target.is_some(), types.as_slice()) {
            ("size", _, [Type::Text(_) | Type::List(_) | Type::Map(_) | Type::Any]) => Some(Type::Int),
            ("startsWith" | "endsWith" | "contains", true, [a, b]) if text(a) && text(b) => Some(Type::Bool),
            ("matches", true, [a, b]) if text(a) && text(b) => {
                self.pattern(&call.args[0]);
                Some(Type::Bool)
            }
            ("double", false, [number]) if number.is_number() => Some(Type::Double),
            ("int", false, [number]) if number.is_number() => Some(Type::Int),
            ("string", false, [Type::Bool | Type::Int | Type::Double | Type::Text(_) | Type::Any]) => {
                Some(Type::text())
            }
            _ => None,
        };
        result.unwrap_or_else(|| {
            let given = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let given = if given.is_empty() { "nothing".to_owned() } else { given };
            self.report(
                at,
                Problem::new(format!("`{name}` cannot take {given}")).help(format!("it is written `{usage}`")),
            )
        })
    }

    /// Where the name of a called function stands; the tree knows the parenthesis.
    fn function_offset(&self, expr: &IdedExpr, name: &str) -> usize {
        let paren = self.offset(expr);
        self.source().get(..paren).and_then(|before| before.rfind(name)).unwrap_or(paren)
    }

    /// A pattern must be written out, and be one.
    fn pattern(&mut self, pattern: &IdedExpr) {
        let at = self.offset(pattern);
        let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
            self.wrong(at, "the pattern of `matches` must be written out in the condition");
            return;
        };
        let mut context = cel::Context::default();
        context.add_variable_from_value("pattern", text.inner().to_owned());
        let tried = Program::compile("''.matches(pattern)").map(|program| program.execute(&context).is_ok());
        if !matches!(tried, Ok(true)) {
            self.wrong(at, format!("`{}` is not a regular expression", text.inner()));
        }
    }
}
