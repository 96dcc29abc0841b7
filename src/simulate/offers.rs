//! Which articles are shown and at which price: the same for all, but for what is planted of that.

use std::collections::{BTreeMap, BTreeSet};

use super::chance::Chance;
use super::items::Catalogue;
use super::people::Subject;
use super::plan::{Plan, WHOLE, What, Whom, scaled};
use super::{DAY, LENGTH, START};

/// Prices move by this many thousandths up and down, by article and day.
const MOVES: u64 = 20;
/// So many of the most popular articles are the best sellers.
const BEST: u64 = 20;
/// Of a place of the list that is to change, how often another article is looked for.
const TRIES: usize = 20;

/// What is shown of the catalogue, and its prices.
pub struct Offers<'a> {
    catalogue: &'a Catalogue,
    plan: &'a Plan,
    /// Day by day, each article's price in hundredths.
    prices: Vec<Vec<u64>>,
    exchanges: Chance,
}

impl<'a> Offers<'a> {
    pub fn draw(plan: &'a Plan, catalogue: &'a Catalogue) -> Self {
        let mut moves = Chance::new(plan.seed, 8);
        let mut today = |price: u64| (price * (1_000 - MOVES + moves.below(2 * MOVES + 1)) + 500) / 1_000;
        let days = 0..=LENGTH / DAY;
        let prices = days.map(|_| catalogue.items.iter().map(|item| today(item.price)).collect()).collect();
        Self { catalogue, plan, prices, exchanges: Chance::new(plan.seed, 9) }
    }

    /// The price shown, in hundredths of the currency.
    pub fn price(&self, item: usize, time: i64, subject: &Subject, strategy: &str, book: &mut Offered) -> u64 {
        // Days are those of UTC, as in the audit's windows.
        let day = usize::try_from((time - START) / DAY).unwrap_or(0).min(self.prices.len() - 1);
        let surcharges = self.plan.each(|what| match what {
            What::Price { ratio } => Some(*ratio),
            _ => None,
        });
        let mut product = WHOLE;
        for (at, _, ratio) in surcharges.filter(|(_, whom, _)| whom.holds(strategy, subject)) {
            product = scaled(product, ratio);
            *book.surcharged.entry(at).or_default() += 1;
        }
        scaled(self.prices[day][item], product)
    }

    /// Puts other articles into some places of a list. What is `bought` stays, so that neither outcomes nor revenue depend
    /// on this.
    pub fn exchange(
        &mut self,
        person: u32,
        subject: &Subject,
        strategy: &str,
        items: &mut [usize],
        book: &mut Offered,
        bought: impl Fn(usize) -> bool,
    ) {
        let plan = self.plan;
        for (at, effect) in plan.effects.iter().enumerate() {
            if !effect.whom.holds(strategy, subject) {
                continue;
            }
            for place in 0..items.len() {
                let other = match bought(place) {
                    true => None,
                    false => self.instead(&effect.what, subject, items, place),
                };
                if matches!(effect.what, What::Steering { .. }) {
                    let sums = book.steered.entry(at).or_default();
                    sums.0 += self.catalogue.items[items[place]].price;
                    sums.1 += self.catalogue.items[other.unwrap_or(items[place])].price;
                }
                if let Some(other) = other {
                    items[place] = other;
                    *book.exchanged.entry(at).or_default() += 1;
                    book.touch(at, person);
                }
            }
        }
    }

    /// The article that an effect puts in a place, if it changes that place.
    fn instead(&mut self, what: &What, subject: &Subject, items: &[usize], place: usize) -> Option<usize> {
        let catalogue = &self.catalogue.items;
        let out = catalogue[items[place]];
        let free = |index: &usize| !items.contains(index);
        match what {
            What::Provider { favoured, instead_of, share } => {
                if out.provider != *instead_of || !self.exchanges.per_million(*share) {
                    return None;
                }
                // The nearest in kind and price, so that lists are about what they were, and as dear.
                let own = (0..catalogue.len()).filter(|index| catalogue[*index].provider == *favoured).filter(free);
                own.min_by_key(|index| {
                    let item = catalogue[*index];
                    (item.category != out.category, item.price.abs_diff(out.price))
                })
            }
            What::Steering { ratio } => {
                let wanted = scaled(out.price, *ratio);
                let gain = |index: usize| catalogue[index].price.abs_diff(wanted);
                // Of the same provider, so that nobody's share of the attention changes.
                let same = (0..catalogue.len()).filter(|index| catalogue[*index].provider == out.provider).filter(free);
                same.min_by_key(|index| gain(*index)).filter(|index| gain(*index) < out.price.abs_diff(wanted))
            }
            What::BestSellers { share } => {
                let hit = self.exchanges.per_million(*share);
                let mut draws = (0..TRIES).map(|_| self.exchanges.below(BEST) as usize);
                if hit { draws.find(free) } else { None }
            }
            What::OffTaste { share } => {
                let hit = self.exchanges.per_million(*share);
                let all = catalogue.len() as u64;
                let mut draws = (0..TRIES).map(|_| self.exchanges.below(all) as usize);
                let other = |index: &usize| free(index) && catalogue[*index].category != subject.taste;
                if hit { draws.find(other) } else { None }
            }
            _ => None,
        }
    }
}

/// The book kept while showing. Effects are told by their place in the plan.
#[derive(Default)]
pub struct Offered {
    /// Impressions at a higher or lower price.
    pub surcharged: BTreeMap<usize, u64>,
    /// Impressions of the providers that an effect names, among those whom it hits.
    pub shown: BTreeMap<(usize, &'static str), u64>,
    /// Impressions that became others.
    pub exchanged: BTreeMap<usize, u64>,
    /// List prices of what would have been shown and of what was.
    pub steered: BTreeMap<usize, (u64, u64)>,
    /// Decisions and people that chance picked for an effect.
    pub touched: BTreeMap<usize, (u64, BTreeSet<u32>)>,
    /// Whether the effect has touched the decision at hand.
    now: BTreeSet<usize>,
}

impl Offered {
    /// From here on another decision is at hand.
    pub fn next(&mut self) {
        self.now.clear();
    }

    /// The decision at hand is one of those that the effect changed.
    pub fn touch(&mut self, effect: usize, person: u32) {
        if self.now.insert(effect) {
            let (events, people) = self.touched.entry(effect).or_default();
            *events += 1;
            people.insert(person);
        }
    }

    /// One impression.
    pub fn show(&mut self, plan: &Plan, whom: impl Fn(&Whom) -> bool, provider: &'static str) {
        let named = plan.each(|what| match what {
            What::Provider { favoured, instead_of, .. } => Some([*favoured, *instead_of]),
            _ => None,
        });
        for (at, ..) in named.filter(|(_, own, both)| both.contains(&provider) && whom(own)) {
            *self.shown.entry((at, provider)).or_default() += 1;
        }
    }
}
