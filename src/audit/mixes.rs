//! What the log is made of.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::facts::mix::{self, Mix};
use crate::replay::log::Log;
use crate::replay::mixes::{self, NUMBERS, Question};
use crate::replay::segments::Segments;

/// Columns of a request that say how it was decided.
const WORDS: [&str; 3] = ["strategy", "jurisdiction", "inputs"];

/// The mixes of the log; numbers in the bins of `earlier`, where that has them.
pub(super) async fn mix_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    log: &Log,
    segments: &Segments,
    earlier: &[Mix],
) -> Result<Vec<Mix>> {
    let measure = &declared.manifest.value.measure;
    let has = |column: &str| tables.has(Role::Recommendations, column);
    let words: Vec<&str> = WORDS.into_iter().filter(|column| has(column)).collect();
    let numbers: Vec<mixes::Number> = NUMBERS.into_iter().filter(|number| has(number.column)).collect();
    let frozen = earlier.iter().filter(|mix| !mix.edges.is_empty());
    let edges: BTreeMap<String, Vec<f64>> = frozen.map(|mix| (mix.by.clone(), mix.edges.clone())).collect();
    let question = Question {
        unit: measure.unit,
        segments,
        words: &words,
        numbers: &numbers,
        edges: &edges,
        impressions: log.impressions,
    };
    Ok(mix::measure(&mixes::tallies(engine, &question).await?, measure.min_cell))
}
