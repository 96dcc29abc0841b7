//! Every integration test, in one binary: each more would cost a link of the engine.

mod bad_input;
mod before_release;
mod choice;
mod conformance;
mod consent;
mod consent_strings;
mod fides;
mod licences;
mod lineage;
mod lineage_kinds;
mod lists;
mod open_bandit;
mod prices;
mod readers;
mod receipts;
mod reidentification;
mod scan;
mod sql_conformance;
mod storefront;
mod support;
mod waivers;
