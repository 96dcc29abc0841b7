//! The sample resources of Fides and fideslang: what Fides holds valid loads unchanged, and what is not fails with file,
//! line and reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use probity::evidence::data_map::DataMap;
use probity::evidence::taxonomy::Taxonomy;
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/fides/data")
}

/// The files of a folder, by name.
fn files(of: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder().join(of)).unwrap_or_else(|error| {
        panic!("cannot read the sample resources of Fides ({error}): run `fixtures/fides/fetch` first")
    });
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "yml"));
    paths
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

/// Reads texts as one data map.
fn read<'a>(files: impl IntoIterator<Item = (&'a String, &'a String)>) -> Result<(DataMap, Taxonomy), String> {
    let folder = tempfile::tempdir().unwrap();
    let mut taxonomy = Taxonomy::fideslang().unwrap();
    let mut paths = Vec::new();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
        paths.push((folder.path().join(name), name.clone()));
    }
    let map = DataMap::read(&paths, &mut taxonomy);
    map.map(|map| (map, taxonomy))
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// All fields of a dataset, nested ones included, with the categories that they state, straight from the file.
fn fields(file: &Value) -> BTreeMap<String, BTreeSet<String>> {
    fn walk(prefix: &str, of: &Value, into: &mut BTreeMap<String, BTreeSet<String>>) {
        for field in of["fields"].as_array().into_iter().flatten() {
            let key = format!("{prefix}.{}", field["name"].as_str().unwrap());
            let categories = field["data_categories"].as_array().into_iter().flatten();
            into.insert(key.clone(), categories.map(|category| category.as_str().unwrap().to_owned()).collect());
            walk(&key, field, into);
        }
    }
    let mut found = BTreeMap::new();
    for dataset in file["dataset"].as_array().into_iter().flatten() {
        for collection in dataset["collections"].as_array().into_iter().flatten() {
            let prefix = format!("{}.{}", dataset["fides_key"].as_str().unwrap(), collection["name"].as_str().unwrap());
            walk(&prefix, collection, &mut found);
        }
    }
    found
}

#[test]
fn the_sample_resources_of_fides_load_unchanged() {
    let samples = files("sample_resources");
    assert_eq!(samples.len(), 7);
    let mut total = 0;
    for (name, text) in &samples {
        let (map, _) = read([(name, text)]).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (told, file) = (fields(&yaml(text)), yaml(text));
        assert_eq!(map.fields.keys().collect::<Vec<_>>(), told.keys().collect::<Vec<_>>(), "{name}");
        for (key, categories) in told {
            assert_eq!(map.fields[&key].categories, categories, "{name}: {key}");
        }
        let systems = file["system"].as_array().into_iter().flatten();
        let declarations: usize =
            systems.map(|system| system["privacy_declarations"].as_array().map_or(0, Vec::len)).sum();
        assert_eq!((map.declarations.len(), map.has_systems), (declarations, declarations > 0), "{name}");
        total += map.fields.len();
    }
    let (all, _) = read(&samples).unwrap();
    assert!(total > 100 && all.fields.len() == total, "{total}");
    assert!(all.fields.values().any(|field| field.identity.as_deref() == Some("email")));
}

#[test]
fn keys_that_newer_versions_of_fides_add_change_nothing() {
    let name = "postgres_example_test_dataset.yml".to_owned();
    let text = files("sample_resources")[&name].clone();
    let newer = text
        .replacen("    name:", "    data_purposes: [checkout]\n    name:", 1)
        .replacen("      - name:", "      - data_purposes: [checkout]\n        name:", 1)
        .replacen("          - name:", "          - data_purposes: [checkout]\n            name:", 1);
    assert_eq!(newer.matches("data_purposes").count(), 3);
    let newer = format!(
        "{newer}\ndata_flows: [{{ fides_key: one, source: a, destination: b }}]\ndata_purpose: [{{ fides_key: checkout }}]\n"
    );
    let told = |text: &String| {
        let map = read([(&name, text)]).unwrap().0;
        map.fields.into_iter().map(|(key, field)| (key, field.categories)).collect::<Vec<_>>()
    };
    assert_eq!(told(&newer), told(&text));
}

#[test]
fn the_taxonomy_is_fideslang_s() {
    let (categories, uses) = (&files("data_files")["data_categories.yml"], &files("data_files")["data_uses.yml"]);
    let keys = |text: &str, of: &str| -> BTreeSet<String> {
        let file = yaml(text);
        let keys = file[of].as_array().unwrap().iter().map(|key| key["fides_key"].as_str().unwrap().to_owned());
        keys.collect()
    };
    let taxonomy = Taxonomy::fideslang().unwrap();
    assert_eq!(taxonomy.data_categories, keys(categories, "data_category"));
    // The file is two uses away from the package's own code, which the taxonomy was taken from.
    let apart: Vec<String> = taxonomy.data_uses.symmetric_difference(&keys(uses, "data_use")).cloned().collect();
    assert_eq!(apart, ["functional.storage.privacy_preferences", "personalize.profiling"]);
    for name in ["data_categories.yml", "data_subjects.yml", "data_uses.yml"] {
        let file = (&name.to_owned(), &files("data_files")[name]);
        assert!(read([file]).unwrap().0.fields.is_empty(), "{name}");
    }
    for (old, new) in &taxonomy.renamed {
        let known = |key| taxonomy.data_categories.contains(key) || taxonomy.data_uses.contains(key);
        assert!(known(new) && !known(old), "{old}: {new}");
    }
}

#[test]
fn an_organisation_s_own_keys_extend_the_taxonomy() {
    let demo = files("demo_resources");
    let (_, taxonomy) = read(
        [("demo_extended_taxonomy.yml".to_owned(), demo["demo_extended_taxonomy.yml"].clone())]
            .iter()
            .map(|(a, b)| (a, b)),
    )
    .unwrap();
    assert!(taxonomy.data_uses.contains("third_party_sharing.personalized_advertising.direct_marketing"));
    for name in ["demo_organization.yml", "demo_policy.yml"] {
        assert!(read([(&name.to_owned(), &demo[name])]).unwrap().0.fields.is_empty(), "{name}");
    }
}

/// The samples that fideslang calls failing, and those written with keys of its first versions.
#[test]
fn failing_samples_fail_with_line_reason_and_the_key_to_write() {
    let (tests, demo) = (files("tests"), files("demo_resources"));
    let political = "(it was renamed: write `user.demographic.political_opinion`)";
    for (name, told) in [
        ("failing_dataset_collection_taxonomy.yml", vec!["8:28: mapping values are not allowed".to_owned()]),
        (
            "failing_dataset_field_taxonomy.yml",
            vec![
                format!("16:17: data category `user.political_opinion` is not in the taxonomy {political}"),
                "29:19: data use `advertising` is not in the taxonomy (it was renamed: write `marketing.advertising`)".into(),
            ],
        ),
        (
            "failing_dataset_taxonomy.yml",
            vec![
                format!("6:9: data category `user.political_opinion` is not in the taxonomy {political}"),
                "28:19: data use `advertising` is not in the taxonomy (it was renamed: write `marketing.advertising`)".into()],
        ),
        (
            "failing_declaration_taxonomy.yml",
            vec![
                format!("9:13: data category `user.political_opinion` is not in the taxonomy {political}"),
                "10:19: data use `third_party_sharing.payment_processing` is not in the taxonomy (it was renamed: write \
                 `essential.service.payment_processing`)"
                    .into(),
            ],
        ),
        (
            "failing_nested_dataset.yml",
            vec![
                "14:21: data category `user.account.contact.street` is not in the taxonomy (did you mean \
                 `user.contact.address.street`?)"
                    .to_owned(),
                "17:21: data category `user.account.contact.city` is not in the taxonomy (did you mean \
                 `user.contact.address.city`?)"
                    .into(),
            ],
        ),
        ("sample_manifest.yml", vec![" this is no data map: it has none of fideslang's keys (known: `dataset`, ".to_owned()]),
        (
            "demo_dataset.yml",
            vec![
                "31:9: data category `user.contact.state` is not in the taxonomy (did you mean `user.contact.address.state`?)"
                    .to_owned(),
            ],
        ),
        (
            "demo_system.yml",
            vec![
                "15:19: data use `improve.system` is not in the taxonomy (it was renamed: write `functional.service.improve`)"
                    .to_owned(),
                "29:13: data category `user.cookie_id` is not in the taxonomy (did you mean `user.device.cookie_id`?)".into(),
            ],
        ),
    ] {
        let text = tests.get(name).or_else(|| demo.get(name)).unwrap();
        let error = read([(&name.to_owned(), text)]).err().unwrap_or_else(|| panic!("{name} loads"));
        for told in told {
            assert!(error.contains(&format!("{name}:{told}")), "{told} in {error}");
        }
    }
}

/// Whoever follows the help gets a file that loads.
#[test]
fn what_the_help_says_makes_them_load() {
    let key = |text: &str, after: &str| {
        let rest = text.split(after).nth(1)?;
        rest.split('`').next().map(str::to_owned)
    };
    let mut mended = 0;
    for (name, text) in files("tests").into_iter().chain(files("demo_resources")) {
        let mut text = text;
        while let Err(error) = read([(&name, &text)]) {
            let lines = error.lines().filter(|line| line.contains("is not in the taxonomy"));
            let mends: Vec<(String, String)> = lines
                .filter_map(|line| {
                    let wrong = key(line, "data category `").or_else(|| key(line, "data use `"))?;
                    Some((wrong, key(line, "write `").or_else(|| key(line, "did you mean `"))?))
                })
                .collect();
            if mends.is_empty() {
                assert!(
                    ["failing_dataset_collection_taxonomy.yml", "sample_manifest.yml"].contains(&name.as_str()),
                    "{error}"
                );
                break;
            }
            for (wrong, right) in mends {
                let lines: Vec<String> = text
                    .lines()
                    .map(|line| {
                        if line.trim_end().ends_with(&wrong) {
                            line.replacen(&wrong, &right, 1)
                        } else {
                            line.to_owned()
                        }
                    })
                    .collect();
                text = lines.join("\n");
                mended += 1;
            }
        }
    }
    assert!(mended >= 10, "{mended}");
}

#[test]
fn a_misspelt_top_key_is_told_and_not_ignored() {
    let name = "sample_systems.yml".to_owned();
    let text = files("sample_resources")[&name].replacen("system:", "systems:", 1);
    let error = read([(&name, &text)]).err().unwrap();
    assert_eq!(error, "sample_systems.yml:1:1: `systems` is not a key that anything reads (did you mean `system`?)");
}
