//! `report.html`: one file that a person can read, print, file and sign. No script, nothing from the network.

use std::sync::Arc;

use tera::{Context, Kwargs, State, Tera, Value};

use super::prose::Brief;
use super::text;
use crate::decisions::ledger::Verb;
use crate::error::Result;
use crate::playbook::Verdict;
use crate::record::Record;

mod candidate;
mod catalogue;
mod changes;
mod choice;
mod conclusion;
mod conditions;
mod consent;
mod findings;
mod funnel;
mod inequality;
mod items;
mod limits;
mod lists;
mod loyalty;
mod methods;
mod parity;
mod prices;
mod register;
mod risks;
mod selection;
mod signatures;
mod subgroups;
mod templates;
#[cfg(test)]
mod tests;
mod tiers;
mod told;
mod view;
mod watch;

pub use templates::Templates;

/// The report as UTF-8 HTML.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    render_with(record, &Templates::default())
}

/// The report as UTF-8 HTML, made with these templates.
///
/// # Errors
/// When a template of the user's asks for what is not there.
pub fn render_with(record: &Record, templates: &Templates) -> Result<Vec<u8>> {
    let mut context = Context::new();
    context.insert("record", record);
    context.insert("page", &view::Page::new(record));
    context.insert("style_hash", &sha256_base64(templates.style()));
    context.insert("style", templates.style());
    let html = engine(Brief::new(record), templates)?.render("report.html", &context);
    Ok(html.map_err(|error| templates.fault(&error))?.into_bytes())
}

fn engine(brief: Brief, templates: &Templates) -> Result<Tera> {
    let mut tera = Tera::new();
    tera.set_escape_fn(text::escape_into);
    tera.register_filter("count", |n: u64, _: Kwargs, _: &State| text::count(n));
    tera.register_filter("number", |x: f64, _: Kwargs, _: &State| text::number(x));
    tera.register_filter("short", |x: f64, _: Kwargs, _: &State| text::short(x));
    tera.register_filter("percent", |x: f64, _: Kwargs, _: &State| text::percent(x));
    tera.register_filter("level", |x: f64, _: Kwargs, _: &State| format!("{}%", text::short(x * 100.0)));
    tera.register_filter("probability", |p: f64, _: Kwargs, _: &State| text::probability(p));
    tera.register_filter("duration", |seconds: f64, _: Kwargs, _: &State| crate::duration(seconds));
    tera.register_filter("day", |time: &str, _: Kwargs, _: &State| text::day(time));
    tera.register_filter("moment", |time: &str, _: Kwargs, _: &State| text::moment(time));
    tera.register_filter("figure", |value: &str, _: Kwargs, _: &State| text::figure(value));
    tera.register_filter("initial", |text: &str, _: Kwargs, _: &State| initial(text));
    tera.register_filter("words", |name: &str, _: Kwargs, _: &State| name.replace(['_', '-'], " "));
    tera.register_filter("decided", |name: &str, _: Kwargs, _: &State| decided(name));
    tera.register_filter("gap", |name: &str, _: Kwargs, _: &State| gap(name));
    tera.register_filter("role", |name: &str, _: Kwargs, _: &State| role(name));
    let (keys, brief) = (Arc::new(brief.clone()), Arc::new(brief));
    tera.register_filter("key", move |text: &str, _: Kwargs, _: &State| Value::safe_string(&keys.key(text)));
    tera.register_filter("prose", move |text: &str, _: Kwargs, _: &State| Value::safe_string(&brief.prose(text)));
    tera.register_filter("verdict", |name: &str, _: Kwargs, _: &State| verdict_word(name).to_owned());
    templates.add_to(&mut tera)?;
    Ok(tera)
}

/// The first letter made large, unless the second is: `Clicks per impression`, but `nDCG`.
fn initial(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !letters.clone().next().is_some_and(char::is_uppercase) => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

/// What was decided, by its name in the record.
fn decided(name: &str) -> String {
    let known = [Verb::Accept, Verb::AcceptWithConditions, Verb::Reject];
    let of = known.into_iter().find(|verb| serde_json::to_value(verb).is_ok_and(|value| value == name));
    of.map_or_else(|| name.replace('_', " "), |verb| verb.words().to_owned())
}

/// Why the consent of a decision could not be judged.
fn gap(name: &str) -> String {
    match name {
        "undeclared_strategy" => "Nobody declared the strategy".to_owned(),
        "before_policy" => "Made before the consent policy took effect".to_owned(),
        "unmapped_input" => "An input is not in the data map".to_owned(),
        "unknown_subject" => "The person is in no consent record".to_owned(),
        "unknown_age" => "The age of the person is not known, and matters".to_owned(),
        other => initial(&other.replace('_', " ")),
    }
}

/// A role of evidence as people call it.
fn role(name: &str) -> String {
    match name {
        "prompts" => "consent prompts".to_owned(),
        "uses" => "uses of data beside recommendations".to_owned(),
        "links" => "links between identifiers".to_owned(),
        "history" => "what people did before".to_owned(),
        other => other.replace('_', " "),
    }
}

/// A verdict's word by its name in the record, and the words of what is no verdict but has a place beside them.
fn verdict_word(name: &str) -> &str {
    [
        Verdict::NotApplicable,
        Verdict::Pass,
        Verdict::Manual,
        Verdict::NotEvidenced,
        Verdict::Inconclusive,
        Verdict::Fail,
    ]
    .into_iter()
    .find(|verdict| verdict_name(*verdict) == name)
    .map_or(name, |verdict| verdict.label())
}

/// A verdict's name in the record: the style sheet's classes and the symbols' ids are made of it.
fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotApplicable => "not_applicable",
        Verdict::Pass => "pass",
        Verdict::Manual => "manual",
        Verdict::NotEvidenced => "not_evidenced",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Fail => "fail",
    }
}

/// SHA-256 in base64 (RFC 4648), as a Content Security Policy wants it.
fn sha256_base64(text: &str) -> String {
    use sha2::Digest;
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digest = sha2::Sha256::digest(text.as_bytes());
    let mut encoded = String::with_capacity(44);
    for chunk in digest.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let six = (bits >> (18 - 6 * i) & 63) as usize;
            encoded.push(if i <= chunk.len() { char::from(ALPHABET[six]) } else { '=' });
        }
    }
    encoded
}
