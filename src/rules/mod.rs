//! Rules judge facts. They measure nothing and read no evidence.
//!
//! A pack is YAML ([`pack`]). [`load`](load::load) reads the packs a manifest names and type-checks every condition and
//! text against the schema of the facts they look at, before any log is opened. [`judge`] asks every rule of every fact
//! of its kind; [`verdict`] turns what they found into the gate. [`testing`] runs a pack's own tests, and [`trial`] asks what a
//! rule would say of a fact that was not measured.

pub mod builtin;
mod check;
mod condition;
pub mod evaluate;
pub mod gate;
pub mod load;
mod missing;
pub mod pack;
mod place;
mod template;
pub mod testing;
pub mod trial;
mod types;
mod words;

pub use builtin::explain;
pub use evaluate::{AuditContext, Judgement, judge};
pub use gate::verdict;
pub use load::{LoadedPack, LoadedRule, load};
