//! Decisions of people about findings, and the memory between audits.
//!
//! [`waivers`]: what is taken on, by whom, why and until when. [`baseline`]: what was there before and may stay as long as
//! it does not get worse. [`ledger`]: every audit and every sign-off, one line each, in a chain that shows when a line was
//! changed or cut. [`snapshot`] is an audit in short, as both keep it; [`compare`] sets one beside the audit of today.

pub mod baseline;
pub mod compare;
pub mod ledger;
pub mod snapshot;
pub mod waivers;
