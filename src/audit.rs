//! The pipeline, from a manifest to a record. Read it top to bottom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use crate::engine::Engine;
use crate::error::{Problem, Result};
use crate::evidence::columns::Role;
use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::data_map::DataMap;
use crate::evidence::files;
use crate::evidence::table::{Loader, Reject, Table};
use crate::evidence::taxonomy::Taxonomy;
use crate::facts::evidence_quality::Coverage;
use crate::facts::join::Names;
use crate::facts::{Fact, data_use, evidence_quality, field, join, outcome_parity, purpose};
use crate::manifest::{Manifest, Metric, Source, Unit};
use crate::playbook::Severity;
use crate::progress::Progress;
use crate::record::{self, EvidenceFile, Record, Run, SCHEMA_VERSION, Settings, Tool};
use crate::replay::consent::{self, Subject, Tallies};
use crate::replay::log::{self, Log};
use crate::replay::outcomes::{self, Home, Question};
use crate::replay::uses::{self, Asked, Need, Use};
use crate::rules::{self, AuditContext, LoadedPack};
use crate::yaml::Document;

/// What to do beyond the manifest.
pub struct Options {
    pub fail_on: Option<Severity>,
    /// Bytes that plans may hold; default half of the machine's.
    pub memory: Option<usize>,
    pub progress: Progress,
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
    let declared = Declared::read(manifest)?;
    let engine = Engine::embedded(options.memory.unwrap_or_else(crate::engine::default_memory))?;
    let tables = match options.static_only {
        true => Tables::default(),
        false => Tables::read(&engine, &declared, &options.progress).await?,
    };
    let replayed = Replayed::run(&engine, &declared, &tables, &options.progress).await?;
    let as_of = declared.as_of(replayed.log.as_ref());
    let facts = measure(&engine, &declared, &tables, &replayed, as_of, options.static_only).await?;
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
    Ok(Audit { record, rejects: tables.rejects() })
}

/// All that is declared: read and checked before any log is opened.
struct Declared {
    manifest: Document<Manifest>,
    taxonomy: Taxonomy,
    /// None when no data map was handed over.
    map: Option<DataMap>,
    policy: Option<Document<ConsentPolicy>>,
    packs: Vec<LoadedPack>,
    names: Names,
    documents: Vec<(&'static str, PathBuf)>,
}

impl Declared {
    fn read(path: &Path) -> Result<Self> {
        let manifest = Manifest::read(path)?;
        let mut taxonomy = Taxonomy::fideslang()?;
        let evidence = &manifest.value.evidence;
        let mut documents = vec![("manifest", manifest.path.clone())];
        let files: Vec<(PathBuf, String)> =
            evidence.data_map.iter().map(|at| (manifest.resolve(at), at.value.clone())).collect();
        documents.extend(files.iter().map(|(path, _)| ("data_map", path.clone())));
        let map = if files.is_empty() { None } else { Some(DataMap::read(&files, &mut taxonomy)?) };
        for purpose in &manifest.value.purposes {
            if !taxonomy.data_uses.contains(&purpose.id.value) {
                let problem =
                    manifest.problem(&purpose.id, format!("data use `{}` is not in the taxonomy", *purpose.id));
                return Err(problem.suggest(&purpose.id, &taxonomy.data_uses).into());
            }
        }
        let policy = match &evidence.consent_policy {
            None => None,
            Some(at) => {
                let policy = Document::<ConsentPolicy>::read(&manifest.resolve(at))?;
                let Some(map) = &map else {
                    let problem = manifest.problem(at, "a consent policy says nothing without a data map");
                    return Err(problem.help("name one under `evidence.data_map`").into());
                };
                policy.check(&taxonomy, &manifest.value, map)?;
                documents.push(("consent_policy", policy.path.clone()));
                Some(policy)
            }
        };
        let packs = rules::load(&manifest)?;
        documents.extend(
            packs
                .iter()
                .filter_map(|pack| pack.path.as_ref())
                .map(|path| ("rule_pack", manifest.resolve(&path.to_string_lossy()))),
        );
        let names = Names {
            manifest: files::name_of(&manifest, &manifest.path),
            policy: evidence.consent_policy.as_ref().map(|at| at.value.clone()).unwrap_or_default(),
        };
        Ok(Self { manifest, taxonomy, map, policy, packs, names, documents })
    }

    /// The day the audit speaks for: the manifest's, else that of the last decision.
    fn as_of(&self, log: Option<&Log>) -> Option<NaiveDate> {
        let last = log.and_then(|log| log.last.as_deref()).and_then(|t| DateTime::parse_from_rfc3339(t).ok());
        self.manifest.value.system.as_of.or_else(|| last.map(|t| t.with_timezone(&Utc).date_naive()))
    }

    fn context(&self, as_of: Option<NaiveDate>) -> AuditContext {
        let Manifest { system, measure, .. } = &self.manifest.value;
        AuditContext {
            system: system.name.clone(),
            owner: system.owner.clone(),
            as_of: as_of.map(|day| day.to_string()),
            unit: measure.unit.id().into(),
            level: measure.level,
            min_cell: measure.min_cell,
        }
    }

    fn system(&self, log: Option<&Log>, as_of: Option<NaiveDate>) -> record::System {
        let Manifest { system, measure, .. } = &self.manifest.value;
        record::System {
            name: system.name.clone(),
            owner: system.owner.clone(),
            description: system.description.clone(),
            as_of: as_of.map(|day| day.to_string()),
            first_decision: log.and_then(|log| log.first.clone()),
            last_decision: log.and_then(|log| log.last.clone()),
            policy: self.policy.as_ref().map(|policy| record::Policy {
                version: policy.value.version.clone(),
                effective: policy.value.effective.map(|t| t.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            }),
            packs: self
                .packs
                .iter()
                .map(|pack| record::Pack { id: pack.id.clone(), version: pack.version.clone() })
                .collect(),
            settings: Settings {
                unit: measure.unit.id().into(),
                level: measure.level,
                min_cell: measure.min_cell,
                max_rejected: measure.max_rejected,
                seed: measure.seed,
            },
        }
    }

    /// Every file that was read, with its hash.
    fn evidence(&self, tables: &Tables) -> Result<Vec<EvidenceFile>> {
        let mut evidence = Vec::new();
        for (role, path) in &self.documents {
            evidence.push(EvidenceFile {
                role: (*role).into(),
                path: files::name_of(&self.manifest, path),
                format: "yaml".into(),
                rows: None,
                rejected: None,
                sha256: files::sha256(path)?,
            });
        }
        for (role, table) in &tables.0 {
            evidence.extend(table.files.iter().map(|file| EvidenceFile {
                role: role.id().into(),
                path: file.name.clone(),
                format: file.format.clone(),
                rows: Some(file.rows),
                rejected: Some(file.rejected),
                sha256: file.sha256.clone(),
            }));
        }
        Ok(evidence)
    }

    fn sources(&self, role: Role) -> &[Source] {
        let evidence = &self.manifest.value.evidence;
        match role {
            Role::Recommendations => &evidence.recommendations,
            Role::ConsentRecords => &evidence.consent_records,
            Role::Subjects => &evidence.subjects,
            Role::Items => &evidence.items,
        }
    }
}

/// The tables that were handed over, read.
#[derive(Default)]
struct Tables(BTreeMap<Role, Table>);

impl Tables {
    async fn read(engine: &Engine, declared: &Declared, progress: &Progress) -> Result<Self> {
        let measure = &declared.manifest.value.measure;
        let segments: BTreeSet<String> = measure.segments.iter().map(|s| s.attribute.value.clone()).collect();
        let within = measure.within.iter().map(|at| at.value.clone());
        let mut tables = Self::default();
        for role in [Role::Subjects, Role::Recommendations, Role::ConsentRecords, Role::Items] {
            let sources = declared.sources(role);
            if sources.is_empty() {
                continue;
            }
            let canonical = |name: &String| role.columns().iter().any(|column| column.name == name);
            let attributes: BTreeSet<String> = match role {
                Role::Subjects => segments.clone(),
                Role::Recommendations => segments.iter().cloned().chain(within.clone()).collect(),
                Role::ConsentRecords | Role::Items => BTreeSet::new(),
            };
            let loader = Loader {
                engine,
                manifest: &declared.manifest,
                role,
                attributes: attributes.into_iter().filter(|name| !canonical(name)).collect(),
                // A log of rows without people is audited row by row, when the manifest says so.
                optional: if measure.unit == Unit::Impression { &["subject_id"] } else { &[] },
                progress,
            };
            let mut table = loader.load(sources).await?;
            if role == Role::Subjects {
                log::prepare_subjects(engine, &mut table).await?;
            }
            table.within(measure.max_rejected, &declared.manifest, role)?;
            tables.0.insert(role, table);
        }
        tables.check_columns(declared)?;
        if let Some(table) = tables.0.get_mut(&Role::Recommendations) {
            progress.start("finding decisions", 0);
            log::prepare(engine, table, measure.unit).await?;
            table.within(measure.max_rejected, &declared.manifest, Role::Recommendations)?;
        }
        Ok(tables)
    }

    fn has(&self, role: Role, column: &str) -> bool {
        self.0.get(&role).is_some_and(|table| table.present.contains(column))
    }

    /// Where an attribute's values are: with the subjects if they have it, else in the log.
    fn home(&self, attribute: &str) -> Option<Home> {
        if self.has(Role::Subjects, attribute) {
            return Some(Home::Subjects);
        }
        self.has(Role::Recommendations, attribute).then_some(Home::Log)
    }

    /// Every attribute that the manifest compares by must be somewhere.
    fn check_columns(&self, declared: &Declared) -> Result<()> {
        if !self.0.contains_key(&Role::Recommendations) {
            return Ok(());
        }
        let manifest = &declared.manifest;
        let measure = &manifest.value.measure;
        let header = |roles: &[Role]| -> BTreeSet<String> {
            roles.iter().filter_map(|role| self.0.get(role)).flat_map(|table| table.header.iter().cloned()).collect()
        };
        let segments = measure.segments.iter().map(|segment| &segment.attribute);
        let missing_segment = segments.filter(|at| self.home(at).is_none()).map(|at| {
            let message = format!("segment attribute `{}` is a column neither of `subjects` nor of the log", at.value);
            manifest.problem(at, message).suggest(at, header(&[Role::Subjects, Role::Recommendations]))
        });
        let within = measure.within.iter().filter(|at| !self.has(Role::Recommendations, at));
        let missing_within = within.map(|at| {
            let problem = manifest.problem(at, format!("`{}` is not a column of the log", at.value));
            problem.suggest(at, header(&[Role::Recommendations]))
        });
        let problems: Vec<Problem> = missing_segment.chain(missing_within).collect();
        crate::error::all_clear(problems)
    }

    fn rejects(&self) -> Vec<Reject> {
        self.0.values().flat_map(|table| table.rejects.iter().cloned()).collect()
    }
}

/// What the replay found.
#[derive(Default)]
struct Replayed {
    /// None when there is no log.
    log: Option<Log>,
    uses: Vec<(Use, Option<Asked>)>,
    tallies: BTreeMap<Subject, Tallies>,
}

impl Replayed {
    async fn run(engine: &Engine, declared: &Declared, tables: &Tables, progress: &Progress) -> Result<Self> {
        let Some(table) = tables.0.get(&Role::Recommendations) else { return Ok(Self::default()) };
        let manifest = &declared.manifest.value;
        let log = log::summarise(engine, table).await?;
        let empty = DataMap::default();
        let map = declared.map.as_ref().unwrap_or(&empty);
        let mut needs: Vec<Need> = Vec::new();
        let mut asked = Vec::new();
        for usage in uses::of_log(engine, manifest, map).await? {
            let ask = match (&declared.policy, usage.purpose.clone()) {
                (Some(policy), Some(purpose)) => Some(uses::ask(&usage, &purpose, &policy.value, manifest, &mut needs)),
                _ => None,
            };
            asked.push((usage, ask));
        }
        let mut replayed = Self { log: Some(log), uses: asked, tallies: BTreeMap::new() };
        // Consent is a person's: without people in the log there is nobody to ask about.
        if let (Some(policy), true) = (&declared.policy, table.present.contains("subject_id")) {
            progress.start("replaying consent", 0);
            let replay = consent::Replay {
                engine,
                manifest: &declared.manifest,
                policy: &policy.value,
                map,
                taxonomy: &declared.taxonomy,
                uses: &replayed.uses,
                needs: &needs,
                have_records: tables.0.contains_key(&Role::ConsentRecords),
            };
            replayed.tallies = replay.run().await?;
        }
        Ok(replayed)
    }
}

/// All facts, in the order of their kinds.
async fn measure(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    replayed: &Replayed,
    as_of: Option<NaiveDate>,
    static_only: bool,
) -> Result<Vec<Fact>> {
    let manifest = &declared.manifest.value;
    let log = replayed.log.as_ref();
    let mut facts = Vec::new();
    let purposes = purpose::measure(manifest, &declared.names.manifest, declared.map.as_ref(), log, as_of);
    facts.extend(purposes.into_iter().map(Fact::Purpose));
    if let Some(map) = &declared.map {
        let uses: Vec<Use> = replayed.uses.iter().map(|(usage, _)| usage.clone()).collect();
        let fields = field::measure(manifest, map, log.map(|_| uses.as_slice()));
        facts.extend(fields.into_iter().map(Fact::Field));
        if let (Some(policy), false) = (&declared.policy, replayed.tallies.is_empty()) {
            let policy = &policy.value;
            let carriers = |usage: &Use, category: &str| -> Vec<String> {
                let carries = |input: &&String| {
                    map.resolve(input).is_some_and(|field| field.parts.keys().any(|(c, _)| c == category))
                };
                usage.inputs.iter().filter(carries).cloned().collect()
            };
            let (uses, tallies) = (&replayed.uses, &replayed.tallies);
            let data_uses = data_use::measure(uses, tallies, manifest, &declared.names.policy, carriers);
            facts.extend(data_uses.into_iter().map(Fact::DataUse));
            let canonical = |context: &str| policy.canonical(context).to_owned();
            let joins = join::measure(uses, tallies, manifest, &declared.names, map, canonical);
            facts.extend(joins.into_iter().map(Fact::Join));
        }
    }
    facts.extend(outcome_facts(engine, declared, tables).await?.into_iter().map(Fact::OutcomeParity));
    if !static_only {
        facts.extend(quality_facts(engine, declared, tables, log).await?.into_iter().map(Fact::EvidenceQuality));
    }
    Ok(facts)
}

async fn outcome_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
) -> Result<Vec<outcome_parity::OutcomeParity>> {
    if !tables.0.contains_key(&Role::Recommendations) {
        return Ok(Vec::new());
    }
    let measure = &declared.manifest.value.measure;
    let wanted = measure.metrics.clone().unwrap_or_else(|| Metric::ALL.to_vec());
    let metrics: Vec<Metric> =
        wanted.into_iter().filter(|metric| tables.has(Role::Recommendations, metric.column())).collect();
    let attributes: BTreeMap<String, Home> = measure
        .segments
        .iter()
        .filter_map(|segment| Some((segment.attribute.value.clone(), tables.home(&segment.attribute)?)))
        .collect();
    let within: Vec<String> = measure.within.iter().map(|at| at.value.clone()).collect();
    let question = Question { unit: measure.unit, metrics: &metrics, attributes: &attributes, within: &within };
    let cells = outcomes::cells(engine, &question).await?;
    check_references(&declared.manifest, &cells)?;
    Ok(outcome_parity::measure(&cells, measure))
}

/// A reference that no subject has would leave its attribute without any comparison.
fn check_references(manifest: &Document<Manifest>, cells: &[outcomes::Cell]) -> Result<()> {
    let mut problems = Vec::new();
    for segment in &manifest.value.measure.segments {
        let of_it = cells.iter().filter(|cell| cell.attribute == *segment.attribute);
        let values: BTreeSet<&str> = of_it.map(|cell| cell.value.as_str()).collect();
        if let Some(reference) = &segment.reference
            && !values.is_empty()
            && !values.contains(reference.as_str())
        {
            let message = format!("no subject of the log has `{}` as its `{}`", **reference, *segment.attribute);
            problems.push(manifest.problem(reference, message).suggest(reference, &values));
        }
    }
    crate::error::all_clear(problems)
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
    facts.push(evidence_quality::of_documents("consent_policy", usize::from(evidence.consent_policy.is_some())));
    let log_has_subjects = log.is_some_and(|log| log.subjects.is_some());
    for role in [Role::ConsentRecords, Role::Recommendations, Role::Subjects, Role::Items] {
        let table = tables.0.get(&role);
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
