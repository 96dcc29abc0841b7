//! Sets of ids (vendors, sections) as the strings write them.

/// A set of ids as sorted ranges that neither touch nor overlap: a string of 30 characters may name 60,000 vendors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids(Vec<(u16, u16)>);

impl Ids {
    /// From ranges (first and last id) in any order.
    pub fn of(mut ranges: Vec<(u16, u16)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    pub fn contains(&self, id: u16) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= id);
        after > 0 && id <= self.0[after - 1].1
    }

    /// Every id, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The largest id; 0 without any.
    pub fn max(&self) -> u16 {
        self.0.last().map_or(0, |(_, last)| *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_in_any_order_are_one_set() {
        let ids = Ids::of(vec![(9, 9), (2, 4), (5, 5), (3, 6), (65_535, 65_535), (65_000, 65_535)]);
        assert_eq!(ids, Ids(vec![(2, 6), (9, 9), (65_000, 65_535)]));
        assert_eq!(ids.iter().take(6).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 9]);
        let inside = [2, 6, 9, 65_000, 65_535];
        assert!(inside.iter().all(|id| ids.contains(*id)));
        assert!([0, 1, 7, 8, 10, 64_999].iter().all(|id| !ids.contains(*id)));
        assert_eq!((ids.max(), Ids::default().max()), (65_535, 0));
    }
}
