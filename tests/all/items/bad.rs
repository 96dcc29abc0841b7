//! What the manifest or the log says wrongly of items is refused where it stands.

use super::{SIX, same_to_all, shop};
use crate::support::Run;

const LINE: &str = "    - { attribute: side, by_segment: true, target: catalogue }";

fn spoilt(from: &str, to: &str) -> Run {
    shop(&same_to_all(20, &SIX), &SIX).replacing("audit.yaml", from, to).run()
}

fn groups(to: &str) -> Run {
    spoilt(LINE, &format!("    - {to}"))
}

#[test]
fn misspelt_attributes_targets_and_models_are_refused() {
    groups("{ attribute: sied, target: catalogue }").refused(&[
        "item attribute `sied` is not a column of `items`",
        "audit.yaml:12",
        "did you mean `side`",
    ]);
    groups("{ attribute: price, target: catalogue }").refused(&["`price` is no group of items", "a band of prices"]);
    groups("{ attribute: side, target: catalog }").refused(&[
        "unknown value `catalog`",
        "audit.yaml:12",
        "did you mean `catalogue`",
    ]);
    groups("{ attribute: side, target: lists }").refused(&["unknown value `lists`", "known: `catalogue`, `merit`"]);
    groups("{ attribute: side, target: 3 }")
        .refused(&["audit.yaml:12", "`catalogue`, `merit`, or the share of each group"]);
    groups("{ attribute: side, tagret: merit }").refused(&["unknown key `tagret`", "did you mean `target`"]);
    groups("{ attribute: side }").refused(&["the key `target` is missing here"]);
    spoilt("position_model: log2", "position_model: log3").refused(&["unknown value `log3`", "did you mean `log2`"]);
    spoilt("position_model: log2", "position_model: { geometric: 1.0 }")
        .refused(&["`geometric` is 1; expected above 0 and below 1", "audit.yaml:13"]);
    spoilt("position_model: log2", "cutoff: 0").refused(&["`measure.cutoff` is 0; expected 1 or more"]);
    spoilt(LINE, &format!("{LINE}\n{LINE}")).refused(&["item attribute `side` is listed twice", "audit.yaml:13"]);
}

#[test]
fn shares_that_cannot_be_are_refused() {
    groups("{ attribute: side, target: { A: 0.6, B: 0.3 } }")
        .refused(&["the shares of `side` sum to 0.", "expected 1"]);
    groups("{ attribute: side, target: { A: 1.5, B: -0.5 } }")
        .refused(&["the share of `A` is 1.5; expected 0 to 1", "the share of `B` is -0.5"]);
    groups("{ attribute: side, target: { A: .nan, B: 0.5 } }").refused(&["the share of `A` is NaN"]);
    groups("{ attribute: side, target: { A: 0.5, Bee: 0.5 } }").refused(&[
        "no item has `Bee` as its `side`",
        "audit.yaml:12",
        "known: `A`, `B`",
    ]);
    groups("{ attribute: side, target: catalogue, reference: C }")
        .refused(&["no item has `C` as its `side`", "known: `A`, `B`"]);
    groups("{ attribute: side, target: { A: 1.0 }, reference: B }").refused(&["`B` has no share in the target"]);
}

#[test]
fn what_the_log_lacks_is_refused() {
    let without = |column: &str, from: &str, to: &str| {
        let audit = shop(&same_to_all(20, &SIX), &SIX).in_line("log.csv", 1, column, "other");
        audit.replacing("audit.yaml", from, to).run()
    };
    without("relevant", "target: catalogue", "target: merit").refused(&["`merit` needs the column `relevant`"]);
    without("clicked", "position_model: log2", "position_model: measured")
        .refused(&["`measured` needs the column `clicked`"]);
    spoilt("position_model: log2", "position_model: measured")
        .refused(&["nobody clicked at position 1", "audit.yaml:13"]);
    spoilt("  items: { path: items.csv }\n", "").refused(&["item attribute `side` is not a column of `items`"]);
    let mut lists = same_to_all(20, &SIX);
    lists[3].items[0].position = Some(0);
    shop(&lists, &SIX).run().refused(&["the log has impressions at position 0", "audit.yaml:12"]);
}
