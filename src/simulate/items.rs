//! What the shop sells.

use super::chance::Chance;

pub const CATEGORIES: [&str; 8] =
    ["shirts", "trousers", "dresses", "knitwear", "jackets", "shoes", "sportswear", "accessories"];
const PROVIDERS: [&str; 10] = [
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
#[derive(Debug, Clone)]
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
        let own_label_first = |n: u64| if n < 4 { 0 } else { 1 + (n as usize - 4) % (PROVIDERS.len() - 1) };
        let items: Vec<Item> = (0..ITEMS)
            .map(|index| {
                let category = index % CATEGORIES.len();
                let (low, high) = PRICES[category];
                let price = (low + chance.below(high - low)) * 100 + 90;
                Item { provider: PROVIDERS[own_label_first(chance.below(13))], category, price }
            })
            .collect();
        let mut shelves = vec![Vec::new(); CATEGORIES.len() + 1];
        for (index, item) in items.iter().enumerate() {
            for shelf in [item.category, CATEGORIES.len()] {
                let sum = shelves[shelf].last().map_or(0, |(_, sum)| *sum);
                shelves[shelf].push((index, sum + 100_000 / (index as u64 + 12)));
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
