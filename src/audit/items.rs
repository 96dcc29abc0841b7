//! Items: how much attention their groups get.

use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::{Problem, Result};
use crate::evidence::columns::Role;
use crate::facts::exposure_parity::{self, Has};
use crate::facts::{Fact, ranking_fairness};
use crate::manifest::{ItemGroup, Manifest, Target, Unit};
use crate::replay::items::{self, Groups};
use crate::replay::positions::{self, Places};
use crate::replay::rankings;
use crate::replay::segments::Segments;
use crate::yaml::Document;

/// The facts on items. None where the manifest names no groups, or where the log does not tell positions.
pub(super) async fn item_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    segments: &Segments,
) -> Result<Vec<Fact>> {
    let manifest = &declared.manifest;
    let measure = &manifest.value.measure;
    let ordered = tables.0.get(&Role::Recommendations).is_some_and(|log| log.layouts.contains("decisions"));
    if measure.item_groups.is_empty() || !(ordered || tables.has(Role::Recommendations, "position")) {
        return Ok(Vec::new());
    }
    let everyone = Segments::default();
    places(manifest, positions::stage(engine, measure).await?)?;
    // Without requests and subjects no list can be told from the next.
    let has = |column: &str| tables.has(Role::Recommendations, column);
    let listed = has("request_id") || has("subject_id");
    if listed {
        let all = measure.item_groups.iter().any(|of| of.by_segment);
        rankings::number(engine, if all { segments } else { &everyone }, measure.unit).await?;
    }
    let columns = Has { relevant: has("relevant"), clicked: has("clicked") };
    let (mut exposures, mut rankings) = (Vec::new(), Vec::new());
    for of in &measure.item_groups {
        let segments = if of.by_segment { segments } else { &everyone };
        let groups = items::stage(engine, of).await?;
        crate::error::all_clear(unknown_groups(manifest, of, &groups))?;
        let cells = items::cells(engine, segments, measure.unit == Unit::Subject).await?;
        exposures.extend(exposure_parity::measure(of, &groups, &cells, segments, measure, columns));
        let targets = exposure_parity::targets(of, &groups, &cells);
        if !listed || targets.is_empty() {
            continue;
        }
        let lists = rankings::lists(engine, segments, &groups, &targets).await?;
        let found = ranking_fairness::Found { of, cells: &cells, targets: &targets, lists: &lists };
        rankings.extend(ranking_fairness::measure(&found, measure));
    }
    exposure_parity::correct(&mut exposures);
    let exposures = exposures.into_iter().map(Fact::ExposureParity);
    Ok(exposures.chain(rankings.into_iter().map(Fact::RankingFairness)).collect())
}

fn places(manifest: &Document<Manifest>, found: Places) -> Result<()> {
    let measure = &manifest.value.measure;
    let problem = match found {
        Places::Staged => return Ok(()),
        Places::FromZero => {
            let at = measure.item_groups.first().map(|group| &group.attribute);
            let message = "the log has impressions at position 0; positions count from 1 where attention is measured";
            at.map_or_else(|| Problem::in_file(&manifest.path, message), |at| manifest.problem(at, message))
        }
        Places::NoClicks => {
            let message = "nobody clicked at position 1, so that `measured` has nothing to compare the others with";
            manifest.problem(&measure.position_model, message)
        }
    };
    Err(problem.into())
}

/// What the manifest says of groups that no item has.
fn unknown_groups(manifest: &Document<Manifest>, of: &ItemGroup, groups: &Groups) -> Vec<Problem> {
    let known = |name: &str| groups.values.contains(name);
    let message = |name: &str| format!("no item has `{name}` as its `{}`", *of.attribute);
    let mut problems = Vec::new();
    if let Target::Policy(shares) = &*of.target {
        let wrong = shares.iter().filter(|(name, _)| !known(name));
        problems
            .extend(wrong.map(|(name, share)| manifest.problem(share, message(name)).suggest(name, &groups.values)));
    }
    if let Some(reference) = of.reference.as_ref().filter(|reference| !known(reference)) {
        problems.push(manifest.problem(reference, message(reference)).suggest(reference, &groups.values));
    }
    problems
}
