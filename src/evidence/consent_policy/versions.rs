//! The versions of a policy over time: a decision is judged by the one in force at its moment.

use chrono::{DateTime, Utc};

use super::ConsentPolicy;
use crate::error::{Problem, Result};
use crate::evidence::data_map::DataMap;
use crate::evidence::taxonomy::Taxonomy;
use crate::manifest::Manifest;
use crate::yaml::{At, Document};

/// Every version of the policy, the earliest first; at least one.
#[derive(Debug, Clone)]
pub struct Policies(Vec<Version>);

/// One version, in force from its `effective` until that of the next.
#[derive(Debug, Clone)]
pub struct Version {
    /// The file, as the manifest names it.
    pub name: String,
    pub document: Document<ConsentPolicy>,
}

impl Version {
    pub fn policy(&self) -> &ConsentPolicy {
        &self.document.value
    }
}

impl Policies {
    /// Reads and checks every version that the manifest names; None when it names none.
    pub fn read(manifest: &Document<Manifest>, taxonomy: &Taxonomy, map: Option<&DataMap>) -> Result<Option<Self>> {
        let written = &manifest.value.evidence.consent_policy;
        let Some(first) = written.first() else { return Ok(None) };
        let Some(map) = map else {
            let problem = manifest.problem(first, "a consent policy says nothing without a data map");
            return Err(problem.help("name one under `evidence.data_map`").into());
        };
        let mut versions = Vec::new();
        for at in written {
            let document = Document::<ConsentPolicy>::read(&manifest.resolve(at))?;
            document.check(taxonomy, &manifest.value, map)?;
            versions.push((at, document));
        }
        versions.sort_by_key(|(_, document)| document.value.effective);
        for pair in versions.windows(2) {
            if let Some(problem) = amiss(manifest, &pair[0], &pair[1]) {
                return Err(problem.into());
            }
        }
        let version = |(at, document): (&At<String>, _)| Version { name: at.value.clone(), document };
        Ok(Some(Self(versions.into_iter().map(version).collect())))
    }

    pub fn versions(&self) -> &[Version] {
        &self.0
    }

    /// The version that holds today and from now on.
    pub fn latest(&self) -> &ConsentPolicy {
        self.0[self.0.len() - 1].policy()
    }

    /// What the organisation calls a version; None where there is but one.
    pub fn name_of(&self, version: usize) -> Option<String> {
        (self.0.len() > 1).then(|| self.0.get(version).map(|v| v.policy().version.clone())).flatten()
    }

    /// The file of the version that holds today, as the manifest names it.
    pub fn latest_name(&self) -> &str {
        &self.0[self.0.len() - 1].name
    }

    /// When a version came into force, in microseconds since 1970; None: it always was.
    pub fn since(&self, version: usize) -> Option<i64> {
        self.0.get(version)?.policy().effective.map(|time| time.timestamp_micros())
    }

    /// When the next version took its place; None: it still holds.
    pub fn until(&self, version: usize) -> Option<i64> {
        self.since(version + 1)
    }
}

/// What is wrong with two versions, one after the other.
fn amiss(
    manifest: &Document<Manifest>,
    (_, earlier): &(&At<String>, Document<ConsentPolicy>),
    (at, later): &(&At<String>, Document<ConsentPolicy>),
) -> Option<Problem> {
    let told = |time: Option<DateTime<Utc>>| time.map_or("from ever".into(), |t| format!("from {}", t.to_rfc3339()));
    if earlier.value.effective == later.value.effective {
        let message = format!("two versions of the consent policy hold {}", told(later.value.effective));
        return Some(manifest.problem(at, message).help("give each version its own `effective` time"));
    }
    let names = |document: &Document<ConsentPolicy>| -> Vec<Vec<String>> {
        document.value.same_as.iter().map(|group| group.iter().map(|c| c.value.clone()).collect()).collect()
    };
    (names(earlier) != names(later)).then(|| {
        let message = "the versions of the consent policy differ in `same_as`";
        manifest.problem(at, message).help("which contexts are one setting does not change with the policy")
    })
}
