//! How alike people are in their quasi-identifiers: the sizes of groups that share all values, and what such a group
//! gives away about everyone in it.
//!
//! A value that is not known counts as a value of its own: who looks for a person sees that it is missing.

use super::profiles::{PROFILES, Profiles};
use crate::engine::{Engine, literal};
use crate::error::Result;

/// How many equivalence classes there are of each size, smallest first, as (people in the class, classes).
pub type Sizes = Vec<(u64, u64)>;

/// The classes of one strategy's people that are alike in all of `columns`.
pub async fn sizes(engine: &Engine, profiles: &Profiles, strategy: &str, columns: &[&str]) -> Result<Sizes> {
    let keys = keys(profiles, columns)?;
    let rows = engine
        .rows(&format!(
            "SELECT size, count(*) AS classes FROM (SELECT count(*) AS size FROM {PROFILES} \
             WHERE strategy = {} GROUP BY {keys}) GROUP BY size ORDER BY size",
            literal(strategy)
        ))
        .await?;
    Ok((0..rows.len()).map(|row| (rows.count("size", row), rows.count("classes", row))).collect())
}

/// What the classes give away of one further value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diversity {
    /// Distinct values of the whole population.
    pub values: u64,
    /// Distinct l: the fewest values in any class.
    pub distinct: u64,
    /// Entropy l: exp of the least entropy, in nats, of the values in any class (Machanavajjhala et al. 2007).
    pub entropy: f64,
    /// t: the greatest distance of a class's shares of the values from everyone's, as half the sum of the absolute
    /// differences, 0 to 1 (Li et al. 2007, with equal distances between values).
    pub distance: f64,
    /// People in classes where everyone has the same value.
    pub alike: u64,
}

/// The diversity of `value` among one strategy's people that are alike in all of `columns`.
pub async fn diversity(
    engine: &Engine,
    profiles: &Profiles,
    strategy: &str,
    columns: &[&str],
    value: &str,
) -> Result<Option<Diversity>> {
    let keys = keys(profiles, columns)?;
    let value = profiles.column(value)?;
    // Values that a class lacks stand 1 apart from all shares of the others together: hence the 1 and the q taken off.
    let rows = engine
        .rows(&format!(
            "WITH cells AS (SELECT {keys}, {value}, CAST(count(*) AS DOUBLE) AS c FROM {PROFILES} \
             WHERE strategy = {} GROUP BY {keys}, {value}), \
             shares AS (SELECT {keys}, c, c / sum(c) OVER (PARTITION BY {keys}) AS p, \
             sum(c) OVER (PARTITION BY {value}) / sum(c) OVER () AS q, dense_rank() OVER (ORDER BY {value}) AS nth \
             FROM cells), \
             classes AS (SELECT sum(c) AS size, count(*) AS l, sum(-p * ln(p)) AS h, \
             (1 + sum(abs(p - q) - q)) / 2 AS t, max(nth) AS nth FROM shares GROUP BY {keys}) \
             SELECT max(nth) AS nth, min(l) AS l, min(h) AS h, max(t) AS t, \
             CAST(sum(CASE WHEN l = 1 THEN size ELSE 0 END) AS BIGINT) AS alike FROM classes",
            literal(strategy)
        ))
        .await?;
    let (Some(h), Some(t)) = (rows.float("h", 0), rows.float("t", 0)) else { return Ok(None) };
    Ok(Some(Diversity {
        values: rows.count("nth", 0),
        distinct: rows.count("l", 0),
        entropy: settled(h.exp()),
        distance: settled(t.clamp(0.0, 1.0)),
        alike: rows.count("alike", 0),
    }))
}

/// Sums of floats depend on their order in the last digits; what is told of them does not.
fn settled(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

fn keys(profiles: &Profiles, columns: &[&str]) -> Result<String> {
    let names: Vec<String> = columns.iter().map(|name| profiles.column(name)).collect::<Result<_>>()?;
    Ok(names.join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};

    use super::*;

    /// The 3-diverse table of Machanavajjhala et al. 2007 (figure 3): three classes of four, each with three diseases,
    /// one of them twice. The entropy of (1/4, 1/4, 1/2) is 1.5·ln 2, so that entropy l is 2^1.5.
    #[tokio::test]
    async fn the_published_table_is_as_diverse_as_published() {
        let (heart, viral, cancer) = (Some("heart"), Some("viral"), Some("cancer"));
        let classes = [
            (Some("1305*"), Some("<=40"), [heart, viral, cancer, cancer]),
            (Some("1485*"), Some(">40"), [cancer, heart, viral, viral]),
            (Some("1306*"), Some("<=40"), [heart, viral, cancer, cancer]),
        ];
        let found = diversity_of(&classes).await;
        assert_eq!((found.values, found.distinct, found.alike), (3, 3, 0));
        assert!((found.entropy - 2_f64.powf(1.5)).abs() < 1e-9, "{}", found.entropy);
        // Everyone: 3, 4 and 5 of 12; the second class: 1, 2 and 1 of 4.
        assert!((found.distance - 1.0 / 6.0).abs() < 1e-9, "{}", found.distance);
    }

    /// A class of people whose postcode and disease nobody knows is a class, and all in it are alike.
    #[tokio::test]
    async fn what_is_not_known_is_a_value() {
        let classes = [(None, Some(">40"), [None; 4]), (Some("1305*"), Some(">40"), [Some("heart"), None, None, None])];
        let found = diversity_of(&classes).await;
        assert_eq!((found.values, found.distinct, found.alike), (2, 1, 4));
        assert!((found.entropy - 1.0).abs() < 1e-9 && (found.distance - 0.125).abs() < 1e-9, "{found:?}");
    }

    type Class = (Option<&'static str>, Option<&'static str>, [Option<&'static str>; 4]);

    async fn diversity_of(classes: &[Class]) -> Diversity {
        let engine = Engine::embedded(64 << 20).unwrap();
        let rows: Vec<_> = classes.iter().flat_map(|(zip, age, of)| of.iter().map(move |d| (*zip, *age, *d))).collect();
        let column = |of: &dyn Fn(usize) -> Option<String>| -> ArrayRef {
            Arc::new((0..rows.len()).map(of).collect::<StringArray>())
        };
        let columns = [
            ("subject_id", column(&|row| Some(row.to_string()))),
            ("zip", column(&|row| rows[row].0.map(str::to_owned))),
            ("age", column(&|row| rows[row].1.map(str::to_owned))),
            ("disease", column(&|row| rows[row].2.map(str::to_owned))),
        ];
        engine.small_table("subjects", RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        let names = ["zip", "age", "disease"].map(str::to_owned).into();
        let profiles = Profiles::of_everyone(&engine, names, &["it's", "other"]).await.unwrap();
        let sizes = sizes(&engine, &profiles, "it's", &["zip", "age"]).await.unwrap();
        assert_eq!(sizes, [(4, classes.len() as u64)]);
        diversity(&engine, &profiles, "it's", &["zip", "age"], "disease").await.unwrap().unwrap()
    }
}
