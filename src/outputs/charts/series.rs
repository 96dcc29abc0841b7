//! A number over time: a dot and whisker for each time, the limits as a band behind them.

use std::fmt::Write;

use super::super::text::{escape, number};

/// A value with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub estimate: f64,
    pub low: f64,
    pub high: f64,
}

/// What the points are set beside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    pub centre: f64,
    pub low: f64,
    pub high: f64,
}

/// The points from left to right, the last one under the mark of its verdict. `label` says whose they are.
pub fn series(points: &[Point], limits: Option<Limits>, mark: &str, label: &str) -> String {
    let Some(last) = points.last() else { return String::new() };
    let ends = points.iter().flat_map(|point| [point.low, point.high, point.estimate]);
    let all = ends.chain(limits.into_iter().flat_map(|of| [of.low, of.high])).filter(|value| value.is_finite());
    let (low, high) =
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    // In percent of the height, with some air at both ends; the middle where everything is the same.
    let y = |value: f64| if high > low { 94.0 - 88.0 * ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 50.0 };
    let x = |nth: usize| if points.len() > 1 { 4.0 + 92.0 * nth as f64 / (points.len() - 1) as f64 } else { 50.0 };

    let told = limits.map(|of| format!(", limits {} to {}", number(of.low), number(of.high))).unwrap_or_default();
    let count = points.len();
    let values = [last.estimate, last.low, last.high].map(number);
    let words = escape(&format!("{label}: last of {count} {} (from {} to {}){told}", values[0], values[1], values[2]));
    let mut svg = format!(r#"<svg class="series" role="img" aria-label="{words}"><title>{words}</title>"#);
    if let Some(Limits { centre, low, high }) = limits {
        let (top, middle, bottom) = (y(high), y(centre), y(low));
        let _ = write!(
            svg,
            r#"<rect class="band" x="0" width="100%" y="{top:.2}%" height="{:.2}%"/><line class="one" x1="0" x2="100%" y1="{middle:.2}%" y2="{middle:.2}%"/>"#,
            bottom - top
        );
    }
    for (nth, pair) in points.windows(2).enumerate() {
        let _ = write!(
            svg,
            r#"<line class="way" x1="{:.2}%" y1="{:.2}%" x2="{:.2}%" y2="{:.2}%"/>"#,
            x(nth),
            y(pair[0].estimate),
            x(nth + 1),
            y(pair[1].estimate)
        );
    }
    for (nth, point) in points.iter().enumerate() {
        let newest = nth + 1 == points.len();
        let (class, size) = if newest { (mark, 14) } else { ("none", 8) };
        let _ = write!(
            svg,
            r##"<g class="v-{class}"><line class="whisker" x1="{x:.2}%" x2="{x:.2}%" y1="{:.2}%" y2="{:.2}%"/><svg x="{x:.2}%" y="{:.2}%" overflow="visible"><use href="#m-{class}" x="-{half}" y="-{half}" width="{size}" height="{size}"/></svg></g>"##,
            y(point.low),
            y(point.high),
            y(point.estimate),
            x = x(nth),
            half = size / 2,
        );
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(estimate: f64) -> Point {
        Point { estimate, low: estimate - 0.1, high: estimate + 0.1 }
    }

    #[test]
    fn points_stand_where_their_values_are() {
        let limits = Limits { centre: 1.0, low: 0.8, high: 1.2 };
        let svg = series(&[point(1.0), point(0.9), point(0.6)], Some(limits), "fail", "<b>");
        // From 0.5 to 1.2: 0.5 lies at 94 %, 1.2 at 6 %, 0.8 at 56.29 %.
        assert!(svg.contains(r#"class="band" x="0" width="100%" y="6.00%" height="50.29%""#), "{svg}");
        assert!(svg.contains(r#"x1="96.00%" x2="96.00%" y1="94.00%""#), "{svg}");
        assert!(svg.contains("&lt;b&gt;: last of 3 0.600 (from 0.500 to 0.700), limits 0.800 to 1.20"), "{svg}");
        assert!(svg.contains("v-fail") && svg.matches("#m-none").count() == 2 && !svg.contains("<b>"));
    }

    #[test]
    fn nothing_and_what_never_moves_are_drawn() {
        assert_eq!(series(&[], None, "pass", "x"), "");
        let flat = Point { estimate: 1.0, low: 1.0, high: 1.0 };
        assert!(series(&[flat], None, "pass", "x").contains(r#"x="50.00%" y="50.00%""#));
        assert!(!series(&[point(f64::NAN), point(1.0)], None, "pass", "x").contains("inf"));
    }
}
