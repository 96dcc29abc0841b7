//! Planted groups of people who are alike, and planted proxies, told from a table of subjects and a log.

use serde_json::Value;

use crate::support::{Audit, HEADER, Run, facts};

const PEOPLE: u64 = 600;
/// People whom the popular strategy decided about, too.
const POPULAR: u64 = 200;

const DATA_MAP: &str = "\
dataset:
  - fides_key: web
    meta: { context: web }
    collections:
      - name: people
        fields:
          - { name: age_band, data_categories: [user.demographic.age_range], fides_meta: { quasi_identifier: true } }
          - { name: income, data_categories: [user.financial] }
  - fides_key: store
    meta: { context: store }
    collections:
      - name: members
        fields:
          - name: postcode
            data_categories: [user.contact.address.postal_code]
            fides_meta: { quasi_identifier: true }
          - { name: remedy, data_categories: [user.health_and_medical] }
          - { name: card, data_categories: [user.unique_id] }
  - fides_key: features
    collections:
      - name: f
        fields:
          - name: vector
            data_categories: [user.behavior]
            fides_meta: { derived_from: [web.people.age_band, store.members.postcode] }
";

const MANIFEST: &str = "\
probity: 1
system: { name: Test shop, owner: team@shop.example, jurisdiction: DE, as_of: 2026-06-01 }
purposes:
  - { id: personalize.content, legal_basis: consent, benefit: Less to look through. }
strategies:
  - id: hybrid
    purpose: personalize.content
    inputs: [features.f.vector, store.members.remedy, store.members.card, web.people.income]
  - { id: popular, purpose: personalize.content, inputs: [web.people.age_band] }
measure:
  min_cell: 10
  k: 5
  protected: [gender, age_band]
evidence:
  data_map: [data-map.yaml]
  subjects:
    path: subjects.csv
    columns: { postcode: zip }
    fields:
      age_band: web.people.age_band
      postcode: store.members.postcode
      remedy: store.members.remedy
      income: web.people.income
  recommendations: { path: log.csv }
";

/// A small generator of numbers that any language has: the same table is made for the oracles.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = (self.0 * 1_103_515_245 + 12_345) % (1 << 31);
        (self.0 >> 16) % end
    }
}

/// Ages in 6 bands and postcodes of 40 districts, 1 in 20 unknown. In even districts 9 of 10 are women, in odd ones 1 of
/// 10. Men have 600 more in a range of 1,000. Of the youngest nobody has a remedy.
fn subjects() -> String {
    let mut draw = Numbers(1);
    let mut text = "subject_id,age_band,zip,gender,income,remedy\n".to_owned();
    for person in 0..PEOPLE {
        let (age, district, known) = (draw.below(6), draw.below(40), draw.below(20) > 0);
        let woman = (draw.below(10) > 0) == (district % 2 == 0);
        let income = 2_000 + draw.below(1_000) + if woman { 0 } else { 600 };
        let remedy = if age == 0 { 0 } else { draw.below(4) };
        let zip = if known { format!("10{district:02}") } else { String::new() };
        let gender = if woman { "f" } else { "m" };
        text += &format!("p{person:04},age{age},{zip},{gender},{income},remedy{remedy}\n");
    }
    text
}

/// Everyone once by `hybrid`, 3 strangers too, and some twice by `popular`.
fn log() -> String {
    let row = |request: u64, person: u64, strategy: &str| {
        format!("r{request},2026-03-01T10:00:00Z,p{person:04},item,1,{strategy},0,0\n")
    };
    let hybrid = (0..PEOPLE + 3).map(|person| row(person, person, "hybrid"));
    let popular = (0..2 * POPULAR).map(|nth| row(10_000 + nth, nth % POPULAR, "popular"));
    std::iter::once(format!("{HEADER}\n")).chain(hybrid).chain(popular).collect()
}

fn shop() -> Audit {
    Audit::new()
        .with("audit.yaml", MANIFEST)
        .with("data-map.yaml", DATA_MAP)
        .with("subjects.csv", subjects())
        .with("log.csv", log())
}

fn of<'a>(record: &'a Value, kind: &str, strategy: &str) -> Vec<&'a Value> {
    facts(record, kind).into_iter().filter(|fact| fact["strategy"] == strategy).collect()
}

fn proxy<'a>(record: &'a Value, strategy: &str, field: &str, attribute: &str) -> &'a Value {
    let all = of(record, "proxy", strategy);
    all.into_iter().find(|fact| fact["field"] == field && fact["attribute"] == attribute).expect("the pair is there")
}

fn rule<'a>(record: &'a Value, id: &str) -> &'a Value {
    let steps = record["steps"].as_array().expect("steps");
    let rules = steps.iter().flat_map(|step| step["rules"].as_array().expect("rules"));
    rules.into_iter().find(|rule| rule["id"] == id).expect("the rule is there")
}

#[track_caller]
fn near(got: &Value, expected: f64, tolerance: f64) {
    let got = got.as_f64().expect("a number");
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
}

/// pandas 2.3.3: `df.groupby(q).size()`, per person `transform("size")`, percentiles with numpy's `inverted_cdf`. The
/// smallest class, l and t: pyCANON 1.3.6 `k_anonymity(df, q)`, `l_diversity(df, q, ["remedy"])`,
/// `entropy_l_diversity` and `t_closeness`, unknown postcodes as a value of their own.
#[test]
fn classes_before_and_after_the_join_are_those_of_pycanon() {
    let record = shop().run().audited(3);
    let hybrid = of(&record, "reidentification", "hybrid")[0];
    assert_eq!(hybrid["contexts"], serde_json::json!(["store", "web"]));
    assert_eq!((&hybrid["subjects"], &hybrid["subjects_missing"]), (&Value::from(600), &Value::from(3)));
    let counts = |classes: &Value| -> Vec<u64> {
        let names = ["count", "k_min", "k_p5", "k_median", "unique", "under_k"];
        let own = names.iter().map(|name| classes[*name].as_u64().unwrap());
        own.chain(classes["sizes"].as_array().unwrap().iter().map(|band| band["subjects"].as_u64().unwrap())).collect()
    };
    assert_eq!(counts(&hybrid["joined"]), [225, 1, 1, 3, 50, 462, 50, 412, 138, 0]);
    let before = hybrid["before"].as_array().unwrap();
    assert_eq!((&before[0]["context"], &before[1]["context"]), (&Value::from("store"), &Value::from("web")));
    assert_eq!(counts(&before[0]["classes"]), [41, 6, 9, 16, 0, 0, 0, 0, 40, 560]);
    assert_eq!(counts(&before[1]["classes"]), [6, 83, 83, 102, 0, 0, 0, 0, 0, 600]);
    near(&hybrid["increment_unique"], 50.0 / 600.0, 1e-12);
    near(&hybrid["increment_under_k"], 462.0 / 600.0, 1e-12);
    near(&hybrid["under_k_at_most"], 465.0 / 603.0, 1e-12);

    let remedy = &hybrid["diversity"][0];
    assert_eq!(remedy["field"], "store.members.remedy");
    assert_eq!((&remedy["values"], &remedy["l_distinct"], &remedy["alike"]), (&4.into(), &1.into(), &169.into()));
    near(&remedy["l_entropy"], 1.0, 1e-9);
    near(&remedy["t"], 0.788_333_333_333_333_3, 1e-9);

    // Each person counts once, however often a strategy decided about them; one context joins nothing.
    let popular = of(&record, "reidentification", "popular")[0];
    assert_eq!(counts(&popular["joined"]), [6, 20, 20, 35, 0, 0, 0, 0, 0, 200]);
    assert_eq!((&popular["subjects"], &popular["increment_unique"]), (&Value::from(200), &Value::Null));
    assert_eq!(rule(&record, "reidentifiable-join")["status"], "fail");
    assert_eq!(rule(&record, "low-diversity")["status"], "fail");
}

/// scipy 1.15.3 `chi2_contingency(t, correction=False)` and `association(t, "cramer")` of the same table, districts of
/// fewer than 10 people as one; Bergsma's correction by its formula. statsmodels 0.15.0
/// `anova_oneway([women, men], use_var="bf")`.
#[test]
fn planted_proxies_are_measured_as_scipy_does() {
    let record = shop().run().audited(3);
    let zip = proxy(&record, "hybrid", "store.members.postcode", "gender");
    assert_eq!((&zip["comparison"], &zip["statistic"]), (&"measured".into(), &"cramers_v".into()));
    assert_eq!((&zip["levels"], &zip["levels_merged"], &zip["attribute_levels"]), (&37.into(), &5.into(), &2.into()));
    assert_eq!(zip["inputs"], serde_json::json!(["features.f.vector"]));
    assert_eq!((&zip["subjects"], &zip["unknown"]), (&600.into(), &3.into()));
    near(&zip["uncorrected"], 0.752_308_408_831_709_7, 1e-12);
    near(&zip["strength"]["estimate"], 0.711_838_259_570_384_8, 1e-12);
    near(&zip["p_value"], 4.612e-51, 1e-53);

    let income = proxy(&record, "hybrid", "web.people.income", "gender");
    assert_eq!(income["statistic"], "correlation_ratio");
    near(&income["uncorrected"], 0.702_003_093_918_600_4, 1e-6);
    near(&income["strength"]["estimate"], 0.701_398_633_344_472, 1e-6);
    assert!(income["p_value"].as_f64().unwrap() < 1e-80);

    let age = proxy(&record, "popular", "web.people.age_band", "gender");
    near(&age["uncorrected"], 0.070_311_165_786_999_93, 1e-12);
    assert_eq!(age["strength"]["estimate"], 0.0);
    let remedy = proxy(&record, "hybrid", "store.members.remedy", "age_band");
    near(&remedy["strength"]["estimate"], 0.313_201_380_260_108_24, 1e-12);
    assert_eq!(proxy(&record, "popular", "web.people.age_band", "age_band")["comparison"], "itself");

    let judged = rule(&record, "proxy-for-protected-attribute");
    let by = |verdict: &str| -> Vec<String> {
        let facts = judged["verdicts"][verdict].as_array().cloned().unwrap_or_default();
        let name = |index: &Value| {
            let fact = &record["facts"][index.as_u64().unwrap() as usize];
            let text = |key: &str| fact[key].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", text("strategy"), text("field"), text("attribute"))
        };
        facts.iter().map(name).collect()
    };
    assert_eq!(
        by("fail"),
        [
            "hybrid store.members.postcode gender",
            "hybrid web.people.age_band age_band",
            "hybrid web.people.income gender",
            "popular web.people.age_band age_band",
        ]
    );
    assert_eq!(by("inconclusive"), ["hybrid store.members.remedy age_band"]);
    assert_eq!(by("not_evidenced"), ["hybrid features.f.vector -", "hybrid store.members.card -"]);
}

#[test]
fn no_value_of_anybody_is_told_and_runs_agree_to_the_byte() {
    let run = shop().run();
    let (first, all) = (run.record(), run.everything());
    for secret in ["p0007", "age3", "1007", "remedy2", "2345"] {
        assert!(!all.contains(secret), "`{secret}` was told");
    }
    let again = run.audit.run_to("again").record();
    assert_eq!(first["facts"], again["facts"]);
}

#[test]
fn without_a_log_everyone_in_the_table_counts() {
    let audit = shop().replacing("audit.yaml", "  recommendations: { path: log.csv }\n", "").without("log.csv");
    let record = audit.run().record();
    let hybrid = of(&record, "reidentification", "hybrid")[0];
    assert_eq!((&hybrid["subjects"], &hybrid["subjects_missing"]), (&600.into(), &0.into()));
    assert_eq!(hybrid["joined"]["unique"], 50);
    assert_eq!(of(&record, "reidentification", "popular")[0]["subjects"], 600);
}

#[test]
fn what_was_not_handed_over_is_not_evidenced() {
    let unsaid = shop().replacing("audit.yaml", "      remedy: store.members.remedy\n", "");
    let record = unsaid.run().record();
    assert_eq!(of(&record, "reidentification", "hybrid")[0]["special_missing"][0], "store.members.remedy");
    assert_eq!(rule(&record, "low-diversity")["status"], "not_evidenced");

    let unheld = shop().replacing("audit.yaml", "      postcode: store.members.postcode\n", "");
    let record = unheld.replacing("audit.yaml", "    columns: { postcode: zip }\n", "").run().record();
    let hybrid = of(&record, "reidentification", "hybrid")[0];
    assert_eq!(hybrid["missing"][0], "store.members.postcode");
    assert_eq!(hybrid["joined"]["unique"], 0);
    assert_eq!(rule(&record, "reidentifiable-join")["status"], "not_evidenced");

    let unmarked = shop().with("data-map.yaml", DATA_MAP.replace("quasi_identifier: true", "identity: none"));
    let record = unmarked.run().record();
    let reason = rule(&record, "reidentifiable-join")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("marks no field"), "{reason}");
}

#[test]
fn a_value_too_few_have_is_not_measured() {
    let record = shop().replacing("audit.yaml", "min_cell: 10", "min_cell: 1000").run().record();
    let hybrid = of(&record, "reidentification", "hybrid")[0];
    assert_eq!((&hybrid["suppressed"], &hybrid["joined"]), (&true.into(), &Value::Null));
    assert_eq!(proxy(&record, "hybrid", "store.members.postcode", "gender")["comparison"], "suppressed");
}

#[test]
fn misspelt_fields_columns_and_attributes_are_refused_where_they_stand() {
    let spoilt = |from: &str, to: &str| -> Run { shop().replacing("audit.yaml", from, to).run() };
    spoilt("remedy: store.members.remedy", "remedy: store.members.remedies").refused(&[
        "`store.members.remedies` is no field of the data map",
        "audit.yaml:22:15",
        "store.members.remedy",
    ]);
    spoilt("income: web.people.income", "incme: web.people.income").refused(&[
        "`subjects.csv` has no column `incme`",
        "audit.yaml:23:14",
        "did you mean `income`",
    ]);
    spoilt("[gender, age_band]", "[gendre, age_band]")
        .refused(&["protected attribute `gendre` is not a column of `subjects`", "did you mean `gender`"]);
    spoilt("income: web.people.income", "subject_id: web.people.income")
        .refused(&["`subject_id` tells who a person is"]);
    spoilt("path: log.csv", "path: log.csv, fields: { strategy: store.members.card }")
        .refused(&["`fields` says something only of `subjects`"]);
    spoilt("income: web.people.income", "income: store.members.remedy").refused(&["held by two columns"]);
    spoilt("k: 5", "k: 1").refused(&["`measure.k` is 1; expected 2 or more"]);
    shop()
        .replacing("audit.yaml", "  data_map: [data-map.yaml]\n", "")
        .run()
        .refused(&["`fields` names fields of a data map, and none is handed over"]);
}
