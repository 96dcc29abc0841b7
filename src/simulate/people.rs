//! The shop's customers: who they are, how often they come, how readily they click.

use super::Options;
use super::biography::{Biography, Kind};
use super::chance::Chance;

/// Subjects of the region that is too small to tell.
const SMALL_REGION: usize = 45;
/// Subjects of the region below the smallest cell that is shown.
const TINY_REGION: usize = 22;

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
}

impl Subject {
    /// What the planted differences between segments make of a click's chance, in thousandths.
    pub fn planted(&self, clean: bool) -> u64 {
        if clean {
            return 1_000;
        }
        let age = if self.age_band == "65+" { 700 } else { 1_000 };
        let region = if self.region == "alps" { 870 } else { 1_000 };
        age * region / 1_000
    }
}

/// Draws all subjects. Segments, biographies and eagerness are independent of each other; California, with its own
/// law and so its own biographies, and the region planted as too small to tell are the exceptions.
pub fn draw(options: &Options) -> Vec<Subject> {
    let mut chance = Chance::new(options.seed, 1);
    let places = places(options, &mut chance);
    let mut small = 0;
    places
        .into_iter()
        .map(|region| {
            let jurisdiction = if region == "pacific" { "US-CA" } else { "DE" };
            let drawn = kind(jurisdiction, options.clean, &mut chance);
            let kind = if region == "alps" {
                small += 1;
                // Nine in ten are served by `home-hybrid`, so that its cell is small and yet shown.
                if small % 10 == 0 { drawn } else { Kind::Combined }
            } else {
                drawn
            };
            let eagerness = [(400, 6), (600, 13), (800, 20), (1_000, 22), (1_200, 20), (1_400, 13), (1_600, 6)];
            Subject {
                age_band: chance.weighted(&[("18-29", 22), ("30-44", 33), ("45-64", 25), ("65+", 17), ("", 3)]),
                gender: chance.weighted(&[("female", 52), ("male", 43), ("", 5)]),
                region: match (region, options.clean) {
                    ("alps", true) => "south",
                    ("islands", true) => "north",
                    _ => region,
                },
                tenure: chance.weighted(&[("under 1 year", 3), ("1-3 years", 4), ("over 3 years", 3)]),
                jurisdiction,
                biography: Biography::write(kind, &mut chance),
                activity: chance.weighted(&[(1, 20), (2, 30), (3, 25), (4, 15), (6, 10)]),
                eagerness: chance.weighted(&eagerness),
                taste: chance.below(super::items::CATEGORIES.len() as u64) as usize,
                picks_up: chance.per_mille(200),
            }
        })
        .collect()
}

/// A region for each subject.
fn places(options: &Options, chance: &mut Chance) -> Vec<&'static str> {
    let small = SMALL_REGION.min(options.subjects / 20);
    let tiny = TINY_REGION.min(options.subjects / 40);
    let mut places = vec!["alps"; small];
    places.resize(small + tiny, "islands");
    while places.len() < options.subjects {
        let regions = [("west", 27), ("south", 24), ("north", 20), ("east", 17), ("pacific", 10), ("", 2)];
        places.push(chance.weighted(&regions));
    }
    chance.shuffle(&mut places);
    places
}

fn kind(jurisdiction: &str, clean: bool, chance: &mut Chance) -> Kind {
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
    if clean && drawn == Kind::NoRecord { Kind::Refused } else { drawn }
}
