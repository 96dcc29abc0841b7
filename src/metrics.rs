//! What people get out of a strategy, and can be compared by: each outcome's name, definition, source and the direction
//! in which it harms. [`METRICS`] is the plain table; adding a row adds a metric.

use std::fmt;

/// An outcome.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// As manifests and facts name it.
    pub id: &'static str,
    /// In words, e.g. `clicks per impression`.
    pub title: &'static str,
    /// How it is counted, in a sentence or two of Markdown.
    pub definition: &'static str,
    /// Where the definition comes from; empty for plain counting.
    pub source: &'static str,
    pub harm: Harm,
    pub scale: Scale,
    pub per: Per,
    /// Columns of the log without which it cannot be measured. `selected` may be stood in for by the first K places.
    pub needs: &'static [&'static str],
    /// Whether it is measured without being asked for.
    pub standard: bool,
    /// SQL: the value of an impression, or of a decision where `per` is [`Per::List`]; null where it has none.
    pub value: &'static str,
}

/// Which direction harms the people of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Getting less.
    Low,
    /// Getting more.
    High,
    /// It depends on what the outcome means to people; shown, and judged only by rules that know.
    Either,
}

/// What the numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// 0 or 1 each: the mean is a share.
    Share,
    /// Between 0 and 1, in thousand-millionths within plans, so that sums do not depend on their order.
    Score,
    /// Whole numbers.
    Count,
    /// The log's currency, in ten-thousandths within plans.
    Money,
}

/// What the mean is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// The impressions that have a value.
    Impression,
    /// The decisions about a person.
    Decision,
    /// The people.
    Subject,
    /// The people, each with the mean over their decisions.
    List,
    /// All decisions about a person, by any strategy.
    AllDecisions,
}

impl Harm {
    pub fn id(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::High => "high",
            Self::Either => "either",
        }
    }
}

impl Scale {
    pub fn id(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Score => "score",
            Self::Count => "count",
            Self::Money => "money",
        }
    }

    /// The unit of plans, in the unit of facts.
    pub fn unit(self) -> f64 {
        match self {
            Self::Share | Self::Count => 1.0,
            Self::Score => 1e-9,
            Self::Money => 1e-4,
        }
    }

    /// Whether each value lies between 0 and 1.
    pub fn is_bounded(self) -> bool {
        matches!(self, Self::Share | Self::Score)
    }
}

/// A plain count or amount of the log.
const fn plain(
    id: &'static str,
    title: &'static str,
    per: Per,
    scale: Scale,
    needs: &'static [&'static str],
    definition: &'static str,
) -> Metric {
    Metric { id, title, definition, source: "", harm: Harm::Low, scale, per, needs, standard: false, value: needs[0] }
}

/// A rate of a confusion table: what was selected against what was relevant.
const fn confusion(
    id: &'static str,
    title: &'static str,
    harm: Harm,
    value: &'static str,
    definition: &'static str,
) -> Metric {
    Metric {
        id,
        title,
        definition,
        source: "Hardt, Price & Srebro 2016; names as in Fairlearn and Aequitas",
        harm,
        scale: Scale::Share,
        per: Per::Impression,
        needs: &["relevant", "selected"],
        standard: false,
        value,
    }
}

/// The quality of a ranked list against `relevant`.
const fn quality(
    id: &'static str,
    title: &'static str,
    value: &'static str,
    source: &'static str,
    definition: &'static str,
) -> Metric {
    Metric {
        id,
        title,
        definition,
        source,
        harm: Harm::Low,
        scale: Scale::Score,
        per: Per::List,
        needs: &["relevant", "position"],
        standard: false,
        value,
    }
}

/// Every outcome, in the order of reports.
pub const METRICS: &[Metric] = &[
    Metric {
        standard: true,
        ..plain(
            "click",
            "clicks per impression",
            Per::Impression,
            Scale::Share,
            &["clicked"],
            "Impressions that were clicked over all impressions for which the log says whether they were.",
        )
    },
    Metric {
        standard: true,
        ..plain(
            "conversion",
            "conversions per impression",
            Per::Impression,
            Scale::Share,
            &["converted"],
            "Impressions that led to a conversion over all impressions for which the log says whether they did.",
        )
    },
    Metric {
        standard: true,
        ..plain(
            "revenue",
            "revenue per impression",
            Per::Impression,
            Scale::Money,
            &["revenue"],
            "Revenue over impressions for which the log states one, in the log's currency.",
        )
    },
    plain(
        "click_per_decision",
        "clicks per decision",
        Per::Decision,
        Scale::Count,
        &["clicked"],
        "Clicks over decisions: how often somebody who is shown a list finds something in it.",
    ),
    plain(
        "conversion_per_decision",
        "conversions per decision",
        Per::Decision,
        Scale::Count,
        &["converted"],
        "Conversions over decisions.",
    ),
    plain(
        "revenue_per_decision",
        "revenue per decision",
        Per::Decision,
        Scale::Money,
        &["revenue"],
        "Revenue over decisions, in the log's currency.",
    ),
    plain(
        "click_per_subject",
        "clicks per person",
        Per::Subject,
        Scale::Count,
        &["clicked"],
        "Clicks over people whom the strategy decided about. It grows with how often they come.",
    ),
    plain(
        "conversion_per_subject",
        "conversions per person",
        Per::Subject,
        Scale::Count,
        &["converted"],
        "Conversions over people whom the strategy decided about.",
    ),
    plain(
        "revenue_per_subject",
        "revenue per person",
        Per::Subject,
        Scale::Money,
        &["revenue"],
        "Revenue over people whom the strategy decided about, in the log's currency.",
    ),
    Metric {
        harm: Harm::Either,
        value: "CASE WHEN converted = 1 THEN coalesce(revenue, 0) END",
        ..plain(
            "order_value",
            "revenue per conversion",
            Per::Impression,
            Scale::Money,
            &["revenue", "converted"],
            "Revenue of the impressions that converted over their number (average order value). More may mean better \
             service or dearer offers.",
        )
    },
    Metric {
        harm: Harm::Either,
        value: "",
        ..plain(
            "exposure",
            "share of a person's decisions that the strategy made",
            Per::AllDecisions,
            Scale::Share,
            &["strategy"],
            "Decisions about a segment's people that this strategy made over all decisions about them: who is exposed \
             to it. People about whom it never decided count.",
        )
    },
    Metric {
        source: "29 CFR 1607.4(D); NYC Local Law 144",
        value: "selected",
        ..plain(
            "selection",
            "share selected",
            Per::Impression,
            Scale::Share,
            &["selected"],
            "Rows that were selected over all rows: the selection rate. Its ratio to the reference is the impact ratio.",
        )
    },
    confusion(
        "tpr",
        "share of what is relevant that is selected",
        Harm::Low,
        "CASE WHEN relevant = 1 THEN selected END",
        "Selected and relevant over relevant: true positive rate, recall, equality of opportunity.",
    ),
    confusion(
        "fpr",
        "share of what is irrelevant that is selected",
        Harm::Either,
        "CASE WHEN relevant = 0 THEN selected END",
        "Selected and irrelevant over irrelevant: false positive rate. It harms where being selected is a burden, and \
         favours where it is a benefit.",
    ),
    confusion(
        "fdr",
        "share of what is selected that is irrelevant",
        Harm::High,
        "CASE WHEN selected = 1 THEN 1 - relevant END",
        "Selected and irrelevant over selected: false discovery rate.",
    ),
    confusion(
        "for",
        "share of what is not selected that is relevant",
        Harm::High,
        "CASE WHEN selected = 0 THEN relevant END",
        "Relevant and not selected over not selected: false omission rate, what people miss.",
    ),
    confusion(
        "precision",
        "share of what is selected that is relevant",
        Harm::Low,
        "CASE WHEN selected = 1 THEN relevant END",
        "Selected and relevant over selected: precision over all rows together, positive predictive value.",
    ),
    quality(
        "ndcg",
        "nDCG",
        "CASE WHEN relevant > 0 THEN CAST(round(1e9 * gain / ideal) AS BIGINT) END",
        "Järvelin & Kekäläinen 2002, with the discount 1/log2(k+1)",
        "Relevant items, discounted by 1/log2(k+1) at place k, over the same of the ideal order, both within the first K \
         places; gain 1 or 0. Decisions without a relevant item have none and are left out.",
    ),
    quality(
        "precision_at",
        "precision of a list",
        "CAST(round(1e9 * hits / judged) AS BIGINT)",
        "van Rijsbergen 1979",
        "Relevant items over judged items, within the first K places of each list.",
    ),
    quality(
        "recall_at",
        "recall of a list",
        "CASE WHEN relevant > 0 THEN CAST(round(1e9 * hits / relevant) AS BIGINT) END",
        "van Rijsbergen 1979",
        "Relevant items within the first K places over all relevant items that the log names for the decision. Decisions \
         without a relevant item are left out.",
    ),
    quality(
        "mrr",
        "reciprocal rank of the first relevant item",
        "CASE WHEN first IS NULL THEN 0 ELSE CAST(round(1e9 / first) AS BIGINT) END",
        "Voorhees 1999",
        "1/k for the first relevant item at place k within the first K places, 0 where there is none: the mean \
         reciprocal rank.",
    ),
    quality(
        "hit_rate",
        "share of lists with something relevant",
        "CASE WHEN hits > 0 THEN 1000000000 ELSE 0 END",
        "Deshpande & Karypis 2004",
        "Lists with a relevant item within the first K places over all lists that were judged.",
    ),
];

/// The ids of all metrics.
pub const IDS: [&str; METRICS.len()] = {
    let mut ids = [""; METRICS.len()];
    let mut index = 0;
    while index < ids.len() {
        ids[index] = METRICS[index].id;
        index += 1;
    }
    ids
};

impl Metric {
    /// The name in a fact: with its cut-off, where it has one.
    pub fn name(&self, cutoff: Option<u32>) -> String {
        match cutoff.filter(|_| self.is_cut()) {
            Some(k) => format!("{}@{k}", self.id),
            None => self.id.to_owned(),
        }
    }

    /// The SQL of an impression's value; the first `places` stand in for `selected`, if given.
    pub fn sql(&self, places: Option<u32>) -> String {
        match places {
            Some(k) => self.value.replace("selected", &format!("(CASE WHEN position <= {k} THEN 1 ELSE 0 END)")),
            None => self.value.to_owned(),
        }
    }

    /// Whether it looks at the first K places only.
    fn is_cut(&self) -> bool {
        self.per == Per::List
    }

    /// A sentence or two for `probity explain`.
    pub fn explained(&self) -> String {
        let harm = match self.harm {
            Harm::Low => "Less of it harms.",
            Harm::High => "More of it harms.",
            Harm::Either => "Which direction harms depends on what it means to people.",
        };
        let needs = self.needs.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
        let source = if self.source.is_empty() { String::new() } else { format!("\n\nSource: {}.", self.source) };
        let cut = if self.is_cut() {
            "\n\nK is `measure.cutoff`; without it the whole list counts. Each person counts once, with the mean over \
             their decisions."
        } else if self.needs.contains(&"selected") {
            "\n\nWhere the log has no column `selected`, the first K places (`measure.cutoff`) are what was selected."
        } else {
            ""
        };
        format!(
            "# {}\n\nAn outcome that segments are compared by (fact `outcome_parity`): {}.\n\n{} {harm}{cut}{source}\n\n\
             It needs the columns {needs} of the log; the manifest asks for it under `measure.metrics`.",
            self.id, self.title, self.definition
        )
    }
}

/// A metric by its id.
pub fn metric(id: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.id == id)
}

/// The metric of a fact, whose name may carry a cut-off.
pub fn named(name: &str) -> Option<&'static Metric> {
    metric(name.split('@').next().unwrap_or(name))
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}
