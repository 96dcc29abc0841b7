//! What one version of the policy asks of a use: category by category, and pair by pair.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asked, CategoryAsk, Need, PairAsk, Requirement, SERVE, TODAY, Use};
use crate::evidence::consent_policy::{ConsentPolicy, MinorRule, Regime};
use crate::evidence::data_map::DataMap;
use crate::manifest::{LegalBasis, Manifest};

/// What is asked of one use, under way.
struct Asking<'a> {
    usage: &'a Use,
    purpose: &'a str,
    policy: &'a ConsentPolicy,
    jurisdiction: &'a str,
    opt_out: bool,
    minors: Option<MinorRule>,
    needs: &'a mut Vec<Need>,
}

/// What a grant, or the absence of an objection, would have to cover.
#[derive(Clone)]
struct Covering {
    categories: BTreeSet<String>,
    contexts: BTreeSet<String>,
    explicit: bool,
}

impl Asking<'_> {
    /// What consent means for `covering`: a grant; where the regime is opt-out and nothing more is asked, no objection.
    fn consent(&mut self, covering: Vec<Covering>, parental: bool) -> Requirement {
        let opt_out = self.opt_out && !parental && covering.iter().all(|one| !one.explicit);
        if opt_out {
            return self.no_objection(covering);
        }
        Requirement::Grant(covering.into_iter().map(|one| self.number(one, false, parental)).collect())
    }

    fn no_objection(&mut self, covering: Vec<Covering>) -> Requirement {
        Requirement::NoObjection(covering.into_iter().map(|one| self.number(one, true, false)).collect())
    }

    fn number(&mut self, covering: Covering, objection: bool, parental: bool) -> usize {
        let grace = self.policy.grace(self.purpose, self.jurisdiction).as_micros();
        let need = Need {
            purpose: self.purpose.to_owned(),
            categories: covering.categories,
            contexts: covering.contexts,
            operation: if self.usage.operation == TODAY { SERVE.to_owned() } else { self.usage.operation.clone() },
            recipient: self.usage.recipient.clone(),
            notices: self.policy.notice_versions(self.purpose).iter().cloned().collect(),
            objection,
            explicit: covering.explicit,
            parental,
            grace: i64::try_from(grace).unwrap_or(i64::MAX / 4),
        };
        self.needs.iter().position(|known| *known == need).unwrap_or_else(|| {
            self.needs.push(need);
            self.needs.len() - 1
        })
    }

    /// What holds for minors where `requirement` holds for others, and consent is asked for `consent`, if it is.
    fn for_minors(&mut self, requirement: &Requirement, consent: Option<Vec<Covering>>) -> Requirement {
        match (self.minors, consent) {
            (Some(MinorRule::Never), _) => Requirement::Never,
            (Some(MinorRule::ParentalConsent), Some(covering)) => self.consent(covering, true),
            _ => requirement.clone(),
        }
    }
}

/// Works out what a use asks for under one version of the policy.
pub fn ask(
    usage: &Use,
    purpose: &str,
    policy: &ConsentPolicy,
    manifest: &Manifest,
    map: &DataMap,
    needs: &mut Vec<Need>,
) -> Asked {
    let jurisdiction = usage.jurisdiction_name(manifest);
    let minors = policy.minors(purpose, jurisdiction);
    let mut asking = Asking {
        usage,
        purpose,
        policy,
        jurisdiction,
        opt_out: policy.regime(jurisdiction) == Regime::OptOut,
        minors: minors.map(|(_, rule)| rule),
        needs,
    };
    // Contexts that are one setting under two names count as one.
    let mut parts: BTreeMap<(String, String), bool> = BTreeMap::new();
    for ((category, context), special) in &usage.resolved.parts {
        *parts.entry((category.clone(), policy.canonical(context).to_owned())).or_default() |= special;
    }
    let mut categories = BTreeMap::new();
    for category in parts.keys().map(|(category, _)| category).filter(|c| !c.is_empty()).collect::<BTreeSet<_>>() {
        let of_it = parts.iter().filter(|((c, _), _)| c == category);
        let contexts: BTreeSet<String> = of_it.clone().map(|((_, context), _)| context.clone()).collect();
        let special = of_it.clone().any(|(_, special)| *special);
        let stated = policy.basis(purpose, category);
        let basis = if special && stated.basis.is_some() { Some(LegalBasis::ExplicitConsent) } else { stated.basis };
        let explicit = basis == Some(LegalBasis::ExplicitConsent);
        let one = |context: &String| Covering {
            categories: BTreeSet::from([category.clone()]),
            contexts: BTreeSet::from([context.clone()]),
            explicit,
        };
        let each: Vec<Covering> = contexts.iter().map(one).collect();
        let consent = matches!(basis, Some(LegalBasis::Consent | LegalBasis::ExplicitConsent)).then(|| each.clone());
        let requirement = match basis {
            None => Requirement::Never,
            Some(LegalBasis::Consent | LegalBasis::ExplicitConsent) => asking.consent(each, false),
            Some(LegalBasis::LegitimateInterests) => asking.no_objection(each),
            Some(_) => Requirement::Free,
        };
        let for_minors = asking.for_minors(&requirement, consent);
        let (prohibited, line) = (stated.prohibited, stated.line);
        let ask = CategoryAsk { basis, prohibited, special, contexts, requirement, for_minors, line };
        categories.insert(category.clone(), ask);
    }
    let contexts: BTreeSet<&String> = parts.keys().map(|(_, context)| context).collect();
    let contexts: Vec<&String> = contexts.into_iter().collect();
    let mut pairs = BTreeMap::new();
    for (index, a) in contexts.iter().enumerate() {
        for b in &contexts[index + 1..] {
            let ask = pair(&mut asking, &parts, &categories, map, (a, b));
            pairs.insert(((*a).clone(), (*b).clone()), ask);
        }
    }
    Asked { categories, pairs, age_limit: minors.map(|(limit, _)| limit) }
}

fn pair(
    asking: &mut Asking<'_>,
    parts: &BTreeMap<(String, String), bool>,
    categories: &BTreeMap<String, CategoryAsk>,
    map: &DataMap,
    (a, b): (&String, &String),
) -> PairAsk {
    let policy = asking.policy;
    let sides: Vec<_> = parts.iter().filter(|((_, context), _)| context == a || context == b).collect();
    let special = sides.iter().any(|(_, special)| **special);
    let rule = policy.pair(asking.purpose, a, b);
    let forbidden = policy.unlinkable((a, b), &shared_identities(map, policy, (a, b)));
    // A declared combination cannot stretch a consent: what was collected under consent leaves its scope when it is
    // combined, whatever basis the combination claims.
    let under_consent = sides.iter().any(|((category, _), _)| {
        let basis = categories.get(category).and_then(|ask| ask.basis);
        matches!(basis, Some(LegalBasis::Consent | LegalBasis::ExplicitConsent))
    });
    let stretched = !rule.requires_consent && under_consent;
    let requires_consent = forbidden.is_none() && (rule.requires_consent || stretched);
    let covering = vec![Covering {
        categories: sides.iter().map(|((c, _), _)| c.clone()).filter(|c| !c.is_empty()).collect(),
        contexts: BTreeSet::from([a.clone(), b.clone()]),
        explicit: special,
    }];
    let requirement = match (forbidden, requires_consent) {
        (Some(_), _) => Requirement::Never,
        (None, true) => asking.consent(covering.clone(), false),
        (None, false) => Requirement::Free,
    };
    let for_minors = asking.for_minors(&requirement, requires_consent.then_some(covering));
    let reason = match forbidden {
        Some(clause) => Some(format!("the policy lets no identifier link `{}` to another context", *clause.context)),
        None if stretched => {
            Some("data under consent leaves its scope when it is combined, whatever the clause says".to_owned())
        }
        None => rule.reason,
    };
    let line = forbidden.map_or(rule.line, |clause| clause.context.line);
    let unlinkable = forbidden.is_some();
    PairAsk { special, requires_consent, requirement, for_minors, unlinkable, reason, line }
}

/// The namespaces of identifiers that both contexts hold, by the data map: what rows of the two can be matched by.
pub fn shared_identities<'m>(map: &'m DataMap, policy: &ConsentPolicy, (a, b): (&str, &str)) -> BTreeSet<&'m str> {
    let of = |context: &str| -> BTreeSet<&str> {
        let fields = map.fields.values().filter(|field| policy.canonical(&field.context) == policy.canonical(context));
        fields.filter_map(|field| field.identity.as_deref()).collect()
    };
    of(a).intersection(&of(b)).copied().collect()
}
