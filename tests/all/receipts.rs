//! Consent records as JSON documents: the audit is that of the same records as CSV.

use serde_json::{Value, json};

use crate::support::{Audit, facts, subject};

const FROM: &str = "  consent_records: { path: consent.csv, declares: { subject_id: user.contact.email } }\n";

fn kantara(person: u32) -> Value {
    json!({
        "version": "KI-CR-v1.1.0", "jurisdiction": "DE", "consentTimestamp": 1_767_225_600,
        "collectionMethod": "Web form", "consentReceiptID": format!("receipt {person}"), "publicKey": "", "language": "en",
        "piiPrincipalId": subject(person), "piiControllers": [{ "piiController": "Shop", "contact": "Data desk" }],
        "policyUrl": "https://shop.example/privacy",
        "services": [{ "service": "Start page", "purposes": [{
            "purpose": "Recommend articles", "purposeCategory": ["Personalized Experience"], "consentType": "EXPLICIT",
            "piiCategory": ["What you do"], "primaryPurpose": true, "termination": "when the account is closed",
            "thirdPartyDisclosure": false,
        }] }],
        "sensitive": false, "spiCat": [],
    })
}

fn iso27560(person: u32, state: &str) -> Value {
    json!({
        "schema_version": "1", "record_id": format!("record {person}"), "pii_principal_id": subject(person),
        "pii_processing": [{
            "privacy_notice": "2026-1", "purposes": ["Recommend articles"], "lawful_basis": "consent",
            "pii_information": [{ "pii_type": "What you do" }], "jurisdiction": "DE",
        }],
        "events": [{
            "event_time": "2026-01-02T00:00:00Z", "validity_duration": "P24M", "entity_id": subject(person),
            "event_type": "expressed", "event_state": state,
        }],
    })
}

/// The audit whose consent for the web lies in Kantara receipts (an array), for the store in records of ISO/IEC TS
/// 27560 (one a line), and for both together in a third file, one document after the other.
fn audit() -> Audit {
    let receipts: Vec<Value> = (0..80).map(kantara).collect();
    let records: String = (0..80).map(|person| format!("{}\n", iso27560(person, "given"))).collect();
    let both: String = (0..80).map(|person| format!("{:#}\n", iso27560(person, "given"))).collect();
    let source = |path: &str, contexts: &str| {
        format!(
            "    - path: {path}\n      declares: {{ subject_id: user.contact.email }}\n      values: {{ contexts: {contexts} }}\n      \
             purposes: {{ recommend articles: personalize.content }}\n      categories: {{ What you do: user.behavior }}\n"
        )
    };
    let sources = [
        source("web.json", "web"),
        source("store.jsonl", "store") + "      format: iso27560\n",
        source("both.json", "store|web"),
    ];
    Audit::new()
        .without("consent.csv")
        .with("web.json", format!("{:#}", Value::Array(receipts)))
        .with("store.jsonl", records)
        .with("both.json", both)
        .replacing("audit.yaml", FROM, &format!("  consent_records:\n{}", sources.concat()))
}

#[test]
fn receipts_say_what_the_same_records_say_as_csv() {
    let run = audit().run();
    let record = run.audited(0);
    assert!(run.rejected().is_empty());
    let plain = Audit::new().run().audited(0);
    for kind in ["data_use", "join", "alternative"] {
        assert_eq!(facts(&record, kind), facts(&plain, kind), "{kind}");
        assert!(!facts(&plain, kind).is_empty());
    }
    let files = record["evidence"].as_array().unwrap().iter().filter(|file| file["role"] == "consent_records");
    let told: Vec<String> = files.map(|file| format!("{} {} {}", file["path"], file["format"], file["rows"])).collect();
    assert_eq!(
        told,
        ["\"web.json\" \"kantara\" 80", "\"store.jsonl\" \"iso27560\" 80", "\"both.json\" \"iso27560\" 80"]
    );
    run.leaks_nobody();
}

#[test]
fn a_withdrawal_in_a_record_counts() {
    let audit = audit();
    let text = audit.text("both.json");
    let later = format!("{:#}", iso27560(7, "withdrawn")).replace("2026-01-02", "2026-02-01");
    let record = audit.with("both.json", text + &later).run().audited(1);
    let [join] = facts(&record, "join")[..] else { panic!("one pair") };
    assert_eq!((&join["events_after_withdrawal"], &join["subjects_without_consent"]), (&1.into(), &1.into()));
}

#[test]
fn what_nothing_maps_is_rejected_with_its_line_and_the_nearest_key() {
    let audit = audit();
    let lines: Vec<String> = audit.text("store.jsonl").lines().map(str::to_owned).collect();
    let mut changed = lines.clone();
    changed[4] = lines[4].replace("Recommend articles", "Personalise");
    changed[9] = lines[9].replace("What you do", "Purchase history");
    changed[14] = lines[14].replace("\"pii_principal_id\"", "\"principal\"");
    changed[19] = lines[19].replace("2026-01-02T00:00:00Z", "yesterday");
    changed[24] = lines[24][..40].to_owned();
    let web =
        audit.text("web.json").replacen("\"Recommend articles\"", "\"Sell\"", 1).replacen("1767225600", "\"soon\"", 2);
    let run = audit.with("store.jsonl", changed.join("\n")).with("web.json", web).max_rejected("0.1").run();
    let rejected = run.rejected();
    let expected = [
        "store.jsonl:5: the purpose `Personalise` is not mapped under `purposes` of the source; the nearest key is \
         `personalize`",
        "store.jsonl:10: the category of data `Purchase history` is not mapped under `categories` of the source; the \
         nearest key is `user.behavior.purchase_history`",
        "store.jsonl:15: subject_id is empty",
        "store.jsonl:20: timestamp is not a time like 2026-03-01T10:00:00Z",
        "store.jsonl:25: not JSON from column 40 on",
        "web.json:2: the time is not in seconds since 1970",
    ];
    for line in expected {
        assert!(rejected.iter().any(|told| told == line), "{line} in {rejected:#?}");
    }
    run.leaks_nobody();
}

#[test]
fn a_mapping_to_no_key_and_receipts_of_another_role_are_errors_of_the_manifest() {
    let wrong = |from: &str, to: &str| {
        let text = audit().text("audit.yaml").replacen(from, to, 1);
        audit().with("audit.yaml", text).run()
    };
    wrong("articles: personalize.content", "articles: personalise.content").refused(&[
        "data use `personalise.content` is not in the taxonomy",
        "personalize.content",
        "audit.yaml:41:39",
    ]);
    wrong("What you do: user.behavior", "What you do: user.behaviour").refused(&[
        "data category `user.behaviour` is not in the taxonomy",
        "user.behavior",
        "audit.yaml:42:34",
    ]);
    Audit::new()
        .source("path: log.csv\n    format: kantara")
        .run()
        .refused(&["consent receipts cannot be recommendations"]);
}
