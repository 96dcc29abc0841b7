//! `join`: contexts that decisions combined, pair by pair.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::data_use::{further, merge, of_counts, serve};
use super::judged::Judged;
use super::purpose::Place;
use crate::evidence::consent_policy::Policies;
use crate::evidence::data_map::DataMap;
use crate::findings::Evidence;
use crate::manifest::Manifest;
use crate::replay::consent::{Matter, Tallies, pair_matter};
use crate::replay::static_joins::StaticJoin;
use crate::replay::uses::{AskedUse, PairAsk, Requirement, SERVE, shared_identities};

/// Decisions of one strategy that combined one pair of contexts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Join {
    pub strategy: String,
    pub purpose: String,
    /// What was done with the data: `serve` (a recommendation), `train`, `link` or `share`.
    #[serde(default = "serve")]
    pub operation: String,
    /// The pair, in alphabetical order. Authorisation is asked pair by pair and is not transitive.
    pub contexts: Vec<String>,
    /// What links them: the join key, when lineage shows it, else the identifier that the data map names.
    pub link: Option<String>,
    /// Whether the policy asks for a grant that covers the combination.
    pub requires_consent: bool,
    /// Whether the policy lets no identifier link the two, so that no consent makes it lawful.
    #[serde(default)]
    pub unlinkable: bool,
    /// Why no consent is asked, or why none helps.
    pub reason: Option<String>,
    /// Whether the pair holds a special category.
    pub special: bool,
    /// Whether lineage or a declaration combines the pair for the strategy, and no decision of a log shows it.
    #[serde(default)]
    pub static_only: bool,
    /// The version of the policy that judged; null when one version judged all.
    pub policy_version: Option<String>,
    #[serde(flatten)]
    pub counts: Judged,
    /// The fields on either side.
    pub fields: Vec<String>,
    /// Where the combination is declared or seen: the strategy's inputs, lineage, SQL.
    pub sources: Vec<Source>,
    /// The clause of the policy that decided.
    pub clause: Option<Place>,
}

impl Join {
    /// A join that nothing was counted of yet.
    fn new(strategy: &str, purpose: &str, operation: &str, contexts: &(String, String), ask: &PairAsk) -> Self {
        Self {
            strategy: strategy.to_owned(),
            purpose: purpose.to_owned(),
            operation: operation.to_owned(),
            contexts: vec![contexts.0.clone(), contexts.1.clone()],
            link: None,
            requires_consent: matches!(ask.requirement, Requirement::Grant(_)),
            unlinkable: ask.unlinkable,
            reason: ask.reason.clone(),
            special: ask.special,
            static_only: false,
            policy_version: None,
            counts: Judged::default(),
            fields: Vec::new(),
            sources: Vec::new(),
            clause: None,
        }
    }
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
        strategy reads stand among its sources, and make the fact where no log shows the pair. `events` = permitted + in \
        grace + without consent + unknown + before the policy.";
    const NEEDS_LOG: bool = true;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        let mut identity = BTreeMap::from([
            ("strategy", self.strategy.clone()),
            ("purpose", self.purpose.clone()),
            ("contexts", self.contexts.join("+")),
        ]);
        identity.extend(further(&self.operation, self.policy_version.as_ref()));
        identity
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
        evidence.extend(of_counts(&self.counts));
        evidence
    }
}

/// Sets the counts of each pair beside what the policy asks of it.
pub fn measure(
    uses: &[AskedUse],
    tallies: &BTreeMap<Matter, Tallies>,
    manifest: &Manifest,
    manifest_name: &str,
    policies: &Policies,
    map: &DataMap,
) -> Vec<Join> {
    let mut facts: BTreeMap<Matter, Join> = BTreeMap::new();
    for AskedUse { usage, asked } in uses {
        let Some(purpose) = &usage.purpose else { continue };
        for (number, (asked, version)) in asked.iter().zip(policies.versions()).enumerate() {
            for (pair, ask) in &asked.pairs {
                let matter = pair_matter(usage, pair, number);
                // A version under which nothing happened has nothing to say.
                let Some(counted) = tallies.get(&matter) else { continue };
                let policy = version.policy();
                let fact = facts.entry(matter).or_insert_with(|| Join {
                    link: shared_identities(map, policy, (&pair.0, &pair.1)).first().map(|name| (*name).to_owned()),
                    policy_version: policies.name_of(number),
                    counts: Judged::of(counted),
                    clause: (ask.line > 0).then(|| Place { path: version.name.clone(), line: ask.line }),
                    ..Join::new(&usage.strategy, purpose, &usage.operation, pair, ask)
                });
                fact.special |= ask.special;
                let of_pair = |input: &String| {
                    let contexts = map.resolve(input).map(|field| field.contexts()).unwrap_or_default();
                    contexts.iter().any(|context| fact.contexts.iter().any(|own| own == policy.canonical(context)))
                };
                let fields: Vec<String> = usage.inputs.iter().filter(|input| of_pair(input)).cloned().collect();
                if usage.inputs_text.is_empty()
                    && let Some(strategy) = manifest.strategy(&usage.strategy)
                {
                    let lines =
                        strategy.inputs.iter().filter(|input| fields.contains(&input.value)).map(|input| input.line);
                    if let Some(line) = lines.min() {
                        fact.sources = vec![Source { path: manifest_name.to_owned(), line, run: None }];
                    }
                }
                merge(&mut fact.fields, fields);
            }
        }
    }
    facts.into_values().collect()
}

/// Sets what lineage combines beside what the log showed: the same pair is one fact with both kinds of evidence.
/// `policy_name` is what the record calls the version that holds today.
pub fn add_static(joins: &mut Vec<Join>, found: Vec<StaticJoin>, policy_name: &str) {
    for StaticJoin { strategy, purpose, contexts, ask, link, fields, sources } in found {
        let of_it = |join: &Join| join.strategy == strategy && join.contexts == [&*contexts.0, &*contexts.1];
        let mut known: Vec<usize> = (0..joins.len()).filter(|&index| of_it(&joins[index])).collect();
        if known.is_empty() {
            known.push(joins.len());
            joins.push(Join {
                static_only: true,
                clause: (ask.line > 0).then(|| Place { path: policy_name.to_owned(), line: ask.line }),
                ..Join::new(&strategy, &purpose, SERVE, &contexts, &ask)
            });
        }
        for index in known {
            let join = &mut joins[index];
            join.special |= ask.special;
            if link.is_some() {
                join.link.clone_from(&link);
            }
            merge(&mut join.fields, fields.iter().cloned());
            let sources = sources.iter().cloned();
            join.sources.extend(sources.map(|(path, line, run)| Source { path, line, run }));
        }
    }
    joins.sort_by(|a, b| (&a.strategy, &a.contexts).cmp(&(&b.strategy, &b.contexts)));
}
