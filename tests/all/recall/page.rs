//! `docs/recall.md`: what was counted, in words and tables.

use std::fmt::Write as _;

use probity::stats::Proportion;

use super::plan::Shop;
use super::run::Count;

/// A rule, and what was counted of it where its shop was audited.
pub struct Line<'a> {
    pub pack: &'static str,
    pub rule: String,
    /// Whether it asks a person.
    pub asks: bool,
    pub counted: Option<(&'a Shop, Count)>,
}

const HEAD: &str = "\
# Recall and false alarms of every rule

A rule that finds nothing may be right, or blind; a rule that finds something may be wrong. So for every rule of every pack
a defect is planted in simulated shops whose truth is known, and it is counted

- **found**: in how many of the shops with the defect the rule failed on the fact that the defect is about (the right
  strategy or segment, not just anywhere). This is its recall; at least 0.95 is asked for.
- **false alarms**: in how many of the same shops without any defect the rule failed anywhere, of those in which there was
  evidence of what it is about. At most 0.05 is asked for.

Beside the share stands the exact interval of Clopper & Pearson (1934) at 95 %: 20 of 20 is 83 to 100 %, and 0 of 20 is
0 to 17 %. Rules that read declarations, records and counts do not depend on chance: what is planted is there, or it is
not. A few shops are enough for them, and no interval is given.

A recall holds for the defect that was planted and its size, in a shop of this size. Smaller defects, or smaller shops, are
found less often; `inconclusive` is then the usual verdict, and no pass. What is planted is no more than a rule's floor:
it says that the rule sees this, not that it sees everything.

The shops are made and audited by the tests (`cargo test --test all recall`), from files that say what is planted in the
same words as below: `tests/all/recall/shops`. The same seeds give the same counts, and the tests compare them with this
page. After a change, `PROBITY_RECALL=write cargo test --test all recall` writes it anew.
";

/// The page. `lines` are in the order of the packs.
pub fn page(shops: &[Shop], lines: &[Line<'_>]) -> String {
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "\n{}", in_short(lines));
    text += "\n## The shops\n\n| Shop | What it has | Subjects | Decisions | Seeds |\n|---|---|---|---|---|\n";
    for Shop { shop, about, subjects, decisions, seeds, .. } in shops {
        let _ = writeln!(text, "| {shop} | {} | {subjects} | {decisions} | {seeds} |", about.trim());
    }
    let mut packs: Vec<&str> = lines.iter().map(|line| line.pack).collect();
    packs.dedup();
    for pack in packs {
        let own = || lines.iter().filter(|line| line.pack == pack);
        let _ =
            writeln!(text, "\n## {pack}\n\n| Rule | Planted | Shop | Found | False alarms |\n|---|---|---|---|---|");
        for Line { rule, counted, .. } in own() {
            let Some((shop, count)) = counted else { continue };
            let planted = shop.planted.iter().find(|planted| planted.fails.contains_key(rule));
            let what = planted.map_or("", |planted| planted.what.trim());
            let found = share(count.found, count.shops, shop.chance);
            let alarms = share(count.alarms, count.asked, shop.chance);
            let _ = writeln!(text, "| `{rule}` | {what} | {} | {found} | {alarms} |", shop.shop);
        }
        let asks: Vec<String> = own().filter(|line| line.asks).map(|line| format!("`{}`", line.rule)).collect();
        if !asks.is_empty() {
            let _ = writeln!(text, "\nAsked of a person, so that nothing can be planted: {}.", asks.join(", "));
        }
    }
    let told = |heading: &str, of: fn(&Shop) -> &std::collections::BTreeMap<String, String>| {
        let reasons = shops.iter().flat_map(of).map(|(rule, why)| format!("- `{rule}`: {}\n", why.trim()));
        let reasons: String = reasons.collect();
        if reasons.is_empty() { reasons } else { format!("\n## {heading}\n\n{reasons}") }
    };
    text += &told("Known misses", |shop| &shop.known);
    text += &told("Nothing to judge without the defect", |shop| &shop.unasked);
    text
}

fn in_short(lines: &[Line<'_>]) -> String {
    let counted: Vec<&(&Shop, Count)> = lines.iter().filter_map(|line| line.counted.as_ref()).collect();
    let sum = |of: fn(&Count) -> u64| counted.iter().map(|(_, count)| of(count)).sum::<u64>();
    format!(
        "In short: {} rules of {} packs have a planted defect, which they found in {} of {} shops; without it they failed \
         in {} of {}. {} more ask a person.",
        counted.len(),
        lines.iter().map(|line| line.pack).collect::<std::collections::BTreeSet<_>>().len(),
        sum(|count| count.found),
        sum(|count| count.shops),
        sum(|count| count.alarms),
        sum(|count| count.asked),
        lines.iter().filter(|line| line.asks).count(),
    )
}

/// `19 of 20 (75 to 100 %)`; without the interval where chance has no part in it.
fn share(some: u64, all: u64, chance: bool) -> String {
    let interval = Proportion { successes: some, trials: all }.clopper_pearson(0.95).filter(|_| chance);
    let limits = interval.map(|interval| format!(" ({:.0} to {:.0} %)", interval.low * 100.0, interval.high * 100.0));
    format!("{some} of {all}{}", limits.unwrap_or_default())
}
