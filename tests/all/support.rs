//! A small valid audit in a folder of its own, ways to spoil one file of it, and what the program then says.

use std::path::{Path, PathBuf};

use serde_json::Value;

mod record;

pub use record::{Numbers, facts, near, quality, rule, verdict};

/// Whoever appears in a file of evidence is called like this, so that a leak is found by one search.
pub const PEOPLE: &str = "@people.example";
/// Part of the id of every item.
pub const ITEMS: &str = "Knitted vest";

pub const MANIFEST: &str = "\
probity: 1
system:
  name: Test shop
  owner: team@shop.example
  jurisdiction: DE
  as_of: 2026-06-01
purposes:
  - id: personalize.content
    benefit: People find what suits them.
    legal_basis: consent
    review_date: 2026-12-31
strategies:
  - id: hybrid
    purpose: personalize.content
    objective: Purchases that are kept.
    horizon: both
    logic: Shows what goes with what was seen and bought.
    owner: hybrid-team@shop.example
    inputs: [web.events.views, store.receipts.lines]
  - id: popular
    purpose: personalize.content
    objective: A useful start page.
    horizon: both
    logic: Shows what the person looked at last.
    owner: web-team@shop.example
    inputs: [web.events.views]
measure:
  segments:
    - attribute: age_band
  min_cell: 10
  max_rejected: 0.001
rules:
  packs: [playbook]
evidence:
  data_map: [data-map.yaml]
  consent_policy: policy.yaml
  consent_records: { path: consent.csv, declares: { subject_id: user.contact.email } }
  subjects: { path: subjects.csv, declares: { subject_id: user.contact.email } }
  recommendations:
    path: log.csv
    declares: { subject_id: user.contact.email }
";

/// What the source of the log says of its people.
const DECLARES: &str = "declares: { subject_id: user.contact.email }";

const DATA_MAP: &str = "\
dataset:
  - fides_key: web
    data_qualifier: pseudonymized
    retention: 13 months
    meta: { context: web, collected_for: [personalize.content] }
    collections:
      - name: events
        fields:
          - name: views
            data_categories: [user.behavior.browsing_history]
  - fides_key: store
    data_qualifier: pseudonymized
    retention: 13 months
    meta: { context: store, collected_for: [personalize.content] }
    collections:
      - name: receipts
        fields:
          - name: lines
            data_categories: [user.behavior.purchase_history]
";

const POLICY: &str = "\
version: '1'
purposes:
  - purpose: personalize.content
    categories:
      - { category: user.behavior, basis: consent }
combinations:
  clauses:
    - contexts: [store, web]
      basis: consent
";

/// One item shown to one person.
#[derive(Debug, Clone)]
pub struct Impression {
    pub request: String,
    /// Microseconds since 1970, UTC; a whole number of seconds.
    pub at: i64,
    pub subject: String,
    pub item: String,
    pub position: u32,
    pub strategy: &'static str,
    pub clicked: bool,
    /// In cents.
    pub revenue: i64,
}

/// Eighty people, two requests each, three items a request.
pub fn log() -> Vec<Impression> {
    let mut rows = Vec::new();
    for person in 0..80_u32 {
        for (turn, strategy) in [(0_u32, "hybrid"), (1, "popular")] {
            for position in 1..=3_u32 {
                let draw = (person * 7 + turn * 3 + position * 5) % 11;
                rows.push(Impression {
                    request: format!("r{person:03}-{turn}"),
                    at: time(person, turn).timestamp_micros(),
                    subject: subject(person),
                    item: format!("{ITEMS} {}", (person + position) % 9),
                    position,
                    strategy,
                    clicked: draw < 4,
                    revenue: if draw < 2 { 1995 + i64::from(person) } else { 0 },
                });
            }
        }
    }
    rows
}

pub fn subject(person: u32) -> String {
    format!("anna.{person:03}{PEOPLE}")
}

fn time(person: u32, turn: u32) -> chrono::DateTime<chrono::Utc> {
    let start = chrono::DateTime::from_timestamp(1_774_600_200, 0).expect("a time"); // 2026-03-27T08:30:00Z
    start + chrono::TimeDelta::hours(i64::from(person) + 24 * i64::from(turn))
}

pub fn rfc3339(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(at).expect("a time");
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

pub const HEADER: &str = "request_id,timestamp,subject_id,item_id,position,strategy,clicked,revenue";

/// A row of the log as CSV, without the end of its line.
pub fn csv_row(row: &Impression) -> String {
    let Impression { request, subject, item, position, strategy, .. } = row;
    let (at, clicked, revenue) = (rfc3339(row.at), u8::from(row.clicked), cents(row.revenue));
    format!("{request},{at},{subject},{item},{position},{strategy},{clicked},{revenue}")
}

pub fn cents(amount: i64) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}

/// The log as CSV; its first row stands on line 2.
pub fn csv(rows: &[Impression]) -> String {
    let lines = rows.iter().map(|row| csv_row(row) + "\n");
    std::iter::once(format!("{HEADER}\n")).chain(lines).collect()
}

/// Rows of the same request, in order.
pub fn decisions(rows: &[Impression]) -> Vec<&[Impression]> {
    rows.chunk_by(|a, b| a.request == b.request).collect()
}

/// The log as CSV with a row per decision, lists within cells joined by `|`.
pub fn decisions_csv(rows: &[Impression]) -> String {
    let mut text = "request_id,timestamp,subject_id,strategy,item_id,clicked,revenue\n".to_owned();
    for decision in decisions(rows) {
        let list = |of: &dyn Fn(&Impression) -> String| decision.iter().map(of).collect::<Vec<_>>().join("|");
        let Impression { request, subject, strategy, at, .. } = &decision[0];
        text += &format!(
            "{request},{},{subject},{strategy},{},{},{}\n",
            rfc3339(*at),
            list(&|row| row.item.clone()),
            list(&|row| u8::from(row.clicked).to_string()),
            list(&|row| cents(row.revenue)),
        );
    }
    text
}

/// An audit in a folder that disappears with it.
pub struct Audit {
    folder: tempfile::TempDir,
}

impl Audit {
    /// A valid one, whose gate passes.
    pub fn new() -> Self {
        let audit = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let mut subjects = "subject_id,age_band\n".to_owned();
        let mut consent = "subject_id,timestamp,status,purpose,categories,contexts\n".to_owned();
        for person in 0..80 {
            let id = subject(person);
            subjects += &format!("{id},{}\n", if person % 2 == 0 { "18-29" } else { "30-44" });
            consent += &format!("{id},2026-01-01T00:00:00Z,given,personalize.content,user.behavior,web\n");
            consent += &format!("{id},2026-01-02T00:00:00Z,given,personalize.content,user.behavior,store\n");
            consent += &format!("{id},2026-01-03T00:00:00Z,given,personalize.content,user.behavior,store|web\n");
        }
        audit
            .with("audit.yaml", MANIFEST)
            .with("data-map.yaml", DATA_MAP)
            .with("policy.yaml", POLICY)
            .with("subjects.csv", subjects)
            .with("consent.csv", consent)
            .with("log.csv", csv(&log()))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the file is text")
    }

    /// Writes a file, its folders included.
    pub fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        std::fs::write(&path, bytes).expect("the file is written");
        self
    }

    pub fn without(self, name: &str) -> Self {
        std::fs::remove_file(self.path(name)).expect("the file is removed");
        self
    }

    /// Replaces a text that occurs exactly once in a file.
    pub fn replacing(self, name: &str, from: &str, to: &str) -> Self {
        let text = self.text(name);
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {name}");
        let text = text.replacen(from, to, 1);
        self.with(name, text)
    }

    /// Replaces a text within one line, counted from 1.
    pub fn in_line(self, name: &str, line: usize, from: &str, to: &str) -> Self {
        self.line(name, line, |old| {
            assert!(old.contains(from), "`{from}` in line {line} of {name}: {old}");
            old.replacen(from, to, 1)
        })
    }

    /// Changes one line, counted from 1.
    pub fn line(self, name: &str, line: usize, change: impl FnOnce(&str) -> String) -> Self {
        let text = self.text(name);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[line - 1] = change(&lines[line - 1]);
        self.with(name, lines.join("\n") + "\n")
    }

    /// The log lies elsewhere or is written otherwise: `source` stands in for `path: log.csv`, indented by four.
    pub fn source(self, source: &str) -> Self {
        let declared = source.replace("- path:", &format!("- {DECLARES}\n      path:"));
        let whole = if source.starts_with('-') { declared } else { format!("{}\n    {DECLARES}", source.trim_end()) };
        let from = format!("    path: log.csv\n    {DECLARES}\n");
        self.replacing("audit.yaml", &from, &format!("    {}\n", whole.trim_end()))
    }

    pub fn max_rejected(self, share: &str) -> Self {
        self.replacing("audit.yaml", "max_rejected: 0.001", &format!("max_rejected: {share}"))
    }

    /// Runs `probity audit audit.yaml --out report` in the folder.
    pub fn run(self) -> Run {
        self.run_to("report")
    }

    pub fn run_to(self, out: &str) -> Run {
        self.runs("", &["audit", "audit.yaml", "--out", out], out)
    }

    /// Runs `probity` with `arguments` in a folder below this one; `out` is what it writes to, as seen from here.
    pub fn runs(self, within: &str, arguments: &[&str], out: &str) -> Run {
        let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
        command.current_dir(self.path(within)).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
        let output = command.args(arguments).output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8 is printed");
        Run {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            out: self.path(out),
            audit: self,
        }
    }
}

/// What became of a run.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub out: PathBuf,
    pub audit: Audit,
}

impl Run {
    /// The audit could not be made: exit code 2 and its meaning, every one of `told` in stderr, and nothing written.
    #[track_caller]
    pub fn refused(&self, told: &[&str]) {
        assert_eq!(self.code, Some(2), "{}", self.stderr);
        let plain = plain(&self.stderr);
        for expected in told {
            assert!(plain.contains(expected), "expected `{expected}` in:\n{}", self.stderr);
        }
        let last = self.stderr.lines().last().unwrap_or_default();
        let meaning = "exit 2: could not audit: what was handed over cannot be used as it is";
        assert_eq!(last, meaning, "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        assert!(!self.out.is_dir(), "an output folder was left behind");
        self.leaves_nothing_beside();
    }

    /// The audit was made and the program ended with `code`.
    #[track_caller]
    pub fn audited(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        let last = self.stderr.lines().rfind(|line| line.starts_with("exit ")).unwrap_or_default();
        assert!(last.starts_with(&format!("exit {code}: ")), "{}", self.stderr);
        self.leaves_nothing_beside();
        self.record()
    }

    #[track_caller]
    fn leaves_nothing_beside(&self) {
        let stray: Vec<String> = names(self.audit.folder.path()).filter(|name| name.starts_with(".probity")).collect();
        assert!(stray.is_empty(), "{stray:?}");
    }

    pub fn record(&self) -> Value {
        let text = std::fs::read_to_string(self.out.join("audit.json")).expect("there is a record");
        serde_json::from_str(&text).expect("the record is JSON")
    }

    /// The rejected rows as `file:line: reason`.
    pub fn rejected(&self) -> Vec<String> {
        let mut reader = csv::Reader::from_path(self.out.join("rejected.csv")).expect("there is a rejected.csv");
        assert_eq!(reader.headers().expect("a header"), vec!["file", "line", "reason"]);
        reader.records().map(|row| row.expect("a row")).map(|r| format!("{}:{}: {}", &r[0], &r[1], &r[2])).collect()
    }

    /// Everything that the run wrote or printed.
    pub fn everything(&self) -> String {
        let files = names(&self.out).map(|name| {
            let bytes = std::fs::read(self.out.join(name)).expect("the file is read");
            String::from_utf8_lossy(&bytes).into_owned()
        });
        files.chain([self.stdout.clone(), self.stderr.clone()]).collect()
    }

    /// No id of a person or item is in anything that was written or printed.
    #[track_caller]
    pub fn leaks_nobody(&self) {
        let everything = self.everything();
        for secret in [PEOPLE, "anna.", ITEMS, "r007-"] {
            assert!(!everything.contains(secret), "`{secret}` was told");
        }
    }
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// What was printed, with the frame and the breaks of lines taken out.
pub fn plain(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !word.chars().all(|c| "│×╰─▶├╭·".contains(c)));
    words.collect::<Vec<_>>().join(" ")
}
