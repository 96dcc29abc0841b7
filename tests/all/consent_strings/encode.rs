//! Consent strings written bit by bit, as the specifications lay them out: only what the audit below plants.

use std::collections::BTreeSet;

/// Bits as `0` and `1`.
#[derive(Default)]
struct Bits(String);

impl Bits {
    fn int(mut self, value: u64, bits: usize) -> Self {
        self.0 += &format!("{value:0bits$b}");
        self
    }

    /// A bit for each number from 1 to `count`.
    fn set(mut self, numbers: &[u64], count: u64) -> Self {
        self.0.extend((1..=count).map(|n| if numbers.contains(&n) { '1' } else { '0' }));
        self
    }

    fn letters(self, two: &str) -> Self {
        two.bytes().fold(self, |bits, letter| bits.int(u64::from(letter - b'A'), 6))
    }

    /// NumEntries, then single ids.
    fn singles(self, ids: &[u64]) -> Self {
        ids.iter().fold(self.int(ids.len() as u64, 12), |bits, id| bits.int(0, 1).int(*id, 16))
    }

    /// Some vendors as ranges.
    fn vendors(self, ids: &[u64]) -> Self {
        self.int(ids.iter().copied().max().unwrap_or(0), 16).int(1, 1).singles(ids)
    }

    /// 1, 2, 3, 5, 8, ...: the largest that fits, again and again, then one more 1.
    fn fibonacci(mut self, mut value: u64) -> Self {
        let mut numbers = vec![1, 2];
        while numbers[numbers.len() - 1] <= value {
            numbers.push(numbers[numbers.len() - 1] + numbers[numbers.len() - 2]);
        }
        let mut chosen = BTreeSet::new();
        for (place, number) in numbers.iter().enumerate().rev() {
            if *number <= value {
                value -= number;
                chosen.insert(place);
            }
        }
        let last = *chosen.last().expect("a number from 1");
        self.0.extend((0..=last).map(|place| if chosen.contains(&place) { '1' } else { '0' }));
        self.0.push('1');
        self
    }

    fn base64url(self) -> String {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let digits: Vec<u8> = self.0.bytes().map(|b| b - b'0').collect();
        let value = |six: &[u8]| (0..6).fold(0, |v, i| v << 1 | usize::from(six.get(i).copied().unwrap_or(0)));
        digits.chunks(6).map(|six| char::from(alphabet[value(six)])).collect()
    }
}

/// What a TC string of TCF 2.3 says.
#[derive(Clone)]
pub struct Tc {
    pub purposes: &'static [u64],
    pub interests: &'static [u64],
    pub features: &'static [u64],
    pub vendors: &'static [u64],
    pub vendor_interests: &'static [u64],
    /// Purpose, kind and vendors.
    pub restrictions: &'static [(u64, u64, &'static [u64])],
    pub disclosed: &'static [u64],
}

impl Tc {
    pub fn text(&self) -> String {
        let day = 1_772_323_200 * 10; // 2026-03-01, in tenths of a second.
        let core = Bits::default().int(2, 6).int(day, 36).int(day, 36).int(10, 12).int(1, 12).int(1, 6).letters("EN");
        let core = core.int(48, 12).int(5, 6).int(1, 1).int(0, 1).set(self.features, 12);
        let core = core.set(self.purposes, 24).set(self.interests, 24).int(0, 1).letters("DE");
        // Consents as ranges, interests as a bitfield.
        let most = self.vendor_interests.iter().copied().max().unwrap_or(0);
        let core = core.vendors(self.vendors).int(most, 16).int(0, 1).set(self.vendor_interests, most);
        let core = self
            .restrictions
            .iter()
            .fold(core.int(self.restrictions.len() as u64, 12), |bits, (purpose, kind, vendors)| {
                bits.int(*purpose, 6).int(*kind, 2).singles(vendors)
            });
        format!("{}.{}", core.base64url(), Bits::default().int(1, 3).vendors(self.disclosed).base64url())
    }
}

/// A GPP string of these sections, whose ids ascend.
pub fn gpp(sections: &[(u64, &str)]) -> String {
    let mut header = Bits::default().int(3, 6).int(1, 6).int(sections.len() as u64, 12);
    let mut last = 0;
    for (id, _) in sections {
        header = header.int(0, 1).fibonacci(id - last);
        last = *id;
    }
    sections.iter().fold(header.base64url(), |text, (_, body)| text + "~" + body)
}

/// California's section: the opt-out of sale, and Global Privacy Control where it is there.
pub fn california(sale: u64, gpc: Option<bool>) -> String {
    let core = Bits::default().int(1, 6).int(1, 2).int(1, 2).int(0, 2).int(sale, 2).int(0, 2);
    let core = core.int(0, 9 * 2).int(0, 2 * 2).int(0, 2).int(1, 2).int(0, 2).int(0, 2).base64url();
    let gpc = gpc.map(|gpc| format!(".{}", Bits::default().int(1, 2).int(u64::from(gpc), 1).base64url()));
    core + &gpc.unwrap_or_default()
}

/// The national section, version 2: consents for children by age, 13 to 15, below 13, 16 and 17.
pub fn national(children: [u64; 3]) -> String {
    let core = Bits::default().int(2, 6).int(0, 9 * 2).int(0, 16 * 2);
    let core = children.iter().fold(core, |bits, answer| bits.int(*answer, 2));
    core.int(0, 2).int(1, 2).int(0, 2).int(0, 2).base64url()
}
