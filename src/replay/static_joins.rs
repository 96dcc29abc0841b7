//! Static joins: contexts that lineage combines into what a strategy reads, whether or not a log shows it.
//!
//! Asked column by column: of all that the columns which a strategy reads are made of, however many steps away. A hash
//! or mask cuts nothing; only a declared breaker does.

use std::collections::{BTreeMap, BTreeSet};

use super::uses::{self, PairAsk, Use};
use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::data_map::{DataMap, Resolved};
use crate::evidence::lineage::Lineage;
use crate::evidence::lineage::reach::Reach;
use crate::evidence::table::Reject;
use crate::manifest::Manifest;

mod link;

use link::link;

/// A pair of contexts that lineage combines for one strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct StaticJoin {
    pub strategy: String,
    pub purpose: String,
    /// In alphabetical order.
    pub contexts: (String, String),
    pub ask: PairAsk,
    /// The key that rows of the two contexts meet by, and what kind of identifier it is.
    pub link: Option<String>,
    /// Columns of the two contexts that meet.
    pub fields: BTreeSet<String>,
    /// File, line and run of each statement or run that combines them.
    pub sources: BTreeSet<(String, u64, Option<String>)>,
}

/// What lineage shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    pub joins: Vec<StaticJoin>,
    /// Flows to a strategy from tables that nobody mapped: which contexts these stand for is not known.
    pub unknown: Vec<Reject>,
}

/// Asks of lineage what the replay asks of a log. `map` follows the lineage; `uses` are the log's, for inputs that only
/// its rows name.
pub fn find(lineage: &Lineage, map: &DataMap, policy: &ConsentPolicy, manifest: &Manifest, uses: &[Use]) -> Found {
    let mut found = Found::default();
    let mut unknown = BTreeMap::new();
    for strategy in &manifest.strategies {
        let mut inputs: BTreeSet<String> = strategy.inputs.iter().map(|input| input.value.clone()).collect();
        inputs.extend(uses.iter().filter(|u| u.strategy == *strategy.id).flat_map(|u| u.inputs.iter().cloned()));
        let read = inputs.iter().filter_map(|input| map.ancestry().find(map, input));
        let reach = Reach::new(map.ancestry(), map, read);
        for edge in reach.edges.iter().flatten().filter(|edge| reach.is_unknown(edge.to)) {
            if let Some(flow) = edge.flow.map(|flow| &lineage.flows[flow]) {
                let table = map.ancestry().table_name(reach.nodes[edge.to]);
                let reason = format!(
                    "`{table}` is read here and is in no dataset of the data map, so that its contexts are not known"
                );
                unknown.entry((flow.path.clone(), flow.line)).or_insert(reason);
            }
        }
        let mut resolved = Resolved::default();
        inputs.iter().filter_map(|input| map.resolve(input)).for_each(|field| resolved.merge(field));
        let usage = Use { inputs, resolved, ..Use::declared(manifest, map, &strategy.id) };
        let asked = uses::ask(&usage, &strategy.purpose, policy, manifest, map, &mut Vec::new());
        for (contexts, ask) in asked.pairs {
            let pair = Pair::new(&reach, policy, (&contexts.0, &contexts.1));
            let meetings = pair.meetings();
            if meetings.is_empty() {
                continue;
            }
            let flows: BTreeSet<usize> = meetings.iter().map(|meeting| meeting.flow).collect();
            let place = |flow: &usize| {
                let flow = &lineage.flows[*flow];
                (flow.path.clone(), flow.line, flow.run.clone())
            };
            found.joins.push(StaticJoin {
                strategy: usage.strategy.clone(),
                purpose: strategy.purpose.value.clone(),
                ask,
                link: flows.iter().find_map(|flow| link(lineage, *flow, map, &pair)),
                fields: pair.fields(&meetings),
                sources: flows.iter().map(place).collect(),
                contexts,
            });
        }
    }
    found.unknown = unknown.into_iter().map(|((file, line), reason)| Reject { file, line, reason }).collect();
    found
}

/// A flow that brings a pair together in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Meeting {
    /// By its place in the lineage.
    flow: usize,
    /// The column, by its place in the reach.
    place: usize,
}

/// Where the two contexts of a pair are, among all that a strategy's inputs are made of.
struct Pair<'a> {
    reach: &'a Reach<'a>,
    /// For each node, whether it stands for the one and the other.
    holds: Vec<(bool, bool)>,
}

impl<'a> Pair<'a> {
    fn new(reach: &'a Reach<'a>, policy: &ConsentPolicy, (a, b): (&str, &str)) -> Self {
        let has = |place: usize, context: &str| reach.contexts(place).iter().any(|c| policy.canonical(c) == context);
        let holds = (0..reach.nodes.len()).map(|place| (has(place, a), has(place, b))).collect();
        Self { reach, holds }
    }

    fn any(&self, place: usize) -> bool {
        self.holds[place].0 || self.holds[place].1
    }

    fn both(&self, place: usize) -> bool {
        self.holds[place] == (true, true)
    }

    /// The flows that bring the pair together first.
    fn meetings(&self) -> BTreeSet<Meeting> {
        let (mut joined, mut circles) = (BTreeSet::new(), BTreeSet::new());
        for place in (0..self.reach.nodes.len()).filter(|place| self.both(*place)) {
            self.at(place, &mut joined, &mut circles);
        }
        if joined.is_empty() {
            joined = circles;
        }
        if joined.is_empty() { self.side_by_side() } else { joined }
    }

    /// The flows into a column that bring the pair together there, and not before; and, apart, those that only hand on
    /// what goes round in a circle.
    fn at(&self, place: usize, joined: &mut BTreeSet<Meeting>, circles: &mut BTreeSet<Meeting>) {
        let mut flows: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for edge in &self.reach.edges[place] {
            flows.entry(edge.flow).or_default().push(edge.to);
        }
        let (mut parts, mut here, mut before) = (Vec::new(), false, false);
        for (flow, sources) in &flows {
            let sum = sources
                .iter()
                .fold((false, false), |(a, b), source| (a || self.holds[*source].0, b || self.holds[*source].1));
            let Some(flow) = *flow else {
                // The data map says that it is made of both; all of a table is no more than each of its columns.
                before |= sum == (true, true) && !self.reach.is_all(place);
                continue;
            };
            let meeting = Meeting { flow, place };
            if sum != (true, true) {
                if sum != (false, false) {
                    parts.push(meeting);
                }
                continue;
            }
            let is_circle = |source: usize| self.reach.is_circle(place, source);
            let handed_on = |source: &usize| self.both(*source) && self.reach.is_made(*source) && !is_circle(*source);
            let old = |source: usize| self.both(source) && is_circle(source);
            let meets = sources.iter().filter(|one| self.holds[**one].0).any(|one| {
                let mut others = sources.iter().filter(|other| self.holds[**other].1);
                (self.both(*one) && !self.reach.is_made(*one))
                    || others.any(|other| one != other && !(old(*one) && old(*other)))
            });
            if sources.iter().any(handed_on) {
                before = true;
            } else if meets {
                here = true;
                joined.insert(meeting);
            } else {
                circles.insert(meeting);
            }
        }
        if !here && !before {
            // Several flows, each with its part.
            joined.extend(parts);
        }
    }

    /// The flows that fill two columns of one table, each from its own context, for a strategy that reads both.
    fn side_by_side(&self) -> BTreeSet<Meeting> {
        let mut found = BTreeSet::new();
        let read = || self.reach.starts().filter(|place| self.any(*place) && self.reach.is_made(*place));
        for place in read() {
            let table = self.reach.nodes[place].table();
            let mut others = read().filter(|other| self.reach.nodes[*other].table() == table);
            if others.any(|other| self.holds[other] != self.holds[place]) {
                let flows =
                    self.reach.edges[place].iter().filter(|edge| self.any(edge.to)).filter_map(|edge| edge.flow);
                found.extend(flows.map(|flow| Meeting { flow, place }));
            }
        }
        found
    }

    /// The columns of the two contexts that meet, by the names of the data map.
    fn fields(&self, meetings: &BTreeSet<Meeting>) -> BTreeSet<String> {
        let sources = meetings.iter().flat_map(|meeting| {
            self.reach.edges[meeting.place].iter().filter(|edge| edge.flow == Some(meeting.flow)).map(|edge| edge.to)
        });
        sources.filter(|place| self.any(*place)).map(|place| self.reach.name(place)).collect()
    }
}

#[cfg(test)]
mod tests;
