//! Which strategy served whom and when, on which data: the shop's good conduct and the defects planted in it.

use std::collections::BTreeMap;

use super::biography::{Biography, Change, Kind};
use super::chance::Chance;
use super::people::Subject;
use super::plan::{self, Plan, What, scaled};
use super::rights::{Context, Right, Rights};
use super::truth::Ledger;
use super::{DAY, EFFECTIVE, LENGTH, START};

pub const HYBRID: &str = "home-hybrid";
pub const WEB: &str = "web-behaviour";
pub const POPULAR: &str = "popular";
/// One article at the top of the page, drawn with chances that are logged.
pub const SPOTLIGHT: &str = "spotlight";
/// In the log, and nowhere declared.
pub const UNDECLARED: &str = "experiment-7";
/// Named by rows of the log, and in no dataset of the data map.
pub const UNMAPPED: &str = "web.events.dwell_seconds";

/// How long a stale snapshot may serve after a withdrawal, as the policy says.
pub const GRACE: i64 = DAY;

/// A category of personal data that a decision reads.
pub struct Use {
    pub category: &'static str,
    pub contexts: &'static [Context],
    /// Whether its legal basis is consent; otherwise it is the contract.
    pub consent: bool,
}

/// What a decision reads: the inputs as its row names them and what they amount to by `data-map.yaml`.
pub struct Reading {
    pub strategy: &'static str,
    /// Empty: the inputs that the strategy declares.
    pub inputs: &'static str,
    pub uses: &'static [Use],
    pub pairs: &'static [(Context, Context)],
    /// Whether combining those pairs needs consent.
    pub pairs_need_consent: bool,
    pub unmapped: bool,
}

const BROWSING: &str = "user.behavior.browsing_history";
const PURCHASES: &str = "user.behavior.purchase_history";
const ON_WEB: &[Context] = &[Context::Web];
const ON_APP_AND_WEB: &[Context] = &[Context::App, Context::Web];
const IN_STORE: &[Context] = &[Context::Store];
const IN_STORE_AND_ON_WEB: &[Context] = &[Context::Store, Context::Web];
const STORE_WEB: &[(Context, Context)] = &[(Context::Store, Context::Web)];

const fn consent(category: &'static str, contexts: &'static [Context]) -> Use {
    Use { category, contexts, consent: true }
}

const fn contract(category: &'static str, contexts: &'static [Context]) -> Use {
    Use { category, contexts, consent: false }
}

/// The affinity is derived, by way of the style vector, from views, receipts and the hashed e-mail that links them.
const HYBRID_USES: &[Use] = &[
    consent("user.behavior", IN_STORE_AND_ON_WEB),
    consent(BROWSING, ON_WEB),
    consent(PURCHASES, IN_STORE),
    consent("user.contact.email", IN_STORE_AND_ON_WEB),
];

const fn reading(
    strategy: &'static str,
    inputs: &'static str,
    uses: &'static [Use],
    pairs: &'static [(Context, Context)],
) -> Reading {
    Reading { strategy, inputs, uses, pairs, pairs_need_consent: true, unmapped: false }
}

/// Every way in which the shop decides.
pub const READINGS: [Reading; 10] = [
    reading(HYBRID, "", HYBRID_USES, STORE_WEB),
    reading(HYBRID, "features.customer.affinity", HYBRID_USES, STORE_WEB),
    reading(
        HYBRID,
        "web.events.views|app.sessions.screens|store.receipts.lines",
        &[consent(BROWSING, ON_APP_AND_WEB), consent(PURCHASES, IN_STORE)],
        &[(Context::App, Context::Store), (Context::App, Context::Web), (Context::Store, Context::Web)],
    ),
    reading(WEB, "", &[consent(BROWSING, ON_WEB), consent("user.behavior.search_history", ON_WEB)], &[]),
    reading(
        WEB,
        "web.events.views|app.sessions.screens",
        &[consent(BROWSING, ON_APP_AND_WEB)],
        &[(Context::App, Context::Web)],
    ),
    Reading {
        unmapped: true,
        ..reading(WEB, "web.events.views|web.events.dwell_seconds", &[consent(BROWSING, ON_WEB)], &[])
    },
    reading(POPULAR, "", &[contract("user.contact.address.country", ON_WEB)], &[]),
    Reading {
        pairs_need_consent: false,
        ..reading(
            POPULAR,
            "features.items.popularity|web.accounts.delivery.country|store.pickups.branch",
            &[contract("user.contact.address.country", ON_WEB), contract("user.location.imprecise", IN_STORE)],
            STORE_WEB,
        )
    },
    reading(UNDECLARED, "", &[], &[]),
    reading(SPOTLIGHT, "", &[], &[]),
];
const HYBRID_DECLARED: usize = 0;
const HYBRID_AFFINITY: usize = 1;
const HYBRID_WITH_APP: usize = 2;
const WEB_DECLARED: usize = 3;
const WEB_WITH_APP: usize = 4;
const WEB_UNMAPPED: usize = 5;
const POPULAR_DECLARED: usize = 6;
const POPULAR_PICKUP: usize = 7;
const EXPERIMENT: usize = 8;
const LIT: usize = 9;
/// Of a thousand requests, those whose page has a spotlight, if there is one.
const LIT_SHARE: u64 = 400;

/// What was done wrong in one decision, or done within grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// Web and store combined for a subject who granted each and never both together.
    CombinationNeverGranted,
    /// Served from a snapshot older than a withdrawal, past the grace.
    AfterWithdrawal,
    /// The same within the grace: counted, no breach.
    WithinGrace,
    /// Before the consent that came later.
    BeforeGrant,
    AfterExpiry,
    /// For a subject in no consent record.
    NoRecord,
    /// For a subject who refused.
    Refused,
    /// By a strategy that nobody declared.
    Undeclared,
    /// On a field that nobody mapped.
    Unmapped,
}

/// A decision to be written.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    /// Seconds since 1970, odd.
    pub time: i64,
    pub subject: u32,
    /// Index into [`READINGS`].
    pub reading: u8,
}

impl Defect {
    /// Those of consent, which plans name.
    pub const OF_CONSENT: [Self; 7] = [
        Self::CombinationNeverGranted,
        Self::AfterWithdrawal,
        Self::WithinGrace,
        Self::BeforeGrant,
        Self::AfterExpiry,
        Self::NoRecord,
        Self::Refused,
    ];

    /// As plans write it.
    pub fn id(self) -> &'static str {
        match self {
            Self::CombinationNeverGranted => "combination-never-granted",
            Self::AfterWithdrawal => "after-withdrawal",
            Self::WithinGrace => "within-grace",
            Self::BeforeGrant => "before-grant",
            Self::AfterExpiry => "after-expiry",
            Self::NoRecord => "no-record",
            Self::Refused => "refused",
            Self::Undeclared => "undeclared-strategy",
            Self::Unmapped => "unmapped-input",
        }
    }
}

/// Plans all decisions, in the order of time, and enters each into the ledger.
pub fn decide(plan: &Plan, subjects: &[Subject], ledger: &mut Ledger) -> Vec<Planned> {
    let mut times = Chance::new(plan.seed, 3);
    let mut conduct = Chance::new(plan.seed, 4);
    let mut defects = Chance::new(plan.seed, 5);
    let mut lights = Chance::new(plan.seed, 10);
    let wrongs = Wrongs::of(plan);
    let mut planned = Vec::with_capacity(plan.decisions);
    for (index, (subject, count)) in subjects.iter().zip(visits(plan, subjects)).enumerate() {
        // A misconfigured job: it reaches some of the subjects it should not reach, again and again.
        let reached = defects.below(plan::WHOLE);
        for visit in 0..count {
            let time = moment(&subject.biography, visit, &mut times);
            let honest = honest(subject, time, &mut conduct);
            let planted = wrongs.defect(subject, time, honest, reached, &mut defects);
            let (reading, defect) = planted.map_or((honest, None), |(reading, defect)| (reading, Some(defect)));
            ledger.enter(index, subject, time, &READINGS[reading], defect);
            planned.push(Planned { time, subject: index as u32, reading: reading as u8 });
            if plan.has_candidate() && lights.per_mille(LIT_SHARE) {
                ledger.enter(index, subject, time, &READINGS[LIT], None);
                planned.push(Planned { time, subject: index as u32, reading: LIT as u8 });
            }
        }
    }
    // Stable: decisions of one subject at one time keep their order.
    planned.sort_by_key(|decision| (decision.time, decision.subject));
    planned
}

/// Decisions per subject: one each as far as they go, the rest by activity.
fn visits(plan: &Plan, subjects: &[Subject]) -> Vec<usize> {
    let mut visits = vec![0; subjects.len()];
    let mut chance = Chance::new(plan.seed, 6);
    for one in visits.iter_mut().take(plan.decisions) {
        *one = 1;
    }
    let mut sum = 0;
    let sums: Vec<u64> = subjects
        .iter()
        .map(|subject| {
            sum += subject.activity;
            sum
        })
        .collect();
    for _ in subjects.len()..plan.decisions {
        let draw = chance.below(sum);
        visits[sums.partition_point(|sum| *sum <= draw)] += 1;
    }
    visits
}

fn moment(biography: &Biography, visit: usize, chance: &mut Chance) -> i64 {
    let anywhere = chance.between(START, START + LENGTH);
    // Whoever withdraws is on the site that day.
    let (soon, share) = (chance.between(300, GRACE), if visit == 0 { 500 } else { 80 });
    let near = chance.per_mille(share);
    match biography.withdrawal() {
        Some(at) if near => (at + soon) | 1,
        _ => anywhere | 1,
    }
}

/// How the shop decides when nothing goes wrong.
fn honest(subject: &Subject, time: i64, chance: &mut Chance) -> usize {
    let (first, second) = (chance.below(1_000), chance.below(1_000));
    if subject.holdout {
        return popular(subject, second);
    }
    if time < EFFECTIVE && first < 700 {
        // Under the rules before: everyone.
        return HYBRID_DECLARED;
    }
    let (phase, _) = subject.biography.at(time);
    // Pages without personalization, e.g. the landing page of a campaign.
    if first < 60 {
        return popular(subject, second);
    }
    served(subject, &phase.rights, second)
}

/// What a subject with these rights is served.
fn served(subject: &Subject, rights: &Rights, draw: u64) -> usize {
    let yes = |right: Right| right == Right::Yes;
    let app = yes(rights.app) && yes(rights.app_web);
    if yes(rights.store_web) {
        match draw {
            0..250 if app && yes(rights.app_store) => HYBRID_WITH_APP,
            250..330 => HYBRID_AFFINITY,
            _ => HYBRID_DECLARED,
        }
    } else if yes(rights.web) {
        if app && draw < 300 { WEB_WITH_APP } else { WEB_DECLARED }
    } else {
        popular(subject, draw)
    }
}

fn popular(subject: &Subject, draw: u64) -> usize {
    if subject.picks_up && draw < 400 { POPULAR_PICKUP } else { POPULAR_DECLARED }
}

/// What goes wrong, and how often.
struct Wrongs {
    /// By defect of consent: its share among the decisions that it can hit, and the share of people whom it reaches.
    consent: BTreeMap<Defect, (u64, u64)>,
    undeclared: u64,
    unmapped: u64,
}

impl Wrongs {
    fn of(plan: &Plan) -> Self {
        let consent = plan.each(|what| match what {
            What::Consent { defect, share, among } => Some((*defect, (*share, *among))),
            _ => None,
        });
        let undeclared = plan.one(|what| match what {
            What::UndeclaredStrategy { share } => Some(*share),
            _ => None,
        });
        let unmapped = plan.one(|what| match what {
            What::UnmappedInput { share } => Some(*share),
            _ => None,
        });
        Self {
            consent: consent.map(|(_, _, found)| found).collect(),
            undeclared: undeclared.unwrap_or(0),
            unmapped: unmapped.unwrap_or(0),
        }
    }

    /// What goes wrong instead, if anything.
    fn defect(
        &self,
        subject: &Subject,
        time: i64,
        honest: usize,
        reached: u64,
        chance: &mut Chance,
    ) -> Option<(usize, Defect)> {
        let draw = chance.below(plan::WHOLE);
        let hybrid = if chance.per_mille(100) { HYBRID_AFFINITY } else { HYBRID_DECLARED };
        // The experiment ran for two weeks in April, on whoever came by.
        let tried = chance.per_million(self.undeclared);
        if subject.holdout {
            return None;
        }
        if tried && (START + 43 * DAY..START + 57 * DAY).contains(&time) {
            return Some((EXPERIMENT, Defect::Undeclared));
        }
        if time < EFFECTIVE {
            return None;
        }
        let share_of = |defect: Defect| self.consent.get(&defect).map_or((0, 0), |both| *both);
        let hits = |defect: Defect| {
            let (share, among) = share_of(defect);
            reached < among && draw < share
        };
        // A third of what goes wrong without any record or against a refusal profiles on the web alone.
        let profiled = |defect: Defect| if draw < scaled(share_of(defect).0, 666_667) { hybrid } else { WEB_DECLARED };
        let (phase, before) = subject.biography.at(time);
        let wrong = match (subject.biography.kind, phase.why) {
            (Kind::Singles, _) => Some((hybrid, Defect::CombinationNeverGranted)),
            (Kind::NoRecord, _) => Some((profiled(Defect::NoRecord), Defect::NoRecord)),
            (Kind::Refused, _) => Some((profiled(Defect::Refused), Defect::Refused)),
            (Kind::Late, Change::Start) => Some((hybrid, Defect::BeforeGrant)),
            (Kind::Expired, Change::Expired) => Some((hybrid, Defect::AfterExpiry)),
            (Kind::Withdrew | Kind::Renewed, Change::Withdrawn) => {
                let stale = match before.map(|phase| phase.rights.store_web) {
                    Some(Right::Yes) => hybrid,
                    _ => WEB_DECLARED,
                };
                let late = time > phase.from + GRACE;
                Some((stale, if late { Defect::AfterWithdrawal } else { Defect::WithinGrace }))
            }
            _ => None,
        };
        if let Some((reading, defect)) = wrong.filter(|(_, defect)| hits(*defect)) {
            return Some((reading, defect));
        }
        // Since May the web model reads a field that was added in a hurry.
        let may = time >= START + 61 * DAY;
        let hurried = may && honest == WEB_DECLARED && draw >= plan::WHOLE - self.unmapped;
        hurried.then_some((WEB_UNMAPPED, Defect::Unmapped))
    }
}
