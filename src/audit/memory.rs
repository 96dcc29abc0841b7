//! What earlier audits left: the baseline and the ledger, and what this audit is beside them.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::decisions::baseline::{Baseline, BaselineResult, Earlier};
use crate::decisions::compare::{Compared, Now, compare};
use crate::decisions::ledger::{Ledger, LedgerResult};
use crate::decisions::snapshot::Snapshot;
use crate::error::{Problem, Result};
use crate::evidence::files;
use crate::facts::Fact;
use crate::facts::change::{self, Change, Since};
use crate::facts::measured::Measured;
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

    /// The numbers of earlier audits beside those of `facts`.
    pub fn changes(&self, facts: &[Fact], level: f64) -> Vec<Change> {
        let earlier =
            [(Since::Baseline, self.baseline.as_ref().map(|of| &of.audit)), (Since::LastAudit, self.last_audit())];
        if earlier.iter().all(|(_, audit)| audit.is_none()) {
            return Vec::new();
        }
        let now: Vec<Measured> = facts.iter().flat_map(|fact| Measured::of(fact, level)).collect();
        let of_each = earlier.into_iter().filter_map(|(since, audit)| Some((since, audit?)));
        of_each
            .flat_map(|(since, audit)| change::measure(since, audit.as_of.as_deref(), &audit.measures, &now))
            .collect()
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
