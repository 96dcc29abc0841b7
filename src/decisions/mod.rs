//! Decisions of people about findings: what is accepted, by whom, why and until when.

pub mod waivers;
