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
//! - [`findings`], [`record`]: what is wrong or undecided, and `audit.json`, the one product of an audit.
//! - [`outputs`]: the record as JSON, CSV, HTML, terminal text. Outputs compute nothing.
//!
//! Below all of them: [`stats`] (no word of the domain), [`scan`] (what personal data looks like), [`playbook`] (the
//! seven steps, verdicts, severities), [`yaml`], [`error`]. On top: [`cli`]. Beside them: [`simulate`], a shop with a
//! known truth. Imports run down this list only.

pub mod audit;
pub mod cli;
pub mod engine;
pub mod error;
pub mod evidence;
pub mod facts;
pub mod findings;
pub mod manifest;
pub mod outputs;
pub mod playbook;
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
