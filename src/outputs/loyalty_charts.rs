//! Charts of loyalty as inline SVG: what is sold at once against what lasts, and how many stay. As in [`super::charts`],
//! shapes are the report's symbols and colours the style sheet's.

use std::fmt::Write;

use super::labels::{Box, Label, place};
use super::text::{escape, number, percent};
use crate::facts::loyalty::Point;
use crate::stats::Interval;

const SIZE: (f64, f64) = (480.0, 320.0);
const EDGE: f64 = 44.0;
const MARK: f64 = 14.0;

/// A strategy and segment, by the number that the table gives it.
pub struct Dot<'a> {
    pub number: usize,
    /// At once, over the holdout's.
    pub x: &'a Interval,
    /// Later, over the holdout's.
    pub y: &'a Interval,
    pub mark: &'static str,
    pub label: &'a str,
}

/// Four quadrants around 1 on logarithmic axes: to the right more is sold at once, above more lasts. The numbers stand in
/// the table beside it.
pub fn quadrants(dots: &[Dot<'_>]) -> String {
    if dots.is_empty() {
        return String::new();
    }
    let limits = dots.iter().flat_map(|of| [of.x.low, of.x.high, of.y.low, of.y.high]);
    let far = limits.filter(|of| *of > 0.0).map(|of| of.ln().abs()).fold(0.05_f64, f64::max).min(2.0) * 1.08;
    let (width, height) = SIZE;
    let along = |value: f64, span: f64| {
        let of = if value > 0.0 { value.ln().clamp(-far, far) } else { -far };
        EDGE + (of + far) / (2.0 * far) * (span - 2.0 * EDGE)
    };
    let (x, y) = (|value: f64| along(value, width), |value: f64| height - along(value, height));
    let words: Vec<String> = dots
        .iter()
        .map(|of| format!("{}: {} at once, {} later", of.label, number(of.x.estimate), number(of.y.estimate)))
        .collect();
    let words = escape(&format!("Times the holdout. {}", words.join("; ")));
    let mut svg = format!(
        r#"<svg class="loyalty" viewBox="0 0 {width} {height}" role="img" aria-label="{words}"><title>{words}</title>"#
    );
    let (left, right, top, bottom) = (EDGE, width - EDGE, EDGE, height - EDGE);
    let _ = write!(
        svg,
        r#"<line class="one" x1="{left}" x2="{right}" y1="{0:.1}" y2="{0:.1}"/><line class="one" x1="{1:.1}" x2="{1:.1}" y1="{top}" y2="{bottom}"/>"#,
        y(1.0),
        x(1.0)
    );
    for (at_x, at_y, anchor, label) in [
        (right, top - 8.0, "end", "more at once, more lasts"),
        (right, bottom + 18.0, "end", "more at once, less lasts"),
        (left, top - 8.0, "start", "less at once, more lasts"),
        (left, bottom + 18.0, "start", "less at once, less lasts"),
    ] {
        let _ = write!(svg, r#"<text x="{at_x}" y="{at_y}" text-anchor="{anchor}">{label}</text>"#);
    }
    let middle = |of: &Dot<'_>| (x(of.x.estimate), y(of.y.estimate));
    let points: Vec<Box> =
        dots.iter().map(middle).map(|(x, y)| Box { x, y, across: MARK / 2.0, down: MARK / 2.0 }).collect();
    let sizes: Vec<(f64, f64)> = dots.iter().map(|of| (1.0 + 3.4 * of.number.to_string().len() as f64, 5.5)).collect();
    let between = |a: f64, b: f64| (f64::midpoint(a, b), (a - b).abs() / 2.0);
    let mut lines = vec![
        Box { x: x(1.0), y: height / 2.0, across: 0.5, down: height / 2.0 },
        Box { x: width / 2.0, y: y(1.0), across: width / 2.0, down: 0.5 },
    ];
    for of in dots {
        let (cx, cy) = middle(of);
        let ((mid_x, across), (mid_y, down)) = (between(x(of.x.low), x(of.x.high)), between(y(of.y.low), y(of.y.high)));
        lines.push(Box { x: mid_x, y: cy, across, down: 0.5 });
        lines.push(Box { x: cx, y: mid_y, across: 0.5, down });
    }
    let frame = Box { x: width / 2.0, y: height / 2.0, across: width / 2.0, down: height / 2.0 - EDGE + 4.0 };
    let labels = place(&points, &sizes, &lines, frame);
    for of in dots {
        let (cx, cy, mark) = (x(of.x.estimate), y(of.y.estimate), of.mark);
        let _ = write!(
            svg,
            r##"<g class="v-{mark}"><line class="whisker" x1="{:.1}" x2="{:.1}" y1="{cy:.1}" y2="{cy:.1}"/><line class="whisker" x1="{cx:.1}" x2="{cx:.1}" y1="{:.1}" y2="{:.1}"/><use href="#m-{mark}" x="{:.1}" y="{:.1}" width="{MARK}" height="{MARK}"/></g>"##,
            x(of.x.low),
            x(of.x.high),
            y(of.y.low),
            y(of.y.high),
            cx - MARK / 2.0,
            cy - MARK / 2.0,
        );
    }
    // Last, so that no whisker runs over a number.
    for (of, Label { at, leader }) in dots.iter().zip(labels) {
        if let Some([(x1, y1), (x2, y2)]) = leader {
            let _ = write!(svg, r#"<line class="leader" x1="{x1:.1}" x2="{x2:.1}" y1="{y1:.1}" y2="{y2:.1}"/>"#);
        }
        let _ = write!(
            svg,
            r#"<text class="bound number" text-anchor="middle" x="{:.1}" y="{:.1}">{}</text>"#,
            at.x,
            at.y + 4.0,
            of.number
        );
    }
    svg + "</svg>"
}

/// One arm's share of people still there.
pub struct Curve<'a> {
    pub label: &'a str,
    pub points: &'a [Point],
    pub holdout: bool,
}

/// Steps from 100 % down, with their limits as a band; the holdout is dashed.
pub fn curves(of: &[Curve<'_>]) -> String {
    let last = of.iter().flat_map(|curve| curve.points).map(|point| point.day).max().unwrap_or(0);
    if last == 0 {
        return String::new();
    }
    let (width, height) = SIZE;
    let least = of.iter().flat_map(|curve| curve.points).map(|point| point.low).fold(1.0_f64, f64::min);
    let floor = (least * 10.0).floor().clamp(0.0, 9.0) / 10.0;
    let x = |day: u64| EDGE + day as f64 / last as f64 * (width - 3.0 * EDGE);
    let y = |share: f64| EDGE / 2.0 + (1.0 - share) / (1.0 - floor) * (height - 1.5 * EDGE);
    let ends = of.iter().filter_map(|curve| Some((curve.label, curve.points.last()?)));
    let words: Vec<String> =
        ends.map(|(label, end)| format!("{label}: {} after {} days", percent(end.share), end.day)).collect();
    let words = escape(&words.join("; "));
    let mut svg = format!(
        r#"<svg class="loyalty" viewBox="0 0 {width} {height}" role="img" aria-label="{words}"><title>{words}</title>"#
    );
    for share in [floor, f64::midpoint(floor, 1.0), 1.0] {
        let at = y(share);
        let (end, label) = (width - 2.0 * EDGE, percent(share));
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{EDGE}" x2="{end}" y1="{at:.1}" y2="{at:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
            EDGE - 6.0,
            at + 4.0
        );
    }
    for day in [0, last / 2, last] {
        let (at, below) = (x(day), height - EDGE / 3.0);
        let _ = write!(svg, r#"<text x="{at:.1}" y="{below:.1}" text-anchor="middle">day {day}</text>"#);
    }
    for (nth, curve) in of.iter().enumerate() {
        let steps = |of: fn(&Point) -> f64| {
            let mut path: Vec<(f64, f64)> = Vec::new();
            for point in curve.points {
                if let Some((_, before)) = path.last().copied() {
                    path.push((x(point.day), before));
                }
                path.push((x(point.day), y(of(point))));
            }
            path
        };
        let told =
            |path: &[(f64, f64)]| path.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
        let mut band = steps(|point| point.high);
        band.extend(steps(|point| point.low).into_iter().rev());
        let class = if curve.holdout { "holdout" } else { "arm" };
        let (band, line, label) = (told(&band), told(&steps(|point| point.share)), escape(curve.label));
        let end = curve.points.last().map_or((0.0, 0.0), |point| (x(point.day), y(point.share)));
        let (beside, lower) = (end.0 + 5.0, end.1 + 4.0 + 2.0 * nth as f64);
        let _ = write!(
            svg,
            r#"<polygon class="band" points="{band}"/><polyline class="curve {class}" points="{line}"/><text class="bound" x="{beside:.1}" y="{lower:.1}">{label}</text>"#
        );
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(estimate: f64) -> Interval {
        Interval { estimate, low: estimate * 0.9, high: estimate * 1.1, level: 0.95, method: "greenwood".into() }
    }

    #[test]
    fn more_is_right_and_above_and_labels_are_escaped() {
        let (x, y) = (ratio(1.2), ratio(0.8));
        let svg = quadrants(&[Dot { number: 1, x: &x, y: &y, mark: "fail", label: "\"><img src=x>" }]);
        assert!(!svg.contains("<img") && svg.contains("&lt;img"));
        let at = |name: &str| -> f64 {
            let rest =
                svg.split("<use ").nth(1).and_then(|of| of.split(&format!(" {name}=\"")).nth(1)).expect("a place");
            rest.split('"').next().and_then(|of| of.parse().ok()).expect("a number")
        };
        assert!(at("x") + 7.0 > SIZE.0 / 2.0 && at("y") + 7.0 > SIZE.1 / 2.0, "{svg}");
        assert_eq!(quadrants(&[]), "");
    }

    #[test]
    fn curves_are_steps() {
        let point = |day, share| Point { day, share, low: share - 0.1, high: 1.0 };
        let points = [point(0, 1.0), point(10, 0.9), point(20, 0.7)];
        let svg = curves(&[Curve { label: "<a>", points: &points, holdout: false }]);
        let line = svg.split("curve arm\" points=\"").nth(1).and_then(|of| of.split('"').next()).expect("a line");
        assert_eq!(line.split(' ').count(), 5, "{line}");
        assert!(!svg.contains("<a>"));
        assert_eq!(curves(&[]), "");
        assert_eq!(curves(&[Curve { label: "a", points: &points[..1], holdout: true }]), "");
    }
}
