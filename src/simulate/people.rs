//! The shop's customers: who they are, how often they come, how readily they click.

use super::biography::{Biography, Kind};
use super::chance::Chance;
use super::conduct::Defect;
use super::plan::{Plan, What, scaled};

/// What is known of people, and the values that it can have.
pub const ATTRIBUTES: [(&str, &[&str]); 4] = [
    ("age_band", &["18-29", "30-44", "45-64", "65+"]),
    ("gender", &["female", "male"]),
    ("region", &["west", "south", "north", "east", "pacific", "alps", "islands"]),
    ("tenure", &["under 1 year", "1-3 years", "over 3 years"]),
];
/// Loyalty tiers.
const TIERS: [&str; 4] = ["basic", "bronze", "silver", "gold"];
/// The share of people who are dealt to the arm without personalization, in millionths.
pub const HOLDOUT: u64 = 100_000;

/// A customer.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Empty when the shop does not know it; so are gender and region.
    pub age_band: &'static str,
    pub gender: &'static str,
    pub region: &'static str,
    pub tenure: &'static str,
    pub jurisdiction: &'static str,
    pub biography: Biography,
    /// How often they come, relative to others.
    pub activity: u64,
    /// How readily they click, in thousandths of the mean.
    pub eagerness: u64,
    /// Which category of clothes they favour.
    pub taste: usize,
    /// Fetches orders from a branch.
    pub picks_up: bool,
    /// Dealt to the arm without personalization.
    pub holdout: bool,
    pub minor: bool,
    /// Sends the Global Privacy Control.
    pub signals: bool,
    pub tier: &'static str,
    /// Whether the tier was made to tell an attribute.
    pub told_by_tier: bool,
}

impl Subject {
    /// The value of one of [`ATTRIBUTES`]; empty when the shop does not know it.
    pub fn attribute(&self, name: &str) -> &'static str {
        match name {
            "age_band" => self.age_band,
            "gender" => self.gender,
            "region" => self.region,
            "tenure" => self.tenure,
            _ => "",
        }
    }
}

/// Draws all subjects. Segments, biographies and eagerness are independent of each other; California, with its own
/// law and so its own biographies, and regions planted as small are the exceptions.
pub fn draw(plan: &Plan) -> Vec<Subject> {
    let mut chance = Chance::new(plan.seed, 1);
    let places = places(plan, &mut chance);
    let records_missing = plan.plants(|what| matches!(what, What::Consent { defect: Defect::NoRecord, .. }));
    let mut small = 0;
    let mut traits = Traits::of(plan);
    places
        .into_iter()
        .map(|region| {
            let jurisdiction = if region == "pacific" { "US-CA" } else { "DE" };
            let drawn = kind(jurisdiction, records_missing, &mut chance);
            let kind = if super::plan::SMALL.contains(&region) {
                small += 1;
                // Nine in ten are served by `home-hybrid`, so that its cell is small and yet shown.
                if small % 10 == 0 { drawn } else { Kind::Combined }
            } else {
                drawn
            };
            let eagerness = [(400, 6), (600, 13), (800, 20), (1_000, 22), (1_200, 20), (1_400, 13), (1_600, 6)];
            let mut subject = Subject {
                age_band: chance.weighted(&[("18-29", 22), ("30-44", 33), ("45-64", 25), ("65+", 17), ("", 3)]),
                gender: chance.weighted(&[("female", 52), ("male", 43), ("", 5)]),
                region,
                tenure: chance.weighted(&[("under 1 year", 3), ("1-3 years", 4), ("over 3 years", 3)]),
                jurisdiction,
                biography: Biography::write(kind, &mut chance),
                activity: chance.weighted(&[(1, 20), (2, 30), (3, 25), (4, 15), (6, 10)]),
                eagerness: chance.weighted(&eagerness),
                taste: chance.below(super::items::CATEGORIES.len() as u64) as usize,
                picks_up: chance.per_mille(200),
                holdout: false,
                minor: false,
                signals: false,
                tier: "",
                told_by_tier: false,
            };
            traits.give(&mut subject);
            subject
        })
        .collect()
}

/// What only some plans need to be known of people.
struct Traits {
    chance: Chance,
    /// Shares, in millionths.
    holdout: u64,
    minors: u64,
    signals: u64,
    /// The attribute that the tier tells, and for which share.
    tier: (&'static str, u64),
}

impl Traits {
    fn of(plan: &Plan) -> Self {
        let allocation = plan.one(|what| match what {
            What::Allocation { ratio } => Some(*ratio),
            _ => None,
        });
        let holdout = if plan.has_arms() { HOLDOUT } else { 0 };
        let minors = plan.one(|what| match what {
            What::Minors { share } => Some(*share),
            _ => None,
        });
        let signals = plan.one(|what| match what {
            What::PrivacySignal { share } => Some(*share),
            _ => None,
        });
        let tier = plan.one(|what| match what {
            What::Proxy { attribute, share } => Some((*attribute, *share)),
            _ => None,
        });
        Self {
            chance: Chance::new(plan.seed, 11),
            holdout: allocation.map_or(holdout, |ratio| scaled(holdout, ratio)),
            minors: minors.unwrap_or(0),
            signals: signals.unwrap_or(0),
            tier: tier.unwrap_or(("", 0)),
        }
    }

    fn give(&mut self, subject: &mut Subject) {
        let chance = &mut self.chance;
        subject.holdout = chance.per_million(self.holdout);
        subject.minor = chance.per_million(self.minors);
        subject.signals = chance.per_million(self.signals) && subject.jurisdiction == "US-CA";
        let (attribute, share) = self.tier;
        let (tells, any) = (chance.per_million(share), chance.below(TIERS.len() as u64) as usize);
        let values = ATTRIBUTES.iter().find(|(name, _)| *name == attribute).map_or(&[][..], |(_, values)| values);
        let told = values.iter().position(|value| *value == subject.attribute(attribute)).filter(|_| tells);
        subject.told_by_tier = told.is_some();
        subject.tier = TIERS[told.unwrap_or(any) % TIERS.len()];
    }
}

/// A region for each subject.
fn places(plan: &Plan, chance: &mut Chance) -> Vec<&'static str> {
    let mut places = Vec::new();
    let small = plan.each(|what| match what {
        What::SmallSegment { subjects } => Some(*subjects),
        _ => None,
    });
    for (_, whom, subjects) in small {
        let region = whom.segment.iter().map(|(_, region)| *region).next().unwrap_or_default();
        // A small shop has fewer of them, too.
        places.resize(places.len() + subjects.min(plan.subjects / 20), region);
    }
    while places.len() < plan.subjects {
        let regions = [("west", 27), ("south", 24), ("north", 20), ("east", 17), ("pacific", 10), ("", 2)];
        places.push(chance.weighted(&regions));
    }
    chance.shuffle(&mut places);
    places
}

fn kind(jurisdiction: &str, records_missing: bool, chance: &mut Chance) -> Kind {
    let drawn = if jurisdiction == "US-CA" {
        chance.weighted(&[
            (Kind::OptOutSilent, 45),
            (Kind::Combined, 30),
            (Kind::OptOutRefused, 14),
            (Kind::Refused, 8),
            (Kind::OptOutUnrecorded, 3),
        ])
    } else {
        chance.weighted(&[
            (Kind::Combined, 51),
            (Kind::Singles, 14),
            (Kind::WebOnly, 8),
            (Kind::Refused, 9),
            (Kind::Withdrew, 6),
            (Kind::Renewed, 4),
            (Kind::Late, 3),
            (Kind::Expired, 2),
            (Kind::NoRecord, 3),
        ])
    };
    if !records_missing && drawn == Kind::NoRecord { Kind::Refused } else { drawn }
}
