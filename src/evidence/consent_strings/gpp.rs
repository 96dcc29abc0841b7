//! Strings of the Global Privacy Platform: a header that names the sections, then the sections, joined by `~`.
//!
//! After "Global Privacy Platform: Consent String Specification" version 1 (IAB Tech Lab, CC BY 3.0).

use std::collections::BTreeMap;

use super::bits::Bits;
use super::tcf_ca::TcfCa;
use super::us::{UsPrivacy, UsSection};
use super::{DecodeError, TcString, tcf, tcf_ca, us};

/// A GPP string: its sections by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gpp {
    pub sections: BTreeMap<u16, Section>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Section {
    /// Section 2.
    Tcf(Box<TcString>),
    /// Section 5.
    TcfCa(Box<TcfCa>),
    /// Section 6.
    UsPrivacy(UsPrivacy),
    /// Sections 7 (national) to 27 (states).
    Us(UsSection),
    /// A section that is not known here: what it says is not read.
    Unread,
}

/// Decodes a GPP string.
pub fn decode(text: &str) -> Result<Gpp, DecodeError> {
    let mut parts = text.split('~');
    let ids = header(parts.next().unwrap_or_default())?;
    let bodies: Vec<&str> = parts.collect();
    if ids.len() != bodies.len() {
        let (named, found) = (ids.len(), bodies.len());
        return Err(DecodeError::new(
            "the header of the GPP string",
            format!("names {named} sections, and {found} follow"),
        ));
    }
    let mut sections = BTreeMap::new();
    for (id, body) in ids.into_iter().zip(bodies) {
        if body.is_empty() {
            return Err(DecodeError::new(format!("section {id} of the GPP string"), "is empty"));
        }
        let section = match id {
            2 => Section::Tcf(Box::new(tcf::decode(body)?)),
            5 => Section::TcfCa(Box::new(tcf_ca::decode(body)?)),
            6 => Section::UsPrivacy(us::privacy(body)?),
            _ => match us::layout(id) {
                Some(layout) => Section::Us(us::decode(layout, body)?),
                None => Section::Unread,
            },
        };
        sections.insert(id, section);
    }
    Ok(Gpp { sections })
}

/// The ids of the sections, in order.
fn header(text: &str) -> Result<Vec<u16>, DecodeError> {
    let mut bits = Bits::of(text, "the header of the GPP string")?;
    let kind = bits.int(6, "Type")?;
    if kind != 3 {
        return Err(bits.fault(format!("has type {kind}; expected 3")));
    }
    let version = bits.int(6, "Version")?;
    if version != 1 {
        return Err(bits.fault(format!("has version {version}; expected 1")));
    }
    // Ids ascend, and there is a section for each: so their order is that of the set.
    let ids = bits.fibonacci_ranges("Sections")?.iter().collect();
    bits.end()?;
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TC: &str = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA";

    fn ids(text: &str) -> Vec<u16> {
        decode(text).unwrap().sections.into_keys().collect()
    }

    /// Header and string examples 1 and 2 of the specification.
    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(header("DBABM").unwrap(), [2]);
        assert_eq!(header("DBACNY").unwrap(), [2, 6]);
        assert_eq!(header("DBABjw").unwrap(), [5, 6]);
        assert_eq!(ids(&format!("DBABM~{TC}")), [2]);
        let both = decode(&format!("DBACNY~{TC}~1YNN")).unwrap();
        assert_eq!(both.sections[&2], Section::Tcf(Box::new(tcf::decode(TC).unwrap())));
        let privacy = UsPrivacy { notice: Some(true), opt_out_sale: Some(false), lspa_covered: Some(false) };
        assert_eq!(both.sections[&6], Section::UsPrivacy(privacy));
        // A variant in the same text, with a character of padding more.
        assert_eq!(ids(&format!("DBACNYA~{TC}~1YNN")), [2, 6]);
        // Example 3 puts a European string (version 2) where the Canadian section (version 1) belongs.
        let error = decode(&format!("DBABjw~{TC}~1YNN")).unwrap_err().to_string();
        assert_eq!(error, "the core segment of section 5, tcfcav1, has version 2; expected 1");
    }

    #[test]
    fn a_section_that_is_not_known_is_listed() {
        // Section 30 is the Fibonacci word 1000101 + 1: 1 + 8 + 21.
        let bits = "000011 000001 000000 000001 010001 011000";
        let digit = |six: &str| u8::from_str_radix(six, 2).unwrap();
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let text: String = bits.split(' ').map(|six| char::from(alphabet[digit(six) as usize])).collect();
        assert_eq!(
            decode(&format!("{text}~whatever it says")).unwrap().sections,
            BTreeMap::from([(30, Section::Unread)])
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_part() {
        let refused = |text: &str| decode(text).unwrap_err().to_string();
        assert_eq!(refused("DBABM"), "the header of the GPP string names 1 sections, and 0 follow");
        assert_eq!(refused("DBABM~"), "section 2 of the GPP string is empty");
        assert_eq!(refused("DCABM~x"), "the header of the GPP string has version 2; expected 1");
        assert_eq!(refused("EBABM~x"), "the header of the GPP string has type 4; expected 3");
        assert_eq!(refused("DBA"), "the header of the GPP string ends within Sections");
        assert_eq!(refused("DB~"), "the header of the GPP string ends within Sections");
        assert_eq!(refused("DBABM~C~x"), "the header of the GPP string names 1 sections, and 2 follow");
        assert_eq!(refused("DBABM~CP!"), "the core segment of the TC string is not base64url at its byte 3");
    }
}
