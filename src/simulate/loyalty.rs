//! What became of people: what they bought in the stores with their loyalty cards after they were first served.

use std::fmt::Write;

use super::chance::Chance;
use super::conduct::Planned;
use super::files::{customer, money, stamp};
use super::people::Subject;
use super::plan::{Plan, WHOLE, What, scaled};
use super::{DAY, START};

/// The day up to which receipts were handed over: 2026-06-01.
const UNTIL: i64 = START + 92 * DAY;
/// Who is lost after a purchase without anything planted, in millionths.
const LOST: u64 = 80_000;
/// Days from one purchase to the next, from and up to. Below the 30 days after which the manifest counts people as gone.
const PAUSE: (i64, i64) = (4, 26);
/// What is paid for a purchase, in hundredths, from and up to.
const PAID: (i64, i64) = (2_000, 6_000);

/// The table of purchases.
pub fn purchases(plan: &Plan, subjects: &[Subject], planned: &[Planned]) -> String {
    let mut chance = Chance::new(plan.seed, 12);
    let mut first = vec![None; subjects.len()];
    // They come in the order of time.
    planned.iter().rev().for_each(|decision| first[decision.subject as usize] = Some(decision.time));
    let mut rows = Vec::new();
    for (index, (subject, start)) in subjects.iter().zip(first).enumerate() {
        let Some(mut time) = start else { continue };
        let (churn, order_value) = effects(plan, subject);
        loop {
            time += chance.between(PAUSE.0 * DAY, PAUSE.1 * DAY);
            let paid = scaled(chance.between(PAID.0, PAID.1) as u64, order_value);
            let lost = chance.per_million(scaled(LOST, churn));
            if time >= UNTIL {
                break;
            }
            rows.push((time, index, paid));
            if lost {
                break;
            }
        }
    }
    rows.sort_unstable();
    let mut table = "subject_id,timestamp,kind,value\n".to_owned();
    for (time, index, paid) in rows {
        let _ = writeln!(table, "{},{},order,{}", customer(index), stamp(time, false), money(paid));
    }
    table
}

/// What is planted of a person's chance to be lost and of what they pay, in millionths.
fn effects(plan: &Plan, subject: &Subject) -> (u64, u64) {
    let planted = plan.each(|what| match what {
        What::Loyalty { churn, order_value } => Some((*churn, *order_value)),
        _ => None,
    });
    planted
        .filter(|(_, whom, _)| !subject.holdout && whom.is_about(subject))
        .fold((WHOLE, WHOLE), |all, (.., one)| (scaled(all.0, one.0), scaled(all.1, one.1)))
}
