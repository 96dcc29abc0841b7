//! How much attention each position of a list gets.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};

use super::segments::CODED;
use crate::engine::Engine;
use crate::error::Result;
use crate::manifest::{Measure, PositionModel};

/// The table of positions that count, each with its weight: `position`, `weight`.
pub const PLACES: &str = "places";

/// Impressions, and of those whose click is known how many were clicked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clicks {
    pub known: u64,
    pub clicked: u64,
}

/// What the log says of its positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Places {
    /// [`PLACES`] is there.
    Staged,
    /// Some impression has the position 0, and positions count from 1.
    FromZero,
    /// Nobody clicked at the first position, so that there is nothing to compare the others with.
    NoClicks,
}

/// The attention that position `k`, from 1, gets, in that of the first place.
///
/// `log2` is the discount of Järvelin & Kekäläinen (2002) as most write it today, so also Singh & Joachims (2018);
/// `log2_clipped` is its first form with base 2; `geometric` is rank-biased precision (Moffat & Zobel 2008); `measured`
/// is the log's own rate of clicks over that of the first place, to be had from [`measured`] only.
pub fn weight(model: PositionModel, k: u32) -> Option<f64> {
    let at = f64::from(k.max(1));
    match model {
        PositionModel::Log2 => Some(1.0 / (at + 1.0).log2()),
        PositionModel::Log2Clipped => Some(1.0 / at.max(2.0).log2()),
        PositionModel::Reciprocal => Some(1.0 / at),
        PositionModel::Geometric(p) => Some(p.powf(at - 1.0)),
        PositionModel::Measured => None,
    }
}

/// The rate of clicks at a position over that at the first. None when either is not known or the first is 0.
pub fn measured(at: Clicks, first: Clicks) -> Option<f64> {
    let rate = |of: Clicks| (of.known > 0).then(|| of.clicked as f64 / of.known as f64);
    let first = rate(first).filter(|rate| *rate > 0.0)?;
    Some(rate(at)? / first)
}

/// Makes [`PLACES`] from the positions that occur, as far as the cutoff.
pub async fn stage(engine: &Engine, measure: &Measure) -> Result<Places> {
    let rows = engine
        .rows(&format!(
            "SELECT position, count(clicked) AS known, CAST(coalesce(sum(clicked), 0) AS BIGINT) AS clicked \
             FROM {CODED} WHERE position IS NOT NULL GROUP BY position ORDER BY position"
        ))
        .await?;
    let clicks = |row: usize| Clicks { known: rows.count("known", row), clicked: rows.count("clicked", row) };
    let at = |row: usize| rows.integer("position", row).unwrap_or(0);
    if (0..rows.len()).any(|row| at(row) < 1) {
        return Ok(Places::FromZero);
    }
    let model = *measure.position_model;
    let first = (0..rows.len()).find(|row| at(*row) == 1).map(clicks).unwrap_or_default();
    if model == PositionModel::Measured && measured(first, first).is_none() {
        return Ok(Places::NoClicks);
    }
    let (mut positions, mut weights) = (Vec::new(), Vec::new());
    for row in 0..rows.len() {
        let position = u32::try_from(at(row)).unwrap_or(u32::MAX);
        if measure.cutoff.is_some_and(|last| position > last) {
            continue;
        }
        // A position whose clicks nobody noted got no attention that could be told.
        let weight = weight(model, position).or_else(|| measured(clicks(row), first)).unwrap_or(0.0);
        positions.push(at(row));
        weights.push(weight);
    }
    let positions: ArrayRef = Arc::new(Int64Array::from(positions));
    let weights: ArrayRef = Arc::new(Float64Array::from(weights));
    engine.small_table(PLACES, RecordBatch::try_from_iter([("position", positions), ("weight", weights)])?)?;
    Ok(Places::Staged)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Järvelin & Kekäläinen (2002) print the discounts of the first ranks for base 2: none for the first two, then
    /// log2 of the rank. The other forms by their definitions.
    #[test]
    fn weights_are_those_of_their_models() {
        let of = |model| [1, 2, 3, 4].map(|k| weight(model, k).unwrap());
        let near = |got: [f64; 4], expected: [f64; 4]| {
            assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?}");
        };
        near(of(PositionModel::Log2), [1.0, 1.0 / 3.0_f64.log2(), 0.5, 1.0 / 5.0_f64.log2()]);
        near(of(PositionModel::Log2Clipped), [1.0, 1.0, 1.0 / 3.0_f64.log2(), 0.5]);
        near(of(PositionModel::Reciprocal), [1.0, 0.5, 1.0 / 3.0, 0.25]);
        near(of(PositionModel::Geometric(0.5)), [1.0, 0.5, 0.25, 0.125]);
        assert_eq!(weight(PositionModel::Measured, 1), None);
    }

    #[test]
    fn measured_attention_is_relative_to_the_first_place() {
        let first = Clicks { known: 200, clicked: 40 };
        assert_eq!(measured(first, first), Some(1.0));
        assert_eq!(measured(Clicks { known: 100, clicked: 5 }, first), Some(0.25));
        assert_eq!(measured(Clicks { known: 100, clicked: 0 }, first), Some(0.0));
        assert_eq!(measured(Clicks::default(), first), None);
        assert_eq!(measured(first, Clicks { known: 9, clicked: 0 }), None);
    }
}
