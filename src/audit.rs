//! The pipeline, from a manifest to a record. Read it top to bottom.

mod declared;
mod measure;
mod risks;
mod scan;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use chrono::{SecondsFormat, Utc};

use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::evidence::data_map::DataMap;
use crate::evidence::table::Reject;
use crate::playbook::Severity;
use crate::progress::Progress;
use crate::record::{Record, Run, SCHEMA_VERSION, Tool};
use crate::replay::consent::{self, Matter, Tallies};
use crate::replay::log::{self, Log};
use crate::replay::uses::{self, AskedUse, Need};
use crate::rules;

use declared::Declared;
use measure::measure;
use tables::Tables;

/// What to do beyond the manifest.
pub struct Options {
    pub fail_on: Option<Severity>,
    /// Bytes that plans may hold; default half of the machine's.
    pub memory: Option<usize>,
    pub progress: Progress,
    /// Key of the pseudonyms of sample subjects; without one they are numbered within their finding.
    pub pseudonym_key: Option<Vec<u8>>,
    /// Whether the log and the other tables are left alone.
    pub static_only: bool,
}

/// An audit: its record, and every row that could not be read.
pub struct Audit {
    pub record: Record,
    pub rejects: Vec<Reject>,
}

/// Audits what `manifest` describes.
pub async fn audit(manifest: &Path, options: &Options) -> Result<Audit> {
    let (started, clock) = (Utc::now(), Instant::now());
    let mut declared = Declared::read(manifest)?;
    let engine = Engine::embedded(options.memory.unwrap_or_else(crate::engine::default_memory))?;
    let tables = match options.static_only {
        true => Tables::default(),
        false => Tables::read(&engine, &declared, &options.progress).await?,
    };
    let replayed = Replayed::run(&engine, &declared, &tables, options).await?;
    let static_joins = declared.static_joins(&replayed.uses);
    let as_of = declared.as_of(replayed.log.as_ref());
    let facts = measure(&engine, &declared, &tables, &replayed, static_joins, as_of, options.static_only).await?;
    options.progress.start("judging", 0);
    let context = declared.context(as_of);
    let judgement = rules::judge(&declared.packs, &facts, &context, replayed.log.is_some())?;
    let fail_on = options.fail_on.unwrap_or(declared.manifest.value.gate.fail_on);
    let verdict = rules::verdict(&judgement.findings, &judgement.steps, fail_on, &facts);
    let record = Record {
        schema_version: SCHEMA_VERSION.into(),
        tool: Tool { name: "probity".into(), version: env!("CARGO_PKG_VERSION").into() },
        system: declared.system(replayed.log.as_ref(), as_of),
        run: Run {
            started: started.to_rfc3339_opts(SecondsFormat::Secs, true),
            seconds: (clock.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        },
        evidence: declared.evidence(&tables)?,
        steps: judgement.steps,
        facts,
        findings: judgement.findings,
        verdict,
    };
    options.progress.finish();
    let lineage = declared.lineage.into_iter().flat_map(|lineage| lineage.table.rejects);
    Ok(Audit { record, rejects: tables.rejects().into_iter().chain(lineage).collect() })
}

/// What the replay found.
#[derive(Default)]
struct Replayed {
    /// None when there is no log.
    log: Option<Log>,
    uses: Vec<AskedUse>,
    tallies: BTreeMap<Matter, Tallies>,
}

impl Replayed {
    async fn run(engine: &Engine, declared: &Declared, tables: &Tables, options: &Options) -> Result<Self> {
        let Some(table) = tables.0.get(&Role::Recommendations) else { return Ok(Self::default()) };
        let manifest = &declared.manifest.value;
        let log = log::summarise(engine, table).await?;
        let empty = DataMap::default();
        let map = declared.map.as_ref().unwrap_or(&empty);
        let mut needs: Vec<Need> = Vec::new();
        uses::view(engine, tables.0.contains_key(&Role::Uses)).await?;
        let policies = declared.policies.as_ref();
        let uses = uses::of_log(engine, manifest, map, policies, &mut needs).await?;
        let mut replayed = Self { log: Some(log), uses, tallies: BTreeMap::new() };
        // Consent is a person's: without people in the log there is nobody to ask about.
        if let (Some(policies), true) = (policies, table.present.contains("subject_id")) {
            options.progress.start("replaying consent", 0);
            let replay = consent::Replay {
                engine,
                manifest: &declared.manifest,
                policies,
                map,
                taxonomy: &declared.taxonomy,
                uses: &replayed.uses,
                needs: &needs,
                sources: consent::Sources {
                    records: tables.0.contains_key(&Role::ConsentRecords),
                    signals: table.present.contains("gpc"),
                },
                ages: consent::Ages {
                    birth_date: tables.has(Role::Subjects, "birth_date"),
                    age: tables.has(Role::Subjects, "age"),
                },
                samples: manifest.measure.samples,
                pseudonyms: consent::Pseudonyms(options.pseudonym_key.as_deref()),
            };
            replayed.tallies = replay.run().await?;
        }
        Ok(replayed)
    }
}
