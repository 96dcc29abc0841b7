//! Values that look like personal data, and columns that hold them. Pure functions: no file, no log, no judgement.
//!
//! A detector looks at one value. A checksum decides over a shape wherever one exists. A column is told to hold a class
//! only when a share of its values does, never on one accidental hit; and for classes with a checksum only when most of
//! the values that have the shape also pass it, since one in ten random numbers passes a check digit.

use std::borrow::Cow;
use std::collections::BTreeMap;

mod contact;
mod numbers;
mod prose;
#[cfg(test)]
mod tests;

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Email,
    Phone,
    Iban,
    PaymentCard,
    IpAddress,
    NationalId,
    Coordinates,
    FreeText,
}

impl Class {
    pub const ALL: [Self; 8] = [
        Self::Email,
        Self::Phone,
        Self::Iban,
        Self::PaymentCard,
        Self::IpAddress,
        Self::NationalId,
        Self::Coordinates,
        Self::FreeText,
    ];

    pub fn id(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Iban => "iban",
            Self::PaymentCard => "payment_card",
            Self::IpAddress => "ip_address",
            Self::NationalId => "national_id",
            Self::Coordinates => "coordinates",
            Self::FreeText => "free_text",
        }
    }

    /// The fideslang data category that the class stands for.
    pub fn category(self) -> &'static str {
        match self {
            Self::Email => "user.contact.email",
            Self::Phone => "user.contact.phone_number",
            Self::Iban => "user.financial.bank_account",
            Self::PaymentCard => "user.financial.credit_card",
            Self::IpAddress => "user.device.ip_address",
            Self::NationalId => "user.government_id.national_identification_number",
            Self::Coordinates => "user.location.precise",
            Self::FreeText => "user.content",
        }
    }

    /// Whether a value as a whole is of this class.
    pub fn is(self, value: &str) -> bool {
        DETECTORS.iter().any(|detector| detector.class == self && (detector.look)(value) == Look::Match)
    }
}

/// What a detector says of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Something else.
    Other,
    /// It has the shape, and its checksum is wrong.
    Shape,
    Match,
}

impl Look {
    fn checked(shape: bool, checksum: impl FnOnce() -> bool) -> Self {
        match shape {
            false => Self::Other,
            true if checksum() => Self::Match,
            true => Self::Shape,
        }
    }
}

impl From<bool> for Look {
    fn from(is: bool) -> Self {
        if is { Self::Match } else { Self::Other }
    }
}

/// How one kind of value is told, and how many of a column's values it takes.
struct Detector {
    class: Class,
    look: fn(&str) -> Look,
    /// The least number of matches.
    matches: u64,
    /// The least share of the values that are not empty.
    share: f64,
}

const fn detector(class: Class, look: fn(&str) -> Look, matches: u64, share: f64) -> Detector {
    Detector { class, look, matches, share }
}

/// Strict syntaxes and checksums need few values; weak shapes need many.
const DETECTORS: &[Detector] = &[
    detector(Class::Email, contact::email, 3, 0.02),
    detector(Class::Phone, contact::phone, 5, 0.20),
    detector(Class::Iban, numbers::iban, 3, 0.05),
    detector(Class::PaymentCard, numbers::payment_card, 3, 0.05),
    detector(Class::IpAddress, contact::ip_address, 5, 0.10),
    detector(Class::NationalId, numbers::german_tax_id, 3, 0.05),
    detector(Class::NationalId, numbers::spanish_id, 3, 0.05),
    detector(Class::NationalId, numbers::french_nir, 3, 0.05),
    detector(Class::NationalId, numbers::us_ssn, 5, 0.20),
    detector(Class::Coordinates, prose::coordinates, 5, 0.20),
    detector(Class::FreeText, prose::free_text, 5, 0.20),
];

/// Of the values with the shape, the share that must pass the checksum.
const CHECKED: f64 = 0.5;
/// Longer values are looked at this far, in bytes.
const LONGEST: usize = 4096;

/// A class that a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub class: Class,
    /// Values of the class.
    pub matches: u64,
    /// Values that are not empty.
    pub sampled: u64,
}

/// What a sample of a column's values holds. Cells may be lists, whose elements `separator` parts.
pub fn column<'v>(name: &str, values: impl Iterator<Item = &'v str>, separator: &str) -> Vec<Found> {
    // Many columns say the same few things again and again; each is looked at once.
    let mut distinct: BTreeMap<&str, u64> = BTreeMap::new();
    for value in values.map(str::trim).filter(|value| !is_empty(value)) {
        *distinct.entry(head(value)).or_default() += 1;
    }
    let sampled: u64 = distinct.values().sum();
    let mut counts = [(0_u64, 0_u64); DETECTORS.len()];
    for (value, times) in distinct {
        for (detector, (matches, shapes)) in DETECTORS.iter().zip(&mut counts) {
            match look(detector, value, separator) {
                Look::Other => {}
                Look::Shape => *shapes += times,
                Look::Match => *matches += times,
            }
        }
    }
    let holds = |detector: &Detector, matches: u64, shapes: u64| {
        matches >= detector.matches
            && matches as f64 >= detector.share * sampled as f64
            && matches as f64 >= CHECKED * (matches + shapes) as f64
            && !(detector.class == Class::IpAddress && is_of_versions(name))
    };
    let mut found: Vec<Found> = Vec::new();
    for (detector, (matches, shapes)) in DETECTORS.iter().zip(counts) {
        if !holds(detector, matches, shapes) {
            continue;
        }
        match found.iter_mut().find(|known| known.class == detector.class) {
            Some(known) => known.matches = known.matches.max(matches),
            None => found.push(Found { class: detector.class, matches, sampled }),
        }
    }
    found
}

/// A column's name as it may be told: one that is itself a datum (a header that is a row, a JSON key) is not.
pub fn told_name(name: &str, index: usize) -> Cow<'_, str> {
    let personal = [Class::Email, Class::Phone, Class::Iban, Class::PaymentCard, Class::IpAddress, Class::NationalId];
    let parts = || std::iter::once(name).chain(name.split('.'));
    if name.is_empty() || name.len() > 128 || parts().any(|part| personal.iter().any(|class| class.is(part))) {
        return Cow::Owned(format!("column {}", index + 1));
    }
    Cow::Borrowed(name)
}

/// The cell as a whole, else any element of the list that it may be.
fn look(detector: &Detector, value: &str, separator: &str) -> Look {
    let whole = (detector.look)(value);
    if whole != Look::Other || separator.is_empty() || !value.contains(separator) {
        return whole;
    }
    let elements = value.split(separator).map(|element| (detector.look)(element.trim()));
    elements.fold(Look::Other, |best, look| match (best, look) {
        (Look::Match, _) | (_, Look::Match) => Look::Match,
        (Look::Shape, _) | (_, Look::Shape) => Look::Shape,
        _ => Look::Other,
    })
}

fn is_empty(value: &str) -> bool {
    value.is_empty() || ["null", "none", "nan", "n/a", "na", "-"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Four numbers with dots are a version there.
fn is_of_versions(name: &str) -> bool {
    let name = name.to_lowercase();
    ["version", "release", "build", "firmware", "semver"].iter().any(|word| name.contains(word))
}

fn head(value: &str) -> &str {
    let mut end = value.len().min(LONGEST);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}
