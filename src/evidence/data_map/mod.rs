//! The data map: fideslang YAML as Fides writes it, with our additions under `meta` and `fides_meta`, or the `meta` of a
//! dbt manifest.
//!
//! fideslang ignores keys that it does not know, and so does this reader, so that a file of Fides loads unchanged. Our
//! own keys are `meta.context` (dataset), `fides_meta.context`, `derived_from`, `breaker`, `special`, `collected_for`,
//! `identifiability` and `quasi_identifier` (field); a key that is nearly one of them is an error, for a misspelt one would be ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

mod dbt;
mod read;
mod schema;

use read::{File, Reader, check_keys};
pub use schema::schema;

use crate::error::{Problem, Result, all_clear};
use crate::evidence::lineage::Lineage;
use crate::evidence::lineage::ancestry::Ancestry;
use crate::evidence::taxonomy::Taxonomy;
use crate::yaml::Document;

/// Every field that the organisation mapped, by `dataset.collection.field`.
#[derive(Debug, Clone, Default)]
pub struct DataMap {
    pub fields: BTreeMap<String, MappedField>,
    /// The privacy declarations of the mapped systems.
    pub declarations: Vec<Declaration>,
    /// Whether any file maps a system.
    pub has_systems: bool,
    /// What its fields are made of.
    ancestry: Arc<Ancestry>,
}

/// A mapped field, as the map states it.
#[derive(Debug, Clone)]
pub struct MappedField {
    /// As `dataset.collection`.
    pub collection: String,
    pub categories: BTreeSet<String>,
    pub context: String,
    /// Whether the map names the context; else the dataset's key stands for it.
    pub context_declared: bool,
    pub special: bool,
    /// Whether it helps to tell people apart when it is put together with others (Sweeney 2002).
    pub quasi_identifier: bool,
    /// fideslang's type of the values, e.g. `string` or `integer`, if stated.
    pub data_type: Option<String>,
    pub identifiability: Option<String>,
    pub collected_for: Vec<String>,
    pub retention: Option<String>,
    /// The namespace of the identifier it holds, e.g. `email_sha256`.
    pub identity: Option<String>,
    pub derived_from: Vec<String>,
    pub breaker: Option<Breaker>,
    /// The file, as the manifest names it, and the line.
    pub path: String,
    pub line: u64,
}

/// Why a derived field is no longer data about one person.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Every value stands for at least this many people.
    pub minimum_group_size: u64,
    /// Where that can be checked.
    pub evidence: String,
}

/// What a system declares that it does with which categories.
#[derive(Debug, Clone)]
pub struct Declaration {
    pub data_use: String,
    pub data_categories: Vec<String>,
}

/// A field with all that it stands for: itself and its ancestors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Personal data: category and the context it was collected in, and whether it is special. A field without a
    /// category has `""`.
    pub parts: BTreeMap<(String, String), bool>,
    /// All categories, those that are not personal included.
    pub categories: BTreeSet<String>,
    pub special: bool,
    /// Ancestors, to any depth.
    pub sources: BTreeSet<String>,
    /// Tables among the ancestors that nobody mapped and nothing makes: what they hold is not known.
    pub unknown: BTreeSet<String>,
}

impl Resolved {
    /// Adds one part.
    pub fn part(&mut self, category: &str, context: &str, special: bool) {
        *self.parts.entry((category.to_owned(), context.to_owned())).or_default() |= special;
    }

    /// Adds what another field stands for.
    pub fn merge(&mut self, other: Self) {
        for ((category, context), special) in other.parts {
            self.part(&category, &context, special);
        }
        self.categories.extend(other.categories);
        self.special |= other.special;
        self.sources.extend(other.sources);
        self.unknown.extend(other.unknown);
    }

    /// The contexts that personal data in it was collected in.
    pub fn contexts(&self) -> BTreeSet<String> {
        self.parts.keys().map(|(_, context)| context.clone()).collect()
    }
}

impl DataMap {
    /// Reads files, in order, and checks them against each other and the taxonomy (which they may extend).
    ///
    /// `files` are the paths to read and what to call them.
    pub fn read(files: &[(std::path::PathBuf, String)], taxonomy: &mut Taxonomy) -> Result<Self> {
        let mut documents = Vec::new();
        for (path, name) in files {
            let document = match dbt::document(path)? {
                Some(document) => document,
                None => {
                    let document = Document::<File>::read(path)?;
                    check_keys(&document)?;
                    document
                }
            };
            documents.push((document, name.clone()));
        }
        Self::of(&documents, taxonomy)
    }

    /// As [`DataMap::read`], of one text already at hand; `path` is what errors call it.
    pub fn parse(path: &std::path::Path, text: &str, taxonomy: &mut Taxonomy) -> Result<Self> {
        let document = Document::<File>::parse(path, text)?;
        check_keys(&document)?;
        Self::of(&[(document, path.to_string_lossy().into_owned())], taxonomy)
    }

    fn of(documents: &[(Document<File>, String)], taxonomy: &mut Taxonomy) -> Result<Self> {
        for (document, _) in documents {
            let file = &document.value;
            taxonomy.data_categories.extend(file.data_category.iter().flatten().map(|key| key.fides_key.clone()));
            taxonomy.data_uses.extend(file.data_use.iter().flatten().map(|key| key.fides_key.clone()));
        }
        let mut map = Self::default();
        let mut problems: Vec<Problem> = documents.iter().flat_map(|(document, _)| document.unfilled()).collect();
        for (document, name) in documents {
            Reader { document, name, taxonomy, map: &mut map, problems: &mut problems }.file();
        }
        all_clear(problems)?;
        map.check_derivations(documents)?;
        map.follow(&Lineage::default(), &BTreeMap::new());
        Ok(map)
    }

    /// Lets fields stand for what lineage makes them of as well. `names` say which `dataset.collection` a name of the
    /// lineage means.
    pub fn follow(&mut self, lineage: &Lineage, names: &BTreeMap<String, String>) {
        self.ancestry = Arc::new(Ancestry::new(self, lineage, names));
    }

    /// What its fields are made of.
    pub fn ancestry(&self) -> &Ancestry {
        &self.ancestry
    }

    /// The contexts that the map knows.
    pub fn contexts(&self) -> BTreeSet<&str> {
        self.fields.values().map(|field| field.context.as_str()).collect()
    }

    /// What `field` stands for; None when neither the map nor lineage knows it.
    pub fn resolve(&self, field: &str) -> Option<Resolved> {
        self.ancestry.resolve(self, field)
    }

    fn check_derivations(&self, documents: &[(Document<File>, String)]) -> Result<()> {
        let place =
            |field: &MappedField| documents.iter().find(|(_, name)| *name == field.path).map(|(document, _)| document);
        let mut problems = Vec::new();
        for (key, field) in &self.fields {
            let problem = |message: String| match place(field) {
                Some(document) => {
                    Problem::new(message).at(&document.path, field.line, 0).with_text(document.text.clone())
                }
                None => Problem::new(message),
            };
            for source in &field.derived_from {
                if !self.fields.contains_key(source) {
                    let message = format!("`{key}` is derived from `{source}`, which the data map does not have");
                    problems.push(problem(message).suggest(source, self.fields.keys()));
                }
            }
            if let Some(cycle) = self.cycle(key, key, &mut BTreeSet::new()) {
                problems.push(problem(format!("`{key}` is derived from itself, by way of `{cycle}`")));
            }
        }
        all_clear(problems)
    }

    /// The last step of a derivation that leads from `key` back to `start`.
    fn cycle(&self, start: &str, key: &str, seen: &mut BTreeSet<String>) -> Option<String> {
        for source in &self.fields.get(key)?.derived_from {
            if source == start {
                return Some(key.to_owned());
            }
            if seen.insert(source.clone())
                && let Some(found) = self.cycle(start, source, seen)
            {
                return Some(found);
            }
        }
        None
    }
}

/// Reads a data map from texts, for tests.
#[cfg(test)]
pub fn parse(text: &str) -> Result<DataMap> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("map.yaml");
    std::fs::write(&path, text).expect("the map is written");
    DataMap::read(&[(path, "map.yaml".into())], &mut Taxonomy::fideslang()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "
dataset:
  - fides_key: web
    meta: {context: web}
    collections:
      - name: events
        fields:
          - name: views
            data_categories: [user.behavior.browsing_history]
          - name: device
            fields:
              - {name: id, data_categories: [user.device.device_id]}
  - fides_key: till
    meta: {context: store}
    collections:
      - name: receipts
        fields:
          - {name: basket, data_categories: [user.behavior.purchase_history]}
          - {name: remedies, data_categories: [user.health_and_medical]}
  - fides_key: features
    collections:
      - name: f
        fields:
          - name: both
            data_categories: [user.behavior]
            fides_meta: {derived_from: [features.f.hashed]}
          - name: hashed
            data_categories: [user.behavior]
            fides_meta: {derived_from: [web.events.views, till.receipts.basket]}
          - name: popularity
            data_categories: [user.behavior]
            fides_meta:
              derived_from: [till.receipts.basket]
              breaker: {minimum_group_size: 50, evidence: jobs/popularity.sql}
";

    #[test]
    fn nested_fields_and_contexts_are_read() {
        let map = parse(MAP).unwrap();
        let id = &map.fields["web.events.device.id"];
        assert_eq!((id.context.as_str(), id.context_declared), ("web", true));
        let own = &map.fields["features.f.both"];
        assert_eq!((own.context.as_str(), own.context_declared), ("features", false));
        assert!(map.fields["till.receipts.remedies"].special);
    }

    #[test]
    fn a_derived_field_stands_for_all_its_ancestors() {
        let both = parse(MAP).unwrap().resolve("features.f.both").unwrap();
        assert_eq!(both.contexts(), BTreeSet::from(["store".to_owned(), "web".to_owned()]));
        assert_eq!(both.sources.len(), 3);
    }

    #[test]
    fn only_a_declared_breaker_cuts_a_derivation() {
        let popularity = parse(MAP).unwrap().resolve("features.f.popularity").unwrap();
        assert!(popularity.contexts().is_empty());
        let bare = MAP.replace("breaker: {minimum_group_size: 50, evidence: jobs/popularity.sql}", "breaker: {}");
        assert!(parse(&bare).unwrap_err().to_string().contains("breaker"));
    }

    #[test]
    fn files_in_the_shape_fides_writes_them_load_unchanged() {
        let map = parse(
            "
dataset:
- fides_key: crm
  organization_fides_key: default_organization
  name: CRM
  meta: null
  data_categories: []
  data_qualifiers: [aggregated.anonymized.unlinked_pseudonymized.pseudonymized.identified]
  retention: \"30 days after account deletion\"
  third_country_transfers: [GBR]
  fides_meta: {after: [other.dataset], resource_id: null, namespace: {database: prod, schema: public}}
  collections:
  - name: people
    description: Everyone with an account
    data_categories: []
    fides_meta: {erase_after: [crm.orders], skip_processing: false}
    fields:
    - name: email
      description: null
      data_categories: [user.contact.email]
      data_qualifier: identified
      fides_meta: {identity: email, primary_key: true, data_type: string, length: 40, references: null}
    - name: orders
      fides_meta:
        data_type: object[]
        references: [{dataset: shop, field: orders.customer, direction: from}]
      fields:
      - {name: total, data_categories: [user.financial]}
    - {name: favourite_food, data_categories: []}
system:
- fides_key: mailer
  name: Mailer
  system_type: Service
  data_protection_impact_assessment: {is_required: true, progress: Complete}
  ingress: [{fides_key: crm, type: dataset, data_categories: [user.contact]}]
  privacy_declarations:
  - name: Tell people of offers
    data_categories: [user.contact]
    data_use: marketing.communications.email
    data_subjects: [customer]
    legal_basis_for_processing: Consent
    dataset_references: [crm]
    features: []
- {fides_key: idle, name: Idle, system_type: Service}
policy:
- {fides_key: p, rules: []}
",
        )
        .unwrap();
        let email = &map.fields["crm.people.email"];
        assert_eq!((email.identity.as_deref(), email.identifiability.as_deref()), (Some("email"), Some("identified")));
        assert_eq!((email.context.as_str(), email.context_declared), ("crm", false));
        assert!(map.fields.contains_key("crm.people.orders.total"));
        assert!(map.fields["crm.people.favourite_food"].categories.is_empty());
        assert_eq!(map.declarations.len(), 1);
    }

    #[test]
    fn a_mark_is_true_or_false() {
        let marked = |mark: &str| {
            let field =
                format!("name: views\n            fides_meta: {{quasi_identifier: {mark}, data_type: integer}}");
            parse(&MAP.replace("name: views", &field))
        };
        let views = marked("true").unwrap().fields["web.events.views"].clone();
        assert!(views.quasi_identifier && !parse(MAP).unwrap().fields["web.events.views"].quasi_identifier);
        assert_eq!(views.data_type.as_deref(), Some("integer"));
        let error = marked("'yes'").unwrap_err().to_string();
        assert!(error.contains("map.yaml:9") && error.contains("`quasi_identifier` must be true or false"), "{error}");
    }

    #[test]
    fn a_cycle_a_misspelt_key_and_an_unknown_category_are_errors_with_their_line() {
        let cycle = MAP.replace("[web.events.views, till", "[features.f.both, till");
        assert!(parse(&cycle).unwrap_err().to_string().contains("derived from itself"));
        let misspelt = MAP.replace("meta: {context: store}", "meta: {contxt: store}");
        let error = parse(&misspelt).unwrap_err().to_string();
        assert!(error.contains("map.yaml:14") && error.contains("did you mean `context`"), "{error}");
        let unknown = MAP.replace("user.behavior.purchase_history", "user.behavior.purchases");
        let error = parse(&unknown).unwrap_err().to_string();
        assert!(error.contains("map.yaml:18") && error.contains("`user.behavior.purchase_history`"), "{error}");
    }
}
