//! Tables that only some plans need: what people bought before the log, and what they were asked.

use std::fmt::Write;

use super::DAY;
use super::chance::Chance;
use super::files::{customer, stamp};
use super::items::{Catalogue, Item};
use super::people::Subject;
use super::plan::{Plan, PromptDefect, What};
use super::truth::Ledger;

/// What a person had before the log, in articles.
const OWNED: usize = 10;

/// What people had before: chosen as the shop chooses, by popularity and, for half of it, by taste.
pub fn history(plan: &Plan, subjects: &[Subject], catalogue: &Catalogue) -> String {
    let mut chance = Chance::new(plan.seed, 13);
    let mut table = "subject_id,item_id\n".to_owned();
    for (index, subject) in subjects.iter().enumerate() {
        for item in catalogue.choose(OWNED, Some(subject.taste), &mut chance) {
            let _ = writeln!(table, "{},{}", customer(index), Item::id(item));
        }
    }
    table
}

/// What people were asked before they first said yes or no, one question each, and a second one where that is planted.
pub fn prompts(plan: &Plan, subjects: &[Subject], ledger: &mut Ledger) -> String {
    let mut chance = Chance::new(plan.seed, 14);
    let defects: Vec<_> = plan
        .each(|what| match what {
            What::Prompt { defect, share } => Some((*defect, *share)),
            _ => None,
        })
        .map(|(at, _, found)| (at, found))
        .collect();
    let mut table =
        "subject_id,timestamp,purpose,notice_version,yes_steps,no_steps,preselected,no_on_first_layer,answer,\
                     jurisdiction\n"
            .to_owned();
    for (index, subject) in subjects.iter().enumerate() {
        let Some(record) = subject.biography.records.iter().min_by_key(|record| record.time) else { continue };
        ledger.offered.next();
        let (mut no_steps, mut preselected, mut first_layer, mut again) = (1, 0, 1, false);
        let mut answer = if record.status == "given" { "given" } else { "refused" };
        for (at, (defect, share)) in &defects {
            // Only who said yes can be taken to have done so by closing the question, and only who said no be asked again.
            let possible = match defect {
                PromptDefect::Dismissal => answer == "given",
                PromptDefect::AskedAgain => answer == "refused",
                _ => true,
            };
            if !chance.per_million(*share) || !possible {
                continue;
            }
            match defect {
                PromptDefect::HarderNo => no_steps = 4,
                PromptDefect::Preselected => preselected = 1,
                PromptDefect::LaterLayer => first_layer = 0,
                PromptDefect::Dismissal => answer = "dismissed",
                PromptDefect::AskedAgain => again = true,
            }
            ledger.offered.touch(*at, index as u32);
        }
        let times = [Some(record.time - 20), again.then_some(record.time + 2 * DAY)];
        for time in times.into_iter().flatten() {
            let _ = writeln!(
                table,
                "{},{},{},{},1,{no_steps},{preselected},{first_layer},{answer},{}",
                customer(index),
                stamp(time, false),
                record.purpose,
                record.notice,
                subject.jurisdiction,
            );
        }
    }
    table
}
