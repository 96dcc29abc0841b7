//! TC strings of the IAB Europe Transparency and Consent Framework, versions 2.0 to 2.3.
//!
//! After "Consent string and vendor list formats v2" (IAB Tech Lab, CC BY 3.0): a core segment, then in any order the
//! vendors disclosed, the vendors allowed (2.0 and 2.1 only) and the publisher's own purposes.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::bits::Bits;
use super::{DecodeError, Ids};

/// Bits of purposes and of special features.
const PURPOSES: u16 = 24;
const SPECIAL_FEATURES: u16 = 12;

/// A TC string. Field names are the specification's.
#[derive(Debug, Clone, PartialEq)]
pub struct TcString {
    /// To the day since TCF 2.1; a CMP writes the same into both.
    pub created: DateTime<Utc>,
    pub last_updated: DateTime<Utc>,
    pub cmp_id: u16,
    pub cmp_version: u16,
    pub consent_screen: u8,
    /// Two capital letters, ISO 639-1.
    pub consent_language: String,
    pub vendor_list_version: u16,
    /// 2 for TCF 2.0, 4 for 2.2, 5 for 2.3.
    pub policy_version: u8,
    pub is_service_specific: bool,
    pub use_non_standard_texts: bool,
    /// 1 to 12.
    pub special_feature_opt_ins: BTreeSet<u8>,
    /// 1 to 24.
    pub purposes_consent: BTreeSet<u8>,
    pub purposes_li_transparency: BTreeSet<u8>,
    /// Purpose 1 was not disclosed, because the law of the publisher's country asks no consent for it.
    pub purpose_one_treatment: bool,
    /// Two capital letters, ISO 3166-1.
    pub publisher_cc: String,
    pub vendor_consents: Ids,
    pub vendor_legitimate_interests: Ids,
    pub publisher_restrictions: Vec<Restriction>,
    /// None: the string has no such segment.
    pub disclosed_vendors: Option<Ids>,
    pub allowed_vendors: Option<Ids>,
    pub publisher: Option<Publisher>,
}

/// What the publisher does not let some vendors do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    pub purpose: u8,
    pub kind: RestrictionKind,
    pub vendors: Ids,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestrictionKind {
    NotAllowed = 0,
    RequireConsent = 1,
    RequireLegitimateInterest = 2,
    /// The specification leaves it without a meaning.
    Undefined = 3,
}

/// What the publisher may do for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publisher {
    pub purposes_consent: BTreeSet<u8>,
    pub purposes_li_transparency: BTreeSet<u8>,
    /// How many purposes of its own the publisher asks about, numbered from 1.
    pub custom_purposes: u8,
    pub custom_purposes_consent: BTreeSet<u8>,
    pub custom_purposes_li_transparency: BTreeSet<u8>,
}

/// Decodes a TC string.
pub fn decode(text: &str) -> Result<TcString, DecodeError> {
    let mut segments = text.split('.');
    let mut decoded = core(segments.next().unwrap_or_default())?;
    for (number, segment) in segments.enumerate() {
        let part = |name: &str| format!("{name} (segment {} of the TC string)", number + 2);
        let mut bits = Bits::of(segment, part("an optional segment"))?;
        let twice = |name: &str| Err(DecodeError::new(part(name), "is there a second time"));
        match bits.int(3, "SegmentType")? {
            1 => {
                bits.rename(part("DisclosedVendors"));
                if decoded.disclosed_vendors.replace(bits.vendors("DisclosedVendors")?).is_some() {
                    return twice("DisclosedVendors");
                }
            }
            2 => {
                bits.rename(part("AllowedVendors"));
                if decoded.allowed_vendors.replace(bits.vendors("AllowedVendors")?).is_some() {
                    return twice("AllowedVendors");
                }
            }
            3 => {
                bits.rename(part("PublisherTC"));
                if decoded.publisher.replace(publisher(&mut bits)?).is_some() {
                    return twice("PublisherTC");
                }
            }
            other => return Err(bits.fault(format!("has type {other}; expected 1, 2 or 3"))),
        }
        bits.end()?;
    }
    Ok(decoded)
}

fn core(text: &str) -> Result<TcString, DecodeError> {
    let mut bits = Bits::of(text, "the core segment of the TC string")?;
    let version = bits.int(6, "Version")?;
    if version != 2 {
        return Err(bits.fault(format!("has version {version}; expected 2")));
    }
    let decoded = TcString {
        created: bits.time("Created")?,
        last_updated: bits.time("LastUpdated")?,
        cmp_id: bits.short(12, "CmpId")?,
        cmp_version: bits.short(12, "CmpVersion")?,
        consent_screen: bits.short(6, "ConsentScreen")? as u8,
        consent_language: bits.letters("ConsentLanguage")?,
        vendor_list_version: bits.short(12, "VendorListVersion")?,
        policy_version: bits.short(6, "TcfPolicyVersion")? as u8,
        is_service_specific: bits.flag("IsServiceSpecific")?,
        use_non_standard_texts: bits.flag("UseNonStandardTexts")?,
        special_feature_opt_ins: bits.numbers(SPECIAL_FEATURES, "SpecialFeatureOptIns")?,
        purposes_consent: bits.numbers(PURPOSES, "PurposesConsent")?,
        purposes_li_transparency: bits.numbers(PURPOSES, "PurposesLITransparency")?,
        purpose_one_treatment: bits.flag("PurposeOneTreatment")?,
        publisher_cc: bits.letters("PublisherCC")?,
        vendor_consents: bits.vendors("the vendors' consents")?,
        vendor_legitimate_interests: bits.vendors("the vendors' legitimate interests")?,
        publisher_restrictions: restrictions(&mut bits, |bits| bits.ranges("the publisher's restrictions"))?,
        disclosed_vendors: None,
        allowed_vendors: None,
        publisher: None,
    };
    bits.end()?;
    Ok(decoded)
}

/// NumPubRestrictions (12 bits), then for each the purpose, the kind, and vendors as `ids` reads them.
pub(super) fn restrictions(
    bits: &mut Bits,
    ids: impl Fn(&mut Bits) -> Result<Ids, DecodeError>,
) -> Result<Vec<Restriction>, DecodeError> {
    let field = "the publisher's restrictions";
    let count = bits.int(12, field)?;
    let mut all = Vec::new();
    for _ in 0..count {
        let purpose = bits.short(6, field)? as u8;
        let kind = match bits.int(2, field)? {
            0 => RestrictionKind::NotAllowed,
            1 => RestrictionKind::RequireConsent,
            2 => RestrictionKind::RequireLegitimateInterest,
            _ => RestrictionKind::Undefined,
        };
        all.push(Restriction { purpose, kind, vendors: ids(bits)? });
    }
    Ok(all)
}

/// The publisher's own purposes, after the type of the segment. Canada's section writes the same.
pub(super) fn publisher(bits: &mut Bits) -> Result<Publisher, DecodeError> {
    let purposes_consent = bits.numbers(PURPOSES, "PubPurposesConsent")?;
    let purposes_li_transparency = bits.numbers(PURPOSES, "PubPurposesLITransparency")?;
    let custom = bits.short(6, "NumCustomPurposes")?;
    Ok(Publisher {
        purposes_consent,
        purposes_li_transparency,
        custom_purposes: custom as u8,
        custom_purposes_consent: bits.numbers(custom, "CustomPurposesConsent")?,
        custom_purposes_li_transparency: bits.numbers(custom, "CustomPurposesLITransparency")?,
    })
}

impl TcString {
    /// What the publisher restricts for a vendor and a purpose. Where several kinds name the vendor, the strictest:
    /// not allowed, then consent required.
    pub fn restriction(&self, vendor: u16, purpose: u8) -> Option<RestrictionKind> {
        strictest(&self.publisher_restrictions, vendor, purpose)
    }
}

pub(super) fn strictest(restrictions: &[Restriction], vendor: u16, purpose: u8) -> Option<RestrictionKind> {
    let ours = restrictions.iter().filter(|r| r.purpose == purpose && r.vendors.contains(vendor)).map(|r| r.kind);
    ours.filter(|kind| *kind != RestrictionKind::Undefined).min_by_key(|kind| *kind as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification for TCF 2.3, a core, the vendors disclosed and the publisher's purposes.
    const EXAMPLE: &str = "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA.YAAAAAAAAAAA";

    fn day(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn the_example_of_the_specification() {
        let string = decode(EXAMPLE).unwrap();
        assert_eq!(string.created, string.last_updated);
        assert_eq!(string.created.time(), chrono::NaiveTime::MIN);
        assert_eq!(string.consent_language, "EN");
        assert!(string.is_service_specific);
        assert_eq!((string.cmp_id, string.vendor_list_version), (880, 48));
        // Bits 213 on: MaxVendorId 4, a bitfield of four ones; the segment of disclosed vendors: 1 to 5, 100, 404.
        assert_eq!(string.vendor_consents, Ids::of(vec![(1, 4)]));
        assert_eq!(string.disclosed_vendors, Some(Ids::of(vec![(1, 5), (100, 100), (404, 404)])));
        assert_eq!(string.publisher, Some(Publisher::default()));
        assert_eq!(string.allowed_vendors, None);
    }

    /// The TC string in the examples of the GPP specification (Core, Consent String Specification).
    #[test]
    fn the_example_of_the_platform() {
        let string = decode("CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA").unwrap();
        assert_eq!(string.created, day("2022-04-20T22:00:00Z"));
        assert_eq!((string.cmp_id, string.policy_version), (31, 2));
        assert_eq!(string.consent_language, "EN");
        assert!(string.purposes_consent.is_empty() && string.vendor_consents.is_empty());
        assert_eq!(string.disclosed_vendors, None);
    }

    #[track_caller]
    fn refused(text: &str, told: &str) {
        assert_eq!(decode(text).unwrap_err().to_string(), told);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_part() {
        let core = EXAMPLE.split('.').next().unwrap();
        refused("", "the core segment of the TC string is empty");
        refused("BOEFEAyOEFEAyAHABDENAI4", "the core segment of the TC string has version 1; expected 2");
        refused(&core[..20], "the core segment of the TC string ends within VendorListVersion");
        refused(&format!("{core}AAAA"), "the core segment of the TC string goes on for 25 bits after its last field");
        refused(&format!("{core}."), "an optional segment (segment 2 of the TC string) is empty");
        refused(
            &format!("{core}.oAAA"),
            "an optional segment (segment 2 of the TC string) has type 5; expected 1, 2 or 3",
        );
        refused(&format!("{core}.IAAA.IAAA"), "DisclosedVendors (segment 3 of the TC string) is there a second time");
        refused(&format!("{core}.YA"), "PublisherTC (segment 2 of the TC string) ends within PubPurposesConsent");
        refused(&core.replace('w', "!"), "the core segment of the TC string is not base64url at its byte 15");
    }

    #[test]
    fn the_strictest_restriction_holds() {
        let restriction = |kind, vendors| Restriction { purpose: 2, kind, vendors: Ids::of(vendors) };
        let all = [
            restriction(RestrictionKind::Undefined, vec![(1, 9)]),
            restriction(RestrictionKind::RequireLegitimateInterest, vec![(1, 5)]),
            restriction(RestrictionKind::RequireConsent, vec![(3, 5)]),
            restriction(RestrictionKind::NotAllowed, vec![(5, 5)]),
        ];
        let of = |vendor| strictest(&all, vendor, 2);
        assert_eq!(of(1), Some(RestrictionKind::RequireLegitimateInterest));
        assert_eq!(of(4), Some(RestrictionKind::RequireConsent));
        assert_eq!(of(5), Some(RestrictionKind::NotAllowed));
        assert_eq!((of(9), strictest(&all, 5, 3)), (None, None));
    }
}
