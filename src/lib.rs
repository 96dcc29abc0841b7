//! Probity audits personalization: whose data was combined without consent, who was served worse, and how sure we are.
//!
//! ```text
//! manifest ─▶ evidence ─▶ facts ─▶ rules ─▶ findings ─▶ record ─▶ outputs
//! audit.yaml  read+check  measure  judge    what is     audit.json  only render
//!                         (replay)          wrong
//! ```
//!
//! [`audit`] is the pipeline; read it first. What it calls, in the order of the flow:
//!
//! - [`manifest`]: `audit.yaml`, what is audited and where the evidence is.
//! - [`evidence`]: readers, from bytes to typed evidence that keeps its file and line. Documents (data map, consent
//!   policy) are read whole; tables (logs, records) become tables of the engine, and rows that cannot be read become
//!   rejects.
//! - [`engine`]: a DataFusion session. Whatever grows with the log is a plan of it, over stock functions.
//! - [`replay`]: the plans. What each decision was, what it used, which consent was in force, and per-subject sums.
//! - [`facts`]: what was measured, one file per kind. A fact knows no threshold.
//! - [`rules`]: packs of CEL conditions, type-checked against the facts' schemas before any log is read. Rules measure
//!   nothing.
//! - [`findings`], [`decisions`]: what is wrong or undecided, and what people took on.
//! - [`record`]: `audit.json`, the one product of an audit.
//! - [`outputs`]: the record as JSON, CSV, HTML, terminal text. Outputs compute nothing.
//!
//! Below all of them: [`stats`] (no word of the domain), [`metrics`] (the outcomes that can be compared), [`scan`] (what
//! personal data looks like), [`playbook`] (the seven steps, verdicts, severities), [`yaml`], [`error`]. On top: [`cli`].
//! Beside them: [`init`], a first manifest for one's own files, [`simulate`], a shop with a known truth, and [`power`], what
//! an audit of a log could see at all, which uses [`audit`] and all that is above it but the outputs. Imports run down
//! this list only.

pub mod audit;
pub mod cli;
pub mod decisions;
pub mod engine;
pub mod error;
pub mod evidence;
pub mod facts;
pub mod findings;
pub mod init;
pub mod manifest;
pub mod metrics;
pub mod outputs;
pub mod playbook;
pub mod power;
pub mod progress;
pub mod record;
pub mod replay;
pub mod rules;
pub mod scan;
pub mod simulate;
pub mod stats;
pub mod yaml;

/// Bytes as lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A span of time in words: `36 seconds`, `2.5 hours`, `12 days`.
pub(crate) fn duration(seconds: f64) -> String {
    let units = [(86_400.0, "day"), (3_600.0, "hour"), (60.0, "minute"), (1.0, "second")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds.abs() >= *size).unwrap_or((1.0, "second"));
    let amount = seconds / size;
    let text = if amount.abs() < 10.0 { format!("{amount:.1}") } else { format!("{amount:.0}") };
    let text = text.trim_end_matches(".0");
    format!("{text} {unit}{}", if text == "1" { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_duration_is_told_in_the_largest_unit_that_fits() {
        let told = [0.0, 0.25, 1.0, 90.0, 7_200.0, 86_400.0, 1_000_000.0].map(super::duration);
        assert_eq!(told, ["0 seconds", "0.2 seconds", "1 second", "1.5 minutes", "2 hours", "1 day", "12 days"]);
    }
}
