//! How inequality is laid out: a row per strategy and benefit, and what lies between segments beneath.

use serde::Serialize;

use super::view::{Row, States, rows};
use crate::facts::Fact;
use crate::facts::inequality::{Inequality, State};
use crate::record::Record;

#[derive(Debug, Serialize)]
pub struct Unequal<'a> {
    pub measured: Vec<Row<'a, Inequality>>,
    /// Whose benefits cannot be spread, and why in words.
    pub others: Vec<Other<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Other<'a> {
    pub row: Row<'a, Inequality>,
    pub why: &'static str,
}

pub fn inequality<'a>(record: &'a Record, states: &States) -> Unequal<'a> {
    let all = rows(record, states, |fact| if let Fact::Inequality(fact) = fact { Some(fact) } else { None });
    let (measured, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|row| row.fact.state == State::Measured);
    let other = |row: Row<'a, Inequality>| {
        let why = match row.fact.state {
            State::Suppressed => "too few people",
            State::Negative => "somebody has less than nothing",
            State::Nothing | State::Measured => "nobody has anything",
        };
        Other { row, why }
    };
    Unequal { measured, others: others.into_iter().map(other).collect() }
}
