//! Every integration test, in one binary: each more would cost a link of the engine.

mod bad_input;
mod before_release;
mod choice;
mod conditions;
mod conformance;
mod consent;
mod consent_strings;
mod fides;
mod items;
mod licences;
mod lineage;
mod lineage_kinds;
mod lists;
mod ll144;
mod measures;
mod open_bandit;
mod prices;
mod readers;
mod receipts;
mod reidentification;
mod scan;
mod seeds;
mod sql_conformance;
mod storefront;
mod support;
mod waivers;
