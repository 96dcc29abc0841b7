//! Lines for a terminal: headings, pairs, wrapped paragraphs. Every colour stands beside the word that it repeats.

use anstyle::Style;

use super::text::clean;

/// Columns a line may take.
pub(super) const WIDTH: usize = 96;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();

/// Text under construction. Whatever enters it is cleaned first, so that the only escapes are its own.
#[derive(Default)]
pub(super) struct Page {
    pub text: String,
}

impl Page {
    pub fn heading(&mut self, text: &str) {
        self.text.push('\n');
        self.line(0, 0, BOLD, text);
    }

    /// A name and its value, in two columns.
    pub fn pair(&mut self, name: &str, value: &str) {
        const COLUMN: usize = 19;
        let name = clean(name);
        let lines = wrap(&clean(value), WIDTH - COLUMN);
        for (i, line) in lines.iter().enumerate() {
            let (name, line) = (if i == 0 { name.as_ref() } else { "" }, inert(line));
            self.text.push_str(&format!("  {DIM}{name:<16}{DIM:#} {line}\n"));
        }
    }

    /// One line of parts in their styles.
    pub fn parts(&mut self, parts: &[(Style, &str)]) {
        self.text.push_str("  ");
        for (style, text) in parts {
            self.text.push_str(&format!("{style}{}{style:#}", inert(&clean(text))));
        }
        self.text.push('\n');
    }

    /// A paragraph, its first line and the others indented by so many columns.
    pub fn line(&mut self, first: usize, others: usize, style: Style, text: &str) {
        for (i, line) in wrap(&clean(text), WIDTH - others.max(first)).iter().enumerate() {
            let indent = " ".repeat(if i == 0 { first } else { others });
            self.text.push_str(&format!("{indent}{style}{}{style:#}\n", inert(line)));
        }
    }
}

/// A line that no runner of GitHub Actions takes for a command: `::name::` where a line starts, `##[name]` anywhere.
fn inert(line: &str) -> String {
    let line = line.replace("##[", "## [");
    let start = line.len() - line.trim_start().len();
    if line[start..].starts_with("::") { format!("{}: {}", &line[..start], &line[start + 1..]) } else { line }
}

/// Breaks text at spaces into lines of at most `width` characters, and words that are longer wherever they must be.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > width {
            lines.push(String::new());
            used = 0;
        }
        while word.len() > width {
            let rest = word.split_off(width);
            if let Some(line) = lines.last_mut() {
                line.extend(word);
            }
            lines.push(String::new());
            word = rest;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            used += word.len();
            line.extend(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_a_command_to_a_runner() {
        let mut page = Page::default();
        page.pair("", "::stop-commands::x");
        page.parts(&[(Style::new(), "  ::error::x ##[set-output name=a]b")]);
        page.line(2, 4, DIM, &format!("{} ::add-mask::x", "y".repeat(WIDTH - 4)));
        let text = anstream::adapter::strip_str(&page.text).to_string();
        assert_eq!(text.lines().count(), 4, "{text}");
        for line in text.lines() {
            assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{line}");
        }
    }
}
