//! Messages and reasons: Tera templates over `fact`, `params` and `audit`, in plain text. Outputs escape them.

use std::collections::BTreeMap;

use serde_json::Value;
use tera::{Kwargs, State, Tera};

use super::condition::place;
use super::types::{Roots, Type};
use crate::error::Problem;
use crate::yaml::{At, Document};

const NAME: &str = "text";

/// A checked template.
#[derive(Debug, Clone)]
pub(super) struct Template(Tera);

impl Template {
    /// Parses a template and checks every name it uses.
    pub fn compile<T>(text: &At<String>, document: &Document<T>, roots: &Roots) -> Result<Self, Vec<Problem>> {
        let mut tera = Tera::new();
        tera.register_filter("attributes", attributes);
        tera.register_filter("group", group);
        tera.register_filter("words", |name: &str, _: Kwargs, _: &State| name.replace('_', " "));
        tera.register_filter("percent", percent);
        tera.register_filter("count", count);
        tera.register_filter("duration", |seconds: f64, _: Kwargs, _: &State| crate::duration(seconds));
        if let Err(error) = tera.add_raw_template(NAME, text) {
            return Err(vec![syntax_problem(text, document, &error)]);
        }
        let problems: Vec<Problem> =
            uses(text).into_iter().filter_map(|names| wrong_name(text, document, roots, &names)).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        // Loops and `set` name things of their own; whatever else is free must be a root.
        let mut free: Vec<&str> =
            tera.get_template_variables(NAME).map(|all| all.into_iter().collect()).unwrap_or_default();
        free.retain(|name| !roots.contains_key(name));
        free.sort_unstable();
        if let Some(name) = free.first() {
            let problem = Problem::new(format!("unknown name `{name}`")).suggest(name, roots.keys());
            return Err(vec![place(document, text, text.find(name).unwrap_or(0), problem)]);
        }
        Ok(Self(tera))
    }

    /// One line of plain text. Line breaks and control characters of hostile data become spaces.
    pub fn render(&self, fact: &Value, params: &BTreeMap<String, Value>, audit: &Value) -> Result<String, String> {
        let mut context = tera::Context::new();
        context.insert("fact", fact);
        context.insert("params", params);
        context.insert("audit", audit);
        let text = self.0.render(NAME, &context).map_err(|error| first_line(&error))?;
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// `{age_band: 65+}` as `age_band=65+`; an empty map as `everyone`.
fn attributes(of: &tera::Value, _: Kwargs, _: &State) -> tera::TeraResult<String> {
    let Some(map) = of.as_map() else {
        return Err(tera::Error::message(format!("`attributes` is for maps, not {}", of.name())));
    };
    let mut pairs: Vec<String> = map.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort();
    Ok(if pairs.is_empty() { "everyone".to_owned() } else { pairs.join(", ") })
}

/// `{age_band: 65+}` as `age band 65+`; an empty map as `everyone`.
fn group(of: &tera::Value, _: Kwargs, _: &State) -> tera::TeraResult<String> {
    let Some(map) = of.as_map() else {
        return Err(tera::Error::message(format!("`group` is for maps, not {}", of.name())));
    };
    let mut pairs: Vec<String> =
        map.iter().map(|(name, value)| format!("{} {value}", name.to_string().replace('_', " "))).collect();
    pairs.sort();
    Ok(if pairs.is_empty() { "everyone".to_owned() } else { pairs.join(" and ") })
}

/// 12411 as `12,411`.
fn count(number: u64, _: Kwargs, _: &State) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// 0.1234 as `12.34%`, with `digits` as many places at most.
fn percent(share: f64, options: Kwargs, _: &State) -> tera::TeraResult<String> {
    let places = 10_f64.powi(options.get::<i32>("digits")?.unwrap_or(2).clamp(0, 9));
    Ok(format!("{}%", (share * 100.0 * places).round() / places))
}

fn first_line(error: &tera::Error) -> String {
    let message = match error.kind() {
        tera::ErrorKind::SyntaxError(report) | tera::ErrorKind::RenderingError(report) => report.message().to_owned(),
        other => other.to_string(),
    };
    let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let mut chars = message.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn syntax_problem<T>(text: &At<String>, document: &Document<T>, error: &tera::Error) -> Problem {
    let offset = match error.kind() {
        tera::ErrorKind::SyntaxError(report) => report.span().range.start.min(text.len()),
        // Unknown filters and functions are told as text: the name stands in backticks.
        other => {
            let message = other.to_string();
            let name = message.split('`').nth(1).unwrap_or_default();
            text.find(name).unwrap_or(0)
        }
    };
    place(document, text, offset, Problem::new(format!("the text cannot be filled in: {}", first_line(error))))
}

/// A chain of names as written, each with its byte.
type Names<'a> = Vec<(usize, &'a str)>;

fn wrong_name<T>(text: &At<String>, document: &Document<T>, roots: &Roots, names: &Names<'_>) -> Option<Problem> {
    let ((_, root), rest) = names.split_first()?;
    let mut of = roots.get(root)?;
    let mut whole = (*root).to_owned();
    for (offset, name) in rest {
        let fields = match of {
            Type::Object(fields) => fields,
            Type::Map(inner) => {
                of = inner;
                continue;
            }
            Type::Any => return None,
            other => {
                let problem = Problem::new(format!("`{whole}` is {other} and has no field `{name}`"));
                return Some(place(document, text, *offset, problem));
            }
        };
        let Some(field) = fields.get(*name) else {
            let problem = Problem::new(format!("`{whole}` has no field `{name}`")).suggest(name, fields.keys());
            return Some(place(document, text, *offset, problem));
        };
        of = &field.of;
        whole = format!("{whole}.{name}");
    }
    None
}

/// Every chain `name.name…` in the code of a template, in order. Names after a `[…]` are not followed.
fn uses(template: &str) -> Vec<Names<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = template[at..].find(['{']).map(|open| at + open) {
        let close = match template[open..].get(..2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            Some("{#") => "#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        at = open + 2;
        if close == "#}" {
            at = template[at..].find(close).map_or(template.len(), |end| at + end + 2);
            continue;
        }
        at = code(template, at, close, &mut found);
    }
    found
}

/// Reads one piece of code from `at`; returns where it ends.
fn code<'a>(template: &'a str, mut at: usize, close: &str, found: &mut Vec<Names<'a>>) -> usize {
    let name_end = |from: usize| {
        template[from..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(template.len(), |end| from + end)
    };
    while let Some(c) = template[at..].chars().next() {
        if template[at..].starts_with(close) {
            return at + close.len();
        }
        match c {
            '"' | '\'' | '`' => {
                at += 1;
                at = template[at..].find(c).map_or(template.len(), |end| at + end + 1);
            }
            c if c.is_alphabetic() || c == '_' => {
                let mut names = Vec::new();
                loop {
                    let end = name_end(at);
                    names.push((at, &template[at..end]));
                    at = end;
                    let dot = if template[at..].starts_with("?.") { 2 } else { 1 };
                    let named = template[at..].starts_with(['.', '?'])
                        && template[at + dot..].starts_with(|c: char| c.is_alphabetic() || c == '_');
                    if !named {
                        break;
                    }
                    at += dot;
                }
                found.push(names);
            }
            // A field of something that is not a name: skip the dot and the field.
            '.' => at = name_end(at + 1),
            c => at += c.len_utf8(),
        }
    }
    template.len()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[derive(serde::Deserialize)]
    struct One {
        message: At<String>,
    }

    fn compile(message: &str) -> Result<Template, Vec<Problem>> {
        let yaml = format!("message: |-\n  {message}\n");
        let document = Document::<One>::parse(Path::new("pack.yaml"), yaml).unwrap();
        let kind = crate::facts::kind("outcome_parity").unwrap();
        let params = Type::Object(BTreeMap::new());
        let roots = Roots::from([("fact", Type::of_schema(&(kind.schema)())), ("params", params)]);
        Template::compile(&document.value.message, &document, &roots)
    }

    fn problem(message: &str) -> String {
        compile(message).unwrap_err()[0].to_string()
    }

    #[test]
    fn a_name_that_is_not_there_is_told_with_its_place_and_the_nearest() {
        assert_eq!(
            problem("it is {{fact.ratio.lo}}"),
            "pack.yaml:2:22: `fact.ratio` has no field `lo` (did you mean `low`?)"
        );
        assert_eq!(
            problem("{% if fact.metrik == 'a.b' %}x{% endif %}"),
            "pack.yaml:2:14: `fact` has no field `metrik` (did you mean `metric`?)"
        );
        assert_eq!(problem("{{ fcat.metric }}"), "pack.yaml:2:6: unknown name `fcat` (did you mean `fact`?)");
        assert_eq!(problem("{{ params.floor }}"), "pack.yaml:2:13: `params` has no field `floor`");
        assert!(problem("{{ fact.metric | nosuch }}").contains("unknown filter `nosuch`"));
        assert!(problem("{{ fact.metric ").contains("pack.yaml:2:"));
    }

    #[test]
    fn text_is_plain_one_line_and_not_escaped() {
        let template =
            compile("{{ fact.metric }} of {{ fact.segment | attributes }}: {{ fact.ratio.low | percent }}").unwrap();
        let fact =
            serde_json::json!({"metric": "<b>\n\u{1b}[31m", "segment": {"b": "2", "a": "1"}, "ratio": {"low": 0.7612}});
        let text = template.render(&fact, &BTreeMap::new(), &Value::Null).unwrap();
        assert_eq!(text, "<b> [31m of a=1, b=2: 76.12%");
    }
}
