//! The tables of evidence, read and checked against what is to be measured.

use std::collections::{BTreeMap, BTreeSet};

use super::Scope;
use super::declared::Declared;
use crate::engine::Engine;
use crate::error::{Problem, Result};
use crate::evidence::columns::Role;
use crate::evidence::consent_policy::Policies;
use crate::evidence::loader::Loader;
use crate::evidence::table::{Reject, Table};
use crate::manifest::Unit;
use crate::progress::Progress;
use crate::replay::segments::Home;
use crate::replay::{consent_strings, log, uses};

/// The tables that were handed over, read.
#[derive(Default)]
pub(super) struct Tables(pub BTreeMap<Role, Table>);

impl Tables {
    pub async fn read(engine: &Engine, declared: &Declared, scope: Scope, progress: &Progress) -> Result<Self> {
        let measure = &declared.manifest.value.measure;
        let segments: BTreeSet<String> = measure.segments.iter().map(|s| s.attribute.value.clone()).collect();
        let within = measure.within.iter().map(|at| at.value.clone());
        let protected = measure.protected.iter().flatten().map(|at| at.value.clone());
        let held = declared.sources(Role::Subjects).iter().flat_map(|source| source.fields.keys().cloned());
        let about_people: BTreeSet<String> = protected.chain(held).collect();
        let mut tables = Self::default();
        let policies = declared.policies.iter().flat_map(Policies::versions);
        let age_matters = policies.clone().any(|version| version.policy().minors.is_some());
        let roles: &[Role] = match scope {
            Scope::Whole => &[
                Role::Subjects,
                Role::Recommendations,
                Role::ConsentRecords,
                Role::Uses,
                Role::Links,
                Role::Items,
                Role::Prompts,
                Role::History,
            ],
            Scope::Consent => &[Role::Subjects, Role::ConsentRecords, Role::Links],
            Scope::Declared => &[],
        };
        for &role in roles {
            let sources = declared.sources(role);
            if sources.is_empty() {
                continue;
            }
            // How old people are is read only where the policy asks.
            let unwanted: &[&str] = if role == Role::Subjects && !age_matters { &["birth_date", "age"] } else { &[] };
            let canonical = |name: &String| {
                let known = role.columns().iter().any(|column| column.name == name);
                known && !unwanted.contains(&name.as_str())
            };
            let attributes: BTreeSet<String> = match role {
                Role::Subjects => segments.iter().chain(&about_people).cloned().collect(),
                Role::Recommendations => segments.iter().cloned().chain(within.clone()).collect(),
                Role::Items => measure.categories.iter().map(|at| at.value.clone()).collect(),
                Role::ConsentRecords | Role::Uses | Role::Links | Role::Prompts | Role::History => BTreeSet::new(),
            };
            let loader = Loader {
                engine,
                manifest: &declared.manifest,
                role,
                attributes: attributes.into_iter().filter(|name| !canonical(name)).collect(),
                // A log of rows without people is audited row by row, when the manifest says so.
                optional: if measure.unit == Unit::Impression { &["subject_id"] } else { &[] },
                unwanted,
                progress,
                taxonomy: &declared.taxonomy,
            };
            let mut table = loader.load(sources).await?;
            if role == Role::Subjects {
                log::prepare_subjects(engine, &mut table).await?;
            }
            if role == Role::Uses {
                uses::check(engine, &declared.manifest).await?;
            }
            if role == Role::ConsentRecords && table.present.contains("consent_string") {
                progress.start("reading consent strings", 0);
                consent_strings::expand(engine, &mut table, declared.policies.as_ref(), &declared.taxonomy).await?;
            }
            table.within(measure.max_rejected, &declared.manifest, role)?;
            tables.0.insert(role, table);
        }
        if scope == Scope::Whole {
            tables.check_columns(declared)?;
        }
        if let Some(table) = tables.0.get_mut(&Role::Recommendations) {
            progress.start("finding decisions", 0);
            log::prepare(engine, table, measure.unit).await?;
            table.within(measure.max_rejected, &declared.manifest, Role::Recommendations)?;
        }
        Ok(tables)
    }

    pub fn has(&self, role: Role, column: &str) -> bool {
        self.0.get(&role).is_some_and(|table| table.present.contains(column))
    }

    /// Where an attribute's values are: with the subjects if they have it, else in the log.
    pub fn home(&self, attribute: &str) -> Option<Home> {
        if self.has(Role::Subjects, attribute) {
            return Some(Home::Subjects);
        }
        self.has(Role::Recommendations, attribute).then_some(Home::Log)
    }

    /// The columns of subjects for which no input may stand in.
    pub fn protected(&self, declared: &Declared) -> Vec<String> {
        let measure = &declared.manifest.value.measure;
        let named: Vec<String> = match &measure.protected {
            Some(named) => named.iter().map(|at| at.value.clone()).collect(),
            None => measure.segments.iter().map(|segment| segment.attribute.value.clone()).collect(),
        };
        named.into_iter().filter(|name| self.has(Role::Subjects, name)).collect()
    }

    /// Every protected attribute that the manifest names must be a column of subjects.
    fn check_protected(&self, declared: &Declared) -> Result<()> {
        let named = declared.manifest.value.measure.protected.iter().flatten();
        let header = || self.0.get(&Role::Subjects).into_iter().flat_map(|table| table.header.iter());
        let missing = named.filter(|at| !self.has(Role::Subjects, at)).map(|at| {
            let message = format!("protected attribute `{}` is not a column of `subjects`", at.value);
            declared.manifest.problem(at, message).suggest(at, header())
        });
        crate::error::all_clear(missing.collect())
    }

    /// Every attribute that the manifest compares by must be somewhere.
    pub fn check_columns(&self, declared: &Declared) -> Result<()> {
        self.check_protected(declared)?;
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
        let metrics = measure.metrics.iter().flatten().filter(|at| !self.has(Role::Recommendations, at.column()));
        let missing_metrics = metrics.map(|at| {
            let message = format!("`{}` needs the column `{}`, which the log does not have", at.id(), at.column());
            manifest.problem(at, message)
        });
        let categories = measure.categories.iter().filter(|at| !self.has(Role::Items, at));
        let missing_categories = categories.map(|at| {
            let problem = manifest.problem(at, format!("`{}` is not a column of `items`", at.value));
            problem.suggest(at, header(&[Role::Items]))
        });
        let missing = missing_segment.chain(missing_within).chain(missing_metrics).chain(missing_categories);
        let problems: Vec<Problem> = missing.collect();
        crate::error::all_clear(problems)
    }

    pub fn rejects(&self) -> Vec<Reject> {
        self.0.values().flat_map(|table| table.rejects.iter().cloned()).collect()
    }
}
