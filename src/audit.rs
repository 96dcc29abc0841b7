//! The pipeline, from a manifest to a record. Read it top to bottom.

mod bias;
mod candidate;
mod choice;
mod declared;
mod items;
mod loyalty;
mod measure;
mod memory;
mod mixes;
mod risks;
mod scan;
mod tables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::{SecondsFormat, Utc};

use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::evidence::table::Reject;
use crate::playbook::Severity;
use crate::progress::Progress;
use crate::record::{Record, Run, SCHEMA_VERSION, Tool};
use crate::replay::consent::{self, Matter, Tallies};
use crate::replay::log::{self, Log};
use crate::replay::static_joins::StaticJoin;
use crate::replay::uses::{self, AskedUse, Need};
use crate::rules;

use declared::Declared;
use measure::measure;
use tables::Tables;

/// What to do beyond the manifest.
pub struct Options {
    pub fail_on: Option<Severity>,
    /// In place of the manifest's.
    pub baseline: Option<PathBuf>,
    /// The table of a candidate, in place of the manifest's.
    pub candidate: Option<PathBuf>,
    /// Bytes that plans may hold; default half of the machine's.
    pub memory: Option<usize>,
    pub progress: Progress,
    /// Key of the pseudonyms of sample subjects; without one they are numbered within their finding.
    pub pseudonym_key: Option<Vec<u8>>,
    pub scope: Scope,
}

/// Which evidence is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Whole,
    /// What is declared, and who agreed to what: what could be joined, and for how many people that lacks consent.
    Consent,
    /// What is declared.
    Declared,
}

/// An audit: its record, and every row that could not be read.
pub struct Audit {
    pub record: Record,
    pub rejects: Vec<Reject>,
}

/// Audits what `manifest` describes.
pub async fn audit(manifest: &Path, options: &Options) -> Result<Audit> {
    let (started, clock) = (Utc::now(), Instant::now());
    let engine = Engine::embedded(options.memory.unwrap_or_else(crate::engine::default_memory))?;
    let mut declared =
        Declared::read(manifest, options.baseline.as_deref(), options.candidate.as_deref(), &engine).await?;
    if options.scope != Scope::Whole {
        candidate::check(&engine, &declared, &options.progress).await?;
    }
    let tables = Tables::read(&engine, &declared, options.scope, &options.progress).await?;
    let replayed = Replayed::run(&engine, &mut declared, &tables, options).await?;
    let as_of = declared.as_of(replayed.log.as_ref());
    let mut facts = measure(&engine, &declared, &tables, &replayed, as_of, options.scope).await?;
    facts.extend(declared.memory.beside(&facts, declared.manifest.value.measure.level, as_of));
    options.progress.start("judging", 0);
    let context = declared.context(as_of);
    let mut judgement = rules::judge(&declared.packs, &facts, &context, replayed.log.is_some())?;
    let waivers = match &declared.waivers {
        Some(waivers) => waivers.apply(&mut judgement.findings, &facts, &declared.packs, as_of),
        None => Vec::new(),
    };
    let rules::Judgement { mut findings, steps } = judgement;
    let (baseline, ledger) = declared.memory.apply(&mut findings, &steps, &facts, &declared.packs, as_of);
    let fail_on = options.fail_on.unwrap_or(declared.manifest.value.gate.fail_on);
    let verdict = rules::verdict(&findings, &steps, fail_on, &facts);
    let record = Record {
        schema_version: SCHEMA_VERSION.into(),
        tool: Tool { name: "probity".into(), version: env!("CARGO_PKG_VERSION").into() },
        system: declared.system(replayed.log.as_ref(), as_of),
        run: Run {
            started: started.to_rfc3339_opts(SecondsFormat::Secs, true),
            seconds: (clock.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
            folder: folder_from_here(manifest),
        },
        evidence: declared.evidence(&tables)?,
        steps,
        facts,
        findings,
        waivers,
        baseline,
        ledger,
        verdict,
    };
    options.progress.finish();
    let lineage = declared.lineage.into_iter().flat_map(|lineage| lineage.table.rejects);
    Ok(Audit { record, rejects: tables.rejects().into_iter().chain(lineage).collect() })
}

/// The folder of a file as seen from the current one; none when it lies outside.
fn folder_from_here(file: &Path) -> Option<String> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (folder, here) = (parent.canonicalize().ok()?, std::env::current_dir().ok()?.canonicalize().ok()?);
    let names = folder.strip_prefix(here).ok()?.iter().map(|name| name.to_str());
    Some(names.collect::<Option<Vec<_>>>()?.join("/"))
}

/// What the replay found.
#[derive(Default)]
struct Replayed {
    /// None when there is no log.
    log: Option<Log>,
    uses: Vec<AskedUse>,
    tallies: BTreeMap<Matter, Tallies>,
    /// What the lineage combines.
    static_joins: Vec<StaticJoin>,
}

impl Replayed {
    async fn run(engine: &Engine, declared: &mut Declared, tables: &Tables, options: &Options) -> Result<Self> {
        let log = match tables.0.get(&Role::Recommendations) {
            Some(table) => Some(log::summarise(engine, table).await?),
            None => None,
        };
        let mut rows = uses::Rows { decisions: log.is_some(), uses: tables.0.contains_key(&Role::Uses), today: None };
        let mut needs: Vec<Need> = Vec::new();
        let mut uses = Vec::new();
        if log.is_some() {
            uses::view(engine, &rows).await?;
            let policies = declared.policies.as_ref();
            uses = uses::of_log(engine, &declared.manifest.value, declared.map(), policies, &mut needs).await?;
        }
        let static_joins = declared.static_joins(&uses);
        let today = declared.today(log.is_some(), &uses, &static_joins, &mut needs);
        let strategies: Vec<String> = today.iter().map(|used| used.usage.strategy.clone()).collect();
        uses.extend(today);
        if let (Some(at), Some(people), false) =
            (declared.moment(engine, log.as_ref(), tables).await?, people(tables), strategies.is_empty())
        {
            rows.today = Some((&strategies, at, people));
        }
        let mut replayed = Self { log, uses, tallies: BTreeMap::new(), static_joins };
        // Consent is a person's: without people there is nobody to ask about.
        let known = rows.today.is_some() || tables.has(Role::Recommendations, "subject_id");
        let Some(policies) = declared.policies.as_ref().filter(|_| known) else { return Ok(replayed) };
        options.progress.start("replaying consent", 0);
        uses::view(engine, &rows).await?;
        let replay = consent::Replay {
            engine,
            manifest: &declared.manifest,
            policies,
            map: declared.map(),
            taxonomy: &declared.taxonomy,
            uses: &replayed.uses,
            needs: &needs,
            sources: consent::Sources {
                records: tables.0.contains_key(&Role::ConsentRecords),
                signals: tables.has(Role::Recommendations, "gpc"),
                links: tables.0.contains_key(&Role::Links),
            },
            ages: consent::Ages {
                birth_date: tables.has(Role::Subjects, "birth_date"),
                age: tables.has(Role::Subjects, "age"),
            },
            samples: declared.manifest.value.measure.samples,
            pseudonyms: consent::Pseudonyms(options.pseudonym_key.as_deref()),
        };
        replayed.tallies = replay.run().await?;
        Ok(replayed)
    }
}

/// A plan of the people who are asked about today: those of the log, else all whom the evidence knows.
fn people(tables: &Tables) -> Option<String> {
    if tables.has(Role::Recommendations, "subject_id") {
        return Some("SELECT DISTINCT subject_id FROM decisions".to_owned());
    }
    let roles = [Role::ConsentRecords, Role::Subjects].into_iter().filter(|role| tables.0.contains_key(role));
    let parts: Vec<String> = roles.map(|role| format!("SELECT subject_id FROM {}", role.id())).collect();
    (!parts.is_empty()).then(|| parts.join(" UNION "))
}
