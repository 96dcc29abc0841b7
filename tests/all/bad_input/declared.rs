//! Mistakes in the manifest, the data map, the policy and rule packs, told with line and nearest name.

use crate::support::Audit;

/// A manifest with one text replaced is refused with every one of `told`.
#[track_caller]
fn manifest(from: &str, to: &str, told: &[&str]) {
    Audit::new().replacing("audit.yaml", from, to).run().refused(told);
}

#[test]
fn an_unknown_key_is_told_with_the_nearest() {
    manifest("owner: team@", "ownr: team@", &["unknown key `ownr`", "audit.yaml:4:3", "did you mean `owner`?"]);
    let told = ["unknown key `max_rejectd`", "audit.yaml:31:3", "did you mean `max_rejected`?"];
    manifest("max_rejected", "max_rejectd", &told);
    let told = ["unknown key `colums`", "audit.yaml:41:5", "did you mean `columns`?"];
    manifest("path: log.csv", "path: log.csv\n    colums: { subject_id: customer }", &told);
    let policy = Audit::new().replacing("policy.yaml", "combinations", "combination");
    policy.run().refused(&["unknown key `combination`", "policy.yaml:6:1", "did you mean `combinations`?"]);
    let map = Audit::new().replacing("data-map.yaml", "context: web", "contxt: web");
    map.run().refused(&["`contxt` is not a key", "data-map.yaml:5:", "did you mean `context`?"]);
}

#[test]
fn yaml_that_cannot_be_read_is_told_with_its_line() {
    manifest("  owner: team@shop.example", "  owner: [team", &["audit.yaml:"]);
    let told = ["audit.yaml:5:3", "duplicate", "owner"];
    manifest("  owner: team@shop.example\n", "  owner: one\n  owner: two\n", &told);
    manifest("min_cell: 10", "min_cell: ten", &["audit.yaml:30:13", "expected a whole number from 0"]);
    manifest("as_of: 2026-06-01", "as_of: 2026-06-31", &["audit.yaml:6:10"]);
    manifest("legal_basis: consent", "legal_basis: consnt", &["audit.yaml:10:18", "did you mean `consent`?"]);
    let policy = Audit::new().replacing("policy.yaml", "version: '1'", "version: '1'\nversion: '2'");
    policy.run().refused(&["policy.yaml:2:1", "duplicate", "version"]);
    let latin = Audit::new().with("audit.yaml", b"probity: 1\nsystem:\n  name: Caf\xe9\n");
    latin.run().refused(&["audit.yaml:3: the file is not UTF-8 text"]);
}

#[test]
fn one_file_and_a_list_of_files_are_both_a_data_map() {
    let one = Audit::new().replacing("audit.yaml", "data_map: [data-map.yaml]", "data_map: data-map.yaml");
    let (one, many) = (one.run().audited(0), Audit::new().run().audited(0));
    assert_eq!(one["facts"], many["facts"]);
    let told = ["audit.yaml:35:13", "a text or a list of texts"];
    manifest("data_map: [data-map.yaml]", "data_map: { path: data-map.yaml }", &told);
    let told = ["audit.yaml:37:", "a mapping with `path`"];
    let records = "consent_records: { path: consent.csv, declares: { subject_id: user.contact.email } }";
    manifest(records, "consent_records: consent.csv", &told);
}

#[test]
fn a_strategy_and_a_purpose_must_be_declared_and_known() {
    let told = ["audit.yaml:14:14", "`purposes` does not declare", "did you mean `personalize.content`?"];
    manifest(
        "purpose: personalize.content\n    objective: Purchases",
        "purpose: personalise.content\n    objective: Purchases",
        &told,
    );
    let audit = Audit::new().replacing("policy.yaml", "purpose: personalize.content", "purpose: personalize.ads");
    audit.run().refused(&["policy.yaml:3:14", "which the manifest does not declare", "`personalize.content`"]);
    manifest("packs: [playbook]", "packs: [playbok]", &["audit.yaml:33:11", "did you mean `playbook`?"]);
}

#[test]
fn a_category_or_context_that_nothing_knows_is_refused() {
    let map = Audit::new().replacing("data-map.yaml", "user.behavior.purchase_history", "user.behavior.purchases");
    map.run().refused(&[
        "data-map.yaml:19:",
        "is not in the taxonomy",
        "did you mean `user.behavior.purchase_history`?",
    ]);
    let policy = Audit::new().replacing("policy.yaml", "category: user.behavior", "category: user.behaviour");
    policy.run().refused(&["policy.yaml:5:", "is not in the taxonomy", "did you mean `user.behavior`?"]);
    let policy = Audit::new().replacing("policy.yaml", "[store, web]", "[store, wep]");
    policy.run().refused(&["policy.yaml:8:", "context `wep`", "did you mean `web`?"]);
}

#[test]
fn a_segment_attribute_that_no_table_has_is_refused() {
    let told = ["audit.yaml:29:18", "segment attribute `age_bnd`", "did you mean `age_band`?"];
    manifest("attribute: age_band", "attribute: age_bnd", &told);
    let told = ["audit.yaml:30:12", "`postion` is not a column of the log", "did you mean `position`?"];
    manifest("  min_cell: 10", "  within: [postion]\n  min_cell: 10", &told);
}

#[test]
fn a_time_zone_and_a_delimiter_are_checked() {
    let told = ["audit.yaml:41:16", "`Europe/Berln` is no time zone", "Europe/Berlin"];
    manifest("path: log.csv", "path: log.csv\n    time_zone: Europe/Berln", &told);
    let told = ["audit.yaml:41:16", "a delimiter is one ASCII character"];
    manifest("path: log.csv", "path: log.csv\n    delimiter: ';;'", &told);
}

const PACK: &str = "\
pack:
  id: house
  version: 1.0.0
  title: The rules of the house
rules:
  - id: enough-subjects
    title: Every comparison stands on enough people
    step: test-for-bias
    on: outcome_parity
    severity: low
    fail_when: fact.suppressed
    message: a cell is suppressed
    why: Small groups go unseen.
    remedy: Collect for longer.
";

fn pack(from: &str, to: &str) -> Audit {
    let audit = Audit::new().replacing("audit.yaml", "packs: [playbook]", "packs: [playbook, house.yaml]");
    audit.with("house.yaml", PACK).replacing("house.yaml", from, to)
}

#[test]
fn mistakes_in_a_rule_pack_are_told_before_any_log_is_read() {
    pack("severity: low", "severity: medium").run().audited(0);
    let wrong = |from: &str, to: &str, told: &[&str]| pack(from, to).without("log.csv").run().refused(told);
    wrong("remedy:", "remdy:", &["unknown key `remdy`", "house.yaml:14:5", "did you mean `remedy`?"]);
    let told = ["house.yaml:11:21", "`supressed`", "did you mean `suppressed`?"];
    wrong("fact.suppressed", "fact.supressed", &told);
    wrong("on: outcome_parity", "on: outcome_party", &["house.yaml:9:9", "did you mean `outcome_parity`?"]);
    wrong("fail_when: fact.suppressed", "fail_when: fact.subjects >", &["house.yaml:11:"]);
    wrong("severity: low", "severity: lo", &["house.yaml:10:15", "did you mean `low`?"]);
    let told = ["house.yaml: cannot read", "no such file or folder"];
    pack("severity: low", "severity: medium").without("house.yaml").run().refused(&told);
}

#[test]
fn a_metric_that_the_log_cannot_show_is_refused() {
    let audit =
        Audit::new().replacing("audit.yaml", "  min_cell: 10\n", "  min_cell: 10\n  metrics: [click, conversion]\n");
    let line = 1 + audit.text("audit.yaml").lines().position(|line| line.contains("metrics:")).expect("the line");
    audit.run().refused(&[&format!("audit.yaml:{line}:"), "`conversion` needs the column `converted`"]);
}

#[test]
fn clauses_of_a_policy_that_contradict_repeat_or_shadow_each_other_are_refused() {
    let category = "      - { category: user.behavior, basis: consent }\n";
    let twice = |basis: &str| {
        let second = format!("{category}      - {{ category: user.behavior, basis: {basis} }}\n");
        Audit::new().replacing("policy.yaml", category, &second).run()
    };
    twice("contract").refused(&["policy.yaml:6:", "contradicts line 5", "`consent`", "keep one of the two"]);
    twice("consent").refused(&["policy.yaml:6:", "repeats line 5"]);
    let clause = "    - contexts: [store, web]\n      basis: consent\n";
    let wider = |purpose: &str| {
        let later =
            format!("{clause}    - contexts: [web, store]\n      basis: contract\n      reason: one order\n{purpose}");
        Audit::new().replacing("policy.yaml", clause, &later).run()
    };
    wider("").refused(&["policy.yaml:8:", "never decides", "line 10"]);
    // A later clause for one purpose leaves the earlier one something to say.
    assert_ne!(wider("      purpose: personalize.content\n").code, Some(2));
}
