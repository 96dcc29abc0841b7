//! `prompt`: whether saying no was as easy as saying yes, and whether a no was left in peace.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FactKind;
use crate::findings::Evidence;
use crate::replay::prompts::{self, Asked};

/// The prompts of one notice version for one purpose in one jurisdiction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prompt {
    pub purpose: String,
    /// As the prompts write it, or `unstated`.
    pub notice_version: String,
    /// As the prompts write it, else the system's, or `unstated`.
    pub jurisdiction: String,
    pub prompts: u64,
    /// Distinct subjects; null when the prompts name none.
    pub subjects: Option<u64>,
    pub given: u64,
    pub refused: u64,
    /// Closed without an answer.
    pub dismissed: u64,
    /// Steps (clicks, taps, pages) that a yes and a no take.
    pub yes_steps: Option<Effort>,
    pub no_steps: Option<Effort>,
    /// Seconds that a yes and a no took.
    pub yes_seconds: Option<Effort>,
    pub no_seconds: Option<Effort>,
    /// Prompts that state the steps of both answers.
    pub both_steps: u64,
    /// Of those, prompts in which a no takes more steps than a yes; null when none states both.
    pub harder_no: Option<u64>,
    /// Prompts in which the yes was ticked beforehand; null when none says.
    pub preselected: Option<u64>,
    /// Prompts whose first layer offers no no; null when none says.
    pub no_on_later_layer: Option<u64>,
    /// Dismissed prompts after which the consent records know a grant by that subject for that purpose within five
    /// minutes, before it was asked again; null without subjects or consent records.
    pub dismissed_as_yes: Option<u64>,
    /// Prompts to subjects whose last word on the purpose was a no; null without subjects.
    pub repeats: Option<u64>,
    /// Of `repeats`, those that follow another repeat to the same subject within 365 days.
    pub excess_repeats: Option<u64>,
    /// Distinct subjects of `excess_repeats`.
    pub subjects_repeated: Option<u64>,
}

/// What one answer takes, over the prompts that state it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effort {
    pub prompts: u64,
    pub mean: f64,
    pub median: f64,
    pub max: f64,
}

impl FactKind for Prompt {
    const NAME: &'static str = "prompt";
    const DOC: &'static str = "One fact per purpose, notice version and jurisdiction of the prompts handed over \
        (`evidence.prompts`): how many were shown, how they were answered, the steps and seconds that a yes and a no \
        take, whether the yes was ticked beforehand, whether the first layer offers a no, dismissals that the consent \
        records know as a yes, and repeats. A prompt is a repeat when the subject's last word on the purpose (in an \
        earlier prompt, or in a consent record of the whole purpose) was a no. The Digital Markets Act lets a \
        gatekeeper repeat its request once within a year: a repeat that follows another one to the same subject within \
        365 days is in excess.";
    const NEEDS_LOG: bool = false;

    fn identity(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("purpose", self.purpose.clone()),
            ("notice_version", self.notice_version.clone()),
            ("jurisdiction", self.jurisdiction.clone()),
        ])
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut evidence = vec![Evidence::value("notice version", &self.notice_version)];
        let answers = format!("{} given, {} refused, {} dismissed", self.given, self.refused, self.dismissed);
        evidence.push(Evidence::value("answers", format!("{answers}, of {} prompts", self.prompts)));
        if let (Some(yes), Some(no)) = (&self.yes_steps, &self.no_steps) {
            let text = format!("yes {} (at most {}), no {} (at most {})", yes.median, yes.max, no.median, no.max);
            evidence.push(Evidence::value("median steps", text));
        }
        evidence
    }
}

/// Makes facts of the counts. `people` and `records` say whether the prompts name subjects, and whether consent records
/// were handed over.
pub fn measure(asked: Vec<Asked>, people: bool, records: bool) -> Vec<Prompt> {
    let effort = |of: prompts::Effort| {
        let prompts::Effort { prompts, mean, median, max } = of;
        Effort { prompts, mean, median, max }
    };
    let stated = |count: u64, of: u64| (of > 0).then_some(count);
    let one = |of: Asked| Prompt {
        harder_no: stated(of.harder_no, of.both_steps),
        preselected: stated(of.preselected, of.preselected_stated),
        no_on_later_layer: stated(of.no_on_later_layer, of.first_layer_stated),
        dismissed_as_yes: (people && records).then_some(of.dismissed_as_yes),
        repeats: people.then_some(of.repeats),
        excess_repeats: people.then_some(of.excess_repeats),
        subjects_repeated: people.then_some(of.subjects_repeated),
        subjects: people.then_some(of.subjects),
        purpose: of.purpose,
        notice_version: if of.notice_version.is_empty() { "unstated".into() } else { of.notice_version },
        jurisdiction: of.jurisdiction,
        prompts: of.prompts,
        given: of.given,
        refused: of.refused,
        dismissed: of.dismissed,
        yes_steps: of.yes_steps.map(effort),
        no_steps: of.no_steps.map(effort),
        yes_seconds: of.yes_seconds.map(effort),
        no_seconds: of.no_seconds.map(effort),
        both_steps: of.both_steps,
    };
    asked.into_iter().map(one).collect()
}
