//! What of `measure` is about items: whose they are, which share of attention is theirs, and where attention goes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

use super::{Manifest, repeated};
use crate::error::Problem;
use crate::yaml::{At, Document};

/// An attribute of items whose values share the attention of people.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemGroup {
    /// A column of `items`.
    pub attribute: At<String>,
    /// Which share each group is to have.
    pub target: At<Target>,
    /// The group with which exposure per item is compared; default the one with the largest target.
    pub reference: Option<At<String>>,
    /// Whether attention is also told by each segment of people: many numbers, where there are many groups.
    #[serde(default)]
    pub by_segment: bool,
}

/// Which share of attention each group of items is to have. It never comes from the lists that are judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// Its share of the items.
    Catalogue,
    /// Its share of what was relevant in the same lists.
    Merit,
    /// What somebody decided; sums to 1.
    Policy(BTreeMap<String, At<f64>>),
}

const TARGETS: [&str; 2] = ["catalogue", "merit"];

impl Target {
    pub fn id(&self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::Merit => "merit",
            Self::Policy(_) => "policy",
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl<'de> Visitor<'de> for Shape {
            type Value = Target;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("`catalogue`, `merit`, or the share of each group")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Target, E> {
                match text {
                    "catalogue" => Ok(Target::Catalogue),
                    "merit" => Ok(Target::Merit),
                    other => Err(E::unknown_variant(other, &TARGETS)),
                }
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Target::Policy)
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Which share of attention each group of items is to have: its share of the items, its \
                share of what was relevant, or what somebody decided (shares that sum to 1).",
            "oneOf": [
                { "type": "string", "enum": TARGETS },
                { "type": "object", "additionalProperties": { "type": "number", "minimum": 0, "maximum": 1 } },
            ],
        })
    }
}

/// How much attention a position gets, in first places.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PositionModel {
    /// 1 / log2(k + 1).
    Log2,
    /// 1 / log2(max(k, 2)): the first two alike.
    Log2Clipped,
    /// 1 / k.
    Reciprocal,
    /// How often the log's own people click at k, over how often at 1.
    Measured,
    /// p^(k - 1): people go on to the next with this probability.
    Geometric(f64),
}

impl PositionModel {
    /// With its parameter, e.g. `geometric(0.5)`.
    pub fn id(self) -> String {
        match self {
            Self::Log2 => "log2".to_owned(),
            Self::Log2Clipped => "log2_clipped".to_owned(),
            Self::Reciprocal => "reciprocal".to_owned(),
            Self::Measured => "measured".to_owned(),
            Self::Geometric(p) => format!("geometric({p})"),
        }
    }
}

/// How far shares that were written with few digits may miss 1 in their sum.
const TOLERANCE: f64 = 1e-6;

pub(super) fn check(document: &Document<Manifest>) -> Vec<Problem> {
    let measure = &document.value.measure;
    let mut problems = Vec::new();
    for twice in repeated(measure.item_groups.iter().map(|group| &group.attribute)) {
        problems.push(document.problem(twice, format!("item attribute `{}` is listed twice", twice.value)));
    }
    if let PositionModel::Geometric(p) = *measure.position_model
        && !(p > 0.0 && p < 1.0)
    {
        let message = format!("`geometric` is {p}; expected above 0 and below 1");
        problems.push(document.problem(&measure.position_model, message));
    }
    for group in &measure.item_groups {
        let Target::Policy(shares) = &*group.target else { continue };
        let wrong = shares.iter().filter(|(_, share)| !(0.0..=1.0).contains(&share.value));
        problems.extend(wrong.map(|(name, share)| {
            document.problem(share, format!("the share of `{name}` is {}; expected 0 to 1", share.value))
        }));
        let sum: f64 = shares.values().map(|share| share.value).sum();
        if !((1.0 - TOLERANCE)..=(1.0 + TOLERANCE)).contains(&sum) {
            let sum = (sum / TOLERANCE).round() * TOLERANCE;
            let message = format!("the shares of `{}` sum to {sum:.6}; expected 1", *group.attribute);
            problems.push(document.problem(&group.target, message));
        }
        if let Some(reference) = &group.reference
            && !shares.contains_key(&reference.value)
        {
            let message = format!("`{}` has no share in the target", **reference);
            problems.push(document.problem(reference, message).suggest(reference, shares.keys()));
        }
    }
    problems
}
