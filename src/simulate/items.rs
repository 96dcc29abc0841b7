//! What the shop sells.

use super::chance::Chance;

pub const CATEGORIES: [&str; 8] =
    ["shirts", "trousers", "dresses", "knitwear", "jackets", "shoes", "sportswear", "accessories"];
pub const PROVIDERS: [&str; 10] = [
    "own-label",
    "Aldergrove",
    "Brisa",
    "Cordwain",
    "Dune & Daughter",
    "Fjordlight",
    "Kestrel",
    "Marlow",
    "Northlane",
    "Tessel",
];
/// Lowest and highest price of each category, in units of the currency.
const PRICES: [(u64, u64); 8] = [(15, 60), (25, 90), (30, 120), (30, 110), (60, 180), (40, 150), (20, 80), (5, 40)];
const ITEMS: usize = 400;

/// An article.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub provider: &'static str,
    /// Index into [`CATEGORIES`].
    pub category: usize,
    /// In hundredths of the currency.
    pub price: u64,
}

impl Item {
    pub fn id(index: usize) -> String {
        format!("i{index:03}")
    }
}

/// All articles, from the most to the least popular.
pub struct Catalogue {
    pub items: Vec<Item>,
    /// Per category and, at the end, over all: the articles with the running sums of their weights.
    shelves: Vec<Vec<(usize, u64)>>,
}

impl Catalogue {
    pub fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed, 2);
        let mut lots = Vec::with_capacity(ITEMS);
        let mut items: Vec<Item> = (0..ITEMS)
            .map(|index| {
                let category = index % CATEGORIES.len();
                let (low, high) = PRICES[category];
                let price = (low + chance.below(high - low)) * 100 + 90;
                lots.push(chance.below(1_000));
                Item { provider: "", category, price }
            })
            .collect();
        deal(&mut items, &lots);
        let mut shelves = vec![Vec::new(); CATEGORIES.len() + 1];
        for (index, item) in items.iter().enumerate() {
            for shelf in [item.category, CATEGORIES.len()] {
                let sum = shelves[shelf].last().map_or(0, |(_, sum)| *sum);
                shelves[shelf].push((index, sum + popularity(index)));
            }
        }
        Self { items, shelves }
    }

    /// `count` different articles by popularity; with a taste, half of them from its category.
    pub fn choose(&self, count: usize, taste: Option<usize>, chance: &mut Chance) -> Vec<usize> {
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let shelf = match taste {
                Some(category) if chance.per_mille(500) => category,
                _ => CATEGORIES.len(),
            };
            let shelf = &self.shelves[shelf];
            let draw = chance.below(shelf.last().map_or(0, |(_, sum)| *sum));
            let (item, _) = shelf[shelf.partition_point(|(_, sum)| *sum <= draw)];
            if !chosen.contains(&item) {
                chosen.push(item);
            }
        }
        chosen
    }
}

/// How often an article is drawn, relative to others.
fn popularity(index: usize) -> u64 {
    100_000 / (index as u64 + 12)
}

/// Deals the articles, from the most popular down and one to each provider a round, so that all have as many and, as
/// far as it goes, as popular ones: whoever has the least popular so far has the first choice; where two have the same,
/// the lot decides.
fn deal(items: &mut [Item], lots: &[u64]) {
    let mut held = PROVIDERS.map(|provider| (0, provider));
    for (round, articles) in items.chunks_mut(PROVIDERS.len()).enumerate() {
        let first = round * PROVIDERS.len();
        let mut order: Vec<usize> = (0..PROVIDERS.len()).collect();
        order.sort_by_key(|provider| (held[*provider].0, lots[first + provider], *provider));
        for (place, (article, provider)) in articles.iter_mut().zip(order).enumerate() {
            article.provider = held[provider].1;
            held[provider].0 += popularity(first + place);
        }
    }
}
