//! From a byte of a YAML scalar's value to the line and column it was written at.

use std::iter::Peekable;
use std::str::Chars;

use crate::yaml::At;

/// Line and column, from 1, of byte `offset` of the value `at` in the YAML text it was read from. Where the value
/// cannot be followed (escapes in quotes), the start of the scalar.
pub(super) fn locate(yaml: &str, at: &At<String>, offset: usize) -> (u64, u64) {
    follow(yaml, at, offset).unwrap_or((at.line, at.column))
}

/// Walks the value and its source side by side. Any whitespace of the value stands for any whitespace of the source,
/// so that plain, quoted, literal and folded scalars are one case.
fn follow(yaml: &str, at: &At<String>, offset: usize) -> Option<(u64, u64)> {
    let mut source = Walk { line: 1, column: 1, rest: yaml.chars().peekable() };
    while (source.line, source.column) < (at.line, at.column) {
        source.step()?;
    }
    let quote = source.rest.peek().copied().filter(|c| matches!(c, '"' | '\''));
    // A value that itself starts with a quote mark is either quoted in YAML or plain text that YAML would not allow.
    if quote.is_some() {
        source.step()?;
    }
    for c in at.value.get(..offset)?.chars().filter(|c| !c.is_whitespace()) {
        source.skip_whitespace();
        if source.step()? != c {
            return None;
        }
        if quote == Some('\'') && c == '\'' && source.step()? != '\'' {
            return None;
        }
    }
    if at.value.get(offset..)?.starts_with(|c: char| !c.is_whitespace()) {
        source.skip_whitespace();
    }
    Some((source.line, source.column))
}

struct Walk<'a> {
    line: u64,
    column: u64,
    rest: Peekable<Chars<'a>>,
}

impl Walk<'_> {
    fn step(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn skip_whitespace(&mut self) {
        while self.rest.peek().is_some_and(|c| c.is_whitespace()) {
            self.step();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::yaml::Document;

    fn find(yaml: &str) -> (u64, u64) {
        #[derive(serde::Deserialize)]
        struct One {
            when: At<String>,
        }
        let document = Document::<One>::parse(Path::new("x.yaml"), yaml).unwrap();
        let when = &document.value.when;
        locate(yaml, when, when.value.find("HERE").unwrap())
    }

    #[test]
    fn every_way_to_write_a_scalar_is_followed() {
        assert_eq!(find("when: fact.HERE < 3\n"), (1, 12));
        assert_eq!(find("when: 'it''s HERE'\n"), (1, 14));
        assert_eq!(find("when: \"is HERE\"\n"), (1, 11));
        assert_eq!(find("when: |\n  a\n    && HERE\n"), (3, 8));
        assert_eq!(find("when: >-\n  a\n\n  && HERE\n"), (4, 6));
        assert_eq!(find("when:\n  ä &&\n  b HERE\n"), (3, 5));
        // An escape cannot be followed: the start of the scalar.
        assert_eq!(find("when: \"\\u00e4 HERE\"\n"), (1, 7));
    }
}
