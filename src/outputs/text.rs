//! Text and numbers for people, and text from logs made harmless.

use std::borrow::Cow;
use std::io;

/// Text without what could steer a terminal or turn a line's direction: line breaks and tabs become spaces, other
/// control characters, directional overrides and invisible characters become U+FFFD.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| shown(c) == c) { Cow::Borrowed(text) } else { text.chars().map(shown).collect() }
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        // Directional embeddings, overrides and isolates; line and paragraph separators; zero-width; tags.
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => char::REPLACEMENT_CHARACTER,
        '\u{200B}' | '\u{2060}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// [`clean`] text as the content of an element or of a quoted attribute, in HTML and in SVG.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars().map(shown) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// [`escape`] in the shape that the template engine asks for.
pub fn escape_into(text: &str, into: &mut dyn io::Write) -> io::Result<()> {
    into.write_all(escape(text).as_bytes())
}

/// A whole number with thousands separators.
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// A whole number to two significant digits, for what is an estimate: `9,300,000`.
pub fn rough(n: u64) -> String {
    let step = 10_u64.pow((n.max(1).ilog10()).saturating_sub(1));
    count(n.saturating_add(step / 2) / step * step)
}

/// Three significant digits, thousands separated, with a true minus sign.
pub fn number(x: f64) -> String {
    if !x.is_finite() {
        return "unbounded".into();
    }
    let size = x.abs();
    let digits = if size == 0.0 {
        "0".into()
    } else if size < 1e-4 {
        format!("{size:.2e}")
    } else {
        // The place of the third digit, after rounding: 9.996 is 10.0.
        let place = |of: f64| (2 - of.log10().floor() as i32).clamp(0, 9) as usize;
        let rounded: f64 = format!("{size:.*}", place(size)).parse().unwrap_or(size);
        grouped(&format!("{size:.*}", place(rounded.max(f64::MIN_POSITIVE))))
    };
    if x < 0.0 { format!("−{digits}") } else { digits }
}

/// [`number`] without trailing zeros, for bounds and settings: `0.8`, `95`.
pub fn short(x: f64) -> String {
    let text = number(x);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A share as a percentage of three significant digits.
pub fn percent(x: f64) -> String {
    format!("{}%", number(x * 100.0))
}

/// A value with its sign always shown.
pub fn signed(x: f64) -> String {
    if x > 0.0 { format!("+{}", number(x)) } else { number(x) }
}

/// A probability; those too small to matter are said to be so.
pub fn probability(p: f64) -> String {
    if p < 0.001 { "<\u{A0}0.001".into() } else { format!("{p:.3}") }
}

/// `1 March 2026` of an RFC 3339 time or a date; anything else as it is.
pub fn day(time: &str) -> String {
    let date = time.get(..10).unwrap_or(time);
    match chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d") {
        Ok(date) => date.format("%-d %B %Y").to_string(),
        Err(_) => time.to_owned(),
    }
}

/// `2026-03-01 09:30 UTC` of an RFC 3339 time; anything else as it is.
pub fn moment(time: &str) -> String {
    match chrono::DateTime::parse_from_rfc3339(time) {
        Ok(time) => time.to_utc().format("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => time.to_owned(),
    }
}

/// A value as people write it when it is a time or a whole number; anything else as it is.
pub fn figure(value: &str) -> String {
    match value.parse() {
        Ok(number) if value.bytes().all(|byte| byte.is_ascii_digit()) => count(number),
        _ => moment(value),
    }
}

/// The span of two times as days.
pub fn period(first: &str, last: &str) -> String {
    let (first, last) = (day(first), day(last));
    if first == last { first } else { format!("{first} to {last}") }
}

fn grouped(digits: &str) -> String {
    let (whole, fraction) = digits.split_at(digits.find(['.', 'e']).unwrap_or(digits.len()));
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(c);
    }
    text + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(
            escape("<script>alert('1')</script>&\""),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"
        );
        assert_eq!(clean("a\x1b[31mb\u{202E}c\nd\u{9b}"), "a\u{FFFD}[31mb\u{FFFD}c d\u{FFFD}");
        assert!(matches!(clean("سياق שלום"), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_have_three_significant_digits() {
        for (x, text) in [
            (0.0, "0"),
            (0.71649, "0.716"),
            (0.8, "0.800"),
            (9.996, "10.0"),
            (12.345, "12.3"),
            (1234567.0, "1,234,567"),
            (-0.0412, "−0.0412"),
            (0.00001234, "1.23e-5"),
            (f64::INFINITY, "unbounded"),
        ] {
            assert_eq!(number(x), text);
        }
        assert_eq!(short(0.8), "0.8");
        assert_eq!(short(100.0), "100");
        assert_eq!(percent(0.0405), "4.05%");
        assert_eq!(signed(0.5), "+0.500");
        assert_eq!(probability(0.00002), "<\u{A0}0.001");
        assert_eq!(count(1_204_233), "1,204,233");
        assert_eq!(count(999), "999");
        for (n, text) in [(0, "0"), (7, "7"), (42, "42"), (996, "1,000"), (9_349_409, "9,300,000")] {
            assert_eq!(rough(n), text);
        }
    }

    #[test]
    fn times_read_as_days() {
        assert_eq!(period("2026-03-01T00:00:00Z", "2026-03-31T23:00:00Z"), "1 March 2026 to 31 March 2026");
        assert_eq!(moment("2026-03-01T02:30:00+02:00"), "2026-03-01 00:30 UTC");
        assert_eq!(day("soon"), "soon");
        assert_eq!(["12411", "+5", "2026-03-01T02:30:00Z"].map(figure), ["12,411", "+5", "2026-03-01 02:30 UTC"]);
    }
}
