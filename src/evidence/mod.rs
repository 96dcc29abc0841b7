//! Readers: bytes to typed evidence that keeps its file and line.

pub mod columns;
pub mod consent_policy;
pub mod consent_strings;
pub mod data_map;
pub mod dbt;
pub mod files;
pub mod lineage;
pub mod loader;
pub mod sample;
pub mod table;
pub mod taxonomy;
pub mod text;
