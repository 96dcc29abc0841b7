//! How often each item was shown, and how many items there are.
//!
//! The log is grouped once, by strategy, item and segment. What comes back has a row per number of impressions that an
//! item can have, however many items there are.

use std::collections::BTreeMap;

use super::items::{Segment, by_segment, key, units, with_names};
use super::segments::{CODED, Segments};
use crate::engine::Engine;
use crate::error::Result;
use crate::stats::Abundance;

/// What there is to show, and what was shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Distinct items: those listed, and those that the log shows besides.
    pub items: u64,
    /// Items that the log shows and nothing lists; None where there is no list.
    pub unlisted: Option<u64>,
    /// By strategy and segment.
    pub shown: BTreeMap<(String, Segment), Shown>,
}

/// What one strategy shows one segment of people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// How many items have how many impressions.
    pub impressions: Abundance,
    /// Subjects, or impressions where these are the unit.
    pub units: u64,
}

/// Counts impressions of items. `listed` says that there is a table of items.
pub async fn shown(engine: &Engine, segments: &Segments, by_subject: bool, listed: bool) -> Result<Catalogue> {
    let once =
        format!("SELECT strategy, item_id, segment, count(*) AS n FROM {CODED} GROUP BY strategy, item_id, segment");
    engine.stage("items_shown", &once).await?;

    let catalogue = if listed {
        "SELECT count(*) AS items, sum(unlisted) AS unlisted FROM (SELECT item_id, min(unlisted) AS unlisted FROM \
         (SELECT item_id, 0 AS unlisted FROM items UNION ALL SELECT item_id, 1 AS unlisted FROM items_shown) \
         GROUP BY item_id)"
    } else {
        "SELECT count(DISTINCT item_id) AS items FROM items_shown"
    };
    let rows = engine.rows(catalogue).await?;
    let mut catalogue = Catalogue {
        items: rows.count("items", 0),
        unlisted: listed.then(|| rows.count("unlisted", 0)),
        shown: BTreeMap::new(),
    };

    let named = with_names("items_shown", segments);
    let by_item = by_segment("strategy, item_id", "sum(n) AS times", &named, segments);
    let abundance = format!(
        "SELECT strategy, attribute, value, times, count(*) AS items FROM ({by_item}) \
         GROUP BY strategy, attribute, value, times"
    );
    let rows = engine.rows(&abundance).await?;
    for row in 0..rows.len() {
        let of = catalogue.shown.entry(key(&rows, row)).or_default();
        of.impressions.add(rows.count("times", row), rows.count("items", row));
    }
    let rows = engine.rows(&units(segments, by_subject, &named)).await?;
    for row in 0..rows.len() {
        if let Some(of) = catalogue.shown.get_mut(&key(&rows, row)) {
            of.units = rows.count("units", row);
        }
    }
    Ok(catalogue)
}
