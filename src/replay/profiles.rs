//! Profiles: what is known of each person whom a strategy decided about, one row per strategy and person.

use std::collections::BTreeMap;

use crate::engine::{Engine, literal, quoted};
use crate::error::{Error, Result};

/// The table of profiles, staged under this name: `strategy`, then a text column per held column, and no id.
pub const PROFILES: &str = "profiles";

/// The people whom one strategy decided about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Population {
    /// People with a profile.
    pub subjects: u64,
    /// People of whom no row of subjects tells anything.
    pub missing: u64,
}

/// The profiles of the people of each strategy.
#[derive(Debug, Clone)]
pub struct Profiles {
    columns: Vec<String>,
    pub populations: BTreeMap<String, Population>,
}

impl Profiles {
    /// Stages the columns of subjects named, for the people in each strategy's decisions.
    pub async fn of_log(engine: &Engine, columns: Vec<String>) -> Result<Self> {
        let people = "(SELECT DISTINCT strategy, subject_id FROM decisions WHERE subject_id IS NOT NULL)";
        let counted = engine
            .rows(&format!(
                "SELECT d.strategy AS strategy, count(*) AS n, count(s.subject_id) AS known FROM {people} d \
                 LEFT JOIN subjects s ON d.subject_id = s.subject_id GROUP BY d.strategy ORDER BY d.strategy"
            ))
            .await?;
        let population = |row: usize| {
            let (all, known) = (counted.count("n", row), counted.count("known", row));
            let of = Population { subjects: known, missing: all.saturating_sub(known) };
            (counted.text("strategy", row).unwrap_or_default().to_owned(), of)
        };
        let populations = (0..counted.len()).map(population).collect();
        let profiles = Self { columns, populations };
        let from = format!("{people} d JOIN subjects s ON d.subject_id = s.subject_id");
        profiles.stage(engine, "d.strategy", &from).await
    }

    /// Without a log: as if every strategy had decided about everyone.
    pub async fn of_everyone(engine: &Engine, columns: Vec<String>, strategies: &[&str]) -> Result<Self> {
        let everyone = engine.rows("SELECT count(*) AS n FROM subjects").await?.count("n", 0);
        let population = Population { subjects: everyone, missing: 0 };
        let populations = strategies.iter().map(|strategy| ((*strategy).to_owned(), population)).collect();
        let profiles = Self { columns, populations };
        if strategies.is_empty() {
            return Ok(profiles);
        }
        let named: Vec<String> = strategies.iter().map(|strategy| format!("({})", literal(strategy))).collect();
        let from = format!("subjects s CROSS JOIN (VALUES {}) AS d(strategy)", named.join(", "));
        profiles.stage(engine, "d.strategy", &from).await
    }

    async fn stage(self, engine: &Engine, strategy: &str, from: &str) -> Result<Self> {
        let held: String =
            self.columns.iter().enumerate().map(|(at, name)| format!(", s.{} AS v{at}", quoted(name))).collect();
        engine.stage(PROFILES, &format!("SELECT {strategy} AS strategy{held} FROM {from}")).await?;
        Ok(self)
    }

    /// What [`PROFILES`] calls a column of subjects.
    pub fn column(&self, name: &str) -> Result<String> {
        let at = self.columns.iter().position(|column| column == name);
        at.map(|at| format!("v{at}")).ok_or_else(|| Error::Internal(format!("the column `{name}` was not staged")))
    }
}
