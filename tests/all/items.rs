//! Attention to groups of items, from a log to the record: published numbers, a slow reference, planted truths.

use serde_json::Value;

use crate::support::{Audit, Numbers, Run, facts, near, rule};

mod bad;
mod reference;

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: consent, benefit: Less to look through. }
strategies:
  - { id: one, purpose: personalize.content }
  - { id: two, purpose: personalize.content }
measure:
  min_cell: 10
  segments: [{ attribute: sex, reference: m }]
  item_groups:
    - { attribute: side, by_segment: true, target: catalogue }
  position_model: log2
evidence:
  subjects: { path: subjects.csv }
  items: { path: items.csv }
  recommendations: { path: log.csv }
rules:
  packs: [fairness]
";

/// One list to one person.
#[derive(Debug, Clone)]
struct List {
    strategy: &'static str,
    person: usize,
    items: Vec<Shown>,
}

#[derive(Debug, Clone)]
struct Shown {
    item: String,
    position: Option<u32>,
    clicked: bool,
    relevant: bool,
}

fn at(item: &str, position: usize) -> Shown {
    Shown { item: item.to_owned(), position: Some(position as u32), clicked: false, relevant: false }
}

/// A list of every person, in order, of nothing but items.
fn same_to_all(people: usize, items: &[&str]) -> Vec<List> {
    let list = |person| {
        let items = items.iter().enumerate().map(|(index, item)| at(item, index + 1)).collect();
        List { strategy: "one", person, items }
    };
    (0..people).map(list).collect()
}

/// Even people are women. Items are named for their group, `a1` being of `A`; those that begin with `x` have none.
fn shop(lists: &[List], items: &[&str]) -> Audit {
    let mut log = "request_id,timestamp,subject_id,strategy,item_id,position,clicked,relevant\n".to_owned();
    for (request, list) in lists.iter().enumerate() {
        for shown in &list.items {
            let position = shown.position.map_or_else(String::new, |position| position.to_string());
            let (clicked, relevant) = (u8::from(shown.clicked), u8::from(shown.relevant));
            let List { strategy, person, .. } = list;
            let item = &shown.item;
            log += &format!(
                "r{request},2026-05-01T10:00:00Z,p{person},{strategy},{item},{position},{clicked},{relevant}\n"
            );
        }
    }
    let group = |item: &str| if item.starts_with('x') { String::new() } else { item[..1].to_uppercase() };
    let catalogue: String = items.iter().map(|item| format!("{item},{}\n", group(item))).collect();
    let people = lists.iter().map(|list| list.person + 1).max().unwrap_or(0);
    let sexes: String =
        (0..people).map(|person| format!("p{person},{}\n", if person % 2 == 0 { "f" } else { "m" })).collect();
    Audit::new()
        .with("audit.yaml", MANIFEST)
        .with("items.csv", format!("item_id,side\n{catalogue}"))
        .with("subjects.csv", format!("subject_id,sex\n{sexes}"))
        .with("log.csv", log)
}

impl Run {
    fn whole(&self) -> Value {
        assert!(matches!(self.code, Some(0 | 1 | 3)), "{}\n{}", self.stdout, self.stderr);
        self.record()
    }
}

/// The fact of a group of items; `segment` is a sex, or empty for everyone.
#[track_caller]
fn exposure<'a>(record: &'a Value, strategy: &str, segment: &str, group: &str) -> &'a Value {
    let wanted = |fact: &&Value| {
        let sex = fact["segment"]["sex"].as_str().unwrap_or("");
        fact["strategy"] == strategy && sex == segment && fact["item_group"] == group
    };
    facts(record, "exposure_parity").into_iter().find(wanted).expect("the group is there")
}

#[track_caller]
fn ranking<'a>(record: &'a Value, strategy: &str, segment: &str) -> &'a Value {
    let wanted =
        |fact: &&Value| fact["strategy"] == strategy && fact["segment"]["sex"].as_str().unwrap_or("") == segment;
    facts(record, "ranking_fairness").into_iter().find(wanted).expect("the strategy is there")
}

/// Groups and segments by the verdict of a rule.
fn judged(record: &Value, id: &str, verdict: &str) -> Vec<String> {
    let indices = rule(record, id)["verdicts"][verdict].as_array().cloned().unwrap_or_default();
    let name = |index: &Value| {
        let fact = &record["facts"][index.as_u64().unwrap() as usize];
        let sex = fact["segment"]["sex"].as_str().unwrap_or("-");
        format!("{} {} {sex}", fact["strategy"].as_str().unwrap(), fact["item_group"].as_str().unwrap())
    };
    let mut names: Vec<String> = indices.iter().map(name).collect();
    names.sort();
    names
}

const SIX: [&str; 6] = ["a1", "a2", "a3", "b1", "b2", "b3"];

/// The list A B B A B A: its ratio of exposure per item is above 1 for one discount and below 1 for another. Shares and
/// 1 − JSD by their closed forms; the NDKL of FairRankTune 0.0.7 `NDKL(ranking_df, item_group_dict)` without the
/// epsilon that it adds (0.22067329 with it).
#[test]
fn the_discount_decides_whom_a_list_favours() {
    for (model, log_ratio, share, fair) in [
        ("log2", 0.1632, 0.540_715_333_9, 0.999_169_523_0),
        ("log2_clipped", -0.0886, 0.477_870_670_7, 0.999_755_006_4),
        ("{ geometric: 0.5 }", 0.3528, 0.587_301_587_3, 0.996_154_866_3),
    ] {
        let list = same_to_all(40, &["a1", "b1", "b2", "a2", "b3", "a3"]);
        let audit = shop(&list, &SIX)
            .replacing("audit.yaml", "target: catalogue", "target: catalogue, reference: B")
            .replacing("audit.yaml", "position_model: log2", &format!("position_model: {model}"));
        let record = audit.run().whole();
        let a = exposure(&record, "one", "", "A");
        near(&a["log_item_ratio"], log_ratio, 5e-5);
        near(&a["share"]["estimate"], share, 1e-9);
        near(&a["ratio"]["estimate"], 2.0 * share, 1e-9);
        assert_eq!((&a["comparison"], &a["reference_group"]), (&"compared".into(), &"B".into()));
        // Everybody is shown the same: nothing varies, and the unseen may still differ.
        assert_eq!(a["share"]["method"], "cluster_exact");
        let of_list = ranking(&record, "one", "");
        near(&of_list["awrf_jsd"]["estimate"], fair, 1e-9);
        near(&of_list["awrf_difference"]["estimate"], (share - 0.5).abs(), 1e-9);
        near(&of_list["ndkl"]["estimate"], 0.220_673_768_3, 1e-9);
        near(&of_list["eel"], 2.0 * (share - 0.5).powi(2), 1e-9);
        assert_eq!((&of_list["lists"], &of_list["lists_infinite"]), (&40.into(), &0.into()));
    }
}

const EIGHT: [&str; 8] = ["a1", "a2", "a3", "b1", "b2", "b3", "b4", "b5"];

/// Forty people, each with the whole catalogue in an order of its own, in which `a` comes a little later than chance.
fn orders() -> Vec<List> {
    let mut draw = Numbers(7);
    let list = |person| {
        let (mut left, mut items) = (EIGHT.to_vec(), Vec::new());
        while !left.is_empty() {
            let mut next = draw.index(left.len());
            if left[next].starts_with('a') && draw.below(3) > 0 {
                next = draw.index(left.len());
            }
            let (item, position) = (left.remove(next), items.len() + 1);
            let relevant = draw.below(10) < 4;
            items.push(Shown { relevant, clicked: draw.below(10) < 2, ..at(item, position) });
        }
        List { strategy: "one", person, items }
    };
    (0..40).map(list).collect()
}

/// The same orders by FairRankTune 0.0.7, a column per list: `EXP(df, groups, "MinMaxRatio")` is the exposure per item,
/// `EXPU(df, groups, relevance, …)` that per relevance, `EXPRU(df, groups, relevance, clicks, …)` clicks per relevance, and
/// the mean of `NDKL(one_list, groups)`, in which an epsilon of 1e-7 stands. Each list is the whole catalogue, so that
/// the target that it takes from the list is ours. With LensKit 2025.8.0 `LogRankWeight().weight(k)` and
/// `GeometricRankWeight(0.85).weight(k)` the shares and log ratios of the other models.
#[test]
fn random_orders_agree_with_fairranktune_and_lenskit() {
    let audit = || shop(&orders(), &EIGHT);
    let record = audit().run().whole();
    let (a, b) = (exposure(&record, "one", "", "A"), exposure(&record, "one", "", "B"));
    assert_eq!(a["reference_group"], "B");
    near(&a["exposure_per_item"], 17.350_104_957_309_387, 1e-9);
    near(&b["exposure_per_item"], 21.217_653_154_466_152, 1e-9);
    near(&a["item_ratio"]["estimate"], 0.817_720_264_866_207_6, 1e-9);
    near(&a["treatment_ratio"]["estimate"], 1.445_842_079_775_782_3 / 1.309_731_676_201_614_5, 1e-9);
    near(&a["impact_ratio"]["estimate"], 0.75 / 0.518_518_518_518_518_6, 1e-9);
    near(&ranking(&record, "one", "")["ndkl"]["estimate"], 0.258_099_753_115_280_77, 2e-6);
    for (model, share, log_ratio) in [
        ("log2_clipped", 0.320_397_410_664_971_35, -0.241_120_442_519_839_7),
        ("{ geometric: 0.85 }", 0.323_819_345_414_701_1, -0.225_448_872_676_846),
    ] {
        let record =
            audit().replacing("audit.yaml", "position_model: log2", &format!("position_model: {model}")).run().whole();
        let a = exposure(&record, "one", "", "A");
        near(&a["share"]["estimate"], share, 1e-9);
        near(&a["log_item_ratio"], log_ratio, 1e-9);
    }
}

/// Ten of thirty-three items (30.3 %) are of A. Strategy `one` draws every other of them once more, from the others, so that
/// A gets half of its share; `two` draws from the catalogue.
#[test]
fn a_provider_kept_down_is_found_and_a_fair_one_passes() {
    let catalogue: Vec<String> =
        (0..10).map(|n| format!("a{n:02}")).chain((0..23).map(|n| format!("b{n:02}"))).collect();
    let names: Vec<&str> = catalogue.iter().map(String::as_str).collect();
    let mut draw = Numbers(11);
    let mut lists = Vec::new();
    for person in 0..700 {
        for strategy in ["one", "two"] {
            let (mut items, mut seen) = (Vec::new(), Vec::new());
            while items.len() < 10 {
                let mut next = draw.index(33);
                if strategy == "one" && next < 10 && draw.below(2) == 0 {
                    next = 10 + draw.index(23);
                }
                if !seen.contains(&next) {
                    seen.push(next);
                    items.push(at(names[next], items.len() + 1));
                }
            }
            lists.push(List { strategy, person, items });
        }
    }
    let run = shop(&lists, &names).run();
    let record = run.whole();
    assert_eq!(judged(&record, "item-exposure", "fail"), ["one A -"]);
    assert_eq!(judged(&record, "item-exposure", "pass"), ["one B -", "two A -", "two B -"]);
    let kept_down = exposure(&record, "one", "", "A");
    assert!(kept_down["ratio"]["high"].as_f64().unwrap() < 0.7 && kept_down["q_value"].as_f64().unwrap() < 1e-6);
    // Both sexes are shown the same, so that no gap between them is there.
    assert_eq!(judged(&record, "segment-exposure-gap", "fail"), Vec::<String>::new());
    assert_eq!(exposure(&record, "one", "f", "A")["segment_comparison"], "compared");
    assert_eq!(exposure(&record, "one", "m", "A")["segment_comparison"], "reference");
    let report = std::fs::read_to_string(run.out.join("report.html")).unwrap_or_default();
    assert!(report.contains("Attention by <bdi>side</bdi>"), "{}", report.len());
    assert_eq!(record["facts"], run.audit.run_to("again").record()["facts"]);
}

/// Women are shown A at the end of their lists and men at the beginning, always: nothing varies and the gap is plain.
#[test]
fn a_gap_between_segments_is_found() {
    let mut lists = same_to_all(1000, &["b1", "b2", "b3", "a1"]);
    for list in lists.iter_mut().filter(|list| list.person % 2 == 1) {
        list.items.reverse();
        for (index, shown) in list.items.iter_mut().enumerate() {
            shown.position = Some(index as u32 + 1);
        }
    }
    let record = shop(&lists, &SIX).run().whole();
    let (last, first) = (1.0 / 5.0_f64.log2(), 1.0);
    let women = exposure(&record, "one", "f", "A");
    near(&women["segment_ratio"]["estimate"], last / first, 1e-9);
    near(&women["reference_share"], first / (1.0 + 1.0 / 3.0_f64.log2() + 0.5 + last), 1e-9);
    assert_eq!(judged(&record, "segment-exposure-gap", "fail"), ["one A f", "one B f"]);
}

/// The target by merit is what was relevant: A has a third of the relevance and gets its third of attention, while B,
/// twice as relevant, comes as often at each place.
#[test]
fn merit_is_what_was_relevant_in_the_same_lists() {
    let mut lists = orders();
    for list in &mut lists {
        list.items.retain(|shown| ["a1", "b1"].contains(&shown.item.as_str()));
        for (index, shown) in list.items.iter_mut().enumerate() {
            shown.position = Some(index as u32 + 1);
            shown.relevant = shown.item == "b1" || list.person % 2 == 0;
        }
    }
    let audit = shop(&lists, &["a1", "b1"]).replacing("audit.yaml", "target: catalogue", "target: merit");
    let record = audit.run().whole();
    let a = exposure(&record, "one", "", "A");
    near(&a["target_share"], 1.0 / 3.0, 1e-12);
    near(&a["relevance_share"], 1.0 / 3.0, 1e-12);
    let share = a["share"]["estimate"].as_f64().unwrap();
    near(&a["ratio"]["estimate"], 3.0 * share, 1e-9);
    near(&a["treatment_ratio"]["estimate"], 2.0 * share / (1.0 - share), 1e-9);
    assert_eq!(a["ratio"]["method"], "group_jackknife");
}

/// Two thirds of the attention are to be A's by decree, and C is not named: it is told, and never compared.
#[test]
fn a_group_that_the_policy_does_not_name_is_told() {
    let target = "target: { A: 0.6, B: 0.4 }";
    let lists = same_to_all(40, &["a1", "b1", "c1"]);
    let record = shop(&lists, &["a1", "b1", "c1"]).replacing("audit.yaml", "target: catalogue", target).run().whole();
    let c = exposure(&record, "one", "", "C");
    assert_eq!((&c["comparison"], &c["target_share"], &c["ratio"]), (&"undefined".into(), &Value::Null, &Value::Null));
    let weights = [1.0, 1.0 / 3.0_f64.log2(), 0.5];
    near(&c["share"]["estimate"], 0.5 / weights.iter().sum::<f64>(), 1e-9);
    // Nothing is smoothed: every list holds what should not be there.
    let of_list = ranking(&record, "one", "");
    assert_eq!((&of_list["lists_infinite"], &of_list["ndkl"]), (&40.into(), &Value::Null));
}

#[test]
fn a_group_never_shown_fails_and_one_never_placed_is_counted() {
    let mut lists = same_to_all(300, &["b1", "b2", "b3", "b1"]);
    for list in &mut lists {
        list.items.truncate(3);
        list.items.push(Shown { position: None, ..at("a1", 1) });
    }
    let record = shop(&lists, &SIX).run().whole();
    let a = exposure(&record, "one", "", "A");
    assert_eq!((&a["ratio"]["estimate"], &a["log_ratio"], &a["unplaced"]), (&0.0.into(), &Value::Null, &300.into()));
    assert_eq!(judged(&record, "item-exposure", "fail"), ["one A -"]);
    assert_eq!(ranking(&record, "one", "")["min_skew"], serde_json::json!({"item_group": "A", "skew": null}));
}

#[test]
fn small_segments_are_withheld_and_cannot_be_worked_out() {
    let mut lists = same_to_all(60, &SIX);
    lists.retain(|list| list.person % 2 == 1 || list.person < 10);
    let record = shop(&lists, &SIX).run().whole();
    let women = exposure(&record, "one", "f", "A");
    assert_eq!(
        (&women["comparison"], &women["share"], &women["subjects"]),
        (&"suppressed".into(), &Value::Null, &Value::Null)
    );
    let men = exposure(&record, "one", "m", "A");
    assert_eq!(
        (&men["counts_withheld"], &men["subjects"], &men["impressions"]),
        (&true.into(), &Value::Null, &Value::Null)
    );
    assert_eq!(exposure(&record, "one", "", "A")["subjects"], 35);
    assert_eq!(
        (&ranking(&record, "one", "f")["awrf_jsd"], &ranking(&record, "one", "m")["lists"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn without_positions_or_groups_nothing_is_measured() {
    let audit = shop(&same_to_all(40, &SIX), &SIX).in_line("log.csv", 1, "position", "place");
    let record = audit.run().whole();
    assert!(facts(&record, "exposure_parity").is_empty() && facts(&record, "ranking_fairness").is_empty());
    assert_eq!(rule(&record, "item-exposure")["status"], "not_evidenced");
}
