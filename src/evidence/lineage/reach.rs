//! All that columns are made of, to any depth: nodes, the steps between them, and the contexts of each.
//!
//! Tables may feed each other in circles. Nodes of a circle are one group (Tarjan 1972), and stand for the same
//! contexts.

use std::collections::{BTreeSet, HashMap};

use super::ancestry::{Ancestry, Node, Session};
use crate::evidence::data_map::{DataMap, MappedField, Resolved};
use crate::evidence::taxonomy::is_personal;

/// A step from one node to another, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    pub to: usize,
    /// The flow that takes it, by its place in the lineage; None for the data map.
    pub flow: Option<usize>,
    /// Whether the value comes from there, and not merely the choice of rows.
    pub value: bool,
}

/// Everything upstream of some columns.
pub struct Reach<'a> {
    pub ancestry: &'a Ancestry,
    map: &'a DataMap,
    pub nodes: Vec<Node>,
    pub edges: Vec<Vec<Edge>>,
    places: HashMap<Node, usize>,
    /// The group of each node. What a group is made of has a lower number.
    groups: Vec<usize>,
    found: Vec<Found>,
    /// How many of the nodes are where it starts.
    starts: usize,
}

/// What is known of a group.
#[derive(Debug, Clone, Default)]
struct Found {
    contexts: BTreeSet<String>,
    /// Whether a breaker ends some of what it is made of.
    is_cut: bool,
    /// Whether nothing else says where it was collected, so that the data map's own word counts.
    by_map_alone: bool,
}

impl<'a> Reach<'a> {
    pub fn new(ancestry: &'a Ancestry, map: &'a DataMap, from: impl IntoIterator<Item = Node>) -> Self {
        let mut reach = Self {
            ancestry,
            map,
            nodes: Vec::new(),
            edges: Vec::new(),
            places: HashMap::new(),
            groups: Vec::new(),
            found: Vec::new(),
            starts: 0,
        };
        from.into_iter().for_each(|node| {
            reach.place(node);
        });
        reach.starts = reach.nodes.len();
        let mut session = Session::default();
        while reach.edges.len() < reach.nodes.len() {
            let node = reach.nodes[reach.edges.len()];
            let steps = match ancestry.is_cut(map, node) {
                true => Vec::new(),
                false => ancestry.parents(map, node, &mut session),
            };
            let edge = |step: super::ancestry::Step, reach: &mut Self| Edge {
                to: reach.place(step.to),
                flow: step.flow,
                value: step.value,
            };
            let edges = steps.into_iter().map(|step| edge(step, &mut reach)).collect();
            reach.edges.push(edges);
        }
        reach.group();
        reach
    }

    fn place(&mut self, node: Node) -> usize {
        let next = self.nodes.len();
        let place = *self.places.entry(node).or_insert(next);
        if place == next {
            self.nodes.push(node);
        }
        place
    }

    /// Finds the groups and what each stands for, ancestors first.
    fn group(&mut self) {
        const UNSEEN: usize = usize::MAX;
        let count = self.nodes.len();
        self.groups = vec![UNSEEN; count];
        let (mut order, mut low) = (vec![UNSEEN; count], vec![0; count]);
        let (mut next, mut open) = (0, Vec::new());
        for start in 0..count {
            if order[start] != UNSEEN {
                continue;
            }
            // Node, and how many of its edges were followed.
            let mut path = vec![(start, 0)];
            while let Some((node, followed)) = path.pop() {
                if followed == 0 {
                    (order[node], low[node]) = (next, next);
                    next += 1;
                    open.push(node);
                }
                if let Some(edge) = self.edges[node].get(followed) {
                    path.push((node, followed + 1));
                    if order[edge.to] == UNSEEN {
                        path.push((edge.to, 0));
                    } else if self.groups[edge.to] == UNSEEN {
                        low[node] = low[node].min(order[edge.to]);
                    }
                    continue;
                }
                if let Some((before, _)) = path.last() {
                    low[*before] = low[*before].min(low[node]);
                }
                if low[node] == order[node] {
                    let mut members = Vec::new();
                    while let Some(member) = open.pop() {
                        self.groups[member] = self.found.len();
                        members.push(member);
                        if member == node {
                            break;
                        }
                    }
                    let found = self.look(&members);
                    self.found.push(found);
                }
            }
        }
    }

    fn look(&self, members: &[usize]) -> Found {
        let mut found = Found::default();
        for place in members {
            found.is_cut |= self.ancestry.is_cut(self.map, self.nodes[*place]);
            for (_, context, _) in self.own(*place) {
                found.contexts.insert(context);
            }
            // Ancestors come first; those of the same group have no entry as yet.
            for above in self.edges[*place].iter().filter_map(|edge| self.found.get(self.groups[edge.to])) {
                found.contexts.extend(above.contexts.iter().cloned());
                found.is_cut |= above.is_cut;
            }
        }
        if found.contexts.is_empty() && !found.is_cut {
            let fields = members.iter().filter_map(|place| self.field(*place));
            let personal = fields.filter(|f| f.derived_from.is_empty() && f.categories.iter().any(|c| is_personal(c)));
            found.contexts = personal.map(|field| field.context.clone()).collect();
            found.by_map_alone = true;
        }
        found
    }

    /// The data map's field of a node, or that which the node lies within.
    fn field(&self, place: usize) -> Option<&'a MappedField> {
        self.map.fields.get(self.ancestry.key(self.nodes[place])?)
    }

    /// Whether the field was collected where the map says, and not, or not only, where its ancestors were.
    fn is_collected(&self, place: usize, field: &MappedField) -> bool {
        if self.edges[place].is_empty() {
            return true;
        }
        let by_lineage = self.edges[place].iter().any(|edge| edge.flow.is_some());
        by_lineage
            && field.derived_from.is_empty()
            && (field.context_declared || self.ancestry.is_only_changed(self.nodes[place]))
    }

    /// What the node itself brings in: category, context, whether it is special.
    fn own(&self, place: usize) -> Vec<(String, String, bool)> {
        let node = self.nodes[place];
        if self.ancestry.is_cut(self.map, node) {
            return Vec::new();
        }
        let part = |category: &str, field: &MappedField| (category.to_owned(), field.context.clone(), field.special);
        match self.field(place) {
            Some(field) if !self.is_collected(place, field) => Vec::new(),
            Some(field) if field.categories.is_empty() => vec![part("", field)],
            Some(field) => field.categories.iter().filter(|c| is_personal(c)).map(|c| part(c, field)).collect(),
            // A column that the map leaves out was collected with the others of its table, as whatever it is.
            None if !self.ancestry.is_made(node.table) && !self.ancestry.is_all(node) => {
                let others = self.ancestry.fields(node.table).iter().filter_map(|other| self.ancestry.key(*other));
                let others = others.filter_map(|key| self.map.fields.get(key)).filter(|field| field.breaker.is_none());
                let personal =
                    others.filter(|f| f.categories.is_empty() || f.categories.iter().any(|c| is_personal(c)));
                let contexts: BTreeSet<String> = personal.map(|field| field.context.clone()).collect();
                contexts.into_iter().map(|context| (String::new(), context, false)).collect()
            }
            None => Vec::new(),
        }
    }

    /// The contexts that a node stands for.
    pub fn contexts(&self, place: usize) -> &BTreeSet<String> {
        &self.found[self.groups[place]].contexts
    }

    /// Whether two nodes are made of each other.
    pub fn is_circle(&self, one: usize, other: usize) -> bool {
        self.groups[one] == self.groups[other]
    }

    pub fn is_made(&self, place: usize) -> bool {
        self.ancestry.is_made(self.nodes[place].table)
    }

    /// Whether it stands for all columns of a table.
    pub fn is_all(&self, place: usize) -> bool {
        self.ancestry.is_all(self.nodes[place])
    }

    /// Whether nobody mapped the node's table and nothing makes it, so that where it was collected is not known.
    pub fn is_unknown(&self, place: usize) -> bool {
        let table = self.nodes[place].table;
        !self.ancestry.is_made(table) && !self.ancestry.is_mapped(table)
    }

    /// The places of the nodes where it starts.
    pub fn starts(&self) -> std::ops::Range<usize> {
        0..self.starts
    }

    pub fn place_of(&self, node: Node) -> Option<usize> {
        self.places.get(&node).copied()
    }

    /// As `table.column`.
    pub fn name(&self, place: usize) -> String {
        let node = self.nodes[place];
        format!("{}.{}", self.ancestry.table_name(node), self.ancestry.column_name(node))
    }

    /// All that the first nodes stand for together.
    pub fn resolved(&self) -> Resolved {
        let mut resolved = Resolved::default();
        for (place, node) in self.nodes.iter().enumerate() {
            if self.is_unknown(place) {
                resolved.unknown.insert(self.ancestry.table_name(*node).to_owned());
            }
            for (category, context, special) in self.own(place) {
                resolved.part(&category, &context, special);
            }
            let Some(field) = self.field(place) else { continue };
            if let (false, Some(key)) = (place < self.starts, self.ancestry.key(*node)) {
                resolved.sources.insert(key.to_owned());
            }
            resolved.categories.extend(field.categories.iter().cloned());
            if self.ancestry.is_cut(self.map, *node) {
                continue;
            }
            resolved.special |= field.special;
            let found = &self.found[self.groups[place]];
            if !self.edges[place].is_empty() || found.by_map_alone {
                // What is derived was collected where its sources were, not where it happens to be kept.
                for category in field.categories.iter().filter(|category| is_personal(category)) {
                    found.contexts.iter().for_each(|context| resolved.part(category, context, field.special));
                }
            }
        }
        resolved
    }
}
