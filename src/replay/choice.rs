//! What decided about people who had said no: a strategy that profiles, or the alternative that does not.
//!
//! An answer is looked up here and not in the timeline of consent, because that knows only what uses of data ask for,
//! and an alternative asks for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::uses::{SERVE, Use};
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::LIST;
use crate::evidence::consent_policy::{ConsentPolicy, Policies, Regime};
use crate::evidence::data_map::DataMap;
use crate::evidence::taxonomy::covers;
use crate::manifest::{LegalBasis, Manifest};

/// Decisions and people behind one answer: all of them, and those for whom an alternative decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    pub decisions: u64,
    pub subjects: u64,
    pub by_alternative: u64,
    pub subjects_by_alternative: u64,
}

/// The decisions for one purpose in one jurisdiction, by what the person had said about the purpose until then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Choices {
    pub all: Served,
    /// A refusal or withdrawal was in force, and no grant of any scope. Where the regime is opt-out it must be one of
    /// the whole purpose: what a narrower one leaves alone is still allowed.
    pub refused: Served,
    /// A withdrawal was in force, within the policy's grace.
    pub in_grace: Served,
    /// Neither a grant nor a refusal was in force.
    pub silent: Served,
}

/// What the lookup needs beside the tables.
pub struct Question<'a> {
    pub engine: &'a Engine,
    pub manifest: &'a Manifest,
    pub map: Option<&'a DataMap>,
    /// The latest version says what no record means, and how long a withdrawal may take.
    pub policies: Option<&'a Policies>,
    pub uses: &'a [Use],
    /// Whether `consent_records` is a table.
    pub have_records: bool,
}

/// The purposes for which a declared strategy profiles.
pub fn profiled(manifest: &Manifest) -> BTreeSet<&str> {
    manifest.strategies.iter().filter(|s| s.profiling).map(|s| s.purpose.as_str()).collect()
}

/// Whether a strategy that does not profile stands in for those that profile for `purpose`: it serves the same
/// purpose, or one for which nobody profiles.
pub fn stands_in(own: &str, purpose: &str, profiled: &BTreeSet<&str>) -> bool {
    own == purpose || !profiled.contains(own)
}

/// Inputs with personal data whose use is the person's choice: consent, legitimate interests or no basis at all. What
/// a contract or the law requires is no profile. Without a policy all personal data counts.
pub fn chosen_inputs(
    inputs: &BTreeSet<String>,
    purpose: &str,
    map: &DataMap,
    policy: Option<&ConsentPolicy>,
) -> Vec<String> {
    let chosen = |category: &str, special: bool| match policy.map(|policy| policy.basis(purpose, category).basis) {
        _ if special => true,
        None | Some(None) => true,
        Some(Some(LegalBasis::Consent | LegalBasis::ExplicitConsent | LegalBasis::LegitimateInterests)) => true,
        Some(Some(_)) => false,
    };
    let held = |input: &&String| {
        let parts = map.resolve(input).map(|field| field.parts).unwrap_or_default();
        parts.iter().any(|((category, _), special)| chosen(category, *special))
    };
    inputs.iter().filter(held).cloned().collect()
}

/// Answers by purpose and jurisdiction. The log must be there.
pub async fn answers(question: &Question<'_>) -> Result<BTreeMap<(String, String), Choices>> {
    let profiled = profiled(question.manifest);
    let mut choices = BTreeMap::new();
    if profiled.is_empty() || !question.register_uses(&profiled)? {
        return Ok(choices);
    }
    if question.have_records {
        question.register_scopes(&profiled).await?;
    }
    question.engine.stage("choices", &question.sql()).await?;
    let by_answer = "SELECT purpose, place, answer, sum(n) AS decisions, count(DISTINCT subject_id) AS subjects, \
         coalesce(sum(n) FILTER (WHERE alternative = 1), 0) AS by_alternative, \
         count(DISTINCT CASE WHEN alternative = 1 THEN subject_id END) AS subjects_by_alternative \
         FROM choices GROUP BY purpose, place, answer";
    let all = by_answer.replace(", answer", "").replace("place,", "place, 'all' AS answer,");
    let rows = question.engine.rows(&format!("{by_answer} UNION ALL {all} ORDER BY 1, 2, 3")).await?;
    for row in 0..rows.len() {
        let text = |column: &str| rows.text(column, row).unwrap_or_default().to_owned();
        let served = Served {
            decisions: rows.count("decisions", row),
            subjects: rows.count("subjects", row),
            by_alternative: rows.count("by_alternative", row),
            subjects_by_alternative: rows.count("subjects_by_alternative", row),
        };
        let of: &mut Choices = choices.entry((text("purpose"), text("place"))).or_default();
        match text("answer").as_str() {
            "all" => of.all = served,
            "refused" => of.refused = served,
            "in_grace" => of.in_grace = served,
            "silent" => of.silent = served,
            _ => {}
        }
    }
    Ok(choices)
}

impl Question<'_> {
    /// Where people's answers are: with a policy the replay of consent has added the signals of their browsers.
    fn events(&self) -> &'static str {
        if self.policies.is_some() { "consent_events" } else { "consent_records" }
    }

    fn policy(&self) -> Option<&ConsentPolicy> {
        self.policies.map(Policies::latest)
    }

    /// Table `choice_uses`: for which purposes each kind of decision counts, and whether as the alternative. False when
    /// there is none.
    fn register_uses(&self, profiled: &BTreeSet<&str>) -> Result<bool> {
        let mut rows: BTreeSet<([&str; 5], [i64; 3])> = BTreeSet::new();
        for usage in self.uses.iter().filter(|usage| usage.operation == SERVE) {
            let Some(strategy) = self.manifest.strategy(&usage.strategy) else { continue };
            let own = strategy.purpose.as_str();
            // What a strategy says of itself does not count where its inputs say otherwise.
            let contradicted =
                self.map.is_some_and(|map| !chosen_inputs(&usage.inputs, own, map, self.policy()).is_empty());
            let alternative = !strategy.profiling && !contradicted;
            let place = usage.jurisdiction_name(self.manifest);
            let opt_out = self.policy().is_some_and(|policy| policy.regime(place) == Regime::OptOut);
            for purpose in profiled.iter().filter(|purpose| match strategy.profiling {
                true => **purpose == own,
                false => stands_in(own, purpose, profiled),
            }) {
                let texts = [&usage.strategy, &usage.inputs_text, &usage.jurisdiction, *purpose, place];
                let grace = self.policy().map_or(0, |policy| policy.grace(purpose, place).as_micros());
                let grace = i64::try_from(grace).unwrap_or(i64::MAX / 4);
                rows.insert((texts, [i64::from(alternative), i64::from(opt_out), grace]));
            }
        }
        let column = |index: usize| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(|(texts, _)| texts[index])))
        };
        let flag = |index: usize| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, flags)| flags[index])))
        };
        let flags = [("alternative", flag(0)), ("opt_out", flag(1)), ("grace", flag(2))];
        let names = ["strategy", "inputs", "jurisdiction", "purpose", "place"];
        let columns = names.into_iter().enumerate().map(|(index, name)| (name, column(index)));
        let batch = RecordBatch::try_from_iter(columns.chain(flags))?;
        let some = batch.num_rows() > 0;
        self.engine.small_table("choice_uses", batch)?;
        Ok(some)
    }

    /// Table `choice_scopes`: to which scopes (`lane`) of which purpose a record speaks, by its texts and status. A
    /// grant speaks to its own scope; a refusal or withdrawal also to every scope that it takes back.
    async fn register_scopes(&self, profiled: &BTreeSet<&str>) -> Result<()> {
        let found = self
            .engine
            .rows(&format!(
                "SELECT purpose, coalesce(categories, '') AS categories, coalesce(contexts, '') AS contexts \
                 FROM {} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                self.events()
            ))
            .await?;
        let texts: Vec<[String; 3]> = (0..found.len())
            .map(|row| {
                let text = |column: &str| found.text(column, row).unwrap_or_default().to_owned();
                [text("purpose"), text("categories"), text("contexts")]
            })
            .collect();
        let elements = |text: &str| -> BTreeSet<String> {
            let elements = text.split(LIST).map(str::trim).filter(|element| !element.is_empty());
            elements
                .map(|element| self.policy().map_or(element, |policy| policy.canonical(element)).to_owned())
                .collect()
        };
        let scopes: Vec<[BTreeSet<String>; 2]> =
            texts.iter().map(|[_, categories, contexts]| [elements(categories), elements(contexts)]).collect();
        let takes_back = |no: usize, grant: usize| {
            let ([categories, contexts], [granted, in_contexts]) = (&scopes[no], &scopes[grant]);
            let touches = |own: &String| granted.iter().any(|other| covers(own, other) || covers(other, own));
            covers(&texts[no][0], &texts[grant][0])
                && (categories.is_empty() || categories.iter().any(touches))
                && contexts.is_subset(in_contexts)
        };
        let mut rows: Vec<(usize, &str, [i64; 3])> = Vec::new();
        for purpose in profiled {
            let about: Vec<usize> = (0..texts.len()).filter(|&scope| covers(&texts[scope][0], purpose)).collect();
            for &of in &about {
                for &to in about.iter().filter(|&&to| to == of || takes_back(of, to)) {
                    let whole = scopes[to].iter().all(BTreeSet::is_empty);
                    rows.push((of, *purpose, [to as i64, i64::from(to == of), i64::from(whole)]));
                }
            }
        }
        let column = |index: usize| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| texts[row.0][index].as_str())))
        };
        let about: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
        let number =
            |index: usize| -> ArrayRef { Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2[index]))) };
        let batch = RecordBatch::try_from_iter([
            ("purpose", column(0)),
            ("categories", column(1)),
            ("contexts", column(2)),
            ("about", about),
            ("lane", number(0)),
            ("own", number(1)),
            ("whole", number(2)),
        ])?;
        self.engine.small_table("choice_scopes", batch)
    }

    /// The plan of `choices`: decisions by purpose, jurisdiction, alternative or not, answer and subject.
    fn sql(&self) -> String {
        let since = self.policies.and_then(|policies| policies.since(0));
        let since = since.map(|at| format!(" WHERE d.at >= {at}")).unwrap_or_default();
        let decisions = format!(
            "SELECT u.purpose AS purpose, u.place AS place, u.alternative AS alternative, u.opt_out AS opt_out, \
             u.grace AS grace, d.subject_id AS subject_id, d.at AS at FROM decisions d JOIN choice_uses u \
             ON d.strategy = u.strategy AND d.inputs = u.inputs AND d.jurisdiction = u.jurisdiction{since}"
        );
        if !self.have_records {
            return format!(
                "SELECT purpose, place, alternative, 'silent' AS answer, subject_id, count(*) AS n FROM ({decisions}) \
                 GROUP BY purpose, place, alternative, subject_id"
            );
        }
        // Time and status in one number: the latest record of a scope is the largest; at equal times the more
        // restrictive one is larger.
        let key = "c.timestamp * 4 + CASE WHEN c.status IN ('given', 'renewed') THEN 0 WHEN c.status = 'expired' THEN 1 \
             WHEN c.status = 'withdrawn' THEN 3 ELSE 2 END";
        // What was said of training or of others alone is not about decisions.
        let about = format!(
            "(coalesce(c.operations, '') = '' OR array_has(string_to_array(c.operations, {}), '{SERVE}')) \
             AND (coalesce(c.recipients, '') = '' OR c.status IN ('given', 'renewed'))",
            crate::engine::literal(LIST)
        );
        let events = self.events();
        let latest = format!(
            "SELECT m.purpose AS purpose, m.subject_id AS subject_id, m.at AS at, m.grace AS grace, s.lane AS lane, \
             s.whole AS whole, max({key}) AS latest, \
             first_value(c.expires ORDER BY {key} DESC, c.expires DESC) AS expires \
             FROM (SELECT DISTINCT purpose, subject_id, at, grace FROM ({decisions})) m \
             JOIN {events} c ON m.subject_id = c.subject_id AND c.timestamp <= m.at \
             JOIN choice_scopes s ON s.about = m.purpose AND s.purpose = c.purpose \
              AND s.categories = coalesce(c.categories, '') AND s.contexts = coalesce(c.contexts, '') \
              AND (s.own = 1 OR c.status IN ('refused', 'objected', 'withdrawn')) WHERE {about} \
             GROUP BY m.purpose, m.subject_id, m.at, m.grace, s.lane, s.whole"
        );
        let when = |condition: &str| format!("max(CASE WHEN {condition} THEN 1 ELSE 0 END)");
        let within = "latest % 4 = 3 AND grace > 0 AND at - latest / 4 <= grace";
        let said = format!(
            "SELECT purpose, subject_id, at, grace, {} AS granted, {} AS refused, {} AS whole_refused, {} AS in_grace, \
             {} AS whole_in_grace FROM ({latest}) GROUP BY purpose, subject_id, at, grace",
            when("latest % 4 = 0 AND (expires IS NULL OR expires > at)"),
            when(&format!("latest % 4 >= 2 AND NOT ({within})")),
            when(&format!("whole = 1 AND latest % 4 >= 2 AND NOT ({within})")),
            when(within),
            when(&format!("whole = 1 AND {within}")),
        );
        format!(
            "SELECT d.purpose AS purpose, d.place AS place, d.alternative AS alternative, CASE \
              WHEN s.granted = 1 THEN 'granted' \
              WHEN s.whole_refused = 1 OR (s.refused = 1 AND d.opt_out = 0) THEN 'refused' \
              WHEN s.whole_in_grace = 1 OR (s.in_grace = 1 AND d.opt_out = 0) THEN 'in_grace' ELSE 'silent' END AS answer, d.subject_id AS subject_id, count(*) AS n \
             FROM ({decisions}) d LEFT JOIN ({said}) s \
             ON d.purpose = s.purpose AND d.subject_id = s.subject_id AND d.at = s.at AND d.grace = s.grace \
             GROUP BY 1, 2, 3, 4, 5"
        )
    }
}
