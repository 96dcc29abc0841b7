//! Values of known classes, drawn from a seed. Checksums are reckoned here on their own, not with what is tested.

use super::Class;

/// SplitMix64.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` up to, not including, `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    pub fn of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.between(0, from.len() as u64) as usize]
    }

    pub fn digits(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b'0' + self.between(0, 10) as u8)).collect()
    }

    pub fn letters(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b'A' + self.between(0, 26) as u8)).collect()
    }

    fn hex(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(b"0123456789abcdef"[self.between(0, 16) as usize])).collect()
    }
}

pub fn positive(class: Class, chance: &mut Chance) -> String {
    match class {
        Class::Email => email(chance),
        Class::Phone => phone(chance),
        Class::Iban => iban(chance),
        Class::PaymentCard => card(chance),
        Class::IpAddress => ip(chance),
        Class::NationalId => national_id(chance),
        Class::Coordinates => coordinates(chance),
        Class::FreeText => prose(chance),
    }
}

const FIRST: &[&str] = &["anna", "jürgen", "maria", "li.wei", "o'neil", "j", "sofia-m", "Max", "PETRA", "ivan_k"];
const LAST: &[&str] = &["lind", "meier", "garcia", "smith", "dupont", "rossi", "kowalski", "x"];
const HOSTS: &[&str] =
    &["mail.example", "shop.example.org", "uni-x.de", "a.co.uk", "firma.com", "xn--mller-kva.de", "m.museum"];

fn email(c: &mut Chance) -> String {
    let (first, last, host) = (c.of(FIRST).replace('\'', "_"), c.of(LAST), c.of(HOSTS));
    let n = c.between(1, 2_000);
    match c.between(0, 6) {
        0 => format!("{first}.{last}{n}@{host}"),
        1 => format!("{first}+{n}@{host}"),
        2 => format!("{first}{n}@{host}").to_uppercase(),
        3 => format!("{first} {last} <{first}.{last}{n}@{host}>"),
        4 => format!("mailto:{last}{n}@{host}"),
        _ => format!("{last}_{n}@{host}"),
    }
}

fn phone(c: &mut Chance) -> String {
    let (a, b) = (c.between(2, 10), c.between(2, 10));
    let (d2, d3, d4, d7) = (c.digits(2), c.digits(3), c.digits(4), c.digits(7));
    let separator = c.of(&["-", ".", " "]);
    match c.between(0, 12) {
        0 => format!("+49 17{a} {d3}{d4}"),
        1 => format!("+49(0)30/{b}{d4}{d2}"),
        2 => format!("+1 ({a}{d2}) {b}{d2}-{d4}"),
        3 => format!("+4479{a}{d7}"),
        4 => format!("{a}{d2}{separator}{b}{}{separator}{d4}", c.digits(2)),
        5 => format!("({a}{d2}) {b}{}-{d4}", c.digits(2)),
        6 => format!("0{a} {d2} {} {} {}", c.digits(2), c.digits(2), c.digits(2)),
        7 => format!("0{a}{d2}/{b}{d3}{d2}"),
        8 => format!("0049 {a}{d2} {b}{d3}{d2}"),
        9 => format!("020 {a}{d3} {d4}"),
        10 => format!("+34 6{d2} {d3} {}", c.digits(3)),
        _ => format!("+33.{a}{}", c.digits(8)),
    }
}

/// The rest of a decimal number of any length.
fn modulo(text: &str, by: u64) -> u64 {
    text.bytes().fold(0, |rest, b| (rest * 10 + u64::from(b - b'0')) % by)
}

fn iban(c: &mut Chance) -> String {
    let (country, account) = match c.between(0, 6) {
        0 => ("DE", c.digits(18)),
        1 => ("FR", c.digits(23)),
        2 => ("ES", c.digits(20)),
        3 => ("NL", c.letters(4) + &c.digits(10)),
        4 => ("GB", c.letters(4) + &c.digits(14)),
        _ => ("AT", c.digits(16)),
    };
    let spelled: String =
        format!("{account}{country}00").chars().map(|ch| ch.to_digit(36).unwrap().to_string()).collect();
    let plain = format!("{country}{:02}{account}", 98 - modulo(&spelled, 97));
    match c.between(0, 3) {
        0 => plain,
        1 => plain.to_lowercase(),
        _ => plain.as_bytes().chunks(4).map(|g| std::str::from_utf8(g).unwrap()).collect::<Vec<_>>().join(" "),
    }
}

fn card(c: &mut Chance) -> String {
    let (prefix, length) = match c.between(0, 7) {
        0 | 1 => ("4".to_owned(), 16),
        2 => (c.between(51, 56).to_string(), 16),
        3 => (c.between(2221, 2721).to_string(), 16),
        4 => (c.of(&["34", "37"]).to_owned(), 15),
        5 => (c.of(&["6011", "65", "648", "3530", "62"]).to_owned(), 16),
        _ => (c.of(&["36", "38", "301"]).to_owned(), 14),
    };
    let body = format!("{prefix}{}", c.digits(length - 1 - prefix.len()));
    let whole = (0..10).map(|check| format!("{body}{check}")).find(|number| luhn(number)).unwrap();
    let separator = c.of(&["", " ", "-"]);
    whole.as_bytes().chunks(4).map(|g| std::str::from_utf8(g).unwrap()).collect::<Vec<_>>().join(separator)
}

fn luhn(number: &str) -> bool {
    const DOUBLED: [u32; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let digits: Vec<u32> = number.chars().rev().map(|ch| ch.to_digit(10).unwrap()).collect();
    digits.iter().enumerate().map(|(i, d)| if i % 2 == 0 { *d } else { DOUBLED[*d as usize] }).sum::<u32>() % 10 == 0
}

fn ip(c: &mut Chance) -> String {
    let v4 = format!("{}.{}.{}.{}", c.between(1, 224), c.between(0, 256), c.between(0, 256), c.between(1, 255));
    match c.between(0, 5) {
        0 => format!("{v4}:{}", c.between(1_024, 65_536)),
        1 => format!("2{}:{}:{}::{}", c.hex(3), c.hex(4), c.hex(2), c.hex(4)),
        2 => std::iter::once(format!("2{}", c.hex(3))).chain((0..7).map(|_| c.hex(4))).collect::<Vec<_>>().join(":"),
        3 => format!("{v4}, 198.51.100.{}", c.between(1, 255)),
        _ => v4,
    }
}

fn national_id(c: &mut Chance) -> String {
    match c.between(0, 5) {
        0 => tax_id(c),
        1 => {
            let digits = c.digits(8);
            let letter = "TRWAGMYFPDXBNJZSQVHLCKE".as_bytes()[modulo(&digits, 23) as usize];
            format!("{digits}{}{}", c.of(&["", "-"]), char::from(letter))
        }
        2 => {
            let (series, digits) = (c.between(0, 3), c.digits(7));
            let letter = "TRWAGMYFPDXBNJZSQVHLCKE".as_bytes()[modulo(&format!("{series}{digits}"), 23) as usize];
            format!("{}{digits}{}", ["X", "Y", "Z"][series as usize], char::from(letter))
        }
        3 => {
            let (sex, year, month) = (c.between(1, 3), c.digits(2), c.between(1, 13));
            let body = format!("{sex}{year}{month:02}{:02}{}", c.between(1, 96), c.digits(6));
            format!("{body}{}{:02}", c.of(&["", " "]), 97 - modulo(&body, 97))
        }
        _ => {
            let area = [c.between(1, 666), c.between(667, 900)][c.between(0, 2) as usize];
            format!("{area:03}-{:02}-{:04}", c.between(1, 100), c.between(1, 10_000))
        }
    }
}

/// Ten digits of which one occurs twice, and the check digit that ISO 7064 mod 11,10 wants.
fn tax_id(c: &mut Chance) -> String {
    loop {
        let body = c.digits(10);
        let occurs = |d: char| body.matches(d).count();
        let mut counts: Vec<usize> = ('0'..='9').map(occurs).filter(|n| *n > 1).collect();
        counts.sort_unstable();
        if body.starts_with('0') || (counts != [2] && counts != [3]) {
            continue;
        }
        // The check digit makes the last sum 1.
        let mut product = 10;
        for digit in body.bytes().map(|b| u64::from(b - b'0')) {
            let sum = (digit + product) % 10;
            product = if sum == 0 { 10 } else { sum } * 2 % 11;
        }
        return (0..10).find(|check| (check + product) % 10 == 1).map(|check| format!("{body}{check}")).unwrap();
    }
}

fn coordinates(c: &mut Chance) -> String {
    let decimals = c.between(3, 8) as usize;
    let sign = |c: &mut Chance| c.of(&["", "-"]).to_owned();
    let (south, west) = (sign(c), sign(c));
    let latitude = format!("{south}{}.{}", c.between(2, 90), c.digits(decimals));
    let longitude = format!("{west}{}.{}", c.between(2, 180), c.digits(decimals));
    match c.between(0, 5) {
        0 => format!("({latitude}, {longitude})"),
        1 => format!("geo:{latitude},{longitude}"),
        2 => format!("POINT({longitude} {latitude})"),
        3 => format!("{latitude};{longitude}"),
        _ => format!("{latitude},{longitude}"),
    }
}

fn prose(c: &mut Chance) -> String {
    let thing = c.of(&["the coat", "my order", "this jacket", "the parcel", "size M", "the refund", "your shop"]);
    let n = c.between(2, 30);
    let opening = c.of(&["Hi, ", "", "Hello there. ", "Sorry but "]);
    match c.between(0, 8) {
        0 => format!("{opening}I was looking for {thing} but could not find it anywhere"),
        1 => format!("{opening}please call me back because {thing} has not come for {n} days"),
        2 => format!("{opening}my daughter loved {thing}, we will be back in {n} weeks."),
        3 => "Bitte rufen Sie mich an, ich habe die Lieferung nicht bekommen".to_owned() + &format!(" seit {n} Tagen"),
        4 => format!("Je n'ai pas reçu mon colis depuis {n} jours, merci de me rappeler"),
        5 => format!("No he recibido mi pedido y ya han pasado {n} días, gracias"),
        6 => format!("Ho ordinato {n} giorni fa e non è arrivato il mio pacco, grazie"),
        _ => format!("{opening}they told us that {thing} is too small for her and she can't wear it"),
    }
}

/// What personal data is easily mistaken for.
pub const NEGATIVES: &[&str] = &[
    "order",
    "sku",
    "ean",
    "isbn",
    "price",
    "timestamp",
    "epoch",
    "date",
    "uuid",
    "hash",
    "version",
    "title",
    "segment",
    "list",
    "vector",
    "score",
    "url",
    "padded",
    "asset",
    "mac",
];

pub fn negative(kind: &str, c: &mut Chance) -> String {
    let n = c.between(1, 2_000_000);
    match kind {
        "order" => match c.between(0, 5) {
            0 => format!("302-{}-{}", c.digits(7), c.digits(7)),
            1 => format!("ORD-{n:08}"),
            2 => format!("#{n}"),
            3 => format!("1000{}", c.digits(5)),
            _ => format!("{}-{}", c.between(2019, 2027), c.digits(6)),
        },
        "sku" => match c.between(0, 3) {
            0 => format!("{}-{}-{}", c.letters(3), c.digits(4), c.letters(2)),
            1 => format!("{}{}", c.letters(2), c.digits(6)),
            _ => format!("{}.{}.{}", c.digits(3), c.digits(3), c.digits(2)),
        },
        "ean" => ean(c),
        "isbn" => format!("{}-{}-{}-{}", c.of(&["0", "3", "978-3"]), c.digits(3), c.digits(5), c.between(0, 10)),
        "price" => match c.between(0, 4) {
            0 => format!("{}.{}", n % 1000, c.digits(2)),
            1 => format!("{},{} €", n % 1000, c.digits(2)),
            2 => format!("+{}.{}", n % 100_000, c.digits(4)),
            _ => format!("EUR {}.{}", n % 1000, c.digits(2)),
        },
        "timestamp" => match c.between(0, 4) {
            0 => format!("2026-{:02}-{:02}T08:{}:00Z", c.between(1, 13), c.between(1, 29), c.between(10, 60)),
            1 => format!("2026-{:02}-{:02} 08:{}:00+02:00", c.between(1, 13), c.between(1, 29), c.between(10, 60)),
            2 => format!("{:02}.{:02}.2026 {}:{}", c.between(1, 29), c.between(1, 13), c.between(10, 24), c.digits(2)),
            _ => format!("{:02}:{}:{}", c.between(0, 24), c.between(10, 60), c.between(10, 60)),
        },
        "epoch" => match c.between(0, 4) {
            0 => format!("1774{}", c.digits(6)),
            1 => format!("1774{}", c.digits(9)),
            2 => format!("1774{}", c.digits(12)),
            _ => format!("1774{}", c.digits(15)),
        },
        "date" => match c.between(0, 4) {
            0 => format!("{:02}.{:02}.19{}", c.between(1, 29), c.between(1, 13), c.between(40, 99)),
            1 => format!("2026-{:02}-{:02}", c.between(1, 13), c.between(1, 29)),
            2 => format!("{:02}/{:02}/2026", c.between(1, 13), c.between(1, 29)),
            _ => format!("2026{:02}{:02}", c.between(1, 13), c.between(1, 29)),
        },
        "uuid" => format!("{}-{}-4{}-a{}-{}", c.hex(8), c.hex(4), c.hex(3), c.hex(3), c.hex(12)),
        "hash" => match c.between(0, 3) {
            0 => c.hex(32),
            1 => c.hex(40),
            _ => c.hex(64),
        },
        "version" => match c.between(0, 5) {
            0 => format!("{}.{}.{}", n % 9, c.between(0, 30), c.between(0, 30)),
            1 => format!("v{}.{}", n % 9, c.between(0, 30)),
            2 => format!("{}.{}.{}.{}", n % 15, c.between(0, 30), c.between(0, 20), c.between(0, 40)),
            3 => format!("{}.0.{}.{}", 100 + n % 30, 5_000 + n % 2_000, c.between(1, 300)),
            _ => format!("{}.{}.0-beta.{}", n % 9, c.between(0, 30), c.between(0, 9)),
        },
        "title" => title(c),
        "segment" => format!("{}-{}", c.of(&["new", "loyal", "18-29", "north", "gold"]), c.between(0, 9)),
        "list" => (0..4).map(|_| format!("i{}", c.digits(3))).collect::<Vec<_>>().join("|"),
        "vector" => (0..c.between(2, 5)).map(|_| format!("0.{}", c.digits(6))).collect::<Vec<_>>().join(","),
        "score" => format!("{}0.{}", c.of(&["", "-"]), c.digits(16)),
        "url" => format!("https://shop.example/{}/{}-{n}.html?v={}", c.hex(4), c.of(LAST), c.digits(3)),
        "padded" => format!("00{:012}", n),
        "asset" => format!("{}@{}x.png", c.of(LAST), c.between(1, 4)),
        "mac" => (0..6).map(|_| c.hex(2)).collect::<Vec<_>>().join(":"),
        other => panic!("no such kind: {other}"),
    }
}

/// With its check digit, beginning like German, French or Spanish ones.
fn ean(c: &mut Chance) -> String {
    let body = format!("{}{}", c.of(&["400", "426", "300", "360", "841", "501"]), c.digits(9));
    let sum: u64 = body.bytes().enumerate().map(|(i, b)| u64::from(b - b'0') * if i % 2 == 0 { 1 } else { 3 }).sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn title(c: &mut Chance) -> String {
    let what = c.of(&["Knitted Vest", "Rain Jacket", "Linen Shirt", "running shoes", "Strickpullover", "Robe longue"]);
    let how = c.of(&["with V-Neck in Merino Wool", "for Women", "mit Kapuze und Reißverschluss", "à manches longues"]);
    let more = c.of(&["- blue, size 42", "(2-Pack)", "by Aldergrove", "", "made of recycled polyester and wool"]);
    format!("{what} {how} {more}").trim().to_owned()
}
