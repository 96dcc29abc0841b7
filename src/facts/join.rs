//! `join`: contexts that decisions combined, pair by pair.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::data_use::merge;
use super::purpose::Place;
use crate::evidence::data_map::DataMap;
use crate::findings::Evidence;
use crate::manifest::Manifest;
use crate::replay::consent::{Matter, Sample, Tallies};
use crate::replay::static_joins::StaticJoin;
use crate::replay::uses::{Asked, Requirement, Use};

/// Decisions of one strategy that combined one pair of contexts.
///
/// `events` = `events_permitted` + `events_in_grace` + `events_without_consent` + `events_unknown` +
/// `events_before_policy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Join {
    pub strategy: String,
    pub purpose: String,
    /// The pair, in alphabetical order. Authorisation is asked pair by pair and is not transitive.
    pub contexts: Vec<String>,
    /// What links them: the join key, when lineage shows it, else the identifier that the data map names.
    pub link: Option<String>,
    /// Whether the policy asks for a grant that covers the combination.
    pub requires_consent: bool,
    /// Why not, when it does not.
    pub reason: Option<String>,
    /// Whether the pair holds a special category.
    pub special: bool,
    /// Whether lineage combines the pair for the strategy, and no decision of a log shows it.
    #[serde(default)]
    pub static_only: bool,
    /// Decisions that combined the pair.
    pub events: u64,
    /// Distinct subjects of those decisions.
    pub subjects: u64,
    pub events_permitted: u64,
    /// Without a grant in force whose scope covers both contexts together.
    pub events_without_consent: u64,
    pub subjects_without_consent: u64,
    /// After a withdrawal, within the policy's grace.
    pub events_in_grace: u64,
    /// After a withdrawal, past the grace; part of `events_without_consent`.
    pub events_after_withdrawal: u64,
    /// Of subjects who are in no consent record at all.
    pub events_unknown: u64,
    /// Before the policy took effect; not judged.
    pub events_before_policy: u64,
    /// Time of the first and last decision without consent, RFC 3339, UTC.
    pub first_without_consent: Option<String>,
    pub last_without_consent: Option<String>,
    /// The fields on either side.
    pub fields: Vec<String>,
    /// Where the combination is declared or seen: the strategy's inputs, lineage, SQL.
    pub sources: Vec<Source>,
    /// The clause of the policy that decided.
    pub clause: Option<Place>,
    /// A few of the decisions without consent, the first ones.
    #[serde(default)]
    pub samples: Vec<Sample>,
}

/// Where a join was declared or seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    pub path: String,
    pub line: u64,
    /// Run id of the lineage event, if it is one.
    pub run: Option<String>,
}

impl FactKind for Join {
    const NAME: &'static str = "join";
    const DOC: &'static str = "One fact per strategy, purpose and unordered pair of contexts that its decisions combined. \
        Where the policy says that the combination needs consent, a grant whose scope covers both contexts together \
        must be in force at the time of the decision: two grants for one context each do not add up to one, and \
        {a, b} with {b, c} does not give {a, c}. Statements and runs of the lineage that combine the pair in what the \
        strategy reads stand among its sources, and make the fact where no log shows the pair.";
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("purpose", self.purpose.clone()),
            ("contexts", self.contexts.join("+")),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = Vec::new();
        if let Some(at) = &self.clause {
            evidence.push(Evidence::place("policy clause", "", &at.path, at.line));
        }
        evidence.push(Evidence::value("fields", self.fields.join(", ")));
        if let Some(link) = &self.link {
            evidence.push(Evidence::value("linked by", link));
        }
        for source in &self.sources {
            let run = source.run.as_deref().unwrap_or_default();
            evidence.push(Evidence::place("combined at", run, &source.path, source.line));
        }
        if let (Some(first), Some(last)) = (&self.first_without_consent, &self.last_without_consent) {
            evidence.push(Evidence::value("first without consent", first));
            evidence.push(Evidence::value("last without consent", last));
        }
        evidence.extend(self.samples.iter().map(|sample| Evidence::value("sample", sample.sentence())));
        evidence
    }
}

/// Sets the counts of each pair beside what the policy asks of it.
pub fn measure(
    uses: &[(Use, Option<Asked>)],
    tallies: &BTreeMap<Matter, Tallies>,
    manifest: &Manifest,
    names: &Names,
    map: &DataMap,
    canonical: impl Fn(&str) -> String,
) -> Vec<Join> {
    let mut facts: BTreeMap<Matter, Join> = BTreeMap::new();
    for (usage, asked) in uses {
        let (Some(asked), Some(purpose)) = (asked, &usage.purpose) else { continue };
        for (pair, ask) in &asked.pairs {
            let matter = Matter::Pair { strategy: usage.strategy.clone(), contexts: pair.clone() };
            let counts = tallies.get(&matter).cloned().unwrap_or_default();
            let contexts = vec![pair.0.clone(), pair.1.clone()];
            let fact = facts.entry(matter).or_insert_with(|| Join {
                strategy: usage.strategy.clone(),
                purpose: purpose.clone(),
                link: link(map, &contexts, &canonical),
                requires_consent: matches!(ask.requirement, Requirement::Grant(_)),
                reason: ask.reason.clone(),
                special: ask.special,
                static_only: false,
                events: counts.all.events,
                subjects: counts.all.subjects,
                events_permitted: counts.permitted.events,
                events_without_consent: counts.without.events,
                subjects_without_consent: counts.without.subjects,
                events_in_grace: counts.in_grace.events,
                events_after_withdrawal: counts.after_withdrawal.events,
                events_unknown: counts.unknown.events,
                events_before_policy: counts.before_policy.events,
                first_without_consent: counts.without.first,
                last_without_consent: counts.without.last,
                samples: counts.samples,
                fields: Vec::new(),
                sources: Vec::new(),
                clause: (ask.line > 0).then(|| Place { path: names.policy.clone(), line: ask.line }),
                contexts,
            });
            fact.special |= ask.special;
            let of_pair = |input: &String| {
                let contexts = map.resolve(input).map(|field| field.contexts()).unwrap_or_default();
                contexts.iter().any(|context| fact.contexts.contains(&canonical(context)))
            };
            let fields: Vec<String> = usage.inputs.iter().filter(|input| of_pair(input)).cloned().collect();
            if usage.inputs_text.is_empty()
                && let Some(strategy) = manifest.strategy(&usage.strategy)
            {
                let lines =
                    strategy.inputs.iter().filter(|input| fields.contains(&input.value)).map(|input| input.line);
                if let Some(line) = lines.min() {
                    fact.sources = vec![Source { path: names.manifest.clone(), line, run: None }];
                }
            }
            merge(&mut fact.fields, fields);
        }
    }
    facts.into_values().collect()
}

/// Sets what lineage combines beside what the log showed: the same pair is one fact with both kinds of evidence.
pub fn add_static(joins: &mut Vec<Join>, found: Vec<StaticJoin>, names: &Names) {
    for StaticJoin { strategy, purpose, contexts, ask, link, fields, sources } in found {
        let contexts = vec![contexts.0, contexts.1];
        let known = joins.iter().position(|join| join.strategy == strategy && join.contexts == contexts);
        let index = known.unwrap_or_else(|| {
            joins.push(Join {
                strategy,
                purpose,
                contexts,
                link: None,
                requires_consent: matches!(ask.requirement, Requirement::Grant(_)),
                reason: ask.reason.clone(),
                special: ask.special,
                static_only: true,
                events: 0,
                subjects: 0,
                events_permitted: 0,
                events_without_consent: 0,
                subjects_without_consent: 0,
                events_in_grace: 0,
                events_after_withdrawal: 0,
                events_unknown: 0,
                events_before_policy: 0,
                first_without_consent: None,
                last_without_consent: None,
                fields: Vec::new(),
                sources: Vec::new(),
                clause: (ask.line > 0).then(|| Place { path: names.policy.clone(), line: ask.line }),
                samples: Vec::new(),
            });
            joins.len() - 1
        });
        let join = &mut joins[index];
        join.special |= ask.special;
        if link.is_some() {
            join.link = link;
        }
        merge(&mut join.fields, fields);
        join.sources.extend(sources.into_iter().map(|(path, line, run)| Source { path, line, run }));
    }
    joins.sort_by(|a, b| (&a.strategy, &a.contexts).cmp(&(&b.strategy, &b.contexts)));
}

/// What the record calls the files that facts point into.
#[derive(Debug, Clone)]
pub struct Names {
    pub manifest: String,
    pub policy: String,
}

/// The first identifier namespace that both contexts hold, by the data map.
fn link(map: &DataMap, contexts: &[String], canonical: &impl Fn(&str) -> String) -> Option<String> {
    let of = |context: &String| -> std::collections::BTreeSet<&String> {
        let fields = map.fields.values().filter(|field| canonical(&field.context) == *context);
        fields.filter_map(|field| field.identity.as_ref()).collect()
    };
    let (first, second) = (of(contexts.first()?), of(contexts.get(1)?));
    first.intersection(&second).next().map(|namespace| (*namespace).clone())
}
