//! The slow reference: scans the records of one person for one decision at a time, and shares no line with the replay.

use std::collections::BTreeSet;

pub type Names = BTreeSet<&'static str>;

#[derive(Debug, Clone)]
pub struct Record {
    pub at: i64,
    pub status: &'static str,
    pub purpose: &'static str,
    pub categories: Names,
    pub contexts: Names,
    pub operations: Names,
    pub recipients: Names,
    pub notice: &'static str,
    pub explicit: bool,
    pub parental: bool,
    pub expires: Option<i64>,
    pub mechanism: &'static str,
}

impl Record {
    /// What it does, mildest first: how records of one instant are ordered.
    fn deed(&self) -> Deed {
        match (self.status, self.mechanism) {
            ("given" | "renewed", _) => Deed::Give,
            ("expired", _) => Deed::Expire,
            (_, "gpc") => Deed::Signal,
            ("withdrawn", _) => Deed::Withdraw,
            _ => Deed::Refuse,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Give,
    Expire,
    Refuse,
    Withdraw,
    Signal,
}

/// What a decision asks for.
#[derive(Debug, Clone)]
pub struct Wish {
    pub purpose: &'static str,
    pub categories: Names,
    pub contexts: Names,
    pub operation: &'static str,
    pub recipient: Option<&'static str>,
    pub notices: Names,
    pub explicit: bool,
    pub parental: bool,
    pub grace: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    Permitted,
    InGrace,
    Unknown,
    Without,
    AfterWithdrawal,
    Objected,
    Signalled,
    Minor,
}

/// The answer, and when the person had said no.
pub type Told = (Answer, Option<i64>);

fn covers(general: &str, specific: &str) -> bool {
    specific == general || specific.starts_with(&format!("{general}."))
}

impl Wish {
    /// Whether a record speaks of what is done with the data, and by whom.
    fn is_reached_by(&self, record: &Record) -> bool {
        let operation = record.operations.is_empty() || record.operations.contains(self.operation);
        let recipient =
            record.recipients.is_empty() || self.recipient.is_none_or(|name| record.recipients.contains(name));
        operation && recipient && covers(record.purpose, self.purpose)
    }

    /// Whether a record's scope is wide enough to grant this.
    fn is_granted_by(&self, record: &Record) -> bool {
        let categories = record.categories.is_empty()
            || self.categories.iter().all(|c| record.categories.iter().any(|own| covers(own, c)));
        let contexts = match record.contexts.len() {
            0 => self.contexts.len() == 1,
            _ => self.contexts.iter().all(|c| record.contexts.contains(c)),
        };
        self.is_reached_by(record) && categories && contexts
    }

    /// Whether a refusal or withdrawal of that scope takes this away, whoever granted it.
    fn is_taken_by(&self, record: &Record) -> bool {
        let touches = |own: &&str| self.categories.iter().any(|c| covers(own, c) || covers(c, own));
        self.is_reached_by(record)
            && (record.categories.is_empty() || record.categories.iter().any(touches))
            && record.contexts.iter().all(|c| self.contexts.contains(c))
    }

    fn is_enough(&self, record: &Record) -> bool {
        let notice = self.notices.is_empty() || self.notices.contains(record.notice);
        (record.explicit || !self.explicit) && (record.parental || !self.parental) && notice
    }
}

/// The life of one scope's grant, told record by record.
#[derive(Clone, Copy)]
enum Grant {
    None,
    Live { until: i64 },
    Ended { deed: Deed, at: i64, graced: bool },
}

fn in_order(records: &[Record], now: i64) -> Vec<&Record> {
    let mut past: Vec<&Record> = records.iter().filter(|record| record.at <= now).collect();
    let until = |record: &Record| std::cmp::Reverse(record.expires.unwrap_or(i64::MAX));
    past.sort_by_key(|record| (record.at, record.deed(), until(record)));
    past
}

/// Whether a grant is in force, where the person had to be asked.
pub fn may_use(records: &[Record], wish: &Wish, opt_out: bool, now: i64) -> Told {
    if opt_out && !wish.explicit && !wish.parental {
        return objection(records, wish, now);
    }
    if records.is_empty() {
        return (Answer::Unknown, None);
    }
    let mut told = Vec::new();
    for scope in records.iter().filter(|record| wish.is_granted_by(record)) {
        let key = |r: &Record| {
            (r.purpose, r.categories.clone(), r.contexts.clone(), r.operations.clone(), r.recipients.clone())
        };
        let same = |r: &Record| key(r) == key(scope);
        let (mut grant, mut given_before) = (Grant::None, false);
        for record in in_order(records, now) {
            let ends = same(record) || (given_before && wish.is_taken_by(record));
            match record.deed() {
                Deed::Give if same(record) && wish.is_enough(record) => {
                    given_before = true;
                    grant = Grant::Live { until: record.expires.unwrap_or(i64::MAX) };
                }
                Deed::Expire if same(record) => grant = Grant::None,
                Deed::Give | Deed::Expire => {}
                // The first no counts; a second one changes nothing.
                deed if ends && !matches!(grant, Grant::Ended { .. }) => {
                    let live = matches!(grant, Grant::Live { until } if until > record.at);
                    grant = Grant::Ended { deed, at: record.at, graced: live && deed == Deed::Withdraw };
                }
                _ => {}
            }
        }
        told.push(match grant {
            Grant::Live { until } if now < until => (Answer::Permitted, None),
            Grant::Ended { at, graced: true, .. } if wish.grace > 0 && now <= at + wish.grace => {
                (Answer::InGrace, None)
            }
            Grant::Ended { deed: Deed::Withdraw, at, .. } => (Answer::AfterWithdrawal, Some(at)),
            Grant::Ended { deed: Deed::Signal, at, .. } => (Answer::Signalled, Some(at)),
            _ => (Answer::Without, None),
        });
    }
    // The best of what the scopes say; of nos of one kind, the last, for until then another grant held.
    let rank = [Answer::Permitted, Answer::InGrace, Answer::AfterWithdrawal, Answer::Signalled];
    for answer in rank {
        if told.iter().any(|(own, _)| *own == answer) {
            return (answer, told.iter().filter(|(own, _)| *own == answer).filter_map(|(_, at)| *at).max());
        }
    }
    (Answer::Without, None)
}

/// Where a yes is the default, or none is needed: only an objection counts, and a later grant lifts it.
pub fn objection(records: &[Record], wish: &Wish, now: i64) -> Told {
    told(no(records, wish, now).into_iter().collect(), Answer::Objected, Answer::Objected)
}

/// The no that is in force: what said it, when, and whether the grace has passed.
fn no(records: &[Record], wish: &Wish, now: i64) -> Option<(Deed, i64, bool)> {
    let mut no: Option<(Deed, i64)> = None;
    for record in in_order(records, now) {
        match record.deed() {
            Deed::Give if wish.is_granted_by(record) && wish.is_enough(record) => no = None,
            Deed::Give | Deed::Expire => {}
            deed if wish.is_taken_by(record) && no.is_none() => no = Some((deed, record.at)),
            _ => {}
        }
    }
    no.map(|(deed, at)| (deed, at, wish.grace == 0 || now > at + wish.grace))
}

/// What nos mean together, of a person's several ids.
fn told(nos: Vec<(Deed, i64, bool)>, withdrawn: Answer, refused: Answer) -> Told {
    let at = nos.iter().map(|(_, at, _)| *at).max();
    let past = |wanted: Deed| nos.iter().any(|(deed, _, past)| *past && *deed == wanted);
    match () {
        () if past(Deed::Withdraw) => (withdrawn, at),
        () if past(Deed::Refuse) => (refused, at),
        () if past(Deed::Signal) => (Answer::Signalled, at),
        () if !nos.is_empty() => (Answer::InGrace, None),
        () => (Answer::Permitted, None),
    }
}

/// The same for a person of several ids, by the records of each: a grant of any counts, and so does a no of any.
pub fn linked(ids: &[&[Record]], wish: &Wish, consent: bool, opt_out: bool, now: i64) -> Told {
    let nos = || ids.iter().filter_map(|records| no(records, wish, now)).collect();
    if !consent || (opt_out && !wish.explicit && !wish.parental) {
        return told(nos(), Answer::Objected, Answer::Objected);
    }
    let each: Vec<Told> = ids.iter().map(|records| may_use(records, wish, opt_out, now)).collect();
    let best_first = [
        Answer::Permitted,
        Answer::InGrace,
        Answer::AfterWithdrawal,
        Answer::Signalled,
        Answer::Without,
        Answer::Unknown,
    ];
    let best = best_first.into_iter().find_map(|answer| each.iter().find(|(own, _)| *own == answer).copied());
    worst([best.unwrap_or((Answer::Unknown, None)), told(nos(), Answer::AfterWithdrawal, Answer::Without)])
}

/// The answers to several wishes, as one: the worst, and the earliest no.
pub fn worst(told: impl IntoIterator<Item = Told>) -> Told {
    let told: Vec<Told> = told.into_iter().collect();
    let answer = told.iter().map(|(answer, _)| *answer).max().unwrap_or(Answer::Permitted);
    (answer, told.iter().filter_map(|(_, at)| *at).min())
}
