//! Every integration test, in one binary: each more would cost a link of the engine.

mod licences;
mod open_bandit;
mod storefront;
