//! YAML that is written for people: scalars that read back as they are, and comments that stay comments.

/// A text as a scalar: bare where that is safe, else in double quotes.
pub fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./*=".contains(c);
    let bare = (text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || text.starts_with("../"))
        && text.chars().all(plain)
        && !["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if bare { text.to_owned() } else { format!("\"{}\"", escaped(text)) }
}

/// A text within a comment or a quoted scalar: on one line, and without what moves or hides text.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            _ if is_unprintable(c) => out.push_str(&format!("\\U{:08X}", c as u32)),
            _ => out.push(c),
        }
    }
    out
}

/// What YAML does not let stand in a text, what breaks lines, and what changes the direction of writing.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back_as_it_is() {
        for text in [
            "user_id",
            "../a.csv",
            "",
            "yes",
            "No",
            "1",
            "1e3",
            "- a",
            "a: b",
            "#x",
            "{}",
            "[a",
            "*all",
            "&a",
            "!t",
            "a\nb",
            "\"",
            "\\",
            "é",
            "\u{202e}x",
            "\u{85}",
            "a\tb",
            "data/*.csv",
            "null",
            "~",
            "🛒",
            "2026-01-01",
        ] {
            let yaml = format!("key: {} # {}\n", scalar(text), escaped(text));
            assert_eq!(yaml.lines().count(), 1, "{yaml}");
            let read: std::collections::BTreeMap<String, String> =
                serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
            assert_eq!(read["key"], text, "{yaml}");
        }
    }
}
