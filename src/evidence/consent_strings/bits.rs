//! The bits of one part of a string, read field by field.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{DecodeError, Ids};

/// Zero bits that may follow the last field. Encoders fill up to whole characters, whole bytes, or both (24 bits).
const MAX_PADDING: usize = 23;

/// A part of a string: base64url without padding characters, six bits each.
#[derive(Debug, Clone)]
pub(super) struct Bits {
    sextets: Vec<u8>,
    at: usize,
    part: String,
}

impl Bits {
    /// `part` is what errors call it, e.g. `the core segment of the TC string`.
    pub fn of(text: &str, part: impl Into<String>) -> Result<Self, DecodeError> {
        let part = part.into();
        if text.is_empty() {
            return Err(DecodeError::new(part, "is empty"));
        }
        let mut sextets = Vec::with_capacity(text.len());
        for (index, byte) in text.bytes().enumerate() {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return Err(DecodeError::new(part, format!("is not base64url at its byte {}", index + 1))),
            };
            sextets.push(value);
        }
        Ok(Self { sextets, at: 0, part })
    }

    /// Once its type is known, a segment has a better name.
    pub fn rename(&mut self, part: String) {
        self.part = part;
    }

    pub fn fault(&self, what: impl Into<String>) -> DecodeError {
        DecodeError::new(self.part.as_str(), what)
    }

    fn bit(&mut self, field: &str) -> Result<bool, DecodeError> {
        let Some(sextet) = self.sextets.get(self.at / 6) else {
            return Err(self.fault(format!("ends within {field}")));
        };
        let bit = sextet >> (5 - self.at % 6) & 1 == 1;
        self.at += 1;
        Ok(bit)
    }

    /// An unsigned integer of up to 64 bits, the most significant first.
    pub fn int(&mut self, bits: usize, field: &str) -> Result<u64, DecodeError> {
        let mut value = 0;
        for _ in 0..bits {
            value = value << 1 | u64::from(self.bit(field)?);
        }
        Ok(value)
    }

    /// As [`Bits::int`], of up to 16 bits.
    pub fn short(&mut self, bits: usize, field: &str) -> Result<u16, DecodeError> {
        debug_assert!(bits <= 16);
        self.int(bits, field).map(|value| value as u16)
    }

    pub fn flag(&mut self, field: &str) -> Result<bool, DecodeError> {
        self.bit(field)
    }

    /// The next bits without moving on; None past the end.
    pub fn peek(&self, bits: usize) -> Option<u64> {
        self.clone().int(bits, "").ok()
    }

    /// A bit for each number from 1 to `count`; those that are set.
    pub fn numbers(&mut self, count: u16, field: &str) -> Result<BTreeSet<u8>, DecodeError> {
        let mut set = BTreeSet::new();
        for number in 1..=count {
            if self.bit(field)? {
                set.insert(number as u8);
            }
        }
        Ok(set)
    }

    /// A bit for each id from 1 to `max`.
    pub fn bitfield(&mut self, max: u16, field: &str) -> Result<Ids, DecodeError> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for id in 1..=max {
            if self.bit(field)? {
                ranges.push((id, id));
            }
        }
        Ok(Ids::of(ranges))
    }

    /// Two letters of six bits each, A = 0. Some encoders write small letters, which stand 32 further on.
    pub fn letters(&mut self, field: &str) -> Result<String, DecodeError> {
        let mut letters = String::new();
        for _ in 0..2 {
            let letter = match self.int(6, field)? as u8 {
                value @ 0..=25 => b'A' + value,
                value @ 32..=57 => b'A' + value - 32,
                _ => return Err(self.fault(format!("has no two letters in {field}"))),
            };
            letters.push(char::from(letter));
        }
        Ok(letters)
    }

    /// Tenths of a second since 1970, in 36 bits.
    pub fn time(&mut self, field: &str) -> Result<DateTime<Utc>, DecodeError> {
        let tenths = self.int(36, field)?;
        let time = i64::try_from(tenths * 100).ok().and_then(DateTime::from_timestamp_millis);
        time.ok_or_else(|| self.fault(format!("has no time in {field}")))
    }

    /// An integer from 1 in Fibonacci coding: bits stand for 1, 2, 3, 5, 8, ... and two set ones in a row end it.
    pub fn fibonacci(&mut self, field: &str) -> Result<u64, DecodeError> {
        let (mut value, mut now, mut next) = (0_u64, 1_u64, 2_u64);
        let mut before = false;
        // The 40th number is past a hundred million; no id comes near it.
        for _ in 0..40 {
            let bit = self.bit(field)?;
            if bit && before {
                return Ok(value);
            }
            if bit {
                value += now;
            }
            before = bit;
            (now, next) = (next, now + next);
        }
        Err(self.fault(format!("has a number in {field} that never ends")))
    }

    /// NumEntries (12 bits), then for each a flag, an id of 16 bits, and where the flag is set the last id of a range.
    pub fn ranges(&mut self, field: &str) -> Result<Ids, DecodeError> {
        let mut ranges = Vec::new();
        for _ in 0..self.int(12, field)? {
            let is_range = self.flag(field)?;
            let first = self.short(16, field)?;
            let last = if is_range { self.short(16, field)? } else { first };
            ranges.push(self.range(u64::from(first), u64::from(last), field)?);
        }
        Ok(Ids::of(ranges))
    }

    /// As [`Bits::ranges`], but ids are Fibonacci-coded steps from the last one (GPP, Range (Fibonacci)).
    pub fn fibonacci_ranges(&mut self, field: &str) -> Result<Ids, DecodeError> {
        let mut ranges = Vec::new();
        let mut last = 0;
        for _ in 0..self.int(12, field)? {
            let is_range = self.flag(field)?;
            let first = last + self.fibonacci(field)?;
            last = if is_range { first + self.fibonacci(field)? } else { first };
            ranges.push(self.range(first, last, field)?);
        }
        Ok(Ids::of(ranges))
    }

    fn range(&self, first: u64, last: u64, field: &str) -> Result<(u16, u16), DecodeError> {
        match (u16::try_from(first), u16::try_from(last)) {
            (Ok(0), _) => Err(self.fault(format!("names id 0 in {field}; ids count from 1"))),
            (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
            (Ok(_), Ok(_)) => Err(self.fault(format!("has a range in {field} that ends before it begins"))),
            _ => Err(self.fault(format!("names an id past 65535 in {field}"))),
        }
    }

    /// MaxVendorId (16 bits), a flag, then ranges where it is set and a bitfield where not.
    pub fn vendors(&mut self, field: &str) -> Result<Ids, DecodeError> {
        let max = self.short(16, field)?;
        if self.flag(field)? { self.ranges(field) } else { self.bitfield(max, field) }
    }

    /// Nothing but padding may be left.
    pub fn end(mut self) -> Result<(), DecodeError> {
        let left = self.sextets.len() * 6 - self.at;
        if left > MAX_PADDING {
            return Err(self.fault(format!("goes on for {left} bits after its last field")));
        }
        if self.int(left, "the padding")? != 0 {
            return Err(self.fault("has set bits after its last field"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits written as 0 and 1, blanks aside.
    fn bits(text: &str) -> Bits {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
        let sextet = |six: &[u8]| (0..6).fold(0, |value, i| value << 1 | six.get(i).copied().unwrap_or(0));
        Bits { sextets: digits.chunks(6).map(sextet).collect(), at: 0, part: "it".into() }
    }

    /// The code words of the GPP specification's table, and the classical example of 65.
    #[test]
    fn fibonacci_numbers_are_those_of_the_specification() {
        let table = [("11", 1), ("011", 2), ("0011", 3), ("1011", 4), ("00011", 5), ("10011", 6), ("01011", 7)];
        for (word, value) in table.into_iter().chain([("0100100011", 65)]) {
            assert_eq!(bits(word).fibonacci("x"), Ok(value), "{word}");
        }
        assert!(bits("010101").fibonacci("x").unwrap_err().what.contains("ends within"));
        assert!(bits(&"0".repeat(66)).fibonacci("x").unwrap_err().what.contains("never ends"));
    }

    /// The two worked examples of ranges in the GPP specification, both of 3, 5, 6, 7, 8.
    #[test]
    fn ranges_are_those_of_the_specification() {
        let fixed = "000000000010 0 0000000000000011 1 0000000000000101 0000000000001000";
        let coded = "000000000010 0 0011 1 011 0011";
        assert_eq!(bits(fixed).ranges("x").unwrap().iter().collect::<Vec<_>>(), [3, 5, 6, 7, 8]);
        assert_eq!(bits(coded).fibonacci_ranges("x").unwrap().iter().collect::<Vec<_>>(), [3, 5, 6, 7, 8]);
    }

    #[test]
    fn what_is_left_must_be_padding() {
        let left = |text: &str| {
            let mut bits = bits(text);
            bits.int(6, "x").unwrap();
            bits.end().map_err(|error| error.to_string())
        };
        assert_eq!(left("000001"), Ok(()));
        assert_eq!(left(&format!("000001{}", "0".repeat(18))), Ok(()));
        assert_eq!(left("000001 000100"), Err("it has set bits after its last field".into()));
        let long = left(&format!("000001{}", "0".repeat(24)));
        assert_eq!(long, Err("it goes on for 24 bits after its last field".into()));
    }

    #[test]
    fn a_character_outside_the_alphabet_is_told_by_its_place() {
        let error = Bits::of("CA+A", "the core").unwrap_err();
        assert_eq!(error.to_string(), "the core is not base64url at its byte 3");
        assert_eq!(Bits::of("", "the core").unwrap_err().to_string(), "the core is empty");
    }
}
