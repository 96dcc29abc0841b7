//! How the gap between two rates splits up: what comes of the groups being in different strata, and what is left
//! between them within the same stratum.

use super::stratified::Stratum;

/// The gap of two rates and its parts, which add up to it. In the unit of the rates, an event per row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// The rate of the group less that of the reference, over all strata.
    pub total: f64,
    /// Because the groups are spread differently over the strata.
    pub composition: f64,
    /// Because rates differ in the same stratum.
    pub within: f64,
    /// Because one group has rows in strata in which the other has none: nothing there can be compared. 0 when every
    /// stratum has both.
    pub unmatched: f64,
}

/// The rates that both groups would have if they were spread over the strata alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standardised {
    pub rate: f64,
    pub reference_rate: f64,
}

/// The strata that both groups have, with each group's share of its own rows in it.
struct Shared<'a> {
    strata: Vec<(&'a Stratum, f64, f64)>,
}

fn shared(strata: &[Stratum]) -> Option<Shared<'_>> {
    let both: Vec<&Stratum> = strata.iter().filter(|of| of.rows > 0.0 && of.reference_rows > 0.0).collect();
    let rows: f64 = both.iter().map(|of| of.rows).sum();
    let reference_rows: f64 = both.iter().map(|of| of.reference_rows).sum();
    let share = |of: &'_ Stratum| (of.rows / rows, of.reference_rows / reference_rows);
    let strata: Vec<_> = both
        .into_iter()
        .map(|of| {
            let (ours, theirs) = share(of);
            (of, ours, theirs)
        })
        .collect();
    (!strata.is_empty() && rows.is_finite() && reference_rows.is_finite()).then_some(Shared { strata })
}

/// Splits the gap after Kitagawa (1955), as Oaxaca and Blinder (1973) do for means, symmetrically so that the parts add
/// up without a rest: with shares p and rates r of the strata, composition Σ(p₁ − p₀)·(r₁ + r₀)/2 and within
/// Σ(r₁ − r₀)·(p₁ + p₀)/2. That is done over the strata that both groups have; what the others do to the gap stands
/// apart (Ñopo 2008).
///
/// None when the groups share no stratum.
pub fn gap(strata: &[Stratum]) -> Option<Gap> {
    let shared = shared(strata)?;
    let (mut composition, mut within, mut moved) = (0.0, 0.0, 0.0);
    for (of, ours, theirs) in &shared.strata {
        let (rate, reference) = (of.events / of.rows, of.reference_events / of.reference_rows);
        composition += (ours - theirs) * (rate + reference) / 2.0;
        moved += (ours - theirs).abs();
        within += (rate - reference) * (ours + theirs) / 2.0;
    }
    if moved <= 8.0 * f64::EPSILON {
        // The groups are spread alike: only rounding is left.
        composition = 0.0;
    }
    let sum = |of: fn(&Stratum) -> f64| strata.iter().map(of).sum::<f64>();
    let total = sum(|s| s.events) / sum(|s| s.rows) - sum(|s| s.reference_events) / sum(|s| s.reference_rows);
    let everywhere = strata.iter().all(|of| (of.rows > 0.0) == (of.reference_rows > 0.0));
    // Exactly 0 where there is no such stratum, whatever rounding leaves.
    let unmatched = if everywhere { 0.0 } else { total - composition - within };
    let all = [total, composition, within, unmatched];
    all.iter().all(|part| part.is_finite()).then_some(Gap { total, composition, within, unmatched })
}

/// Directly standardised rates over the strata that both groups have; the standard is the mean of both groups' shares,
/// so that their difference is [`Gap::within`]. None when the groups share no stratum.
pub fn standardised(strata: &[Stratum]) -> Option<Standardised> {
    let shared = shared(strata)?;
    let (mut rate, mut reference_rate) = (0.0, 0.0);
    for (of, ours, theirs) in &shared.strata {
        let weight = (ours + theirs) / 2.0;
        rate += weight * of.events / of.rows;
        reference_rate += weight * of.reference_events / of.reference_rows;
    }
    (rate.is_finite() && reference_rate.is_finite()).then_some(Standardised { rate, reference_rate })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stratum(events: f64, rows: f64, reference_events: f64, reference_rows: f64) -> Stratum {
        Stratum { events, rows, reference_events, reference_rows }
    }

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
    }

    /// Worked out by hand: rates 0.5 and 0.1 at two places for both groups, of which one is shown there 20:80 and the
    /// other 80:20. Gap 0.18 − 0.42 = −0.24, all of it of composition.
    #[test]
    fn a_gap_of_place_alone_is_composition() {
        let found = gap(&[stratum(10.0, 20.0, 40.0, 80.0), stratum(8.0, 80.0, 2.0, 20.0)]).unwrap();
        near(found.total, -0.24);
        near(found.composition, -0.24);
        near(found.within, 0.0);
        assert_eq!(found.unmatched, 0.0);
        let rates = standardised(&[stratum(10.0, 20.0, 40.0, 80.0), stratum(8.0, 80.0, 2.0, 20.0)]).unwrap();
        near(rates.rate, 0.3);
        near(rates.reference_rate, 0.3);
    }

    /// By hand: shares 1/2 each on one side, 3/4 and 1/4 on the other; rates 0.2, 0.1 against 0.4, 0.2.
    /// Composition −0.25·0.3 + 0.25·0.15 = −0.0375; within −0.2·0.625 − 0.1·0.375 = −0.1625; total 0.15 − 0.35 = −0.2.
    #[test]
    fn parts_are_those_of_kitagawa() {
        let found = gap(&[stratum(10.0, 50.0, 30.0, 75.0), stratum(5.0, 50.0, 5.0, 25.0)]).unwrap();
        near(found.total, -0.2);
        near(found.composition, -0.0375);
        near(found.within, -0.1625);
    }

    #[test]
    fn what_only_one_group_has_stands_apart() {
        let both = stratum(10.0, 50.0, 20.0, 50.0);
        let found = gap(&[both, stratum(30.0, 50.0, 0.0, 0.0)]).unwrap();
        near(found.total, 0.4 - 0.4);
        near(found.composition, 0.0);
        near(found.within, -0.2);
        near(found.unmatched, 0.2);
        assert_eq!(gap(&[stratum(1.0, 5.0, 0.0, 0.0), stratum(0.0, 0.0, 1.0, 5.0)]), None);
        assert_eq!((gap(&[]), standardised(&[])), (None, None));
    }

    proptest! {
        #[test]
        fn parts_add_up_and_standardised_rates_differ_by_what_is_within(
            tables in prop::collection::vec((1u32..400, 1u32..400, 0.0f64..1.0, 0.0f64..1.0, 0u8..8), 1..15),
        ) {
            let strata: Vec<Stratum> = tables.into_iter().map(|(n, m, p, q, kind)| {
                let (n, m) = (if kind == 0 { 0.0 } else { f64::from(n) }, if kind == 1 { 0.0 } else { f64::from(m) });
                stratum((n * p).round(), n, (m * q).round(), m)
            }).collect();
            if let (Some(gap), Some(rates)) = (gap(&strata), standardised(&strata)) {
                prop_assert!((gap.composition + gap.within + gap.unmatched - gap.total).abs() < 1e-12);
                prop_assert!((rates.rate - rates.reference_rate - gap.within).abs() < 1e-12);
            }
        }

        #[test]
        fn any_input_is_answered(cells in prop::collection::vec(prop::array::uniform4(any::<f64>()), 0..5)) {
            let strata: Vec<Stratum> = cells.into_iter().map(|[a, n, c, m]| stratum(a, n, c, m)).collect();
            let _ = (gap(&strata), standardised(&strata));
        }
    }
}
