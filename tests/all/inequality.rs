//! How unequally benefits are spread, beside libraries that were given the same people.

use serde_json::Value;

use crate::reidentification::Numbers;
use crate::support::{Audit, facts};

const MANIFEST: &str = "\
probity: 1
system: { name: Shop, owner: team@shop.example, as_of: 2026-06-01 }
measure: { segments: [{ attribute: age_band }] }
evidence:
  subjects: { path: people.csv, declares: { subject_id: user.unique_id } }
  recommendations: { path: log.csv, declares: { subject_id: user.unique_id } }
";

/// 400 people in three bands, whose revenue grows with the band and whose clicks do not; a third never click. Eight
/// impressions each, the revenue in two of them.
fn audit() -> Value {
    let mut draw = Numbers(3);
    let (mut people, mut log) =
        ("subject_id,age_band\n".to_owned(), "timestamp,subject_id,item_id,strategy,clicked,revenue\n".to_owned());
    for person in 0..400 {
        let band = draw.below(3);
        let cents = 100 + draw.below(4000) * (1 + band);
        let (most, never) = (draw.below(9), draw.below(3) == 0);
        let clicks = if never { 0 } else { most };
        people += &format!("p{person},band{band}\n");
        for row in 0..8 {
            let part = [cents / 3, cents - cents / 3, 0, 0, 0, 0, 0, 0][row as usize];
            let clicked = u8::from(row < clicks);
            let euros = format!("{}.{:02}", part / 100, part % 100);
            log += &format!("2026-03-01T10:00:00Z,p{person},item{row},hybrid,{clicked},{euros}\n");
        }
    }
    let run = Audit::new().with("audit.yaml", MANIFEST).with("people.csv", people).with("log.csv", log).run();
    run.record()
}

fn near(value: &Value, expected: f64) {
    let value = value.as_f64().expect("a number");
    assert!((value - expected).abs() <= 1e-8 * expected.abs(), "{value} is not {expected}");
}

/// PySAL inequality 1.1.2 `Theil(y).T`, `TheilD(y, partition).bg`, `Gini(y).g`; aif360 0.6.1
/// `sklearn.metrics.generalized_entropy_index(b, 2)`, `theil_index(b)`, `coefficient_of_variation(b)`; numpy for Theil's
/// L, `-log(b / b.mean()).mean()`, and Atkinson's index, `1 - sqrt(b).mean() ** 2 / b.mean()`. Rows as in [`audit`].
#[test]
fn indices_agree_with_pysal_and_aif360() {
    let record = audit();
    let of = |benefit: &str| -> Value {
        let all = facts(&record, "inequality");
        all.into_iter().find(|fact| fact["benefit"] == benefit).expect("the benefit is there").clone()
    };
    assert_eq!(facts(&record, "inequality").len(), 2, "no column `converted`, no conversions");

    let revenue = of("revenue");
    assert_eq!((&revenue["state"], &revenue["subjects"]), (&"measured".into(), &400.into()));
    near(&revenue["mean"], 38.785650000000004);
    near(&revenue["entropy_2"]["value"], 0.29683944939691964);
    near(&revenue["theil_t"]["value"], 0.29635664782231574);
    near(&revenue["theil_l"]["value"], 0.3990930699545423);
    near(&revenue["atkinson_half"]["value"], 0.1571533944475937);
    near(&revenue["variation"]["value"], 0.7705056124350033);
    near(&revenue["gini_n"], 0.42585631863846546);
    near(&revenue["gini_n1"], 0.42585631863846546 * 400.0 / 399.0);
    let between = &revenue["between"][0];
    near(&between["theil_t"], 0.07868067871594052);
    near(&between["share"]["value"], 0.07868067871594052 / 0.29635664782231574);
    let share = &between["share"]["interval"];
    assert!(share["low"].as_f64() > between["by_chance"].as_f64(), "bands differ by more than chance");

    let clicks = of("clicks");
    near(&clicks["mean"], 2.78);
    near(&clicks["share_without"], 0.38);
    near(&clicks["entropy_2"]["value"], 0.5215568552352364);
    near(&clicks["theil_t"]["value"], 0.6251735623211694);
    near(&clicks["atkinson_half"]["value"], 0.4291950243603866);
    near(&clicks["variation"]["value"], 1.021329383925907);
    near(&clicks["gini_n"], 0.5633543165467626);
    assert_eq!(clicks["theil_l"], Value::Null, "some never click");
    let between = &clicks["between"][0];
    near(&between["share"]["value"], 0.0016322190479747933 / 0.6251735623211694);
    assert!(between["share"]["value"].as_f64() < between["by_chance"].as_f64().map(|chance| 3.0 * chance));
}
