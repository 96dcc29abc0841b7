//! Text of the record as HTML: spans in backticks as code, long names with places to break, opaque values cut short.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::text::escape;
use crate::facts::Fact;
use crate::record::Record;

/// Values like hashes, which nobody reads to the end, each with the beginning that tells it from the others.
#[derive(Debug, Clone, Default)]
pub struct Brief(BTreeMap<String, String>);

/// From how many characters on a value of letters and digits is opaque.
const OPAQUE: usize = 20;
/// The fewest characters that are kept of it.
const KEPT: usize = 6;

impl Brief {
    /// The opaque values among the segments of the record.
    pub fn new(record: &Record) -> Self {
        let mut values: Vec<&str> = Vec::new();
        for fact in &record.facts {
            let Fact::OutcomeParity(fact) = fact else { continue };
            let maps = [&fact.segment, &fact.reference, &fact.within];
            values.extend(maps.into_iter().flat_map(BTreeMap::values).map(String::as_str).filter(|v| opaque(v)));
        }
        values.sort_unstable();
        values.dedup();
        let alike = |pair: &[&str]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
        let kept = values.windows(2).map(|pair| alike(pair) + 1).max().unwrap_or_default().max(KEPT);
        let shorter = values.into_iter().filter(|value| value.len() > kept + 1);
        Self(shorter.map(|value| (value.to_owned(), format!("{}…", &value[..kept]))).collect())
    }

    /// A name or value: escaped, cut short when opaque, and with places to break.
    pub fn key(&self, text: &str) -> String {
        let mut html = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = |stop: fn(char) -> bool| rest.find(stop).unwrap_or(rest.len());
            let run = if part_of_value(first) { end(|c| !part_of_value(c)) } else { end(part_of_value) };
            let (piece, after) = rest.split_at(run);
            match self.0.get(piece) {
                Some(brief) => {
                    let _ = write!(html, r#"<abbr title="{}">{}</abbr>"#, escape(piece), escape(brief));
                }
                None => html.push_str(&breakable(&escape(piece), after)),
            }
            rest = after;
        }
        html
    }

    /// A sentence: as [`Brief::key`], with what stands between backticks as code.
    pub fn prose(&self, text: &str) -> String {
        let mut html = String::with_capacity(text.len() + 32);
        let mut rest = text;
        while let Some((before, (code, after))) =
            rest.split_once('`').and_then(|(before, rest)| Some((before, rest.split_once('`')?)))
        {
            let _ = write!(html, "{}<code>{}</code>", self.key(before), self.key(code));
            rest = after;
        }
        html + &self.key(rest)
    }
}

fn opaque(value: &str) -> bool {
    value.len() >= OPAQUE
        && value.chars().all(part_of_value)
        && value.contains(|c: char| c.is_ascii_digit())
        && value.contains(|c: char| c.is_ascii_alphabetic())
}

fn part_of_value(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

/// Lets a line break after what joins the parts of a name, and never within a number or before a space.
fn breakable(escaped: &str, after: &str) -> String {
    let joins = escaped.ends_with(['.', '_', '@', '/']) && after.starts_with(|c: char| c.is_ascii_alphabetic());
    if joins { format!("{escaped}<wbr>") } else { escaped.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief() -> Brief {
        Brief(BTreeMap::from([("0123456789abcdef0123".to_owned(), "012345…".to_owned())]))
    }

    #[test]
    fn backticks_make_code_and_hostile_text_stays_text() {
        let prose = |text| brief().prose(text);
        assert_eq!(prose("uses `a.b_c` at 0.8."), "uses <code>a.<wbr>b_<wbr>c</code> at 0.8.");
        assert_eq!(prose("`<b>` `"), "<code>&lt;b&gt;</code> `");
        assert_eq!(prose("a & b_"), "a &amp; b_");
        assert_eq!(prose("``"), "<code></code>");
        assert_eq!(prose("me@shop.example"), "me@<wbr>shop.<wbr>example");
    }

    #[test]
    fn an_opaque_value_is_cut_and_named_in_full() {
        let html = brief().prose("feature=0123456789abcdef0123 of x");
        assert_eq!(html, r#"feature=<abbr title="0123456789abcdef0123">012345…</abbr> of x"#);
        assert!(opaque("2723d2eb8bba04e0362098011fa3997b") && !opaque("a-very-long-name-without-digits"));
    }
}
