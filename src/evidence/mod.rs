//! Readers: bytes to typed evidence that keeps its file and line.

pub mod consent_policy;
pub mod data_map;
pub mod taxonomy;
