//! A consent record or receipt of ISO/IEC TS 27560:2023: what is processed for which purposes, and the events of the
//! consent to it. The specification gives fields and no JSON; read are its own names (`pii_principal_id`), the same in
//! camel case, and the properties of W3C's Data Privacy Vocabulary (`dpv:hasDataSubject`).

use serde_json::{Map, Value};

use super::{Event, Row, Terms, each, get, plain_key, text, time, told};
use crate::error::nearest;

/// States as the specification's implementations and the vocabulary name them. Of the vocabulary's, only given and
/// renewed are valid; those that neither grant nor refuse end a grant without being an objection.
const STATES: &[(&str, &str)] = &[
    ("consentgiven", "given"),
    ("renewedconsentgiven", "given"),
    ("given", "given"),
    ("granted", "given"),
    ("renewed", "given"),
    ("consentrefused", "refused"),
    ("refused", "refused"),
    ("denied", "refused"),
    ("consentwithdrawn", "withdrawn"),
    ("withdrawn", "withdrawn"),
    ("revoked", "withdrawn"),
    ("consentexpired", "expired"),
    ("expired", "expired"),
    ("consentinvalidated", "expired"),
    ("invalidated", "expired"),
    ("consentrevoked", "expired"),
    ("consentrequested", "expired"),
    ("requested", "expired"),
    ("consentrequestdeferred", "expired"),
    ("deferred", "expired"),
    ("consentunknown", "expired"),
    ("unknown", "expired"),
];

const EVENTS: &[&str] = &["events", "event", "consentevents", "consentstatus"];
const PROCESSES: &[&str] = &["piiprocessing", "processing", "process", "processes"];
const PURPOSES: &[&str] = &["purposes", "purpose"];
const PII: &[&str] = &["piiinformation", "personaldata", "personaldatacategory", "piicategory", "piicategories"];

/// What a part of the record inherits from the whole when it does not say it itself.
struct Part<'v> {
    record: &'v Map<String, Value>,
    own: &'v Map<String, Value>,
}

impl<'v> Part<'v> {
    fn get(&self, names: &[&str]) -> Option<&'v Value> {
        get(self.own, names).or_else(|| get(self.record, names))
    }

    fn text(&self, names: &[&str]) -> Option<String> {
        self.get(names).and_then(text)
    }
}

/// One row for each event of each purpose.
pub fn rows(record: &Map<String, Value>, terms: &Terms) -> Vec<Row> {
    let processes: Vec<&Map<String, Value>> =
        each(get(record, PROCESSES)).into_iter().filter_map(Value::as_object).collect();
    let parts = if processes.is_empty() { vec![record] } else { processes };
    parts.into_iter().flat_map(|own| of_part(&Part { record, own }, terms)).collect()
}

fn of_part(part: &Part<'_>, terms: &Terms) -> Vec<Row> {
    if !std::ptr::eq(part.own, part.record) && get(part.own, PROCESSES).is_some() {
        return vec![Err("a process within a process is not read: state each by itself".to_owned())];
    }
    let purposes = each(part.get(PURPOSES));
    let events = each(part.get(EVENTS));
    if purposes.is_empty() {
        return vec![Err("the record names no purpose (`purposes`)".to_owned())];
    }
    if events.is_empty() {
        return vec![Err("the record has no event (`event_time`, `event_state`)".to_owned())];
    }
    let mut categories = Vec::new();
    for pii in each(part.get(PII)) {
        match terms.category(&names(pii, &["piitype", "piiattributeid"])) {
            Ok(category) if categories.contains(&category) => {}
            Ok(category) => categories.push(category),
            Err(reason) => return vec![Err(reason)],
        }
    }
    let mut rows = Vec::new();
    for purpose in purposes {
        let key = match terms.purpose(&names(purpose, &["purpose", "purposetype", "purposeid"])) {
            Ok(key) => key,
            Err(reason) => {
                rows.push(Err(reason));
                continue;
            }
        };
        rows.extend(events.iter().map(|event| row(part, event, &key, &categories)));
    }
    rows
}

fn row(part: &Part<'_>, event: &Value, purpose: &str, categories: &[String]) -> Row {
    let fields = event.as_object().ok_or("an event is not a JSON object".to_owned())?;
    let words = |names: &[&str]| -> Vec<String> { each(get(fields, names)).into_iter().filter_map(text).collect() };
    let types: Vec<String> = words(&["type"]).into_iter().chain(words(&["eventtype"])).collect();
    // The vocabulary gives the state as the event's type.
    let written = words(&["eventstate", "state", "status"]);
    let candidates: Vec<&String> =
        written.iter().chain(if written.is_empty() { types.iter() } else { [].iter() }).collect();
    let known = |word: &&String| STATES.iter().find(|(state, _)| *state == plain_key(word)).map(|(_, status)| *status);
    let Some(status) = candidates.iter().find_map(known) else {
        let Some(word) = candidates.first() else { return Err("an event has no state (`event_state`)".to_owned()) };
        let states: Vec<&str> = STATES.iter().map(|(state, _)| *state).collect();
        let near =
            nearest(&plain_key(word), &states).map(|near| format!("; did it mean `{near}`?")).unwrap_or_default();
        return Err(format!("the state `{}` of an event is not known{near}", told(word)));
    };
    if status == "given" && categories.is_empty() {
        return Err("the record names no data (`pii_information`), and a grant without it would be of all".to_owned());
    }
    let at = get(fields, &["eventtime", "isindicatedattime", "time", "timestamp"]);
    let at = match at {
        Some(number @ Value::Number(_)) => Some(time::epoch(number)?),
        other => other.and_then(text),
    };
    let basis = part.text(&["lawfulbasis", "legalbasis"]).unwrap_or_default();
    let explicit = types.iter().chain([&basis]).any(|word| word.to_lowercase().contains("explicit"));
    Ok(Event {
        subject: part.text(&["piiprincipalid", "piiprincipal", "datasubject", "datasubjectid"]),
        status,
        purpose: purpose.to_owned(),
        categories: categories.to_vec(),
        explicit,
        expires: at.as_deref().map(|at| expires(fields, at)).transpose()?.flatten(),
        at,
        jurisdiction: part.text(&["jurisdiction"]),
        notice_version: part.get(&["privacynotice", "notice"]).and_then(version),
        mechanism: part
            .text(&["collectionmethod"])
            .or_else(|| get(fields, &["indicationmethod", "collectionmethod"]).and_then(text)),
    }
    .row())
}

/// When a grant ends: its duration after the event, or a time.
fn expires(event: &Map<String, Value>, at: &str) -> Result<Option<String>, String> {
    let Some(duration) = get(event, &["validityduration", "duration", "expirytime"]) else { return Ok(None) };
    let Some(written) = text(duration) else { return Ok(None) };
    // A time that cannot be read is told as that.
    if !time::is_time(at) {
        return Ok(None);
    }
    let end = time::after(at, &written).or_else(|| time::date(&written));
    match plain_key(&written).as_str() {
        "endlessduration" | "indefinite" | "unlimited" => Ok(None),
        _ => end.map(Some).ok_or(format!("the duration `{}` is neither like P12M nor a time", told(&written))),
    }
}

/// The version of a notice, else what it is called.
fn version(notice: &Value) -> Option<String> {
    match notice {
        Value::Object(fields) => get(fields, &["version", "identifier", "id", "url", "location"]).and_then(text),
        other => text(other),
    }
}

/// All names that a purpose or a kind of data goes by, the most telling first.
fn names(value: &Value, own: &[&str]) -> Vec<String> {
    let Value::Object(fields) = value else { return text(value).into_iter().collect() };
    let general = ["title", "name", "description", "identifier", "id", "type"];
    let keys = own.iter().chain(&general);
    keys.flat_map(|key| each(get(fields, &[*key]))).filter_map(text).collect()
}
