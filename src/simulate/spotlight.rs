//! The article at the top of the page: drawn evenly from a handful, one of each provider, with the chance logged. So a log
//! tells what another way of drawing would have been worth; the candidate is one, and what it is worth is planted.
//!
//! The candidate shows four of the ten articles more often. In a segment these are liked so much more, or less, than the
//! others that, drawn evenly, people click as often as ever, and drawn the candidate's way `ratio` times as often.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::conduct::{Planned, READINGS, SPOTLIGHT};
use super::items::{Catalogue, Item, PROVIDERS};
use super::people::Subject;
use super::plan::{Metric, Plan, WHOLE, What, Whom, scaled};
use crate::error::{Problem, Result};

/// Clicks per million of an article at the top, at the mean eagerness.
pub const CLICK: u64 = 200_000;
/// The chance of each of the ten, as the log writes it.
pub const PROPENSITY: &str = "0.1";
/// How many the candidate favours, and the chances it gives to these and to the others, in hundredths.
const FAVOURED: usize = 4;
const CHANCES: [u64; 2] = [22, 2];
/// What the candidate can multiply clicks by, in millionths: beyond, a liking would be less than nothing.
const LEAST: u64 = 250_000;
const MOST: u64 = 2_000_000;

/// What is in the spotlight, and who likes it.
pub struct Spotlight<'a> {
    pub items: Vec<usize>,
    segment: Option<&'a Whom>,
    /// What the candidate multiplies the clicks of the segment by, and those of all others.
    within: u64,
    beyond: u64,
}

impl<'a> Spotlight<'a> {
    /// Works out what the candidate is to be worth to all others, so that everyone together gets what is planned.
    pub fn set(plan: &'a Plan, catalogue: &Catalogue, subjects: &[Subject], planned: &[Planned]) -> Result<Self> {
        let first = |provider: &&'static str| catalogue.items.iter().position(|item| item.provider == *provider);
        let items = PROVIDERS.iter().filter_map(first).collect();
        let candidate = plan.each(|what| match what {
            What::Candidate { overall, ratio } => Some((*overall, *ratio)),
            _ => None,
        });
        let Some((_, segment, (overall, ratio))) = candidate.into_iter().next() else {
            return Ok(Self { items, segment: None, within: WHOLE, beyond: WHOLE });
        };
        let (mut all, mut own) = (0_u128, 0_u128);
        for decision in planned.iter().filter(|decision| READINGS[usize::from(decision.reading)].strategy == SPOTLIGHT)
        {
            let subject = &subjects[decision.subject as usize];
            let clicks = u128::from(scaled(subject.eagerness * 1_000, plan.outcome(Metric::Click, SPOTLIGHT, subject)));
            all += clicks;
            own += if segment.is_about(subject) { clicks } else { 0 };
        }
        let beyond = match all - own {
            0 if all == 0 => WHOLE,
            0 => 0,
            others => {
                let left = (u128::from(overall) * all).saturating_sub(u128::from(ratio) * own);
                u64::try_from(left / others).unwrap_or(u64::MAX)
            }
        };
        if !(LEAST..=MOST).contains(&beyond) {
            let share = own as f64 / all.max(1) as f64;
            return Err(Problem::new(format!(
                "a candidate cannot give everyone {} times the clicks and {:.0} % of them {} times: the others would need \
                 {} times, and 0.25 to 2 can be made",
                overall as f64 / WHOLE as f64,
                share * 100.0,
                ratio as f64 / WHOLE as f64,
                beyond as f64 / WHOLE as f64
            ))
            .into());
        }
        Ok(Self { items, segment: Some(segment), within: ratio, beyond })
    }

    /// What a person's liking of the article in `place` of the handful multiplies the chance of a click by, in millionths.
    pub fn liking(&self, subject: &Subject, place: usize) -> u64 {
        let of_segment = self.segment.is_some_and(|segment| segment.is_about(subject));
        let worth = if of_segment { self.within } else { self.beyond };
        // Drawn evenly, 4 in 10 are favoured, and 88 in 100 the candidate's way. From l·m + (1 - l)·n = 1 and
        // c·m + (1 - c)·n = worth follow m = 1 + (worth - 1)(1 - l)/(c - l) and n = 1 - (worth - 1)·l/(c - l).
        match (place < FAVOURED, worth >= WHOLE) {
            (true, true) => WHOLE + (worth - WHOLE) * 5 / 4,
            (true, false) => WHOLE - (WHOLE - worth) * 5 / 4,
            (false, true) => WHOLE - (worth - WHOLE) * 5 / 6,
            (false, false) => WHOLE + (WHOLE - worth) * 5 / 6,
        }
    }

    /// What the candidate would show.
    pub fn table(&self) -> String {
        let mut table = "item_id,position,probability\n".to_owned();
        for (place, item) in self.items.iter().enumerate() {
            let chance = CHANCES[usize::from(place >= FAVOURED)];
            let _ = writeln!(table, "{},1,0.{chance:02}", Item::id(*item));
        }
        table
    }

    pub fn told(&self, plan: &Plan) -> Option<Candidate> {
        let overall = plan.one(|what| match what {
            What::Candidate { overall, .. } => Some(*overall),
            _ => None,
        });
        let size = |millionths: u64| millionths as f64 / WHOLE as f64;
        Some(Candidate { overall: size(overall?), within: size(self.within), beyond: size(self.beyond) })
    }
}

/// What the candidate is worth, in clicks over those under `spotlight`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub overall: f64,
    /// In the segment of the effect.
    pub within: f64,
    /// For all others; follows from the two and from who comes how often.
    pub beyond: f64,
}
