//! `probity decide`: what somebody decided about an audit, or signed, into the ledger.

use std::path::PathBuf;

use chrono::NaiveDate;

use super::{Ending, history};
use crate::decisions::ledger::{self, Decision, Entry, Verb};
use crate::error::{Problem, Result};
use crate::evidence::files;
use crate::outputs::json;

/// Record a decision about an audit, or a sign-off, in the ledger
///
/// The ledger only grows: a decision is not taken back but followed by another. To keep a finding from failing the gate,
/// file a waiver in decisions.yaml.
#[derive(clap::Args)]
pub struct Args {
    /// The record it is about, usually audit-report/audit.json
    record: PathBuf,
    /// What was decided
    decision: Verb,
    /// In which capacity, e.g. "data protection"
    #[arg(long)]
    role: String,
    /// Who decided
    #[arg(long)]
    name: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// What must be so for it to hold; may be given several times
    #[arg(long = "condition", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// The last day on which it holds
    #[arg(long, value_name = "YYYY-MM-DD")]
    expires: Option<NaiveDate>,
    /// Fingerprint of a finding it is about, or how it begins; may be given several times. Without one it is about the
    /// audit as a whole
    #[arg(long = "finding", value_name = "FINGERPRINT")]
    findings: Vec<String>,
    #[arg(long, default_value = "history.jsonl")]
    ledger: PathBuf,
}

pub fn run(args: Args) -> Result<Ending> {
    let record = json::read(&args.record)?;
    let texts = [("--role", &args.role), ("--name", &args.name), ("--reason", &args.reason)];
    let texts = texts.into_iter().chain(args.conditions.iter().map(|text| ("--condition", text)));
    if let Some((option, _)) = texts.into_iter().find(|(_, text)| text.trim().is_empty()) {
        return Err(Problem::new(format!("`{option}` says nothing")).into());
    }
    if (args.decision == Verb::AcceptWithConditions) == args.conditions.is_empty() {
        let message = if args.conditions.is_empty() {
            "`accept-with-conditions` names no condition"
        } else {
            "a `--condition` goes with `accept-with-conditions`"
        };
        return Err(Problem::new(message).into());
    }
    if let (Some(expires), Some(day)) = (args.expires, record.system.as_of.as_deref().and_then(|day| day.parse().ok()))
        && expires < day
    {
        return Err(Problem::new(format!("it would expire on {expires}, before the day of the audit, {day}")).into());
    }
    let mut findings = Vec::new();
    for wanted in &args.findings {
        let known: Vec<&str> = record.findings.iter().map(|of| of.fingerprint.as_str()).collect();
        let meant: Vec<&str> = known.iter().copied().filter(|known| known.starts_with(wanted.as_str())).collect();
        match meant[..] {
            [one] => findings.push(one.to_owned()),
            [] => {
                let problem = Problem::in_file(&args.record, format!("no finding has the fingerprint `{wanted}`"));
                return Err(problem.suggest(wanted, known).into());
            }
            _ => {
                let message = format!("{} findings begin with `{wanted}`; give more of it", meant.len());
                return Err(Problem::in_file(&args.record, message).into());
            }
        }
    }
    let decision = Decision {
        role: args.role,
        name: args.name,
        decision: args.decision,
        reason: args.reason,
        conditions: args.conditions,
        expires: args.expires,
        record: files::sha256(&args.record)?,
        as_of: record.system.as_of.clone(),
        findings,
    };
    let line = ledger::append(&args.ledger, |ledger| {
        history::known(&args.record, &record, ledger)?;
        Ok(Entry::Decision(decision))
    })?;
    history::appended(&args.ledger, line.sequence)
}
