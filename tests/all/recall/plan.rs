//! What is planted: a file for each shop under `tests/all/recall/shops`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A shop, with and without what is planted in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    pub shop: String,
    /// What it has beyond the simulated shop, in words.
    pub about: String,
    pub subjects: usize,
    pub decisions: usize,
    /// Shops with and as many without what is planted.
    pub seeds: u64,
    /// Whether what the rules say depends on chance.
    pub chance: bool,
    /// Audits of clean shops before each one, which a ledger and a baseline tell of.
    #[serde(default)]
    pub earlier: usize,
    /// The group of defects that the earlier ones have, too.
    pub lasting: Option<String>,
    /// Effects of the plan by which both are simulated.
    #[serde(default)]
    pub plan: Vec<Value>,
    /// What both have besides: without it some rules would have nothing to look at.
    #[serde(default)]
    pub evidence: Vec<Edit>,
    pub planted: Vec<Planted>,
    /// Rules that leave out every fact of a shop without the defect, and why.
    #[serde(default)]
    pub unasked: BTreeMap<String, String>,
    /// Rules that are known to miss a bound, and why.
    #[serde(default)]
    pub known: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// What it is and how much of it, in words.
    pub what: String,
    /// Defects of one group stand in one shop.
    #[serde(default)]
    pub group: String,
    /// Effects of the plan by which the shop is simulated (`probity simulate --plan`).
    #[serde(default)]
    pub plan: Vec<Value>,
    /// Changes of the shop that was simulated.
    #[serde(default)]
    pub edits: Vec<Edit>,
    /// The rules that must find it, and on which fact: the fields that tell it from others.
    pub fails: BTreeMap<String, Map<String, Value>>,
}

impl Shop {
    /// All of them, in the order of their file names.
    pub fn all() -> Vec<Self> {
        let folder = folder();
        let entries = std::fs::read_dir(&folder).expect("the shops are there").flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().map(|path| read(path)).collect()
    }

    /// The groups of defects, each of which makes a shop.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = self.planted.iter().map(|planted| planted.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The plan by which a shop is simulated, with what one group plants by it, as YAML.
    pub fn plan(&self, seed: u64, group: Option<&str>) -> String {
        let planted = group.into_iter().flat_map(|group| self.of_group(group)).flat_map(|planted| &planted.plan);
        let effects: Vec<&Value> = self.plan.iter().chain(planted).collect();
        let (subjects, decisions) = (self.subjects, self.decisions);
        json!({"probity-shop": 1, "seed": seed, "subjects": subjects, "decisions": decisions, "effects": effects})
            .to_string()
    }

    /// Whether the group needs a plan of its own.
    pub fn has_plan(&self, group: &str) -> bool {
        self.of_group(group).any(|planted| !planted.plan.is_empty())
    }

    pub fn of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Planted> {
        self.planted.iter().filter(move |planted| planted.group == group)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/recall/shops")
}

fn read(path: &Path) -> Shop {
    let text = std::fs::read_to_string(path).expect("the file is text");
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A change of one file of the shop.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    Document(Document),
    File(File),
    Table(Table),
    Rows(Rows),
    Lives(Lives),
    Buyers(Buyers),
    History(History),
}

/// A change within a YAML document.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    #[serde(rename = "in")]
    pub file: String,
    /// Keys joined by `/`; an element of a list by its id, name or whatever it is called by, or by its number.
    pub at: String,
    pub set: Option<Value>,
    /// To the list there.
    pub append: Option<Value>,
    #[serde(default)]
    pub remove: bool,
}

/// A file of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// Column to value, or values, or a comparison: `">100"`.
pub type Where = BTreeMap<String, Value>;
/// Column to what stands there: a value; `=column` copies it; `1..9` draws a whole number; a map draws by weight.
pub type Cells = BTreeMap<String, Value>;

/// A change of rows that are there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    #[serde(rename = "in")]
    pub table: String,
    /// Columns of the table, or of the subject that the row is about.
    #[serde(default, rename = "where")]
    pub filter: Where,
    /// Of those rows, the share that is changed.
    #[serde(default = "one")]
    pub share: f64,
    /// Of the people, the share whose rows are changed.
    #[serde(default = "one")]
    pub people: f64,
    #[serde(default)]
    pub set: Cells,
    #[serde(default)]
    pub drop: bool,
    /// Of the ones in a list of flags, the share that stays.
    #[serde(default)]
    pub thin: BTreeMap<String, f64>,
    /// Of the zeros in a list of flags, the share that turns to one.
    #[serde(default)]
    pub raise: BTreeMap<String, f64>,
    /// What the numbers of a list are multiplied by.
    #[serde(default)]
    pub times: BTreeMap<String, f64>,
    /// New lists, beside those of the items: the share of ones.
    #[serde(default)]
    pub flags: BTreeMap<String, f64>,
    pub exchange: Option<Exchange>,
}

/// Items in a list that give way to others of the catalogue, at their list prices.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    pub share: f64,
    #[serde(default)]
    pub from: Where,
    pub to: Where,
}

/// New rows, so many for each subject.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    #[serde(rename = "in")]
    pub table: String,
    /// Which subjects.
    #[serde(default, rename = "where")]
    pub filter: Where,
    #[serde(default = "one")]
    pub people: f64,
    #[serde(default = "once")]
    pub each: usize,
    pub set: Cells,
}

/// Orders of people after a day: each leaves for good with a chance of `leave` at some day of `days`, and orders every
/// `gap` days in the mean as long as it stays.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lives {
    #[serde(default, rename = "where")]
    pub filter: Where,
    pub from: chrono::NaiveDate,
    pub days: u64,
    pub leave: f64,
    pub gap: u64,
    /// Mean money of an order.
    pub value: f64,
}

/// Orders of people after a day, as the models of buying have them: each orders by chance at a pace of their own, every `pace`
/// days in the mean (its inverse is exponential over people), and leaves after an order with a chance that is beta(1, 3).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buyers {
    #[serde(default, rename = "where")]
    pub filter: Where,
    pub from: chrono::NaiveDate,
    pub days: u64,
    pub pace: f64,
    /// Mean money of an order.
    pub value: f64,
    /// How much more of it at the mean pace than at rest: 1 is twice as much.
    #[serde(default)]
    pub together: f64,
}

/// What people had before the log: of each person so many of the items that the log shows them, by lot, as if they had
/// been shown the like before.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    pub each: usize,
}

fn one() -> f64 {
    1.0
}

fn once() -> usize {
    1
}
