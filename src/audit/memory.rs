//! What earlier audits left: the baseline and the ledger, and what this audit is beside them.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::decisions::baseline::{Baseline, BaselineResult, Earlier};
use crate::decisions::compare::{Compared, Now, compare};
use crate::decisions::ledger::{Ledger, LedgerResult};
use crate::decisions::snapshot::{Snapshot, mix};
use crate::error::{Problem, Result};
use crate::evidence::files;
use crate::facts::Fact;
use crate::facts::change::{self, Since};
use crate::facts::measured::Measured;
use crate::facts::mix::Mix;
use crate::facts::{drift, trend};
use crate::findings::Finding;
use crate::manifest::Manifest;
use crate::record::StepResult;
use crate::rules::LoadedPack;
use crate::yaml::Document;

/// Both are None when they were not handed over.
pub(super) struct Memory {
    baseline: Option<Baseline>,
    ledger: Option<Ledger>,
    /// Roles and paths of the files that are there.
    pub files: Vec<(&'static str, PathBuf)>,
}

impl Memory {
    /// Reads both before any log is opened. `baseline` takes the place of the manifest's.
    pub fn read(manifest: &Document<Manifest>, baseline: Option<&Path>) -> Result<Self> {
        let mut files = Vec::new();
        let stated = manifest.value.gate.baseline.as_ref().map(|at| manifest.resolve(at));
        let baseline = match baseline.map(Path::to_owned).or(stated) {
            Some(path) => {
                let baseline = Baseline::read(&path, &files::name_of(manifest, &path))?;
                same_system(&path, manifest, &baseline.audit)?;
                files.push(("baseline", path));
                Some(baseline)
            }
            None => None,
        };
        let ledger = match &manifest.value.ledger {
            Some(at) => {
                let path = manifest.resolve(at);
                let ledger = Ledger::read(&path, at)?;
                if let Some(last) = ledger.audits().next_back() {
                    same_system(&path, manifest, last)?;
                }
                if path.exists() {
                    files.push(("ledger", path));
                }
                Some(ledger)
            }
            None => None,
        };
        Ok(Self { baseline, ledger, files })
    }

    fn last_audit(&self) -> Option<&Snapshot> {
        self.ledger.as_ref().and_then(|ledger| ledger.audits().next_back())
    }

    /// Baseline and last audit, as far as they are there.
    fn earlier(&self) -> impl Iterator<Item = (Since, &Snapshot)> {
        let baseline = self.baseline.as_ref().map(|of| (Since::Baseline, &of.audit));
        baseline.into_iter().chain(self.last_audit().map(|audit| (Since::LastAudit, audit)))
    }

    /// Mixes whose bins this audit keeps: those of the last audit of the ledger that has any, else of the baseline.
    pub fn mixes(&self) -> &[Mix] {
        let audits = self.ledger.iter().flat_map(|ledger| ledger.audits().rev());
        let all = audits.chain(self.baseline.as_ref().map(|of| &of.audit)).map(|audit| audit.mixes.as_slice());
        all.into_iter().find(|mixes| !mixes.is_empty()).unwrap_or_default()
    }

    /// The numbers and mixes of earlier audits beside those of `facts`, and how numbers went over all audits.
    pub fn beside(&self, facts: &[Fact], level: f64, as_of: Option<NaiveDate>) -> Vec<Fact> {
        if self.earlier().next().is_none() {
            return Vec::new();
        }
        let now: Vec<Measured> = facts.iter().flat_map(|fact| Measured::of(fact, level)).collect();
        let mixes: Vec<Mix> = facts.iter().filter_map(mix).cloned().collect();
        let mut found = Vec::new();
        for (since, audit) in self.earlier() {
            let changes = change::measure(since, audit.as_of.as_deref(), &audit.measures, &now);
            found.extend(changes.into_iter().map(Fact::Change));
        }
        for (since, audit) in self.earlier() {
            let drifts = drift::measure(&audit.mixes, &mixes, since, audit.as_of.as_deref());
            found.extend(drifts.into_iter().map(Fact::Drift));
        }
        let audits = self.ledger.iter().flat_map(Ledger::audits);
        let audits: Vec<trend::Audit<'_>> =
            audits.map(|audit| trend::Audit { as_of: audit.as_of.as_deref(), measures: &audit.measures }).collect();
        let today = as_of.map(|day| day.to_string());
        let trends = trend::measure(&audits, trend::Audit { as_of: today.as_deref(), measures: &now }, level);
        found.extend(trends.into_iter().map(Fact::Trend));
        found
    }

    /// Tells every finding what became of it, sets aside what the baseline allows, and says what is gone.
    pub fn apply(
        &self,
        findings: &mut [Finding],
        steps: &[StepResult],
        facts: &[Fact],
        packs: &[LoadedPack],
        as_of: Option<NaiveDate>,
    ) -> (Option<BaselineResult>, Option<LedgerResult>) {
        let compared = |audit: &Snapshot, since: Since, findings: &[Finding]| -> Vec<Compared> {
            let changes = facts.iter().filter_map(|fact| match fact {
                Fact::Change(change) if change.since == since => Some(change),
                _ => None,
            });
            compare(audit, &Now { facts, steps, findings }, &changes.collect::<Vec<_>>())
        };
        let baseline = self.baseline.as_ref().map(|baseline| {
            let compared = compared(&baseline.audit, Since::Baseline, findings);
            baseline.apply(findings, &compared, packs)
        });
        let last = self.last_audit().map(|audit| {
            let compared = compared(audit, Since::LastAudit, findings);
            for (of, index) in compared.iter().filter_map(|of| Some((of, of.finding?))) {
                findings[index].since_last_audit = Some(of.state);
            }
            Earlier::of(audit, &compared)
        });
        (baseline, self.ledger.as_ref().map(|ledger| ledger.result(as_of, last)))
    }
}

/// What another system did says nothing of this one.
fn same_system(path: &Path, manifest: &Document<Manifest>, audit: &Snapshot) -> Result<()> {
    let name = &manifest.value.system.name;
    if audit.system == *name {
        return Ok(());
    }
    let message = format!("this is of the system `{}`, and the manifest is of `{name}`", audit.system);
    Err(Problem::in_file(path, message).into())
}
