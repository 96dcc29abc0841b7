use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Said, Translator};
use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::consent_strings::gpp::{Gpp, Section};
use crate::evidence::consent_strings::tcf::{Publisher, Restriction, RestrictionKind, TcString};
use crate::evidence::consent_strings::us::{self, UsSection};
use crate::evidence::consent_strings::{ConsentString, Ids, decode};
use crate::evidence::data_map::DataMap;
use crate::evidence::taxonomy::Taxonomy;
use crate::manifest::Manifest;
use crate::yaml::Document;

const POLICY: &str = "
version: '1'
regimes: { US-CA: opt_out, US: opt_out }
purposes:
  - purpose: personalize
    categories:
      - { category: user.behavior, basis: consent }
  - purpose: marketing.advertising
    categories:
      - { category: user.behavior, basis: consent }
      - { category: user.behavior.browsing_history, basis: legitimate_interests }
consent_strings:
  tcf:
    vendor: 755
    purposes:
      { 1: essential.service, 2: marketing.advertising, 6: personalize.content, 7: [analytics, personalize.system] }
    custom_purposes: { 1: personalize }
    flexible: [2]
    special_features: { 1: user.location.precise }
  gpp:
    opt_outs: { SaleOptOut: marketing.advertising, SharingOptOut: [marketing.advertising, personalize] }
    consents: { AdditionalDataProcessingConsent: analytics }
    gpc: [marketing.advertising, personalize]
    known_child: personalize
    sensitive: { precise_geolocation: user.location.precise, health: user.health_and_medical }
";

fn policy(text: &str) -> Document<ConsentPolicy> {
    Document::parse(Path::new("policy.yaml"), text).unwrap()
}

/// A string that lets vendor 755 do everything.
fn all_given() -> TcString {
    let ConsentString::Tcf(example) =
        decode("CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA").unwrap()
    else {
        panic!("a TC string")
    };
    let purposes: BTreeSet<u8> = (1..=11).collect();
    let vendors = Ids::of(vec![(755, 755)]);
    TcString {
        policy_version: 5,
        special_feature_opt_ins: BTreeSet::from([1, 2]),
        purposes_consent: purposes.clone(),
        purposes_li_transparency: purposes,
        vendor_consents: vendors.clone(),
        vendor_legitimate_interests: vendors.clone(),
        disclosed_vendors: Some(vendors),
        publisher_cc: "DE".into(),
        ..*example
    }
}

fn said(policy: &Document<ConsentPolicy>, string: ConsentString) -> Result<BTreeSet<Said>, String> {
    let taxonomy = Taxonomy::fideslang().unwrap();
    Translator::new(Some(&policy.value), vec![&policy.value], &taxonomy)
        .meaning(string)
        .map(|translation| translation.said)
}

/// Mechanism, status and the number of categories, for one purpose.
fn of(policy: &str, string: &TcString, purpose: &str) -> Vec<(&'static str, &'static str, usize)> {
    let said = said(&self::policy(policy), ConsentString::Tcf(Box::new(string.clone()))).unwrap();
    let ours = said.into_iter().filter(|s| s.purpose == purpose);
    let mut all: Vec<_> = ours.map(|s| (s.mechanism, s.status, s.categories.len())).collect();
    all.sort_unstable();
    all
}

fn restricted(kind: RestrictionKind, purpose: u8) -> TcString {
    let vendors = Ids::of(vec![(700, 800)]);
    TcString { publisher_restrictions: vec![Restriction { purpose, kind, vendors }], ..all_given() }
}

#[test]
fn a_purpose_is_given_when_purpose_and_vendor_are_and_nothing_forbids_it() {
    let given = [("tcf", "given", 0)];
    let refused = [("tcf", "refused", 0)];
    let content = |string: &TcString| of(POLICY, string, "personalize.content");
    assert_eq!(content(&all_given()), given);
    assert_eq!(content(&TcString { purposes_consent: BTreeSet::from([1, 2]), ..all_given() }), refused);
    assert_eq!(content(&TcString { vendor_consents: Ids::of(vec![(1, 754)]), ..all_given() }), refused);
    // C17: not disclosed, in the list that there is, or for want of the list that there must be.
    assert_eq!(content(&TcString { disclosed_vendors: Some(Ids::of(vec![(1, 754)])), ..all_given() }), refused);
    assert_eq!(content(&TcString { disclosed_vendors: None, ..all_given() }), refused);
    assert_eq!(content(&TcString { disclosed_vendors: None, policy_version: 4, ..all_given() }), given);
    // C17: purpose and vendor are set, but the publisher does not let this vendor do it.
    assert_eq!(content(&restricted(RestrictionKind::NotAllowed, 6)), refused);
    assert_eq!(content(&restricted(RestrictionKind::NotAllowed, 7)), given);
    assert_eq!(content(&restricted(RestrictionKind::RequireConsent, 6)), given);
    assert_eq!(content(&restricted(RestrictionKind::RequireLegitimateInterest, 6)), refused);
    assert_eq!(of(POLICY, &all_given(), "analytics"), given);
    assert_eq!(of(POLICY, &all_given(), "personalize.system"), given);
}

/// Browsing history is on legitimate interests for advertising, all else on consent.
#[test]
fn a_refused_consent_is_no_objection_and_an_objection_no_refused_consent() {
    let advertising = |string: &TcString| of(POLICY, string, "marketing.advertising");
    let interest = |status| ("tcf_legitimate_interest", status, 1);
    let nothing = BTreeSet::new();
    assert_eq!(advertising(&all_given()), [("tcf", "given", 0), interest("given")]);
    let no_consent = TcString { purposes_consent: nothing.clone(), ..all_given() };
    let all = self::said(&policy(POLICY), ConsentString::Tcf(Box::new(no_consent.clone()))).unwrap();
    let refusal = all.iter().find(|s| s.purpose == "marketing.advertising" && s.status == "refused").unwrap();
    let named = |category: &str| refusal.categories.iter().any(|own| own == category);
    assert!(!named("user.behavior") && !named("user") && !named("user.behavior.browsing_history"), "{refusal:?}");
    assert!(named("user.behavior.purchase_history") && named("user.location"), "{refusal:?}");
    let names = refusal.categories.len();
    assert_eq!(advertising(&no_consent), [("tcf", "expired", 0), ("tcf", "refused", names), interest("given")]);
    let objected = TcString { purposes_li_transparency: nothing, ..all_given() };
    assert_eq!(advertising(&objected), [("tcf", "given", 0), interest("objected")]);
    let vendor = TcString { vendor_legitimate_interests: Ids::default(), ..all_given() };
    assert_eq!(advertising(&vendor), [("tcf", "given", 0), interest("objected")]);
    // Our entry is flexible in purpose 2: where the publisher requires the other basis, that one counts.
    let forbidden = restricted(RestrictionKind::NotAllowed, 2);
    assert_eq!(advertising(&forbidden)[2], interest("objected"));
    let consent = restricted(RestrictionKind::RequireConsent, 2);
    assert_eq!(advertising(&consent), [("tcf", "given", 0), interest("given")]);
    let rigid = POLICY.replace("flexible: [2]", "flexible: []");
    assert_eq!(of(&rigid, &consent, "marketing.advertising"), [("tcf", "given", 0), interest("objected")]);
    let interests = restricted(RestrictionKind::RequireLegitimateInterest, 2);
    assert_eq!(advertising(&interests), [("tcf", "given", 0), interest("given")]);
    assert_eq!(of(&rigid, &interests, "marketing.advertising")[1].1, "refused");
}

/// Under a version that asks consent for browsing history, the legitimate interest of the earlier one must be no yes.
#[test]
fn a_basis_that_changes_over_time_is_never_taken_for_the_other() {
    let (old, taxonomy) = (policy(POLICY), Taxonomy::fideslang().unwrap());
    let new =
        policy(&POLICY.replace("browsing_history, basis: legitimate_interests", "browsing_history, basis: consent"));
    let versions = vec![&old.value, &new.value];
    let statuses = |version: &Document<ConsentPolicy>, string: TcString| {
        let translator = Translator::new(Some(&version.value), versions.clone(), &taxonomy);
        let said = translator.meaning(ConsentString::Tcf(Box::new(string))).unwrap().said;
        let ours = said.into_iter().filter(|s| s.mechanism == "tcf_legitimate_interest");
        ours.map(|s| s.status).collect::<Vec<_>>()
    };
    let objected = TcString { purposes_li_transparency: BTreeSet::new(), ..all_given() };
    for version in [&old, &new] {
        assert_eq!(statuses(version, all_given()), [""; 0]);
        assert_eq!(statuses(version, objected.clone()), ["objected"]);
    }
    let lenient = Translator::new(Some(&old.value), vec![&old.value], &taxonomy);
    let said = lenient.meaning(ConsentString::Tcf(Box::new(all_given()))).unwrap().said;
    assert!(said.iter().any(|s| s.mechanism == "tcf_legitimate_interest" && s.status == "given"));
}

#[test]
fn special_features_custom_purposes_and_the_first_purpose() {
    let closed = TcString { special_feature_opt_ins: BTreeSet::from([2]), ..all_given() };
    assert_eq!(
        of(POLICY, &closed, "personalize.content"),
        [("tcf", "given", 0), ("tcf_special_feature", "refused", 1)]
    );
    assert_eq!(of(POLICY, &all_given(), "personalize"), []);
    let asked = |consents: &[u8]| TcString {
        publisher: Some(Publisher {
            custom_purposes: 1,
            custom_purposes_consent: consents.iter().copied().collect(),
            ..Publisher::default()
        }),
        ..all_given()
    };
    assert_eq!(of(POLICY, &asked(&[1]), "personalize"), [("tcf", "given", 0)]);
    assert_eq!(of(POLICY, &asked(&[]), "personalize"), [("tcf", "refused", 0)]);
    let undisclosed = TcString { purpose_one_treatment: true, ..all_given() };
    assert_eq!(of(POLICY, &undisclosed, "essential.service"), []);
    assert_eq!(of(POLICY, &all_given(), "essential.service"), [("tcf", "given", 0)]);
    // Without a vendor the publisher's own purposes are asked, and no vendor.
    let own = POLICY.replace("    vendor: 755\n", "");
    assert_eq!(of(&own, &asked(&[]), "personalize.content"), [("tcf", "refused", 0)]);
    let nobody = TcString { vendor_consents: Ids::default(), ..all_given() };
    assert_eq!(of(&own, &nobody, "personalize.content"), [("tcf", "given", 0)]);
}

#[test]
fn void_strings_say_nothing() {
    let told = |string: TcString| said(&policy(POLICY), ConsentString::Tcf(Box::new(string))).unwrap_err();
    let global = TcString { is_service_specific: false, ..all_given() };
    assert_eq!(told(global.clone()), "the TC string is of global scope, which is void since 2021-09-01");
    let old = TcString { policy_version: 3, ..all_given() };
    assert_eq!(told(old.clone()), "the TC string is of policy version 3; since 2023-10-01 only 4 and later hold");
    let then = "2021-08-31T00:00:00Z".parse().unwrap();
    let when_it_held = TcString { last_updated: then, policy_version: 2, ..global };
    assert!(said(&policy(POLICY), ConsentString::Tcf(Box::new(when_it_held))).is_ok());
    let silent = policy(&POLICY.replace("  tcf:", "  tcf_ca: {}\n  tcf:").replace("tcf:\n    vendor: 755", "tcf:"));
    assert!(said(&silent, ConsentString::Tcf(Box::new(all_given()))).is_ok());
    let none = policy(POLICY.split("consent_strings").next().unwrap());
    assert_eq!(
        said(&none, ConsentString::Tcf(Box::new(all_given()))).unwrap_err(),
        "the consent policy does not say what TC strings mean: state `consent_strings.tcf`"
    );
    // In a GPP string a void section is told, and an opt-out beside it still counts.
    let gpp = Gpp {
        sections: BTreeMap::from([(2, Section::Tcf(Box::new(old))), (8, section(8, &[("SaleOptOut", &[1])], None))]),
    };
    let taxonomy = Taxonomy::fideslang().unwrap();
    let document = policy(POLICY);
    let both = Translator::new(Some(&document.value), vec![&document.value], &taxonomy)
        .meaning(ConsentString::Gpp(gpp))
        .unwrap();
    assert!(both.unread.unwrap().contains("policy version 3"));
    assert_eq!(both.said.len(), 1);
}

fn section(id: u16, answers: &[(&'static str, &[u8])], gpc: Option<bool>) -> Section {
    let fields = answers.iter().map(|(name, values)| (*name, values.to_vec())).collect();
    Section::Us(UsSection { layout: us::layout(id).unwrap(), version: 1, fields, gpc })
}

/// Purpose, mechanism, status, explicit of all that a section says.
fn says(id: u16, answers: &[(&'static str, &[u8])], gpc: Option<bool>) -> Vec<String> {
    let gpp = Gpp { sections: BTreeMap::from([(id, section(id, answers, gpc))]) };
    let all = said(&policy(POLICY), ConsentString::Gpp(gpp)).unwrap();
    let line = |s: &Said| {
        let explicit = if s.explicit { " explicitly" } else { "" };
        let categories =
            if s.categories.is_empty() { String::new() } else { format!(" for {}", s.categories.join(" ")) };
        format!("{} {} {}{explicit}{categories} in {}", s.mechanism, s.purpose, s.status, s.jurisdiction)
    };
    all.iter().map(line).collect()
}

#[test]
fn an_opt_out_refuses_and_its_absence_only_lifts_one() {
    assert_eq!(says(8, &[("SaleOptOut", &[1])], None), ["gpp marketing.advertising refused in US-CA"]);
    assert_eq!(says(8, &[("SaleOptOut", &[2])], None), ["gpp marketing.advertising given in US-CA"]);
    assert_eq!(says(8, &[("SaleOptOut", &[0])], Some(false)), [""; 0]);
    // Colorado's regime is not stated, so it is opt-in here: there "did not opt out" is no yes.
    assert_eq!(says(10, &[("SaleOptOut", &[2])], None), [""; 0]);
    assert_eq!(says(10, &[("SaleOptOut", &[1])], None), ["gpp marketing.advertising refused in US-CO"]);
    assert_eq!(
        says(8, &[("SaleOptOut", &[2]), ("SharingOptOut", &[1])], None),
        [
            "gpp marketing.advertising given in US-CA",
            "gpp marketing.advertising refused in US-CA",
            "gpp personalize refused in US-CA"
        ]
    );
    assert_eq!(
        says(7, &[("SaleOptOut", &[0])], Some(true)),
        ["gpc marketing.advertising refused in US", "gpc personalize refused in US"]
    );
}

#[test]
fn consents_of_children_and_for_sensitive_data() {
    assert_eq!(says(7, &[(us::KNOWN_CHILD, &[0, 1, 2])], None), ["known_child personalize refused in US"]);
    assert_eq!(says(7, &[(us::KNOWN_CHILD, &[0, 0, 2])], None), ["known_child personalize given in US"]);
    assert_eq!(says(7, &[(us::KNOWN_CHILD, &[0, 0, 0])], None), [""; 0]);
    let more = "AdditionalDataProcessingConsent";
    assert_eq!(says(16, &[(more, &[1])], None), ["gpp analytics refused in US-TX"]);
    assert_eq!(says(16, &[(more, &[2])], None), ["gpp analytics given in US-TX"]);
    // Precise geolocation is the 8th kind in Texas, the 3rd in California, where the answer is an opt-out.
    let location = "user.location.precise";
    assert_eq!(
        says(16, &[(us::SENSITIVE, &[0, 0, 0, 0, 0, 0, 0, 2])], None),
        [
            format!("gpp marketing.advertising given explicitly for {location} in US-TX"),
            format!("gpp personalize given explicitly for {location} in US-TX")
        ]
    );
    assert_eq!(
        says(8, &[(us::SENSITIVE, &[0, 0, 1, 0, 0, 0, 0, 2, 0])], None),
        [
            "gpp marketing.advertising given for user.health_and_medical in US-CA".to_owned(),
            format!("gpp marketing.advertising refused for {location} in US-CA"),
            "gpp personalize given for user.health_and_medical in US-CA".to_owned(),
            format!("gpp personalize refused for {location} in US-CA")
        ]
    );
}

#[test]
fn what_is_not_read_is_told() {
    let taxonomy = Taxonomy::fideslang().unwrap();
    let document = policy(POLICY);
    let translator = Translator::new(Some(&document.value), vec![&document.value], &taxonomy);
    let mixed = BTreeMap::from([(8, section(8, &[("SaleOptOut", &[1])], None)), (40, Section::Unread)]);
    let translation = translator.meaning(ConsentString::Gpp(Gpp { sections: mixed })).unwrap();
    assert_eq!(translation.said.len(), 1);
    let told = "GPP string: section 40 is not known here; what else it says was read";
    assert_eq!(translation.unread.as_deref(), Some(told));
    let alone = BTreeMap::from([(40, Section::Unread)]);
    let error = translator.meaning(ConsentString::Gpp(Gpp { sections: alone })).unwrap_err();
    assert_eq!(error, "GPP string: section 40 is not known here");
}

#[test]
fn every_unknown_name_is_told_with_its_line() {
    let wrong = POLICY
        .replace("6: personalize.content", "6: personalise.content, 25: analytics")
        .replace("user.location.precise", "user.location.precice")
        .replace("SaleOptOut:", "SalesOptOut:")
        .replace("health: user", "helth: user")
        .replace("flexible: [2]", "flexible: [3]")
        .replace("vendor: 755", "vendor: 0")
        .replace("consent_strings:\n", "consent_strings:\n  contexts: [wep]\n");
    let document = policy(&wrong);
    let map = DataMap::default();
    let manifest: Document<Manifest> = Document::parse(
        Path::new("audit.yaml"),
        "{probity: 1, system: {name: a, owner: b}, evidence: {}, \
         purposes: [{id: personalize}, {id: marketing.advertising}]}",
    )
    .unwrap();
    let error = document.check(&Taxonomy::fideslang().unwrap(), &manifest.value, &map).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    let told = [
        "policy.yaml:13:14: context `wep` is in no dataset of the data map",
        "policy.yaml:15:13: vendors count from 1",
        "policy.yaml:17:85: there is no purpose 25; expected 1 to 24",
        "data use `personalise.content` is not in the taxonomy (did you mean `personalize.content`?)",
        "data category `user.location.precice` is not in the taxonomy (did you mean `user.location.precise`?)",
        "policy.yaml: `flexible` names purpose 3, which `purposes` does not",
        "`SalesOptOut` is no opt-out of the GPP (did you mean `SaleOptOut`?)",
        "`helth` is no kind of sensitive data of the GPP (did you mean `health`?)",
    ];
    for told in told {
        assert!(lines.iter().any(|line| line.contains(told)), "`{told}` in:\n{error}");
    }
    // The category is named twice, once for TC strings and once for GPP strings.
    assert_eq!(lines.len(), told.len() + 1, "{error}");
    let error = Document::<ConsentPolicy>::parse(Path::new("p.yaml"), POLICY.replace("known_child:", "known_childs:"))
        .unwrap_err();
    assert!(error.to_string().contains("unknown key `known_childs` (did you mean `known_child`?)"), "{error}");
    assert!(self::policy(POLICY).value.consent_strings.is_some());
}
