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
use crate::manifest::{Manifest, Measure, PositionModel, Target, Unit};
use crate::metrics::{METRICS, Metric, Per};
use crate::progress::Progress;
use crate::replay::segments::Home;
use crate::replay::{consent_strings, log, uses};
use crate::yaml::Document;

/// Rows of all evidence below which one processor does the work sooner than several.
const FEW_ROWS: u64 = 200_000;

/// The tables that were handed over, read.
#[derive(Default)]
pub(super) struct Tables(pub BTreeMap<Role, Table>);

impl Tables {
    pub async fn read(engine: &Engine, declared: &Declared, scope: Scope, progress: &Progress) -> Result<Self> {
        let measure = &declared.manifest.value.measure;
        let segments: BTreeSet<String> = measure.segments.iter().map(|s| s.attribute.value.clone()).collect();
        let within = measure.within.iter().map(|at| at.value.clone());
        let groups: BTreeSet<String> = measure.item_groups.iter().map(|group| group.attribute.value.clone()).collect();
        let protected = measure.protected.iter().flatten().map(|at| at.value.clone());
        let held = declared.sources(Role::Subjects).iter().flat_map(|source| source.fields.keys().cloned());
        let arm = measure.loyalty.iter().flat_map(|loyalty| &loyalty.arm).map(|at| at.value.clone());
        let about_people: BTreeSet<String> = protected.chain(held).chain(arm).collect();
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
                Role::Candidate,
                Role::Outcomes,
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
            let mut unwanted: Vec<&str> = Vec::new();
            if role == Role::Subjects {
                unwanted.extend(if age_matters { &[][..] } else { &["birth_date", "age"] });
                unwanted.extend(measure.loyalty.is_none().then_some("enrolled"));
            }
            let unwanted = unwanted.as_slice();
            let canonical = |name: &String| {
                let known = role.columns().iter().any(|column| column.name == name);
                known && !unwanted.contains(&name.as_str())
            };
            let attributes: BTreeSet<String> = match role {
                Role::Subjects => segments.iter().chain(&about_people).cloned().collect(),
                Role::Recommendations => segments.iter().cloned().chain(within.clone()).collect(),
                Role::Items => groups.iter().chain(measure.categories.iter().map(|at| &at.value)).cloned().collect(),
                Role::ConsentRecords
                | Role::Uses
                | Role::Links
                | Role::Prompts
                | Role::History
                | Role::Candidate
                | Role::Outcomes => BTreeSet::new(),
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
        if tables.0.values().flat_map(|table| &table.files).map(|file| file.rows).sum::<u64>() < FEW_ROWS {
            engine.expect_few_rows();
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
        // A list has its order.
        let listed = |table: &Table| role == Role::Recommendations && table.layouts.contains("decisions");
        let implied = |table: &Table| column == "position" && listed(table);
        self.0.get(&role).is_some_and(|table| table.present.contains(column) || implied(table))
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

    /// What measures of loyalty need.
    fn check_loyalty(&self, declared: &Declared) -> Result<()> {
        let manifest = &declared.manifest;
        let Some(loyalty) = &manifest.value.measure.loyalty else { return Ok(()) };
        let mut problems = Vec::new();
        if !self.0.contains_key(&Role::Outcomes) {
            let problem = manifest.problem(&loyalty.holdout, "`measure.loyalty` compares outcomes, and none are read");
            problems.push(problem.help("name a table of orders, visits or answers under `evidence.outcomes`"));
        }
        if manifest.value.measure.unit == Unit::Impression {
            let message = "`measure.loyalty` compares people, and `measure.unit` is `impression`";
            problems.push(manifest.problem(&loyalty.holdout, message));
        }
        let has_log = self.has(Role::Recommendations, "subject_id");
        match &loyalty.arm {
            Some(arm) if !self.has(Role::Subjects, arm) => {
                let message = format!("arm `{}` is not a column of `subjects`", arm.value);
                let header = self.0.get(&Role::Subjects).into_iter().flat_map(|table| table.header.iter());
                problems.push(manifest.problem(arm, message).suggest(arm, header));
            }
            Some(arm) if !has_log && !self.has(Role::Subjects, "enrolled") => {
                let message = "nothing says when people came to be served by their arm";
                let help = "name the column `enrolled` of `subjects` (a time), or hand over the recommendations";
                problems.push(manifest.problem(arm, message).help(help));
            }
            None if !has_log => {
                let message = "which strategy served whom is told by the recommendations, and none are read";
                let help = "hand over the recommendations, or name the column of `subjects` that says it under `arm`";
                problems.push(manifest.problem(&loyalty.holdout, message).help(help));
            }
            _ => {}
        }
        crate::error::all_clear(problems)
    }

    /// Every attribute that the manifest compares by must be somewhere.
    pub fn check_columns(&self, declared: &Declared) -> Result<()> {
        self.check_protected(declared)?;
        self.check_loyalty(declared)?;
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
        let missing_metrics = measure.metrics.iter().flatten().filter_map(|at| {
            let missing = self.missing(at.0, measure)?;
            Some(manifest.problem(at, format!("`{}` needs {missing}", at.0)))
        });
        let categories = measure.categories.iter().filter(|at| !self.has(Role::Items, at));
        let missing_categories = categories.map(|at| {
            let problem = manifest.problem(at, format!("`{}` is not a column of `items`", at.value));
            problem.suggest(at, header(&[Role::Items]))
        });
        let selection = measure.selection.outcome.iter().filter(|at| !self.has(Role::Recommendations, at.id()));
        let missing_outcome = selection.map(|at| {
            let message = format!("the log does not have the column `{}`, which `measure.selection` tables", at.id());
            manifest.problem(at, message).suggest(at.id(), header(&[Role::Recommendations]))
        });
        let missing = missing_segment.chain(missing_within).chain(missing_metrics).chain(missing_outcome);
        let missing = missing.chain(missing_categories);
        let mut problems: Vec<Problem> = missing.collect();
        problems.extend(self.missing_for_items(manifest));
        crate::error::all_clear(problems)
    }

    /// The outcomes to compare: those asked for, else the standard ones that the log has.
    pub fn metrics(&self, measure: &Measure) -> Vec<&'static Metric> {
        match &measure.metrics {
            Some(metrics) => metrics.iter().map(|at| at.0).collect(),
            None => METRICS.iter().filter(|one| one.standard && self.missing(one, measure).is_none()).collect(),
        }
    }

    /// What a metric would need that is not there.
    fn missing(&self, metric: &Metric, measure: &Measure) -> Option<String> {
        let has = |column: &str| self.has(Role::Recommendations, column);
        let stands_in = |column: &str| column == "selected" && measure.cutoff.is_some() && has("position");
        let column = metric.needs.iter().find(|column| !has(column) && !stands_in(column));
        let of_people = matches!(metric.per, Per::Decision | Per::Subject | Per::List | Per::AllDecisions);
        match column {
            Some(&"selected") => Some(
                "the column `selected`, which the log does not have (or `measure.cutoff`, the places that count as \
                 selected)"
                    .to_owned(),
            ),
            Some(column) => Some(format!("the column `{column}`, which the log does not have")),
            None if of_people && measure.unit == Unit::Impression => {
                Some("subjects, and `measure.unit` is `impression`".to_owned())
            }
            None => None,
        }
    }

    /// What the measures of items need and do not find.
    fn missing_for_items(&self, manifest: &Document<Manifest>) -> Vec<Problem> {
        let measure = &manifest.value.measure;
        let mut problems = Vec::new();
        let items = self.0.get(&Role::Items);
        let canonical = |name: &String| Role::Items.columns().iter().any(|column| column.name == name);
        for group in &measure.item_groups {
            let name = &group.attribute.value;
            if canonical(name) {
                let help = "name a column whose values many items share, e.g. a provider or a band of prices";
                let problem = manifest.problem(&group.attribute, format!("`{name}` is no group of items"));
                problems.push(problem.help(help));
            } else if !self.has(Role::Items, name) {
                let message = format!("item attribute `{name}` is not a column of `items`");
                let header = items.into_iter().flat_map(|table| table.header.iter());
                let header = header.filter(|name| !canonical(name));
                problems.push(manifest.problem(&group.attribute, message).suggest(name, header));
            }
            if *group.target == Target::Merit && !self.has(Role::Recommendations, "relevant") {
                let message = "`merit` needs the column `relevant`, which the log does not have";
                problems.push(manifest.problem(&group.target, message));
            }
        }
        if *measure.position_model == PositionModel::Measured && !self.has(Role::Recommendations, "clicked") {
            let message = "`measured` needs the column `clicked`, which the log does not have";
            problems.push(manifest.problem(&measure.position_model, message));
        }
        problems
    }

    pub fn rejects(&self) -> Vec<Reject> {
        self.0.values().flat_map(|table| table.rejects.iter().cloned()).collect()
    }
}
