//! Where short labels stand beside points that may lie close together, so that none covers another. Points and labels in,
//! places out: always the same ones for the same input.

/// A rectangle by its middle and its half sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Box {
    pub x: f64,
    pub y: f64,
    pub across: f64,
    pub down: f64,
}

impl Box {
    fn covers(&self, other: &Self) -> bool {
        (self.x - other.x).abs() < self.across + other.across && (self.y - other.y).abs() < self.down + other.down
    }

    fn holds(&self, x: f64, y: f64) -> bool {
        (self.x - x).abs() < self.across && (self.y - y).abs() < self.down
    }
}

/// A label's place, and the line that leads to it where it stands apart from its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    pub at: Box,
    pub leader: Option<[(f64, f64); 2]>,
}

/// Nearer ones are tried first; from the second on a line leads there.
const RINGS: [f64; 9] = [0.0, 10.0, 20.0, 32.0, 46.0, 62.0, 80.0, 100.0, 125.0];
const DIRECTIONS: usize = 16;
/// What makes a place bad, in pixels of distance that one would rather go.
const ON_LABEL: f64 = 1_000.0;
const ON_POINT: f64 = 400.0;
const LINE_THROUGH: f64 = 60.0;
const ON_LINE: f64 = 14.0;

/// Places a label of the half sides `sizes` beside each of `points`, one after the other, at the best of a few places
/// around it: off other labels and points, and rather off the thin `lines`. All stay within `frame`.
pub fn place(points: &[Box], sizes: &[(f64, f64)], lines: &[Box], frame: Box) -> Vec<Label> {
    let mut placed: Vec<Label> = Vec::new();
    for (own, (point, &(across, down))) in points.iter().zip(sizes).enumerate() {
        let mut best: Option<(f64, Label)> = None;
        for (ring, distance) in RINGS.into_iter().enumerate() {
            for direction in 0..DIRECTIONS {
                // From the upper right on, as the eye expects it, and round.
                let angle = (direction as f64 / DIRECTIONS as f64 - 0.125) * std::f64::consts::TAU;
                let (dx, dy) = (angle.cos(), angle.sin());
                let (far_x, far_y) = (point.across + across + 1.0 + distance, point.down + down + 1.0 + distance);
                let at = Box { x: point.x + dx * far_x, y: point.y + dy * far_y, across, down };
                let within =
                    (at.x - frame.x).abs() + across <= frame.across && (at.y - frame.y).abs() + down <= frame.down;
                if !within {
                    continue;
                }
                // The line ends short of both.
                let ends = [
                    (point.x + dx * point.across, point.y + dy * point.down),
                    (at.x - dx * (across + 1.0), at.y - dy * down),
                ];
                let leader = (ring > 0).then_some(ends);
                let on = |others: &mut dyn Iterator<Item = Box>| others.filter(|other| at.covers(other)).count() as f64;
                let through = leader.map_or(0, |[(x1, y1), (x2, y2)]| {
                    let along = |nth: u32| f64::from(nth) / 8.0;
                    let others = points.iter().enumerate().filter(|(nth, _)| *nth != own).map(|(_, of)| *of);
                    let others = others.chain(placed.iter().map(|label| label.at));
                    let crossed =
                        |of: &Box| (0..=8).any(|n| of.holds(x1 + (x2 - x1) * along(n), y1 + (y2 - y1) * along(n)));
                    others.filter(crossed).count()
                });
                let cost = distance
                    + ON_LABEL * on(&mut placed.iter().map(|label| label.at))
                    + ON_POINT * on(&mut points.iter().copied())
                    + ON_LINE * on(&mut lines.iter().copied())
                    + LINE_THROUGH * through as f64;
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, Label { at, leader }));
                }
            }
        }
        let outside = Label { at: Box { x: point.x, y: point.y, across, down }, leader: None };
        placed.push(best.map_or(outside, |(_, label)| label));
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Box = Box { x: 240.0, y: 160.0, across: 240.0, down: 160.0 };

    fn point((x, y): (f64, f64)) -> Box {
        Box { x, y, across: 7.0, down: 7.0 }
    }

    #[test]
    fn no_label_covers_another_or_a_point_however_close_they_are() {
        // All in one spot, in a row, and in a corner.
        let heaps: [Vec<(f64, f64)>; 3] = [
            vec![(200.0, 150.0); 9],
            (0..12).map(|n| (100.0 + 5.0 * f64::from(n), 150.0)).collect(),
            (0..6).map(|n| (478.0, 2.0 + f64::from(n))).collect(),
        ];
        for heap in heaps {
            let points: Vec<Box> = heap.iter().copied().map(point).collect();
            let labels = place(&points, &vec![(7.0, 6.0); points.len()], &[], FRAME);
            assert_eq!(labels.len(), points.len());
            for (nth, label) in labels.iter().enumerate() {
                let others = labels[..nth].iter().map(|other| other.at).chain(points.iter().copied());
                assert!(others.clone().all(|other| !label.at.covers(&other)), "{nth}: {label:?}");
                assert!((label.at.x - FRAME.x).abs() <= FRAME.across && (label.at.y - FRAME.y).abs() <= FRAME.down);
            }
        }
    }

    #[test]
    fn a_lone_label_stands_at_its_point_without_a_line() {
        let labels = place(&[point((100.0, 100.0))], &[(4.0, 6.0)], &[], FRAME);
        assert!(labels[0].leader.is_none() && labels[0].at.x > 100.0 && labels[0].at.y < 100.0, "{labels:?}");
    }
}
