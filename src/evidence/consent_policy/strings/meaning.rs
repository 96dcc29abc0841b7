//! What a decoded string says, as statements of the kinds that consent records make.
//!
//! **TC strings.** A purpose is consented to when its bit is set and, for a vendor, the vendor's bit is set too, the
//! vendor was disclosed (always asked since TCF 2.3, before that where the string lists vendors at all) and no
//! restriction of the publisher forbids it. That is `given`, else `refused`. A refused consent is no objection, and an
//! objection is no refused consent: they meet different needs. So where the policy has categories on legitimate
//! interests,
//!
//! - the refusal names every category but those, and `expired` ends the grant for those, which objects to nothing;
//! - the legitimate interest of a purpose and vendor is a second statement about those categories alone: `given` where
//!   it stands, `objected` where the person objected or was never told of it (a string cannot say which).
//!
//! **United States.** An opt-out or Global Privacy Control is `refused`. "Did not opt out" is no yes: it only lifts an
//! earlier opt-out, so it is `given` where the policy's regime is opt-out (there nothing needs a yes) and nothing where
//! it is opt-in. "Not applicable" says nothing. A consent (sensitive data, additional processing) is `given` or
//! `refused`; one for sensitive data is explicit. Times are the record's: a string's own day is no moment.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use super::interests::Interests;
use super::{ConsentStrings, GppMeaning, Names, TcfCaMeaning, TcfMeaning};
use crate::evidence::consent_policy::{ConsentPolicy, Regime};
use crate::evidence::consent_strings::gpp::Section;
use crate::evidence::consent_strings::tcf::{Publisher, RestrictionKind, TcString};
use crate::evidence::consent_strings::tcf_ca::TcfCa;
use crate::evidence::consent_strings::us::{self, UsPrivacy, UsSection};
use crate::evidence::consent_strings::{self, ConsentString};
use crate::evidence::taxonomy::{Taxonomy, covers};

/// TC strings of global scope, and those before policy version 4 (TCF 2.2), are void from these days on.
const GLOBAL_UNTIL: (i32, u32, u32) = (2021, 9, 1);
const BEFORE_2_2_UNTIL: (i32, u32, u32) = (2023, 10, 1);
/// The policy version of TCF 2.3, since which every string lists the vendors disclosed.
const ALWAYS_DISCLOSED: u8 = 5;

/// One statement of a string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// A data use.
    pub purpose: String,
    /// A status of consent records.
    pub status: &'static str,
    /// Data categories; empty: all.
    pub categories: Vec<String>,
    pub explicit: bool,
    /// E.g. `US-CA`; a TC string's is its publisher's country.
    pub jurisdiction: String,
    /// `tcf`, `tcf_legitimate_interest`, `tcf_special_feature`, `gpp`, `gpc`, `known_child` or `us_privacy`.
    pub mechanism: &'static str,
}

/// What a string says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translation {
    pub said: BTreeSet<Said>,
    /// Why a part of the string was left unread, although the rest was read.
    pub unread: Option<String>,
}

/// One version's meaning of strings, with what follows from the legal bases worked out once.
pub struct Translator<'a> {
    policy: Option<&'a ConsentPolicy>,
    versions: Vec<&'a ConsentPolicy>,
    strings: ConsentStrings,
    interests: BTreeMap<String, Interests>,
}

impl<'a> Translator<'a> {
    /// Strings that were recorded under `policy`, one of `versions`; None: nothing says what they mean.
    pub fn new(policy: Option<&'a ConsentPolicy>, versions: Vec<&'a ConsentPolicy>, taxonomy: &Taxonomy) -> Self {
        let strings = policy.and_then(|policy| policy.consent_strings.clone()).unwrap_or_default();
        let tcf = strings.tcf.iter().flat_map(|tcf| tcf.purposes.values().chain(tcf.custom_purposes.values()));
        let uses: BTreeSet<String> = tcf.flat_map(Names::iter).map(str::to_owned).collect();
        let of = |purpose: String| {
            let interests = Interests::of(&purpose, &versions, taxonomy);
            (purpose, interests)
        };
        let interests = uses.into_iter().map(of).filter(|(_, interests)| !interests.parts.is_empty()).collect();
        Self { policy, versions, strings, interests }
    }

    /// The contexts that strings speak for.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.strings.contexts.iter().map(|at| at.value.as_str())
    }

    /// What `text` says, or why it says nothing.
    pub fn translate(&self, text: &str) -> Result<Translation, String> {
        self.meaning(consent_strings::decode(text).map_err(|error| error.to_string())?)
    }

    /// As [`Translator::translate`], of a string already decoded.
    pub fn meaning(&self, string: ConsentString) -> Result<Translation, String> {
        let mut translation = Translation::default();
        let mut to = Statements { said: &mut translation.said, jurisdiction: String::new() };
        match string {
            ConsentString::Tcf(tcf) => {
                let Some(meaning) = &self.strings.tcf else { return Err(unmapped("TC strings", "tcf")) };
                self.tcf(meaning, &tcf, &mut to)?;
            }
            ConsentString::UsPrivacy(privacy) => {
                let Some(meaning) = &self.strings.gpp else { return Err(unmapped("US Privacy strings", "gpp")) };
                self.us_privacy(meaning, privacy, &mut to);
            }
            ConsentString::Gpp(gpp) => {
                let mut unread = Vec::new();
                let many = gpp.sections.len();
                for (id, section) in gpp.sections {
                    match (section, &self.strings) {
                        (Section::Tcf(tcf), ConsentStrings { tcf: Some(meaning), .. }) => {
                            // One void section silences no other: an opt-out beside it still counts.
                            unread.extend(self.tcf(meaning, &tcf, &mut to).err());
                        }
                        (Section::TcfCa(canada), ConsentStrings { tcf_ca: Some(meaning), .. }) => {
                            canadian(meaning, &canada, &mut to);
                        }
                        (Section::UsPrivacy(privacy), ConsentStrings { gpp: Some(meaning), .. }) => {
                            self.us_privacy(meaning, privacy, &mut to);
                        }
                        (Section::Us(section), ConsentStrings { gpp: Some(meaning), .. }) => {
                            self.us(meaning, &section, &mut to);
                        }
                        (Section::Tcf(_), _) => unread.push(unmapped("section 2", "tcf")),
                        (Section::TcfCa(_), _) => unread.push(unmapped("section 5", "tcf_ca")),
                        (Section::Unread, _) => unread.push(format!("section {id} is not known here")),
                        _ => unread.push(unmapped(&format!("section {id}"), "gpp")),
                    }
                }
                let told = format!("GPP string: {}", unread.join("; "));
                if many > 0 && unread.len() == many {
                    return Err(told);
                }
                translation.unread = (!unread.is_empty()).then(|| told + "; what else it says was read");
            }
        }
        Ok(translation)
    }

    fn tcf(&self, meaning: &TcfMeaning, tcf: &TcString, to: &mut Statements<'_>) -> Result<(), String> {
        let since = |(year, month, day)| {
            let day =
                NaiveDate::from_ymd_opt(year, month, day).map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc());
            day.is_some_and(|day: DateTime<Utc>| tcf.last_updated >= day)
        };
        if !tcf.is_service_specific && since(GLOBAL_UNTIL) {
            return Err("the TC string is of global scope, which is void since 2021-09-01".into());
        }
        if tcf.policy_version < 4 && since(BEFORE_2_2_UNTIL) {
            let version = tcf.policy_version;
            return Err(format!(
                "the TC string is of policy version {version}; since 2023-10-01 only 4 and later hold"
            ));
        }
        to.jurisdiction = tcf.publisher_cc.clone();
        for (&purpose, uses) in &meaning.purposes {
            let (consent, interest) = match &meaning.vendor {
                Some(vendor) => vendors(meaning, tcf, vendor.value, purpose),
                None => publishers(tcf, purpose),
            };
            // Where purpose 1 was not disclosed, nobody was asked.
            let asked = !(purpose == 1 && tcf.purpose_one_treatment);
            for purpose in uses.iter() {
                if asked {
                    self.consent(purpose, consent, to);
                }
                self.interest(purpose, interest, to);
            }
        }
        let own = tcf.publisher.as_ref();
        for (number, uses, publisher) in custom(&meaning.custom_purposes, own) {
            for purpose in uses.iter() {
                self.consent(purpose, publisher.custom_purposes_consent.contains(&number), to);
                self.interest(purpose, publisher.custom_purposes_li_transparency.contains(&number), to);
            }
        }
        let features = meaning.special_features.iter().filter(|(f, _)| !tcf.special_feature_opt_ins.contains(f));
        for categories in features.map(|(_, categories)| categories) {
            for purpose in meaning.purposes.values().chain(meaning.custom_purposes.values()).flat_map(Names::iter) {
                let categories = categories.iter().map(str::to_owned).collect();
                to.say(purpose, "refused", categories, false, "tcf_special_feature");
            }
        }
        Ok(())
    }

    fn consent(&self, purpose: &str, given: bool, to: &mut Statements<'_>) {
        match (given, self.interests.get(purpose)) {
            (true, _) => to.say(purpose, "given", Vec::new(), false, "tcf"),
            (false, None) => to.say(purpose, "refused", Vec::new(), false, "tcf"),
            (false, Some(interests)) => {
                to.say(purpose, "expired", Vec::new(), false, "tcf");
                if !interests.others.is_empty() {
                    to.say(purpose, "refused", interests.others.clone(), false, "tcf");
                }
            }
        }
    }

    fn interest(&self, purpose: &str, stands: bool, to: &mut Statements<'_>) {
        for part in self.interests.get(purpose).into_iter().flat_map(|interests| &interests.parts) {
            let (status, categories) = if stands { ("given", &part.always) } else { ("objected", &part.ever) };
            if !categories.is_empty() {
                to.say(&part.purpose, status, categories.clone(), false, "tcf_legitimate_interest");
            }
        }
    }

    fn us_privacy(&self, meaning: &GppMeaning, privacy: UsPrivacy, to: &mut Statements<'_>) {
        to.jurisdiction = "US-CA".into();
        let answer = privacy.opt_out_sale.map_or(0, |opted_out| if opted_out { 1 } else { 2 });
        if let Some(uses) = meaning.opt_outs.get("SaleOptOut") {
            self.opt_out(uses, answer, "us_privacy", to);
        }
    }

    fn us(&self, meaning: &GppMeaning, section: &UsSection, to: &mut Statements<'_>) {
        to.jurisdiction = section.layout.jurisdiction.into();
        for (field, uses) in &meaning.opt_outs {
            self.opt_out(uses, section.answer(field).unwrap_or(0), "gpp", to);
        }
        for (field, uses) in &meaning.consents {
            match section.answer(field) {
                Some(1) => uses.iter().for_each(|purpose| to.say(purpose, "refused", Vec::new(), false, "gpp")),
                Some(2) => uses.iter().for_each(|purpose| to.say(purpose, "given", Vec::new(), false, "gpp")),
                _ => {}
            }
        }
        if section.gpc == Some(true) {
            self.opt_out(&meaning.gpc, 1, "gpc", to);
        }
        // One missing consent is enough. A consent stands for the band or use it was asked for, not for all of ours: it
        // lifts an earlier refusal, as "did not opt out" does.
        let children = section.fields.get(us::KNOWN_CHILD).into_iter().flatten().filter(|answer| **answer > 0);
        self.opt_out(&meaning.known_child, children.min().copied().unwrap_or(0), "known_child", to);
        let answers = section.fields.get(us::SENSITIVE).into_iter().flatten();
        for (&answer, kinds) in answers.zip(section.layout.sensitive_kinds) {
            for categories in kinds.split(' ').filter_map(|kind| meaning.sensitive.get(kind)) {
                let is_opt_out = section.layout.sensitive_is_opt_out;
                let status = match answer {
                    1 => "refused",
                    2 if !is_opt_out || self.is_opt_out(&to.jurisdiction) => "given",
                    _ => continue,
                };
                let explicit = answer == 2 && !is_opt_out;
                for purpose in self.every_purpose() {
                    let categories = categories.iter().map(str::to_owned).collect();
                    to.say(purpose, status, categories, explicit, "gpp");
                }
            }
        }
    }

    /// 1 opted out, 2 did not.
    fn opt_out(&self, uses: &Names, answer: u8, mechanism: &'static str, to: &mut Statements<'_>) {
        let status = match answer {
            1 => "refused",
            2 if self.is_opt_out(&to.jurisdiction) => "given",
            _ => return,
        };
        uses.iter().for_each(|purpose| to.say(purpose, status, Vec::new(), false, mechanism));
    }

    /// In every version of the policy: under one that is opt-in, a lifted opt-out would pass for a yes.
    fn is_opt_out(&self, jurisdiction: &str) -> bool {
        self.versions.iter().all(|policy| policy.regime(jurisdiction) == Regime::OptOut)
    }

    /// The purposes of the policy that stand below no other one of it.
    fn every_purpose(&self) -> impl Iterator<Item = &'a str> {
        let all: BTreeSet<&str> =
            self.policy.into_iter().flat_map(|policy| &policy.purposes).map(|clause| clause.purpose.as_str()).collect();
        all.clone().into_iter().filter(move |own| !all.iter().any(|other| other != own && covers(other, own)))
    }
}

fn unmapped(what: &str, key: &str) -> String {
    format!("the consent policy does not say what {what} mean{}: state `consent_strings.{key}`", plural(what))
}

/// "strings mean", but "section 2 means".
fn plural(what: &str) -> &'static str {
    if what.starts_with("section") { "s" } else { "" }
}

/// Whether a vendor has consent, and whether its legitimate interest stands.
fn vendors(meaning: &TcfMeaning, tcf: &TcString, vendor: u16, purpose: u8) -> (bool, bool) {
    let disclosed = match &tcf.disclosed_vendors {
        Some(vendors) => vendors.contains(vendor),
        None => tcf.policy_version < ALWAYS_DISCLOSED,
    };
    let consent = disclosed && tcf.purposes_consent.contains(&purpose) && tcf.vendor_consents.contains(vendor);
    let interest = disclosed
        && tcf.purposes_li_transparency.contains(&purpose)
        && tcf.vendor_legitimate_interests.contains(vendor);
    let flexible = meaning.flexible.contains(&purpose);
    match tcf.restriction(vendor, purpose) {
        Some(RestrictionKind::NotAllowed) => (false, false),
        Some(RestrictionKind::RequireConsent) => (consent, flexible && consent),
        Some(RestrictionKind::RequireLegitimateInterest) => (flexible && interest, interest),
        Some(RestrictionKind::Undefined) | None => (consent, interest),
    }
}

/// The same of the publisher itself.
fn publishers(tcf: &TcString, purpose: u8) -> (bool, bool) {
    let (consents, interests) = match &tcf.publisher {
        Some(own) => (&own.purposes_consent, &own.purposes_li_transparency),
        None => (&tcf.purposes_consent, &tcf.purposes_li_transparency),
    };
    (consents.contains(&purpose), interests.contains(&purpose))
}

/// The custom purposes that the string asks about.
fn custom<'m>(
    meaning: &'m BTreeMap<u8, Names>,
    publisher: Option<&'m Publisher>,
) -> impl Iterator<Item = (u8, &'m Names, &'m Publisher)> {
    let all = publisher.into_iter().flat_map(move |own| meaning.iter().map(move |(number, uses)| (*number, uses, own)));
    all.filter(|(number, _, own)| *number <= own.custom_purposes)
}

/// Express or implied consent is `given` in Canada; express consent is explicit.
fn canadian(meaning: &TcfCaMeaning, canada: &TcfCa, to: &mut Statements<'_>) {
    to.jurisdiction = "CA".into();
    let mut say = |uses: &Names, express: bool, implied: bool| {
        let status = if express || implied { "given" } else { "refused" };
        uses.iter().for_each(|purpose| to.say(purpose, status, Vec::new(), express, "tcf"));
    };
    for (purpose, uses) in &meaning.purposes {
        let (express, implied) = match (&meaning.vendor, &canada.publisher) {
            (Some(vendor), _) => {
                let vendor = vendor.value;
                let disclosed = canada.disclosed_vendors.as_ref().is_none_or(|vendors| vendors.contains(vendor));
                let express = disclosed
                    && canada.purposes_express_consent.contains(purpose)
                    && canada.vendor_express_consent.contains(vendor);
                let implied = disclosed
                    && canada.purposes_implied_consent.contains(purpose)
                    && canada.vendor_implied_consent.contains(vendor);
                match canada.restriction(vendor, *purpose) {
                    Some(RestrictionKind::NotAllowed) => (false, false),
                    Some(RestrictionKind::RequireConsent) => (express, false),
                    Some(RestrictionKind::RequireLegitimateInterest) => (false, implied),
                    Some(RestrictionKind::Undefined) | None => (express, implied),
                }
            }
            (None, Some(own)) => {
                (own.purposes_consent.contains(purpose), own.purposes_li_transparency.contains(purpose))
            }
            (None, None) => {
                (canada.purposes_express_consent.contains(purpose), canada.purposes_implied_consent.contains(purpose))
            }
        };
        say(uses, express, implied);
    }
    for (number, uses, own) in custom(&meaning.custom_purposes, canada.publisher.as_ref()) {
        let express = own.custom_purposes_consent.contains(&number);
        say(uses, express, own.custom_purposes_li_transparency.contains(&number));
    }
}

/// Where statements gather.
struct Statements<'s> {
    said: &'s mut BTreeSet<Said>,
    jurisdiction: String,
}

impl Statements<'_> {
    fn say(
        &mut self,
        purpose: &str,
        status: &'static str,
        categories: Vec<String>,
        explicit: bool,
        mechanism: &'static str,
    ) {
        let (purpose, jurisdiction) = (purpose.to_owned(), self.jurisdiction.clone());
        self.said.insert(Said { purpose, status, categories, explicit, jurisdiction, mechanism });
    }
}
