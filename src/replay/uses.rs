//! Uses: the distinct ways in which decisions used data, and what the policy asks of each.
//!
//! A log has many decisions and few kinds of them: strategy, set of inputs, jurisdiction. Each kind is looked at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::LIST;
use crate::evidence::consent_policy::{ConsentPolicy, Regime};
use crate::evidence::data_map::{DataMap, Resolved};
use crate::manifest::{LegalBasis, Manifest};

/// One kind of decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    pub strategy: String,
    /// None: nobody declared the strategy.
    pub purpose: Option<String>,
    /// As the log writes it; empty where it writes none.
    pub jurisdiction: String,
    /// The inputs text of the rows; empty where the strategy's declaration stands for them.
    pub inputs_text: String,
    pub inputs: BTreeSet<String>,
    /// Inputs that the data map does not know.
    pub unmapped: BTreeSet<String>,
    /// All that the mapped inputs stand for.
    pub resolved: Resolved,
    pub decisions: u64,
}

impl Use {
    /// The jurisdiction that decides, and its name in facts.
    pub fn jurisdiction_name<'a>(&'a self, manifest: &'a Manifest) -> &'a str {
        match (self.jurisdiction.as_str(), manifest.system.jurisdiction.as_deref()) {
            ("", None) => "unstated",
            ("", Some(default)) => default,
            (stated, _) => stated,
        }
    }
}

/// What the policy asks of a use of one category, or of one pair of contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// No clause covers it.
    NoBasis,
    /// It may be used without asking.
    Free,
    /// A grant must be in force for each of these needs.
    Grant(BTreeSet<usize>),
    /// No objection may be in force against any of these.
    NoObjection(BTreeSet<usize>),
}

/// A scope that a use asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    pub purpose: String,
    /// All of these must be covered.
    pub categories: BTreeSet<String>,
    /// One context, or a pair that is combined.
    pub contexts: BTreeSet<String>,
    pub explicit: bool,
}

/// What one use asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub categories: BTreeMap<String, CategoryAsk>,
    pub pairs: BTreeMap<(String, String), PairAsk>,
    pub regime: Regime,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CategoryAsk {
    pub basis: Option<LegalBasis>,
    pub special: bool,
    pub contexts: BTreeSet<String>,
    pub requirement: Requirement,
    /// Line of the policy's clause; 0 without one.
    pub line: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PairAsk {
    pub special: bool,
    pub requirement: Requirement,
    pub reason: Option<String>,
    pub line: u64,
}

/// The distinct uses in the log, in order.
pub async fn of_log(engine: &Engine, manifest: &Manifest, map: &DataMap) -> Result<Vec<Use>> {
    let rows = engine
        .rows(
            "SELECT strategy, inputs, jurisdiction, count(*) AS n FROM decisions GROUP BY strategy, inputs, jurisdiction \
             ORDER BY strategy, inputs, jurisdiction",
        )
        .await?;
    Ok((0..rows.len())
        .map(|row| {
            let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
            make(manifest, map, text("strategy"), text("inputs"), text("jurisdiction"), rows.count("n", row))
        })
        .collect())
}

fn make(
    manifest: &Manifest,
    map: &DataMap,
    strategy: String,
    inputs_text: String,
    jurisdiction: String,
    n: u64,
) -> Use {
    let declared = manifest.strategy(&strategy);
    let mut inputs: BTreeSet<String> =
        inputs_text.split(LIST).map(str::trim).filter(|input| !input.is_empty()).map(str::to_owned).collect();
    if inputs.is_empty() {
        inputs.extend(declared.into_iter().flat_map(|s| s.inputs.iter().map(|i| i.value.clone())));
    }
    let mut resolved = Resolved::default();
    let mut unmapped = BTreeSet::new();
    for input in &inputs {
        match map.resolve(input) {
            Some(field) => resolved.merge(field),
            None => {
                unmapped.insert(input.clone());
            }
        }
    }
    let purpose = declared.map(|s| s.purpose.value.clone());
    Use { strategy, purpose, jurisdiction, inputs_text, inputs, unmapped, resolved, decisions: n }
}

/// Works out what a use asks for. Needs are numbered by `needs`, which grows.
pub fn ask(usage: &Use, purpose: &str, policy: &ConsentPolicy, manifest: &Manifest, needs: &mut Vec<Need>) -> Asked {
    let regime = policy.regime(usage.jurisdiction_name(manifest));
    // Contexts that are one setting under two names count as one.
    let mut parts: BTreeMap<(String, String), bool> = BTreeMap::new();
    for ((category, context), special) in &usage.resolved.parts {
        *parts.entry((category.clone(), policy.canonical(context).to_owned())).or_default() |= special;
    }
    let mut number = |need: Need| {
        needs.iter().position(|known| *known == need).unwrap_or_else(|| {
            needs.push(need);
            needs.len() - 1
        })
    };
    let mut categories = BTreeMap::new();
    for category in parts.keys().map(|(category, _)| category).filter(|c| !c.is_empty()).collect::<BTreeSet<_>>() {
        let of_it = parts.iter().filter(|((c, _), _)| c == category);
        let contexts: BTreeSet<String> = of_it.clone().map(|((_, context), _)| context.clone()).collect();
        let special = of_it.clone().any(|(_, special)| *special);
        let stated = policy.basis(purpose, category);
        let basis = if special && stated.basis.is_some() { Some(LegalBasis::ExplicitConsent) } else { stated.basis };
        let mut each = |explicit: bool| -> BTreeSet<usize> {
            let scope = |context: &String| Need {
                purpose: purpose.to_owned(),
                categories: BTreeSet::from([category.clone()]),
                contexts: BTreeSet::from([context.clone()]),
                explicit,
            };
            contexts.iter().map(|context| number(scope(context))).collect()
        };
        let requirement = match basis {
            None => Requirement::NoBasis,
            Some(LegalBasis::Consent) => Requirement::Grant(each(false)),
            Some(LegalBasis::ExplicitConsent) => Requirement::Grant(each(true)),
            Some(LegalBasis::LegitimateInterests) => Requirement::NoObjection(each(false)),
            Some(_) => Requirement::Free,
        };
        categories.insert(category.clone(), CategoryAsk { basis, special, contexts, requirement, line: stated.line });
    }
    let contexts: Vec<&String> =
        parts.keys().map(|(_, context)| context).collect::<BTreeSet<_>>().into_iter().collect();
    let mut pairs = BTreeMap::new();
    for (index, a) in contexts.iter().enumerate() {
        for b in &contexts[index + 1..] {
            let sides: Vec<_> = parts.iter().filter(|((_, context), _)| context == *a || context == *b).collect();
            let special = sides.iter().any(|(_, special)| **special);
            let rule = policy.pair(purpose, a, b);
            // A declared combination cannot stretch a consent: what was collected under consent leaves its scope when
            // it is combined, whatever basis the combination claims.
            let under_consent = sides.iter().any(|((category, _), _)| {
                categories.get(category).is_some_and(|ask| matches!(ask.requirement, Requirement::Grant(_)))
            });
            let stretched = !rule.requires_consent && under_consent;
            let requirement = if rule.requires_consent || stretched {
                Requirement::Grant(BTreeSet::from([number(Need {
                    purpose: purpose.to_owned(),
                    categories: sides.iter().map(|((c, _), _)| c.clone()).filter(|c| !c.is_empty()).collect(),
                    contexts: BTreeSet::from([(*a).clone(), (*b).clone()]),
                    explicit: special,
                })]))
            } else {
                Requirement::Free
            };
            let reason = if stretched {
                Some("data under consent leaves its scope when it is combined, whatever the clause says".to_owned())
            } else {
                rule.reason
            };
            pairs.insert(((*a).clone(), (*b).clone()), PairAsk { special, requirement, reason, line: rule.line });
        }
    }
    Asked { categories, pairs, regime }
}
