//! Text that means harm, in every field of a record that holds text.

use std::collections::BTreeSet;
use std::path::Path;

use probity::record::Record;
use serde_json::Value;

use super::{json, list, probity, read, shop, text};

const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;",
    "@octocat #12 GH-3 me@evil.example https://evil.example/x www.evil.example",
    "![a](https://evil.example/p.png) [b](javascript:x) [c](1) <!-- {0}",
    "a|b`c` ``` *x* _y_ ~~z~~ $m$ \\",
    "x\r\n::stop-commands::y\r\n# heading\n\n- item\n##[set-output name=a]b%0A::error::z",
    "\u{1b}[31m\u{202E}gnp\u{2028}\u{FFFE}\u{0}]]><b>",
    "`",
    "=HYPERLINK(\"https://evil.example\")",
    "../../../etc/passwd",
];

/// The shop's record with two facts of each kind, the failing findings and a few others, and decisions of every kind.
fn record() -> Value {
    let mut record = shop().record.clone();
    let mut kinds: Vec<String> = Vec::new();
    let facts = record["facts"].as_array_mut().unwrap();
    facts.retain(|fact| {
        kinds.push(text(&fact["kind"]).to_owned());
        kinds.iter().filter(|kind| *kind == kinds.last().unwrap()).count() <= 2
    });
    let count = facts.len();
    let mut others = 0;
    let findings = record["findings"].as_array_mut().unwrap();
    findings.retain(|finding| {
        others += u32::from(finding["status"] != "fail");
        finding["status"] == "fail" || others < 4
    });
    for (index, finding) in findings.iter_mut().enumerate() {
        finding["fact"] = (index % count).into();
        finding["since_baseline"] = ["new", "worse", "same"][index % 3].into();
    }
    findings[0]["disposition"] = "waived".into();
    let waiver = |state: &str, findings: Value| {
        serde_json::json!({
            "rule": "r", "subject": {"a": "b"}, "reason": "x", "owner": "o", "approved_by": "p", "created": "c", "expires": "e",
            "state": state, "findings": findings, "path": "d", "line": 3,
        })
    };
    let own = serde_json::json!([findings[0]["fingerprint"]]);
    record["waivers"] = serde_json::json!([waiver("applied", own), waiver("expired", serde_json::json!(["f"]))]);
    let gone = serde_json::json!({"rule": "r", "severity": "high", "status": "fail", "fingerprint": "f", "about": {"a": "b"}, "reason": "why"});
    record["baseline"] = serde_json::json!({
        "path": "baseline.json", "as_of": "2026-01-01", "record": "00", "findings": 2, "fixed": [gone], "not_comparable": [gone],
    });
    record
}

/// The places of all strings, with `*` for the index of a list.
fn places(value: &Value, at: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::String(_) => drop(into.insert(at.to_owned())),
        Value::Array(items) => items.iter().for_each(|item| places(item, &format!("{at}/*"), into)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| places(field, &format!("{at}/{name}"), into)),
        _ => {}
    }
}

/// Sets all strings at a place.
fn set(value: &mut Value, place: &str, to: &str) {
    let next = place.strip_prefix('/').map(|place| place.split_at(place.find('/').unwrap_or(place.len())));
    match (value, next) {
        (value @ Value::String(_), None) => *value = to.into(),
        (Value::Array(items), Some((_, rest))) => items.iter_mut().for_each(|item| set(item, rest, to)),
        (Value::Object(fields), Some((name, rest))) => {
            if let Some(field) = fields.get_mut(name) {
                set(field, rest, to);
            }
        }
        _ => {}
    }
}

/// The places that may hold any text: all but the words that a record knows, its version, and the time of the run.
fn free(record: &Value) -> Vec<String> {
    let mut all = BTreeSet::new();
    places(record, "", &mut all);
    all.retain(|place| {
        let mut with = record.clone();
        set(&mut with, place, HOSTILE[0]);
        place != "/schema_version" && place != "/run/started" && serde_json::from_value::<Record>(with).is_ok()
    });
    all.into_iter().collect()
}

#[test]
fn hostile_text_stays_text_in_every_format() {
    let record = record();
    let free = free(&record);
    assert!(free.len() > 60, "{free:?}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.json");
    for round in 0..=HOSTILE.len() {
        // Each text everywhere, then all of them mixed.
        let mut spoiled = record.clone();
        for (number, place) in free.iter().enumerate() {
            set(&mut spoiled, place, HOSTILE.get(round).unwrap_or(&HOSTILE[number % HOSTILE.len()]));
        }
        std::fs::write(&path, spoiled.to_string()).unwrap();
        let formats = "findings,html,sarif,code-scanning,junit,markdown,openmetrics,in-toto,github=out/annotations.txt";
        let output = probity(folder.path(), &["report", "audit.json", "--out", "out", "--format", formats]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let out = folder.path().join("out");
        // The readers fail where a file is broken.
        let read = read(&out, &[]);
        junit(&read, &spoiled);
        metrics(&read, HOSTILE.get(round));
        markdown(text(&read["markdown"]));
        annotations(&std::fs::read_to_string(out.join("annotations.txt")).unwrap());
        sarif(&json(out.join("probity.sarif")), &spoiled);
        formulas(&out);
    }
}

fn junit(read: &Value, record: &Value) {
    let suites = list(&read["junit"]);
    assert_eq!(suites.len(), 7);
    for (suite, step) in suites.iter().zip(list(&record["steps"])) {
        assert_eq!(list(&suite["cases"]).len(), list(&step["rules"]).len());
    }
}

fn metrics(read: &Value, hostile: Option<&&str>) {
    assert_eq!(read["openmetrics"], read["prometheus"]);
    let samples = list(&read["prometheus"]);
    let gate: Vec<&Value> = samples.iter().filter(|of| of[0] == "probity_gate_status").collect();
    assert_eq!((gate.len(), gate.iter().map(|of| of[2].as_f64().unwrap()).sum::<f64>()), (3, 1.0));
    // The label is what was written, control characters spelt out.
    if let Some(hostile) = hostile.filter(|of| !of.chars().any(|c| c.is_control() || c == '\u{2028}')) {
        assert_eq!(gate[0][1]["system"], **hostile);
    }
}

/// GitHub's renderer made nothing of it but text: no element that the page has not of itself, nothing linked, nobody
/// mentioned outside of code.
fn markdown(html: &str) {
    let known = "h2 h3 p strong table thead tbody tr th td ul li code details summary sub";
    for tag in html.split('<').skip(1) {
        let name: String = tag.trim_start_matches('/').chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        assert!(known.split(' ').any(|known| known == name), "<{tag}");
    }
    assert_eq!((html.matches("<tr>").count(), html.matches("<h2>").count()), (8, 1), "{html}");
    let outside: String =
        html.split("<code>").map(|part| part.split_once("</code>").map_or(part, |(_, text)| text)).collect();
    for (index, _) in outside.match_indices(['@', '#']) {
        let next = outside[index + 1..].chars().next();
        assert!(!next.is_some_and(char::is_alphanumeric), "{}", &outside[index..]);
    }
    assert!(!outside.contains("GH-3"));
}

fn annotations(lines: &str) {
    for line in lines.lines() {
        let rest = ["::error ", "::warning ", "::notice "].iter().find_map(|start| line.strip_prefix(start));
        let (properties, _) = rest.expect(line).split_once("::").expect(line);
        for property in properties.split(',') {
            let name = property.split_once('=').expect(line).0;
            assert!(["file", "line", "title"].contains(&name), "{line}");
        }
    }
}

fn sarif(log: &Value, record: &Value) {
    let run = &log["runs"][0];
    let results = list(&run["results"]);
    assert_eq!(results.len(), list(&record["findings"]).len() + 1, "one of the baseline is fixed");
    for result in results {
        assert_eq!(list(&result["locations"]).len(), 1);
        let related = result["relatedLocations"].as_array().map_or(0, Vec::len);
        // Whatever reads as a link leads to a place of this result.
        let message = text(&result["message"]["text"]);
        for (index, _) in message.match_indices("](").filter(|(index, _)| !message[..*index].ends_with('\\')) {
            let target = message[index + 2..].split(')').next().unwrap();
            assert!(target.parse::<usize>().is_ok_and(|id| (1..=related).contains(&id)), "{message}");
        }
    }
    fn uris<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("uri").and_then(Value::as_str));
                fields.values().for_each(|field| uris(field, into));
            }
            Value::Array(items) => items.iter().for_each(|item| uris(item, into)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    uris(run, &mut found);
    assert!(found.len() > 10);
    for uri in found {
        assert!(uri.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)), "{uri}");
    }
}

fn formulas(out: &Path) {
    for row in csv::Reader::from_path(out.join("findings.csv")).unwrap().records() {
        assert!(row.unwrap().iter().all(|field| !field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])));
    }
}
