//! Conditions with one mistake each, and what the author is told.

use std::path::Path;

use crate::rules::load::parse;

/// A pack with one rule on `kind` whose only condition is written as the YAML `condition`.
fn pack(kind: &str, condition: &str) -> String {
    format!(
        "pack: {{ id: p, version: '1', title: t }}\nrules:\n  - id: r\n    title: t\n    step: test-for-bias\n    \
         severity: low\n    on: {kind}\n    params: {{ floor: 0.8, n: 3, names: [a, b] }}\n    fail_when: {condition}\n    \
         message: '{{{{ params.floor }}}} {{{{ params.n }}}} {{{{ params.names }}}}'\n    why: w\n    remedy: r\n"
    )
}

/// The first problem, without the file. The condition's value starts at 9:16.
fn told(kind: &str, condition: &str) -> String {
    match parse(Path::new("pack.yaml"), pack(kind, condition)) {
        Ok(_) => "no problem".to_owned(),
        Err(error) => error.to_string().lines().next().unwrap_or_default().trim_start_matches("pack.yaml:").to_owned(),
    }
}

fn parity(condition: &str) -> String {
    told("outcome_parity", condition)
}

#[test]
fn a_misspelt_field_is_told_with_line_column_and_the_nearest_name() {
    assert_eq!(parity("fact.ratoi.high < 1.0"), "9:21: `fact` has no field `ratoi` (did you mean `ratio`?)");
    assert_eq!(parity("fact.ratio.hihg < 1.0"), "9:27: `fact.ratio` has no field `hihg` (did you mean `high`?)");
    assert_eq!(parity("has(fact.ratoi)"), "9:25: `fact` has no field `ratoi` (did you mean `ratio`?)");
    assert_eq!(
        parity(">-\n      fact.ratio.high < 1.0\n      && fact.rato.low < params.floor"),
        "11:15: `fact` has no field `rato` (did you mean `ratio`?)"
    );
    assert_eq!(parity("fact.ratio.low < params.flor"), "9:40: `params` has no field `flor` (did you mean `floor`?)");
    assert_eq!(parity("fact.ratio.low < audit.levle"), "9:39: `audit` has no field `levle` (did you mean `level`?)");
    assert_eq!(parity("fatc.ratio.low < 1.0"), "9:16: unknown name `fatc` (did you mean `fact`?)");
    assert_eq!(parity("fact.metric.low < 1.0"), "9:28: `fact.metric` is a string and has no field `low`");
    let every = told("join", "fact.sources.exists(s, s.pat == 'x')");
    assert_eq!(every, "9:41: `s` has no field `pat` (did you mean `path`?)");
}

#[test]
fn types_that_do_not_go_together_are_told() {
    assert_eq!(parity("fact.metric == 3"), "9:28: a string never equals a whole number");
    assert_eq!(parity("fact.metric < 3"), "9:28: a string has no order with a whole number");
    assert_eq!(parity("fact.suppressed < true"), "9:32: a bool has no order with a bool");
    assert_eq!(parity("fact.metric"), "9:16: a condition must be true or false; this is a string");
    assert_eq!(parity("fact.suppressed && fact.metric"), "9:35: expected true or false here; this is a string");
    let mixed =
        "`/` cannot mix a whole and a decimal number (wrap the whole one in `double(…)`, or write `2.0` for `2`)";
    assert_eq!(parity("fact.ratio.low / 2 < 1.0"), format!("9:31: {mixed}"));
    assert_eq!(parity("fact.ratio.low / double(2) < 1"), "no problem");
    assert_eq!(parity("fact.metric in params.names"), "no problem");
    assert_eq!(parity("fact.subjects in params.names"), "9:30: a whole number cannot be in a list of strings");
    assert_eq!(parity("fact.metric in ['click', 3]"), "9:41: this list of a string also has a whole number");
    assert_eq!(parity("'fact.suppressed ? fact.metric : 3'"), "9:33: one branch is a string, the other a whole number");
    assert_eq!(parity("fact.segment.all(k, k)"), "9:36: expected true or false here; this is a string");
    assert_eq!(
        parity("fact.segment.map(k, k) == []"),
        "9:16: the names of a map have no order, so no list is made of them"
    );
}

#[test]
fn a_literal_outside_a_closed_set_is_told() {
    assert_eq!(
        parity("fact.comparison == 'compard'"),
        "9:35: this field is never `compard` (did you mean `compared`?)"
    );
    assert_eq!(
        parity("\"'refrence' != fact.comparison\""),
        "9:17: this field is never `refrence` (did you mean `reference`?)"
    );
    assert_eq!(
        parity("fact.comparison in ['compared', 'unknwon']"),
        "9:48: this field is never `unknwon` (did you mean `unknown`?)"
    );
    assert_eq!(parity("fact.comparison == 'compared'"), "no problem");
}

#[test]
fn functions_are_known_with_their_arguments() {
    assert_eq!(parity("fact.metric.startWith('c')"), "9:28: unknown function `startWith` (did you mean `startsWith`?)");
    assert_eq!(
        parity("contains(fact.metric, 'c')"),
        "9:16: `contains` cannot take a string, a string (it is written `text.contains(\"…\")`)"
    );
    assert_eq!(parity("size(3) > 1"), "9:16: `size` cannot take a whole number (it is written `size(list)`)");
    assert_eq!(parity("fact.metric.matches('(')"), "9:36: `(` is not a regular expression");
    assert_eq!(parity("fact.metric.matches('^c.*k$') || size(fact.segment) > 1"), "no problem");
    assert_eq!(
        parity("fact.segment.all(k, v, v == 'x')"),
        "9:29: `all` is not written so (write `list.all(x, condition on x)`)"
    );
}

#[test]
fn null_is_compared_with_fields_that_can_be_null_and_nothing_else() {
    assert_eq!(parity("fact.ratio == null || fact.p_value != null"), "no problem");
    assert_eq!(parity("fact.metric == null"), "9:21: `fact.metric` is never null");
    assert_eq!(
        parity("fact.ratio.low == null"),
        "9:27: `fact.ratio.low` is never null (compare `fact.ratio` with null)"
    );
    assert_eq!(parity("size(fact.segment) == null"), "9:35: only a field can be compared with null");
    assert_eq!(parity("fact.p_value < null"), "9:29: a decimal number has no order with null");
}

#[test]
fn what_cannot_be_read_is_told_in_words() {
    assert_eq!(parity("fact.ratio.low <"), "9:32: the condition ends too early");
    assert!(parity("fact.ratio = 3").starts_with("9:27: the condition cannot be read: "));
    assert!(parity("fact.n == 1u").contains("`fact` has no field `n`"));
    assert_eq!(parity("fact.subjects == 1u"), "9:33: write whole numbers without `u`");
}

#[test]
fn every_macro_keeps_its_types() {
    for condition in [
        "fact.sources.exists(s, s.line > 3 && s.path.endsWith('.sql'))",
        "fact.contexts.all(c, c != 'web')",
        "fact.fields.exists_one(f, f == 'a.b.c')",
        "size(fact.contexts.filter(c, c.startsWith('broker:'))) > 1",
        "\"'x' in fact.sources.map(s, s.path)\"",
        "fact.sources.map(s, s.line)[0] > 3",
        "size(fact.contexts.map(c, c == 'web', [c])) == 1",
    ] {
        assert_eq!(told("join", condition), "no problem", "{condition}");
    }
    assert_eq!(told("join", "3 in fact.sources.map(s, s.path)"), "9:18: a whole number cannot be in a list of strings");
    assert_eq!(
        told("join", "fact.purpose.exists(s, s == 'x')"),
        "9:16: this needs a list, or a map's names; it is a string"
    );
}

#[test]
fn a_pack_that_does_not_hold_together_is_told() {
    assert!(
        told("outcome_party", "true")
            .starts_with("7:9: unknown kind of fact `outcome_party` (did you mean `outcome_parity`?)")
    );
    let text = pack("purpose", "fact.declared").replace("    remedy: r\n", "    remedi: r\n");
    let told = parse(Path::new("pack.yaml"), text).unwrap_err().to_string();
    assert_eq!(told, "pack.yaml:12:5: unknown key `remedi` (did you mean `remedy`?)");
    let text = pack("purpose", "fact.declared").replace("floor: 0.8,", "floor: 0.8, ceiling: 1,");
    let told = parse(Path::new("pack.yaml"), text).unwrap_err().to_string();
    assert_eq!(told, "pack.yaml:8:36: no condition or text of this rule uses `params.ceiling`");
}
