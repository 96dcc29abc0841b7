//! From what the replay found to facts.

use chrono::NaiveDate;

use super::bias::{bias_facts, segments};
use super::choice::choice_facts;
use super::declared::Declared;
use super::loyalty::loyalty_facts;
use super::mixes::mix_facts;
use super::risks::risk_facts;
use super::scan::scan_facts;
use super::tables::Tables;
use super::{Replayed, Scope};
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::evidence::consent_policy::Policies;
use crate::facts::evidence_quality::Coverage;
use crate::facts::{Fact, coverage, data_use, evidence_quality, field, join, purpose};
use crate::replay::log::Log;
use crate::replay::segments::Segments;
use crate::replay::uses::Use;

/// All facts, in the order of their kinds, and who belongs to which segment.
pub(super) async fn measure(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    replayed: &Replayed,
    as_of: Option<NaiveDate>,
    scope: Scope,
) -> Result<(Vec<Fact>, Option<Segments>)> {
    let manifest = &declared.manifest.value;
    let log = replayed.log.as_ref();
    let mut facts = Vec::new();
    let uses: Vec<Use> = replayed.uses.iter().map(|used| used.usage.clone()).collect();
    let map = declared.map.as_ref();
    let mut purposes = purpose::measure(manifest, &declared.name, map, log, as_of);
    let policy = declared.policies.as_ref().map(Policies::latest);
    purpose::set_personal_inputs(&mut purposes, manifest, map, policy, &uses);
    facts.extend(purposes.into_iter().map(Fact::Purpose));
    if let Some(map) = &declared.map {
        let fields = field::measure(manifest, map, log.map(|_| uses.as_slice()));
        facts.extend(fields.into_iter().map(Fact::Field));
        if let Some(policies) = &declared.policies {
            let carriers = |usage: &Use, category: &str| -> Vec<String> {
                let carries = |input: &&String| {
                    map.resolve(input).is_some_and(|field| field.parts.keys().any(|(c, _)| c == category))
                };
                usage.inputs.iter().filter(carries).cloned().collect()
            };
            let (uses, tallies) = (&replayed.uses, &replayed.tallies);
            let data_uses = data_use::measure(
                uses,
                tallies,
                manifest,
                policies,
                tables.has(Role::Recommendations, "gpc"),
                carriers,
            );
            facts.extend(data_uses.into_iter().map(Fact::DataUse));
            let mut joins = join::measure(uses, tallies, manifest, &declared.name, policies, map);
            join::add_declared(&mut joins, uses, manifest, &declared.name, policies, map);
            join::add_static(&mut joins, replayed.static_joins.clone(), policies.latest_name());
            join::add_people(&mut joins, tallies);
            facts.extend(joins.into_iter().map(Fact::Join));
            facts.extend(coverage::measure(tallies).into_iter().map(Fact::Coverage));
        }
        facts.extend(risk_facts(engine, declared, tables, log, &uses).await?);
    }
    facts.extend(choice_facts(engine, declared, tables, replayed).await?);
    let segments = segments(engine, declared, tables).await?;
    if let Some(segments) = &segments {
        facts.extend(bias_facts(engine, declared, tables, segments).await?);
    }
    facts.extend(loyalty_facts(engine, declared, tables).await?);
    if scope == Scope::Whole {
        facts.extend(scan_facts(declared, tables).await?.into_iter().map(Fact::UndeclaredPersonalData));
        facts.extend(quality_facts(engine, declared, tables, log).await?.into_iter().map(Fact::EvidenceQuality));
    }
    if scope == Scope::Whole || declared.lineage.is_some() {
        facts.push(Fact::EvidenceQuality(evidence_quality::of_lineage(declared.lineage.as_ref())));
    }
    if let (Some(segments), Some(log)) = (&segments, log) {
        let mixes = mix_facts(engine, declared, tables, log, segments, declared.memory.mixes()).await?;
        facts.extend(mixes.into_iter().map(Fact::Mix));
    }
    Ok((facts, segments))
}

async fn quality_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    log: Option<&Log>,
) -> Result<Vec<evidence_quality::EvidenceQuality>> {
    let mut facts = Vec::new();
    let evidence = &declared.manifest.value.evidence;
    facts.push(evidence_quality::of_documents("data_map", evidence.data_map.len()));
    facts.push(evidence_quality::of_documents("consent_policy", evidence.consent_policy.len()));
    let log_has_subjects = log.is_some_and(|log| log.subjects.is_some());
    for role in Role::ALL {
        let table = tables.0.get(&role);
        if table.is_none()
            && matches!(role, Role::Uses | Role::Links | Role::History | Role::Candidate | Role::Outcomes)
        {
            continue;
        }
        let coverage = match (role, table, log) {
            (Role::Recommendations, Some(_), Some(log)) => Coverage {
                subjects: log.subjects,
                subjects_missing: None,
                first: log.first.clone(),
                last: log.last.clone(),
            },
            (Role::ConsentRecords | Role::Subjects, Some(_), _) => people(engine, role, log_has_subjects).await?,
            _ => Coverage::default(),
        };
        facts.push(evidence_quality::of_table(role, table, coverage));
    }
    Ok(facts)
}

/// The people in a table, and those of the log whom it lacks.
async fn people(engine: &Engine, role: Role, log_has_subjects: bool) -> Result<Coverage> {
    let (name, timed) = (role.id(), role == Role::ConsentRecords);
    let times = if timed { "min(timestamp) AS first, max(timestamp) AS last" } else { "0 AS first, 0 AS last" };
    let own = engine.rows(&format!("SELECT count(DISTINCT subject_id) AS n, {times} FROM {name}")).await?;
    let missing = if log_has_subjects {
        let sql = format!(
            "SELECT count(DISTINCT d.subject_id) AS n FROM decisions d LEFT ANTI JOIN {name} t ON d.subject_id = t.subject_id"
        );
        Some(engine.rows(&sql).await?.count("n", 0))
    } else {
        None
    };
    let time = |column: &str| own.integer(column, 0).filter(|_| timed).map(crate::engine::rfc3339);
    Ok(Coverage {
        subjects: Some(own.count("n", 0)),
        subjects_missing: missing,
        first: time("first"),
        last: time("last"),
    })
}
