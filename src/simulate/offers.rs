//! At which price articles are shown, and whose: the same for all, but for what is planted here.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::items::Catalogue;
use super::people::Subject;
use super::plan::{HYBRID, WEB};
use super::truth::{Placement, Surcharge};
use super::{DAY, LENGTH, Options, START};

/// Under [`HYBRID`], people of this region are shown [`SURCHARGE`] thousandths of the price.
const DEARER: &str = "south";
const SURCHARGE: u64 = 1_040;
/// Under [`WEB`], [`EXCHANGED`] thousandths of what the second provider would show are the first one's.
const FAVOURED: &str = "own-label";
const PUSHED_OUT: &str = "Marlow";
const EXCHANGED: u64 = 500;
/// Prices move by this many thousandths up and down, by article and day.
const MOVES: u64 = 20;

/// What is shown of the catalogue, and its prices.
pub struct Offers<'a> {
    catalogue: &'a Catalogue,
    clean: bool,
    /// Day by day, each article's price in hundredths.
    prices: Vec<Vec<u64>>,
    exchanges: Chance,
}

impl<'a> Offers<'a> {
    pub fn draw(options: &Options, catalogue: &'a Catalogue) -> Self {
        let mut moves = Chance::new(options.seed, 8);
        let mut today = |price: u64| rounded(price * (1_000 - MOVES + moves.below(2 * MOVES + 1)));
        let days = 0..=LENGTH / DAY;
        let prices = days.map(|_| catalogue.items.iter().map(|item| today(item.price)).collect()).collect();
        Self { catalogue, clean: options.clean, prices, exchanges: Chance::new(options.seed, 9) }
    }

    /// The price shown, in hundredths of the currency, and whether it holds the surcharge.
    pub fn price(&self, item: usize, time: i64, subject: &Subject, strategy: &str) -> (u64, bool) {
        // Days are those of UTC, as in the audit's windows.
        let day = usize::try_from((time - START) / DAY).unwrap_or(0).min(self.prices.len() - 1);
        let price = self.prices[day][item];
        let dearer = !self.clean && strategy == HYBRID && subject.region == DEARER;
        (if dearer { rounded(price * SURCHARGE) } else { price }, dearer)
    }

    /// Puts articles of [`FAVOURED`] in the place of those of [`PUSHED_OUT`], and tells how many. What is `bought`
    /// stays, so that neither outcomes nor revenue depend on this.
    pub fn exchange(&mut self, strategy: &str, items: &mut [usize], bought: impl Fn(usize) -> bool) -> u64 {
        if self.clean || strategy != WEB {
            return 0;
        }
        let mut exchanged = 0;
        for place in 0..items.len() {
            let out = self.catalogue.items[items[place]];
            if out.provider != PUSHED_OUT || !self.exchanges.per_mille(EXCHANGED) || bought(place) {
                continue;
            }
            // The nearest in kind and price, so that lists are about what they were, and as dear.
            let candidates = self.catalogue.items.iter().enumerate();
            let other = candidates
                .filter(|(index, item)| item.provider == FAVOURED && !items.contains(index))
                .min_by_key(|(_, item)| (item.category != out.category, item.price.abs_diff(out.price)));
            if let Some((other, _)) = other {
                items[place] = other;
                exchanged += 1;
            }
        }
        exchanged
    }
}

/// Thousandths as a whole number.
fn rounded(thousandths: u64) -> u64 {
    (thousandths + 500) / 1_000
}

/// The book kept while showing.
#[derive(Default)]
pub struct Offered {
    /// Impressions by strategy and provider.
    shown: BTreeMap<(&'static str, &'static str), u64>,
    surcharged: u64,
    exchanged: u64,
}

impl Offered {
    /// One impression, and whether at the surcharge.
    pub fn show(&mut self, strategy: &'static str, provider: &'static str, dearer: bool) {
        *self.shown.entry((strategy, provider)).or_default() += 1;
        self.surcharged += u64::from(dearer);
    }

    /// Impressions that went from one provider to the other.
    pub fn exchange(&mut self, impressions: u64) {
        self.exchanged += impressions;
    }

    pub fn surcharges(&self) -> Vec<Surcharge> {
        vec![Surcharge {
            strategy: HYBRID.to_owned(),
            attribute: "region".to_owned(),
            value: DEARER.to_owned(),
            ratio: SURCHARGE as f64 / 1_000.0,
            impressions: self.surcharged,
        }]
    }

    pub fn placements(&self) -> Vec<Placement> {
        let planted = [(FAVOURED, 1_000 + EXCHANGED), (PUSHED_OUT, 1_000 - EXCHANGED)];
        let placement = |(provider, ratio): (&'static str, u64)| Placement {
            strategy: WEB.to_owned(),
            provider: provider.to_owned(),
            ratio: ratio as f64 / 1_000.0,
            impressions: self.shown.get(&(WEB, provider)).copied().unwrap_or_default(),
            exchanged: self.exchanged,
        };
        planted.into_iter().map(placement).collect()
    }
}
