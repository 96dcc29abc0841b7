//! Consent strings: what a consent platform writes down of a person's choices, in the encodings of the IAB Tech Lab.
//!
//! - [`tcf`]: TC strings of the IAB Europe Transparency and Consent Framework 2.0 to 2.3.
//! - [`gpp`]: strings of the Global Privacy Platform, a header and a section per jurisdiction: [`tcf`] again, [`tcf_ca`]
//!   (Canada), [`us`] (the United States and its states, and the older US Privacy string).
//!
//! This is decoding only: what a string says, never what it means for a purpose of ours (that is the consent policy's,
//! [`super::consent_policy::strings`]). A string that breaks its specification is an error that says in which part.

mod bits;
pub mod gpp;
#[cfg(test)]
mod hostile;
pub mod ids;
pub mod tcf;
pub mod tcf_ca;
pub mod us;

pub use gpp::Gpp;
pub use ids::Ids;
pub use tcf::TcString;

/// A consent string, decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsentString {
    Tcf(Box<TcString>),
    Gpp(Gpp),
    /// The US Privacy string on its own, `1YNN`.
    UsPrivacy(us::UsPrivacy),
}

/// Why a string cannot be decoded. The string itself is never told: it belongs to a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} {what}")]
pub struct DecodeError {
    /// Which part of the string, in words.
    pub part: String,
    /// What is wrong with it.
    pub what: String,
}

impl DecodeError {
    pub(crate) fn new(part: impl Into<String>, what: impl Into<String>) -> Self {
        Self { part: part.into(), what: what.into() }
    }
}

/// Decodes a string of any kind; its first character tells which (GPP, Section Information, note on section ids).
pub fn decode(text: &str) -> Result<ConsentString, DecodeError> {
    match text.as_bytes().first() {
        Some(b'C') => tcf::decode(text).map(|tcf| ConsentString::Tcf(Box::new(tcf))),
        Some(b'D') => gpp::decode(text).map(ConsentString::Gpp),
        Some(b'1') => us::privacy(text).map(ConsentString::UsPrivacy),
        Some(b'B') => Err(DecodeError::new("the string", "is of TCF version 1, which is void since 2020-09-30")),
        _ => Err(DecodeError::new(
            "the string",
            "is no TC string (which begins with `C`), GPP string (`D`) or US Privacy string (`1`)",
        )),
    }
}
