//! The facet `sql`: a job's query, for what its events leave out.

use serde::Deserialize;

use super::super::{Flow, Parsed, Unparsed, sql};
use crate::manifest::Dialect;

#[derive(Debug, Deserialize)]
pub(super) struct Sql {
    query: String,
    dialect: Option<String>,
}

impl Sql {
    /// Reads what makes the datasets of `told`, of which only inputs are known, out of the query. `blank` is a flow of
    /// the run that says nothing yet.
    pub fn refine(self, told: Vec<Flow>, blank: Flow, dialect: Dialect) -> Parsed {
        let dialect = self.dialect.as_deref().and_then(Dialect::of_database).unwrap_or(dialect);
        let read = sql::parse(&self.query, &blank.path, dialect);
        let mut refined = Parsed::default();
        if let Some(fault) = read.unparsed.into_iter().next() {
            // Whole tables are known all the same where the events name them.
            if told.iter().all(|flow| flow.sources.is_empty()) {
                let reason = format!("the query of its job: {}", fault.reason);
                refined.unparsed.push(Unparsed { path: blank.path, line: blank.line, reason });
            }
            refined.flows = told;
            return refined;
        }
        let alone = told.len() == 1;
        let mut made = vec![false; told.len()];
        for mut flow in read.flows {
            let is_it = |told: &Flow| match (&flow.target, &told.target) {
                (None, _) => alone,
                (Some(one), Some(other)) => last(one) == last(other),
                (Some(_), None) => false,
            };
            let line = match told.iter().position(is_it) {
                Some(index) => {
                    made[index] = true;
                    flow.target = told[index].target.clone();
                    flow.sources.extend(told[index].sources.iter().cloned());
                    told[index].line
                }
                None => blank.line,
            };
            refined.flows.push(Flow { line, run: blank.run.clone(), ..flow });
        }
        refined.flows.extend(told.into_iter().zip(made).filter(|(_, made)| !made).map(|(flow, _)| flow));
        refined
    }
}

/// The last part of a table's name, in lower case.
fn last(name: &str) -> String {
    name.rsplit(['.', '/']).next().unwrap_or(name).to_lowercase()
}
