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
        id: "cluster_mover",
        title: "Shares where nothing or everything happened, with people as the unit",
        words: "A group in which nothing varies has a variance of 0, which says only that the sample saw no variation. m \
            people with n rows each tell at least as much as e independent rows, of which the exact limits l and u are \
            known. Differences and ratios are put together from the limits of both sides.",
        formula: "e = (Σn)² ÷ Σn²;  none of e: from 0 to 1 − (α ÷ 2)^(1 ÷ e);  difference d = p₁ − p₂: from d − √( (p₁ − \
            l₁)² + (u₂ − p₂)² ) to d + √( (u₁ − p₁)² + (p₂ − l₂)² )",
        source: "Clopper and Pearson 1934; Kish 1965; Korn and Graubard 1998; Zou and Donner 2008; Donner and Zou 2012",
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
        title: "Uncertainty of a number that has no formula for it",
        words: "People are dealt at random into g groups, and the number is worked out again without each group in turn: \
            how much it moves says how sure it is. Whatever one person does stays in one group. Ratios are taken on the \
            logarithmic scale. The multiplier t is Student's, with degrees of freedom after Satterthwaite.",
        formula: "var(θ) = (g − 1) ÷ g × Σ(θ without group i − θ)²;  θ ± t·√var(θ)",
        source: "Quenouille 1956; Wolter 2007, ch. 4; Kott 2001; Satterthwaite 1946",
    },
    Method {
        id: "mantel_haenszel",
        title: "A ratio under equal conditions",
        words: "In each stratum the segment has a events in n₁ impressions and the reference c in n₀, N together. Strata \
            where one has none, or nothing happened, add nothing. The gap r₁ − r₀ of the rates splits up by the shares p \
            of impressions and the rates r in the strata, and both parts add up to it.",
        formula: "ratio = Σ(a·n₀ ÷ N) ÷ Σ(c·n₁ ÷ N);  gap = Σ(p₁ − p₀)·(r₁ + r₀) ÷ 2 + Σ(r₁ − r₀)·(p₁ + p₀) ÷ 2",
        source: "Mantel and Haenszel 1959; Nurminen 1981; Greenland and Robins 1985; Kitagawa 1955",
    },
    Method {
        id: "greenland_robins",
        title: "The interval of a ratio under equal conditions, with rows as the unit",
        words: "As above, with m = a + c. Every impression stands for itself; where one person has many impressions such \
            an interval is too narrow.",
        formula: "var(ln ratio) = Σ(m·n₁·n₀ ÷ N² − a·c ÷ N) ÷ (Σ(a·n₀ ÷ N)·Σ(c·n₁ ÷ N))",
        source: "Greenland and Robins 1985",
    },
    Method {
        id: "robins_breslow_greenland",
        title: "The interval of an odds ratio under equal conditions, with rows as the unit",
        words: "Of a stratum's four cells a, b, c, d with N together: R = a·d ÷ N, S = b·c ÷ N, P = (a + d) ÷ N, Q = (b + \
            c) ÷ N. Every impression stands for itself.",
        formula: "var(ln(ΣR ÷ ΣS)) = ΣPR ÷ 2(ΣR)² + Σ(PS + QR) ÷ 2ΣR·ΣS + ΣQS ÷ 2(ΣS)²",
        source: "Mantel and Haenszel 1959; Robins, Breslow and Greenland 1986",
    },
    Method {
        id: "cluster_within",
        title: "Prices of the same item at the same time, with people as the unit",
        words: "Only items are compared of which both groups saw a price in the same span of time. Such a cell has its \
            own mean, which is taken off; y is what is left of the logarithm of the price, or of the discount, and d what \
            is left of belonging to the group. The sums of one person stand for that person, however many prices they saw. \
            N prices lie in K − 1 cells; G people saw them.",
        formula: "b = Σd·y ÷ Σd²;  var(b) = G ÷ (G − 1) × (N − 1) ÷ (N − K) × Σ over people of (Σd·(y − b·d))² ÷ (Σd²)²; \
            ratio: exp( b ± t·√var(b) )",
        source: "Frisch and Waugh 1933; Liang and Zeger 1986; Arellano 1987; Carter, Schnepel and Steigerwald 2017",
    },
    Method {
        id: "cluster_exact",
        title: "Limits where all groups of people agree exactly",
        words: "When nothing varies, as when everybody is shown the same list, those not seen may still differ. Of all \
            groups at most the share d can, seeing that none of G did, and whatever these have lies between the least and \
            the most that the number can be.",
        formula: "from x − d·(x − least) to x + d·(most − x), where d = 1 − (α ÷ 2)^(1 ÷ G), G corrected for uneven groups",
        source: "Clopper and Pearson 1934; Kish 1965",
    },
    Method {
        id: "normal_mixture",
        title: "An interval that may be looked at after every audit",
        words: "An interval of 95% is for one look; who looks every month meets one that misses sooner or later. This one             holds at every audit at once. Each audit's number y, of a ratio its logarithm, is weighed by its standard error             s, as its own interval tells it. ρ makes the interval narrowest when ten audits as precise as the first are             there. α is shared by all numbers of one kind.",
        formula: "V = Σ 1 ÷ s²;  Σ(y ÷ s²) ÷ V ± √( (V + ρ)·ln( (V + ρ) ÷ (ρ·α²) ) ) ÷ V",
        source: "Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021; Waudby-Smith et al. 2021",
    },
    Method {
        id: "control_chart",
        title: "Control limits",
        words: "From the earlier audits alone, at least eight. c is their mean by precision. f is by how much they vary more             than their standard errors tell: the mean distance of neighbours, each in its own standard errors, over 1.128,             and 1 at least. s is the newest's standard error.",
        formula: "c ± 3·f·√( s² + 1 ÷ Σ 1 ÷ s² )",
        source: "Shewhart 1931; Wheeler and Chambers 1992; Laney 2002",
    },
    Method {
        id: "psi",
        title: "Drift of a distribution",
        words: "p and q are the shares then and now, with half a count added to every bin, so that an empty one is no             trouble. Under no change the index is chi-squared with one degree of freedom less than bins, times the factor             below. n and m are the observations that the rows are worth: their number over the design effect, since rows of             one person resemble each other.",
        formula: "PSI = Σ(q − p)·ln(q ÷ p);  under no change about (1 ÷ n + 1 ÷ m)·χ²;  distance = √( mean of both             divergences from the middle of p and q, to base 2 )",
        source: "Jeffreys 1946; Siddiqi 2006; Yurdakul and Naranjo 2020; Lin 1991; Rao and Scott 1981",
    },
    Method {
        id: "kaplan_meier",
        title: "How many are still there, where some were not seen to the end",
        words: "On each day d of the n people who could still be seen are gone. Whoever is not seen any longer leaves the n \
            and is not taken for gone. The interval is made on a scale on which it stays between 0 and 1.",
        formula: "S = Π(1 − d ÷ n);  V = Σd ÷ (n × (n − d));  S^exp(±z·√V ÷ ln S)",
        source: "Kaplan and Meier 1958; Greenwood 1926; Kalbfleisch and Prentice 1980",
    },
    Method {
        id: "greenwood",
        title: "Two such curves beside each other",
        words: "Arms have different people, so that their variances add. Ratios are taken on the logarithmic scale.",
        formula: "exp( ln(S₁ ÷ S₂) ± z·√(V₁ + V₂) );  S₁ − S₂ ± z·√(S₁²V₁ + S₂²V₂)",
        source: "Greenwood 1926; Klein and Moeschberger 2003, ch. 7",
    },
    Method {
        id: "restricted_mean",
        title: "Mean days up to a horizon",
        words: "The area A under the curve; the variance adds up what each step moves of the area to its right.",
        formula: "A ± z·√( Σ(area right of the step)² × d ÷ (n × (n − d)) )",
        source: "Irwin 1949; Klein and Moeschberger 2003, 4.5",
    },
    Method {
        id: "brookmeyer_crowley",
        title: "The day by which it has happened to half",
        words: "The first day on which the curve is at or below a half; the limits are the days on which its own limits are.",
        formula: "the least t with S(t) ≤ ½",
        source: "Brookmeyer and Crowley 1982",
    },
    Method {
        id: "bg_nbd_delta",
        title: "What a model of purchases says",
        words: "Parameters that make the orders likeliest, and how far what they say moves with them; it holds if the model \
            does.",
        formula: "estimate × e^(± z·√(g′ × I⁻¹ × g)), I the observed information, g the slope of the logarithm",
        source: "Fader, Hardie and Lee 2005; Fader and Hardie 2013",
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
        match fact {
            Fact::ConditionalParity(fact) => names.extend(fact.adjusted.iter().map(|_| "mantel_haenszel".to_owned())),
            Fact::Trend(fact) => names.extend(fact.centre.iter().map(|_| "control_chart".to_owned())),
            Fact::Drift(fact) => names.extend(fact.psi.iter().map(|_| "psi".to_owned())),
            _ => {}
        }
        collect(&serde_json::to_value(fact).unwrap_or_default(), &mut names);
    }
    let known = METHODS.iter().filter(|method| names.contains(method.id)).copied().collect();
    names.retain(|name| METHODS.iter().all(|method| method.id != name));
    (known, names.into_iter().collect())
}

/// Every interval names its method, a test is named as such, and a q was corrected.
fn collect(value: &serde_json::Value, names: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("method" | "test", serde_json::Value::String(name)) => drop(names.insert(name.clone())),
                    ("q_value", serde_json::Value::Number(_)) => drop(names.insert("benjamini_hochberg".to_owned())),
                    (_, value) => collect(value, names),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}
