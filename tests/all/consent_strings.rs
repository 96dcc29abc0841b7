//! Consent strings: every field of a thousand random ones is what the IAB's reference libraries decode, and an audit
//! whose consent records are such strings counts what was planted.

mod audited;
mod encode;
mod reference;
