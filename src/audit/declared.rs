//! What is declared, and how the record tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use super::memory::Memory;
use super::tables::Tables;
use crate::decisions::waivers::Waivers;
use crate::engine::Engine;
use crate::error::{Result, all_clear};
use crate::evidence::columns::Role;
use crate::evidence::consent_policy::Policies;
use crate::evidence::data_map::DataMap;
use crate::evidence::files;
use crate::evidence::lineage::Lineage;
use crate::evidence::taxonomy::Taxonomy;
use crate::manifest::{Evidence, Manifest, Source};
use crate::record::{self, EvidenceFile, Settings};
use crate::replay::log::Log;
use crate::replay::static_joins::{self, StaticJoin};
use crate::replay::uses::{self, AskedUse, Need, Use};
use crate::rules::{self, AuditContext, LoadedPack};
use crate::yaml::Document;

fn sources_of(evidence: &Evidence) -> impl Iterator<Item = &Source> {
    let Evidence { recommendations, consent_records, uses, links, subjects, items, prompts, candidate, .. } = evidence;
    [recommendations, consent_records, uses, links, subjects, items, prompts, candidate].into_iter().flatten()
}

/// All that is declared: read and checked before any log is opened.
pub(super) struct Declared {
    pub manifest: Document<Manifest>,
    pub taxonomy: Taxonomy,
    /// None when no data map was handed over.
    pub map: Option<DataMap>,
    pub policies: Option<Policies>,
    /// None when no lineage was handed over.
    pub lineage: Option<Lineage>,
    pub packs: Vec<LoadedPack>,
    /// None when no decisions were handed over.
    pub waivers: Option<Waivers>,
    pub memory: Memory,
    /// What the record calls the manifest.
    pub name: String,
    documents: Vec<(&'static str, PathBuf)>,
}

impl Declared {
    /// `baseline` and `candidate` take the place of the manifest's.
    pub async fn read(path: &Path, baseline: Option<&Path>, candidate: Option<&Path>, engine: &Engine) -> Result<Self> {
        let manifest = Manifest::read_with(path, candidate)?;
        let mut taxonomy = Taxonomy::fideslang()?;
        let evidence = &manifest.value.evidence;
        let mut documents = vec![("manifest", manifest.path.clone())];
        let files: Vec<(PathBuf, String)> =
            evidence.data_map.iter().map(|at| (manifest.resolve(at), at.value.clone())).collect();
        documents.extend(files.iter().map(|(path, _)| ("data_map", path.clone())));
        let mut map = if files.is_empty() { None } else { Some(DataMap::read(&files, &mut taxonomy)?) };
        for purpose in &manifest.value.purposes {
            if !taxonomy.data_uses.contains(&purpose.id.value) {
                let problem =
                    manifest.problem(&purpose.id, format!("data use `{}` is not in the taxonomy", *purpose.id));
                return Err(problem.suggest(&purpose.id, &taxonomy.data_uses).into());
            }
        }
        for source in sources_of(evidence) {
            for category in source.declares.values().chain(source.categories.values()) {
                if !taxonomy.data_categories.contains(&category.value) {
                    let message = format!("data category `{}` is not in the taxonomy", **category);
                    let problem = manifest.problem(category, message);
                    return Err(problem.suggest(category, &taxonomy.data_categories).into());
                }
            }
            if let Some(purpose) = source.purposes.values().find(|at| !taxonomy.data_uses.contains(&at.value)) {
                let problem = manifest.problem(purpose, format!("data use `{}` is not in the taxonomy", **purpose));
                return Err(problem.suggest(purpose, &taxonomy.data_uses).into());
            }
        }
        let policies = Policies::read(&manifest, &taxonomy, map.as_ref())?;
        let versions = policies.iter().flat_map(Policies::versions);
        documents.extend(versions.map(|version| ("consent_policy", version.document.path.clone())));
        if let (Some(first), true) = (evidence.uses.first(), evidence.recommendations.is_empty()) {
            let problem = manifest.problem(&first.path, "`uses` stand beside `recommendations`, and there are none");
            return Err(problem.into());
        }
        check_names(&manifest, map.as_ref())?;
        check_fields(&manifest, map.as_ref())?;
        let lineage = Lineage::read(&manifest, engine).await?;
        if let (Some(map), Some(lineage)) = (&mut map, &lineage) {
            let names = manifest.value.evidence.lineage.iter().flat_map(|source| &source.names);
            map.follow(lineage, &names.map(|(name, means)| (name.clone(), means.value.clone())).collect());
        }
        let packs = rules::load(&manifest)?;
        documents.extend(
            packs
                .iter()
                .filter_map(|pack| pack.path.as_ref())
                .map(|path| ("rule_pack", manifest.resolve(&path.to_string_lossy()))),
        );
        let waivers = match &manifest.value.decisions {
            Some(at) => {
                let path = manifest.resolve(at);
                let waivers = Waivers::read(&path, at, &packs)?;
                documents.push(("decisions", path));
                Some(waivers)
            }
            None => None,
        };
        let memory = Memory::read(&manifest, baseline)?;
        documents.extend(memory.files.iter().cloned());
        let name = files::name_of(&manifest, &manifest.path);
        Ok(Self { manifest, taxonomy, map, policies, lineage, packs, waivers, memory, name, documents })
    }

    /// What lineage combines for the strategies; what it leaves open is listed with what could not be read.
    pub fn static_joins(&mut self, uses: &[AskedUse]) -> Vec<StaticJoin> {
        let (Some(lineage), Some(map), Some(policies)) = (&mut self.lineage, &self.map, &self.policies) else {
            return Vec::new();
        };
        let uses: Vec<Use> = uses.iter().map(|used| used.usage.clone()).collect();
        let found = static_joins::find(lineage, map, policies.latest(), &self.manifest.value, &uses);
        lineage.reject(found.unknown);
        found.joins
    }

    /// The name of a context that stands for all that the policy declares to be the same setting.
    pub fn canonical(&self, context: &str) -> String {
        self.policies.as_ref().map_or(context, |policies| policies.latest().canonical(context)).to_owned()
    }

    /// The data map; empty when none was handed over.
    pub fn map(&self) -> &DataMap {
        static EMPTY: LazyLock<DataMap> = LazyLock::new(DataMap::default);
        self.map.as_ref().unwrap_or(&EMPTY)
    }

    /// What would be if strategies decided today by what they declare: those that no decision of a log is of, and those
    /// for which the lineage combines what no decision shows.
    pub fn today(
        &self,
        have_log: bool,
        uses: &[AskedUse],
        static_joins: &[StaticJoin],
        needs: &mut Vec<Need>,
    ) -> Vec<AskedUse> {
        let shown = |join: &StaticJoin| {
            let of_it = uses.iter().filter(|used| used.usage.strategy == join.strategy);
            of_it.flat_map(|used| &used.asked).any(|asked| asked.pairs.contains_key(&join.contexts))
        };
        let decided = |strategy: &str| uses.iter().any(|used| used.usage.strategy == strategy);
        let wanted = |strategy: &str| {
            !have_log || !decided(strategy) || static_joins.iter().any(|join| join.strategy == strategy && !shown(join))
        };
        let (manifest, map) = (&self.manifest.value, self.map());
        let strategies = manifest.strategies.iter().filter(|strategy| wanted(&strategy.id));
        strategies
            .map(|strategy| {
                let usage = Use::declared(manifest, map, &strategy.id);
                uses::ask_all(usage, self.policies.as_ref(), manifest, map, needs)
            })
            .collect()
    }

    /// The moment that counts as today, in microseconds: the end of the manifest's day, else the last decision, else the
    /// last consent record.
    pub async fn moment(&self, engine: &Engine, log: Option<&Log>, tables: &Tables) -> Result<Option<i64>> {
        let day =
            self.manifest.value.system.as_of.and_then(|day| day.succ_opt()).and_then(|day| day.and_hms_opt(0, 0, 0));
        let last = log.and_then(|log| log.last.as_deref()).and_then(|time| DateTime::parse_from_rfc3339(time).ok());
        let stated = day.map(|next| next.and_utc().timestamp_micros() - 1);
        let known = stated.or(last.map(|time| time.timestamp_micros()));
        if known.is_some() || !tables.0.contains_key(&Role::ConsentRecords) {
            return Ok(known);
        }
        Ok(engine.rows("SELECT max(timestamp) AS last FROM consent_records").await?.integer("last", 0))
    }

    /// The day the audit speaks for: the manifest's, else that of the last decision.
    pub fn as_of(&self, log: Option<&Log>) -> Option<NaiveDate> {
        let last = log.and_then(|log| log.last.as_deref()).and_then(|t| DateTime::parse_from_rfc3339(t).ok());
        self.manifest.value.system.as_of.or_else(|| last.map(|t| t.with_timezone(&Utc).date_naive()))
    }

    pub fn context(&self, as_of: Option<NaiveDate>) -> AuditContext {
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

    pub fn system(&self, log: Option<&Log>, as_of: Option<NaiveDate>) -> record::System {
        let Manifest { system, measure, .. } = &self.manifest.value;
        record::System {
            name: system.name.clone(),
            owner: system.owner.clone(),
            description: system.description.clone(),
            as_of: as_of.map(|day| day.to_string()),
            first_decision: log.and_then(|log| log.first.clone()),
            last_decision: log.and_then(|log| log.last.clone()),
            policies: self
                .policies
                .iter()
                .flat_map(Policies::versions)
                .map(|version| record::Policy {
                    version: version.policy().version.clone(),
                    effective: version.policy().effective.map(|t| t.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                })
                .collect(),
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
    pub fn evidence(&self, tables: &Tables) -> Result<Vec<EvidenceFile>> {
        let mut evidence = Vec::new();
        for (role, path) in &self.documents {
            evidence.push(EvidenceFile {
                role: (*role).into(),
                path: files::name_of(&self.manifest, path),
                format: match *role {
                    "baseline" => "json".into(),
                    "ledger" => "jsonl".into(),
                    _ => "yaml".into(),
                },
                rows: None,
                rejected: None,
                sha256: files::sha256(path)?,
            });
        }
        let lineage = self.lineage.iter().map(|lineage| ("lineage", &lineage.table.files));
        for (role, files) in lineage.chain(tables.0.iter().map(|(role, table)| (role.id(), &table.files))) {
            evidence.extend(files.iter().map(|file| EvidenceFile {
                role: role.into(),
                path: file.name.clone(),
                format: file.format.clone(),
                rows: Some(file.rows),
                rejected: Some(file.rejected),
                sha256: file.sha256.clone(),
            }));
        }
        Ok(evidence)
    }

    pub fn sources(&self, role: Role) -> &[Source] {
        let evidence = &self.manifest.value.evidence;
        match role {
            Role::Recommendations => &evidence.recommendations,
            Role::ConsentRecords => &evidence.consent_records,
            Role::Uses => &evidence.uses,
            Role::Links => &evidence.links,
            Role::Subjects => &evidence.subjects,
            Role::Items => &evidence.items,
            Role::Prompts => &evidence.prompts,
            Role::History => &evidence.history,
            Role::Candidate => &evidence.candidate,
            Role::Outcomes => &evidence.outcomes,
        }
    }
}

/// What the manifest calls a table of the lineage must be in the data map.
fn check_names(manifest: &Document<Manifest>, map: Option<&DataMap>) -> Result<()> {
    let collections: BTreeSet<&str> =
        map.into_iter().flat_map(|map| map.fields.values().map(|field| field.collection.as_str())).collect();
    let names = manifest.value.evidence.lineage.iter().flat_map(|source| source.names.values());
    let unknown = names.filter(|at| !collections.contains(at.as_str())).map(|at| {
        let problem = manifest.problem(at, format!("`{}` is no `dataset.collection` of the data map", at.value));
        problem.suggest(at, &collections)
    });
    all_clear(unknown.collect())
}

/// What columns are said to hold must be in the data map, each field in one column.
fn check_fields(manifest: &Document<Manifest>, map: Option<&DataMap>) -> Result<()> {
    let mut problems = Vec::new();
    let mut columns: BTreeMap<&str, &str> = BTreeMap::new();
    let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
    for (column, field) in sources_of(&manifest.value.evidence).flat_map(|source| &source.fields) {
        let Some(map) = map else {
            let problem = manifest.problem(field, "`fields` names fields of a data map, and none is handed over");
            problems.push(problem.help("name one under `evidence.data_map`"));
            continue;
        };
        if !map.fields.contains_key(&field.value) {
            let message = format!("`{}` is no field of the data map", field.value);
            problems.push(manifest.problem(field, message).suggest(field, map.fields.keys()));
        }
        if *columns.entry(column).or_insert(field) != field.as_str() {
            let message = format!("the column `{column}` is said to hold another field than in another source");
            problems.push(manifest.problem(field, message));
        }
        if *fields.entry(field).or_insert(column) != column.as_str() {
            let message = format!(
                "`{}` is said to be held by two columns, `{}` and `{column}`",
                field.value,
                fields[field.as_str()]
            );
            problems.push(manifest.problem(field, message));
        }
    }
    all_clear(problems)
}
