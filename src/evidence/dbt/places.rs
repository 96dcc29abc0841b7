//! Where nodes and their columns stand in the text of a manifest.

use std::collections::BTreeMap;

/// A place, from 1, the column in bytes; 0 where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

/// Where a manifest keeps what has a unique id.
const NODES: [&str; 3] = ["nodes", "sources", "exposures"];

/// Keys by the names that lead to them: `[nodes, id]` and `[nodes, id, columns, name]`.
#[derive(Debug, Default)]
pub(super) struct Places {
    nodes: BTreeMap<String, Place>,
    columns: BTreeMap<(String, String), Place>,
}

impl Places {
    /// Looks through a text that is JSON. It knows strings and brackets, and that is all it takes.
    pub fn of(text: &str) -> Self {
        let mut places = Self::default();
        // The key under which each open bracket stands.
        let mut path: Vec<String> = Vec::new();
        let mut key = String::new();
        let (mut line, mut line_start) = (1, 0);
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'\n' => (line, line_start) = (line + 1, at + 1),
                b'{' | b'[' => path.push(std::mem::take(&mut key)),
                b'}' | b']' => {
                    path.pop();
                }
                b'"' => {
                    let end = end_of(bytes, at);
                    if bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') {
                        key = serde_json::from_str(&text[at..end]).unwrap_or_default();
                        places.note(&path, &key, Place { line, column: (at - line_start) as u64 + 1 });
                    }
                    at = end;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        places
    }

    fn note(&mut self, path: &[String], key: &str, place: Place) {
        match path {
            [_, of] if NODES.contains(&of.as_str()) => {
                self.nodes.insert(key.to_owned(), place);
            }
            [_, of, node, within] if NODES.contains(&of.as_str()) && within == "columns" => {
                self.columns.insert((node.clone(), key.to_owned()), place);
            }
            _ => {}
        }
    }

    pub fn node(&self, id: &str) -> Place {
        self.nodes.get(id).copied().unwrap_or_default()
    }

    pub fn column(&self, id: &str, column: &str) -> Place {
        self.columns.get(&(id.to_owned(), column.to_owned())).copied().unwrap_or_else(|| self.node(id))
    }
}

/// Behind the closing quote of the string that starts at `start`.
fn end_of(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}
