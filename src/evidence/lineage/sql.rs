//! SQL files to flows: each statement by itself, so that one that cannot be parsed hides no other.

use datafusion::sql::sqlparser;
use sqlparser::ast::ObjectName;
use sqlparser::dialect::{
    BigQueryDialect, Dialect as Rules, HiveDialect, PostgreSqlDialect, SnowflakeDialect, SparkSqlDialect,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::{Flow, Parsed, Unparsed};
use crate::manifest::Dialect;

mod expressions;
mod from;
mod scopes;
mod statements;
#[cfg(test)]
mod tests;
mod walk;

use statements::flows;

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
                for flow in flows(statement, &mut parsed.declared)? {
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

/// A name without its quotes.
fn text(name: &ObjectName) -> String {
    let part = |part: &sqlparser::ast::ObjectNamePart| match part.as_ident() {
        Some(ident) => ident.value.clone(),
        None => part.to_string(),
    };
    name.0.iter().map(part).collect::<Vec<_>>().join(".")
}
