//! Charts as inline SVG: plain values in, markup out. Positions are percentages, so that a chart fills whatever width
//! it is given, and a shape keeps its form. Shapes are `<use>` of the report's symbols; colours are the style sheet's.

use std::fmt::Write;

use super::text::{count, escape, number, percent, short};
use crate::stats::Interval;

pub mod series;
pub mod time;

/// A logarithmic axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
}

/// What no axis goes beyond: an interval that does gets an arrow.
const LIMITS: (f64, f64) = (0.125, 8.0);

/// Candidates for gridlines, from coarse to fine.
const TICKS: &[&[f64]] = &[
    &[0.25, 1.0, 4.0],
    &[0.25, 0.5, 1.0, 2.0, 4.0],
    &[0.2, 0.5, 0.8, 1.0, 1.25, 2.0, 5.0],
    &[0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0],
    &[0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4],
    &[0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2],
];

impl Scale {
    /// An axis that shows 1 and all `values`, as far as the limits allow, with some air on both sides.
    pub fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = (0.9_f64, 1.1_f64);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            let value = value.clamp(LIMITS.0, LIMITS.1);
            low = low.min(value);
            high = high.max(value);
        }
        let air = (high / low).powf(0.05);
        Self { low: low / air, high: high * air }
    }

    /// Where a value lies, in percent of the width; those beyond the ends lie at the ends.
    fn at(self, value: f64) -> f64 {
        if value.is_nan() {
            return 0.0;
        }
        let value = value.clamp(self.low, self.high);
        100.0 * (value / self.low).ln() / (self.high / self.low).ln()
    }

    fn shows(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The finest gridlines whose labels have room on a narrow screen.
    fn ticks(self) -> Vec<f64> {
        let shown = |set: &&[f64]| -> Vec<f64> { set.iter().copied().filter(|&tick| self.shows(tick)).collect() };
        let roomy = |ticks: &Vec<f64>| ticks.windows(2).all(|pair| self.at(pair[1]) - self.at(pair[0]) >= 12.0);
        TICKS.iter().map(shown).filter(roomy).max_by_key(Vec::len).unwrap_or_else(|| vec![1.0])
    }
}

/// The head of a column of [`whisker`]s: gridline labels below, bounds above. For sighted readers only; the table's
/// numbers say the same.
pub fn axis(scale: Scale, bounds: &[f64]) -> String {
    let mut svg = String::from(r#"<svg class="axis" aria-hidden="true" focusable="false">"#);
    let shown: Vec<f64> = bounds.iter().copied().filter(|&bound| scale.shows(bound)).collect();
    let close = shown.windows(2).any(|pair| scale.at(pair[1]) - scale.at(pair[0]) < 30.0);
    for (i, &bound) in shown.iter().enumerate() {
        let x = scale.at(bound);
        let anchor = if !close || shown.len() == 1 {
            "middle"
        } else if i == 0 {
            "end"
        } else {
            "start"
        };
        let _ = write!(
            svg,
            r#"<text class="bound" x="{x:.2}%" y="11" text-anchor="{anchor}">bound {}</text>"#,
            short(bound)
        );
    }
    for tick in scale.ticks() {
        let x = scale.at(tick);
        let _ = write!(svg, r#"<text x="{x:.2}%" y="27" text-anchor="middle">{}</text>"#, short(tick));
    }
    svg + "</svg>"
}

/// The gridlines alone, for a row without a comparison.
pub fn grid(scale: Scale, bounds: &[f64]) -> String {
    format!(r#"<svg class="plot" aria-hidden="true" focusable="false">{}</svg>"#, lines(scale, bounds))
}

/// The gridlines with words in the place of a dot: a segment of which a ratio says nothing.
pub fn words(scale: Scale, bounds: &[f64], words: &str) -> String {
    let words = escape(words);
    let lines = lines(scale, bounds);
    format!(
        r#"<svg class="plot" role="img" aria-label="{words}">{lines}<text class="none" x="1%" y="50%" dy=".35em">{words}</text></svg>"#
    )
}

/// A dot with its interval.
#[derive(Debug, Clone, Copy)]
pub struct Whisker<'a> {
    /// Whose it is.
    pub label: &'a str,
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
    /// The report's symbol for the verdict, e.g. `fail`.
    pub mark: &'static str,
    /// The verdict in words.
    pub verdict: &'a str,
}

/// One row of a dot-and-whisker chart. Ends beyond the axis are drawn as arrows.
pub fn whisker(scale: Scale, bounds: &[f64], of: Whisker<'_>) -> String {
    let Whisker { label, estimate, low, high, mark, verdict } = of;
    let words = escape(&format!("{label}: {} (from {} to {}), {verdict}", number(estimate), number(low), number(high)));
    let (left, middle, right) = (scale.at(low), scale.at(estimate), scale.at(high));
    let mut svg = format!(r#"<svg class="plot" role="img" aria-label="{words}"><title>{words}</title>"#);
    svg.push_str(&lines(scale, bounds));
    let _ = write!(
        svg,
        r#"<g class="v-{mark}"><line class="whisker" x1="{left:.2}%" x2="{right:.2}%" y1="50%" y2="50%"/>"#
    );
    for (x, value, arrow) in [(left, low, "M5 -5 L0 0 L5 5"), (right, high, "M-5 -5 L0 0 L-5 5")] {
        let end = if scale.shows(value) { "M0 -4 V4" } else { arrow };
        let _ = write!(svg, r#"<svg x="{x:.2}%" y="50%" overflow="visible"><path class="whisker" d="{end}"/></svg>"#);
    }
    let _ = write!(
        svg,
        r##"<svg x="{middle:.2}%" y="50%" overflow="visible"><use href="#m-{mark}" x="-7" y="-7" width="14" height="14"/></svg></g></svg>"##
    );
    svg
}

fn lines(scale: Scale, bounds: &[f64]) -> String {
    let mut svg = String::new();
    let mut line = |value: f64, class: &str| {
        let x = scale.at(value);
        let _ = write!(svg, r#"<line class="{class}" x1="{x:.2}%" x2="{x:.2}%" y1="0" y2="100%"/>"#);
    };
    for tick in scale.ticks() {
        line(tick, "grid");
    }
    for &bound in bounds.iter().filter(|&&bound| scale.shows(bound)) {
        line(bound, "bound");
    }
    line(1.0, "one");
    svg
}

/// The values with gridlines on a chart of strengths, which goes from 0 to 1.
const STRENGTHS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// The head of a column of [`strength`]s. For sighted readers only; the table's numbers say the same.
pub fn strength_axis(bounds: &[f64]) -> String {
    let mut svg = String::from(r#"<svg class="axis" aria-hidden="true" focusable="false">"#);
    for &bound in bounds {
        let x = 100.0 * bound;
        let _ =
            write!(svg, r#"<text class="bound" x="{x:.2}%" y="11" text-anchor="middle">bound {}</text>"#, short(bound));
    }
    for tick in STRENGTHS {
        let x = 100.0 * tick;
        let _ = write!(svg, r#"<text x="{x:.2}%" y="27" text-anchor="middle">{}</text>"#, short(tick));
    }
    svg + "</svg>"
}

/// The gridlines alone, for a row without a strength.
pub fn strength_grid(bounds: &[f64]) -> String {
    format!(r#"<svg class="plot" aria-hidden="true" focusable="false">{}</svg>"#, strength_lines(bounds))
}

/// A strength from 0 to 1 with its interval, of whom `label` names, under the mark of its verdict.
pub fn strength(bounds: &[f64], of: &Interval, mark: &str, label: &str) -> String {
    let words = escape(&format!("{label}: {} (from {} to {})", number(of.estimate), number(of.low), number(of.high)));
    let [left, middle, right] = [of.low, of.estimate, of.high].map(|value| 100.0 * value.clamp(0.0, 1.0));
    let lines = strength_lines(bounds);
    let end =
        |x: f64| format!(r#"<svg x="{x:.2}%" y="50%" overflow="visible"><path class="whisker" d="M0 -4 V4"/></svg>"#);
    format!(
        r##"<svg class="plot" role="img" aria-label="{words}"><title>{words}</title>{lines}<g class="v-{mark}"><line class="whisker" x1="{left:.2}%" x2="{right:.2}%" y1="50%" y2="50%"/>{}{}<svg x="{middle:.2}%" y="50%" overflow="visible"><use href="#m-{mark}" x="-7" y="-7" width="14" height="14"/></svg></g></svg>"##,
        end(left),
        end(right),
    )
}

fn strength_lines(bounds: &[f64]) -> String {
    let line = |value: f64, class: &str| {
        let x = 100.0 * value.clamp(0.0, 1.0);
        format!(r#"<line class="{class}" x1="{x:.2}%" x2="{x:.2}%" y1="0" y2="100%"/>"#)
    };
    let ticks = STRENGTHS.iter().map(|&tick| line(tick, if tick == 0.0 { "one" } else { "grid" }));
    ticks.chain(bounds.iter().map(|&bound| line(bound, "bound"))).collect()
}

/// A part of a whole.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Class of the part: its colour and, so that it can be told without colour, its height and pattern.
    pub class: &'static str,
    pub label: &'static str,
    pub count: u64,
}

/// A bar of shares, in the given order. Parts too small to see are drawn one pixel wide, so that none vanishes.
pub fn shares(parts: &[Share]) -> String {
    let total: u64 = parts.iter().map(|part| part.count).sum();
    if total == 0 {
        return String::new();
    }
    let share = |n: u64| n as f64 / total as f64;
    let shown = || parts.iter().filter(|part| part.count > 0);
    let words: Vec<String> =
        shown().map(|part| format!("{} {} ({})", part.label, count(part.count), percent(share(part.count)))).collect();
    let words = escape(&words.join(", "));
    let mut svg = format!(r#"<svg class="shares" role="img" aria-label="{words}"><title>{words}</title>"#);
    let mut before = 0;
    for part in shown() {
        let (x, width) = (100.0 * share(before), 100.0 * share(part.count));
        let (y, height) = if ["without", "alone"].contains(&part.class) { (0, 16) } else { (4, 8) };
        let class = part.class;
        let _ = write!(svg, r#"<rect class="s-{class}" x="{x:.2}%" width="{width:.2}%" y="{y}" height="{height}"/>"#);
        if width < 0.5 {
            let _ = write!(svg, r#"<rect class="s-{class}" x="{x:.2}%" width="1" y="{y}" height="{height}"/>"#);
        }
        before += part.count;
    }
    svg + "</svg>"
}

/// How much of a whole is left, as a bar from the left. Something is never drawn as nothing.
pub fn level(class: &str, part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let width = 100.0 * (part as f64 / whole as f64).min(1.0);
    let thin = format!(r#"<rect class="s-{class}" width="1" y="2" height="12"/>"#);
    let thin = if part > 0 && width < 0.5 { &thin } else { "" };
    format!(
        r#"<svg class="shares" aria-hidden="true" focusable="false"><rect class="s-{class}" width="{width:.2}%" y="2" height="12"/>{thin}</svg>"#
    )
}

/// A part of a difference, to either side of 0.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    pub class: &'a str,
    pub label: &'a str,
    pub value: f64,
    /// The value in words.
    pub words: String,
}

/// A bar of parts: those below 0 go left from the middle, those above go right. `extent` is what half of it holds.
pub fn pieces(parts: &[Piece<'_>], extent: f64) -> String {
    if !(extent > 0.0 && extent.is_finite()) {
        return String::new();
    }
    let words: Vec<String> = parts.iter().map(|part| format!("{}: {}", part.label, part.words)).collect();
    let words = escape(&words.join(", "));
    let mut svg = format!(r#"<svg class="shares" role="img" aria-label="{words}"><title>{words}</title>"#);
    let (mut left, mut right) = (50.0, 50.0);
    for part in parts.iter().filter(|part| part.value.is_finite()) {
        let width = (50.0 * part.value.abs() / extent).min(50.0);
        let x = if part.value < 0.0 {
            left -= width;
            left
        } else {
            right += width;
            right - width
        };
        let class = part.class;
        let _ = write!(svg, r#"<rect class="s-{class}" x="{x:.2}%" width="{width:.2}%" y="2" height="12"/>"#);
    }
    svg + r#"<line class="one" x1="50%" x2="50%" y1="0" y2="100%"/></svg>"#
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_is_logarithmic_and_holds_what_it_shows() {
        let scale = Scale::around([0.5, 2.0]);
        assert!((scale.at(1.0) - 50.0).abs() < 1e-9);
        assert!(scale.at(0.5) > 0.0 && scale.at(2.0) < 100.0);
        assert!((scale.at(1e9) - 100.0).abs() < 1e-9);
        assert_eq!(scale.at(0.0), 0.0);
        assert_eq!(scale.at(f64::NAN), 0.0);
        assert!(scale.ticks().contains(&1.0));
        assert!(Scale::around([f64::INFINITY, f64::NAN, 1e-12]).low >= 0.1);
    }

    #[test]
    fn labels_have_room_at_every_zoom() {
        for (low, high) in [(0.125, 8.0), (0.3, 1.2), (0.7, 1.05), (0.95, 1.05), (0.5, 3.0)] {
            let ticks = Scale::around([low, high]).ticks();
            assert!((2..=9).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
        }
    }

    #[test]
    fn hostile_labels_are_escaped_and_ends_beyond_the_axis_are_arrows() {
        let scale = Scale::around([0.5]);
        let of =
            Whisker { label: "\"><img src=x>", estimate: 0.6, low: 0.01, high: 0.9, mark: "fail", verdict: "fail" };
        let svg = whisker(scale, &[0.8], of);
        assert!(!svg.contains("<img"));
        assert!(svg.contains("&quot;&gt;&lt;img"));
        assert!(svg.contains("M5 -5 L0 0 L5 5") && !svg.contains("M-5 -5"));
    }

    #[test]
    fn pieces_of_one_sign_stand_beside_each_other() {
        let piece = |class, value| Piece { class, label: "<part>", value, words: "−1 pp".into() };
        let svg = pieces(&[piece("composition", -1.0), piece("within", -0.5), piece("unmatched", 0.5)], 2.0);
        for expected in [
            r#"s-composition" x="25.00%" width="25.00%""#,
            r#"s-within" x="12.50%" width="12.50%""#,
            r#"s-unmatched" x="50.00%" width="12.50%""#,
        ] {
            assert!(svg.contains(expected), "{expected} in {svg}");
        }
        assert!(!svg.contains("<part>"));
        assert_eq!(pieces(&[piece("within", 0.0)], 0.0), "");
    }

    #[test]
    fn shares_fill_the_bar_and_small_ones_are_seen() {
        let part = |class, count| Share { class, label: "part", count };
        let svg = shares(&[part("permitted", 9999), part("without", 1)]);
        assert!(svg.contains(r#"width="99.99%""#) && svg.contains(r#"width="1""#), "{svg}");
        assert_eq!(shares(&[part("permitted", 0)]), "");
    }
}
