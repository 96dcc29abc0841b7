//! Decoding, compared with the IAB's reference libraries (`tests/iab/vectors` writes what they say).
//!
//! Where the libraries themselves are not the specification:
//!
//! - TCF Canada: `@iabgpp/cmpapi` 3.2 puts the largest vendor id (16 bits) before the flag of an OptimizedRange, where
//!   the specification has the flag alone. Ours reads both, see `tcf_ca`.
//! - Sections 24 to 27: the specifications ask for a header before the core, which the library neither writes nor reads.
//!   Ours reads both; the unit tests of `us` cover what the library cannot write.
//! - What a string does not say stands in the library's result all the same, with a default (`Gpc` false, no vendors
//!   disclosed). Ours tells "not said" from "no", so the vectors list the segments that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use probity::evidence::consent_strings::gpp::Section;
use probity::evidence::consent_strings::tcf::{Publisher, Restriction};
use probity::evidence::consent_strings::tcf_ca::TcfCa;
use probity::evidence::consent_strings::us::UsSection;
use probity::evidence::consent_strings::{ConsentString, Ids, TcString, decode};
use serde_json::{Map, Value, json};

pub fn vectors() -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/iab/vectors.jsonl");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("cannot read the strings of the reference libraries ({error}): run `tests/iab/vectors` first")
    });
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().expect("a list").iter().map(|n| n.as_u64().expect("a number")).collect()
}

/// A list of numbers, or of flags for 1, 2, 3 and so on.
fn small(value: &Value) -> BTreeSet<u8> {
    let list = value.as_array().expect("a list");
    let at = |(index, value): (usize, &Value)| match value {
        Value::Bool(set) => set.then_some(index as u8 + 1),
        other => other.as_u64().map(|n| n as u8),
    };
    list.iter().enumerate().filter_map(at).collect()
}

#[track_caller]
fn same_ids(ids: &Ids, expected: &Value, what: &str) {
    assert!(ids.iter().map(u64::from).eq(numbers(expected)), "{what}");
}

#[track_caller]
fn same_time(time: DateTime<Utc>, expected: &Value) {
    assert_eq!(time, expected.as_str().expect("a time").parse::<DateTime<Utc>>().expect("a time"));
}

/// Purpose and kind to vendors. A library keeps one set for each pair, however often the string names it.
fn same_restrictions(restrictions: &[Restriction], expected: &Value) {
    let mut ours: BTreeMap<(u64, u64), BTreeSet<u64>> = BTreeMap::new();
    for r in restrictions {
        ours.entry((r.purpose.into(), r.kind as u64)).or_default().extend(r.vendors.iter().map(u64::from));
    }
    let mut theirs: BTreeMap<(u64, u64), BTreeSet<u64>> = BTreeMap::new();
    for r in expected.as_array().expect("a list") {
        let key = (r["key"].as_u64().expect("a purpose"), r["type"].as_u64().expect("a kind"));
        theirs.entry(key).or_default().extend(numbers(&r["ids"]));
    }
    assert_eq!(ours, theirs);
}

fn same_publisher(ours: &Publisher, expected: &Value, names: [&str; 5]) {
    assert_eq!(ours.purposes_consent, small(&expected[names[0]]));
    assert_eq!(ours.purposes_li_transparency, small(&expected[names[1]]));
    assert_eq!(u64::from(ours.custom_purposes), expected[names[2]]);
    assert_eq!(ours.custom_purposes_consent, small(&expected[names[3]]));
    assert_eq!(ours.custom_purposes_li_transparency, small(&expected[names[4]]));
}

const PUBLISHER: [&str; 5] = [
    "PublisherConsents",
    "PublisherLegitimateInterests",
    "NumCustomPurposes",
    "PublisherCustomConsents",
    "PublisherCustomLegitimateInterests",
];

fn same_tcf(tcf: &TcString, expected: &Value) {
    same_time(tcf.created, &expected["Created"]);
    same_time(tcf.last_updated, &expected["LastUpdated"]);
    let fields = json!({
        "CmpId": tcf.cmp_id,
        "CmpVersion": tcf.cmp_version,
        "ConsentScreen": tcf.consent_screen,
        "ConsentLanguage": tcf.consent_language,
        "VendorListVersion": tcf.vendor_list_version,
        "PolicyVersion": tcf.policy_version,
        "IsServiceSpecific": tcf.is_service_specific,
        "UseNonStandardStacks": tcf.use_non_standard_texts,
        "PurposeOneTreatment": tcf.purpose_one_treatment,
        "PublisherCountryCode": tcf.publisher_cc,
    });
    same_fields(fields, expected);
    assert_eq!(tcf.special_feature_opt_ins, small(&expected["SpecialFeatureOptins"]));
    assert_eq!(tcf.purposes_consent, small(&expected["PurposeConsents"]));
    assert_eq!(tcf.purposes_li_transparency, small(&expected["PurposeLegitimateInterests"]));
    same_ids(&tcf.vendor_consents, &expected["VendorConsents"], "vendors' consents");
    same_ids(&tcf.vendor_legitimate_interests, &expected["VendorLegitimateInterests"], "legitimate interests");
    same_restrictions(&tcf.publisher_restrictions, &expected["PublisherRestrictions"]);
}

fn same_fields(ours: Value, expected: &Value) {
    for (name, value) in ours.as_object().expect("fields") {
        assert_eq!(*value, expected[name], "{name}");
    }
}

fn same_optional(ours: Option<&Ids>, expected: Option<&Value>, what: &str) {
    assert_eq!(ours.is_some(), expected.is_some(), "{what}");
    if let (Some(ours), Some(expected)) = (ours, expected) {
        same_ids(ours, expected, what);
    }
}

/// Whether a segment is there whose first character (six bits) begins with the three bits of `kind`.
fn segment(expected: &Map<String, Value>, kind: usize) -> bool {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let after = expected["segments"].as_array().expect("segments").iter().skip(1);
    after.map(|s| alphabet.find(s.as_str().expect("a letter")).expect("base64url")).any(|value| value >> 3 == kind)
}

fn same_canada(ca: &TcfCa, expected: &Value) {
    same_time(ca.created, &expected["Created"]);
    same_time(ca.last_updated, &expected["LastUpdated"]);
    let fields = json!({
        "CmpId": ca.cmp_id,
        "CmpVersion": ca.cmp_version,
        "ConsentScreen": ca.consent_screen,
        "ConsentLanguage": ca.consent_language,
        "VendorListVersion": ca.vendor_list_version,
        "TcfPolicyVersion": ca.policy_version,
        "UseNonStandardStacks": ca.use_non_standard_stacks,
    });
    same_fields(fields, expected);
    assert_eq!(ca.special_feature_express_consent, small(&expected["SpecialFeatureExpressConsent"]));
    assert_eq!(ca.purposes_express_consent, small(&expected["PurposesExpressConsent"]));
    assert_eq!(ca.purposes_implied_consent, small(&expected["PurposesImpliedConsent"]));
    same_ids(&ca.vendor_express_consent, &expected["VendorExpressConsent"], "express consents");
    same_ids(&ca.vendor_implied_consent, &expected["VendorImpliedConsent"], "implied consents");
    same_restrictions(&ca.publisher_restrictions, &expected["PubRestrictions"]);
    let expected = expected.as_object().expect("fields");
    let disclosed = segment(expected, 1).then(|| &expected["DisclosedVendors"]);
    same_optional(ca.disclosed_vendors.as_ref(), disclosed, "vendors disclosed");
    let names = [
        "PubPurposesExpressConsent",
        "PubPurposesImpliedConsent",
        "NumCustomPurposes",
        "CustomPurposesExpressConsent",
        "CustomPurposesImpliedConsent",
    ];
    assert_eq!(ca.publisher.is_some(), segment(expected, 3));
    let expected = Value::Object(expected.clone());
    ca.publisher.iter().for_each(|publisher| same_publisher(publisher, &expected, names));
}

fn same_us(us: &UsSection, expected: &Map<String, Value>) {
    let apart = matches!(us.layout.id, 25..=27);
    let after = expected["segments"].as_array().expect("segments").len() > 1;
    let mut theirs: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (name, value) in expected {
        let said = !apart || name != "SensitiveDataProcessing" || after;
        match value {
            Value::Number(n) if !name.contains("SegmentType") => {
                theirs.insert(name, vec![n.as_u64().expect("a number")]);
            }
            Value::Array(_) if name != "segments" && said => {
                theirs.insert(name, numbers(value));
            }
            _ => {}
        }
    }
    let version = theirs.remove("Version").or_else(|| theirs.remove("MspaVersion")).expect("a version");
    assert_eq!(version, [u64::from(us.version)]);
    let ours: BTreeMap<&str, Vec<u64>> =
        us.fields.iter().map(|(name, values)| (*name, values.iter().map(|n| u64::from(*n)).collect())).collect();
    assert_eq!(ours, theirs);
    let gpc = expected.get("Gpc").filter(|_| after).map(|gpc| gpc.as_bool().expect("a flag"));
    assert_eq!(us.gpc, gpc);
}

fn same_section(section: &Section, expected: &Map<String, Value>) {
    let whole = Value::Object(expected.clone());
    match section {
        Section::Tcf(tcf) => {
            same_tcf(tcf, &whole);
            let of = |kind, name: &str| segment(expected, kind).then(|| &expected[name]);
            same_optional(tcf.disclosed_vendors.as_ref(), of(1, "VendorsDisclosed"), "vendors disclosed");
            same_optional(tcf.allowed_vendors.as_ref(), of(2, "VendorsAllowed"), "vendors allowed");
            assert_eq!(tcf.publisher.is_some(), segment(expected, 3));
            tcf.publisher.iter().for_each(|publisher| same_publisher(publisher, &whole, PUBLISHER));
        }
        Section::TcfCa(ca) => same_canada(ca, &whole),
        Section::UsPrivacy(privacy) => {
            let letter = |answer: Option<bool>| answer.map_or("-", |yes| if yes { "Y" } else { "N" });
            let letters = [privacy.notice, privacy.opt_out_sale, privacy.lspa_covered].map(letter);
            assert_eq!(json!(letters), json!([expected["Notice"], expected["OptOutSale"], expected["LspaCovered"]]));
        }
        Section::Us(us) => same_us(us, expected),
        Section::Unread => panic!("the reference reads this section"),
    }
}

#[test]
fn every_field_is_what_the_reference_libraries_say() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for vector in vectors() {
        let text = vector["string"].as_str().expect("a string");
        let expected = &vector["expected"];
        let decoded = decode(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        match decoded {
            ConsentString::Tcf(tcf) => {
                same_tcf(&tcf, expected);
                let said = |name: &str| Some(&expected[name]).filter(|value| !value.is_null());
                same_optional(tcf.disclosed_vendors.as_ref(), said("VendorsDisclosed"), "vendors disclosed");
                same_optional(tcf.allowed_vendors.as_ref(), said("VendorsAllowed"), "vendors allowed");
                assert_eq!(tcf.publisher.is_some(), said("Publisher").is_some());
                if let (Some(ours), Some(theirs)) = (&tcf.publisher, said("Publisher")) {
                    same_publisher(ours, theirs, PUBLISHER);
                }
                *seen.entry("tcf".into()).or_default() += 1;
                for restriction in &tcf.publisher_restrictions {
                    *seen.entry(format!("{:?}", restriction.kind)).or_default() += 1;
                }
            }
            ConsentString::Gpp(gpp) => {
                let ids: Vec<u16> = gpp.sections.keys().copied().collect();
                assert_eq!(json!(ids), expected["ids"]);
                let sections = expected["sections"].as_object().expect("sections");
                assert_eq!(gpp.sections.len(), sections.len());
                // The library lists them in the order of their ids.
                for ((id, section), (name, expected)) in gpp.sections.iter().zip(sections) {
                    if let Section::Us(us) = section {
                        assert_eq!((us.layout.name, us.layout.id), (name.as_str(), *id));
                    }
                    same_section(section, expected.as_object().expect("fields"));
                    *seen.entry(name.clone()).or_default() += 1;
                }
            }
            ConsentString::UsPrivacy(_) => panic!("the vectors have none on its own"),
        }
    }
    // Nothing above could pass for want of strings: 21 sections of the United States, three others, TC strings, and
    // restrictions of three kinds.
    assert_eq!(seen.len(), 21 + 3 + 1 + 3, "{seen:?}");
    assert!(seen.values().all(|n| *n >= 20), "{seen:?}");
}

/// A valid string with one character changed, or cut off anywhere, decodes or is an error; it never panics.
#[test]
fn spoiled_strings_are_errors() {
    let mut errors = 0_u32;
    for (index, vector) in vectors().iter().enumerate() {
        let text = vector["string"].as_str().expect("a string");
        let step = 1 + text.len() / 12;
        for at in (index % step..text.len()).step_by(step) {
            errors += u32::from(decode(&text[..at]).is_err());
            for other in ["A", "_", "~", ".", "é", ""] {
                let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                errors += u32::from(decode(&changed).is_err());
            }
        }
    }
    assert!(errors > 10_000, "{errors}");
}
