//! The statistical methods in plain words. A method is described when a fact of the record names it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::facts::Fact;
use crate::record::Record;

/// A method as the report describes it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Method {
    /// As an interval names it.
    pub id: &'static str,
    pub title: &'static str,
    pub words: &'static str,
    pub formula: &'static str,
    pub source: &'static str,
}

const METHODS: &[Method] = &[
    Method {
        id: "cluster_delta",
        title: "Rates, differences and ratios with people as the unit",
        words: "Impressions of one person resemble each other, so uncertainty is counted in people. Each of the m \
            people has n impressions with y outcomes in total. Different segments have different people, so their \
            variances add. The interval of a ratio is made on the logarithmic scale. The multiplier t is Student's, with \
            Welch-Satterthwaite degrees of freedom.",
        formula: "R = Σy ÷ Σn;  var(R) = m ÷ (m − 1) × Σ(y − R·n)² ÷ (Σn)²;  R ± t·√var(R);  ratio: \
            exp( ln(R₁ ÷ R₂) ± t·√(var(R₁) ÷ R₁² + var(R₂) ÷ R₂²) )",
        source: "Cochran, Sampling Techniques, 3rd ed. 1977, ch. 6; Welch 1947",
    },
    Method {
        id: "row_delta",
        title: "Means of amounts with rows as the unit",
        words: "As above, but every impression stands for itself. Where one person has many impressions such an interval \
            is too narrow.",
        formula: "var(R) = n ÷ (n − 1) × Σ(y − R)² ÷ n²",
        source: "Cochran, Sampling Techniques, 3rd ed. 1977, ch. 6",
    },
    Method {
        id: "wilson",
        title: "Wilson's interval of a rate, with rows as the unit",
        words: "For y outcomes in n independent rows, p = y ÷ n. It keeps its coverage for small counts and for rates \
            near 0 and 1.",
        formula: "( p + z² ÷ 2n ± z·√( p(1 − p) ÷ n + z² ÷ 4n² ) ) ÷ ( 1 + z² ÷ n )",
        source: "Wilson 1927",
    },
    Method {
        id: "newcombe",
        title: "Newcombe's interval of a difference of rates, with rows as the unit",
        words: "Built from the Wilson limits l and u of both rates.",
        formula: "from d − √( (p₁ − l₁)² + (u₂ − p₂)² ) to d + √( (u₁ − p₁)² + (p₂ − l₂)² ), where d = p₁ − p₂",
        source: "Newcombe 1998, method 10",
    },
    Method {
        id: "katz",
        title: "Katz's interval of a ratio of rates, with rows as the unit",
        words: "Made on the logarithmic scale from y outcomes in n rows on each side.",
        formula: "exp( ln(p₁ ÷ p₂) ± z·√( 1 ÷ y₁ − 1 ÷ n₁ + 1 ÷ y₂ − 1 ÷ n₂ ) )",
        source: "Katz, Baptista, Azen and Pike 1978",
    },
    Method {
        id: "fisher_exact",
        title: "Fisher's exact test of two rates",
        words: "Given how many were selected in all and how large both groups are, every split of the selections has its \
            probability. p is that of all splits no likelier than the one found.",
        formula: "P(y₁) = C(n₁, y₁) × C(n₂, y − y₁) ÷ C(n₁ + n₂, y);  p = ΣP over all P ≤ P(y₁)",
        source: "Fisher 1934",
    },
    Method {
        id: "two_proportion_z",
        title: "The test of two rates by their pooled variance",
        words: "The difference of two rates in standard deviations, which courts take for a sign of discrimination beyond \
            two or three.",
        formula: "z = (p₁ − p₂) ÷ √( p(1 − p) × (1 ÷ n₁ + 1 ÷ n₂) ), p = (y₁ + y₂) ÷ (n₁ + n₂)",
        source: "Castaneda v. Partida, 430 U.S. 482 (1977), note 17",
    },
    Method {
        id: "score_delta",
        title: "How closely an input goes with an attribute",
        words: "Both Cramér's V, for values that are groups, and the correlation ratio, for numbers, are roots of a share x \
            from 0 to 1 that chance alone makes greater than 0. What chance makes of it is taken off: y is what is left. The \
            limits are all x that y does not rule out, given the variance a where nothing goes together and the variance \
            b·x that grows with it.",
        formula: "V² = max(0, χ² ÷ n − (r − 1)(c − 1) ÷ (n − 1)) ÷ (min(r̃, c̃) − 1), r̃ = r − (r − 1)² ÷ (n − 1);  η² = \
            between ÷ total variance;  limits: (y − x)² = z²·(a + b·x)",
        source: "Bergsma 2013; Fisher 1925; Kelley 1935; the variances by the delta method, the limits after Wilson 1927",
    },
    Method {
        id: "group_jackknife",
        title: "Anything made of sums over people",
        words: "People are dealt at random into G groups, and the number is worked out again without each group in turn. How \
            much it moves tells its variance. Ratios and indices that cannot be below 0 are taken on the logarithmic scale. \
            The degrees of freedom are few where a few people carry all the variance.",
        formula: "var = (G − 1) ÷ G × Σ d², d = number without a group − number;  number ± t·√var;  degrees of freedom: \
            3·(Σd²)² ÷ Σd⁴",
        source: "Quenouille 1956; Wolter, Introduction to Variance Estimation 2007, ch. 4; Satterthwaite 1946",
    },
    Method {
        id: "benjamini_hochberg",
        title: "Correction for many comparisons",
        words: "Of many comparisons some look extreme by chance. q is p adjusted within all m comparisons of one metric: \
            if everything with q below 0.05 is called a difference, at most about 5% of those calls are expected to be \
            false.",
        formula: "q of the i-th smallest p = the least of m·p ÷ j over all ranks j from i up",
        source: "Benjamini and Hochberg 1995",
    },
];

/// The methods that the record's facts name, in the order of description, and the names of those unknown here.
pub fn used(record: &Record) -> (Vec<Method>, Vec<String>) {
    let mut names = BTreeSet::new();
    for fact in &record.facts {
        if let Fact::Proxy(fact) = fact {
            names.extend(fact.strength.iter().map(|strength| strength.method.clone()));
            if fact.q_value.is_some() {
                names.insert("benjamini_hochberg".into());
            }
        }
        if let Fact::Selection(fact) = fact {
            let intervals = [&fact.rate, &fact.impact_interval, &fact.reference_ratio];
            names.extend(intervals.into_iter().flatten().map(|interval| interval.method.clone()));
            names.extend(fact.test.clone());
            if fact.q_value.is_some() {
                names.insert("benjamini_hochberg".into());
            }
        }
        if let Fact::Inequality(fact) = fact {
            let indices = [&fact.entropy_2, &fact.theil_t, &fact.theil_l, &fact.atkinson_half, &fact.variation];
            let shares = fact.between.iter().filter_map(|part| part.share.as_ref());
            let intervals = indices.into_iter().flatten().chain(shares).filter_map(|index| index.interval.as_ref());
            names.extend(intervals.map(|interval| interval.method.clone()));
        }
        let Fact::OutcomeParity(fact) = fact else { continue };
        let favoured = fact.most_favoured.as_ref().and_then(|favoured| favoured.ratio.as_ref());
        let intervals = [&fact.rate, &fact.reference_rate, &fact.ratio, &fact.difference];
        names.extend(intervals.into_iter().filter_map(Option::as_ref).chain(favoured).map(|i| i.method.clone()));
        if fact.q_value.is_some() {
            names.insert("benjamini_hochberg".into());
        }
    }
    let known = METHODS.iter().filter(|method| names.contains(method.id)).copied().collect();
    names.retain(|name| METHODS.iter().all(|method| method.id != name));
    (known, names.into_iter().collect())
}
