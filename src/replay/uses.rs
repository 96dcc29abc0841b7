//! Uses: the distinct ways in which decisions used data, and what the policy asks of each.
//!
//! A log has many decisions and few kinds of them: strategy, set of inputs, jurisdiction. Each kind is looked at once.
//! Training runs, links between identifiers and data handed to others are uses too, with an operation of their own.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{Engine, literal};
use crate::error::Result;
use crate::evidence::columns::LIST;
use crate::evidence::consent_policy::{ConsentPolicy, MinorRule, Policies, Regime};
use crate::evidence::data_map::{DataMap, Resolved};
use crate::manifest::{LegalBasis, Manifest};

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

/// What is asked of one use, under way.
struct Asking<'a> {
    usage: &'a Use,
    purpose: &'a str,
    policy: &'a ConsentPolicy,
    jurisdiction: &'a str,
    opt_out: bool,
    minors: Option<MinorRule>,
    needs: &'a mut Vec<Need>,
}

/// What a grant, or the absence of an objection, would have to cover.
#[derive(Clone)]
struct Covering {
    categories: BTreeSet<String>,
    contexts: BTreeSet<String>,
    explicit: bool,
}

impl Asking<'_> {
    /// What consent means for `covering`: a grant; where the regime is opt-out and nothing more is asked, no objection.
    fn consent(&mut self, covering: Vec<Covering>, parental: bool) -> Requirement {
        let opt_out = self.opt_out && !parental && covering.iter().all(|one| !one.explicit);
        if opt_out {
            return self.no_objection(covering);
        }
        Requirement::Grant(covering.into_iter().map(|one| self.number(one, false, parental)).collect())
    }

    fn no_objection(&mut self, covering: Vec<Covering>) -> Requirement {
        Requirement::NoObjection(covering.into_iter().map(|one| self.number(one, true, false)).collect())
    }

    fn number(&mut self, covering: Covering, objection: bool, parental: bool) -> usize {
        let grace = self.policy.grace(self.purpose, self.jurisdiction).as_micros();
        let need = Need {
            purpose: self.purpose.to_owned(),
            categories: covering.categories,
            contexts: covering.contexts,
            operation: if self.usage.operation == TODAY { SERVE.to_owned() } else { self.usage.operation.clone() },
            recipient: self.usage.recipient.clone(),
            notices: self.policy.notice_versions(self.purpose).iter().cloned().collect(),
            objection,
            explicit: covering.explicit,
            parental,
            grace: i64::try_from(grace).unwrap_or(i64::MAX / 4),
        };
        self.needs.iter().position(|known| *known == need).unwrap_or_else(|| {
            self.needs.push(need);
            self.needs.len() - 1
        })
    }

    /// What holds for minors where `requirement` holds for others, and consent is asked for `consent`, if it is.
    fn for_minors(&mut self, requirement: &Requirement, consent: Option<Vec<Covering>>) -> Requirement {
        match (self.minors, consent) {
            (Some(MinorRule::Never), _) => Requirement::Never,
            (Some(MinorRule::ParentalConsent), Some(covering)) => self.consent(covering, true),
            _ => requirement.clone(),
        }
    }
}

/// Works out what a use asks for under one version of the policy.
pub fn ask(
    usage: &Use,
    purpose: &str,
    policy: &ConsentPolicy,
    manifest: &Manifest,
    map: &DataMap,
    needs: &mut Vec<Need>,
) -> Asked {
    let jurisdiction = usage.jurisdiction_name(manifest);
    let minors = policy.minors(purpose, jurisdiction);
    let mut asking = Asking {
        usage,
        purpose,
        policy,
        jurisdiction,
        opt_out: policy.regime(jurisdiction) == Regime::OptOut,
        minors: minors.map(|(_, rule)| rule),
        needs,
    };
    // Contexts that are one setting under two names count as one.
    let mut parts: BTreeMap<(String, String), bool> = BTreeMap::new();
    for ((category, context), special) in &usage.resolved.parts {
        *parts.entry((category.clone(), policy.canonical(context).to_owned())).or_default() |= special;
    }
    let mut categories = BTreeMap::new();
    for category in parts.keys().map(|(category, _)| category).filter(|c| !c.is_empty()).collect::<BTreeSet<_>>() {
        let of_it = parts.iter().filter(|((c, _), _)| c == category);
        let contexts: BTreeSet<String> = of_it.clone().map(|((_, context), _)| context.clone()).collect();
        let special = of_it.clone().any(|(_, special)| *special);
        let stated = policy.basis(purpose, category);
        let basis = if special && stated.basis.is_some() { Some(LegalBasis::ExplicitConsent) } else { stated.basis };
        let explicit = basis == Some(LegalBasis::ExplicitConsent);
        let one = |context: &String| Covering {
            categories: BTreeSet::from([category.clone()]),
            contexts: BTreeSet::from([context.clone()]),
            explicit,
        };
        let each: Vec<Covering> = contexts.iter().map(one).collect();
        let consent = matches!(basis, Some(LegalBasis::Consent | LegalBasis::ExplicitConsent)).then(|| each.clone());
        let requirement = match basis {
            None => Requirement::Never,
            Some(LegalBasis::Consent | LegalBasis::ExplicitConsent) => asking.consent(each, false),
            Some(LegalBasis::LegitimateInterests) => asking.no_objection(each),
            Some(_) => Requirement::Free,
        };
        let for_minors = asking.for_minors(&requirement, consent);
        let (prohibited, line) = (stated.prohibited, stated.line);
        let ask = CategoryAsk { basis, prohibited, special, contexts, requirement, for_minors, line };
        categories.insert(category.clone(), ask);
    }
    let contexts: BTreeSet<&String> = parts.keys().map(|(_, context)| context).collect();
    let contexts: Vec<&String> = contexts.into_iter().collect();
    let mut pairs = BTreeMap::new();
    for (index, a) in contexts.iter().enumerate() {
        for b in &contexts[index + 1..] {
            let ask = pair(&mut asking, &parts, &categories, map, (a, b));
            pairs.insert(((*a).clone(), (*b).clone()), ask);
        }
    }
    Asked { categories, pairs, age_limit: minors.map(|(limit, _)| limit) }
}

fn pair(
    asking: &mut Asking<'_>,
    parts: &BTreeMap<(String, String), bool>,
    categories: &BTreeMap<String, CategoryAsk>,
    map: &DataMap,
    (a, b): (&String, &String),
) -> PairAsk {
    let policy = asking.policy;
    let sides: Vec<_> = parts.iter().filter(|((_, context), _)| context == a || context == b).collect();
    let special = sides.iter().any(|(_, special)| **special);
    let rule = policy.pair(asking.purpose, a, b);
    let forbidden = policy.unlinkable((a, b), &shared_identities(map, policy, (a, b)));
    // A declared combination cannot stretch a consent: what was collected under consent leaves its scope when it is
    // combined, whatever basis the combination claims.
    let under_consent = sides.iter().any(|((category, _), _)| {
        let basis = categories.get(category).and_then(|ask| ask.basis);
        matches!(basis, Some(LegalBasis::Consent | LegalBasis::ExplicitConsent))
    });
    let stretched = !rule.requires_consent && under_consent;
    let requires_consent = forbidden.is_none() && (rule.requires_consent || stretched);
    let covering = vec![Covering {
        categories: sides.iter().map(|((c, _), _)| c.clone()).filter(|c| !c.is_empty()).collect(),
        contexts: BTreeSet::from([a.clone(), b.clone()]),
        explicit: special,
    }];
    let requirement = match (forbidden, requires_consent) {
        (Some(_), _) => Requirement::Never,
        (None, true) => asking.consent(covering.clone(), false),
        (None, false) => Requirement::Free,
    };
    let for_minors = asking.for_minors(&requirement, requires_consent.then_some(covering));
    let reason = match forbidden {
        Some(clause) => Some(format!("the policy lets no identifier link `{}` to another context", *clause.context)),
        None if stretched => {
            Some("data under consent leaves its scope when it is combined, whatever the clause says".to_owned())
        }
        None => rule.reason,
    };
    let line = forbidden.map_or(rule.line, |clause| clause.context.line);
    let unlinkable = forbidden.is_some();
    PairAsk { special, requires_consent, requirement, for_minors, unlinkable, reason, line }
}

/// The namespaces of identifiers that both contexts hold, by the data map: what rows of the two can be matched by.
pub fn shared_identities<'m>(map: &'m DataMap, policy: &ConsentPolicy, (a, b): (&str, &str)) -> BTreeSet<&'m str> {
    let of = |context: &str| -> BTreeSet<&str> {
        let fields = map.fields.values().filter(|field| policy.canonical(&field.context) == policy.canonical(context));
        fields.filter_map(|field| field.identity.as_deref()).collect()
    };
    of(a).intersection(&of(b)).copied().collect()
}
