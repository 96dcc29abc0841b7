//! What each strategy's inputs expose: themselves and all that they are derived from.

use std::collections::{BTreeMap, BTreeSet};

use super::uses::Use;
use crate::evidence::data_map::DataMap;
use crate::manifest::Manifest;

/// The fields whose values reach one strategy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Mapped fields, each with the inputs through which it arrives (itself, where it is one).
    pub fields: BTreeMap<String, BTreeSet<String>>,
    /// Inputs that the data map knows.
    pub inputs: BTreeSet<String>,
    /// Inputs that the data map does not know, behind which anything may be.
    pub unmapped: BTreeSet<String>,
}

/// By strategy: every input that it declares or that a row of the log names, and every field these are derived from.
///
/// A field with a breaker stands for many people; neither it nor what is behind it tells of one.
pub fn of(manifest: &Manifest, map: &DataMap, uses: &[Use]) -> BTreeMap<String, Exposure> {
    let mut exposures: BTreeMap<String, Exposure> = BTreeMap::new();
    let declared = manifest.strategies.iter().flat_map(|s| s.inputs.iter().map(|i| (&s.id.value, &i.value)));
    let used = uses.iter().flat_map(|usage| usage.inputs.iter().map(|input| (&usage.strategy, input)));
    for (strategy, input) in declared.chain(used) {
        let exposure = exposures.entry(strategy.clone()).or_default();
        let Some(resolved) = map.resolve(input) else {
            exposure.unmapped.insert(input.clone());
            continue;
        };
        exposure.inputs.insert(input.clone());
        for field in resolved.sources.into_iter().chain([input.clone()]) {
            if map.fields.get(&field).is_some_and(|mapped| mapped.breaker.is_none()) {
                exposure.fields.entry(field).or_default().insert(input.clone());
            }
        }
    }
    exposures
}

/// The contexts that a field's values were collected in. `canonical` gives contexts that are one setting one name.
pub fn contexts(map: &DataMap, field: &str, canonical: impl Fn(&str) -> String) -> BTreeSet<String> {
    let of_people = contexts_of_people(map, field);
    // A field that is no personal data by its category may still tell people apart; it lies where its dataset does.
    let own = map.fields.get(field).filter(|_| of_people.is_empty()).map(|mapped| mapped.context.clone());
    of_people.into_iter().chain(own).map(|context| canonical(&context)).collect()
}

/// The contexts that personal data in a field was collected in; none when it tells of no person.
pub fn contexts_of_people(map: &DataMap, field: &str) -> BTreeSet<String> {
    map.resolve(field).map(|resolved| resolved.contexts()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::data_map;

    #[test]
    fn what_is_behind_a_derived_input_is_exposed_and_what_is_behind_a_breaker_is_not() {
        let map = data_map::parse(
            "
dataset:
  - fides_key: a
    meta: {context: web}
    collections:
      - name: t
        fields:
          - {name: zip, data_categories: [user.contact.address.postal_code]}
          - {name: age, data_categories: [user.demographic.age_range]}
          - {name: vector, data_categories: [user.behavior], fides_meta: {derived_from: [a.t.zip]}}
          - name: many
            data_categories: [user.behavior]
            fides_meta: {derived_from: [a.t.age], breaker: {minimum_group_size: 50, evidence: job.sql}}
",
        )
        .unwrap();
        let usage = |input: &str| Use {
            strategy: "s".into(),
            purpose: None,
            operation: "serve".into(),
            recipient_text: String::new(),
            recipient: None,
            jurisdiction: String::new(),
            inputs_text: String::new(),
            inputs: BTreeSet::from([input.to_owned()]),
            unmapped: BTreeSet::new(),
            resolved: data_map::Resolved::default(),
            decisions: 1,
        };
        let uses = ["a.t.vector", "a.t.many", "a.t.unknown"].map(usage);
        let manifest: Manifest =
            serde_json::from_str(r#"{"probity": 1, "system": {"name": "n", "owner": "o"}, "evidence": {}}"#).unwrap();
        let exposure = of(&manifest, &map, &uses).remove("s").unwrap();
        let fields: Vec<&String> = exposure.fields.keys().collect();
        assert_eq!(fields, ["a.t.vector", "a.t.zip"]);
        assert_eq!(exposure.fields["a.t.zip"], BTreeSet::from(["a.t.vector".to_owned()]));
        assert_eq!(exposure.unmapped, BTreeSet::from(["a.t.unknown".to_owned()]));
        let upper = |context: &str| context.to_uppercase();
        assert_eq!(contexts(&map, "a.t.vector", upper), BTreeSet::from(["WEB".to_owned()]));
    }
}
