//! Every integration test, in one binary: each more would cost a link of the engine.

mod bad_input;
mod consent;
mod licences;
mod lineage;
mod open_bandit;
mod readers;
mod reidentification;
mod scan;
mod storefront;
mod support;
