//! How closely one variable goes with a group: Cramér's V for two groupings, the correlation ratio for numbers.
//!
//! Both are square roots of a share that chance alone makes greater than 0, so both are corrected for it, and both get
//! their interval in the same way (see [`strength`]).

use statrs::function::beta::checked_beta_reg;
use statrs::function::gamma::checked_gamma_ur;

use super::Interval;
use super::quantile::{BETA_SHAPE, normal_quantile};

/// How closely two variables go together.
#[derive(Debug, Clone, PartialEq)]
pub struct Association {
    /// 0 (not at all) to 1 (one tells the other), corrected for chance. Method `score_delta`.
    pub strength: Interval,
    /// The same without the correction.
    pub uncorrected: f64,
    /// Of the null hypothesis that they do not go together.
    pub p_value: f64,
}

/// Cramér's V of a table of independent rows, given as (row, column, count), with the bias correction of Bergsma (2013,
/// J. Korean Statistical Society 42:323-328); p by Pearson's χ² test.
///
/// With φ² = χ²/n, r rows and c columns: φ̃² = max(0, φ² − (r−1)(c−1)/(n−1)), r̃ = r − (r−1)²/(n−1), c̃ likewise, and
/// Ṽ = √(φ̃² / (min(r̃, c̃) − 1)). Rows and columns without a count are left out. None with fewer than two rows or columns.
pub fn cramers_v(cells: &[(usize, usize, u64)], level: f64) -> Option<Association> {
    let (rows, columns) = (margin(cells.iter().map(|cell| (cell.0, cell.2))), margin(cells.iter().map(|c| (c.1, c.2))));
    let (r, c) = (filled(&rows), filled(&columns));
    let n: f64 = rows.iter().sum();
    if r < 2.0 || c < 2.0 {
        return None;
    }
    // Shares of each row and column of the sum of p²/(p_row·p_column), which is φ² + 1.
    let square = |&(i, j, count): &(usize, usize, u64)| {
        let p = count as f64 / n;
        p * p / (rows[i] / n * (columns[j] / n))
    };
    let (mut by_row, mut by_column) = (vec![0.0; rows.len()], vec![0.0; columns.len()]);
    for cell in cells.iter().filter(|cell| cell.2 > 0) {
        by_row[cell.0] += square(cell);
        by_column[cell.1] += square(cell);
    }
    let phi2 = (by_row.iter().sum::<f64>() - 1.0).max(0.0);
    // Each cell's derivative of φ², and with it the variance by the delta method (Bishop, Fienberg & Holland 1975, 14.6).
    let (mut mean, mut square_mean) = (0.0, 0.0);
    for &(i, j, count) in cells.iter().filter(|cell| cell.2 > 0) {
        let (p, row, column) = (count as f64 / n, rows[i] / n, columns[j] / n);
        let slope = 2.0 * p / (row * column) - by_row[i] / row - by_column[j] / column;
        mean += p * slope;
        square_mean += p * slope * slope;
    }
    let df = (r - 1.0) * (c - 1.0);
    let shrunk = |levels: f64| levels - (levels - 1.0).powi(2) / (n - 1.0);
    Some(Association {
        strength: strength(&Square {
            corrected: phi2 - df / (n - 1.0),
            uncorrected: phi2,
            null_variance: 2.0 * df / (n * n),
            variance: (square_mean - mean * mean).max(0.0) / n,
            whole: shrunk(r).min(shrunk(c)) - 1.0,
            level,
        })?,
        uncorrected: (phi2 / (r.min(c) - 1.0)).sqrt().min(1.0),
        p_value: chi2_tail(n * phi2, df)?,
    })
}

/// Probability that a χ² variable with `df` degrees of freedom is at least `x`.
pub(super) fn chi2_tail(x: f64, df: f64) -> Option<f64> {
    match x {
        x if x <= 0.0 => Some(1.0),
        x if x == f64::INFINITY => Some(0.0),
        x => checked_gamma_ur(df / 2.0, x / 2.0).ok(),
    }
}

fn margin(counts: impl Iterator<Item = (usize, u64)>) -> Vec<f64> {
    let mut sums = Vec::new();
    for (index, count) in counts {
        if sums.len() <= index {
            sums.resize(index + 1, 0.0);
        }
        sums[index] += count as f64;
    }
    sums
}

fn filled(margin: &[f64]) -> f64 {
    margin.iter().filter(|sum| **sum > 0.0).count() as f64
}

/// The sums of the powers of a group's numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Powers {
    /// How many numbers.
    pub n: f64,
    /// Σx, Σx², Σx³, Σx⁴.
    pub sums: [f64; 4],
}

/// The correlation ratio η of numbers in groups (Fisher 1925): η² is the share of the numbers' variance that lies
/// between the groups' means. p by the F test of Brown & Forsythe (1974), with the numerator's degrees of freedom by
/// Mehrotra (1997).
///
/// Chance alone makes the sum of squares between the groups Σ(1 − n_g/n)·s_g² in the mean, which is taken off; where all
/// variances s_g² are equal this is the ε² of Kelley (1935). The variance of η² is that of its influence function, from
/// each group's first four central moments. So neither normal numbers nor equal variances are assumed. Groups of one
/// number are left out. None with fewer than two groups, or no variance.
pub fn correlation_ratio(groups: &[Powers], level: f64) -> Option<Association> {
    let groups: Vec<&Powers> = groups.iter().filter(|group| group.n >= 2.0).collect();
    let n: f64 = groups.iter().map(|group| group.n).sum();
    if groups.len() < 2 {
        return None;
    }
    let mean = groups.iter().map(|group| group.sums[0]).sum::<f64>() / n;
    let central: Vec<Central> = groups.iter().map(|group| Central::of(group, n, mean)).collect();
    let sum = |of: &dyn Fn(&Central) -> f64| central.iter().map(of).sum::<f64>();
    let between = sum(&|group| group.n * group.shift.powi(2));
    let total = between + sum(&|group| group.n * group.m2);
    let eta2 = (between / total).clamp(0.0, 1.0);
    if total.is_nan() || total <= 0.0 || eta2.is_nan() {
        return None;
    }
    let by_chance = sum(&Central::by_chance);
    // The variances of a quadratic form in the groups' means: 2·tr((PΣ)²), where P takes the mean of all off.
    let weighted = sum(&|group| group.weight * group.s2());
    let trace = sum(&|group| (1.0 - 2.0 * group.weight) * group.s2().powi(2)) + weighted * weighted;
    let p_value = if by_chance > 0.0 && trace > 0.0 {
        let rest = by_chance * by_chance / sum(&|group| group.by_chance().powi(2) / (group.n - 1.0));
        f_tail(between / by_chance, by_chance * by_chance / trace, rest)?
    } else {
        0.0
    };
    Some(Association {
        strength: strength(&Square {
            corrected: (between - by_chance) / total,
            uncorrected: eta2,
            null_variance: 2.0 * trace / (total * total),
            variance: sum(&|group| group.n * group.influence_squared(eta2)) / (total * total),
            whole: 1.0,
            level,
        })?,
        uncorrected: eta2.sqrt(),
        p_value,
    })
}

/// Probability that an F variable with `df` and `rest` degrees of freedom is at least `f`.
fn f_tail(f: f64, df: f64, rest: f64) -> Option<f64> {
    if rest / 2.0 < BETA_SHAPE {
        return checked_beta_reg(rest / 2.0, df / 2.0, rest / (rest + df * f)).ok();
    }
    // With so many degrees of freedom below, it is χ² over those above.
    chi2_tail(df * f, df)
}

/// A group's share of all, its distance from the mean of all, and its central moments.
struct Central {
    n: f64,
    weight: f64,
    shift: f64,
    m2: f64,
    m3: f64,
    m4: f64,
}

impl Central {
    fn of(group: &Powers, all: f64, mean: f64) -> Self {
        let [a, b, c, d] = group.sums.map(|sum| sum / group.n);
        Self {
            n: group.n,
            weight: group.n / all,
            shift: a - mean,
            m2: (b - a * a).max(0.0),
            m3: c - 3.0 * a * b + 2.0 * a.powi(3),
            m4: (d - 4.0 * a * c + 6.0 * a * a * b - 3.0 * a.powi(4)).max(0.0),
        }
    }

    /// The unbiased variance.
    fn s2(&self) -> f64 {
        self.m2 * self.n / (self.n - 1.0)
    }

    /// Its part of what chance makes of the sum of squares between the groups.
    fn by_chance(&self) -> f64 {
        (1.0 - self.weight) * self.s2()
    }

    /// The mean square over the group of η²'s influence function, times the square of all numbers' variance.
    ///
    /// For a number e above its group's mean, which is d above the mean of all, it is (1 − η²)(d² + 2de) − η²e².
    fn influence_squared(&self, eta2: f64) -> f64 {
        let d = self.shift;
        let (fixed, linear, square) = ((1.0 - eta2) * d * d, 2.0 * (1.0 - eta2) * d, -eta2);
        let even = fixed * fixed + (linear * linear + 2.0 * fixed * square) * self.m2 + square * square * self.m4;
        (even + 2.0 * linear * square * self.m3).max(0.0)
    }
}

/// The square of a strength, with what its interval takes.
struct Square {
    /// Without the part that chance makes; may lie below 0.
    corrected: f64,
    uncorrected: f64,
    /// Variance where there is no association.
    null_variance: f64,
    /// Variance by the delta method, which is 0 where there is none.
    variance: f64,
    /// The square's greatest value.
    whole: f64,
    level: f64,
}

/// The interval of the square root of x/whole: all x that (y − x)² ≤ z²·(a + b·x) does not rule out, for the corrected
/// estimate y.
///
/// a is the variance under no association, and b·x that by the delta method, which grows with x: b is its value at the
/// estimate over the estimate. Solved for x as Wilson (1927) does for a share, so that the limits neither collapse to a
/// point at 0 nor lie below it. The coverage is tested with planted strengths.
fn strength(of: &Square) -> Option<Interval> {
    let z = normal_quantile(of.level)?;
    let slope = if of.uncorrected > 0.0 { of.variance / of.uncorrected } else { 0.0 };
    let (y, middle) = (of.corrected, of.corrected + z * z * slope / 2.0);
    let half = z * (slope * y + of.null_variance + (z * slope / 2.0).powi(2)).max(0.0).sqrt();
    let root = |square: f64| (square.max(0.0) / of.whole).sqrt().min(1.0);
    let estimate = root(y);
    Interval::of(
        estimate,
        root(middle - half).min(estimate),
        root(middle + half).max(estimate),
        of.level,
        "score_delta",
    )
}

#[cfg(test)]
mod tests;
