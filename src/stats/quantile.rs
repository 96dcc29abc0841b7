//! Two-sided quantiles and tail probabilities of the normal and Student's t distribution, safe for any input.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::beta::checked_beta_reg;

/// Above this many degrees of freedom the series of [`t_quantile`] is exact to about 1e-11.
const SERIES_DF: f64 = 1_000.0;
/// Above this many degrees of freedom t and normal tails are one, while the t tail's own arithmetic loses digits.
const NORMAL_DF: f64 = 1e7;

/// The z for which a standard normal variable lies within ±z with probability `level`.
///
/// None unless 0 < `level` < 1.
pub fn normal_quantile(level: f64) -> Option<f64> {
    let upper = upper_tail(level)?;
    finite(-Normal::standard().inverse_cdf(upper))
}

/// The t for which a Student variable with `df` degrees of freedom lies within ±t with probability `level`.
///
/// For large `df` by the expansion in 1/df of Abramowitz & Stegun (1964), 26.7.5. An infinite `df` gives the normal
/// quantile. None unless 0 < `level` < 1 and `df` >= 1.
pub fn t_quantile(level: f64, df: f64) -> Option<f64> {
    let upper = upper_tail(level)?;
    if df.is_nan() || df < 1.0 {
        return None;
    }
    if df < SERIES_DF {
        // With x = df / (df + t²), the probability beyond ±t is I_x(df/2, 1/2).
        let x = beta_quantile(2.0 * upper, df / 2.0, 0.5)?;
        return finite((df * (1.0 - x) / x).sqrt());
    }
    let z = normal_quantile(level)?;
    let z2 = z * z;
    let first = (z2 + 1.0) * z / 4.0;
    let second = ((5.0 * z2 + 16.0) * z2 + 3.0) * z / 96.0;
    let third = (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) * z / 384.0;
    finite(z + (first + (second + third / df) / df) / df)
}

/// Probability that a standard normal variable is at least `z` away from 0.
///
/// None when `z` is not a number.
pub fn normal_p(z: f64) -> Option<f64> {
    probability(2.0 * Normal::standard().sf(z.abs()))
}

/// Probability that a Student variable with `df` degrees of freedom is at least `t` away from 0.
///
/// None when `t` is not a number or `df` is not above 0.
pub fn t_p(t: f64, df: f64) -> Option<f64> {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return None;
    }
    if t.is_infinite() {
        return Some(0.0);
    }
    if df > NORMAL_DF {
        return normal_p(t);
    }
    probability(2.0 * StudentsT::new(0.0, 1.0, df).ok()?.sf(t.abs()))
}

/// The largest shape for which the library's continued fraction still converges.
pub(super) const BETA_SHAPE: f64 = 10_001.0;

/// The x below which a beta(`a`, `b`) variable falls with probability `p`.
///
/// Found by halving, which always ends: the library's own Newton search does not for large shapes.
/// None unless `a` and `b` are above 0 and at most [`BETA_SHAPE`], and 0 < `p` < 1.
pub(super) fn beta_quantile(p: f64, a: f64, b: f64) -> Option<f64> {
    let valid = |shape: f64| shape > 0.0 && shape <= BETA_SHAPE;
    if !(valid(a) && valid(b) && p > 0.0 && p < 1.0) {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return Some(middle);
        }
        if checked_beta_reg(a, b, middle).ok()? < p {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// Half of what `level` leaves out.
pub(super) fn upper_tail(level: f64) -> Option<f64> {
    let upper = (1.0 - level) / 2.0;
    (level > 0.0 && upper > 0.0).then_some(upper)
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn probability(value: f64) -> Option<f64> {
    (!value.is_nan()).then(|| value.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(got: Option<f64>, expected: f64, relative: f64) {
        let got = got.expect("defined");
        assert!((got - expected).abs() <= relative * expected.abs(), "{got} is not {expected}");
    }

    /// scipy 1.17.1 `stats.t.ppf(0.975, df)` and `stats.norm.ppf(0.975)`.
    #[test]
    fn quantiles_agree_with_scipy() {
        near(normal_quantile(0.95), 1.959963984540054, 1e-12);
        for (df, expected) in [
            (1.0, 12.706204736174694),
            (2.0, 4.302652729749462),
            (5.0, 2.5705818356363146),
            (30.5, 2.04086944518632),
            (999.9, 1.9623393186426081),
            (1e3, 1.9623390808264083),
            (1e6, 1.959966356814107),
            (1e9, 1.959963986912325),
        ] {
            near(t_quantile(0.95, df), expected, 1e-10);
        }
        near(t_quantile(0.95, f64::INFINITY), 1.959963984540054, 1e-12);
    }

    /// scipy 1.17.1 `2 * stats.t.sf(t, df)` and `2 * stats.norm.sf(z)`.
    #[test]
    fn tails_agree_with_scipy() {
        near(t_p(2.5, 7.3), 0.03965023466560043, 1e-10);
        near(t_p(-10.0, 100.0), 9.90168898459413e-17, 1e-10);
        near(t_p(40.0, 500.0), 6.290642918258103e-158, 1e-10);
        near(normal_p(-1.96), 0.04999579029644087, 1e-10);
        near(normal_p(10.0), 1.523970604832094e-23, 1e-10);
        assert_eq!(t_p(f64::INFINITY, 3.0), Some(0.0));
    }

    /// scipy 1.17.1 `stats.beta.ppf(p, a, b)`.
    #[test]
    fn beta_quantiles_agree_with_scipy() {
        near(beta_quantile(0.025, 1e4, 1e4), 0.4930707270025499, 1e-9);
        near(beta_quantile(0.025, 7.0, 11.0), 0.18443696178394667, 1e-10);
    }

    proptest! {
        #[test]
        fn any_input_is_answered(a in any::<f64>(), b in any::<f64>()) {
            let _ = (normal_quantile(a), t_quantile(a, b), normal_p(a), t_p(a, b), beta_quantile(0.1, a, b));
            let _ = (t_quantile(0.99, b), t_quantile(a.fract().abs(), b.abs()));
        }

        #[test]
        fn the_tail_inverts_the_quantile(level in 0.5f64..0.9999, df in 1.0f64..5000.0) {
            let t = t_quantile(level, df).unwrap();
            prop_assert!((t_p(t, df).unwrap() - (1.0 - level)).abs() < 1e-9);
        }
    }
}
