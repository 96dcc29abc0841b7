//! Adjusted p-values for many tests at once.

/// Benjamini-Hochberg (1995) adjusted p-values, in the order given: rejecting where the result is at most q keeps the
/// expected share of false rejections at most q, for independent or positively dependent tests.
///
/// With the p-values sorted, p₍₁₎ ≤ … ≤ p₍ₘ₎, the i-th becomes min over j ≥ i of p₍ⱼ₎·m/j, at most 1. Pass the p-values
/// of every test made. A NaN stands for a test that was not made: it stays NaN and is not counted in m.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let order = ascending(p_values);
    let m = order.len() as f64;
    let mut adjusted = p_values.to_vec();
    let mut least = 1.0_f64;
    for (rank, &index) in order.iter().enumerate().rev() {
        // The factor first: it is exactly 1 at the last rank, so that rounding never takes a result below its p.
        least = least.min(p_values[index] * (m / (rank + 1) as f64));
        adjusted[index] = least;
    }
    adjusted
}

/// Holm (1979) adjusted p-values, in the order given: rejecting where the result is at most α keeps the probability
/// of any false rejection at most α, whatever the dependence.
///
/// With the p-values sorted, the i-th becomes max over j ≤ i of p₍ⱼ₎·(m − j + 1), at most 1. NaN as in
/// [`benjamini_hochberg`].
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let order = ascending(p_values);
    let mut adjusted = p_values.to_vec();
    let mut most = f64::NEG_INFINITY;
    for (rank, &index) in order.iter().enumerate() {
        most = most.max(p_values[index] * (order.len() - rank) as f64).min(1.0);
        adjusted[index] = most;
    }
    adjusted
}

/// Where the p-values are, smallest first, without those that are NaN.
fn ascending(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|&index| !p_values[index].is_nan()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const P: [f64; 10] = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216];

    fn close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} is not {expected}");
        }
    }

    /// statsmodels 0.15.0 `multipletests(p, method="fdr_bh")` and `method="holm"`.
    #[test]
    fn agree_with_statsmodels() {
        let bh = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.105714286, 0.216, 0.216, 0.216];
        let holms = [0.01, 0.072, 0.312, 0.312, 0.312, 0.312, 0.312, 0.615, 0.615, 0.615];
        close(&benjamini_hochberg(&P), &bh);
        close(&holm(&P), &holms);

        let backwards: Vec<f64> = P.iter().rev().copied().collect();
        close(&benjamini_hochberg(&backwards), &bh.iter().rev().copied().collect::<Vec<_>>());
        close(&holm(&backwards), &holms.iter().rev().copied().collect::<Vec<_>>());
    }

    #[test]
    fn a_test_not_made_is_not_counted() {
        let adjusted = benjamini_hochberg(&[0.02, f64::NAN, 0.04]);
        assert!(adjusted[1].is_nan());
        assert_eq!((adjusted[0], adjusted[2]), (0.04, 0.04));
        assert_eq!(holm(&[0.02, f64::NAN, 0.04])[0], 0.04);
        assert!(benjamini_hochberg(&[]).is_empty() && holm(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn are_monotone_and_never_below_p(p in prop::collection::vec(0.0f64..=1.0, 0..40)) {
            let (bh, holms) = (benjamini_hochberg(&p), holm(&p));
            for i in 0..p.len() {
                prop_assert!(p[i] <= bh[i] && bh[i] <= 1.0);
                // Controlling any false rejection is never easier than controlling their share.
                prop_assert!(bh[i] <= holms[i] * (1.0 + 1e-12) && holms[i] <= 1.0);
                for j in 0..p.len() {
                    if p[i] <= p[j] {
                        prop_assert!(bh[i] <= bh[j] && holms[i] <= holms[j]);
                    }
                }
            }
        }

        #[test]
        fn any_input_is_answered(p in prop::collection::vec(any::<f64>(), 0..20)) {
            prop_assert_eq!(benjamini_hochberg(&p).len(), p.len());
            prop_assert_eq!(holm(&p).len(), p.len());
        }
    }
}
