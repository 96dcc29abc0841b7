//! Replay: plans over the log. What each decision was, what consent was in force, what each segment got out of it.
//!
//! The results are small tables; facts are made from them in plain Rust.

pub mod association;
pub mod candidate;
pub mod catalogue;
pub mod choice;
pub mod consent;
pub mod consent_strings;
pub mod explanations;
pub mod exposure;
pub mod inequality;
pub mod items;
pub mod lists;
pub mod log;
pub mod loyalty;
pub mod mixes;
pub mod outcomes;
pub mod positions;
pub mod prices;
pub mod profiles;
pub mod prompts;
mod purchases;
pub mod rankings;
pub mod reidentification;
pub mod segments;
pub mod selection;
pub mod shapes;
pub mod static_joins;
pub mod strata;
pub mod uses;
