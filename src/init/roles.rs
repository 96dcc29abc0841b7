//! Which table of evidence a table is, and which of its columns is which canonical one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::names::{CANONICAL, likeness, words};
use super::profile::Profile;
use super::table::Table;
use crate::evidence::columns::{CONSENT_STATUS, Column, Need, Role};

/// A table with what it most likely is.
pub struct Guess {
    pub table: Table,
    pub role: Role,
    /// Why it is that, in words.
    pub why: String,
    /// Canonical column to the user's own name for it.
    pub columns: BTreeMap<&'static str, Mapped>,
    /// What parts the elements of its lists: then each row is a decision.
    pub listed: Option<char>,
    /// What does not fit, for a person to look at.
    pub doubts: Vec<String>,
}

/// A column of the user's that stands for a canonical one.
pub struct Mapped {
    pub own: String,
    pub why: String,
    /// Other columns that it might have been.
    pub rivals: Vec<String>,
}

impl Guess {
    pub fn own(&self, canonical: &str) -> Option<&Profile> {
        self.columns.get(canonical).and_then(|mapped| self.table.column(&mapped.own))
    }

    /// Columns that stand for no canonical one.
    pub fn others(&self) -> impl Iterator<Item = &Profile> {
        let mapped: BTreeSet<&str> = self.columns.values().map(|mapped| mapped.own.as_str()).collect();
        self.table.columns.iter().filter(move |column| !mapped.contains(column.name.as_str()))
    }
}

/// What tells a log of recommendations from a history: what only the one who recommends knows.
const OF_RECOMMENDING: [&str; 7] =
    ["strategy", "position", "propensity", "clicked", "request_id", "selected", "explained"];
/// What only a prompt has.
const OF_PROMPTS: [&str; 5] = ["yes_steps", "no_steps", "preselected", "no_on_first_layer", "answer"];

/// What a table is; the reason when it is nothing that is known.
pub fn guess(table: Table) -> Result<Guess, (Table, String)> {
    if table.receipts {
        let why = "its documents are consent receipts".to_owned();
        let columns = BTreeMap::new();
        return Ok(Guess { table, role: Role::ConsentRecords, why, columns, listed: None, doubts: Vec::new() });
    }
    let of = |role: Role| assign(&table, role);
    let has = |columns: &BTreeMap<&'static str, Mapped>, name: &str| columns.contains_key(name);
    let any = |columns: &BTreeMap<&'static str, Mapped>, names: &[&str]| {
        let found: Vec<&str> = names.iter().copied().filter(|name| has(columns, name)).collect();
        (!found.is_empty()).then(|| found.join(", "))
    };
    let consent = of(Role::ConsentRecords);
    let log = of(Role::Recommendations);
    let prompts = of(Role::Prompts);
    let uses = of(Role::Uses);
    let links = of(Role::Links);
    let history = of(Role::History);
    let subjects = of(Role::Subjects);
    let items = of(Role::Items);
    let filled = |columns: &BTreeMap<&'static str, Mapped>, name: &str| {
        columns.get(name).and_then(|mapped| table.column(&mapped.own)).is_some_and(|column| column.filled > 0)
    };
    let unique = |columns: &BTreeMap<&'static str, Mapped>, name: &str| {
        let own = columns.get(name).and_then(|mapped| table.column(&mapped.own));
        own.is_some_and(|column| column.is_unique(table.rows))
    };
    let told = |role: Role, why: String, columns| Ok((role, why, columns));
    let found: Result<(Role, String, BTreeMap<&'static str, Mapped>), String> =
        if has(&consent, "subject_id") && has(&consent, "timestamp") && filled(&consent, "consent_string") {
            told(Role::ConsentRecords, "it has people, times and consent strings".into(), consent)
        } else if has(&consent, "subject_id") && has(&consent, "purpose") && filled(&consent, "status") {
            told(Role::ConsentRecords, "it has people, purposes and what they said to them".into(), consent)
        } else if let (true, true, Some(telling)) =
            (has(&prompts, "purpose"), has(&prompts, "timestamp"), any(&prompts, &OF_PROMPTS))
        {
            told(Role::Prompts, format!("it has purposes and {telling}"), prompts)
        } else if has(&uses, "subject_id") && has(&uses, "strategy") && filled(&uses, "operation") {
            told(Role::Uses, "it has people, models and operations".into(), uses)
        } else if let (true, true, Some(telling)) =
            (has(&log, "item_id"), has(&log, "timestamp"), any(&log, &OF_RECOMMENDING))
        {
            told(Role::Recommendations, format!("it has items, times and {telling}"), log)
        } else if has(&links, "subject_id") && has(&links, "linked_id") {
            told(Role::Links, "it has two ids in each row".into(), links)
        } else if has(&history, "subject_id") && has(&history, "item_id") {
            let why = "it has people and items, and nothing that only a recommender knows (strategy, position)";
            told(Role::History, why.into(), history)
        } else if has(&subjects, "subject_id") && !has(&items, "item_id") && unique(&subjects, "subject_id") {
            told(Role::Subjects, "it has each person once".into(), subjects)
        } else if has(&items, "item_id") && !has(&subjects, "subject_id") && unique(&items, "item_id") {
            told(Role::Items, "it has each item once".into(), items)
        } else {
            Err(missing(&log, &consent))
        };
    match found {
        Err(why) => Err((table, why)),
        Ok((role, why, columns)) => Ok(finish(table, role, why, columns)),
    }
}

/// What a table lacks to be a log, or records of consent.
fn missing(log: &BTreeMap<&'static str, Mapped>, consent: &BTreeMap<&'static str, Mapped>) -> String {
    if ["subject_id", "timestamp", "purpose"].iter().all(|name| consent.contains_key(name)) {
        return format!(
            "it looks like consent records, and no column holds what people said in the words {}",
            CONSENT_STATUS.join(", ")
        );
    }
    let wanted = [("timestamp", "times"), ("item_id", "items"), ("subject_id", "people")];
    let lacking: Vec<&str> =
        wanted.into_iter().filter(|(name, _)| !log.contains_key(name)).map(|(_, words)| words).collect();
    match lacking.is_empty() {
        true => "no table of evidence has columns like its".to_owned(),
        false => format!("no column was recognised that holds {}", lacking.join(", or ")),
    }
}

/// Sets apart what goes only with a list of items, or only without one.
fn finish(table: Table, role: Role, why: String, mut columns: BTreeMap<&'static str, Mapped>) -> Guess {
    let mut doubts = Vec::new();
    let of = |mapped: &Mapped| table.column(&mapped.own);
    let listed = match role {
        Role::Recommendations => columns.get("item_id").and_then(of).and_then(|column| column.listed),
        _ => None,
    };
    let fits = |column: &Column<'_>, mapped: &Mapped| {
        !column.per_item || role != Role::Recommendations || of(mapped).is_none_or(|own| own.listed == listed)
    };
    for column in role.columns() {
        if let Some(mapped) = columns.get(column.name).filter(|mapped| !fits(column, mapped)) {
            doubts.push(match listed {
                Some(_) => {
                    format!("`{}` is no list, as `{}` would have to be beside a list of items", mapped.own, column.name)
                }
                None => format!("`{}` is a list, and the items are none", mapped.own),
            });
            columns.remove(column.name);
        }
    }
    if let Some(bracketed) = table.columns.iter().find(|column| column.bracketed) {
        doubts.push(format!("`{}` holds JSON arrays as text: write a|b|c, or the log as JSON Lines", bracketed.name));
    }
    // A column that has the name of a canonical one is taken for it, mapped or not.
    for column in role.columns().iter().filter(|column| !columns.contains_key(column.name)) {
        if table.column(column.name).is_some() {
            doubts.push(format!(
                "`{}` has the name of a canonical column and not its values: rename it in the file, or its rows are rejected",
                column.name
            ));
        }
    }
    Guess { table, role, why, columns, listed, doubts }
}

/// The canonical columns of a role among the user's, each at most once: the surest pairs first, ties by the order of
/// the synonyms and then of the file.
fn assign(table: &Table, role: Role) -> BTreeMap<&'static str, Mapped> {
    let mut pairs = Vec::new();
    for (place, column) in role.columns().iter().enumerate() {
        for (index, own) in table.columns.iter().enumerate() {
            let loose = column.need == Need::Mandatory;
            let likeness =
                likeness(&own.name, column.name, loose).max(id_of_its_table(table, role, column.name, &own.name));
            if likeness > 0 && own.fits(column) {
                pairs.push((Reverse(likeness), place, index));
            }
        }
    }
    pairs.sort_unstable();
    let mut columns: BTreeMap<&'static str, Mapped> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (Reverse(likeness), place, index) in &pairs {
        let (column, own) = (&role.columns()[*place], &table.columns[*index]);
        if columns.contains_key(column.name) || !taken.insert(*index) {
            continue;
        }
        let why = if *likeness + 1 >= CANONICAL { "its name" } else { "its name and values" };
        let rivals = pairs.iter().filter(|(_, other, _)| other == place).map(|(_, _, index)| *index);
        let rivals = rivals.filter(|other| other != index).map(|other| table.columns[other].name.clone()).collect();
        columns.insert(column.name, Mapped { own: own.name.clone(), why: why.into(), rivals });
    }
    by_content(table, role, &taken, &mut columns);
    let in_use: BTreeSet<String> = columns.values().map(|mapped| mapped.own.clone()).collect();
    for mapped in columns.values_mut() {
        mapped.rivals.retain(|rival| !in_use.contains(rival));
    }
    columns
}

/// The one column of times, whatever its name.
fn by_content(table: &Table, role: Role, taken: &BTreeSet<usize>, columns: &mut BTreeMap<&'static str, Mapped>) {
    if columns.contains_key("timestamp") || role.columns().iter().all(|column| column.name != "timestamp") {
        return;
    }
    let mut times = table.columns.iter().enumerate().filter(|(index, own)| !taken.contains(index) && own.is_time());
    // Numbers may be anything.
    if let (Some((_, own)), None) = (times.next(), times.next())
        && own.epoch().is_none()
    {
        let why = "the only column of times".to_owned();
        columns.insert("timestamp", Mapped { own: own.name.clone(), why, rivals: Vec::new() });
    }
}

/// `id` is the id of what the file is called after.
fn id_of_its_table(table: &Table, role: Role, canonical: &str, own: &str) -> u32 {
    let stem = table.name();
    let about = |names: &[&str]| words(&stem).iter().any(|word| names.contains(&word.as_str()));
    let people = ["user", "users", "customer", "customers", "subjects", "people", "members", "visitors", "accounts"];
    let things = ["item", "items", "product", "products", "articles", "catalogue", "catalog", "movies", "listings"];
    let is = match (role, canonical) {
        (Role::Subjects, "subject_id") => about(&people),
        (Role::Items, "item_id") => about(&things),
        _ => false,
    };
    if is && own.eq_ignore_ascii_case("id") { CANONICAL / 4 } else { 0 }
}
