//! How many units it takes for the interval of a ratio to leave a bound.

/// The largest number of units given: every integer up to here is exact in a JSON number.
pub const MOST_UNITS: u64 = 1 << 53;

/// The smallest number of units, from `least` on, at which an interval of half-width `half_width(units)` around `log`
/// no longer holds the log of `bound`.
///
/// `half_width` falls as units grow. None when the bound is not above 0, the estimate is the bound, or either is not
/// finite; [`MOST_UNITS`] when even that many would not do.
pub(super) fn units_within(log: f64, bound: f64, least: u64, half_width: impl Fn(f64) -> Option<f64>) -> Option<u64> {
    let distance = (log - bound.ln()).abs();
    if !distance.is_finite() || distance == 0.0 {
        return None;
    }
    let enough = |units: u64| half_width(units as f64).map(|half| half < distance);
    let (mut low, mut high) = (least, MOST_UNITS);
    while low < high {
        let middle = u64::midpoint(low, high);
        if enough(middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}
