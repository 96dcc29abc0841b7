//! A simulated shop read back, so that it can be changed: YAML documents as values, tables as rows of text.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::Path;

use probity::simulate::{self, Plan};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Map, Value};

use super::documents::{child, is_called};
use super::plan::{Buyers, Document, Edit, Exchange, Lives, Rows, Table, Where};

const BETWEEN: char = '|';
const DOCUMENTS: [&str; 3] = ["audit.yaml", "data-map.yaml", "consent-policy.yaml"];

/// Seeded chance. Each edit draws from its own, so that an edit more changes no other.
pub struct Chance(ChaCha12Rng);

impl Chance {
    fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha12Rng::seed_from_u64(seed.wrapping_add(0x7265_6361_6c6c));
        generator.set_stream(stream);
        Self(generator)
    }

    /// Uniform from 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }
}

#[derive(Clone, Default)]
struct Grid {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    fn read(mut reader: csv::Reader<impl Read>) -> Self {
        let header = reader.headers().expect("a header").iter().map(str::to_owned).collect();
        let rows = reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect();
        Self { header, rows }
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The place of a column, which is made when it is not there.
    fn place(&mut self, name: &str) -> usize {
        self.column(name).unwrap_or_else(|| {
            self.header.push(name.to_owned());
            self.rows.iter_mut().for_each(|row| row.push(String::new()));
            self.header.len() - 1
        })
    }
}

/// A shop as it is written.
#[derive(Clone)]
pub struct Stock {
    seed: u64,
    documents: BTreeMap<String, Value>,
    files: BTreeMap<String, String>,
    tables: BTreeMap<String, Grid>,
}

impl Stock {
    /// A shop simulated by a plan.
    pub fn simulated(plan: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plan = Plan::parse(Path::new("plan.yaml"), plan).unwrap_or_else(|error| panic!("{error:?}"));
        simulate::write(&plan, folder.path()).expect("a shop");
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("the shop has the file");
        let document = |name: &str| serde_saphyr::from_str(&text(name)).expect("YAML");
        let documents = DOCUMENTS.map(|name| (name.to_owned(), document(name)));
        let mut tables = BTreeMap::new();
        for (name, file) in [("subjects", "subjects.csv"), ("consent", "consent.csv")] {
            tables.insert(name.to_owned(), Grid::read(csv::Reader::from_reader(text(file).as_bytes())));
        }
        tables.insert("items".to_owned(), items(&text("items.jsonl")));
        tables.insert("log".to_owned(), log(&folder.path().join("recommendations")));
        let files = [("lineage.jsonl".to_owned(), text("lineage.jsonl"))].into();
        let mut stock = Self { seed: plan.seed, documents: documents.into(), files, tables };
        for (at, path) in [("recommendations", "log.csv"), ("items", "items.csv")] {
            let at = format!("evidence/{at}/path");
            let set = Some(path.into());
            stock.document(&Document { file: DOCUMENTS[0].into(), at, set, append: None, remove: false });
        }
        stock
    }

    pub fn write(&self, folder: &Path) {
        let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("the file is written");
        for (name, value) in &self.documents {
            // JSON is YAML.
            put(name, &serde_json::to_vec_pretty(value).expect("JSON"));
        }
        self.files.iter().for_each(|(name, text)| put(name, text.as_bytes()));
        for (name, grid) in &self.tables {
            let mut writer = csv::Writer::from_path(folder.join(format!("{name}.csv"))).expect("a file");
            std::iter::once(&grid.header).chain(&grid.rows).for_each(|row| writer.write_record(row).expect("a row"));
            writer.flush().expect("the file is written");
        }
    }

    /// Makes the changes in their order. `stream` tells the chance of these edits from that of others.
    pub fn edit<'a>(&mut self, edits: impl Iterator<Item = &'a Edit>, stream: u64) {
        for (edit, number) in edits.zip(0..) {
            let chance = Chance::new(self.seed, stream + number);
            match edit {
                Edit::Document(of) => self.document(of),
                Edit::File(of) => drop(self.files.insert(of.name.clone(), of.text.clone())),
                Edit::Table(of) => self.table(of, chance),
                Edit::Rows(of) => self.rows(of, chance),
                Edit::Lives(of) => self.lives(of, chance),
                Edit::Buyers(of) => self.buyers(of, chance),
                Edit::History(of) => self.history(of.each, chance),
            }
        }
    }

    fn document(&mut self, edit: &Document) {
        let root = self.documents.get_mut(&edit.file).unwrap_or_else(|| panic!("no document {}", edit.file));
        let (parents, last) = edit.at.rsplit_once('/').unwrap_or(("", &edit.at));
        let mut value = root;
        for key in parents.split('/').filter(|key| !key.is_empty()) {
            value = child(value, key).unwrap_or_else(|| panic!("no {key} of {} in {}", edit.at, edit.file));
        }
        if let Some(element) = &edit.append {
            let list = child(value, last).unwrap_or_else(|| panic!("no list at {}", edit.at));
            list.as_array_mut().unwrap_or_else(|| panic!("no list at {}", edit.at)).push(element.clone());
        } else if edit.remove {
            assert!(child(value, last).is_some(), "nothing to remove at {}", edit.at);
            match value {
                Value::Object(map) => drop(map.shift_remove(last)),
                Value::Array(list) => list.retain(|element| !is_called(element, last)),
                _ => panic!("nothing below {}", edit.at),
            }
        } else {
            let to = edit.set.clone().unwrap_or_else(|| panic!("nothing to do at {}", edit.at));
            match value {
                Value::Object(map) => drop(map.insert(last.to_owned(), to)),
                other => *child(other, last).unwrap_or_else(|| panic!("nothing at {}", edit.at)) = to,
            }
        }
    }

    fn table(&mut self, edit: &Table, mut chance: Chance) {
        let items = self.tables["items"].clone();
        let people = self.people();
        let mut grid = self.tables.remove(&edit.table).unwrap_or_else(|| panic!("no table {}", edit.table));
        for column in edit.set.keys().chain(edit.flags.keys()) {
            grid.place(column);
        }
        let subject = grid.column("customer").or(grid.column("subject_id"));
        let choice = edit.exchange.as_ref().map(|exchange| Shelf::of(&items, exchange));
        let mut chosen: HashMap<String, bool> = HashMap::new();
        let header = grid.header.clone();
        let mut kept = Vec::with_capacity(grid.rows.len());
        for mut row in grid.rows {
            let person = subject.and_then(|at| row.get(at)).cloned().unwrap_or_default();
            let known = people.get(person.as_str());
            let cell = |name: &str| {
                let own = header.iter().position(|column| column == name).map(|at| row[at].as_str());
                own.or_else(|| known.and_then(|of| of.get(name)).map(String::as_str))
            };
            let hit = edit.filter.iter().all(|(column, value)| {
                matches(cell(column).unwrap_or_else(|| panic!("no column {column} in {}", edit.table)), value)
            });
            let of_person = edit.people >= 1.0
                || hit && *chosen.entry(person.clone()).or_insert_with(|| chance.unit() < edit.people);
            if !hit || !of_person || (edit.share < 1.0 && chance.unit() >= edit.share) {
                kept.push(row);
                continue;
            }
            if edit.drop {
                continue;
            }
            let at = |name: &str| header.iter().position(|column| column == name).expect("the column is there");
            for (column, value) in &edit.set {
                row[at(column)] = drawn(value, &|name| row[at(name)].clone(), &mut chance);
            }
            for (column, share) in &edit.flags {
                let length = row[at("items")].split(BETWEEN).count();
                let flags = (0..length).map(|_| u8::from(chance.unit() < *share).to_string());
                row[at(column)] = flags.collect::<Vec<_>>().join("|");
            }
            for (column, share) in &edit.thin {
                each(&mut row[at(column)], |flag| (flag == "1" && chance.unit() >= *share).then(|| "0".to_owned()));
            }
            for (column, share) in &edit.raise {
                each(&mut row[at(column)], |flag| (flag == "0" && chance.unit() < *share).then(|| "1".to_owned()));
            }
            for (column, ratio) in &edit.times {
                each(&mut row[at(column)], |number| {
                    let number: f64 = number.parse().expect("a number");
                    Some(format!("{:.2}", number * ratio))
                });
            }
            if let (Some(shelf), Some(exchange)) = (&choice, &edit.exchange) {
                let (mut shown, mut prices) = (split(&row[at("items")]), split(&row[at("prices")]));
                for place in 0..shown.len() {
                    if shelf.from.contains(&shown[place]) && chance.unit() < exchange.share {
                        let (item, price) = &shelf.to[chance.below(shelf.to.len())];
                        if !shown.contains(item) {
                            (shown[place], prices[place]) = (item.clone(), price.clone());
                        }
                    }
                }
                (row[at("items")], row[at("prices")]) = (shown.join("|"), prices.join("|"));
            }
            kept.push(row);
        }
        self.tables.insert(edit.table.clone(), Grid { header, rows: kept });
    }

    fn rows(&mut self, edit: &Rows, mut chance: Chance) {
        let people = self.people();
        let grid = self.tables.entry(edit.table.clone()).or_default();
        let places: BTreeMap<&String, usize> = edit.set.keys().map(|column| (column, grid.place(column))).collect();
        let width = grid.header.len();
        for of in people.values() {
            let cell = |name: &str| of.get(name).unwrap_or_else(|| panic!("no column {name} of subjects")).clone();
            let hit = edit.filter.iter().all(|(column, value)| matches(&cell(column), value));
            if !hit || (edit.people < 1.0 && chance.unit() >= edit.people) {
                continue;
            }
            for _ in 0..edit.each {
                let mut row = vec![String::new(); width];
                for (column, value) in &edit.set {
                    row[places[column]] = drawn(value, &cell, &mut chance);
                }
                grid.rows.push(row);
            }
        }
    }

    /// Orders by person, hours after a day and money.
    fn orders(&mut self, from: chrono::NaiveDate, orders: &[(&str, u64, f64)]) {
        let grid = self.tables.entry("outcomes".to_owned()).or_default();
        let places = ["subject_id", "timestamp", "kind", "value"].map(|column| grid.place(column));
        let start = from.and_hms_opt(0, 0, 0).expect("midnight").and_utc();
        for (id, hour, value) in orders {
            let time = start + chrono::TimeDelta::hours(*hour as i64);
            let cells = [(*id).to_owned(), time.to_rfc3339(), "order".into(), format!("{value:.2}")];
            let mut row = vec![String::new(); grid.header.len()];
            places.into_iter().zip(cells).for_each(|(place, cell)| row[place] = cell);
            grid.rows.push(row);
        }
    }

    fn buyers(&mut self, edit: &Buyers, mut chance: Chance) {
        let people = self.people();
        let mut orders = Vec::new();
        for (id, of) in &people {
            let rate = -(1.0 - chance.unit()).ln();
            let stops = 1.0 - (1.0 - chance.unit()).cbrt();
            if !edit.filter.iter().all(|(column, value)| matches(&of[column], value)) {
                continue;
            }
            let mut day = chance.unit() * 20.0;
            while day < edit.days as f64 {
                let value = edit.value * (1.0 + edit.together * rate) * (0.5 + chance.unit());
                orders.push((id.as_str(), (day * 24.0) as u64, value));
                if chance.unit() < stops {
                    break;
                }
                day -= (1.0 - chance.unit()).ln() * edit.pace / rate;
            }
        }
        self.orders(edit.from, &orders);
    }

    fn lives(&mut self, edit: &Lives, mut chance: Chance) {
        let people = self.people();
        let mut orders = Vec::new();
        for (id, of) in &people {
            if !edit.filter.iter().all(|(column, value)| matches(&of[column], value)) {
                continue;
            }
            let span = edit.days * 24;
            let end = if chance.unit() < edit.leave { (chance.unit() * span as f64) as u64 } else { span };
            // Gaps are uniform around their mean, the first order soon after the start.
            let mut hour = (chance.unit() * edit.gap as f64 * 12.0) as u64 + 1;
            while hour < end {
                orders.push((id.as_str(), hour, edit.value * (0.5 + chance.unit())));
                hour += ((0.5 + chance.unit()) * edit.gap as f64 * 24.0) as u64;
            }
        }
        self.orders(edit.from, &orders);
    }

    fn history(&mut self, most: usize, mut chance: Chance) {
        let log = &self.tables["log"];
        let [customer, items] = ["customer", "items"].map(|name| log.column(name).expect("the log has the column"));
        let mut shown: BTreeMap<&String, Vec<&str>> = BTreeMap::new();
        for row in &log.rows {
            shown.entry(&row[customer]).or_default().extend(row[items].split(BETWEEN));
        }
        let header = ["subject_id", "item_id", "timestamp"].map(str::to_owned).to_vec();
        let mut rows = Vec::new();
        for (person, items) in shown {
            let had = (0..most).map(|_| items[chance.below(items.len())]);
            rows.extend(had.map(|item| vec![person.clone(), item.to_owned(), "2026-01-05T12:00:00Z".to_owned()]));
        }
        self.tables.insert("history".to_owned(), Grid { header, rows });
    }

    /// The subjects by their id, each with its columns.
    fn people(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let grid = &self.tables["subjects"];
        let person = |row: &Vec<String>| grid.header.iter().cloned().zip(row.iter().cloned()).collect();
        grid.rows.iter().map(|row| (row[0].clone(), person(row))).collect()
    }
}

/// What an exchange takes out, and puts in at its list price.
struct Shelf {
    from: BTreeSet<String>,
    to: Vec<(String, String)>,
}

impl Shelf {
    fn of(items: &Grid, exchange: &Exchange) -> Self {
        let chosen = |filter: &Where| -> Vec<(String, String)> {
            let at = |name: &str| items.column(name).unwrap_or_else(|| panic!("no column {name} of items"));
            let hit = |row: &&Vec<String>| filter.iter().all(|(column, value)| matches(&row[at(column)], value));
            items.rows.iter().filter(hit).map(|row| (row[at("item_id")].clone(), row[at("price")].clone())).collect()
        };
        let from = chosen(&exchange.from).into_iter().map(|(item, _)| item).collect();
        let to = chosen(&exchange.to);
        assert!(!to.is_empty(), "nothing to exchange for: {:?}", exchange.to);
        Self { from, to }
    }
}

fn items(text: &str) -> Grid {
    let header = ["item_id", "provider", "category", "price"].map(str::to_owned);
    let row = |line: &str| {
        let item: Map<String, Value> = serde_json::from_str(line).expect("JSON");
        let cell = |name: &String| item[name].as_str().map_or_else(|| item[name].to_string(), str::to_owned);
        header.iter().map(cell).collect()
    };
    Grid { rows: text.lines().map(row).collect(), header: header.to_vec() }
}

fn log(folder: &Path) -> Grid {
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("the log").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut all = Grid::default();
    for path in paths {
        let file = std::fs::File::open(path).expect("a file of the log");
        let grid = Grid::read(csv::Reader::from_reader(flate2::read::MultiGzDecoder::new(file)));
        all.header = grid.header;
        all.rows.extend(grid.rows);
    }
    all
}

fn split(list: &str) -> Vec<String> {
    list.split(BETWEEN).map(str::to_owned).collect()
}

/// Changes the elements of a list for which `change` has another text.
fn each(list: &mut String, mut change: impl FnMut(&str) -> Option<String>) {
    let elements = list.split(BETWEEN).map(|element| change(element).unwrap_or_else(|| element.to_owned()));
    *list = elements.collect::<Vec<_>>().join("|");
}

/// A value as the text of a cell.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn matches(cell: &str, value: &Value) -> bool {
    let compared = |bound: &str| match (cell.parse::<f64>(), bound.parse::<f64>()) {
        (Ok(cell), Ok(bound)) => cell.total_cmp(&bound),
        _ => cell.cmp(bound),
    };
    match value {
        Value::Array(values) => values.iter().any(|value| matches(cell, value)),
        Value::String(of) if of.starts_with('<') => compared(&of[1..]).is_lt(),
        Value::String(of) if of.starts_with('>') => compared(&of[1..]).is_gt(),
        other => cell == text(other),
    }
}

/// What stands in a cell: see [`super::plan::Cells`].
fn drawn(value: &Value, cell: &dyn Fn(&str) -> String, chance: &mut Chance) -> String {
    match value {
        Value::Object(weights) => {
            let weight = |value: &Value| value.as_f64().expect("a weight");
            let mut left = chance.unit() * weights.values().map(weight).sum::<f64>();
            let found = weights.iter().find(|(_, value)| {
                left -= weight(value);
                left < 0.0
            });
            found.or(weights.iter().next_back()).map(|(name, _)| name.clone()).expect("something to draw")
        }
        Value::String(of) if of.starts_with('=') => cell(&of[1..]),
        Value::String(of) => match of.split_once("..").map(|(low, high)| (low.parse(), high.parse::<usize>())) {
            Some((Ok::<usize, _>(low), Ok(high))) => (low + chance.below(high - low + 1)).to_string(),
            _ => of.clone(),
        },
        other => text(other),
    }
}
