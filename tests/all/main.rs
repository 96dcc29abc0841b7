//! Every integration test, in one binary: each more would cost a link of the engine.

mod bad_input;
mod before_release;
mod choice;
mod conformance;
mod consent;
mod consent_strings;
mod fides;
mod inequality;
mod licences;
mod lineage;
mod lineage_kinds;
mod ll144;
mod open_bandit;
mod readers;
mod receipts;
mod reidentification;
mod scan;
mod sql_conformance;
mod storefront;
mod support;
mod waivers;
