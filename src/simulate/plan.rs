//! What shop to make: how large, and what is planted in it.
//!
//! Sizes are kept as whole millionths, so that every machine draws the same from them.

mod read;

use std::path::Path;

use super::conduct::Defect;
use super::people::Subject;
use crate::error::{Problem, Result};
pub(crate) use read::File;
pub use read::SMALL;

/// The version of the plan's format that this program reads.
pub const FORMAT: u32 = 1;
/// The plan of the storefront, as `--print-plan` shows it.
pub const STOREFRONT: &str = include_str!("storefront.yaml");
/// Sizes are counted in this.
pub const WHOLE: u64 = 1_000_000;

/// A plan that was read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Seed of all chance.
    pub seed: u64,
    /// Customers; each has a decision unless there are fewer decisions.
    pub subjects: usize,
    /// Recommendation requests, of ten items each.
    pub decisions: usize,
    pub effects: Vec<Effect>,
}

/// One thing that is planted.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    pub what: What,
    pub whom: Whom,
}

/// Whom an effect hits: decisions of the strategy about people of the segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whom {
    /// None: whichever decides.
    pub strategy: Option<&'static str>,
    /// Attributes and their values, all of which must hold; empty: everybody.
    pub segment: Vec<(&'static str, &'static str)>,
}

/// What is planted. Ratios and shares are in millionths (see [`WHOLE`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Outcome { metric: Metric, ratio: u64 },
    Price { ratio: u64 },
    Steering { ratio: u64 },
    Provider { favoured: &'static str, instead_of: &'static str, share: u64 },
    BestSellers { share: u64 },
    OffTaste { share: u64 },
    Selection { ratio: u64 },
    Consent { defect: Defect, share: u64, among: u64 },
    UndeclaredStrategy { share: u64 },
    UnmappedInput { share: u64 },
    PersonalData { share: u64 },
    Unexplained { share: u64 },
    Minors { share: u64 },
    PrivacySignal { share: u64 },
    Proxy { attribute: &'static str, share: u64 },
    Prompt { defect: PromptDefect, share: u64 },
    SmallSegment { subjects: usize },
    Loyalty { churn: u64, order_value: u64 },
    Allocation { ratio: u64 },
    Candidate { overall: u64, ratio: u64 },
}

/// What a ratio multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// The chance of a click; orders and revenue follow.
    Click,
    /// The chance that a click becomes an order; revenue follows.
    Order,
    /// What is paid for an order.
    Revenue,
}

/// How a question for consent goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PromptDefect {
    /// A no takes more steps than a yes.
    HarderNo,
    Preselected,
    /// A no is found on a later layer only.
    LaterLayer,
    /// Closing the question is recorded as a yes.
    Dismissal,
    /// Asked again within days of a no.
    AskedAgain,
}

impl Whom {
    pub fn holds(&self, strategy: &str, subject: &Subject) -> bool {
        self.strategy.is_none_or(|own| own == strategy) && self.is_about(subject)
    }

    /// Whether the subject is of the segment.
    pub fn is_about(&self, subject: &Subject) -> bool {
        self.segment.iter().all(|(attribute, value)| subject.attribute(attribute) == *value)
    }
}

impl Plan {
    /// Reads and checks a plan. All that is wrong with it is told at once, each with its line.
    ///
    /// # Errors
    /// When the file cannot be read, a key or a name is not known, a size is out of its range, or two effects contradict
    /// each other.
    pub fn read(path: &Path) -> Result<Self> {
        read::read(path)
    }

    /// As [`Plan::read`], of a text already at hand; `path` is what errors call it.
    ///
    /// # Errors
    /// As of [`Plan::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        read::parse(path, text)
    }

    /// The plan of the storefront that is committed as a fixture.
    ///
    /// # Errors
    /// None but a fault of the program.
    pub fn storefront() -> Result<Self> {
        Self::parse(Path::new("storefront.yaml"), STOREFRONT)
    }

    /// The same shop without anything planted.
    #[must_use]
    pub fn clean(self) -> Self {
        Self { effects: Vec::new(), ..self }
    }

    /// Whether its sizes are such that a shop can be made of them.
    pub(super) fn check(&self) -> Result<()> {
        for (name, value) in [("subjects", self.subjects), ("decisions", self.decisions)] {
            if !read::SIZES.contains(&value) {
                return Err(Problem::new(read::wrong_size(name, value)).into());
            }
        }
        Ok(())
    }

    /// What is planted of one kind, as `pick` tells it, with its place among the effects.
    pub fn each<T>(&self, pick: impl Fn(&What) -> Option<T>) -> impl Iterator<Item = (usize, &Whom, T)> {
        let effects = self.effects.iter().enumerate();
        effects.filter_map(move |(at, effect)| pick(&effect.what).map(|found| (at, &effect.whom, found)))
    }

    /// The one effect of its kind, if it is planted.
    pub fn one<T>(&self, pick: impl Fn(&What) -> Option<T>) -> Option<T> {
        self.each(pick).map(|(_, _, found)| found).next()
    }

    pub fn plants(&self, is: impl Fn(&What) -> bool) -> bool {
        self.effects.iter().any(|effect| is(&effect.what))
    }

    /// What all effects on an outcome of these people multiply it by, in millionths.
    pub fn outcome(&self, metric: Metric, strategy: &str, subject: &Subject) -> u64 {
        let of = move |what: &What| match what {
            What::Outcome { metric: own, ratio } if *own == metric => Some(*ratio),
            _ => None,
        };
        self.each(of)
            .filter(|(_, whom, _)| whom.holds(strategy, subject))
            .fold(WHOLE, |product, (_, _, ratio)| scaled(product, ratio))
    }

    /// Whether people were dealt out to arms, of which one is served without personalization.
    pub fn has_arms(&self) -> bool {
        self.plants(|what| matches!(what, What::Loyalty { .. } | What::Allocation { .. }))
    }

    /// Whether there is a spotlight, on whose log a candidate is judged.
    pub fn has_candidate(&self) -> bool {
        self.plants(|what| matches!(what, What::Candidate { .. }))
    }
}

/// `value` times `ratio` millionths, rounded.
pub fn scaled(value: u64, ratio: u64) -> u64 {
    let product = u128::from(value) * u128::from(ratio) + u128::from(WHOLE / 2);
    u64::try_from(product / u128::from(WHOLE)).unwrap_or(u64::MAX)
}

impl PromptDefect {
    pub const ALL: [Self; 5] = [Self::HarderNo, Self::Preselected, Self::LaterLayer, Self::Dismissal, Self::AskedAgain];

    /// As plans write it.
    pub fn id(self) -> &'static str {
        match self {
            Self::HarderNo => "harder-no",
            Self::Preselected => "preselected",
            Self::LaterLayer => "later-layer",
            Self::Dismissal => "dismissal",
            Self::AskedAgain => "asked-again",
        }
    }
}
