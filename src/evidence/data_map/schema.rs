//! The published schema of a data map: what is read of fideslang's keys, and ours. Other keys are fideslang's, and are
//! not looked at.

#![allow(dead_code, reason = "these describe shapes; values are read by `read`")]

use schemars::{JsonSchema, Schema, schema_for};

/// The JSON Schema of a data map.
pub fn schema() -> Schema {
    schema_for!(DataMapFile)
}

/// A file of fideslang, as Fides writes it, with the keys that Probity adds.
#[derive(JsonSchema)]
struct DataMapFile {
    /// Where data is kept.
    dataset: Option<Vec<Dataset>>,
    /// Which systems use which data for what.
    system: Option<Vec<System>>,
    /// Categories beyond those of fideslang.
    data_category: Option<Vec<Key>>,
    /// Data uses beyond those of fideslang.
    data_use: Option<Vec<Key>>,
}

/// A key of the taxonomy.
#[derive(JsonSchema)]
struct Key {
    fides_key: String,
}

/// Collections of data that were collected in one setting.
#[derive(JsonSchema)]
struct Dataset {
    /// The first part of a field's name in `inputs`: `dataset.collection.field`.
    fides_key: String,
    name: Option<String>,
    description: Option<String>,
    /// fideslang categories of all its fields that name none.
    data_categories: Option<Vec<String>>,
    /// How directly people can be told from it, e.g. `identified`, `pseudonymized` or `aggregated`.
    data_qualifier: Option<String>,
    /// How long it is kept.
    retention: Option<String>,
    meta: Option<DatasetMeta>,
    collections: Vec<Collection>,
}

/// What Probity adds to a dataset.
#[derive(JsonSchema)]
struct DatasetMeta {
    /// The setting in which the data was collected, under one notice, e.g. `web` or `store`. Two contexts in one decision
    /// are a join. Default: the dataset's key, which is told as not declared.
    context: Option<String>,
    /// The purposes that people were told, as fideslang data uses.
    collected_for: Option<Vec<String>>,
}

/// A table or the like.
#[derive(JsonSchema)]
struct Collection {
    name: String,
    description: Option<String>,
    /// fideslang categories of all its fields that name none.
    data_categories: Option<Vec<String>>,
    fields: Option<Vec<Field>>,
}

/// A column or the like.
#[derive(JsonSchema)]
struct Field {
    name: String,
    description: Option<String>,
    /// fideslang categories, the most specific that fit, e.g. `user.behavior.browsing_history`.
    data_categories: Option<Vec<String>>,
    data_qualifier: Option<String>,
    retention: Option<String>,
    fides_meta: Option<FieldMeta>,
    /// Fields within it.
    fields: Option<Vec<Field>>,
}

/// What Probity adds to a field, and what it reads of Fides there.
#[derive(JsonSchema)]
struct FieldMeta {
    /// The kind of identifier that it holds, by which it can be linked, e.g. `email_sha256`.
    identity: Option<String>,
    /// As `meta.context` of the dataset, for this field alone.
    context: Option<String>,
    collected_for: Option<Vec<String>>,
    /// The fields that it is made of, as `dataset.collection.field`; it stands for all of them, to any depth.
    derived_from: Option<Vec<String>>,
    breaker: Option<Breaker>,
    /// Whether it is of a special category (GDPR Art. 9), whatever its categories say.
    special: Option<bool>,
    /// How directly a person can be told from it.
    identifiability: Option<String>,
    /// Whether it helps to tell people apart when it is put together with others.
    quasi_identifier: Option<bool>,
    data_type: Option<String>,
}

/// Why a derived field is no longer data about one person.
#[derive(JsonSchema)]
struct Breaker {
    /// Every value stands for at least this many people; above 1.
    minimum_group_size: u64,
    /// Where that can be checked.
    evidence: String,
}

/// What uses data.
#[derive(JsonSchema)]
struct System {
    fides_key: String,
    name: Option<String>,
    privacy_declarations: Option<Vec<PrivacyDeclaration>>,
}

/// What a system does with which categories.
#[derive(JsonSchema)]
struct PrivacyDeclaration {
    /// A fideslang data use.
    data_use: String,
    data_categories: Option<Vec<String>>,
}
