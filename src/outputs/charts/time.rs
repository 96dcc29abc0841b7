//! Spans of time on a logarithmic axis: how long something took, beside how long it may.

use std::fmt::Write;

use super::escape;
use crate::duration;

/// Spans with gridlines: their seconds, and what the axis calls them.
const TICKS: [(f64, &str); 9] = [
    (1.0, "1 s"),
    (60.0, "1 min"),
    (3_600.0, "1 h"),
    (21_600.0, "6 h"),
    (86_400.0, "1 day"),
    (7.0 * 86_400.0, "1 week"),
    (30.0 * 86_400.0, "30 days"),
    (180.0 * 86_400.0, "180 days"),
    (3_650.0 * 86_400.0, "10 years"),
];

/// An axis from the shortest to the longest span, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    low: f64,
    high: f64,
}

impl Span {
    /// An axis that shows all `seconds`, with some air on both sides. Nothing shorter than a second is told apart.
    pub fn around(seconds: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 1.0_f64);
        for value in seconds.into_iter().filter(|value| value.is_finite() && *value > 0.0) {
            low = low.min(value.max(1.0));
            high = high.max(value);
        }
        let low = low.min(high);
        Self { low: (low / 1.6).max(0.5), high: high * 1.6 }
    }

    fn at(self, seconds: f64) -> f64 {
        let seconds = if seconds.is_nan() { self.low } else { seconds.clamp(self.low, self.high) };
        100.0 * (seconds / self.low).ln() / (self.high / self.low).ln()
    }

    /// Gridlines whose labels have room, the longest span's first.
    fn ticks(self) -> Vec<(f64, &'static str)> {
        let mut shown: Vec<(f64, &str)> = Vec::new();
        for (seconds, name) in TICKS.into_iter().rev().filter(|(seconds, _)| (self.low..=self.high).contains(seconds)) {
            if shown.last().is_none_or(|(next, _)| self.at(*next) - self.at(seconds) >= 17.0) {
                shown.push((seconds, name));
            }
        }
        shown
    }
}

/// The head of a column of [`delay`]s. For sighted readers only; the table's numbers say the same.
pub fn axis(span: Span) -> String {
    let mut svg = String::from(r#"<svg class="axis" aria-hidden="true" focusable="false">"#);
    for (seconds, name) in span.ticks() {
        let _ = write!(svg, r#"<text x="{:.2}%" y="27" text-anchor="middle">{name}</text>"#, span.at(seconds));
    }
    svg + "</svg>"
}

/// How long something went on: a dot at the median, a line to the 95th percentile, an end at the longest. `allowed` is
/// drawn as a bound; 0 is none.
pub fn delay(span: Span, label: &str, [median, p95, max]: [f64; 3], allowed: f64) -> String {
    let grace = if allowed > 0.0 { format!(", allowed {}", duration(allowed)) } else { String::new() };
    let told = [median, p95, max].map(duration);
    let words = escape(&format!("{label}: median {}, 95 % within {}, longest {}{grace}", told[0], told[1], told[2]));
    let mut svg = format!(r#"<svg class="plot" role="img" aria-label="{words}"><title>{words}</title>"#);
    for (seconds, _) in span.ticks() {
        let x = span.at(seconds);
        let _ = write!(svg, r#"<line class="grid" x1="{x:.2}%" x2="{x:.2}%" y1="0" y2="100%"/>"#);
    }
    if allowed > 0.0 {
        let x = span.at(allowed);
        let _ = write!(svg, r#"<line class="bound" x1="{x:.2}%" x2="{x:.2}%" y1="0" y2="100%"/>"#);
    }
    let [median, p95, max] = [median, p95, max].map(|seconds| span.at(seconds));
    let _ = write!(
        svg,
        r##"<g class="v-fail"><line class="whisker" x1="{median:.2}%" x2="{p95:.2}%" y1="50%" y2="50%"/><line class="whisker far" x1="{p95:.2}%" x2="{max:.2}%" y1="50%" y2="50%"/><svg x="{p95:.2}%" y="50%" overflow="visible"><path class="whisker" d="M0 -4 V4"/></svg><svg x="{max:.2}%" y="50%" overflow="visible"><path class="whisker" d="M0 -6 V6"/></svg><svg x="{median:.2}%" y="50%" overflow="visible"><use href="#m-fail" x="-7" y="-7" width="14" height="14"/></svg></g></svg>"##
    );
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_is_logarithmic_and_bounds_what_is_beyond() {
        let span = Span::around([3_600.0, 86_400.0]);
        let middle = (3_600.0_f64 * 86_400.0).sqrt();
        assert!((span.at(middle) - 50.0).abs() < 1e-9);
        assert_eq!((span.at(0.0), span.at(f64::NAN), span.at(f64::INFINITY)), (0.0, 0.0, 100.0));
        assert_eq!(span.ticks().iter().map(|(_, name)| *name).collect::<Vec<_>>(), ["1 day", "6 h", "1 h"]);
        let nothing = Span::around([]);
        assert!(nothing.low < nothing.high && nothing.at(1.0).is_finite());
    }

    #[test]
    fn a_delay_says_its_numbers_and_escapes_its_label() {
        let svg = delay(Span::around([60.0, 7_200.0]), "<b>", [60.0, 3_600.0, 7_200.0], 1_800.0);
        assert!(svg.contains("&lt;b&gt;: median 1 minute, 95 % within 1 hour, longest 2 hours, allowed 30 minutes"));
        assert!(svg.contains(r#"class="bound""#) && !svg.contains("<b>"));
        assert!(!delay(Span::around([60.0]), "a", [1.0, 1.0, 1.0], 0.0).contains("bound"));
    }
}
