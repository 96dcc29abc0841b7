//! Numbers with a checksum: bank accounts, payment cards, national identity numbers.

use super::Look;

/// Length of an IBAN by country (ISO 13616 registry).
#[rustfmt::skip]
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24), ("AE", 23), ("AL", 28), ("AT", 20), ("AZ", 28), ("BA", 20), ("BE", 16), ("BG", 22), ("BH", 22),
    ("BR", 29), ("BY", 28), ("CH", 21), ("CR", 22), ("CY", 28), ("CZ", 24), ("DE", 22), ("DK", 18), ("DO", 28),
    ("EE", 20), ("EG", 29), ("ES", 24), ("FI", 18), ("FO", 18), ("FR", 27), ("GB", 22), ("GE", 22), ("GI", 23),
    ("GL", 18), ("GR", 27), ("GT", 28), ("HR", 21), ("HU", 28), ("IE", 22), ("IL", 23), ("IQ", 23), ("IS", 26),
    ("IT", 27), ("JO", 30), ("KW", 30), ("KZ", 20), ("LB", 28), ("LC", 32), ("LI", 21), ("LT", 20), ("LU", 20),
    ("LV", 21), ("LY", 25), ("MC", 27), ("MD", 24), ("ME", 22), ("MK", 19), ("MR", 27), ("MT", 31), ("MU", 30),
    ("NL", 18), ("NO", 15), ("PK", 24), ("PL", 28), ("PS", 29), ("PT", 25), ("QA", 29), ("RO", 24), ("RS", 22),
    ("SA", 24), ("SC", 31), ("SE", 24), ("SI", 19), ("SK", 24), ("SM", 27), ("ST", 25), ("SV", 28), ("TL", 23),
    ("TN", 24), ("TR", 26), ("UA", 29), ("VA", 22), ("VG", 24), ("XK", 20),
];

/// The characters without what people put between groups; None when there is anything else, or far too much.
fn compact(value: &str, separators: &str) -> Option<Vec<u8>> {
    if value.len() > 48 {
        return None;
    }
    let kept: Vec<u8> = value.bytes().filter(|b| !separators.as_bytes().contains(b)).collect();
    kept.iter().all(u8::is_ascii_alphanumeric).then_some(kept)
}

fn digits(text: &[u8]) -> Option<Vec<u32>> {
    text.iter().map(|b| char::from(*b).to_digit(10)).collect()
}

fn number(digits: &[u32]) -> u64 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(*digit))
}

/// Country, length of that country, and ISO 7064 mod 97-10.
pub(super) fn iban(value: &str) -> Look {
    let Some(text) = compact(value, " -") else { return Look::Other };
    let text = text.to_ascii_uppercase();
    let known =
        IBAN_LENGTHS.iter().any(|(country, length)| text.starts_with(country.as_bytes()) && text.len() == *length);
    let shape = known && text[2..4].iter().all(u8::is_ascii_digit);
    Look::checked(shape, || {
        let rest = text[4..].iter().chain(&text[..4]).try_fold(0_u32, |rest, byte| {
            let digit = char::from(*byte).to_digit(36)?;
            Some((rest * if digit > 9 { 100 } else { 10 } + digit) % 97)
        });
        rest == Some(1)
    })
}

/// A prefix and length that a scheme issues, and Luhn. The long gone Visa of 13 digits is an EAN today.
pub(super) fn payment_card(value: &str) -> Look {
    let Some(digits) = compact(value, " -").and_then(|text| digits(&text)) else { return Look::Other };
    if !(14..=19).contains(&digits.len()) {
        return Look::Other;
    }
    let prefix = |length: usize| number(&digits[..length]);
    let length = digits.len();
    let issued = match length {
        14 => matches!(prefix(2), 36 | 38 | 39) || matches!(prefix(3), 300..=305),
        15 => matches!(prefix(2), 34 | 37),
        16 | 19 => {
            prefix(1) == 4
                || matches!(prefix(2), 62 | 65)
                || matches!(prefix(3), 644..=649)
                || matches!(prefix(4), 6011 | 3528..=3589)
                || length == 16 && (matches!(prefix(2), 51..=55) || matches!(prefix(4), 2221..=2720))
        }
        17 | 18 => prefix(2) == 62,
        _ => false,
    };
    Look::checked(issued, || luhn(&digits))
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, d)| if i % 2 == 1 { d * 2 / 10 + d * 2 % 10 } else { *d }).sum();
    sum.is_multiple_of(10)
}

/// Steueridentifikationsnummer: eleven digits, of the first ten exactly one repeated (two or three times), ISO 7064
/// mod 11,10.
pub(super) fn german_tax_id(value: &str) -> Look {
    let Some(digits) = compact(value, " /").and_then(|text| digits(&text)) else { return Look::Other };
    if digits.len() != 11 || digits[0] == 0 {
        return Look::Other;
    }
    Look::checked(true, || {
        let mut counts = [0; 10];
        digits[..10].iter().for_each(|digit| counts[*digit as usize] += 1);
        let repeated: Vec<u32> = counts.into_iter().filter(|count| *count > 1).collect();
        let check = digits[..10].iter().fold(10, |product, digit| {
            let sum = (digit + product) % 10;
            (if sum == 0 { 10 } else { sum }) * 2 % 11
        });
        matches!(repeated[..], [2 | 3]) && (11 - check) % 10 == digits[10]
    })
}

/// DNI (eight digits and a letter) and NIE (X, Y or Z, seven digits and a letter).
pub(super) fn spanish_id(value: &str) -> Look {
    const LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let Some(text) = compact(value, " -.").map(|text| text.to_ascii_uppercase()) else { return Look::Other };
    if text.len() != 9 {
        return Look::Other;
    }
    let mut head = text[..8].to_vec();
    if let Some(series) = b"XYZ".iter().position(|letter| *letter == head[0]) {
        head[0] = b"012"[series];
    }
    let Some(digits) = digits(&head) else { return Look::Other };
    Look::checked(text[8].is_ascii_alphabetic(), || LETTERS[(number(&digits) % 23) as usize] == text[8])
}

/// Numéro de sécurité sociale: sex, year, month, place, order and a key, 97 less the rest by 97.
pub(super) fn french_nir(value: &str) -> Look {
    let Some(text) = compact(value, " .-").map(|text| text.to_ascii_uppercase()) else { return Look::Other };
    if text.len() != 15 {
        return Look::Other;
    }
    // Corsica: 2A counts as 19, 2B as 18.
    let mut text = text;
    match &text[5..7] {
        b"2A" => text[5..7].copy_from_slice(b"19"),
        b"2B" => text[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    let Some(digits) = digits(&text) else { return Look::Other };
    let month = number(&digits[3..5]);
    let born = matches!(digits[0], 1 | 2) && matches!(month, 1..=12 | 20..=42 | 50..=99);
    Look::checked(born, || 97 - number(&digits[..13]) % 97 == number(&digits[13..]))
}

/// The shape of a US social security number, in the ranges that are issued. It has no checksum.
pub(super) fn us_ssn(value: &str) -> Look {
    let groups: Vec<&str> = value.split(if value.contains('-') { '-' } else { ' ' }).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    if lengths[..] != [3, 2, 4] || !groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_digit())) {
        return Look::Other;
    }
    let issued = !matches!(groups[0], "000" | "666") && !groups[0].starts_with('9');
    (issued && groups[1] != "00" && groups[2] != "0000").into()
}
