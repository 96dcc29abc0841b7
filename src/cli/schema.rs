//! `probity schema`: JSON Schemas of what is read and written.

use schemars::{Schema, schema_for};

use super::{Ending, print};
use crate::error::{Error, Result};

/// Print a JSON Schema, for editors and for whoever reads the record
#[derive(clap::Args)]
pub struct Args {
    of: Of,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Of {
    /// audit.yaml
    Manifest,
    /// A data map: fideslang, with our additions
    DataMap,
    /// A consent policy
    Policy,
    /// A rule pack
    Pack,
    /// decisions.yaml
    Decisions,
    /// baseline.json
    Baseline,
    /// The plan of a simulated shop
    ShopPlan,
    /// A line of the ledger, history.jsonl
    Ledger,
    /// audit.json
    Record,
    /// The facts of a record
    Facts,
}

pub fn run(args: &Args) -> Result<Ending> {
    let schema = schema(args.of);
    let text = serde_json::to_string_pretty(&schema).map_err(|error| Error::Internal(error.to_string()))?;
    print(&format!("{text}\n"))?;
    Ok(Ending::done())
}

fn schema(of: Of) -> Schema {
    match of {
        Of::Manifest => schema_for!(crate::manifest::Manifest),
        Of::DataMap => crate::evidence::data_map::schema(),
        Of::Policy => schema_for!(crate::evidence::consent_policy::ConsentPolicy),
        Of::Pack => schema_for!(crate::rules::pack::PackFile),
        Of::Decisions => schema_for!(crate::decisions::waivers::Decisions),
        Of::Baseline => schema_for!(crate::decisions::baseline::BaselineFile),
        Of::ShopPlan => schema_for!(crate::simulate::plan::File),
        Of::Ledger => schema_for!(crate::decisions::ledger::Line),
        Of::Record => schema_for!(crate::record::Record),
        Of::Facts => schema_for!(Vec<crate::facts::Fact>),
    }
}
