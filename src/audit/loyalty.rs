//! Loyalty: what became of people after they were served, arm by arm.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::{Result, all_clear};
use crate::evidence::columns::Role;
use crate::facts::{Fact, loyalty, loyalty_balance, loyalty_forecast, sample_ratio};
use crate::replay::loyalty::{Question, follow};
use crate::replay::segments::Home;

/// All facts on loyalty. None unless the manifest says who is compared with whom.
pub(super) async fn loyalty_facts(engine: &Engine, declared: &Declared, tables: &Tables) -> Result<Vec<Fact>> {
    let settings = &declared.manifest.value.measure;
    let Some(loyalty) = settings.loyalty.as_ref().filter(|_| tables.0.contains_key(&Role::Outcomes)) else {
        return Ok(Vec::new());
    };
    let homes = settings
        .segments
        .iter()
        .filter_map(|segment| Some((segment.attribute.value.clone(), tables.home(&segment.attribute)?)));
    let attributes: BTreeMap<String, Home> = homes.collect();
    let question = Question {
        loyalty,
        attributes: &attributes,
        log: tables.has(Role::Recommendations, "subject_id"),
        subjects: tables.0.contains_key(&Role::Subjects),
    };
    let found = follow(engine, &question).await?;
    let named = loyalty.split.values().zip(loyalty.split.keys()).map(|(at, arm)| (at.line, at.column, arm));
    let mut problems = Vec::new();
    for (line, column, arm) in named.chain([(loyalty.holdout.line, loyalty.holdout.column, &loyalty.holdout.value)]) {
        if !found.arms.contains(arm) {
            let at = crate::yaml::At { value: arm.clone(), line, column };
            let problem = declared.manifest.problem(&at, format!("nobody is in arm `{arm}`"));
            problems.push(problem.suggest(arm, &found.arms));
        }
    }
    all_clear(problems)?;
    let ratio = sample_ratio::measure(&found, loyalty, settings.min_cell);
    let mismatch = ratio.p_value.filter(|p| *p < sample_ratio::REFUSE);
    let refused = mismatch.map(|_| {
        let shares = if ratio.stated { "the shares of `split`" } else { "equal shares" };
        format!("people were not dealt out to the arms in {shares}, so that arms differ in who is in them")
    });
    let forecasts = loyalty_forecast::Forecasts::new(&found, loyalty, settings);
    let arms = loyalty::Arms { found: &found, loyalty, settings, srm_p: ratio.p_value, refused, forecasts: &forecasts };
    let facts = loyalty::measure(&arms);
    let balances = loyalty_balance::measure(&facts, loyalty.horizon.as_secs_f64());
    let mut all: Vec<Fact> = facts.into_iter().map(Fact::Loyalty).collect();
    all.extend(balances.into_iter().map(Fact::LoyaltyBalance));
    all.extend(forecasts.facts().into_iter().map(Fact::LoyaltyForecast));
    all.push(Fact::SampleRatio(ratio));
    Ok(all)
}
