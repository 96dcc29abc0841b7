//! From signatures to counts: each distinct one is judged once, and a plan adds up what was decided.

use std::collections::{BTreeMap, BTreeSet};

use super::lanes::{Effect, Lane, Outcome, State, judge};
use super::matters::{self, Code, Delay, Gap, Matter, Tallies, Tally};
use super::{Replay, integers, key_columns, place_of, samples};
use crate::engine::{Rows, rfc3339};
use crate::error::{Error, Result};
use crate::replay::uses::SERVE;

impl Replay<'_> {
    pub(super) async fn tally(
        &self,
        signatures: &Rows,
        lanes: &[Lane],
        known: bool,
    ) -> Result<BTreeMap<Matter, Tallies>> {
        let key = key_columns(lanes.len());
        let judged = self.judge(signatures, lanes, &key);
        let names: Vec<&str> = key.iter().map(String::as_str).chain(["id", "matter", "code"]).collect();
        self.engine.small_table("judged", integers(&names, &judged.rows)?)?;
        let on = key.iter().map(|name| format!("s.{name} = j.{name}")).collect::<Vec<_>>().join(" AND ");
        let rows = self
            .engine
            .rows(&format!(
                "SELECT j.matter AS matter, j.code AS code, sum(s.n) AS events, count(DISTINCT s.subject_id) AS \
                 people, min(s.first) AS first, max(s.last) AS last FROM signatures s JOIN judged j ON {on} \
                 GROUP BY j.matter, j.code ORDER BY j.matter, j.code"
            ))
            .await?;
        let matters = judged.matters;
        let mut tallies: BTreeMap<Matter, Tallies> = BTreeMap::new();
        for row in 0..rows.len() {
            let index = usize::try_from(rows.count("matter", row)).unwrap_or(0);
            let code = Code::ALL.into_iter().find(|code| *code as i64 == rows.integer("code", row).unwrap_or(-1));
            let (Some(matter), Some(code)) = (matters.get(index), code) else {
                return Err(Error::Internal("a tally of nothing".into()));
            };
            let tally = Tally {
                events: rows.count("events", row),
                subjects: rows.count("people", row),
                first: rows.integer("first", row).map(rfc3339),
                last: rows.integer("last", row).map(rfc3339),
            };
            tallies.entry(matter.clone()).or_default().by_code.insert(code, tally);
        }
        let purposes: Vec<String> = matters.iter().map(|matter| self.purpose_of(matter)).collect();
        let samples = samples::of_matters(self.engine, &on, self.samples, &purposes, &self.pseudonyms, known).await?;
        for (index, samples) in samples {
            if let Some(tallies) = matters.get(index).and_then(|matter| tallies.get_mut(matter)) {
                tallies.samples = samples;
            }
        }
        if !judged.said_no.is_empty() {
            self.engine.small_table("said_no", integers(&["judged", "need", "word", "bit"], &judged.said_no)?)?;
            for (index, delay) in self.delays(&on).await? {
                if let Some(tallies) = matters.get(index).and_then(|matter| tallies.get_mut(matter)) {
                    tallies.delay = Some(delay);
                }
            }
        }
        Ok(tallies)
    }

    /// Judges every distinct signature, once.
    fn judge(&self, signatures: &Rows, lanes: &[Lane], key: &[String]) -> Judged {
        let mut numbers: BTreeMap<Matter, i64> = BTreeMap::new();
        let mut judged = Judged::default();
        for row in 0..signatures.len() {
            let key: Vec<i64> = key.iter().map(|column| signatures.integer(column, row).unwrap_or(-1)).collect();
            let Some(used) = usize::try_from(key[0]).ok().and_then(|id| self.uses.get(id)) else { continue };
            let (version, minor, state) = (usize::try_from(key[1]), key[2], State::of(&key[3..]));
            let mut gap = [
                (used.asked.is_empty(), Gap::UndeclaredStrategy),
                (version.is_err(), Gap::BeforePolicy),
                (!used.usage.is_mapped(), Gap::UnmappedInput),
            ]
            .into_iter()
            .find_map(|(holds, gap)| holds.then_some(gap));
            let mut add = |matter: Matter, codes: &[Code], said_no: &BTreeSet<usize>| {
                let next = numbers.len() as i64;
                let matter = *numbers.entry(matter).or_insert(next);
                for code in codes {
                    let id = judged.rows.len() as i64;
                    judged.rows.push(key.iter().copied().chain([id, matter, *code as i64]).collect());
                    if *code == Code::AfterWithdrawal {
                        judged.said_no.extend(said_no.iter().map(|&lane| {
                            let (word, bit) = place_of(lane);
                            vec![id, lanes[lane].need as i64, word, bit]
                        }));
                    }
                }
            };
            let number = version.unwrap_or(0);
            if let Some(asked) = used.asked.get(number) {
                let matters = matters::of_use(&used.usage, asked, number, &self.manifest.value);
                for (matter, requirement, for_minors) in matters {
                    if version.is_err() {
                        add(matter, &[Code::All, Code::BeforePolicy], &BTreeSet::new());
                        continue;
                    }
                    let asks = if minor == 1 { for_minors } else { requirement };
                    let mut judgement = judge(asks, &state, lanes);
                    if minor == 1 && for_minors != requirement && judgement.outcome >= Outcome::Without {
                        judgement.outcome = Outcome::Minor;
                    }
                    if judgement.outcome == Outcome::Unknown {
                        gap = gap.or(Some(Gap::UnknownSubject));
                    }
                    add(matter, Code::of(judgement.outcome), &judgement.said_no);
                }
            }
            if minor == 2 {
                gap = gap.or(Some(Gap::UnknownAge));
            }
            if used.usage.operation == SERVE {
                let strategy = used.usage.strategy.clone();
                add(Matter::Coverage { strategy, gap }, &[Code::All], &BTreeSet::new());
            }
        }
        let mut matters: Vec<(Matter, i64)> = numbers.into_iter().collect();
        matters.sort_by_key(|(_, number)| *number);
        judged.matters = matters.into_iter().map(|(matter, _)| matter).collect();
        judged
    }

    /// How long after a no the data was still used, for each matter by its number. Where several nos stand behind one
    /// decision, the earliest of them counts; on the lanes of one need the latest, for until then another grant held.
    async fn delays(&self, on: &str) -> Result<Vec<(usize, Delay)>> {
        let said = format!(
            "SELECT j.matter AS matter, s.use_id AS use_id, s.subject_id AS subject_id, s.moment AS moment, s.n AS n, \
             no.need AS need, max(p.at) AS at FROM signatures s JOIN judged j ON {on} \
             JOIN said_no no ON no.judged = j.id \
             JOIN consent_people q ON q.subject_id = s.subject_id \
             JOIN consent_spans p ON p.person = q.person AND p.word = no.word AND p.bit = no.bit \
             WHERE j.code = {} AND p.effect >= {} AND p.at <= s.moment AND s.moment < p.next \
             GROUP BY j.matter, s.use_id, s.subject_id, s.moment, s.n, no.need",
            Code::AfterWithdrawal as i64,
            Effect::Refuse as i64,
        );
        let delays = format!(
            "SELECT matter, n, moment - min(at) AS delay FROM ({said}) GROUP BY matter, use_id, subject_id, moment, n"
        );
        let ranked = format!(
            "SELECT matter, delay, sum(n) OVER (PARTITION BY matter ORDER BY delay) AS upto, \
             sum(n) OVER (PARTITION BY matter) AS total FROM ({delays})"
        );
        let quantile = |name: &str, percent: u32| {
            format!("min(CASE WHEN upto * 100 >= total * {percent} THEN delay END) AS {name}")
        };
        let rows = self
            .engine
            .rows(&format!(
                "SELECT matter, {}, {}, max(delay) AS max FROM ({ranked}) GROUP BY matter ORDER BY matter",
                quantile("median", 50),
                quantile("p95", 95)
            ))
            .await?;
        let seconds = |column: &str, row: usize| rows.count(column, row) as f64 / 1e6;
        let delay =
            |row: usize| Delay { median: seconds("median", row), p95: seconds("p95", row), max: seconds("max", row) };
        Ok((0..rows.len()).map(|row| (usize::try_from(rows.count("matter", row)).unwrap_or(0), delay(row))).collect())
    }

    /// The purpose that the strategy of a matter serves.
    fn purpose_of(&self, matter: &Matter) -> String {
        let strategy = self.manifest.value.strategy(matter.strategy());
        strategy.map(|s| s.purpose.value.clone()).unwrap_or_default()
    }
}

/// What the signatures mean: tables of integers, and the matters by their numbers.
#[derive(Default)]
struct Judged {
    /// A signature's key, then id, matter and code.
    rows: Vec<Vec<i64>>,
    /// The id of a row about decisions after a no, then need, word and bit of a lane on which it was said.
    said_no: Vec<Vec<i64>>,
    matters: Vec<Matter>,
}
