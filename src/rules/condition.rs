//! A condition: CEL, checked when it is read, asked of one fact at a time.
//!
//! Null is not a value here. A null field is left out of what CEL sees, so reading it is an error that `||` and `&&`
//! absorb exactly when the other side decides alone (`true || unknown` is true, `true && unknown` is unknown), and
//! `fact.x == null` becomes `!has(fact.x)`. Dividing by zero is an error for decimal numbers too: infinity would pass a
//! lower bound. A condition that stays undecided answers [`Answer::Unknown`].

use std::collections::{BTreeSet, HashMap};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, ExecutionError, Program};
use serde_json::Value;

use super::check;
use super::place::locate;
use super::types::Roots;
use crate::error::{Place, Problem};
use crate::yaml::{At, Document};

/// A checked condition.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    expression: IdedExpr,
    /// The fields of the fact that it reads, without `fact`, in the order they are written.
    reads: Vec<Vec<String>>,
}

/// What a condition says of a fact.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Yes,
    No,
    /// The fact lacks what decides; why, in words.
    Unknown(String),
}

impl Condition {
    /// Parses and checks a condition. Problems stand at the very name that is wrong.
    pub fn compile<T>(text: &At<String>, document: &Document<T>, roots: &Roots) -> Result<Self, Vec<Problem>> {
        let program = match Program::compile(text) {
            Ok(program) => program,
            Err(errors) => {
                let problem = |error: &cel::ParseError| {
                    let (line, column) = (error.pos.0.max(1) as usize, error.pos.1.max(1) as usize);
                    place(document, text, byte_offset(text, line, column), Problem::new(parse_message(&error.msg)))
                };
                // Later errors follow from the first.
                return Err(errors.errors.iter().take(1).map(problem).collect());
            }
        };
        let mistakes = check::check(&program, roots);
        if !mistakes.is_empty() {
            return Err(mistakes.into_iter().map(|m| place(document, text, m.offset, m.problem)).collect());
        }
        let mut expression = program.expression().clone();
        let mut reads = Vec::new();
        collect(&expression, &mut reads);
        rewrite(&mut expression);
        Ok(Self { expression, reads })
    }

    /// The fields of the fact that it looks at, those included that it only tests for null; `None` when it looks at the
    /// fact as a whole, or that cannot be told.
    pub fn fields(&self) -> Option<BTreeSet<&str>> {
        let mut fields = BTreeSet::new();
        looks_at(&self.expression, &mut fields).then_some(fields)
    }

    /// Asks the condition of a fact. `context` holds the roots, made by [`value`].
    pub fn ask(&self, context: &Context, fact: &Value) -> Result<Answer, ExecutionError> {
        match context.resolve(&self.expression) {
            Ok(cel::Value::Bool(true)) => Ok(Answer::Yes),
            Ok(cel::Value::Bool(false)) => Ok(Answer::No),
            Ok(other) => Err(ExecutionError::UnexpectedType { got: format!("{other:?}"), want: "bool".to_owned() }),
            Err(error) => self.unknown(error, fact),
        }
    }

    fn unknown(&self, error: ExecutionError, fact: &Value) -> Result<Answer, ExecutionError> {
        Ok(Answer::Unknown(match error {
            ExecutionError::NoSuchKey(name) => match self.reads.iter().find_map(|path| first_null(fact, path)) {
                Some(path) => format!("`fact.{path}` is not measured"),
                None => format!("`{name}` is not there"),
            },
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
            ExecutionError::Overflow(..) => "its numbers are too large".to_owned(),
            // No number is greater or less than what is not a number.
            ExecutionError::NoSuchOverload(what)
                if what.argument_types().iter().all(|of| of == "double" || of == "int") =>
            {
                "its numbers are too large".to_owned()
            }
            ExecutionError::IndexOutOfBounds(_) => "a list is shorter than it expects".to_owned(),
            other => return Err(other),
        }))
    }
}

/// JSON as CEL sees it: whole numbers are ints, and what is null is not there.
pub(super) fn value(json: &Value) -> cel::Value {
    match json {
        Value::Null => cel::Value::Null,
        Value::Bool(yes) => cel::Value::Bool(*yes),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => cel::Value::Int(int),
            (_, Some(uint)) => cel::Value::UInt(uint),
            _ => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::from(text.as_str()),
        Value::Array(items) => cel::Value::from(items.iter().map(value).collect::<Vec<_>>()),
        Value::Object(fields) => {
            let there = fields.iter().filter(|(_, value)| !value.is_null());
            cel::Value::from(there.map(|(name, json)| (name.clone(), value(json))).collect::<HashMap<_, _>>())
        }
    }
}

/// Puts a problem at a byte of a scalar.
pub(super) fn place<T>(document: &Document<T>, text: &At<String>, offset: usize, mut problem: Problem) -> Problem {
    let (line, column) = locate(&document.text, text, offset);
    problem.place = Some(Place { path: document.path.clone(), line, column, text: Some(document.text.clone()) });
    problem
}

fn byte_offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column - 1).map_or(rest.trim_end().len(), |(at, _)| at)
}

/// The parser lists every token it would have liked; people need the one it did not.
fn parse_message(message: &str) -> String {
    let message = message.trim_start_matches("Syntax error: ");
    let message = message.split(" expecting ").next().unwrap_or(message).replace('\'', "`");
    match message.strip_prefix("mismatched input `<EOF>`") {
        Some(_) => "the condition ends too early".to_owned(),
        None => format!("the condition cannot be read: {message}"),
    }
}

/// The shortest part of `path` that is null or missing, written with dots.
fn first_null(fact: &Value, path: &[String]) -> Option<String> {
    let mut at = fact;
    for (depth, name) in path.iter().enumerate() {
        match at.get(name) {
            None | Some(Value::Null) => return Some(path[..=depth].join(".")),
            Some(inner) => at = inner,
        }
    }
    None
}

fn collect(expr: &IdedExpr, reads: &mut Vec<Vec<String>>) {
    if let Some(path) = check::path(expr) {
        if let ["fact", fields @ ..] = path.as_slice()
            && !fields.is_empty()
        {
            reads.push(fields.iter().map(|name| (*name).to_owned()).collect());
        }
        return;
    }
    if tested_for_null(&expr.expr).is_none() {
        children(expr).into_iter().for_each(|child| collect(child, reads));
    }
}

/// Adds the fields of the fact that an expression looks at; false when it looks at the fact as a whole.
fn looks_at<'e>(expr: &'e IdedExpr, fields: &mut BTreeSet<&'e str>) -> bool {
    match &expr.expr {
        Expr::Select(select) if matches!(&select.operand.expr, Expr::Ident(name) if name == "fact") => {
            fields.insert(select.field.as_str());
            true
        }
        Expr::Ident(name) => name != "fact",
        Expr::Map(_) | Expr::Struct(_) => false,
        _ => children(expr).into_iter().all(|child| looks_at(child, fields)),
    }
}

fn children(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Comprehension(c) => vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result],
        _ => Vec::new(),
    }
}

/// The field that an expression compares with null, and whether it asks for null.
fn tested_for_null(expr: &Expr) -> Option<(&IdedExpr, bool)> {
    let Expr::Call(CallExpr { func_name, args, .. }) = expr else { return None };
    let asks_null = match func_name.as_str() {
        operators::EQUALS => true,
        operators::NOT_EQUALS => false,
        _ => return None,
    };
    match args.as_slice() {
        [of, IdedExpr { expr: Expr::Literal(LiteralValue::Null), .. }]
        | [IdedExpr { expr: Expr::Literal(LiteralValue::Null), .. }, of] => Some((of, asks_null)),
        _ => None,
    }
}

/// Writes every comparison with null as `has`, and every `a / b` as `b == 0.0 ? error : a / b`.
fn rewrite(expr: &mut IdedExpr) {
    if let Some((of, asks_null)) = tested_for_null(&expr.expr) {
        let mut test = of.clone();
        rewrite(&mut test);
        if let Expr::Select(select) = &mut test.expr {
            select.test = true;
        }
        if asks_null {
            *expr = call(operators::LOGICAL_NOT, vec![test]);
        } else {
            expr.expr = test.expr;
        }
        return;
    }
    match &mut expr.expr {
        Expr::Call(call) => call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args).for_each(rewrite),
        Expr::Select(select) => rewrite(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(rewrite),
        Expr::Comprehension(c) => {
            [&mut c.iter_range, &mut c.accu_init, &mut c.loop_cond, &mut c.loop_step, &mut c.result]
                .into_iter()
                .for_each(rewrite);
        }
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    rewrite(&mut entry.value);
                }
            }
        }
        _ => {}
    }
    if let Expr::Call(CallExpr { func_name, args, .. }) = &expr.expr
        && func_name == operators::DIVIDE
        && let [_, divisor] = args.as_slice()
    {
        let zero = number(LiteralValue::Double(0.0.into()));
        let by_zero = call(operators::EQUALS, vec![divisor.clone(), zero]);
        let error =
            call(operators::DIVIDE, vec![number(LiteralValue::Int(1.into())), number(LiteralValue::Int(0.into()))]);
        let division = std::mem::take(expr);
        *expr = call(operators::CONDITIONAL, vec![by_zero, error, division]);
    }
}

fn number(literal: LiteralValue) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Literal(literal) }
}

fn call(operator: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: operator.to_owned(), target: None, args }) }
}
