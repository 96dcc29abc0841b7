//! A Kantara consent receipt, v1.1: who agreed to which purposes when. It is a grant; it knows no withdrawal.

use serde_json::{Map, Value};

use super::{Event, Row, Terms, each, get, text, time};

/// One row for each purpose of each service.
pub fn rows(receipt: &Map<String, Value>, terms: &Terms) -> Vec<Row> {
    let services = each(get(receipt, &["services"])).into_iter().filter_map(Value::as_object);
    let purposes: Vec<&Map<String, Value>> =
        services.flat_map(|service| each(get(service, &["purposes"]))).filter_map(Value::as_object).collect();
    if purposes.is_empty() {
        return vec![Err("the receipt names no purpose (`services`, `purposes`)".to_owned())];
    }
    // The sensitive categories are the receipt's: with several purposes nobody can tell whose they are.
    let sensitive = if purposes.len() == 1 { each(get(receipt, &["spicat"])) } else { Vec::new() };
    purposes.into_iter().map(|purpose| row(receipt, purpose, &sensitive, terms)).collect()
}

fn row(receipt: &Map<String, Value>, purpose: &Map<String, Value>, sensitive: &[&Value], terms: &Terms) -> Row {
    let written = |object: &Map<String, Value>, names: &[&str]| get(object, names).and_then(text);
    let at =
        time::epoch(get(receipt, &["consenttimestamp"]).ok_or("the receipt has no `consentTimestamp`".to_owned())?)?;
    let names = each(get(purpose, &["purpose"])).into_iter().chain(each(get(purpose, &["purposecategory"])));
    let key = terms.purpose(&names.filter_map(text).collect::<Vec<_>>())?;
    let held = each(get(purpose, &["piicategory"]));
    if held.is_empty() {
        return Err(
            "a purpose of the receipt names no `piiCategory`, and a grant without one would be of all".to_owned()
        );
    }
    let mut categories = Vec::new();
    for category in held.into_iter().chain(sensitive.iter().copied()) {
        let category = terms.category(&text(category).into_iter().collect::<Vec<_>>())?;
        if !categories.contains(&category) {
            categories.push(category);
        }
    }
    let kind = written(purpose, &["consenttype"]).unwrap_or_default().to_lowercase();
    Ok(Event {
        subject: written(receipt, &["piiprincipalid"]),
        at: Some(at),
        status: "given",
        purpose: key,
        categories,
        explicit: kind == "explicit",
        expires: written(purpose, &["termination"]).and_then(|end| time::date(&end)),
        jurisdiction: written(receipt, &["jurisdiction"]),
        notice_version: written(receipt, &["policyurl"]),
        mechanism: written(receipt, &["collectionmethod"]),
    }
    .row())
}
