use std::path::Path;

use super::*;
use crate::manifest::Manifest;
use crate::yaml::Document;

const MANIFEST: &str = "
probity: 1
system: { name: Shop, owner: us }
evidence:
  consent_records:
    path: receipts.json
    purposes: { 'Recommend  articles': personalize.content, Newsletter: marketing.communications.email }
    categories: { Browsing: user.behavior.browsing_history, 'Receipts': user.behavior.purchase_history, Health: user.health_and_medical }
";

fn terms() -> Terms {
    let manifest = Document::<Manifest>::parse(Path::new("audit.yaml"), MANIFEST).unwrap().value;
    Terms::of(&manifest.evidence.consent_records[0], &Taxonomy::fideslang().unwrap())
}

/// All rows of a text, each as `line column=value …`, or `line: reason`.
fn read(format: Format, text: &str, by_line: bool) -> Vec<String> {
    let (terms, mut documents) = (terms(), Documents::new(text.as_bytes(), by_line));
    let mut told = Vec::new();
    while let Some((line, bytes)) = documents.read().unwrap() {
        for (line, row) in rows(format, &terms, line, &bytes) {
            told.push(match row {
                Ok(cells) => {
                    let cells: Vec<String> = COLUMNS
                        .iter()
                        .filter_map(|name| {
                            cells.get(name).map(|value| format!("{name}={}", value.replace('\u{1f}', "+")))
                        })
                        .collect();
                    format!("{line} {}", cells.join(" "))
                }
                Err(reason) => format!("{line}: {reason}"),
            });
        }
    }
    told
}

/// A receipt in the shape of the Kantara specification v1.1.
const RECEIPT: &str = r#"{
  "version": "KI-CR-v1.1.0",
  "jurisdiction": "DE",
  "consentTimestamp": 1767225600,
  "collectionMethod": "Web form",
  "consentReceiptID": "1f6f4a9e-9d0a-4f86-9c6e-4b0a2ad1c3f0",
  "publicKey": "",
  "language": "en",
  "piiPrincipalId": "c0042",
  "piiControllers": [{ "piiController": "Shop", "onBehalf": false, "contact": "Data desk", "email": "desk@shop.example" }],
  "policyUrl": "https://shop.example/privacy/2026-1",
  "services": [
    {
      "service": "Start page {beta}",
      "purposes": [
        {
          "purpose": "recommend articles",
          "purposeCategory": ["Personalized Experience"],
          "consentType": "EXPLICIT",
          "piiCategory": ["Browsing", "Receipts"],
          "primaryPurpose": true,
          "termination": "2027-01-01",
          "thirdPartyDisclosure": false
        }
      ]
    }
  ],
  "sensitive": true,
  "spiCat": ["Health"]
}
"#;

#[test]
fn a_kantara_receipt_is_a_grant() {
    let row = "1 subject_id=c0042 timestamp=2026-01-01T00:00:00Z status=given purpose=personalize.content \
         categories=user.behavior.browsing_history+user.behavior.purchase_history+user.health_and_medical explicit=true \
         expires=2027-01-01T00:00:00Z jurisdiction=DE notice_version=https://shop.example/privacy/2026-1 \
         mechanism=Web form";
    assert_eq!(read(Format::Kantara, RECEIPT, false), [row]);
    // An array of them, each on its line; and one a line.
    let twice = format!("[\n{RECEIPT},\n{RECEIPT}]");
    let lines: Vec<String> = read(Format::Kantara, &twice, false).iter().map(|row| row[..2].to_owned()).collect();
    assert_eq!(lines, ["2 ", "33"]);
    let flat = RECEIPT.replace('\n', " ") + "\n";
    assert_eq!(read(Format::Kantara, &flat.repeat(3), true).len(), 3);
    assert_eq!(read(Format::Kantara, &flat.repeat(3), false)[2], row.replacen('1', "3", 1));
}

#[test]
fn what_a_receipt_leaves_out_is_not_guessed() {
    let with = |from: &str, to: &str| {
        assert!(RECEIPT.contains(from), "{from}");
        read(Format::Kantara, &RECEIPT.replacen(from, to, 1), false).remove(0)
    };
    assert!(with("EXPLICIT", "IMPLICIT").contains("explicit=false"));
    assert!(!with("2027-01-01", "when the account is closed").contains("expires"));
    assert!(!with("\"piiPrincipalId\": \"c0042\",", "").contains("subject_id"));
    // With a second purpose nobody knows which one the sensitive data is for.
    let second = "\"purposes\": [{\"purpose\": \"newsletter\", \"consentType\": \"EXPLICIT\", \"piiCategory\": \
         [\"user.contact.email\"]},";
    let both = read(Format::Kantara, &RECEIPT.replace("\"purposes\": [", second), false);
    assert!(both[0].contains("purpose=marketing.communications.email categories=user.contact.email "), "{}", both[0]);
    assert!(
        both[1].contains("categories=user.behavior.browsing_history+user.behavior.purchase_history "),
        "{}",
        both[1]
    );
    for (from, to, reason) in [
        (
            "recommend articles\"",
            "Personalise\"",
            "the purpose `Personalise` is not mapped under `purposes` of the source; the nearest key is `personalize`",
        ),
        (
            "\"Receipts\"",
            "\"Purchase history\"",
            "the category of data `Purchase history` is not mapped under `categories` of the source; the nearest key is \
             `user.behavior.purchase_history`",
        ),
        ("1767225600,", "1767225600000,", "the time is not in seconds since 1970"),
        ("\"consentTimestamp\": 1767225600,", "", "the receipt has no `consentTimestamp`"),
        (
            "[\"Browsing\", \"Receipts\"]",
            "[]",
            "a purpose of the receipt names no `piiCategory`, and a grant without one would be of all",
        ),
        ("\"services\"", "\"service\"", "the receipt names no purpose (`services`, `purposes`)"),
    ] {
        assert_eq!(with(from, to), format!("1: {reason}"));
    }
}

/// A record with the names of the specification.
const RECORD: &str = r#"{
  "schema_version": "ISO/IEC TS 27560:2023",
  "record_id": "8f0c",
  "pii_principal_id": "c0042",
  "pii_processing": [
    {
      "privacy_notice": { "version": "2026-1", "url": "https://shop.example/privacy" },
      "purposes": [{ "purpose": "Recommend articles" }, "Newsletter"],
      "lawful_basis": "consent",
      "pii_information": [{ "pii_type": "Browsing", "pii_optional": true }, { "pii_type": "Health", "special_pii_category": true }],
      "collection_method": "account page",
      "jurisdiction": "DE"
    }
  ],
  "events": [
    { "event_time": "2026-01-31T10:00:00Z", "validity_duration": "P1M", "entity_id": "c0042", "event_type": "explicit", "event_state": "given" },
    { "event_time": "2026-02-10T10:00:00+01:00", "entity_id": "c0042", "event_type": "explicit", "event_state": "withdrawn" }
  ]
}
"#;

#[test]
fn each_event_of_each_purpose_of_a_27560_record_is_a_row() {
    let rows = read(Format::Iso27560, RECORD, false);
    assert_eq!(rows.len(), 4);
    let categories = "categories=user.behavior.browsing_history+user.health_and_medical explicit=true";
    // The end of January and a month is the end of February.
    let rest = "jurisdiction=DE notice_version=2026-1 mechanism=account page";
    assert_eq!(
        rows[0],
        format!(
            "1 subject_id=c0042 timestamp=2026-01-31T10:00:00Z status=given purpose=personalize.content {categories} \
             expires=2026-02-28T10:00:00Z {rest}"
        )
    );
    assert_eq!(
        rows[1],
        format!(
            "1 subject_id=c0042 timestamp=2026-02-10T10:00:00+01:00 status=withdrawn purpose=personalize.content \
             {categories} {rest}"
        )
    );
    assert!(rows[2].contains("status=given purpose=marketing.communications.email"));
    // The same in camel case.
    let camel = RECORD
        .replace("pii_principal_id", "piiPrincipalId")
        .replace("pii_processing", "piiProcessing")
        .replace("pii_information", "piiInformation")
        .replace("pii_type", "piiType")
        .replace("event_time", "eventTime")
        .replace("event_state", "eventState")
        .replace("validity_duration", "validityDuration")
        .replace("collection_method", "collectionMethod");
    assert_eq!(read(Format::Iso27560, &camel, false), rows);
}

/// A record with the properties of the Data Privacy Vocabulary.
const DPV: &str = r#"{
  "@context": "https://w3id.org/dpv/schema/dpv-27560",
  "@type": "dpv:ConsentRecord",
  "dct:identifier": "8f0c",
  "dpv:hasDataSubject": "c0042",
  "dpv:hasNotice": { "@type": "dpv:ConsentNotice", "dpv:hasIdentifier": "2026-1" },
  "dpv:hasProcess": [
    {
      "@type": "dpv:Process",
      "dpv:hasPurpose": { "@type": "dpv:ServicePersonalisation", "dct:title": "Recommend articles" },
      "dpv:hasPersonalData": ["Browsing"],
      "dpv:hasConsentStatus": [
        {
          "@type": ["dpv:ConsentGiven", "dpv:ExplicitlyExpressedConsent"],
          "dpv:isIndicatedAtTime": "2026-01-05T16:08:50",
          "dpv:hasDuration": { "@type": ["dpv:TemporalDuration"], "rdf:value": "P12M" },
          "dpv:hasIndicationMethod": "Agree button in dialogue"
        }
      ]
    }
  ]
}
"#;

#[test]
fn the_privacy_vocabulary_s_properties_are_read() {
    assert_eq!(
        read(Format::Iso27560, DPV, false),
        ["1 subject_id=c0042 timestamp=2026-01-05T16:08:50 status=given purpose=personalize.content \
             categories=user.behavior.browsing_history explicit=true expires=2027-01-05T16:08:50 notice_version=2026-1 \
             mechanism=Agree button in dialogue"]
    );
    for (state, status) in [
        ("dpv:RenewedConsentGiven", "given"),
        ("dpv:ConsentRefused", "refused"),
        ("dpv:ConsentWithdrawn", "withdrawn"),
        ("https://w3id.org/dpv#ConsentExpired", "expired"),
        ("dpv:ConsentInvalidated", "expired"),
        ("dpv:ConsentRevoked", "expired"),
        ("dpv:ConsentRequested", "expired"),
        ("dpv:ConsentUnknown", "expired"),
    ] {
        let row = read(Format::Iso27560, &DPV.replace("dpv:ConsentGiven", state), false).remove(0);
        assert!(row.contains(&format!(" status={status} ")), "{state}: {row}");
    }
}

#[test]
fn a_27560_record_that_cannot_be_read_says_why() {
    let with = |from: &str, to: &str| {
        assert!(RECORD.contains(from), "{from}");
        read(Format::Iso27560, &RECORD.replacen(from, to, 1), false).remove(0)
    };
    for (from, to, reason) in [
        ("\"given\"", "\"gvien\"", "the state `gvien` of an event is not known; did it mean `given`?"),
        (", \"event_state\": \"given\"", "", "the state `explicit` of an event is not known"),
        ("\"events\"", "\"happenings\"", "the record has no event (`event_time`, `event_state`)"),
        ("\"purposes\"", "\"reasons\"", "the record names no purpose (`purposes`)"),
        ("\"P1M\"", "\"a month\"", "the duration `a month` is neither like P12M nor a time"),
        (
            "\"pii_information\"",
            "\"info\"",
            "the record names no data (`pii_information`), and a grant without it would be of all",
        ),
    ] {
        let told = with(from, to);
        assert!(told.starts_with(&format!("1: {reason}")), "{told}");
    }
}

#[test]
fn a_broken_document_is_told_with_its_line_and_others_are_read() {
    let flat = RECEIPT.replace('\n', " ");
    let broken = flat.replace("\"services\": [", "\"services\": ");
    let text = format!("{flat}\n{broken}\n7\n{flat}\n");
    let rows = read(Format::Kantara, &text, true);
    assert_eq!(rows.len(), 4);
    assert!(rows[1].starts_with("2: not JSON from column "), "{}", rows[1]);
    assert_eq!(rows[2], "3: not a JSON object");
    assert!(rows[3].starts_with("4 subject_id"), "{}", rows[3]);
    // The line of the fault, within a document of many lines.
    let text = format!("[{RECEIPT},\n{}]", RECEIPT.replace("\"sensitive\": true", "\"sensitive\" true"));
    let rows = read(Format::Kantara, &text, false);
    assert!(rows[1].starts_with("59: not JSON from column "), "{}", rows[1]);
    let rows = read(Format::Kantara, &RECEIPT[..500], false);
    assert_eq!(rows.len(), 1);
    assert!(rows[0].contains(": not JSON from column"), "{}", rows[0]);
}

#[test]
fn durations_of_iso_8601_are_added_by_the_calendar() {
    for (start, duration, end) in [
        ("2026-01-31T10:00:00Z", "P1M", Some("2026-02-28T10:00:00Z")),
        ("2024-02-29T00:00:00+01:00", "P1Y", Some("2025-02-28T00:00:00+01:00")),
        ("2026-01-01T00:00:00Z", "P30D", Some("2026-01-31T00:00:00Z")),
        ("2026-01-01T00:00:00Z", "P1Y2M3DT4H5M6S", Some("2027-03-04T04:05:06Z")),
        ("2026-01-01T00:00:00Z", "P2W", Some("2026-01-15T00:00:00Z")),
        ("2026-01-01T00:00:00Z", "P", None),
        ("2026-01-01T00:00:00Z", "P1H", None),
        ("2026-01-01T00:00:00Z", "P99999999999999999999Y", None),
        ("2026-01-01T00:00:00Z", "P4294967295Y", None),
        ("yesterday", "P1D", None),
    ] {
        assert_eq!(time::after(start, duration).as_deref(), end, "{start} {duration}");
    }
}
