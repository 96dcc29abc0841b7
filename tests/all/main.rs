//! Every integration test, in one binary: each more would cost a link of the engine.

mod bad_input;
mod choice;
mod consent;
mod consent_strings;
mod fides;
mod licences;
mod lineage;
mod open_bandit;
mod readers;
mod receipts;
mod scan;
mod storefront;
mod support;
