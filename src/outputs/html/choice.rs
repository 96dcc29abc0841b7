//! How choice is laid out: alternatives to being profiled, explanations, and the prompts that people were shown.

use serde::Serialize;

use super::view::{Row, States, rows};
use crate::facts::Fact;
use crate::facts::alternative::Alternative;
use crate::facts::explanation::Explanation;
use crate::facts::prompt::Prompt;
use crate::record::Record;

/// What the chapter shows beside uses of data and joins.
#[derive(Debug, Serialize)]
pub struct Choice<'a> {
    pub alternatives: Vec<Row<'a, Alternative>>,
    pub explanations: Vec<Row<'a, Explanation>>,
    /// Rows that no rule objects to, when there are many.
    pub explanations_folded: Vec<Row<'a, Explanation>>,
    pub prompts: Vec<Row<'a, Prompt>>,
}

impl<'a> Choice<'a> {
    pub fn new(record: &'a Record, states: &States) -> Self {
        let explained = rows(record, states, |fact| if let Fact::Explanation(fact) = fact { Some(fact) } else { None });
        let (explanations, explanations_folded) = states.fold(explained, |row| row.index);
        Self {
            alternatives: rows(record, states, |fact| if let Fact::Alternative(of) = fact { Some(of) } else { None }),
            explanations,
            explanations_folded,
            prompts: rows(record, states, |fact| if let Fact::Prompt(of) = fact { Some(of) } else { None }),
        }
    }
}
