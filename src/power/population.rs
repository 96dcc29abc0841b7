//! A segment as it can be drawn anew, with more or less of an outcome than it had.
//!
//! A sample draws units with replacement (each group a Poisson count of them, the Poisson bootstrap), and gives every
//! unit the rows it had and an outcome of a wanted rate. Each unit of chance is drawn once and kept for all rates, so
//! that a sample in which more is lost never shows less of a loss by luck.

use std::cell::OnceCell;

use crate::replay::shapes::Group;
use crate::stats::ClusterSums;
use crate::stats::draw::Draws;

/// From so many units that carry an outcome (Kish 1965: (Σy)² / Σy²) the sums of a sample are drawn from the bivariate
/// normal distribution that they come near, and not unit by unit.
const MANY: f64 = 300.0;

/// How an outcome becomes more or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Rows have it or not: hits turn to misses at random, or misses to hits.
    Thinned,
    /// Rows have it any number of times: each time is lost at random, or happens again.
    Repeated,
    /// Every amount is scaled.
    Scaled,
    /// Values between 0 and 1: scaled down, or what they lack of 1 is.
    Mixed,
}

/// The units of a segment.
#[derive(Debug, Clone)]
pub struct Population {
    groups: Vec<Group>,
    how: How,
    /// Sums of all of them.
    whole: Sums,
}

/// Expected sums, and how those of rows and outcome vary from sample to sample.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    sums: Sums,
    var_n: f64,
    var_y: f64,
    cov: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    units: f64,
    n: f64,
    y: f64,
    nn: f64,
    yy: f64,
    ny: f64,
}

impl Sums {
    fn add(&mut self, units: f64, n: f64, y: f64) {
        self.units += units;
        self.n += units * n;
        self.y += units * y;
        self.nn += units * n * n;
        self.yy += units * y * y;
        self.ny += units * n * y;
    }

    fn clusters(self) -> ClusterSums {
        let Self { units, n, y, nn, yy, ny } = self;
        ClusterSums { clusters: units.round() as u64, n, y, nn, yy, ny, ..ClusterSums::default() }
    }
}

/// Samples of one population.
pub struct Samples<'a> {
    of: &'a Population,
    scale: f64,
    drawn: Drawn,
}

enum Drawn {
    /// Each when it is first asked for.
    Each { seed: (u64, u64), most: f64, samples: Vec<OnceCell<Sample>> },
    /// Two standard normal numbers each.
    Normal(Vec<(f64, f64)>),
}

/// The units of one sample.
#[derive(Clone)]
struct Sample {
    /// With the outcomes that they had.
    own: Sums,
    /// Single outcomes by the rate from which on they happen, with the sums up to each.
    steps: Vec<Step>,
}

#[derive(Clone)]
struct Step {
    rate: f64,
    y: f64,
    yy: f64,
    ny: f64,
}

impl Population {
    /// None without rows.
    pub fn of(groups: &[Group], how: How) -> Option<Self> {
        let mut whole = Sums::default();
        groups.iter().for_each(|group| whole.add(group.units, group.n, group.y));
        (whole.n > 0.0 && whole.y.is_finite()).then(|| Self { groups: groups.to_vec(), how, whole })
    }

    /// The mean per row.
    pub fn rate(&self) -> f64 {
        self.whole.y / self.whole.n
    }

    /// Whether its outcome can be made to have this rate.
    pub fn reaches(&self, rate: f64) -> bool {
        match self.how {
            How::Thinned | How::Mixed => (0.0..=1.0).contains(&rate),
            How::Repeated | How::Scaled => rate >= 0.0 && self.rate() > 0.0,
        }
    }

    /// Draws `many` samples of `scale` times as many units, for rates up to `most`.
    pub fn samples(&self, seed: (u64, u64), many: usize, most: f64, scale: f64) -> Samples<'_> {
        let counted = matches!(self.how, How::Thinned | How::Repeated);
        let carrying = scale * self.whole.y * self.whole.y / self.whole.yy.max(f64::MIN_POSITIVE);
        let drawn = if counted && carrying >= MANY {
            let draw = |nth| stream(seed, nth);
            Drawn::Normal((0..many).map(draw).map(|mut draws| (draws.normal(), draws.normal())).collect())
        } else {
            Drawn::Each { seed, most, samples: vec![OnceCell::new(); many] }
        };
        Samples { of: self, scale, drawn }
    }

    fn sample(&self, mut draws: Draws, most: f64, scale: f64) -> Sample {
        let mut own = Sums::default();
        let mut events: Vec<(f64, f64, f64)> = Vec::new();
        let mut of_group: Vec<(u64, f64)> = Vec::new();
        for group in &self.groups {
            let units = draws.poisson(group.units * scale);
            own.add(units as f64, group.n, group.y);
            if matches!(self.how, How::Scaled | How::Mixed) {
                continue;
            }
            self.outcomes(&mut draws, group, units, most, &mut of_group);
            of_group.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            let mut nth = 0;
            for (index, (unit, rate)) in of_group.iter().enumerate() {
                nth = if index > 0 && of_group[index - 1].0 == *unit { nth + 1 } else { 1 };
                // The nth outcome of a unit makes its square grow from (n - 1)² to n².
                events.push((*rate, f64::from(2 * nth - 1), group.n));
            }
            of_group.clear();
        }
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut upto = Step { rate: 0.0, y: 0.0, yy: 0.0, ny: 0.0 };
        let step = |(rate, square, n): (f64, f64, f64)| {
            upto = Step { rate, y: upto.y + 1.0, yy: upto.yy + square, ny: upto.ny + n };
            Step { ..upto }
        };
        Sample { own, steps: events.into_iter().map(step).collect() }
    }

    /// The outcomes of a group's units up to the rate `most`: which unit, and from which rate on.
    fn outcomes(&self, draws: &mut Draws, group: &Group, units: u64, most: f64, into: &mut Vec<(u64, f64)>) {
        let rate = self.rate();
        let whole = |draws: &mut Draws, of: f64| (of + draws.uniform()).floor().max(0.0) as u64;
        if group.y > 0.0 {
            for unit in 0..units {
                // Means of a group need not be whole numbers; their parts are left to chance.
                let hits = if group.y.fract() == 0.0 { group.y as u64 } else { whole(draws, group.y) };
                for _ in 0..hits {
                    let at = draws.uniform();
                    into.push((unit, rate * at));
                    if self.how == How::Repeated {
                        let again = (1..).map(|copy| rate * (f64::from(copy) + at)).take_while(|at| *at <= most);
                        into.extend(again.map(|at| (unit, at)));
                    }
                }
            }
        }
        if self.how == How::Thinned && most > rate && rate < 1.0 {
            let misses = whole(draws, units as f64 * (group.n - group.y));
            let turned = draws.binomial(misses, ((most - rate) / (1.0 - rate)).min(1.0));
            for _ in 0..turned {
                into.push((draws.below(units), rate + (most - rate) * draws.uniform()));
            }
        }
    }

    /// Means and variances of the sums of a sample of `scale` times as many units at this rate.
    fn moments(&self, rate: f64, scale: f64) -> Moments {
        let (own, mut moments) = (self.rate(), Moments::default());
        let (times, turned) = (rate / own, ((rate - own) / (1.0 - own)).clamp(0.0, 1.0));
        for &Group { units, n, y } in &self.groups {
            let units = units * scale;
            let (mean, variance) = match self.how {
                How::Thinned if rate > own => (y + turned * (n - y), turned * (1.0 - turned) * (n - y)),
                How::Repeated if rate > own => (times * y, times.fract() * (1.0 - times.fract()) * y),
                How::Thinned | How::Repeated => (times * y, times * (1.0 - times) * y),
                How::Scaled | How::Mixed => (times * y, 0.0),
            };
            moments.sums.add(units, n, mean);
            moments.sums.yy += units * variance;
        }
        (moments.var_n, moments.var_y, moments.cov) = (moments.sums.nn, moments.sums.yy, moments.sums.ny);
        moments
    }
}

/// The chance of one sample.
fn stream(seed: (u64, u64), nth: usize) -> Draws {
    Draws::new(seed.0, (seed.1 << 24) + nth as u64)
}

impl Samples<'_> {
    fn sample(&self, nth: usize) -> Option<&Sample> {
        let Drawn::Each { seed, most, samples } = &self.drawn else { return None };
        Some(samples.get(nth)?.get_or_init(|| self.of.sample(stream(*seed, nth), *most, self.scale)))
    }

    /// The sums of a sample with the outcomes that it had.
    pub fn own(&self, nth: usize) -> ClusterSums {
        match &self.drawn {
            Drawn::Each { .. } => self.sample(nth).map(|sample| sample.own.clusters()).unwrap_or_default(),
            Drawn::Normal(_) => self.sums(nth, self.of.rate()),
        }
    }

    /// The sums of a sample at a rate.
    pub fn sums(&self, nth: usize, rate: f64) -> ClusterSums {
        match &self.drawn {
            Drawn::Each { .. } => {
                self.sample(nth).map(|sample| self.of.at(sample, rate).clusters()).unwrap_or_default()
            }
            Drawn::Normal(drawn) => {
                let Moments { sums, var_n, var_y, cov } = self.of.moments(rate, self.scale);
                let (z, other) = drawn[nth];
                let along = cov / var_n.sqrt();
                let n = sums.n + var_n.sqrt() * z;
                let y = sums.y + along * z + (var_y - along * along).max(0.0).sqrt() * other;
                Sums { n: n.max(0.0), y: y.max(0.0), ..sums }.clusters()
            }
        }
    }
}

impl Population {
    fn at(&self, sample: &Sample, rate: f64) -> Sums {
        let (own, rate_of) = (sample.own, self.rate());
        match self.how {
            How::Thinned | How::Repeated => {
                let happened = sample.steps.partition_point(|step| step.rate <= rate);
                let last = happened.checked_sub(1).map(|last| &sample.steps[last]);
                let (y, yy, ny) = last.map_or((0.0, 0.0, 0.0), |step| (step.y, step.yy, step.ny));
                Sums { y, yy, ny, ..own }
            }
            How::Mixed if rate > rate_of && rate_of < 1.0 => {
                let left = (1.0 - rate) / (1.0 - rate_of);
                let Sums { n, y, nn, yy, ny, .. } = own;
                Sums {
                    y: n - left * (n - y),
                    yy: nn - 2.0 * left * (nn - ny) + left * left * (nn - 2.0 * ny + yy),
                    ny: nn - left * (nn - ny),
                    ..own
                }
            }
            How::Scaled | How::Mixed => {
                let times = if rate_of > 0.0 { rate / rate_of } else { 0.0 };
                Sums { y: own.y * times, yy: own.yy * times * times, ny: own.ny * times, ..own }
            }
        }
    }
}
