//! The sections of the GPP for the United States (7 to 27) by one table, and the older US Privacy string (section 6).
//!
//! After the sections' own specifications (IAB Tech Lab and IAB Privacy, CC BY 3.0). All of them are a version, then
//! answers of two bits: 0 not applicable, 1 and 2 as the field says. For an opt-out 1 is "opted out" and 2 "did not opt
//! out"; for a consent 1 is "no consent" and 2 "consent"; for a notice 1 is "was given" and 2 "was not".

mod layouts;

use std::collections::BTreeMap;

pub use layouts::{Layout, layout, sensitive_kinds};

use layouts::After;

use super::DecodeError;
use super::bits::Bits;

/// Consents for children, a field of two bits per age band or use; each section numbers them its own way.
pub const KNOWN_CHILD: &str = "KnownChildSensitiveDataConsents";
/// Answers about kinds of sensitive data; see [`Layout::sensitive_kinds`].
pub const SENSITIVE: &str = "SensitiveDataProcessing";
/// The opt-outs that there are.
pub const OPT_OUTS: &[&str] = &["SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut"];
/// The consents to secondary use that there are.
pub const CONSENTS: &[&str] = &["AdditionalDataProcessingConsent", "PersonalDataConsents"];

/// A section, decoded. Values are 0, 1 or 2.
#[derive(Debug, Clone, PartialEq)]
pub struct UsSection {
    pub layout: &'static Layout,
    pub version: u8,
    /// Every field by its name in the specification; one value, or several where the field is a list.
    pub fields: BTreeMap<&'static str, Vec<u8>>,
    /// Global Privacy Control; None: the section does not say.
    pub gpc: Option<bool>,
}

/// A US Privacy string. None: not applicable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsPrivacy {
    pub notice: Option<bool>,
    pub opt_out_sale: Option<bool>,
    pub lspa_covered: Option<bool>,
}

/// Decodes a section whose id the header gave.
pub fn decode(layout: &'static Layout, text: &str) -> Result<UsSection, DecodeError> {
    let part = |name: &str| format!("the {name} of section {}, {},", layout.id, layout.name);
    let mut segments = text.split('.');
    let mut bits = Bits::of(segments.next().unwrap_or_default(), part("core"))?;
    // The specifications of sections 24 to 27 put a header before the core: section id, version, list of subsections.
    // The reference library writes none. Where there is one it begins with the id, which no version comes near.
    if layout.version == "MspaVersion" && bits.peek(6) == Some(u64::from(layout.id)) {
        let version = bits.int(12, "Version")? & 0x3f;
        if version != 1 {
            return Err(DecodeError::new(part("header"), format!("has version {version}; expected 1")));
        }
        bits = Bits::of(segments.next().unwrap_or_default(), part("core"))?;
    }
    let version = bits.int(6, layout.version)?;
    let known = layout.versions.iter().find(|(number, _, _)| u64::from(*number) == version);
    let Some(&(version, sensitive, children)) = known else {
        let numbers: Vec<String> = layout.versions.iter().map(|(number, _, _)| number.to_string()).collect();
        return Err(bits.fault(format!("has version {version}; expected {}", numbers.join(" or "))));
    };
    let one = |name: &&'static str| (*name, 1);
    let lists = [(SENSITIVE, sensitive), (KNOWN_CHILD, children)].into_iter().filter(|(_, count)| *count > 0);
    let mut fields = BTreeMap::new();
    for (name, count) in layout.head.iter().map(one).chain(lists).chain(layout.tail.iter().map(one)) {
        fields.insert(name, answers(&mut bits, name, count)?);
    }
    bits.end()?;
    let mut gpc = None;
    for (nth, segment) in segments.enumerate() {
        let part = part("subsection");
        let mut bits = Bits::of(segment, part.as_str())?;
        match layout.after {
            _ if nth > 0 => return Err(DecodeError::new(part, "is one too many")),
            After::Nothing => return Err(DecodeError::new(part, "should not be there: the section has none")),
            After::Gpc => {
                let kind = bits.int(2, "SubsectionType")?;
                if kind != 1 {
                    return Err(bits.fault(format!("has type {kind}; expected 1")));
                }
                gpc = Some(bits.flag("Gpc")?);
            }
            After::Sensitive(count) => {
                fields.insert(SENSITIVE, answers(&mut bits, SENSITIVE, count)?);
            }
        }
        bits.end()?;
    }
    Ok(UsSection { layout, version, fields, gpc })
}

fn answers(bits: &mut Bits, name: &str, count: usize) -> Result<Vec<u8>, DecodeError> {
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        match bits.int(2, name)? {
            3 => return Err(bits.fault(format!("says 3 in {name}; expected 0, 1 or 2"))),
            value => values.push(value as u8),
        }
    }
    Ok(values)
}

/// Decodes a US Privacy string, e.g. `1YNN`: version 1, notice, opt-out of sale, limited service provider agreement.
pub fn privacy(text: &str) -> Result<UsPrivacy, DecodeError> {
    let part = "the US Privacy string";
    let &[version, notice, opt_out_sale, lspa] = text.as_bytes() else {
        return Err(DecodeError::new(part, format!("has {} bytes; expected 4, like `1YNN`", text.len())));
    };
    if version != b'1' {
        return Err(DecodeError::new(part, "has another version than 1"));
    }
    let answer = |byte: u8, place: usize| match byte.to_ascii_uppercase() {
        b'Y' => Ok(Some(true)),
        b'N' => Ok(Some(false)),
        b'-' => Ok(None),
        _ => Err(DecodeError::new(part, format!("has neither `Y` nor `N` nor `-` in place {place}"))),
    };
    Ok(UsPrivacy { notice: answer(notice, 2)?, opt_out_sale: answer(opt_out_sale, 3)?, lspa_covered: answer(lspa, 4)? })
}

impl UsSection {
    /// The one value of a field; None where the section has no such field.
    pub fn answer(&self, field: &str) -> Option<u8> {
        self.fields.get(field).and_then(|values| values.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(id: u16, text: &str) -> Result<UsSection, String> {
        decode(layout(id).unwrap(), text).map_err(|error| error.to_string())
    }

    /// Version 1, opted out of sale, all else zero: 6 bits, then answers of two bits, the fourth of which is the sale.
    #[test]
    fn an_answer_stands_where_the_specification_puts_it() {
        // 000001 00 00 00 01 00 00 ... = 000001 000000 010000 000000 ...
        let california = decoded(8, "BAQAAAAA.YA").unwrap();
        assert_eq!(california.answer("SaleOptOut"), Some(1));
        assert_eq!(california.answer("SharingOptOut"), Some(0));
        assert_eq!(california.answer("TargetedAdvertisingOptOut"), None);
        assert_eq!(california.fields[SENSITIVE].len(), 9);
        assert_eq!(california.gpc, Some(true));
        assert_eq!(decoded(8, "BAQAAAAA.QA").unwrap().gpc, Some(false));
        assert_eq!(decoded(8, "BAQAAAAA").unwrap().gpc, None);
    }

    /// The specifications of sections 24 to 27 ask for a header before the core; the reference library writes none.
    #[test]
    fn a_section_may_begin_with_a_header() {
        // SectionID 25 (011001), Version 1, one item, single, 1; then MspaVersion 1, covered 1, ..., SaleOptOut 1.
        let without = decoded(25, "BQBAA").unwrap();
        let with = decoded(25, "ZBAABg.BQBAA").unwrap();
        assert_eq!(without, with);
        assert_eq!((with.answer("MspaCoveredTransaction"), with.answer("SaleOptOut")), (Some(1), Some(1)));
        let sensitive = decoded(25, "ZBAABg.BQBAA.ZAA").unwrap();
        assert_eq!(sensitive.fields[SENSITIVE], [1, 2, 1, 0, 0, 0, 0, 0]);
        let error = decoded(25, "ZCAABg.BQBAA").unwrap_err();
        assert_eq!(error, "the header of section 25, usin, has version 2; expected 1");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_part() {
        let refused = |id, text| decoded(id, text).unwrap_err();
        assert_eq!(refused(8, "CAQAAAAA"), "the core of section 8, usca, has version 2; expected 1");
        assert_eq!(refused(7, "DAQAAAAA"), "the core of section 7, usnat, has version 3; expected 1 or 2");
        assert_eq!(refused(8, "BAQAA"), "the core of section 8, usca, ends within SensitiveDataProcessing");
        assert_eq!(
            refused(8, "B_QAAAAA"),
            "the core of section 8, usca, says 3 in SaleOptOutNotice; expected 0, 1 or 2"
        );
        assert_eq!(refused(8, "BAQAAAAA.oA"), "the subsection of section 8, usca, has type 2; expected 1");
        assert_eq!(refused(8, "BAQAAAAA.YA.YA"), "the subsection of section 8, usca, is one too many");
        let none = "the subsection of section 9, usva, should not be there: the section has none";
        assert_eq!(refused(9, "BAAAAAA.YA"), none);
        assert_eq!(
            privacy("1YN").unwrap_err().to_string(),
            "the US Privacy string has 3 bytes; expected 4, like `1YNN`"
        );
        assert!(privacy("2YNN").is_err() && privacy("1Yé").is_err() && privacy("1YXN").is_err());
    }
}
