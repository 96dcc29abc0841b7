//! `probity init` on files of many shapes: what it takes them for, and that checks and audits run on what it writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use probity::manifest::{Epoch, Layout, Manifest, Source, Unit};
use probity::yaml::Document;

use crate::support::{csv, decisions, log, rfc3339};

struct Folder(tempfile::TempDir);

/// What the program said, and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(path, bytes).expect("the file is written");
        self
    }

    /// A file of the fixtures.
    fn with_copy(self, name: &str, from: &str) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(from);
        self.with(name, std::fs::read(from).expect("the fixture is there"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
        let output = command.current_dir(self.0.path()).env("NO_COLOR", "1").args(arguments).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8 is printed");
        Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Proposes, and reads the proposed manifest.
    #[track_caller]
    fn init(&self) -> Manifest {
        let said = self.run(&["init"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        Document::<Manifest>::read(&self.path("audit.yaml")).expect("a manifest").value
    }

    /// A check and an audit come to a verdict, and it is not a pass. Gives the record.
    #[track_caller]
    fn can_be_audited(&self) -> String {
        for arguments in [&["check", "audit.yaml"][..], &["audit", "audit.yaml", "--out", "report"]] {
            let said = self.run(arguments);
            assert_eq!(said.code, Some(1), "{arguments:?}: {}{}", said.out, said.err);
        }
        std::fs::read_to_string(self.path("report/audit.json")).expect("a record")
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the file is text")
    }
}

fn columns(source: &Source) -> BTreeMap<&str, &str> {
    source.columns.iter().map(|(canonical, own)| (canonical.as_str(), own.value.as_str())).collect()
}

fn strategies(manifest: &Manifest) -> Vec<&str> {
    manifest.strategies.iter().map(|strategy| strategy.id.as_str()).collect()
}

#[test]
fn a_shop_with_names_of_its_own_is_recognised_and_audited() {
    let mut folder = Folder::new();
    for name in ["consent.csv", "subjects.csv", "items.jsonl", "lineage.jsonl"] {
        folder = folder.with_copy(name, &format!("storefront/{name}"));
    }
    for month in ["03", "04", "05"] {
        let name = format!("recommendations/2026-{month}.csv.gz");
        folder = folder.with_copy(&name, &format!("storefront/{name}"));
    }
    let manifest = folder.init();
    let [log] = &manifest.evidence.recommendations[..] else { panic!("one log") };
    assert_eq!((log.path.as_str(), log.layout), ("recommendations/*.csv.gz", Layout::Decisions));
    // As `fixtures/storefront/audit.yaml` maps them by hand.
    let by_hand =
        Manifest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/storefront/audit.yaml")).unwrap();
    let by_hand = columns(&by_hand.value.evidence.recommendations[0]);
    let renamed: BTreeMap<&str, &str> = by_hand.into_iter().filter(|(canonical, own)| canonical != own).collect();
    assert_eq!(columns(log), renamed);
    assert_eq!(manifest.evidence.consent_records[0].path.as_str(), "consent.csv");
    assert_eq!(manifest.evidence.subjects[0].path.as_str(), "subjects.csv");
    assert_eq!(manifest.evidence.items[0].path.as_str(), "items.jsonl");
    assert_eq!(manifest.evidence.lineage[0].path.as_str(), "lineage.jsonl");
    assert_eq!(strategies(&manifest), ["home-hybrid", "popular", "spotlight", "web-behaviour"]);
    let segments: Vec<&str> = manifest.measure.segments.iter().map(|s| s.attribute.as_str()).collect();
    assert_eq!(segments, ["age_band", "arm", "gender", "region", "tenure"]);

    let record: serde_json::Value = serde_json::from_str(&folder.can_be_audited()).unwrap();
    let failed = |rule: &str| record["findings"].as_array().unwrap().iter().any(|finding| finding["rule"] == rule);
    // What only a person knows is asked for, and what was planted into the log is found all the same.
    for rule in ["unstated-purpose-basis", "unstated-benefit", "opaque-logic", "undocumented-owner", "unmapped-input"] {
        assert!(failed(rule), "{rule}");
    }
    assert!(failed("outcome-four-fifths") && failed("undeclared-strategy"));
    for rule in ["use-without-consent", "non-consented-join", "short-term-objective"] {
        let status = record["steps"].as_array().unwrap().iter().flat_map(|step| step["rules"].as_array().unwrap());
        let status = status.clone().find(|known| known["id"] == rule).map(|rule| rule["status"].clone());
        assert_eq!(status, Some("not_evidenced".into()), "{rule}");
    }
    // No id of a person, and no value but names of strategies.
    for name in ["audit.yaml", "data-map.yaml", "consent-policy.yaml"] {
        let text = folder.text(name);
        for value in ["c00000", "c01900", "r000", "18-29", "female", "cookie_banner", "2025-2"] {
            assert!(!text.contains(value), "{value} stands in {name}");
        }
    }
}

#[test]
fn open_bandit_has_no_people_and_one_log_by_policy() {
    let mut folder = Folder::new();
    for name in ["random/all", "random/men", "bts/all", "bts/men"] {
        folder = folder.with_copy(&format!("{name}.csv"), &format!("open-bandit/data/{name}.csv"));
    }
    let manifest = folder.init();
    let logs: Vec<(&str, &str)> = manifest
        .evidence
        .recommendations
        .iter()
        .map(|log| (log.path.as_str(), log.values["strategy"].value.as_str()))
        .collect();
    // Each campaign has as many columns as it has items, so that only the policies have tables in common.
    let wanted = ["bts/all.csv", "bts/men.csv", "random/all.csv", "random/men.csv"];
    assert_eq!(logs, wanted.map(|path| (path, path.split('/').next().unwrap())));
    let wanted = BTreeMap::from([("clicked", "click"), ("propensity", "propensity_score")]);
    assert_eq!(columns(&manifest.evidence.recommendations[0]), wanted);
    assert_eq!(manifest.measure.unit, Unit::Impression);
    let segments: Vec<&str> = manifest.measure.segments.iter().map(|s| s.attribute.as_str()).collect();
    assert_eq!(segments, ["user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3"]);
    assert!(folder.can_be_audited().contains("outcome_parity"));
}

#[test]
fn ratings_are_a_history_and_no_recommendations() {
    let rows: String = (0..300)
        .map(|n| format!("{},{},{}.0,{}\n", n % 40 + 1, n % 17 + 100, n % 5 + 1, 964_982_703 + n * 60))
        .collect();
    let folder = Folder::new().with("ratings.csv", format!("userId,movieId,rating,timestamp\n{rows}")).with(
        "movies.csv",
        "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n2,Jumanji (1995),Adventure|Children\n",
    );
    let manifest = folder.init();
    let [history] = &manifest.evidence.history[..] else { panic!("one history") };
    let wanted = BTreeMap::from([("subject_id", "userId"), ("item_id", "movieId"), ("weight", "rating")]);
    assert_eq!((columns(history), history.epoch), (wanted, Some(Epoch::Seconds)));
    assert_eq!(columns(&manifest.evidence.items[0]), BTreeMap::from([("item_id", "movieId")]));
    assert!(manifest.evidence.recommendations.is_empty() && strategies(&manifest) == ["unnamed"]);
    assert!(folder.text("audit.yaml").contains("# recommendations:  # TODO: the log of what was recommended"));
    folder.can_be_audited();
}

#[test]
fn json_lines_with_lists_of_items_are_decisions() {
    let lines = |objects: bool| -> String {
        let rows = log();
        let lines = decisions(&rows).into_iter().map(|decision| {
            let ids: Vec<&str> = decision.iter().map(|row| row.item.as_str()).collect();
            let clicks: Vec<u8> = decision.iter().map(|row| u8::from(row.clicked)).collect();
            let shown: Vec<serde_json::Value> = decision
                .iter()
                .map(|row| serde_json::json!({"id": row.item, "clicked": row.clicked, "price": 10}))
                .collect();
            let mut line = serde_json::json!({
                "ts": decision[0].at / 1000,
                "user": { "id": decision[0].subject.replace("@people.example", "") },
                "variant": decision[0].strategy,
            });
            match objects {
                true => line["items"] = shown.into(),
                false => (line["items"], line["clicks"]) = (ids.into(), clicks.into()),
            }
            format!("{line}\n")
        });
        lines.collect()
    };
    for (objects, items, clicked) in [(false, "items", "clicks"), (true, "items.id", "items.clicked")] {
        let folder = Folder::new().with("log.jsonl", lines(objects));
        let manifest = folder.init();
        let [source] = &manifest.evidence.recommendations[..] else { panic!("one log") };
        let columns = columns(source);
        assert_eq!((columns["item_id"], columns["clicked"]), (items, clicked));
        assert_eq!((columns["subject_id"], columns["timestamp"], columns["strategy"]), ("user.id", "ts", "variant"));
        assert_eq!((source.layout, source.epoch), (Layout::Decisions, Some(Epoch::Milliseconds)));
        assert_eq!(strategies(&manifest), ["hybrid", "popular"]);
        let record: serde_json::Value = serde_json::from_str(&folder.can_be_audited()).unwrap();
        let quality = crate::support::quality(&record, "recommendations");
        assert_eq!((&quality["rows"], &quality["rejected"]), (&160.into(), &0.into()), "{quality}");
        assert_eq!(quality["first"], rfc3339(log()[0].at).as_str());
    }
}

#[test]
fn parquet_and_partitions_and_other_delimiters_are_read() {
    let rows = log();
    let semicolons = csv(&rows).replace(',', ";").replace("subject_id", "Customer ID").replace("strategy", "algorithm");
    let folder = Folder::new().with("export.csv", semicolons.replace("@people.example", ""));
    let manifest = folder.init();
    let [source] = &manifest.evidence.recommendations[..] else { panic!("one log") };
    assert_eq!(source.delimiter.as_ref().map(|at| at.value.as_str()), Some(";"));
    assert_eq!(columns(source), BTreeMap::from([("subject_id", "Customer ID"), ("strategy", "algorithm")]));
    folder.can_be_audited();

    let tabs = csv(&rows).replace(',', "\t").replace("@people.example", "");
    let folder = Folder::new().with("log/day=1/a.tsv", &tabs);
    let manifest = folder.init();
    assert_eq!(manifest.evidence.recommendations[0].path.as_str(), "log", "the folder with partitions");

    let folder = Folder::new().with("log.parquet", crate::readers::parquet::impressions(&rows));
    let manifest = folder.init();
    let [source] = &manifest.evidence.recommendations[..] else { panic!("one log") };
    assert_eq!((source.path.as_str(), columns(source)), ("log.parquet", BTreeMap::new()));
    folder.can_be_audited();
}

#[test]
fn times_without_a_zone_are_read_as_a_marked_guess() {
    let text = csv(&log()).replace("Z,", ",").replace("@people.example", "");
    let folder = Folder::new().with("log.csv", text);
    let manifest = folder.init();
    assert_eq!(manifest.evidence.recommendations[0].time_zone.as_ref().map(|at| at.value.as_str()), Some("UTC"));
    assert!(folder.text("audit.yaml").contains("time_zone: UTC # guess. TODO: the zone of these times"));
    folder.can_be_audited();
}

#[test]
fn personal_data_is_told_and_neither_declared_nor_written() {
    let folder = Folder::new().with("log.csv", csv(&log()));
    folder.init();
    let (manifest, map) = (folder.text("audit.yaml"), folder.text("data-map.yaml"));
    assert!(manifest.contains("# TODO: subject_id holds email: take it out"), "{manifest}");
    assert!(
        map.contains("- name: subject_id\n            data_categories: [user.contact.email] # guess: its values"),
        "{map}"
    );
    assert!(folder.can_be_audited().contains("undeclared-personal-data"));
    for text in [manifest, map, folder.text("consent-policy.yaml")] {
        assert!(!text.contains("people.example") && !text.contains("Knitted"), "{text}");
    }
}

#[test]
fn hostile_headers_stay_names_and_break_nothing() {
    let header =
        "user_id,\"a: b # c\",\"*x\",- y,\"{z}\",ts,item,variant,\"bell\u{7}\",rtl\u{202e},anna@people.example,";
    let rows: String =
        (0..40).map(|n| format!("u{n},1,2,3,4,2026-03-01T10:00:00Z,i{},v{},5,6,7,8\n", n % 7, n % 2)).collect();
    let folder = Folder::new().with("log.csv", format!("{header}\n{rows}"));
    let said = folder.run(&["init"]);
    assert_eq!(said.code, Some(2), "a name that is a person's is taken for a row: {}", said.out);
    assert!(said.err.contains("its first line is a row") && !said.err.contains("anna@"), "{}", said.err);

    let folder =
        Folder::new().with("log.csv", format!("{}\n{rows}", header.replace("anna@people.example", "\"q\"\"q\"")));
    let manifest = folder.init();
    assert_eq!(strategies(&manifest), ["v0", "v1"]);
    let [source] = &manifest.evidence.recommendations[..] else { panic!("one log") };
    let wanted = [("item_id", "item"), ("strategy", "variant"), ("subject_id", "user_id"), ("timestamp", "ts")];
    assert_eq!(columns(source), BTreeMap::from(wanted));
    for name in ["audit.yaml", "data-map.yaml"] {
        assert!(!folder.text(name).contains(['\u{7}', '\u{202e}']), "{name}");
    }
    folder.can_be_audited();
}

#[test]
fn nothing_usable_is_an_error_that_says_what_was_looked_for() {
    let refused = |folder: &Folder, told: &[&str]| {
        let said = folder.run(&["init"]);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{}", said.err);
        let plain = said.err.split_whitespace().filter(|word| !"│×╰─▶├╭".contains(word)).collect::<Vec<_>>().join(" ");
        for expected in told {
            assert!(plain.contains(expected), "`{expected}` in {plain}");
        }
        let left: Vec<_> =
            ["audit.yaml", "data-map.yaml", "consent-policy.yaml"].map(|name| folder.path(name).exists()).into();
        assert_eq!(left, [false; 3]);
    };
    refused(&Folder::new(), &["nothing here can be audited", ".jsonl", ".parquet", "fideslang data maps"]);
    refused(&Folder::new().with("notes.md", "# hello"), &["nothing here can be audited"]);
    refused(&Folder::new().with("log.csv", ""), &["log.csv", "it is empty"]);
    refused(&Folder::new().with("log.jsonl", "\n"), &["log.jsonl", "no line that is a JSON object"]);
    refused(&Folder::new().with("log.parquet", "PAR1"), &["log.parquet", "cannot be read as Parquet"]);
    refused(&Folder::new().with("u.csv", "196,242,3,881250949\n186,302,3,891717742\n"), &["its first line is a row"]);
    refused(&Folder::new().with("prices.csv", "currency,rate\nEUR,1\n"), &["prices.csv", "people, times, items"]);
    let missing = Folder::new().run(&["init", "nowhere"]);
    assert!(missing.code == Some(2) && missing.err.contains("there is no such file or folder"), "{}", missing.err);
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written() {
    let folder = Folder::new().with("log.csv", csv(&log())).with("consent-policy.yaml", "mine: true\n");
    let said = folder.run(&["init"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("consent-policy.yaml: it is there already"), "{}", said.err);
    assert!(!folder.path("audit.yaml").exists() && !folder.path("data-map.yaml").exists());
    assert_eq!(folder.text("consent-policy.yaml"), "mine: true\n");
    let said = folder.run(&["init", "log.csv", "--out", "audits/first"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(folder.text("audits/first/audit.yaml").contains("- path: ../../log.csv"));
    assert_eq!(folder.run(&["check", "audits/first/audit.yaml"]).code, Some(1));
}

#[test]
fn a_data_map_a_policy_and_receipts_that_are_there_are_used() {
    let folder = Folder::new()
        .with_copy("privacy/map.yaml", "storefront/data-map.yaml")
        .with_copy("privacy/policy.yaml", "storefront/consent-policy.yaml")
        .with_copy("subjects.csv", "storefront/subjects.csv")
        .with("etl/a.sql", "CREATE TABLE x AS SELECT 1;")
        .with("audit-report/audit.json", "{}")
        .with("audit-report/findings.csv", "a,b\n");
    let manifest = folder.init();
    assert_eq!(manifest.evidence.data_map[0].as_str(), "privacy/map.yaml");
    assert_eq!(manifest.evidence.consent_policy[0].as_str(), "privacy/policy.yaml");
    assert_eq!(manifest.evidence.lineage[0].path.as_str(), "etl/a.sql");
    let purposes: Vec<&str> = manifest.purposes.iter().map(|purpose| purpose.id.as_str()).collect();
    assert_eq!(purposes, ["analytics", "functional.service", "personalize.content.profiling"]);
    assert!(!folder.path("data-map.yaml").exists() && !folder.path("consent-policy.yaml").exists());
    folder.can_be_audited();
}

#[test]
fn a_value_that_says_todo_is_an_error_and_never_a_value() {
    let folder = Folder::new().with("log.csv", csv(&log()));
    folder.init();
    let filled = folder.text("audit.yaml").replace("# benefit:  ", "benefit: TODO # ");
    let folder = folder.with("audit.yaml", filled);
    let said = folder.run(&["check", "audit.yaml"]);
    assert!(said.code == Some(2) && said.err.contains("`benefit` is still to be filled in"), "{}", said.err);
}
