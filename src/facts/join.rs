//! `join`: contexts that decisions combined, pair by pair.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::data_use::{further, merge, of_counts, serve};
use super::judged::Judged;
use super::measured::{Harm, Number};
use super::purpose::Place;
use crate::evidence::consent_policy::{ConsentPolicy, Policies, Version};
use crate::evidence::data_map::DataMap;
use crate::findings::Evidence;
use crate::manifest::Manifest;
use crate::replay::consent::{Code, Matter, Tallies, pair_matter};
use crate::replay::static_joins::StaticJoin;
use crate::replay::uses::{AskedUse, PairAsk, SERVE, TODAY, Use, shared_identities};

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
    /// Whether lineage combines it.
    #[serde(default)]
    pub in_lineage: bool,
    /// Where no decision shows it: people about whom the strategy could decide, and those of them who lack the consent
    /// that the combination takes, as of the day the audit speaks for. Null when no consent records were read.
    pub people: Option<u64>,
    pub people_without_consent: Option<u64>,
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
    /// A join by a use of data, of which nothing was counted yet.
    fn new(usage: &Use, contexts: &(String, String), ask: &PairAsk, version: &Version, map: &DataMap) -> Self {
        let identities = shared_identities(map, version.policy(), (&contexts.0, &contexts.1));
        Self {
            link: identities.first().map(|name| (*name).to_owned()),
            clause: (ask.line > 0).then(|| Place { path: version.name.clone(), line: ask.line }),
            ..Self::bare(&usage.strategy, usage.purpose.as_deref().unwrap_or_default(), &usage.operation, contexts, ask)
        }
    }

    fn is_of(&self, strategy: &str, contexts: &(String, String)) -> bool {
        self.strategy == strategy && self.contexts == [contexts.0.as_str(), contexts.1.as_str()]
    }

    /// Adds the inputs of a use that hold either context, and where the manifest declares them.
    fn add_inputs(&mut self, usage: &Use, manifest: &Manifest, name: &str, policy: &ConsentPolicy, map: &DataMap) {
        let of_pair = |input: &String| {
            let contexts = map.resolve(input).map(|field| field.contexts()).unwrap_or_default();
            contexts.iter().any(|context| self.contexts.iter().any(|own| own == policy.canonical(context)))
        };
        let fields: Vec<String> = usage.inputs.iter().filter(|input| of_pair(input)).cloned().collect();
        if let (true, Some(strategy)) = (usage.inputs_text.is_empty(), manifest.strategy(&usage.strategy)) {
            let lines = strategy.inputs.iter().filter(|input| fields.contains(&input.value)).map(|input| input.line);
            if let Some(line) = lines.min() {
                self.sources = vec![Source { path: name.to_owned(), line, run: None }];
            }
        }
        merge(&mut self.fields, fields);
    }

    fn bare(strategy: &str, purpose: &str, operation: &str, contexts: &(String, String), ask: &PairAsk) -> Self {
        Self {
            strategy: strategy.to_owned(),
            purpose: purpose.to_owned(),
            operation: operation.to_owned(),
            contexts: vec![contexts.0.clone(), contexts.1.clone()],
            link: None,
            requires_consent: ask.requires_consent,
            unlinkable: ask.unlinkable,
            reason: ask.reason.clone(),
            special: ask.special,
            static_only: false,
            in_lineage: false,
            people: None,
            people_without_consent: None,
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
        if let (Some(people), Some(lacking)) = (self.people, self.people_without_consent) {
            evidence.push(Evidence::value("people it would concern", people.to_string()));
            evidence.push(Evidence::value("of them without consent to it", lacking.to_string()));
        }
        for source in &self.sources {
            let run = source.run.as_deref().unwrap_or_default();
            evidence.push(Evidence::place("combined at", run, &source.path, source.line));
        }
        evidence.extend(of_counts(&self.counts));
        evidence
    }

    fn numbers(&self, level: f64) -> Vec<Number> {
        let (lacking, people) = (self.people_without_consent, self.people);
        let today = Number::share("people_without_consent_share", Harm::High, lacking, people, level);
        today.into_iter().chain(self.counts.numbers(level)).collect()
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
    for AskedUse { usage, asked } in uses.iter().filter(|used| used.usage.operation != TODAY) {
        for (number, (asked, version)) in asked.iter().zip(policies.versions()).enumerate() {
            for (pair, ask) in &asked.pairs {
                let matter = pair_matter(usage, pair, number);
                // A version under which nothing happened has nothing to say.
                let Some(counted) = tallies.get(&matter) else { continue };
                let fact = facts.entry(matter).or_insert_with(|| Join {
                    policy_version: policies.name_of(number),
                    counts: Judged::of(counted),
                    ..Join::new(usage, pair, ask, version, map)
                });
                fact.special |= ask.special;
                fact.add_inputs(usage, manifest, manifest_name, version.policy(), map);
            }
        }
    }
    facts.into_values().collect()
}

/// Adds the pairs that strategies declare and no decision shows.
pub fn add_declared(
    joins: &mut Vec<Join>,
    uses: &[AskedUse],
    manifest: &Manifest,
    manifest_name: &str,
    policies: &Policies,
    map: &DataMap,
) {
    for AskedUse { usage, asked } in uses.iter().filter(|used| used.usage.operation == TODAY) {
        let (Some(asked), Some(version)) = (asked.last(), policies.versions().last()) else { continue };
        for (pair, ask) in &asked.pairs {
            if joins.iter().any(|join| join.is_of(&usage.strategy, pair)) {
                continue;
            }
            let mut join = Join { static_only: true, ..Join::new(usage, pair, ask, version, map) };
            join.operation = serve();
            join.add_inputs(usage, manifest, manifest_name, version.policy(), map);
            joins.push(join);
        }
    }
}

/// Tells of joins that no decision shows whom they would concern.
pub fn add_people(joins: &mut [Join], tallies: &BTreeMap<Matter, Tallies>) {
    for (matter, counted) in tallies {
        let Matter::Pair { strategy, operation, contexts, .. } = matter else { continue };
        for join in joins.iter_mut().filter(|join| join.static_only && join.is_of(strategy, contexts)) {
            if operation == TODAY {
                let lacking = counted.of(Code::Without).subjects + counted.of(Code::Unknown).subjects;
                join.people = Some(counted.of(Code::All).subjects);
                join.people_without_consent = Some(lacking);
            }
        }
    }
}

/// Sets what lineage combines beside what the log showed: the same pair is one fact with both kinds of evidence.
/// `policy_name` is what the record calls the version that holds today.
pub fn add_static(joins: &mut Vec<Join>, found: Vec<StaticJoin>, policy_name: &str) {
    for StaticJoin { strategy, purpose, contexts, ask, link, fields, sources } in found {
        let mut known: Vec<usize> = (0..joins.len()).filter(|&i| joins[i].is_of(&strategy, &contexts)).collect();
        if known.is_empty() {
            known.push(joins.len());
            joins.push(Join {
                static_only: true,
                clause: (ask.line > 0).then(|| Place { path: policy_name.to_owned(), line: ask.line }),
                ..Join::bare(&strategy, &purpose, SERVE, &contexts, &ask)
            });
        }
        for index in known {
            let join = &mut joins[index];
            join.special |= ask.special;
            join.in_lineage = true;
            if link.is_some() {
                join.link.clone_from(&link);
            }
            merge(&mut join.fields, fields.iter().cloned());
            // Where the rows are really joined tells more than where the inputs are declared.
            let sources = sources.iter().cloned().map(|(path, line, run)| Source { path, line, run });
            join.sources.splice(0..0, sources);
        }
    }
    joins.sort_by(|a, b| (&a.strategy, &a.contexts).cmp(&(&b.strategy, &b.contexts)));
}
