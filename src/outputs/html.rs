//! `report.html`: one file that a person can read, print, file and sign. No script, nothing from the network.

use std::sync::Arc;

use tera::{Context, Kwargs, State, Tera, Value};

use super::prose::Brief;
use super::text;
use crate::error::{Error, Result};
use crate::playbook::Verdict;
use crate::record::Record;

mod catalogue;
mod choice;
mod conclusion;
mod conditions;
mod consent;
mod findings;
mod inequality;
mod items;
mod lists;
mod loyalty;
mod methods;
mod parity;
mod prices;
mod risks;
mod selection;
mod subgroups;
#[cfg(test)]
mod tests;
mod tiers;
mod view;

/// Partials of the report. Their names end in `.html`: what does not is not escaped.
const TEMPLATES: &[(&str, &str)] = &[
    ("components.html", include_str!("../../templates/components.html")),
    ("masthead.html", include_str!("../../templates/masthead.html")),
    ("conclusion.html", include_str!("../../templates/conclusion.html")),
    ("chapter.html", include_str!("../../templates/chapter.html")),
    ("purposes.html", include_str!("../../templates/purposes.html")),
    ("fields.html", include_str!("../../templates/fields.html")),
    ("scan.html", include_str!("../../templates/scan.html")),
    ("risks.html", include_str!("../../templates/risks.html")),
    ("consent.html", include_str!("../../templates/consent.html")),
    ("choice.html", include_str!("../../templates/choice.html")),
    ("overview.html", include_str!("../../templates/overview.html")),
    ("parity.html", include_str!("../../templates/parity.html")),
    ("subgroups.html", include_str!("../../templates/subgroups.html")),
    ("conditions.html", include_str!("../../templates/conditions.html")),
    ("inequality.html", include_str!("../../templates/inequality.html")),
    ("selection.html", include_str!("../../templates/selection.html")),
    ("prices.html", include_str!("../../templates/prices.html")),
    ("items.html", include_str!("../../templates/items.html")),
    ("lists.html", include_str!("../../templates/lists.html")),
    ("loyalty.html", include_str!("../../templates/loyalty.html")),
    ("catalogue.html", include_str!("../../templates/catalogue.html")),
    ("findings.html", include_str!("../../templates/findings.html")),
    ("decisions.html", include_str!("../../templates/decisions.html")),
    ("methods.html", include_str!("../../templates/methods.html")),
    ("appendix.html", include_str!("../../templates/appendix.html")),
    ("report.html", include_str!("../../templates/report.html")),
];

const STYLE: &str = include_str!("../../templates/style.css");

/// The report as UTF-8 HTML.
pub fn render(record: &Record) -> Result<Vec<u8>> {
    // The parser of HTML reads line ends as LF, and the policy's hash is of what it reads.
    let style = STYLE.replace("\r\n", "\n");
    let mut context = Context::new();
    context.insert("record", record);
    context.insert("page", &view::Page::new(record));
    context.insert("style_hash", &sha256_base64(&style));
    context.insert("style", &style);
    let html = engine(Brief::new(record))?.render("report.html", &context).map_err(fault)?;
    Ok(html.into_bytes())
}

fn engine(brief: Brief) -> Result<Tera> {
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
    let (keys, brief) = (Arc::new(brief.clone()), Arc::new(brief));
    tera.register_filter("key", move |text: &str, _: Kwargs, _: &State| Value::safe_string(&keys.key(text)));
    tera.register_filter("prose", move |text: &str, _: Kwargs, _: &State| Value::safe_string(&brief.prose(text)));
    tera.register_filter("verdict", |name: &str, _: Kwargs, _: &State| verdict_word(name).to_owned());
    tera.add_raw_templates(TEMPLATES.iter().copied()).map_err(fault)?;
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

fn fault(error: tera::Error) -> Error {
    use std::error::Error as _;
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Error::Internal(format!("cannot render the report: {error}{cause}"))
}
