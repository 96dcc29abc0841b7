//! Probity audits personalization.

pub mod error;
pub mod evidence;
pub mod facts;
pub mod findings;
pub mod manifest;
pub mod playbook;
pub mod record;
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
