//! What each subject agreed to, when, and which rights the shop had in consequence.
//!
//! A biography is chosen first; its records and its rights are written down side by side. The rights are therefore
//! known by construction, not worked out from the records.

use super::chance::Chance;
use super::rights::{Right, Rights};
use super::{DAY, START};

/// A course that a subject's consent can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Web and store, and their combination.
    Combined,
    /// Web and store, each alone; never the combination.
    Singles,
    /// The web (some with the app), and no store.
    WebOnly,
    Refused,
    /// Granted, and withdrawn for good.
    Withdrew,
    /// Granted, withdrawn, and granted again.
    Renewed,
    /// Granted only after a good part of the decisions.
    Late,
    /// Granted until a day within the log.
    Expired,
    /// In no consent record.
    NoRecord,
    /// Of an opt-out jurisdiction, and silent on web and store.
    OptOutSilent,
    /// Of an opt-out jurisdiction, and in no consent record: no signal, no objection.
    OptOutUnrecorded,
    /// Of an opt-out jurisdiction; refused the combination.
    OptOutRefused,
}

/// One row of `consent.csv`.
#[derive(Debug, Clone)]
pub struct Record {
    pub time: i64,
    pub status: &'static str,
    pub purpose: &'static str,
    pub categories: &'static str,
    pub contexts: &'static str,
    pub explicit: &'static str,
    pub expires: Option<i64>,
    pub notice: &'static str,
    pub mechanism: &'static str,
}

/// Rights from a time on, until the next phase.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    pub from: i64,
    pub rights: Rights,
    pub why: Change,
}

/// What began a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The first phase.
    Start,
    Given,
    Withdrawn,
    Expired,
}

/// A subject's consent from first to last.
#[derive(Debug, Clone)]
pub struct Biography {
    pub kind: Kind,
    pub records: Vec<Record>,
    /// By time; the first one reaches back for ever.
    pub phases: Vec<Phase>,
}

impl Biography {
    /// The phase that holds at `time`, and the one before it.
    pub fn at(&self, time: i64) -> (&Phase, Option<&Phase>) {
        let later = self.phases.partition_point(|phase| phase.from <= time).max(1);
        (&self.phases[later - 1], later.checked_sub(2).map(|before| &self.phases[before]))
    }

    /// When the (one) withdrawal was, if there was one.
    pub fn withdrawal(&self) -> Option<i64> {
        self.phases.iter().find(|phase| phase.why == Change::Withdrawn).map(|phase| phase.from)
    }

    pub fn write(kind: Kind, chance: &mut Chance) -> Self {
        let mut writer = Writer {
            purpose: chance.weighted(&[("personalize.content.profiling", 8), ("personalize", 2)]),
            signed: even(chance.between(START - 280 * DAY, START - 10 * DAY)),
            biography: Self { kind, records: Vec::new(), phases: Vec::new() },
            chance,
        };
        writer.course(kind);
        writer.analytics();
        writer.biography
    }
}

/// Consent happens at even seconds and decisions at odd ones: no two events that matter are at the same time unless
/// they are meant to be.
fn even(time: i64) -> i64 {
    time & !1
}

struct Writer<'a> {
    purpose: &'static str,
    /// When the subject was first asked.
    signed: i64,
    biography: Biography,
    chance: &'a mut Chance,
}

impl Writer<'_> {
    fn course(&mut self, kind: Kind) {
        let signed = self.signed;
        match kind {
            Kind::Combined => {
                let rights = match self.chance.below(4) {
                    0 => self.together(signed),
                    1 => self.piece_by_piece(signed),
                    2 => self.everything(signed),
                    _ => {
                        let rights = self.together(signed);
                        self.last().categories = "user.behavior|user.contact.email";
                        rights
                    }
                };
                self.phase(signed, rights, Change::Start);
            }
            Kind::Singles => self.singles(signed),
            Kind::WebOnly => {
                self.record(signed + 120, "refused", "store");
                let rights = if self.chance.per_mille(400) {
                    let contexts = self.either("app|web", "web|app");
                    self.record(signed, "given", contexts);
                    Rights::WEB_WITH_APP
                } else {
                    self.record(signed, "given", "web");
                    Rights::WEB
                };
                self.phase(signed, rights, Change::Start);
            }
            Kind::Refused => {
                self.record(signed, "refused", "");
                self.phase(signed, Rights::NONE, Change::Start);
            }
            Kind::Withdrew => self.withdrew(signed),
            Kind::Renewed => self.renewed(signed),
            Kind::Late => {
                let given = even(self.chance.between(START + 25 * DAY, START + 80 * DAY));
                self.record(signed, "given", "app");
                self.phase(signed, Rights { app: Right::Yes, ..Rights::NONE }, Change::Start);
                let rights = self.together(given);
                self.phase(given, Rights { app: Right::Yes, ..rights }, Change::Given);
            }
            Kind::Expired => {
                let ends = even(self.chance.between(START + 25 * DAY, START + 75 * DAY));
                let rights = self.together(signed);
                self.phase(signed, rights, Change::Start);
                if self.chance.per_mille(600) {
                    self.last().expires = Some(ends);
                } else {
                    let contexts = self.either("store|web", "web|store");
                    self.record(ends, "expired", contexts);
                }
                self.phase(ends, Rights::NONE, Change::Expired);
            }
            Kind::NoRecord => self.phase(signed, Rights::all(Right::Unknown), Change::Start),
            Kind::OptOutUnrecorded => self.phase(signed, Rights::EVERYTHING, Change::Start),
            Kind::OptOutSilent => {
                self.record(signed, "given", "app");
                self.phase(signed, Rights::EVERYTHING, Change::Start);
            }
            Kind::OptOutRefused => {
                let contexts = self.either("store|web", "web|store");
                self.record(signed, "refused", contexts);
                self.phase(signed, Rights { store_web: Right::No, ..Rights::EVERYTHING }, Change::Start);
            }
        }
    }

    fn singles(&mut self, signed: i64) {
        let mut rights = Rights::WEB_AND_STORE;
        match self.chance.below(4) {
            // No context named: each context alone, and no combination.
            0 => {
                self.record(signed, "given", "");
                rights.app = Right::Yes;
            }
            // The combination was asked for, and refused. That takes nothing from web alone.
            1 => {
                self.record(signed, "given", "web");
                self.record(signed + 3_600, "given", "store");
                let contexts = self.either("store|web", "web|store");
                self.record(signed + 3_660, "refused", contexts);
            }
            2 => {
                self.record(signed, "given", "web");
                self.last().categories = "user.behavior.browsing_history|user.behavior.search_history";
                self.record(signed + 2 * DAY, "given", "store");
                rights.narrow_web = true;
            }
            _ => {
                self.record(signed, "given", "web");
                self.record(signed + 5 * DAY, "given", "store");
            }
        }
        self.phase(signed, rights, Change::Start);
    }

    fn withdrew(&mut self, signed: i64) {
        let at = even(self.chance.between(START + 11 * DAY, START + 80 * DAY));
        let gone = Right::Withdrawn(at);
        let (before, after) = match self.chance.below(6) {
            // Withdrawing the web takes what combines it, too, and leaves the store.
            0 => {
                let before = self.together(signed);
                self.record(at, "withdrawn", "web");
                (before, Rights { web: gone, store_web: gone, ..before })
            }
            // The same scope as the grant: all that the grant gave.
            1 => {
                let before = self.together(signed);
                let contexts = self.either("store|web", "web|store");
                self.record(at, "withdrawn", contexts);
                (before, Rights { store: gone, web: gone, store_web: gone, ..before })
            }
            2 => {
                let before = self.everything(signed);
                self.record(at, "withdrawn", "");
                (before, Rights::all(gone))
            }
            // The combination only; the grants for web and for store stand.
            3 => {
                let before = self.piece_by_piece(signed);
                let contexts = self.either("store|web", "web|store");
                self.record(at, "withdrawn", contexts);
                (before, Rights { store_web: gone, ..before })
            }
            // Given and withdrawn in the same second: the withdrawal wins.
            4 => {
                let before = self.together(signed);
                self.record(at, "withdrawn", "store|web");
                self.record(at, "given", "store|web");
                (before, Rights { store: gone, web: gone, store_web: gone, ..before })
            }
            _ => {
                self.record(signed, "given", "web");
                self.record(at, "withdrawn", "web");
                (Rights::WEB, Rights { web: gone, ..Rights::WEB })
            }
        };
        self.phase(signed, before, Change::Start);
        self.phase(at, after, Change::Withdrawn);
    }

    fn renewed(&mut self, signed: i64) {
        let at = even(self.chance.between(START + 11 * DAY, START + 60 * DAY));
        let again = even(at + self.chance.between(6 * DAY, 20 * DAY));
        let gone = Right::Withdrawn(at);
        let (rights, without) = if self.chance.per_mille(500) {
            let before = self.together(signed);
            let contexts = self.either("store|web", "web|store");
            self.record(at, "withdrawn", contexts);
            (self.together(again), Rights { store: gone, web: gone, store_web: gone, ..before })
        } else {
            self.everything(signed);
            self.record(at, "withdrawn", "");
            (self.everything(again), Rights::all(gone))
        };
        self.phase(signed, rights, Change::Start);
        self.phase(at, without, Change::Withdrawn);
        self.phase(again, rights, Change::Given);
    }

    /// One grant whose scope names web and store: each of them, and both together.
    fn together(&mut self, time: i64) -> Rights {
        let contexts = self.either("store|web", "web|store");
        self.record(time, "given", contexts);
        Rights::WEB_WITH_STORE
    }

    /// A grant for each context, and one for the combination.
    fn piece_by_piece(&mut self, time: i64) -> Rights {
        self.record(time, "given", "web");
        self.record(time + 60, "given", "store");
        let contexts = self.either("store|web", "web|store");
        self.record(time + 90, "given", contexts);
        Rights::WEB_WITH_STORE
    }

    fn everything(&mut self, time: i64) -> Rights {
        let contexts = self.either("app|store|web", "web|store|app");
        self.record(time, "given", contexts);
        Rights::EVERYTHING
    }

    /// Consent to being counted, which says nothing about personalization.
    fn analytics(&mut self) {
        let unrecorded = matches!(self.biography.kind, Kind::NoRecord | Kind::OptOutUnrecorded);
        if unrecorded || !self.chance.per_mille(200) {
            return;
        }
        let status = self.chance.weighted(&[("given", 5), ("refused", 3), ("withdrawn", 2)]);
        let time = even(self.chance.between(START - 60 * DAY, START + 60 * DAY));
        let contexts = self.either("store|web", "");
        self.record(time, status, contexts);
        self.last().purpose = "analytics";
    }

    fn either(&mut self, one: &'static str, other: &'static str) -> &'static str {
        if self.chance.per_mille(500) { one } else { other }
    }

    fn record(&mut self, time: i64, status: &'static str, contexts: &'static str) {
        let mechanism = match contexts {
            "app" => "app_settings",
            "store" => "till_form",
            "web" if status == "given" => "cookie_banner",
            _ => "account_page",
        };
        self.biography.records.push(Record {
            time,
            status,
            purpose: self.purpose,
            categories: "",
            contexts,
            explicit: self.chance.weighted(&[("true", 5), ("false", 1), ("", 4)]),
            expires: None,
            notice: if time < START - 90 * DAY { "2025-2" } else { "2026-1" },
            mechanism,
        });
    }

    fn last(&mut self) -> &mut Record {
        self.biography.records.last_mut().expect("a record was just written")
    }

    fn phase(&mut self, from: i64, rights: Rights, why: Change) {
        self.biography.phases.push(Phase { from, rights, why });
    }
}
