//! `alternative`: whether people can be served without being profiled, and whether those who said no were.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use super::measured::{Harm, Number};
use super::purpose::Place;
use crate::findings::Evidence;
use crate::manifest::{LegalBasis, Manifest, Strategy};
use crate::replay::choice::{Choices, Served, profiled, stands_in};

/// One purpose for which people are profiled, in one jurisdiction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    pub purpose: String,
    /// The jurisdiction of the decisions, or `unstated`.
    pub jurisdiction: String,
    /// The legal basis that the manifest states for the purpose.
    pub basis: Option<String>,
    /// Declared strategies that profile for the purpose.
    pub profiling: Vec<String>,
    /// Declared strategies that can stand in without profiling: they serve the same purpose, or one for which nobody
    /// profiles.
    pub alternatives: Vec<String>,
    /// Decisions by either; null without a log. All counts leave out decisions before the policy took effect.
    pub decisions: Option<u64>,
    pub subjects: Option<u64>,
    /// Decisions that an alternative really made, by what it used and not only by what it says.
    pub by_alternative: Option<u64>,
    pub subjects_by_alternative: Option<u64>,
    /// Decisions about people who had said no to the purpose: a refusal or withdrawal in force, past the policy's
    /// grace, and no grant of any scope. Null without a log or consent records.
    pub refused: Option<u64>,
    pub refused_subjects: Option<u64>,
    /// Of `refused`, those that an alternative made.
    pub refused_by_alternative: Option<u64>,
    pub refused_subjects_by_alternative: Option<u64>,
    /// `refused_by_alternative` over `refused`, 0 to 1: of all decisions in the log, not of a sample.
    pub refused_share: Option<f64>,
    /// Decisions after a withdrawal, within the policy's grace.
    pub in_grace: Option<u64>,
    /// Decisions about people who had said neither yes nor no, or whose yes had expired.
    pub silent: Option<u64>,
    pub silent_by_alternative: Option<u64>,
    /// Where the alternatives are declared.
    pub declared_at: Vec<Place>,
}

impl FactKind for Alternative {
    const NAME: &'static str = "alternative";
    const DOC: &'static str = "One fact per purpose for which a declared strategy profiles, and jurisdiction: the \
        strategies declared with `profiling: false` that can stand in, whether they decided at all, and who decided \
        about people who had said no. A strategy stands in when it serves the same purpose or one for which nobody \
        profiles. A decision counts as the alternative's only when its inputs bear that out: an input with personal \
        data that rests on the person's choice (consent, legitimate interests, no basis) makes it a profile, whatever \
        the manifest says. Somebody has said no when the latest record of a scope of the purpose, at or before the \
        decision, is a refusal, or a withdrawal past the policy's grace, and no scope of it is granted; a no also \
        takes back the narrower scopes in it, and at equal times it wins. Where the regime is opt-out only a no to the \
        whole purpose counts: what a narrower one leaves alone is still allowed. Answers given under another identifier \
        (`evidence.links`) are not followed here.";
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("purpose", self.purpose.clone()), ("jurisdiction", self.jurisdiction.clone())])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = vec![Evidence::value("strategies that profile", self.profiling.join(", "))];
        let declared = self.alternatives.iter().zip(&self.declared_at);
        evidence.extend(declared.map(|(id, at)| Evidence::place("alternative", id, &at.path, at.line)));
        if let (Some(refused), Some(served)) = (self.refused, self.refused_by_alternative) {
            let text = format!("{served} of {refused} decisions about people who had said no");
            evidence.push(Evidence::value("served without a profile", text));
        }
        evidence
    }

    fn numbers(&self, level: f64) -> Vec<Number> {
        let (served, refused) = (self.refused_subjects_by_alternative, self.refused_subjects);
        Number::share("refused_subjects_share", Harm::Low, served, refused, level)
    }
}

/// Sets the declared alternatives beside what decided. `choices` is None without a log; `answered` says whether consent
/// records and people are there. `manifest_name` is what the record calls the manifest.
pub fn measure(
    manifest: &Manifest,
    manifest_name: &str,
    choices: Option<&BTreeMap<(String, String), Choices>>,
    answered: bool,
    people: bool,
) -> Vec<Alternative> {
    let profiled_purposes = profiled(manifest);
    let ids = |strategies: &[&Strategy]| strategies.iter().map(|s| s.id.value.clone()).collect();
    let mut facts = Vec::new();
    for purpose in &profiled_purposes {
        let profiling: Vec<&Strategy> =
            manifest.strategies.iter().filter(|s| s.profiling && s.purpose.as_str() == *purpose).collect();
        let alternatives: Vec<&Strategy> = manifest
            .strategies
            .iter()
            .filter(|s| !s.profiling && stands_in(&s.purpose, purpose, &profiled_purposes))
            .collect();
        let of_it = choices.into_iter().flatten().filter(|((of, _), _)| of == purpose);
        let mut found: Vec<(String, Option<Choices>)> =
            of_it.map(|((_, place), choices)| (place.clone(), Some(*choices))).collect();
        if found.is_empty() {
            let place = manifest.system.jurisdiction.clone().unwrap_or_else(|| "unstated".into());
            found.push((place, choices.map(|_| Choices::default())));
        }
        for (jurisdiction, choices) in found {
            let count = |of: fn(&Served) -> u64| choices.map(|choices| of(&choices.all));
            let refused = choices.filter(|_| answered).map(|choices| choices.refused);
            facts.push(Alternative {
                purpose: (*purpose).to_owned(),
                jurisdiction,
                basis: manifest.purpose(purpose).and_then(|p| p.legal_basis).map(|b| LegalBasis::id(b).to_owned()),
                profiling: ids(&profiling),
                alternatives: ids(&alternatives),
                decisions: count(|of| of.decisions),
                subjects: count(|of| of.subjects).filter(|_| people),
                by_alternative: count(|of| of.by_alternative),
                subjects_by_alternative: count(|of| of.subjects_by_alternative).filter(|_| people),
                refused: refused.map(|of| of.decisions),
                refused_subjects: refused.map(|of| of.subjects),
                refused_by_alternative: refused.map(|of| of.by_alternative),
                refused_subjects_by_alternative: refused.map(|of| of.subjects_by_alternative),
                refused_share: refused
                    .filter(|of| of.decisions > 0)
                    .map(|of| of.by_alternative as f64 / of.decisions as f64),
                in_grace: choices.filter(|_| answered).map(|of| of.in_grace.decisions),
                silent: choices.filter(|_| answered).map(|of| of.silent.decisions),
                silent_by_alternative: choices.filter(|_| answered).map(|of| of.silent.by_alternative),
                declared_at: alternatives
                    .iter()
                    .map(|s| Place { path: manifest_name.to_owned(), line: s.id.line })
                    .collect(),
            });
        }
    }
    facts
}
