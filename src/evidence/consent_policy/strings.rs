//! `consent_strings`: what TC, GPP and US Privacy strings mean in the policy's own words.
//!
//! A record may hold such a string in place of a status and a purpose. The policy says which of a string's answers
//! speak for which data uses and categories; [`Translator`] applies that to a decoded string.

mod interests;
mod meaning;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

pub use meaning::{Said, Translation, Translator};

use super::ConsentPolicy;
use crate::error::Problem;
use crate::evidence::consent_strings::us;
use crate::evidence::taxonomy::Taxonomy;
use crate::yaml::{At, Document, text_or_texts};

/// What consent strings mean. A kind of string that is not named here cannot be read, and its rows are rejected; name
/// it with nothing in it (`gpp: {}`) where it has nothing to say.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsentStrings {
    /// The contexts that such a string speaks for, and for their combination; default every context on its own. A
    /// record's own `contexts` come first.
    pub contexts: Vec<At<String>>,
    /// TC strings, and section 2 of GPP strings.
    pub tcf: Option<TcfMeaning>,
    /// Section 5 of GPP strings: IAB Canada's TCF.
    pub tcf_ca: Option<TcfCaMeaning>,
    /// Sections 6 to 27 of GPP strings, and US Privacy strings.
    pub gpp: Option<GppMeaning>,
}

/// What a TC string means.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TcfMeaning {
    /// Our id in the Global Vendor List, 1 to 65535. Without it we are the publisher: its own purposes are asked where
    /// the string has them, the purposes alone where not, and neither vendors nor restrictions.
    pub vendor: Option<At<u16>>,
    /// TCF purpose, 1 to 24, to data uses.
    pub purposes: BTreeMap<u8, Names>,
    /// Custom purpose of the publisher, 1 to 63, to data uses.
    pub custom_purposes: BTreeMap<u8, Names>,
    /// Purposes that our entry in the Global Vendor List declares flexible: where a publisher requires the other legal
    /// basis, that one counts. For all others such a restriction means no.
    pub flexible: BTreeSet<u8>,
    /// Special feature, 1 to 12, to data categories that need its opt-in, for every purpose above.
    pub special_features: BTreeMap<u8, Names>,
}

/// What a Canadian section means.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TcfCaMeaning {
    /// As in a TC string.
    pub vendor: Option<At<u16>>,
    /// TCF purpose, 1 to 24, to data uses.
    pub purposes: BTreeMap<u8, Names>,
    /// Custom purpose of the publisher, 1 to 63, to data uses.
    pub custom_purposes: BTreeMap<u8, Names>,
}

/// What the sections of the United States mean.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GppMeaning {
    /// `SaleOptOut`, `SharingOptOut` and `TargetedAdvertisingOptOut`, to data uses.
    pub opt_outs: BTreeMap<String, Names>,
    /// `AdditionalDataProcessingConsent` and `PersonalDataConsents`, to data uses.
    pub consents: BTreeMap<String, Names>,
    /// Data uses that Global Privacy Control refuses.
    pub gpc: Names,
    /// Data uses that a missing consent for a known child refuses.
    pub known_child: Names,
    /// Kind of sensitive data, e.g. `precise_geolocation`, to data categories, for every purpose of the policy. Each
    /// section numbers the kinds its own way, so they go by name.
    pub sensitive: BTreeMap<String, Names>,
}

/// One name or several.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Names(
    #[serde(deserialize_with = "text_or_texts")]
    #[schemars(with = "crate::manifest::OneOrMany<String>")]
    pub Vec<At<String>>,
);

impl Names {
    fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|at| at.value.as_str())
    }
}

/// What is wrong with the section: unknown names, and numbers that no string has.
pub(super) fn check(policy: &Document<ConsentPolicy>, taxonomy: &Taxonomy, contexts: &BTreeSet<&str>) -> Vec<Problem> {
    let Some(strings) = &policy.value.consent_strings else { return Vec::new() };
    let mut check = Check { policy, problems: Vec::new() };
    for context in strings.contexts.iter().filter(|context| !contexts.contains(context.as_str())) {
        let message = format!("context `{}` is in no dataset of the data map", context.value);
        check.problems.push(policy.problem(context, message).suggest(context, contexts));
    }
    if let Some(tcf) = &strings.tcf {
        check.vendor(tcf.vendor.as_ref());
        check.numbers("purpose", 24, &tcf.purposes);
        check.numbers("custom purpose", 63, &tcf.custom_purposes);
        check.numbers("special feature", 12, &tcf.special_features);
        check.uses(taxonomy, tcf.purposes.values().chain(tcf.custom_purposes.values()));
        check.categories(taxonomy, tcf.special_features.values());
        for purpose in tcf.flexible.iter().filter(|purpose| !tcf.purposes.contains_key(purpose)) {
            let message = format!("`flexible` names purpose {purpose}, which `purposes` does not");
            check.problems.push(Problem::in_file(&policy.path, message));
        }
    }
    if let Some(canada) = &strings.tcf_ca {
        check.vendor(canada.vendor.as_ref());
        check.numbers("purpose", 24, &canada.purposes);
        check.numbers("custom purpose", 63, &canada.custom_purposes);
        check.uses(taxonomy, canada.purposes.values().chain(canada.custom_purposes.values()));
    }
    if let Some(gpp) = &strings.gpp {
        check.keys("opt-out", &gpp.opt_outs, us::OPT_OUTS);
        check.keys("consent", &gpp.consents, us::CONSENTS);
        check.keys("kind of sensitive data", &gpp.sensitive, &us::sensitive_kinds().collect::<Vec<_>>());
        let uses = gpp.opt_outs.values().chain(gpp.consents.values()).chain([&gpp.gpc, &gpp.known_child]);
        check.uses(taxonomy, uses);
        check.categories(taxonomy, gpp.sensitive.values());
    }
    check.problems
}

struct Check<'a> {
    policy: &'a Document<ConsentPolicy>,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn vendor(&mut self, vendor: Option<&At<u16>>) {
        let zero = vendor.filter(|vendor| vendor.value == 0);
        self.problems.extend(zero.map(|at| self.policy.problem(at, "vendors count from 1")));
    }

    /// A problem at the first of the names that a key has; keys themselves are read without their places.
    fn at(&self, names: &Names, message: String) -> Problem {
        match names.0.first() {
            Some(first) => self.policy.problem(first, message),
            None => Problem::in_file(&self.policy.path, message),
        }
    }

    fn numbers(&mut self, what: &str, most: u8, map: &BTreeMap<u8, Names>) {
        for (number, names) in map.iter().filter(|(number, _)| !(1..=most).contains(*number)) {
            self.problems.push(self.at(names, format!("there is no {what} {number}; expected 1 to {most}")));
        }
    }

    fn keys(&mut self, what: &str, map: &BTreeMap<String, Names>, known: &[&str]) {
        for (key, names) in map.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            self.problems.push(self.at(names, format!("`{key}` is no {what} of the GPP")).suggest(key, known));
        }
    }

    fn uses<'n>(&mut self, taxonomy: &Taxonomy, names: impl Iterator<Item = &'n Names>) {
        for name in names.flat_map(|names| &names.0).filter(|name| !taxonomy.data_uses.contains(&name.value)) {
            let problem = self.policy.problem(name, format!("data use `{}` is not in the taxonomy", name.value));
            self.problems.push(problem.suggest(name, &taxonomy.data_uses));
        }
    }

    fn categories<'n>(&mut self, taxonomy: &Taxonomy, names: impl Iterator<Item = &'n Names>) {
        for name in names.flat_map(|names| &names.0).filter(|name| !taxonomy.data_categories.contains(&name.value)) {
            let problem = self.policy.problem(name, format!("data category `{}` is not in the taxonomy", name.value));
            self.problems.push(problem.suggest(name, &taxonomy.data_categories));
        }
    }
}
