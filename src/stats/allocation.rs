//! Whether people were dealt out to the arms of a comparison in the shares that were meant.

use super::association::chi2_tail;
use super::stratified::ChiSquared;

/// Pearson's (1900) χ² of counts beside the shares they should have: Σ (observed − expected)² / expected on one degree of
/// freedom less than there are counts. `shares` need not add up to 1.
///
/// None with fewer than two counts, a share not above 0, or nobody at all.
pub fn chi_squared(counts: &[(u64, f64)]) -> Option<ChiSquared> {
    let people: f64 = counts.iter().map(|(n, _)| *n as f64).sum();
    let whole: f64 = counts.iter().map(|(_, share)| share).sum();
    let good = counts.iter().all(|(_, share)| *share > 0.0 && share.is_finite()) && whole.is_finite();
    if !good || counts.len() < 2 || people <= 0.0 {
        return None;
    }
    let part = |(n, share): &(u64, f64)| {
        let expected = people * share / whole;
        (*n as f64 - expected).powi(2) / expected
    };
    let statistic = counts.iter().map(part).sum::<f64>();
    let df = counts.len() as f64 - 1.0;
    let p_value = chi2_tail(statistic, df).filter(|_| statistic.is_finite())?;
    Some(ChiSquared { statistic, df, p_value })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1 `chisquare(observed, expected)`.
    #[test]
    fn agrees_with_scipy() {
        for (counts, statistic, p) in [
            (vec![(520, 0.5), (480, 0.5)], 1.6, 0.20590321073206466),
            (vec![(30, 1.0), (50, 2.0), (20, 1.0)], 2.0, 0.36787944117144245),
            (vec![(90, 1.0), (110, 1.0), (100, 1.0)], 2.0, 0.36787944117144245),
        ] {
            let found = chi_squared(&counts).unwrap();
            assert!((found.statistic - statistic).abs() < 1e-12 && (found.p_value - p).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn what_is_undefined_is_none() {
        for counts in [&[][..], &[(5, 1.0)], &[(0, 1.0), (0, 1.0)], &[(5, 0.0), (5, 1.0)], &[(5, f64::NAN), (5, 1.0)]] {
            assert_eq!(chi_squared(counts), None);
        }
    }
}
