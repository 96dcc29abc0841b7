//! By what rows of two contexts meet: the key, and what kind of identifier it is, hashed or not.

use std::collections::BTreeSet;

use super::Pair;
use crate::evidence::data_map::DataMap;
use crate::evidence::lineage::{JoinKey, Key, Lineage};

/// The key by which a flow joins columns of the two contexts, else the keys that lead from the one towards the other.
pub(super) fn link(lineage: &Lineage, flow: usize, map: &DataMap, pair: &Pair) -> Option<String> {
    let place = |key: &Key| {
        let node = map.ancestry().column(key.table.as_ref()?, &key.column)?;
        pair.reach.place_of(node)
    };
    let holds = |key: &Key| place(key).map_or((false, false), |place| pair.holds[place]);
    let keys = &lineage.flows[flow].keys;
    let joins = |key: &&JoinKey| {
        let ((left_a, left_b), (right_a, right_b)) = (holds(&key.left), holds(&key.right));
        (left_a && right_b) || (left_b && right_a)
    };
    let leads = |key: &&JoinKey| [&key.left, &key.right].into_iter().any(|side| holds(side) != (false, false));
    let found: Vec<&JoinKey> = match keys.iter().find(joins) {
        Some(key) => vec![key],
        None => keys.iter().filter(leads).collect(),
    };
    let mut texts: Vec<String> = Vec::new();
    let mut kinds = BTreeSet::new();
    for key in found {
        texts.push(format!("{} = {}", key.left.text(), key.right.text()));
        let sides = [&key.left, &key.right].map(|side| place(side).map(|place| kind(lineage, flow, map, pair, place)));
        // What is hashed on one side is compared with a hash on the other.
        let hashed = sides.iter().flatten().any(|kind| kind.hashed);
        if let Some(name) = sides.into_iter().flatten().find_map(|kind| kind.name) {
            kinds.insert(if hashed { format!("hashed {name}") } else { name });
        }
    }
    let text = texts.join(" and ");
    match kinds.is_empty() {
        true => Some(text).filter(|text| !text.is_empty()),
        false => Some(format!("{text} ({})", kinds.into_iter().collect::<Vec<_>>().join(", "))),
    }
}

/// What kind of identifier a column holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kind {
    name: Option<String>,
    hashed: bool,
}

/// The kind of the first ancestor that tells one; hashed, if that happened on the way from it.
fn kind(lineage: &Lineage, flow: usize, map: &DataMap, pair: &Pair, place: usize) -> Kind {
    let hashes = |flow: usize, place: usize| {
        let is_it = |key: &Key| {
            let node = key.table.as_ref().and_then(|table| map.ancestry().column(table, &key.column));
            node == Some(pair.reach.nodes[place])
        };
        lineage.flows[flow].hashed.iter().any(is_it)
    };
    let mut next = std::collections::VecDeque::from([(place, hashes(flow, place))]);
    let mut seen = BTreeSet::from([place]);
    while let Some((place, hashed)) = next.pop_front() {
        let told = own(map, pair, place);
        if told.name.is_some() {
            return Kind { hashed: hashed || told.hashed, ..told };
        }
        for edge in pair.reach.edges[place].iter().filter(|edge| edge.value) {
            if seen.insert(edge.to) {
                next.push_back((edge.to, hashed || edge.flow.is_some_and(|flow| hashes(flow, edge.to))));
            }
        }
    }
    Kind::default()
}

/// What the data map says of a column: its identifier's namespace, else its category, else its name.
fn own(map: &DataMap, pair: &Pair, place: usize) -> Kind {
    let node = pair.reach.nodes[place];
    let field = map.ancestry().key(node).and_then(|key| map.fields.get(key));
    if let Some(namespace) = field.and_then(|field| field.identity.as_deref()) {
        let words = words(namespace);
        let name = words.name.unwrap_or_else(|| plain(namespace));
        return Kind { name: Some(name), ..words };
    }
    let categories = field.into_iter().flat_map(|field| &field.categories);
    let by_category = categories.map(|category| words(category)).find(|kind| kind.name.is_some());
    let by_name = words(map.ancestry().column_name(node));
    match by_category {
        Some(kind) => Kind { hashed: kind.hashed || by_name.hashed, ..kind },
        None => by_name,
    }
}

/// Identifiers that link people across contexts, as they are called in namespaces, categories and columns.
const KINDS: [(&str, &[&str]); 3] = [
    ("e-mail", &["email", "mail"]),
    ("phone number", &["phone", "telephone", "mobile", "msisdn"]),
    ("device id", &["device", "idfa", "gaid", "aaid", "cookie"]),
];

fn words(text: &str) -> Kind {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let called = |(_, names): &&(&str, &[&str])| names.iter().any(|name| words.contains(name));
    let name = KINDS.iter().find(called).map(|(name, _)| (*name).to_owned());
    Kind { name, hashed: words.iter().any(|word| is_hash(word)) }
}

/// A namespace in words, without what tells how it was hashed.
fn plain(namespace: &str) -> String {
    let words = namespace.split(|c: char| !c.is_alphanumeric()).filter(|word| !is_hash(&word.to_lowercase()));
    words.collect::<Vec<_>>().join(" ")
}

fn is_hash(word: &str) -> bool {
    ["sha", "md5", "hash", "hmac"].iter().any(|hash| word.starts_with(hash))
}
