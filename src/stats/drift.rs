//! How far two distributions over the same bins lie apart, and how far apart chance alone would put them.
//!
//! Counts are floats, so that a pooled bin may be shared out. A bin that is empty on both sides is no bin.

use super::association::chi2_tail;

/// The Population Stability Index of two sets of counts, Σ (q − p)·ln(q/p): the symmetrised Kullback-Leibler divergence
/// (Jeffreys 1946) under the name that credit scoring gave it (Siddiqi 2006), in nats, from 0 without a bound.
///
/// An empty bin would make it infinite. Shares are therefore taken with half a count added to every bin, (x + ½)/(n +
/// B/2), the mean under Jeffreys' prior; so a bin that one side lacks counts for more the more was counted.
///
/// None unless both sides have as many bins, at least two of them filled on some side, and something counted.
pub fn psi(before: &[f64], now: &[f64]) -> Option<f64> {
    let pairs = filled(before, now)?;
    let halves = pairs.len() as f64 / 2.0;
    let (n, m) = totals(&pairs)?;
    let term = |&(x, y): &(f64, f64)| {
        let (p, q) = ((x + 0.5) / (n + halves), (y + 0.5) / (m + halves));
        (q - p) * (q / p).ln()
    };
    Some(pairs.iter().map(term).sum::<f64>().max(0.0))
}

/// How often two samples of one distribution have a Population Stability Index of at least `psi`.
///
/// Of `n` and `m` independent observations in `bins` bins it is about (1/n + 1/m) times chi-squared with `bins` − 1
/// degrees of freedom (Yurdakul 2018; Yurdakul & Naranjo 2020, "Statistical Properties of the Population Stability
/// Index"), so that what is large for a million may be chance for a hundred. Where observations come in clusters, `n` and
/// `m` are those divided by their [`design_effect`].
///
/// None unless `psi` is at least 0, both sizes are above 0 and there are two bins.
pub fn psi_p(psi: f64, n: f64, m: f64, bins: usize) -> Option<f64> {
    chi2_tail(psi / spread(n, m)?, df(bins)?).filter(|_| psi >= 0.0)
}

/// The index that two samples of one distribution stay below with probability `level`; see [`psi_p`].
pub fn psi_critical(level: f64, n: f64, m: f64, bins: usize) -> Option<f64> {
    let (spread, df) = (spread(n, m)?, df(bins)?);
    if !(level > 0.0 && level < 1.0) {
        return None;
    }
    let (mut low, mut high) = (0.0, df + 1.0);
    while chi2_tail(high, df)? > 1.0 - level {
        high *= 2.0;
    }
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return Some(middle * spread);
        }
        if chi2_tail(middle, df)? > 1.0 - level {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The Jensen-Shannon divergence with logarithms to base 2 (Lin 1991), from 0 (alike) to 1 (nothing in common). Its root
/// is a distance. Empty bins need no treatment. None as for [`psi`].
pub fn jensen_shannon(before: &[f64], now: &[f64]) -> Option<f64> {
    let pairs = filled(before, now)?;
    let (n, m) = totals(&pairs)?;
    let part = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).log2() } else { 0.0 };
    let term = |&(x, y): &(f64, f64)| {
        let (p, q) = (x / n, y / m);
        let middle = f64::midpoint(p, q);
        (part(p, middle) + part(q, middle)) / 2.0
    };
    Some(pairs.iter().map(term).sum::<f64>().clamp(0.0, 1.0))
}

/// The bin whose share moved furthest, with its shares before and now; the first of equals. None as for [`psi`].
pub fn largest_move(before: &[f64], now: &[f64]) -> Option<(usize, f64, f64)> {
    let (n, m) = totals(&filled(before, now)?)?;
    let moves = before.iter().zip(now).enumerate().map(|(bin, (x, y))| (bin, x / n, y / m));
    moves.reduce(|most, next| if (next.2 - next.1).abs() > (most.2 - most.1).abs() { next } else { most })
}

/// Sums over clusters of how many of their observations, y of n, fall into one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BinSums {
    /// Σy.
    pub y: f64,
    /// Σy².
    pub yy: f64,
    /// Σ y·n.
    pub yn: f64,
}

/// How many clustered observations are worth one independent one, from the sums of every bin over `clusters` clusters: the
/// mean over bins of var(p)·N/p, with B − 1 for the number of bins (the first-order correction of Rao
/// & Scott 1981). At least 1: clusters that differ less than chance would have them do are not counted as more than they
/// are.
///
/// None for fewer than two clusters or filled bins.
pub fn design_effect(bins: &[BinSums], clusters: f64) -> Option<f64> {
    let total: f64 = bins.iter().map(|bin| bin.y).sum();
    // Σn²: each n is the sum of the bins' y.
    let nn: f64 = bins.iter().map(|bin| bin.yn).sum();
    let filled: Vec<&BinSums> = bins.iter().filter(|bin| bin.y > 0.0).collect();
    if filled.len() < 2 || clusters < 2.0 {
        return None;
    }
    let of = |bin: &&BinSums| {
        let p = bin.y / total;
        let squares = bin.yy - 2.0 * p * bin.yn + p * p * nn;
        squares / total / p
    };
    let effect = filled.iter().map(of).sum::<f64>() / (filled.len() as f64 - 1.0) * clusters / (clusters - 1.0);
    effect.is_finite().then_some(effect.max(1.0))
}

fn filled(before: &[f64], now: &[f64]) -> Option<Vec<(f64, f64)>> {
    let counts = |count: &f64| count.is_finite() && *count >= 0.0;
    if before.len() != now.len() || !before.iter().chain(now).all(counts) {
        return None;
    }
    let pairs: Vec<(f64, f64)> = before.iter().copied().zip(now.iter().copied()).filter(|(x, y)| x + y > 0.0).collect();
    (pairs.len() > 1).then_some(pairs)
}

fn totals(pairs: &[(f64, f64)]) -> Option<(f64, f64)> {
    let (n, m) = pairs.iter().fold((0.0, 0.0), |(n, m), (x, y)| (n + x, m + y));
    (n > 0.0 && m > 0.0 && (n + m).is_finite()).then_some((n, m))
}

fn spread(n: f64, m: f64) -> Option<f64> {
    let spread = 1.0 / n + 1.0 / m;
    (n > 0.0 && m > 0.0 && spread > 0.0 && spread.is_finite()).then_some(spread)
}

fn df(bins: usize) -> Option<f64> {
    (bins > 1).then_some(bins as f64 - 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::*;

    const BEFORE: [f64; 5] = [120.0, 300.0, 250.0, 0.0, 30.0];
    const NOW: [f64; 5] = [90.0, 310.0, 280.0, 12.0, 8.0];

    fn near(found: Option<f64>, expected: f64) {
        let found = found.expect("defined");
        assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found} is not {expected}");
    }

    /// scipy 1.17.1, with p and q the smoothed shares: `stats.entropy(p, q) + stats.entropy(q, p)`,
    /// `spatial.distance.jensenshannon(before, now, base=2) ** 2`, `stats.chi2.sf(psi / (2 / 700), 4)`,
    /// `stats.chi2.isf(0.05, 4) * 2 / 700` and `stats.chi2.isf(0.05, 9) * 2 / 400`.
    #[test]
    fn agrees_with_scipy() {
        near(psi(&BEFORE, &NOW), 0.112_519_350_910_828_51);
        near(jensen_shannon(&BEFORE, &NOW), 0.018_736_719_629_033_94);
        near(psi_p(0.112_519_350_910_828_51, 700.0, 700.0, 5), 5.809_460_258_293_698_5e-8);
        near(psi_critical(0.95, 700.0, 700.0, 5), 0.027_107_797_247_946_163);
        near(psi_critical(0.95, 400.0, 400.0, 10), 0.084_594_888_023_102_26);
        assert_eq!(largest_move(&BEFORE, &NOW), Some((0, 120.0 / 700.0, 90.0 / 700.0)));
    }

    #[test]
    fn what_cannot_be_compared_is_none() {
        for (before, now) in [
            (&[1.0, 2.0][..], &[1.0][..]),
            (&[5.0, 0.0], &[7.0, 0.0]),
            (&[0.0, 0.0], &[1.0, 2.0]),
            (&[-1.0, 2.0], &[1.0, 2.0]),
            (&[f64::NAN, 2.0], &[1.0, 2.0]),
            (&[], &[]),
        ] {
            let found = (psi(before, now), jensen_shannon(before, now), largest_move(before, now));
            assert_eq!(found, (None, None, None), "{before:?} {now:?}");
        }
        assert_eq!(psi_p(0.1, 0.0, 5.0, 3), None);
        assert_eq!(psi_p(-0.1, 5.0, 5.0, 3), None);
        assert_eq!(psi_p(0.1, 5.0, 5.0, 1), None);
        assert_eq!(psi_critical(1.0, 5.0, 5.0, 3), None);
        assert_eq!(psi_critical(0.95, 5.0, f64::NAN, 3), None);
        assert_eq!(jensen_shannon(&[5.0, 0.0], &[0.0, 7.0]), Some(1.0));
    }

    fn uniform(rng: &mut ChaCha8Rng) -> f64 {
        ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Counts of `people` with `rows` rows each, of which each repeats the person's favourite bin with probability `loyal`,
    /// and what it takes to correct for that.
    fn draw(rng: &mut ChaCha8Rng, people: u32, rows: u32, loyal: f64, bins: usize) -> (Vec<f64>, f64) {
        let mut sums = vec![BinSums::default(); bins];
        let any = |rng: &mut ChaCha8Rng| ((uniform(rng) * uniform(rng).sqrt() * bins as f64) as usize).min(bins - 1);
        for _ in 0..people {
            let favourite = any(rng);
            let mut own = vec![0.0; bins];
            for _ in 0..rows {
                let bin = if uniform(rng) < loyal { favourite } else { any(rng) };
                own[bin] += 1.0;
            }
            for (sum, y) in sums.iter_mut().zip(own) {
                *sum = BinSums { y: sum.y + y, yy: sum.yy + y * y, yn: sum.yn + y * f64::from(rows) };
            }
        }
        let counts: Vec<f64> = sums.iter().map(|sum| sum.y).collect();
        let total = f64::from(people * rows);
        let effect = design_effect(&sums, f64::from(people)).unwrap();
        (counts, total / effect)
    }

    fn alarms(seed: u64, people: u32, rows: u32, loyal: f64, bins: usize, corrected: bool) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let samples = 2_000;
        let alarm = |rng: &mut ChaCha8Rng| {
            let (before, n) = draw(rng, people, rows, loyal, bins);
            let (now, m) = draw(rng, people, rows, loyal, bins);
            let (n, m) = if corrected { (n, m) } else { (before.iter().sum(), now.iter().sum()) };
            let filled = before.iter().zip(&now).filter(|(x, y)| *x + *y > 0.0).count();
            psi_p(psi(&before, &now).unwrap(), n, m, filled).unwrap() < 0.05
        };
        (0..samples).map(|_| u32::from(alarm(&mut rng))).sum::<u32>() as f64 / f64::from(samples)
    }

    /// Two samples of one distribution are told apart in about 5 of 100 cases, fewer when bins are nearly empty; where the
    /// rule of thumb of 0.2 would call most pairs of 100 observations in 20 bins drift.
    #[test]
    fn no_drift_is_rarely_called_drift() {
        for (people, bins) in [(100, 10), (100, 20), (1_000, 10)] {
            let rate = alarms(11, people, 1, 0.0, bins, true);
            assert!((0.01..=0.07).contains(&rate), "{people} in {bins} bins: {rate}");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let thumb = (0..500).filter(|_| {
            let (before, now) = (draw(&mut rng, 100, 1, 0.0, 20).0, draw(&mut rng, 100, 1, 0.0, 20).0);
            psi(&before, &now).unwrap() > 0.2
        });
        assert!(thumb.count() > 250);
    }

    /// 200 people with 20 rows each, half of them in one bin: rows taken as independent are called drift in most cases.
    #[test]
    fn rows_of_one_person_count_as_what_they_are_worth() {
        let (corrected, naive) = (alarms(5, 200, 20, 0.5, 8, true), alarms(5, 200, 20, 0.5, 8, false));
        assert!((0.02..=0.08).contains(&corrected), "{corrected}");
        assert!(naive > 0.6, "{naive}");
    }

    /// People who all have the same n rows in one bin are worth one row each.
    #[test]
    fn alike_rows_are_worth_one() {
        let bin = |people: f64, n: f64| BinSums { y: people * n, yy: people * n * n, yn: people * n * n };
        let effect = design_effect(&[bin(30.0, 7.0), bin(70.0, 7.0)], 100.0);
        near(effect, 7.0 * 100.0 / 99.0);
        assert_eq!(design_effect(&[bin(30.0, 7.0)], 30.0), None);
        assert_eq!(design_effect(&[bin(1.0, 7.0), bin(0.0, 7.0)], 1.0), None);
    }

    proptest! {
        /// Neither looks at which side is which, nor at the order of bins; nothing moved is 0; p falls as the index grows.
        #[test]
        fn symmetric(pairs in prop::collection::vec((0u32..1000, 0u32..1000), 2..30)) {
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(x, y)| (f64::from(*x), f64::from(*y))).unzip();
            let back = |values: &[f64]| values.iter().rev().copied().collect::<Vec<f64>>();
            for of in [psi, jensen_shannon] {
                let found = of(&x, &y);
                for other in [of(&y, &x), of(&back(&x), &back(&y))] {
                    prop_assert_eq!(found.is_some(), other.is_some());
                    prop_assert!((found.unwrap_or(0.0) - other.unwrap_or(0.0)).abs() < 1e-9);
                }
                prop_assert!(of(&x, &x).is_none_or(|same| same < 1e-12));
            }
            // Pinsker's inequality for the divergence in bits, and its bound by the total variation (Lin 1991, theorem 3).
            if let (Some(js), Some(_)) = (jensen_shannon(&x, &y), psi(&x, &y)) {
                let (n, m) = (x.iter().sum::<f64>(), y.iter().sum::<f64>());
                let apart = x.iter().zip(&y).map(|(x, y)| (x / n - y / m).abs()).sum::<f64>() / 2.0;
                prop_assert!(js <= apart + 1e-9 && js + 1e-9 >= apart * apart / (2.0 * std::f64::consts::LN_2));
                let (_, before, now) = largest_move(&x, &y).unwrap();
                prop_assert!((now - before).abs() <= apart + 1e-9);
            }
        }

        #[test]
        fn critical_is_where_p_is(level in 0.5f64..0.999, n in 1.0f64..1e6, m in 1.0f64..1e6, bins in 2usize..40) {
            let psi = psi_critical(level, n, m, bins).unwrap();
            prop_assert!((psi_p(psi, n, m, bins).unwrap() - (1.0 - level)).abs() < 1e-9);
        }

        #[test]
        fn any_input_is_answered(a in any::<f64>(), b in any::<f64>(), c in any::<f64>(), bins in 0usize..5) {
            let _ = (psi_p(a, b, c, bins), psi_critical(a, b, c, bins), psi(&[a, b], &[c, a]));
            let _ = (jensen_shannon(&[a, b], &[b, c]), largest_move(&[a, b], &[b, c]));
            let sums = BinSums { y: a, yy: b, yn: c };
            let _ = design_effect(&[sums, sums], b);
        }
    }
}
