//! What is in the log by construction: the answers that an audit of it has to find.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::conduct::{Defect, GRACE, HYBRID, Reading, SPOTLIGHT, UNDECLARED, UNMAPPED, Use};
use super::offers::Offered;
use super::people::Subject;
use super::plan::{Metric, Plan, WHOLE};
use super::rights::{Context, Right, Rights};
use super::spotlight::Candidate;
use super::{EFFECTIVE, LENGTH_OF_LIST};

mod planted;

pub use planted::Effect;

/// Everything planted, counted by the generator while it planted it. Written as `truth.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    pub seed: u64,
    /// Everything that the plan names, in its order.
    pub effects: Vec<Effect>,
    pub decisions: u64,
    pub impressions: u64,
    /// Subjects with a decision.
    pub subjects: u64,
    pub strategies: BTreeMap<String, Totals>,
    pub planted: Planted,
    pub joins: Vec<Join>,
    pub data_uses: Vec<DataUse>,
    /// Strategies that decided and that the manifest does not declare.
    pub undeclared: Vec<Undeclared>,
    /// Inputs that rows name and the data map does not have.
    pub unmapped: Vec<Unmapped>,
    /// Clicks per impression under [`HYBRID`], segment by segment.
    pub segments: Vec<Segment>,
    /// Who is shown higher prices.
    pub surcharges: Vec<Surcharge>,
    /// Whose articles are favoured, and at whose cost.
    pub placements: Vec<Placement>,
    /// What the candidate is worth.
    pub candidate: Option<Candidate>,
}

/// What one strategy did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub decisions: u64,
    pub subjects: u64,
    pub impressions: u64,
    pub clicks: u64,
    pub conversions: u64,
    /// In the log's currency.
    pub revenue: f64,
}

/// Decisions, and the distinct subjects of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub events: u64,
    pub subjects: u64,
    #[serde(skip)]
    last: Option<usize>,
}

impl Count {
    /// One more decision. Subjects come one after the other, so a new one shows by differing from the last.
    fn add(&mut self, subject: usize) {
        self.events += 1;
        self.subjects += u64::from(self.last != Some(subject));
        self.last = Some(subject);
    }
}

/// Decisions by defect; all zero in a clean shop.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Planted {
    pub combination_never_granted: Count,
    pub after_withdrawal: Count,
    /// No breach: counted apart.
    pub within_grace: Count,
    pub before_grant: Count,
    pub after_expiry: Count,
    pub no_record: Count,
    /// For people who refused.
    pub refused: Count,
    pub undeclared: Count,
    pub unmapped: Count,
}

/// Decisions by what the law of consent says of them; `events` is their sum but for `events_after_withdrawal`, which
/// is part of `events_without_consent`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub events: u64,
    pub subjects: u64,
    pub events_permitted: u64,
    pub events_without_consent: u64,
    pub subjects_without_consent: u64,
    pub events_in_grace: u64,
    pub events_after_withdrawal: u64,
    pub subjects_after_withdrawal: u64,
    pub events_unknown: u64,
    pub subjects_unknown: u64,
    pub events_before_policy: u64,
}

/// Two contexts that a strategy combined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Join {
    pub strategy: String,
    /// In alphabetical order.
    pub contexts: [String; 2],
    pub requires_consent: bool,
    #[serde(flatten)]
    pub judged: Judged,
}

/// A category of personal data that a strategy used in one jurisdiction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataUse {
    pub strategy: String,
    pub category: String,
    pub jurisdiction: String,
    #[serde(flatten)]
    pub judged: Judged,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undeclared {
    pub strategy: String,
    pub events: u64,
    pub subjects: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unmapped {
    pub strategy: String,
    pub field: String,
    pub events: u64,
    pub subjects: u64,
}

/// A segment's planted chance of a click beside the reference's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub strategy: String,
    pub attribute: String,
    pub value: String,
    pub reference: String,
    /// The mean of what is planted on the segment's decisions over that of the reference's, so that what is planted on
    /// other attributes counts where the segment has more or fewer of those people. What is in the log differs by chance.
    pub ratio: f64,
    pub subjects: u64,
    pub impressions: u64,
    pub clicks: u64,
}

/// People who are shown another price than others for the same item on the same day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Surcharge {
    /// None: whichever decides.
    pub strategy: Option<String>,
    pub segment: BTreeMap<String, String>,
    /// Their price over that of the others, but for rounding to hundredths.
    pub ratio: f64,
    pub impressions: u64,
}

/// A provider whose share of what is shown was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// None: whichever decides.
    pub strategy: Option<String>,
    /// Empty: for everybody.
    pub segment: BTreeMap<String, String>,
    pub provider: String,
    /// Its share over its share of the catalogue, as planted. Popularity moves it, as it does other providers', by up to
    /// a tenth, and what was bought was left in its place.
    pub ratio: f64,
    pub impressions: u64,
    /// Impressions that one provider lost to the other.
    pub exchanged: u64,
}

/// What consent says of one use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Permitted,
    InGrace,
    Unknown,
    Without,
    AfterWithdrawal,
    BeforePolicy,
}

impl Verdict {
    fn of(right: Right, time: i64) -> Self {
        match right {
            Right::Yes => Self::Permitted,
            Right::No => Self::Without,
            Right::Withdrawn(at) if time <= at + GRACE => Self::InGrace,
            Right::Withdrawn(_) => Self::AfterWithdrawal,
            Right::Unknown => Self::Unknown,
        }
    }

    /// A category from several contexts is as good as the worst of them.
    fn of_use(used: &Use, rights: &Rights, time: i64) -> Self {
        if !used.consent {
            return Self::Permitted;
        }
        let narrow = matches!(used.category, "user.behavior.browsing_history" | "user.behavior.search_history");
        let of_context = |context: &Context| {
            let covered = *context != Context::Web || !rights.narrow_web || narrow;
            Self::of(if covered { rights.of(*context) } else { Right::No }, time)
        };
        used.contexts.iter().map(of_context).max().unwrap_or(Self::Permitted)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    all: Count,
    permitted: Count,
    in_grace: Count,
    without: Count,
    after_withdrawal: Count,
    unknown: Count,
    before_policy: Count,
}

impl Tally {
    fn add(&mut self, subject: usize, verdict: Verdict) {
        self.all.add(subject);
        match verdict {
            Verdict::Permitted => self.permitted.add(subject),
            Verdict::InGrace => self.in_grace.add(subject),
            Verdict::Unknown => self.unknown.add(subject),
            Verdict::Without => self.without.add(subject),
            Verdict::AfterWithdrawal => {
                self.without.add(subject);
                self.after_withdrawal.add(subject);
            }
            Verdict::BeforePolicy => self.before_policy.add(subject),
        }
    }

    fn judged(&self) -> Judged {
        Judged {
            events: self.all.events,
            subjects: self.all.subjects,
            events_permitted: self.permitted.events,
            events_without_consent: self.without.events,
            subjects_without_consent: self.without.subjects,
            events_in_grace: self.in_grace.events,
            events_after_withdrawal: self.after_withdrawal.events,
            subjects_after_withdrawal: self.after_withdrawal.subjects,
            events_unknown: self.unknown.events,
            subjects_unknown: self.unknown.subjects,
            events_before_policy: self.before_policy.events,
        }
    }
}

/// Impressions and what came of them.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    decisions: Count,
    clicks: u64,
    conversions: u64,
    /// In hundredths of the currency.
    revenue: u64,
    /// The sum of what is planted on the chance of a click, in millionths.
    planted: u64,
}

/// The book kept while planting. Decisions are entered subject by subject, outcomes in any order.
pub struct Ledger<'a> {
    plan: &'a Plan,
    decisions: Count,
    strategies: BTreeMap<&'static str, Outcome>,
    /// Under [`HYBRID`], by attribute and value.
    segments: BTreeMap<(&'static str, &'static str), Outcome>,
    defects: BTreeMap<Defect, Count>,
    unmapped: BTreeMap<&'static str, Count>,
    joins: BTreeMap<(&'static str, [&'static str; 2], bool), Tally>,
    uses: BTreeMap<(&'static str, &'static str, &'static str), Tally>,
    /// By effect: the decisions about whom it hits.
    concerned: Vec<Count>,
    pub offered: Offered,
}

impl<'a> Ledger<'a> {
    pub fn of(plan: &'a Plan) -> Self {
        Self {
            plan,
            decisions: Count::default(),
            strategies: BTreeMap::new(),
            segments: BTreeMap::new(),
            defects: BTreeMap::new(),
            unmapped: BTreeMap::new(),
            joins: BTreeMap::new(),
            uses: BTreeMap::new(),
            concerned: vec![Count::default(); plan.effects.len()],
            offered: Offered::default(),
        }
    }

    /// A decision, with what it read and what was wrong with it.
    pub fn enter(&mut self, index: usize, subject: &Subject, time: i64, reading: &Reading, defect: Option<Defect>) {
        self.decisions.add(index);
        self.strategies.entry(reading.strategy).or_default().decisions.add(index);
        for segment in segments(subject).into_iter().filter(|_| reading.strategy == HYBRID) {
            let outcome = self.segments.entry(segment).or_default();
            outcome.decisions.add(index);
            outcome.planted += self.plan.outcome(Metric::Click, reading.strategy, subject);
        }
        for (effect, count) in self.plan.effects.iter().zip(&mut self.concerned) {
            if planted::concerns(effect, reading, subject) {
                count.add(index);
            }
        }
        if let Some(defect) = defect {
            self.defects.entry(defect).or_default().add(index);
        }
        if reading.unmapped {
            self.unmapped.entry(reading.strategy).or_default().add(index);
        }
        let rights = &subject.biography.at(time).0.rights;
        let dated = |verdict: Verdict| if time < EFFECTIVE { Verdict::BeforePolicy } else { verdict };
        for pair in reading.pairs {
            let verdict = match reading.pairs_need_consent {
                true => Verdict::of(rights.of_pair(*pair), time),
                false => Verdict::Permitted,
            };
            let key = (reading.strategy, [pair.0.id(), pair.1.id()], reading.pairs_need_consent);
            self.joins.entry(key).or_default().add(index, dated(verdict));
        }
        for used in reading.uses {
            let verdict = Verdict::of_use(used, rights, time);
            let key = (reading.strategy, used.category, subject.jurisdiction);
            self.uses.entry(key).or_default().add(index, dated(verdict));
        }
    }

    /// What became of one decision's items; revenue in hundredths.
    pub fn outcome(&mut self, subject: &Subject, strategy: &'static str, clicks: u64, conversions: u64, revenue: u64) {
        let hybrid = segments(subject).into_iter().filter(|_| strategy == HYBRID);
        for segment in hybrid {
            self.segments.entry(segment).or_default().clicks += clicks;
        }
        let totals = self.strategies.entry(strategy).or_default();
        totals.clicks += clicks;
        totals.conversions += conversions;
        totals.revenue += revenue;
    }

    pub fn close(self, candidate: Option<Candidate>) -> Truth {
        let defect = |defect: Defect| self.defects.get(&defect).copied().unwrap_or_default();
        let planted = Planted {
            combination_never_granted: defect(Defect::CombinationNeverGranted),
            after_withdrawal: defect(Defect::AfterWithdrawal),
            within_grace: defect(Defect::WithinGrace),
            before_grant: defect(Defect::BeforeGrant),
            after_expiry: defect(Defect::AfterExpiry),
            no_record: defect(Defect::NoRecord),
            refused: defect(Defect::Refused),
            undeclared: defect(Defect::Undeclared),
            unmapped: defect(Defect::Unmapped),
        };
        let joins = self.joins.iter().map(|((strategy, contexts, requires_consent), tally)| Join {
            strategy: (*strategy).to_owned(),
            contexts: contexts.map(str::to_owned),
            requires_consent: *requires_consent,
            judged: tally.judged(),
        });
        let data_uses = self.uses.iter().map(|((strategy, category, jurisdiction), tally)| DataUse {
            strategy: (*strategy).to_owned(),
            category: (*category).to_owned(),
            jurisdiction: (*jurisdiction).to_owned(),
            judged: tally.judged(),
        });
        let undeclared = self.strategies.get(UNDECLARED).map(|outcome| Undeclared {
            strategy: UNDECLARED.to_owned(),
            events: outcome.decisions.events,
            subjects: outcome.decisions.subjects,
        });
        let unmapped = self.unmapped.iter().map(|(strategy, count)| Unmapped {
            strategy: (*strategy).to_owned(),
            field: UNMAPPED.to_owned(),
            events: count.events,
            subjects: count.subjects,
        });
        let reference = |of: &(&'static str, &'static str)| self.segments.get(&(of.0, reference(of.0)));
        let segments = self.segments.iter().map(|(of, outcome)| segment(*of, outcome, reference(of)));
        Truth {
            seed: self.plan.seed,
            effects: (0..self.plan.effects.len()).map(|at| self.effect(at)).collect(),
            decisions: self.decisions.events,
            impressions: self.strategies.iter().map(|(id, outcome)| impressions(id, outcome)).sum(),
            subjects: self.decisions.subjects,
            strategies: self.strategies.iter().map(|(id, outcome)| ((*id).to_owned(), totals(id, outcome))).collect(),
            planted,
            joins: joins.collect(),
            data_uses: data_uses.collect(),
            undeclared: undeclared.into_iter().collect(),
            unmapped: unmapped.collect(),
            segments: segments.collect(),
            surcharges: self.surcharges(),
            placements: self.placements(),
            candidate,
        }
    }
}

/// The subject's attributes that are known and compared.
fn segments(subject: &Subject) -> Vec<(&'static str, &'static str)> {
    let all = [("age_band", subject.age_band), ("gender", subject.gender), ("region", subject.region)];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn impressions(strategy: &str, outcome: &Outcome) -> u64 {
    outcome.decisions.events * if strategy == SPOTLIGHT { 1 } else { LENGTH_OF_LIST as u64 }
}

fn totals(strategy: &str, outcome: &Outcome) -> Totals {
    Totals {
        decisions: outcome.decisions.events,
        subjects: outcome.decisions.subjects,
        impressions: impressions(strategy, outcome),
        clicks: outcome.clicks,
        conversions: outcome.conversions,
        revenue: outcome.revenue as f64 / 100.0,
    }
}

/// The values with which the manifest compares others.
fn reference(attribute: &str) -> &'static str {
    match attribute {
        "age_band" => "30-44",
        "gender" => "female",
        _ => "west",
    }
}

fn segment((attribute, value): (&str, &str), outcome: &Outcome, reference_outcome: Option<&Outcome>) -> Segment {
    let mean = |of: &Outcome| of.planted as f64 / of.decisions.events.max(1) as f64;
    let reference_mean = reference_outcome.map_or(WHOLE as f64, mean);
    Segment {
        strategy: HYBRID.to_owned(),
        attribute: attribute.to_owned(),
        value: value.to_owned(),
        reference: reference(attribute).to_owned(),
        ratio: (mean(outcome) / reference_mean * 10_000.0).round() / 10_000.0,
        subjects: outcome.decisions.subjects,
        impressions: impressions(HYBRID, outcome),
        clicks: outcome.clicks,
    }
}
