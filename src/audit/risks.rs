//! Risks to people: how far a strategy's inputs tell them apart, and which of them stand in for what is protected.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::evidence::data_map::{DataMap, MappedField};
use crate::evidence::taxonomy::covers;
use crate::facts::Fact;
use crate::facts::proxy::{self, Association, Proxy};
use crate::facts::purpose::Place;
use crate::facts::reidentification::{Classes, ContextClasses, Diversity, QuasiIdentifier, Reidentification, share};
use crate::replay::association::{self, Looks};
use crate::replay::exposure::{self, Exposure};
use crate::replay::log::Log;
use crate::replay::profiles::{Population, Profiles};
use crate::replay::reidentification::{diversity, sizes};
use crate::replay::uses::Use;
use crate::stats::association::{correlation_ratio, cramers_v};

/// Categories of values that are names of somebody or something, however many digits they have.
const NAMES: [&str; 4] = ["user.contact", "user.unique_id", "user.device", "user.government_id"];

/// What the risks are measured on.
struct Bench<'a> {
    engine: &'a Engine,
    declared: &'a Declared,
    map: &'a DataMap,
    exposures: BTreeMap<String, Exposure>,
    /// The column of subjects that holds a field.
    held: BTreeMap<String, String>,
    protected: Vec<String>,
    /// None without subjects, or where the log is of nobody.
    profiles: Option<Profiles>,
}

/// The facts on risks, those on re-identification first.
pub(super) async fn risk_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    log: Option<&Log>,
    uses: &[Use],
) -> Result<Vec<Fact>> {
    let Some(map) = &declared.map else { return Ok(Vec::new()) };
    let exposures = exposure::of(&declared.manifest.value, map, uses);
    let held: BTreeMap<String, String> = declared
        .sources(Role::Subjects)
        .iter()
        .flat_map(|source| &source.fields)
        .map(|(column, field)| (field.value.clone(), column.clone()))
        .filter(|(_, column)| tables.has(Role::Subjects, column))
        .collect();
    let protected = tables.protected(declared);
    let mut columns: Vec<String> = held.values().chain(&protected).cloned().collect();
    columns.sort();
    columns.dedup();
    let strategies: Vec<&str> = exposures.keys().map(String::as_str).collect();
    let profiles = match (tables.0.contains_key(&Role::Subjects) && !held.is_empty(), log) {
        (true, Some(log)) if log.subjects.is_some() => Some(Profiles::of_log(engine, columns).await?),
        (true, None) => Some(Profiles::of_everyone(engine, columns, &strategies).await?),
        _ => None,
    };
    let bench = Bench { engine, declared, map, exposures, held, protected, profiles };
    let mut facts = Vec::new();
    if map.fields.values().any(|field| field.quasi_identifier) {
        for (strategy, exposure) in &bench.exposures {
            facts.push(Fact::Reidentification(bench.reidentification(strategy, exposure).await?));
        }
    }
    facts.extend(bench.proxies().await?.into_iter().map(Fact::Proxy));
    Ok(facts)
}

impl Bench<'_> {
    async fn reidentification(&self, strategy: &str, exposure: &Exposure) -> Result<Reidentification> {
        let measure = &self.declared.manifest.value.measure;
        let marked = |of: fn(&MappedField) -> bool| {
            exposure.fields.keys().filter_map(move |name| Some((name, self.map.fields.get(name).filter(|f| of(f))?)))
        };
        let quasi = |(name, field): (&String, &MappedField)| QuasiIdentifier {
            field: name.clone(),
            contexts: exposure::contexts(self.map, name, |context| self.declared.canonical(context))
                .into_iter()
                .collect(),
            column: self.held.get(name).cloned(),
            mapped_at: place(field),
        };
        let quasi_identifiers: Vec<QuasiIdentifier> = marked(|field| field.quasi_identifier).map(quasi).collect();
        let mut contexts: Vec<String> = quasi_identifiers.iter().flat_map(|q| q.contexts.iter().cloned()).collect();
        contexts.sort();
        contexts.dedup();
        let special: Vec<&String> =
            marked(|field| field.special && !field.quasi_identifier).map(|(name, _)| name).collect();
        let absent = |name: &&String| !self.held.contains_key(*name);
        let population = self.population(strategy);
        let mut fact = Reidentification {
            strategy: strategy.to_owned(),
            missing: quasi_identifiers.iter().filter(|q| q.column.is_none()).map(|q| q.field.clone()).collect(),
            unmapped: exposure.unmapped.iter().cloned().collect(),
            k: measure.k,
            subjects: None,
            subjects_missing: population.missing,
            suppressed: self.profiles.is_some() && population.subjects < measure.min_cell,
            joined: None,
            before: Vec::new(),
            increment_unique: None,
            increment_under_k: None,
            under_k_at_most: None,
            diversity: Vec::new(),
            special_missing: special.iter().copied().filter(absent).cloned().collect(),
            contexts,
            quasi_identifiers,
        };
        let columns = columns(fact.quasi_identifiers.iter());
        let Some(profiles) = self.profiles.as_ref().filter(|_| !columns.is_empty() && !fact.suppressed) else {
            return Ok(fact);
        };
        let classes = async |columns: &[&str]| -> Result<Option<Classes>> {
            Ok(Classes::of(&sizes(self.engine, profiles, strategy, columns).await?, measure.k))
        };
        let joined = classes(&columns).await?;
        let mut before = Vec::new();
        for context in &fact.contexts {
            let alone = fact.quasi_identifiers.iter().filter(|quasi| quasi.contexts == [context.clone()]);
            let columns = self::columns(alone);
            if !columns.is_empty()
                && let Some(classes) = classes(&columns).await?
            {
                before.push(ContextClasses { context: context.clone(), classes });
            }
        }
        for field in special {
            let Some(column) = self.held.get(field) else { continue };
            if let Some(of) = diversity(self.engine, profiles, strategy, &columns, column).await? {
                fact.diversity.push(Diversity {
                    field: field.clone(),
                    values: of.values,
                    l_distinct: of.distinct,
                    l_entropy: of.entropy,
                    t: of.distance,
                    alike: of.alike,
                    share_alike: share(of.alike, population.subjects),
                });
            }
        }
        if let Some(joined) = &joined {
            let added = |of: fn(&Classes) -> f64| {
                let worst = before.iter().map(|context| of(&context.classes)).fold(0.0, f64::max);
                (fact.contexts.len() > 1).then(|| of(joined) - worst)
            };
            fact.increment_unique = added(|classes| classes.share_unique);
            fact.increment_under_k = added(|classes| classes.share_under_k);
            let all = population.subjects + population.missing;
            fact.under_k_at_most = Some(share(joined.under_k + population.missing, all));
            fact.subjects = Some(population.subjects);
        }
        (fact.joined, fact.before) = (joined, before);
        Ok(fact)
    }

    fn population(&self, strategy: &str) -> Population {
        self.profiles.as_ref().and_then(|profiles| profiles.populations.get(strategy)).copied().unwrap_or_default()
    }

    /// Every held field behind an input beside every protected attribute; and the inputs that are not held.
    async fn proxies(&self) -> Result<Vec<Proxy>> {
        let Some(profiles) = self.profiles.as_ref().filter(|_| !self.protected.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut facts = Vec::new();
        for (strategy, exposure) in &self.exposures {
            let about_people = |input: &&String| !exposure::contexts_of_people(self.map, input).is_empty();
            let absent = exposure
                .inputs
                .iter()
                .filter(about_people)
                .filter(|input| exposure.fields.contains_key(*input) && !self.held.contains_key(*input));
            facts.extend(absent.filter_map(|input| self.blank(strategy, exposure, input, Association::NotAtHand)));
        }
        let columns: Vec<&str> = self.held.values().map(String::as_str).collect();
        let looks = association::looks(self.engine, profiles, &columns).await?;
        for (field, column) in &self.held {
            let reaches = |(_, exposure): &(&String, &Exposure)| exposure.fields.contains_key(field);
            let strategies: Vec<(&String, &Exposure)> = self.exposures.iter().filter(reaches).collect();
            if strategies.is_empty() {
                continue;
            }
            let numeric = self.is_numeric(field, looks.get(column).copied().unwrap_or_default());
            for attribute in &self.protected {
                let measured = match (column == attribute, numeric) {
                    (true, _) => BTreeMap::new(),
                    (false, true) => self.by_numbers(profiles, column, attribute).await?,
                    (false, false) => self.by_groups(profiles, column, attribute).await?,
                };
                for (strategy, exposure) in &strategies {
                    let blank = self.blank(strategy, exposure, field, Association::Itself);
                    facts.extend(blank.map(|blank| Proxy { attribute: Some(attribute.clone()), ..blank }).map(
                        |blank| {
                            if column == attribute { blank } else { self.filled(blank, measured.get(*strategy)) }
                        },
                    ));
                }
            }
        }
        facts.sort_by(|a, b| (&a.strategy, &a.field, &a.attribute).cmp(&(&b.strategy, &b.field, &b.attribute)));
        proxy::correct(&mut facts);
        Ok(facts)
    }

    fn is_numeric(&self, field: &str, looks: Looks) -> bool {
        let Some(mapped) = self.map.fields.get(field) else { return false };
        match mapped.data_type.as_deref() {
            Some("integer" | "float") => looks.numbers,
            Some(_) => false,
            None => {
                let name = |category: &String| NAMES.iter().any(|names| covers(names, category));
                looks.like_quantities() && !mapped.categories.iter().any(name)
            }
        }
    }

    async fn by_groups(&self, profiles: &Profiles, x: &str, attribute: &str) -> Result<BTreeMap<String, Measured>> {
        let measure = &self.declared.manifest.value.measure;
        let counts = association::counts(self.engine, profiles, x, attribute, measure.min_cell).await?;
        let one = |(strategy, counts): (String, association::Counts)| {
            let (own, merged) = told_apart(counts.cells.iter().map(|cell| cell.0), counts.levels.0);
            let (of_attribute, _) = told_apart(counts.cells.iter().map(|cell| cell.1), counts.levels.1);
            let measured = Measured {
                statistic: "cramers_v",
                subjects: counts.cells.iter().map(|cell| cell.2).sum(),
                levels: Some((own, merged)),
                attribute_levels: of_attribute,
                association: cramers_v(&counts.cells, measure.level),
            };
            (strategy, measured)
        };
        Ok(counts.into_iter().map(one).collect())
    }

    async fn by_numbers(&self, profiles: &Profiles, x: &str, attribute: &str) -> Result<BTreeMap<String, Measured>> {
        let measure = &self.declared.manifest.value.measure;
        let numbers = association::numbers(self.engine, profiles, x, attribute, measure.min_cell).await?;
        let one = |(strategy, numbers): (String, association::Numbers)| {
            let measured = Measured {
                statistic: "correlation_ratio",
                subjects: numbers.groups.iter().map(|group| group.n as u64).sum(),
                levels: None,
                attribute_levels: numbers.groups.len() as u64,
                association: correlation_ratio(&numbers.groups, measure.level),
            };
            (strategy, measured)
        };
        Ok(numbers.into_iter().map(one).collect())
    }

    /// A fact without numbers; None for a field that the map does not know.
    fn blank(&self, strategy: &str, exposure: &Exposure, field: &str, comparison: Association) -> Option<Proxy> {
        Some(Proxy {
            strategy: strategy.to_owned(),
            field: field.to_owned(),
            inputs: exposure.fields.get(field)?.iter().cloned().collect(),
            column: self.held.get(field).cloned(),
            attribute: None,
            comparison,
            statistic: None,
            strength: None,
            uncorrected: None,
            p_value: None,
            q_value: None,
            subjects: None,
            unknown: None,
            levels: None,
            levels_merged: None,
            attribute_levels: None,
            mapped_at: place(self.map.fields.get(field)?),
        })
    }

    fn filled(&self, blank: Proxy, measured: Option<&Measured>) -> Proxy {
        let enough = measured.filter(|of| of.subjects >= self.declared.manifest.value.measure.min_cell);
        let Some(of) = enough else { return Proxy { comparison: Association::Suppressed, ..blank } };
        let Population { subjects, missing } = self.population(&blank.strategy);
        let association = of.association.as_ref();
        Proxy {
            comparison: if association.is_some() { Association::Measured } else { Association::Constant },
            statistic: association.map(|_| of.statistic.to_owned()),
            strength: association.map(|found| found.strength.clone()),
            uncorrected: association.map(|found| found.uncorrected),
            p_value: association.map(|found| found.p_value),
            subjects: Some(of.subjects),
            unknown: Some((subjects + missing).saturating_sub(of.subjects)),
            levels: of.levels.map(|(levels, _)| levels),
            levels_merged: of.levels.map(|(_, merged)| merged),
            attribute_levels: Some(of.attribute_levels),
            ..blank
        }
    }
}

/// How a field goes with an attribute among one strategy's people.
struct Measured {
    statistic: &'static str,
    subjects: u64,
    /// Levels told apart, and those counted as one; None for numbers.
    levels: Option<(u64, u64)>,
    attribute_levels: u64,
    association: Option<crate::stats::association::Association>,
}

/// Of `levels` ranked ones (0 is all others together): how many were told apart, the others as one, and how many make
/// up these others.
fn told_apart(ranks: impl Iterator<Item = usize>, levels: u64) -> (u64, u64) {
    let ranks: std::collections::BTreeSet<usize> = ranks.collect();
    let alone = ranks.iter().filter(|rank| **rank > 0).count() as u64;
    (ranks.len() as u64, levels.saturating_sub(alone))
}

fn columns<'q>(quasi_identifiers: impl Iterator<Item = &'q QuasiIdentifier>) -> Vec<&'q str> {
    quasi_identifiers.filter_map(|quasi| quasi.column.as_deref()).collect()
}

fn place(field: &MappedField) -> Place {
    Place { path: field.path.clone(), line: field.line }
}
