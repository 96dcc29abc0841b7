//! The consent policy: which data may be used for what on which legal basis, and which contexts may be combined.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

mod check;
pub mod strings;
mod versions;

pub use versions::{Policies, Version};

use super::taxonomy::covers;
use crate::manifest::LegalBasis;
use crate::yaml::At;

/// A consent policy.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentPolicy {
    /// The organisation's own version of its policy.
    pub version: String,
    /// Decisions before it are not judged. RFC 3339.
    pub effective: Option<DateTime<Utc>>,
    /// What no record means where no other regime is named.
    #[serde(default)]
    pub default_regime: Regime,
    /// What no record means, by jurisdiction.
    #[serde(default)]
    pub regimes: BTreeMap<String, Regime>,
    /// How long use may go on after a withdrawal, e.g. `24h`; jurisdictions and purposes may state their own.
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<String>")]
    pub grace: Option<Duration>,
    /// The same by jurisdiction, e.g. `US-CA: 15d`.
    #[serde(default, deserialize_with = "durations")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub graces: BTreeMap<String, Duration>,
    pub purposes: Vec<PurposeClause>,
    #[serde(default)]
    pub combinations: Combinations,
    /// Who is too young, and for what.
    pub minors: Option<Minors>,
    /// What the signal `Sec-GPC: 1` of a browser says no to.
    pub global_privacy_control: Option<GlobalPrivacyControl>,
    /// Contexts that are one setting under two names.
    #[serde(default)]
    pub same_as: Vec<Vec<At<String>>>,
    /// What consent strings in the records mean: TC strings (TCF), GPP and US Privacy strings.
    pub consent_strings: Option<strings::ConsentStrings>,
}

/// What it means that a person was asked nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    /// No record, no use.
    #[default]
    OptIn,
    /// No record, use.
    OptOut,
}

/// The legal basis of each category for one purpose and those below it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurposeClause {
    /// A fideslang data use that the manifest declares, or an ancestor of one.
    pub purpose: At<String>,
    #[serde(default, deserialize_with = "duration")]
    #[schemars(with = "Option<String>")]
    pub grace: Option<Duration>,
    /// Versions of the notice under which a grant counts; default all.
    #[serde(default)]
    pub notice_versions: Vec<String>,
    pub categories: Vec<CategoryClause>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryClause {
    /// A fideslang data category; it covers those below it.
    pub category: At<String>,
    /// Mandatory unless the use is prohibited.
    pub basis: Option<LegalBasis>,
    /// Whether the use is forbidden, so that no consent makes it lawful (e.g. DSA Art. 26(3)).
    #[serde(default)]
    pub prohibited: bool,
}

/// Whose age matters.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Minors {
    /// Whoever is younger than this at the decision is a minor, in years.
    pub age_limit: u8,
    /// The same by jurisdiction, e.g. `FR: 15`.
    #[serde(default)]
    pub limits: BTreeMap<String, u8>,
    /// For these purposes and those below them; default all.
    #[serde(default)]
    pub purposes: Vec<At<String>>,
    #[serde(default)]
    pub rule: MinorRule,
}

/// What holds for minors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MinorRule {
    /// Their personal data is not used for it.
    #[default]
    Never,
    /// Where consent is the basis, a parent gives it (records with `parental`).
    ParentalConsent,
}

/// The Global Privacy Control: an objection that a browser sends with every request.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GlobalPrivacyControl {
    /// What it says no to: these purposes and those below them.
    pub purposes: Vec<At<String>>,
    /// Where it binds; default everywhere.
    #[serde(default)]
    pub jurisdictions: Vec<String>,
}

/// Which contexts may be combined.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Combinations {
    /// What holds for a pair that no clause names.
    pub default: CombinationDefault,
    pub clauses: Vec<CombinationClause>,
    /// Contexts that no identifier may link to another one, whatever was consented to.
    pub unlinkable: Vec<Unlinkable>,
}

/// A context that stays apart.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unlinkable {
    pub context: At<String>,
    /// Namespaces of the identifiers that may not link it (`identity` in the data map); default any.
    #[serde(default)]
    pub by: Vec<At<String>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CombinationDefault {
    /// A grant that covers the combination is needed.
    #[default]
    Consent,
    /// Contexts may be combined freely.
    Allowed,
}

/// A combination that the policy names.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CombinationClause {
    /// Two contexts or more; the clause speaks for each pair of them.
    pub contexts: Vec<At<String>>,
    /// Only for this purpose and those below it; default all.
    pub purpose: Option<At<String>>,
    pub basis: LegalBasis,
    /// Why consent is not needed; mandatory when the basis is not consent.
    pub reason: Option<String>,
}

/// What the policy says of one category for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// None: no clause covers it, or it is prohibited.
    pub basis: Option<LegalBasis>,
    pub prohibited: bool,
    /// Line of the clause in the policy, 0 without one.
    pub line: u64,
}

/// What the policy says of one pair of contexts for one purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairRule {
    pub requires_consent: bool,
    /// Why not, when it does not.
    pub reason: Option<String>,
    /// Line of the clause in the policy, 0 without one.
    pub line: u64,
}

impl ConsentPolicy {
    /// The basis of a category for a purpose: of the clauses whose purpose and category cover them, the most specific
    /// purpose's most specific category.
    pub fn basis(&self, purpose: &str, category: &str) -> Basis {
        let clauses = self.purposes.iter().filter(|clause| covers(&clause.purpose, purpose));
        let found = clauses
            .flat_map(|clause| clause.categories.iter().map(move |c| (clause, c)))
            .filter(|(_, c)| covers(&c.category, category))
            .max_by_key(|(clause, c)| (clause.purpose.len(), c.category.len()));
        Basis {
            basis: found.and_then(|(_, c)| c.basis),
            prohibited: found.is_some_and(|(_, c)| c.prohibited),
            line: found.map_or(0, |(_, c)| c.category.line),
        }
    }

    /// How long use for a purpose may go on after a withdrawal: the most specific purpose's own, else the
    /// jurisdiction's, else the policy's.
    pub fn grace(&self, purpose: &str, jurisdiction: &str) -> Duration {
        let own = self.most_specific(purpose, |clause| clause.grace.is_some()).and_then(|clause| clause.grace);
        own.or(self.graces.get(jurisdiction).copied()).or(self.grace).unwrap_or_default()
    }

    /// The versions of the notice under which a grant for a purpose counts; empty: all.
    pub fn notice_versions(&self, purpose: &str) -> &[String] {
        let clause = self.most_specific(purpose, |clause| !clause.notice_versions.is_empty());
        clause.map_or(&[], |clause| &clause.notice_versions)
    }

    fn most_specific(&self, purpose: &str, states: impl Fn(&PurposeClause) -> bool) -> Option<&PurposeClause> {
        let clauses = self.purposes.iter().filter(|clause| covers(&clause.purpose, purpose) && states(clause));
        clauses.max_by_key(|clause| clause.purpose.len())
    }

    /// Below which age someone is a minor for a purpose, in years, and what holds then; None: age does not matter.
    pub fn minors(&self, purpose: &str, jurisdiction: &str) -> Option<(u8, MinorRule)> {
        let minors = self.minors.as_ref()?;
        let concerned = minors.purposes.is_empty() || minors.purposes.iter().any(|own| covers(own, purpose));
        concerned.then(|| (minors.limits.get(jurisdiction).copied().unwrap_or(minors.age_limit), minors.rule))
    }

    /// Whether the Global Privacy Control says no to a purpose somewhere.
    pub fn gpc_binds(&self, purpose: &str, jurisdiction: &str) -> bool {
        self.global_privacy_control.as_ref().is_some_and(|control| {
            let here = control.jurisdictions.is_empty() || control.jurisdictions.iter().any(|own| own == jurisdiction);
            here && control.purposes.iter().any(|own| covers(own, purpose))
        })
    }

    /// The clause that forbids two contexts to be linked by any of these namespaces of identifiers.
    pub fn unlinkable(&self, pair: (&str, &str), namespaces: &BTreeSet<&str>) -> Option<&Unlinkable> {
        self.combinations.unlinkable.iter().find(|clause| {
            let own = self.canonical(&clause.context);
            let named = own == self.canonical(pair.0) || own == self.canonical(pair.1);
            named && (clause.by.is_empty() || clause.by.iter().any(|by| namespaces.contains(by.as_str())))
        })
    }

    /// What holds for an unordered pair of contexts: the last clause that names both, else the default.
    pub fn pair(&self, purpose: &str, a: &str, b: &str) -> PairRule {
        let named = self.combinations.clauses.iter().rev().find(|clause| {
            let has = |context: &str| clause.contexts.iter().any(|c| self.canonical(c) == self.canonical(context));
            has(a) && has(b) && clause.purpose.as_ref().is_none_or(|p| covers(p, purpose))
        });
        match named {
            Some(clause) => PairRule {
                requires_consent: matches!(clause.basis, LegalBasis::Consent | LegalBasis::ExplicitConsent),
                reason: clause.reason.clone(),
                line: clause.contexts.first().map_or(0, |c| c.line),
            },
            None => PairRule {
                requires_consent: self.combinations.default == CombinationDefault::Consent,
                reason: (self.combinations.default == CombinationDefault::Allowed)
                    .then(|| "the policy lets contexts be combined unless a clause says otherwise".to_owned()),
                line: 0,
            },
        }
    }

    pub fn regime(&self, jurisdiction: &str) -> Regime {
        self.regimes.get(jurisdiction).copied().unwrap_or(self.default_regime)
    }

    /// The one name of a context: the first of the `same_as` group it belongs to.
    pub fn canonical<'a>(&'a self, context: &'a str) -> &'a str {
        let group = self.same_as.iter().find(|group| group.iter().any(|c| c.value == context));
        group.and_then(|group| group.first()).map_or(context, |first| first.as_str())
    }
}

fn durations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Duration>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
    texts.into_iter().map(|(key, text)| parsed(&text).map(|time| (key, time))).collect()
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(|text| parsed(&text)).transpose()
}

fn parsed<E: serde::de::Error>(text: &str) -> Result<Duration, E> {
    humantime::parse_duration(text)
        .map_err(|error| E::custom(format!("`{text}` is no duration like `24h` or `3d`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Document;

    fn policy() -> ConsentPolicy {
        let text = "
version: '1'
grace: 1h
graces: {US-CA: 15d}
regimes: {US-CA: opt_out}
purposes:
  - purpose: personalize
    categories:
      - {category: user.behavior, basis: consent}
      - {category: user.account, basis: contract}
  - purpose: personalize.content
    grace: 24h
    categories:
      - {category: user.behavior.purchase_history, basis: legitimate_interests}
combinations:
  clauses:
    - {contexts: [web, app], basis: contract, reason: one account}
same_as: [[web, shop]]
";
        Document::parse(std::path::Path::new("policy.yaml"), text).unwrap().value
    }

    #[test]
    fn the_most_specific_clause_decides() {
        let policy = policy();
        let basis = |purpose, category| policy.basis(purpose, category).basis;
        assert_eq!(basis("personalize.content", "user.behavior.search_history"), Some(LegalBasis::Consent));
        let special = basis("personalize.content", "user.behavior.purchase_history");
        assert_eq!(special, Some(LegalBasis::LegitimateInterests));
        assert_eq!(basis("personalize.system", "user.behavior.purchase_history"), Some(LegalBasis::Consent));
        assert_eq!(basis("personalize.content", "user.contact"), None);
        assert_eq!(basis("marketing", "user.account"), None);
        assert_eq!(policy.grace("personalize.content", "DE"), Duration::from_secs(24 * 3600));
        assert_eq!(policy.grace("personalize.system", "DE"), Duration::from_secs(3600));
        assert_eq!(policy.grace("personalize.system", "US-CA"), Duration::from_secs(15 * 24 * 3600));
    }

    #[test]
    fn a_pair_that_nobody_names_needs_consent() {
        let policy = policy();
        assert!(!policy.pair("personalize.content", "app", "web").requires_consent);
        assert!(policy.pair("personalize.content", "store", "web").requires_consent);
        // `shop` is another name of `web`, in a question as in a clause.
        assert!(!policy.pair("personalize.content", "shop", "app").requires_consent);
        assert_eq!(policy.canonical("shop"), "web");
        assert_eq!(policy.regime("US-CA"), Regime::OptOut);
        assert_eq!(policy.regime("DE"), Regime::OptIn);
    }
}
