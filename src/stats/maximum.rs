//! The parameters under which data are most likely, and how sure that is: for a smooth function of a few of them.

/// Where a function is largest.
#[derive(Debug, Clone, PartialEq)]
pub struct Maximum<const N: usize> {
    pub at: [f64; N],
    pub value: f64,
    /// The inverse of the negative second derivatives: of a log-likelihood, the covariance of its parameters (observed
    /// information).
    pub covariance: [[f64; N]; N],
}

/// Steps of the derivatives, in the unit of the parameters, which are logarithms.
const STEP: f64 = 1e-4;
const WIDE_STEP: f64 = 1e-3;
/// Past this a logarithm has run away: nothing in the data holds it.
const FAR: f64 = 15.0;
const WALKS: usize = 4;
const MOST_STEPS: usize = 60;

/// The largest value of `f` near `start`: by the simplex of Nelder & Mead (1965), begun again where it ended until that
/// gains nothing, then by Newton's method with derivatives by differences. Parameters are on a scale where steps of 1 are
/// large, as logarithms are.
///
/// None when a parameter runs away, or the function is flat or has no largest value there: the data do not tell.
pub fn maximum<const N: usize>(f: impl Fn(&[f64; N]) -> f64, start: [f64; N]) -> Option<Maximum<N>> {
    let f = |at: &[f64; N]| {
        let near = at.iter().all(|x| x.abs() < FAR);
        if near {
            Some(f(at)).filter(|value| value.is_finite()).unwrap_or(f64::NEG_INFINITY)
        } else {
            f64::NEG_INFINITY
        }
    };
    let (mut at, mut value) = (start, f(&start));
    for walk in 0..WALKS {
        let (next, found) = simplex(&f, at, if walk == 0 { 0.5 } else { 0.1 });
        let gained = found - value;
        (at, value) = (next, found);
        if gained.abs() < 1e-9 {
            break;
        }
    }
    for _ in 0..MOST_STEPS {
        let (slope, curvature) = derivatives(&f, &at)?;
        let covariance = inverse(&curvature)?;
        let step = times(&covariance, &slope);
        // What the step would gain if the function were a parabola, twice.
        let gain: f64 = step.iter().zip(&slope).map(|(step, slope)| step * slope).sum();
        let told = Maximum { at, value, covariance };
        if gain < 1e-8 {
            return Some(told);
        }
        let shorter = (0..30).map(|nth| 0.5_f64.powi(nth));
        let tried = shorter.map(|by| std::array::from_fn(|i| at[i] + by * step[i])).map(|at| (f(&at), at));
        match tried.into_iter().find(|(next, _)| *next > value) {
            Some(better) => (value, at) = better,
            // Rounding is all that is left to gain.
            None => return Some(told).filter(|_| gain < 1e-4),
        }
    }
    None
}

fn simplex<const N: usize>(f: &impl Fn(&[f64; N]) -> f64, start: [f64; N], size: f64) -> ([f64; N], f64) {
    let mut corners: Vec<(f64, [f64; N])> = vec![(f(&start), start)];
    for i in 0..N {
        let mut corner = start;
        corner[i] += size;
        corners.push((f(&corner), corner));
    }
    for _ in 0..400 * N {
        corners.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (best, worst) = (corners[0].0, corners[N]);
        if best - worst.0 < 1e-10 * (1.0 + best.abs()) {
            break;
        }
        let middle: [f64; N] =
            std::array::from_fn(|i| corners[..N].iter().map(|(_, at)| at[i]).sum::<f64>() / N as f64);
        let toward = |by: f64| {
            let at = std::array::from_fn(|i| middle[i] + by * (middle[i] - worst.1[i]));
            (f(&at), at)
        };
        let mirrored = toward(1.0);
        corners[N] = if mirrored.0 > best {
            let farther = toward(2.0);
            if farther.0 > mirrored.0 { farther } else { mirrored }
        } else if mirrored.0 > corners[N - 1].0 {
            mirrored
        } else {
            let nearer = if mirrored.0 > worst.0 { toward(0.5) } else { toward(-0.5) };
            if nearer.0 > worst.0.max(mirrored.0) {
                nearer
            } else {
                let first = corners[0].1;
                for corner in &mut corners[1..] {
                    let at = std::array::from_fn(|i| f64::midpoint(first[i], corner.1[i]));
                    *corner = (f(&at), at);
                }
                continue;
            }
        };
    }
    corners.sort_by(|a, b| b.0.total_cmp(&a.0));
    (corners[0].1, corners[0].0)
}

/// The slope, and the negative second derivatives, by central differences.
fn derivatives<const N: usize>(f: &impl Fn(&[f64; N]) -> f64, at: &[f64; N]) -> Option<([f64; N], [[f64; N]; N])> {
    let moved = |steps: &[(usize, f64)]| {
        let mut to = *at;
        steps.iter().for_each(|(i, by)| to[*i] += by);
        f(&to)
    };
    let slope = gradient(f, at);
    let h = WIDE_STEP;
    let here = f(at);
    let curvature: [[f64; N]; N] = std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let second = if i == j {
                moved(&[(i, h)]) - 2.0 * here + moved(&[(i, -h)])
            } else {
                let corner = |a: f64, b: f64| moved(&[(i, a * h), (j, b * h)]);
                (corner(1.0, 1.0) - corner(1.0, -1.0) - corner(-1.0, 1.0) + corner(-1.0, -1.0)) / 4.0
            };
            -second / h / h
        })
    });
    let finite = slope.iter().chain(curvature.iter().flatten()).all(|value| value.is_finite());
    finite.then_some((slope, curvature))
}

/// How fast `f` grows with each parameter, by central differences.
pub fn gradient<const N: usize>(f: &impl Fn(&[f64; N]) -> f64, at: &[f64; N]) -> [f64; N] {
    std::array::from_fn(|i| {
        let (mut up, mut down) = (*at, *at);
        up[i] += STEP;
        down[i] -= STEP;
        (f(&up) - f(&down)) / (2.0 * STEP)
    })
}

/// The variance of a smooth function of estimated parameters: g'Cg (the delta method).
pub fn delta_variance<const N: usize>(slope: &[f64; N], covariance: &[[f64; N]; N]) -> f64 {
    times(covariance, slope).iter().zip(slope).map(|(a, b)| a * b).sum()
}

fn times<const N: usize>(matrix: &[[f64; N]; N], by: &[f64; N]) -> [f64; N] {
    std::array::from_fn(|i| (0..N).map(|j| matrix[i][j] * by[j]).sum())
}

/// The inverse of a symmetric positive definite matrix, by Cholesky's decomposition. None for any other.
fn inverse<const N: usize>(matrix: &[[f64; N]; N]) -> Option<[[f64; N]; N]> {
    let mut lower = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let rest = matrix[i][j] - known;
            if i == j && (rest <= 1e-10 * matrix[i][i].abs() || !rest.is_finite()) {
                return None;
            }
            lower[i][j] = if i == j { rest.sqrt() } else { rest / lower[j][j] };
        }
    }
    let mut inverse = [[0.0; N]; N];
    // A column at a time, which is as well a row: it is symmetric.
    for (column, row) in inverse.iter_mut().enumerate() {
        let mut solved = [0.0; N];
        for i in 0..N {
            let known: f64 = (0..i).map(|k| lower[i][k] * solved[k]).sum();
            solved[i] = (f64::from(u8::from(i == column)) - known) / lower[i][i];
        }
        for i in (0..N).rev() {
            let known: f64 = (i + 1..N).map(|k| lower[k][i] * row[k]).sum();
            row[i] = (solved[i] - known) / lower[i][i];
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// −½(x − m)'A(x − m): its largest value is at m, and the covariance is the inverse of A = [[4, 1], [1, 3]], by hand
    /// [[3, −1], [−1, 4]] / 11.
    #[test]
    fn a_parabola_is_found_with_its_inverse() {
        let f = |x: &[f64; 2]| {
            let (a, b) = (x[0] - 1.5, x[1] + 2.0);
            -0.5 * (4.0 * a * a + 2.0 * a * b + 3.0 * b * b)
        };
        let found = maximum(f, [0.0, 0.0]).unwrap();
        assert!((found.at[0] - 1.5).abs() < 1e-4 && (found.at[1] + 2.0).abs() < 1e-4, "{found:?}");
        let told = [[3.0 / 11.0, -1.0 / 11.0], [-1.0 / 11.0, 4.0 / 11.0]];
        for (row, told) in found.covariance.iter().zip(told) {
            assert!(row.iter().zip(told).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        }
        assert!((delta_variance(&[1.0, 1.0], &told) - 5.0 / 11.0).abs() < 1e-12);
    }

    /// Rosenbrock's (1960) valley, turned round: largest at (1, 1).
    #[test]
    fn a_bent_valley_is_followed_to_its_end() {
        let f = |x: &[f64; 2]| -(100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2));
        let found = maximum(f, [-1.2, 1.0]).unwrap();
        assert!(found.at.iter().all(|x| (x - 1.0).abs() < 1e-4), "{found:?}");
    }

    #[test]
    fn what_has_no_largest_value_is_none() {
        assert_eq!(maximum(|x: &[f64; 2]| x[0] + x[1], [0.0, 0.0]), None);
        assert_eq!(maximum(|x: &[f64; 2]| -x[0] * x[0], [1.0, 0.0]), None);
        assert_eq!(maximum(|_: &[f64; 1]| f64::NAN, [0.0]), None);
    }
}
