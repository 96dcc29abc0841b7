//! Facts: what was measured, without a judgement. One file per kind; [`KINDS`] is the plain table of them.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::findings::Evidence;
use measured::Number;

pub mod alternative;
pub mod catalogue_use;
pub mod change;
pub mod conditional_parity;
pub mod counterfactual;
pub mod coverage;
pub mod data_use;
pub mod drift;
pub mod evidence_quality;
pub mod explanation;
pub mod exposure_parity;
pub mod field;
pub mod inequality;
pub mod join;
pub mod judged;
pub mod list_parity;
pub mod loyalty;
pub mod loyalty_balance;
pub mod loyalty_forecast;
pub mod measured;
pub mod mix;
pub mod outcome_parity;
mod pair;
pub mod price_parity;
pub mod prompt;
pub mod proxy;
pub mod purpose;
pub mod ranking_fairness;
pub mod reidentification;
pub mod sample_ratio;
pub mod selection;
pub mod subgroup;
pub mod trend;
pub mod undeclared_personal_data;

/// A kind of fact, as rules and `explain` know it.
pub struct Kind {
    pub name: &'static str,
    /// What it is and how it is measured, in Markdown.
    pub doc: &'static str,
    /// The measures it takes, by the names that its documentation explains; none where the kind is the measure.
    pub measures: &'static [&'static str],
    pub schema: fn() -> Schema,
    /// Whether measuring it needs the recommendation log.
    pub needs_log: bool,
}

/// What every kind of fact has.
pub trait FactKind: Serialize + JsonSchema {
    const NAME: &'static str;
    const DOC: &'static str;
    const MEASURES: &'static [&'static str] = &[];
    const NEEDS_LOG: bool;
    /// The fields that say which fact this is, in contrast to what was measured.
    fn identity(&self) -> BTreeMap<&'static str, String>;
    /// Where it comes from, for a finding.
    fn evidence(&self) -> Vec<Evidence>;
    /// The numbers by which a later audit is compared with this one, with intervals of `level`; none unless said.
    fn numbers(&self, _level: f64) -> Vec<Number> {
        Vec::new()
    }
}

/// The one registration of every kind: its variant in [`Fact`] and its row in [`KINDS`].
macro_rules! kinds {
    ($($variant:ident($module:ident)),+ $(,)?) => {
        /// A measured fact of any kind. In JSON, `kind` tells which.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        // Facts are few, and a list of them is read more often than moved.
        #[allow(clippy::large_enum_variant)]
        pub enum Fact { $($variant($module::$variant)),+ }

        /// All kinds, by the order in which the record lists them.
        pub const KINDS: &[Kind] = &[$(Kind {
            name: $module::$variant::NAME,
            doc: $module::$variant::DOC,
            measures: $module::$variant::MEASURES,
            schema: || SchemaGenerator::default().into_root_schema_for::<$module::$variant>(),
            needs_log: $module::$variant::NEEDS_LOG,
        }),+];

        impl Fact {
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $module::$variant::NAME),+ }
            }
            pub fn identity(&self) -> BTreeMap<&'static str, String> {
                match self { $(Self::$variant(fact) => fact.identity()),+ }
            }
            pub fn evidence(&self) -> Vec<Evidence> {
                match self { $(Self::$variant(fact) => fact.evidence()),+ }
            }
            pub fn numbers(&self, level: f64) -> Vec<Number> {
                match self { $(Self::$variant(fact) => fact.numbers(level)),+ }
            }
        }
    };
}

kinds! {
    Purpose(purpose),
    Field(field),
    DataUse(data_use),
    Join(join),
    Alternative(alternative),
    Explanation(explanation),
    Prompt(prompt),
    Reidentification(reidentification),
    Proxy(proxy),
    Coverage(coverage),
    OutcomeParity(outcome_parity),
    Subgroup(subgroup),
    ConditionalParity(conditional_parity),
    Selection(selection),
    PriceParity(price_parity),
    ExposureParity(exposure_parity),
    RankingFairness(ranking_fairness),
    ListParity(list_parity),
    CatalogueUse(catalogue_use),
    Inequality(inequality),
    Counterfactual(counterfactual),
    UndeclaredPersonalData(undeclared_personal_data),
    Loyalty(loyalty),
    LoyaltyBalance(loyalty_balance),
    LoyaltyForecast(loyalty_forecast),
    SampleRatio(sample_ratio),
    EvidenceQuality(evidence_quality),
    Mix(mix),
    Change(change),
    Drift(drift),
    Trend(trend),
}

/// A kind by its name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// `attr=value, …` of a set of attributes, for identities and sentences.
pub fn attributes(of: &BTreeMap<String, String>) -> String {
    of.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

/// The kinds that take a measure of this name: what is spread over people may be spread over items, too.
pub fn of_measure(name: &str) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(move |kind| kind.measures.contains(&name))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_measure_is_explained_where_it_is_taken() {
        for kind in super::KINDS {
            for measure in kind.measures {
                assert!(kind.doc.to_lowercase().contains(measure), "{measure} of {}", kind.name);
                assert!(super::kind(measure).is_none(), "{measure} is a kind, too");
                assert!(crate::metrics::metric(measure).is_none(), "{measure} is an outcome, too");
            }
        }
    }

    /// `docs/measures.md` leaves out nothing that is measured, and names nothing that is not.
    #[test]
    fn the_page_of_measures_is_whole() {
        let page = include_str!("../../docs/measures.md").replace("\r\n", "\n");
        let told: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        for id in crate::metrics::IDS {
            assert!(page.contains(&format!("\n| `{id}` | `outcome_parity` | ")), "no row for {id}");
        }
        for kind in super::KINDS {
            assert!(page.contains(&format!("| `{}` | ", kind.name)), "no row of {}", kind.name);
            for measure in kind.measures {
                assert!(page.contains(&format!("\n| `{measure}` | `{}` | ", kind.name)), "no row for {measure}");
            }
        }
        for name in told {
            let known = crate::metrics::metric(name).is_some() || super::kind(name).is_some();
            assert!(known || super::of_measure(name).next().is_some(), "{name} is not measured");
        }
    }
}
