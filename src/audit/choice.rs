//! Facts about choice: the alternative to being profiled, explanations, and how people were asked.

use super::Replayed;
use super::declared::Declared;
use super::tables::Tables;
use crate::engine::Engine;
use crate::error::Result;
use crate::evidence::columns::Role;
use crate::facts::{Fact, alternative, explanation, prompt};
use crate::replay::segments::Home;
use crate::replay::uses::Use;
use crate::replay::{choice, explanations, prompts};

pub(super) async fn choice_facts(
    engine: &Engine,
    declared: &Declared,
    tables: &Tables,
    replayed: &Replayed,
) -> Result<Vec<Fact>> {
    let manifest = &declared.manifest.value;
    let have_log = tables.0.contains_key(&Role::Recommendations);
    let have_records = tables.0.contains_key(&Role::ConsentRecords);
    let people = tables.has(Role::Recommendations, "subject_id");
    let mut facts = Vec::new();
    let choices = if have_log {
        let uses: Vec<Use> = replayed.uses.iter().map(|used| used.usage.clone()).collect();
        let question = choice::Question {
            engine,
            manifest,
            map: declared.map.as_ref(),
            policies: declared.policies.as_ref(),
            uses: &uses,
            have_records: have_records && people,
        };
        Some(choice::answers(&question).await?)
    } else {
        None
    };
    let (name, answered) = (&declared.name, have_records && people);
    let alternatives = alternative::measure(manifest, name, choices.as_ref(), answered, people);
    facts.extend(alternatives.into_iter().map(Fact::Alternative));
    if tables.has(Role::Recommendations, "explained") {
        let attributes = manifest.measure.segments.iter().map(|segment| segment.attribute.value.as_str());
        let attributes: Vec<&str> = attributes.filter(|name| tables.home(name) == Some(Home::Subjects)).collect();
        let shown = explanations::shown(engine, manifest.measure.unit, &attributes).await?;
        facts.extend(explanation::measure(&shown, manifest).into_iter().map(Fact::Explanation));
    }
    if let Some(table) = tables.0.get(&Role::Prompts) {
        let asked = prompts::asked(engine, &declared.manifest, &declared.taxonomy, table, have_records).await?;
        let people = table.present.contains("subject_id");
        facts.extend(prompt::measure(asked, people, have_records).into_iter().map(Fact::Prompt));
    }
    Ok(facts)
}
