//! Uses: the distinct ways in which decisions used data, and what the policy asks of each.
//!
//! A log has many decisions and few kinds of them: strategy, set of inputs, jurisdiction. Each kind is looked at once.
//! Training runs, links between identifiers and data handed to others are uses too, with an operation of their own.

mod ask;

pub use ask::{ask, shared_identities};

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{Engine, literal};
use crate::error::{Problem, Result, all_clear};
use crate::evidence::columns::LIST;
use crate::evidence::consent_policy::Policies;
use crate::evidence::data_map::{DataMap, Resolved};
use crate::evidence::table::FILE;
use crate::evidence::text::LINE;
use crate::manifest::{LegalBasis, Manifest};
use crate::yaml::Document;

/// What a recommendation does with data.
pub const SERVE: &str = "serve";

/// Not an operation of any row: what would be if a strategy decided about everyone today, by what it declares.
pub const TODAY: &str = "today";

/// One kind of decision, or of another use of data.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    pub strategy: String,
    /// None: nobody declared the strategy.
    pub purpose: Option<String>,
    /// `serve`, `train`, `link` or `share`.
    pub operation: String,
    /// As the rows write it; empty where the strategy's declaration stands for them.
    pub recipient_text: String,
    /// Who receives the data; None: nobody but the organisation.
    pub recipient: Option<String>,
    /// As the log writes it; empty where it writes none.
    pub jurisdiction: String,
    /// The inputs text of the rows; empty where the strategy's declaration stands for them.
    pub inputs_text: String,
    pub inputs: BTreeSet<String>,
    /// Inputs that the data map does not know.
    pub unmapped: BTreeSet<String>,
    /// All that the mapped inputs stand for.
    pub resolved: Resolved,
    pub decisions: u64,
}

impl Use {
    /// What a strategy declares of itself, as if it decided by that today.
    pub fn declared(manifest: &Manifest, map: &DataMap, strategy: &str) -> Self {
        let written = Written { strategy: strategy.to_owned(), operation: TODAY.to_owned(), ..Written::default() };
        written.read(manifest, map)
    }

    /// Whether the data map knows all inputs, and every table that lineage makes them of.
    pub fn is_mapped(&self) -> bool {
        self.unmapped.is_empty() && self.resolved.unknown.is_empty()
    }

    /// The jurisdiction that decides, and its name in facts.
    pub fn jurisdiction_name<'a>(&'a self, manifest: &'a Manifest) -> &'a str {
        match (self.jurisdiction.as_str(), manifest.system.jurisdiction.as_deref()) {
            ("", None) => "unstated",
            ("", Some(default)) => default,
            (stated, _) => stated,
        }
    }
}

/// A use with what each version of the policy asks of it; nothing where nobody declared the strategy, or there is no
/// policy.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedUse {
    pub usage: Use,
    /// One for each version, in their order.
    pub asked: Vec<Asked>,
}

/// What the policy asks of a use of one category, or of one pair of contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// No clause covers it, or it is forbidden: nothing makes it lawful.
    Never,
    /// It may be used without asking.
    Free,
    /// A grant must be in force for each of these needs.
    Grant(BTreeSet<usize>),
    /// No objection may be in force against any of these.
    NoObjection(BTreeSet<usize>),
}

/// A scope that a use asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    pub purpose: String,
    /// All of these must be covered.
    pub categories: BTreeSet<String>,
    /// One context, or a pair that is combined.
    pub contexts: BTreeSet<String>,
    pub operation: String,
    pub recipient: Option<String>,
    /// Versions of the notice under which a grant counts; empty: all.
    pub notices: BTreeSet<String>,
    /// Whether only an objection is asked about, and no grant.
    pub objection: bool,
    pub explicit: bool,
    /// Whether a parent must give it.
    pub parental: bool,
    /// How long use may go on after a withdrawal, in microseconds.
    pub grace: i64,
}

/// What one use asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub categories: BTreeMap<String, CategoryAsk>,
    pub pairs: BTreeMap<(String, String), PairAsk>,
    /// Whoever is younger is judged by `for_minors`, in years; None: age does not matter.
    pub age_limit: Option<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CategoryAsk {
    pub basis: Option<LegalBasis>,
    pub prohibited: bool,
    pub special: bool,
    pub contexts: BTreeSet<String>,
    pub requirement: Requirement,
    pub for_minors: Requirement,
    /// Line of the policy's clause; 0 without one.
    pub line: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PairAsk {
    pub special: bool,
    /// Whether the combination takes consent: a grant where the regime is opt-in, no objection where it is opt-out.
    pub requires_consent: bool,
    pub requirement: Requirement,
    pub for_minors: Requirement,
    /// Whether the policy forbids that an identifier links the two.
    pub unlinkable: bool,
    pub reason: Option<String>,
    pub line: u64,
}

/// The tables that `data_uses` is made of.
#[derive(Debug, Clone, Default)]
pub struct Rows<'a> {
    /// Whether `decisions` is a table.
    pub decisions: bool,
    /// Whether `uses` is a table.
    pub uses: bool,
    /// Strategies to ask about as of a moment, in microseconds, and a plan of the people (`subject_id`) to ask for.
    pub today: Option<(&'a [String], i64, String)>,
}

/// Names `data_uses`: decisions and other uses of data, one row each, as the replay of consent reads them.
pub async fn view(engine: &Engine, rows: &Rows<'_>) -> Result<()> {
    let mut parts = Vec::new();
    if rows.decisions {
        parts.push(format!(
            "SELECT subject_id, at, strategy, '{SERVE}' AS operation, '' AS recipient, inputs, jurisdiction, minor \
             FROM decisions"
        ));
    }
    if rows.uses {
        // The same use told twice is one use.
        parts.push(
            "SELECT DISTINCT subject_id, timestamp AS at, strategy, operation, coalesce(recipient, '') AS recipient, \
             coalesce(inputs, '') AS inputs, coalesce(jurisdiction, '') AS jurisdiction, CAST(NULL AS BIGINT) AS minor \
             FROM uses"
                .to_owned(),
        );
    }
    if let Some((strategies, at, people)) = &rows.today {
        parts.extend(strategies.iter().map(|strategy| {
            format!(
                "SELECT subject_id, CAST({at} AS BIGINT) AS at, {} AS strategy, '{TODAY}' AS operation, '' AS recipient, \
                 '' AS inputs, '' AS jurisdiction, CAST(NULL AS BIGINT) AS minor FROM ({people})",
                literal(strategy)
            )
        }));
    }
    engine.view("data_uses", &parts.join(" UNION ALL ")).await
}

/// Refuses uses by a strategy that nobody declared: no log of recommendations would show it, so nothing would judge them.
pub async fn check(engine: &Engine, manifest: &Document<Manifest>) -> Result<()> {
    let rows = engine.rows("SELECT strategy FROM uses GROUP BY strategy ORDER BY strategy").await?;
    let names = (0..rows.len()).filter_map(|row| rows.text("strategy", row));
    let mut problems = Vec::new();
    for name in names.filter(|name| manifest.value.strategy(name).is_none()) {
        let place = engine
            .rows(&format!(
                "SELECT {FILE}, {LINE} FROM uses WHERE strategy = {} ORDER BY {FILE}, {LINE} LIMIT 1",
                literal(name)
            ))
            .await?;
        let file = manifest.resolve(place.text(FILE, 0).unwrap_or_default());
        let problem = Problem::new(format!("the manifest declares no strategy `{name}`"));
        let problem = problem.at(file, place.count(LINE, 0), 0);
        problems.push(problem.suggest(name, manifest.value.strategies.iter().map(|strategy| strategy.id.as_str())));
    }
    all_clear(problems)
}

/// The distinct uses in `data_uses`, in order, with what every version of the policy asks of them. Needs are numbered by
/// `needs`, which grows.
pub async fn of_log(
    engine: &Engine,
    manifest: &Manifest,
    map: &DataMap,
    policies: Option<&Policies>,
    needs: &mut Vec<Need>,
) -> Result<Vec<AskedUse>> {
    const KEY: &str = "strategy, operation, recipient, inputs, jurisdiction";
    let rows =
        engine.rows(&format!("SELECT {KEY}, count(*) AS n FROM data_uses GROUP BY {KEY} ORDER BY {KEY}")).await?;
    let mut uses = Vec::new();
    for row in 0..rows.len() {
        let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
        let written = Written {
            strategy: text("strategy"),
            operation: text("operation"),
            recipient: text("recipient"),
            inputs: text("inputs"),
            jurisdiction: text("jurisdiction"),
            decisions: rows.count("n", row),
        };
        let usage = written.read(manifest, map);
        uses.push(ask_all(usage, policies, manifest, map, needs));
    }
    Ok(uses)
}

/// Asks every version of the policy of a use.
pub fn ask_all(
    usage: Use,
    policies: Option<&Policies>,
    manifest: &Manifest,
    map: &DataMap,
    needs: &mut Vec<Need>,
) -> AskedUse {
    let versions = policies.into_iter().flat_map(Policies::versions).map(|version| version.policy());
    let asked = match &usage.purpose {
        Some(purpose) => versions.map(|policy| ask(&usage, purpose, policy, manifest, map, needs)).collect(),
        None => Vec::new(),
    };
    AskedUse { usage, asked }
}

/// A use, as rows write it.
#[derive(Default)]
struct Written {
    strategy: String,
    operation: String,
    recipient: String,
    inputs: String,
    jurisdiction: String,
    decisions: u64,
}

impl Written {
    fn read(self, manifest: &Manifest, map: &DataMap) -> Use {
        let declared = manifest.strategy(&self.strategy);
        let mut inputs: BTreeSet<String> =
            self.inputs.split(LIST).map(str::trim).filter(|input| !input.is_empty()).map(str::to_owned).collect();
        if inputs.is_empty() {
            inputs.extend(declared.into_iter().flat_map(|s| s.inputs.iter().map(|i| i.value.clone())));
        }
        let mut resolved = Resolved::default();
        let mut unmapped = BTreeSet::new();
        for input in &inputs {
            match map.resolve(input) {
                Some(field) => resolved.merge(field),
                None => {
                    unmapped.insert(input.clone());
                }
            }
        }
        let recipient = Some(self.recipient.clone()).filter(|name| !name.is_empty());
        Use {
            purpose: declared.map(|s| s.purpose.value.clone()),
            recipient: recipient.or_else(|| declared.and_then(|s| s.recipient.clone())),
            strategy: self.strategy,
            operation: self.operation,
            recipient_text: self.recipient,
            jurisdiction: self.jurisdiction,
            inputs_text: self.inputs,
            inputs,
            unmapped,
            resolved,
            decisions: self.decisions,
        }
    }
}
