//! The Canadian section of the GPP, IAB Canada's TCF (section 5, `tcfcav1`).
//!
//! It differs from the European string in its words (express and implied consent) and in how vendors are written, and
//! there three ways are about, so they are tried in this order and the first that fits to its last bit is taken:
//!
//! 1. the IAB's reference library since 3.2: the largest id in 16 bits, a flag, Fibonacci ranges or a bitfield;
//! 2. the same before: fixed ranges of 16 bits, as in Europe;
//! 3. the specification (OptimizedRange): a flag, then Fibonacci ranges, or a length of 16 bits and a bitfield.
//!
//! The first two state the largest id beside the ids, which must agree: no other writing fits by chance.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::bits::Bits;
use super::tcf::{Publisher, Restriction, RestrictionKind, publisher, restrictions, strictest};
use super::{DecodeError, Ids};

/// A Canadian section. Field names are the specification's.
#[derive(Debug, Clone, PartialEq)]
pub struct TcfCa {
    pub created: DateTime<Utc>,
    pub last_updated: DateTime<Utc>,
    pub cmp_id: u16,
    pub cmp_version: u16,
    pub consent_screen: u8,
    pub consent_language: String,
    pub vendor_list_version: u16,
    pub policy_version: u8,
    pub use_non_standard_stacks: bool,
    pub special_feature_express_consent: BTreeSet<u8>,
    pub purposes_express_consent: BTreeSet<u8>,
    pub purposes_implied_consent: BTreeSet<u8>,
    pub vendor_express_consent: Ids,
    pub vendor_implied_consent: Ids,
    /// Kinds 1 and 2 require express and implied consent here.
    pub publisher_restrictions: Vec<Restriction>,
    /// None: the section has no such segment.
    pub disclosed_vendors: Option<Ids>,
    /// Its "consent" is express, its "legitimate interest" implied consent.
    pub publisher: Option<Publisher>,
}

/// How vendors are written.
#[derive(Debug, Clone, Copy)]
enum Writing {
    Library,
    OldLibrary,
    Specification,
}

impl Writing {
    const ALL: [Self; 3] = [Self::Library, Self::OldLibrary, Self::Specification];

    fn vendors(self, bits: &mut Bits, field: &str) -> Result<Ids, DecodeError> {
        if let Self::Specification = self {
            if bits.flag(field)? {
                return bits.fibonacci_ranges(field);
            }
            let length = bits.short(16, field)?;
            return bits.bitfield(length, field);
        }
        let max = bits.short(16, field)?;
        let ids = match (bits.flag(field)?, self) {
            (false, _) => bits.bitfield(max, field)?,
            (true, Self::OldLibrary) => bits.ranges(field)?,
            (true, _) => bits.fibonacci_ranges(field)?,
        };
        if ids.max() == max { Ok(ids) } else { Err(bits.fault(format!("states another largest id in {field}"))) }
    }

    /// The old library wrote the vendors of a restriction as plain ranges.
    fn restricted(self, bits: &mut Bits) -> Result<Ids, DecodeError> {
        let field = "the publisher's restrictions";
        if let Self::OldLibrary = self { bits.ranges(field) } else { self.vendors(bits, field) }
    }
}

/// Decodes section 5 of a GPP string.
pub fn decode(text: &str) -> Result<TcfCa, DecodeError> {
    let mut segments = text.split('.');
    let core_text = segments.next().unwrap_or_default();
    let mut decoded = first_that_fits(|writing| core(core_text, writing))?;
    for (number, segment) in segments.enumerate() {
        let part = |name: &str| format!("{name} (segment {} of section 5, tcfcav1)", number + 2);
        let mut bits = Bits::of(segment, part("an optional segment"))?;
        let twice = |name: &str| Err(DecodeError::new(part(name), "is there a second time"));
        match bits.int(3, "SubsectionType")? {
            1 => {
                bits.rename(part("DisclosedVendors"));
                let vendors = first_that_fits(|writing| {
                    let mut bits = bits.clone();
                    let vendors = writing.vendors(&mut bits, "DisclosedVendors")?;
                    bits.end().map(|()| vendors)
                })?;
                if decoded.disclosed_vendors.replace(vendors).is_some() {
                    return twice("DisclosedVendors");
                }
            }
            3 => {
                bits.rename(part("PublisherPurposes"));
                if decoded.publisher.replace(publisher(&mut bits)?).is_some() {
                    return twice("PublisherPurposes");
                }
                bits.end()?;
            }
            other => return Err(bits.fault(format!("has type {other}; expected 1 or 3"))),
        }
    }
    Ok(decoded)
}

/// The error of the last writing, the specification's, when none fits.
fn first_that_fits<T>(read: impl Fn(Writing) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    let [library, old, specification] = Writing::ALL;
    read(library).or_else(|_| read(old)).or_else(|_| read(specification))
}

fn core(text: &str, writing: Writing) -> Result<TcfCa, DecodeError> {
    let mut bits = Bits::of(text, "the core segment of section 5, tcfcav1,")?;
    let version = bits.int(6, "Version")?;
    if version != 1 {
        return Err(bits.fault(format!("has version {version}; expected 1")));
    }
    let decoded = TcfCa {
        created: bits.time("Created")?,
        last_updated: bits.time("LastUpdated")?,
        cmp_id: bits.short(12, "CmpId")?,
        cmp_version: bits.short(12, "CmpVersion")?,
        consent_screen: bits.short(6, "ConsentScreen")? as u8,
        consent_language: bits.letters("ConsentLanguage")?,
        vendor_list_version: bits.short(12, "VendorListVersion")?,
        policy_version: bits.short(6, "TcfPolicyVersion")? as u8,
        use_non_standard_stacks: bits.flag("UseNonStandardStacks")?,
        special_feature_express_consent: bits.numbers(12, "SpecialFeatureExpressConsent")?,
        purposes_express_consent: bits.numbers(24, "PurposesExpressConsent")?,
        purposes_implied_consent: bits.numbers(24, "PurposesImpliedConsent")?,
        vendor_express_consent: writing.vendors(&mut bits, "VendorExpressConsent")?,
        vendor_implied_consent: writing.vendors(&mut bits, "VendorImpliedConsent")?,
        publisher_restrictions: restrictions(&mut bits, |bits| writing.restricted(bits))?,
        disclosed_vendors: None,
        publisher: None,
    };
    bits.end()?;
    Ok(decoded)
}

impl TcfCa {
    /// As [`super::TcString::restriction`].
    pub fn restriction(&self, vendor: u16, purpose: u8) -> Option<RestrictionKind> {
        strictest(&self.publisher_restrictions, vendor, purpose)
    }
}
