//! The book under `docs/`: its examples are run, what they quote is compared with what the program prints, and its
//! reference pages are those that the program writes.
//!
//! Every fenced block says by its info string what becomes of it. The blocks of a page run in order, in one folder:
//!
//! - `sh`: run by `sh -eu`; ends with 0, or with `exit=N`.
//! - `console`: lines after `$ ` are run like that; every other line must be in what they print, in this order. `…` alone
//!   stands for anything.
//! - `yaml file=PATH`: written to that file. `yaml check=KIND` (manifest, policy, decisions, data-map, pack): read as one;
//!   a manifest or policy may leave out what is mandatory.
//! - `yaml`, `json`: must be that. `sh norun` must be a script. `text`, `csv` and `sql` are only shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde::de::IgnoredAny;

/// Pages whose commands need machines that are not here: their blocks are read, and not run.
const ELSEWHERE: [&str; 1] = ["docs/how-to/ci.md"];

struct Block {
    page: PathBuf,
    line: usize,
    info: Vec<String>,
    text: String,
}

impl Block {
    fn option(&self, name: &str) -> Option<&str> {
        self.info.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn has(&self, word: &str) -> bool {
        self.info.iter().any(|known| known == word)
    }

    fn place(&self) -> String {
        format!("{}:{}", self.page.display(), self.line)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, those in folders too.
fn pages() -> Vec<PathBuf> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => walk(&path, into),
                false if path.extension().is_some_and(|extension| extension == "md") => into.push(path),
                false => {}
            }
        }
    }
    let mut pages = Vec::new();
    walk(&root().join("docs"), &mut pages);
    pages.sort();
    pages
}

fn blocks(page: &Path, text: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<(Block, String)>) = (Vec::new(), None);
    for (index, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        let ticks: String = bare.chars().take_while(|c| *c == '`').collect();
        match &mut open {
            None if ticks.len() >= 3 => {
                let info = bare[ticks.len()..].split_whitespace().map(str::to_owned).collect();
                let page = page.strip_prefix(root()).unwrap_or(page).to_owned();
                open = Some((Block { page, line: index + 1, info, text: String::new() }, ticks));
            }
            Some((_, fence)) if bare == fence => blocks.extend(open.take().map(|(block, _)| block)),
            Some((block, _)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(open.is_none(), "{}: a fence is left open", page.display());
    blocks
}

/// Runs a script in a folder; its exit code and all that it printed.
fn run(script: &str, folder: &Path) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_probity"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", program.parent().expect("a folder").display());
    let output = Command::new("sh")
        .args(["-eu", "-c", &format!("exec 2>&1\n{script}")])
        .current_dir(folder)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("sh runs");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Words, whatever the blanks and breaks between them.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether every line is in the text, each after the one before; else the first that is not.
fn quoted<'l>(lines: &[&'l str], printed: &str) -> Result<(), &'l str> {
    let printed = words(printed);
    let mut from = 0;
    for line in lines {
        let wanted = words(line);
        if wanted == "…" || wanted.is_empty() {
            continue;
        }
        match printed[from..].find(&wanted) {
            Some(at) => from += at + wanted.len(),
            None => return Err(line),
        }
    }
    Ok(())
}

/// What is wrong with a block once it is run in `folder`.
fn verdict(block: &Block, folder: &Path) -> Result<(), String> {
    let wanted: i32 = block.option("exit").map_or(Ok(0), str::parse).map_err(|_| "no exit code".to_owned())?;
    let elsewhere = ELSEWHERE.iter().any(|page| block.page == Path::new(page));
    let ended = |(code, printed): (i32, String)| match code == wanted {
        true => Ok(printed),
        false => Err(format!("ended with {code}, expected {wanted}:\n{printed}")),
    };
    match block.info.first().map(String::as_str) {
        Some("sh") if block.has("norun") || elsewhere => {
            let script = format!("sh -n <<'END_OF_BLOCK'\n{}END_OF_BLOCK\n", block.text);
            ended(run(&script, folder)).map(|_| ())
        }
        Some("sh") => ended(run(&block.text, folder)).map(|_| ()),
        Some("console") => {
            let (commands, lines): (Vec<&str>, Vec<&str>) =
                block.text.lines().partition(|line| line.starts_with("$ ") || line.starts_with("> "));
            let script: String = commands.iter().map(|line| format!("{}\n", &line[2..])).collect();
            let printed = ended(run(&script, folder))?;
            quoted(&lines, &printed).map_err(|line| format!("`{line}` is not printed (or not there):\n{printed}"))
        }
        Some("yaml") => yaml(block, folder),
        Some("json") => serde_json::from_str::<serde_json::Value>(&block.text).map(|_| ()).map_err(|e| e.to_string()),
        Some("text" | "csv" | "sql") => Ok(()),
        Some("groovy") if elsewhere => Ok(()),
        other => Err(format!("a block that says {other:?}: see tests/all/book.rs for what it may say")),
    }
}

fn yaml(block: &Block, folder: &Path) -> Result<(), String> {
    use probity::yaml::Document;
    let keys =
        Document::<BTreeMap<String, IgnoredAny>>::parse(&block.page, block.text.as_str()).map_err(|e| e.to_string())?;
    if let Some(file) = block.option("file") {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).map_err(|e| e.to_string())?;
        std::fs::write(path, &block.text).map_err(|e| e.to_string())?;
    }
    let filled = |mandatory: &[(&str, &str)]| {
        let missing = mandatory.iter().filter(|(key, _)| !keys.value.contains_key(*key));
        let lines: String = missing.map(|(key, value)| format!("{key}: {value}\n")).collect();
        format!("{lines}{}", block.text)
    };
    let read = match block.option("check") {
        None => Ok(()),
        Some("manifest") => {
            let text = filled(&[("probity", "1"), ("system", "{ name: s, owner: o }"), ("evidence", "{}")]);
            Document::<probity::manifest::Manifest>::parse(&block.page, text).map(|_| ())
        }
        Some("policy") => {
            let text = filled(&[("version", "'1'"), ("purposes", "[]")]);
            Document::<probity::evidence::consent_policy::ConsentPolicy>::parse(&block.page, text).map(|_| ())
        }
        Some("decisions") => {
            Document::<probity::decisions::waivers::Decisions>::parse(&block.page, block.text.as_str()).map(|_| ())
        }
        Some("data-map") => {
            let mut taxonomy = probity::evidence::taxonomy::Taxonomy::fideslang().map_err(|e| e.to_string())?;
            probity::evidence::data_map::DataMap::parse(&block.page, &block.text, &mut taxonomy).map(|_| ())
        }
        Some("pack") => probity::rules::load::parse(&block.page, block.text.as_str()).map(|_| ()),
        Some(other) => return Err(format!("nothing checks a `{other}`")),
    };
    read.map_err(|error| error.to_string())
}

/// Runs all blocks of a page in a folder of its own that has the fixtures.
fn failures(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).expect("the page is text");
    let folder = tempfile::tempdir().expect("a temporary folder");
    #[cfg(unix)]
    std::os::unix::fs::symlink(root().join("fixtures"), folder.path().join("fixtures")).expect("a link");
    let failed = blocks(page, &text).into_iter().filter_map(|block| {
        let problem = verdict(&block, folder.path()).err()?;
        Some(format!("{}: {problem}", block.place()))
    });
    failed.collect()
}

#[test]
#[cfg(unix)]
fn every_example_runs_and_prints_what_the_page_says() {
    let (pages, failed) = (Mutex::new(pages().into_iter()), Mutex::new(Vec::new()));
    let next = || pages.lock().expect("no page panics").next();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(page) = next() {
                    failed.lock().expect("no page panics").extend(failures(&page));
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no page panics");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
#[cfg(unix)]
fn an_example_that_does_not_hold_is_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fails = |text: &str| {
        let blocks = blocks(Path::new("page.md"), text);
        assert_eq!(blocks.len(), 1, "{text}");
        verdict(&blocks[0], folder.path()).is_err()
    };
    for wrong in [
        "```sh\nfalse\ntrue\n```\n",
        "```sh exit=1\ntrue\n```\n",
        "```sh norun\nif\n```\n",
        "```console\n$ echo one two\none three\n```\n",
        "```console\n$ echo one; echo two\ntwo\none\n```\n",
        "```console\n$ probity no-such-command\n```\n",
        "```yaml check=manifest\nsystm: {}\n```\n",
        "```yaml check=policy\npurposes: [{purpose: a, categories: [], x: 1}]\n```\n",
        "```yaml\na: [\n```\n",
        "```json\n{\n```\n",
        "```python\n1\n```\n",
        "```\nno kind\n```\n",
    ] {
        assert!(fails(wrong), "{wrong}");
    }
    for right in [
        "```sh exit=3\nexit 3\n```\n",
        "```console exit=1\n$ echo one\n$ echo three; exit 1\none\n…\nthree\n```\n",
        "```yaml check=manifest\ngate: { fail_on: low }\n```\n",
        "  ```sh\n  true\n  ```\n",
    ] {
        assert!(!fails(right), "{right}");
    }
}

/// The pages under `docs/reference` are what the program writes.
#[test]
fn the_reference_is_that_of_the_program() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("reference");
    let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
    command.args(["reference", "--out"]).arg(&out).assert().success();
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("the folder is there").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let committed = root().join("docs/reference");
    let again = "; write them anew: cargo run -- reference --out docs/reference";
    assert_eq!(names(&committed), names(&out), "docs/reference has other pages{again}");
    for name in names(&out) {
        let text = |folder: &Path| std::fs::read_to_string(folder.join(&name)).expect("text").replace("\r\n", "\n");
        assert!(text(&committed) == text(&out), "docs/reference/{name} is not what the program writes{again}");
    }
}

/// Links between pages lead somewhere, and the table of contents names every page.
#[test]
fn every_link_within_the_book_leads_somewhere() {
    let mut wrong = Vec::new();
    let anchor = |heading: &str| -> String {
        let plain = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        plain.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("text");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            // The page on CI comes with what it is about.
            if target.starts_with("http") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().expect("a folder").join(file) };
            let there = path.exists()
                && (heading.is_empty()
                    || std::fs::read_to_string(&path)
                        .is_ok_and(|text| text.lines().any(|line| line.starts_with('#') && anchor(line) == heading)));
            if !there {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let docs = root().join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).expect("a table of contents");
    for page in pages().iter().filter(|page| !page.ends_with("SUMMARY.md")) {
        let name = page.strip_prefix(&docs).expect("within").to_string_lossy().into_owned();
        assert!(summary.contains(&format!("]({name})")), "SUMMARY.md leaves out {name}");
    }
}

/// Completions and manual pages name every subcommand, and are what a shell and a formatter can read.
#[test]
fn completions_and_manual_pages_know_every_subcommand() {
    let said = |arguments: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("probity").expect("the program is built");
        let output = command.args(arguments).output().expect("it runs");
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let help = said(&["--help"]);
    let of_help = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = of_help
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() >= 10 && commands.contains(&"completions"), "{commands:?}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = said(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    said(&["man", "--out", folder.path().join("man1").to_str().expect("a path")]);
    let page = |name: &str| std::fs::read_to_string(folder.path().join("man1").join(name)).expect(name);
    let first = page("probity.1");
    for command in &commands {
        assert!(first.contains(&format!("probity\\-{command}(1)")), "probity.1 does not name {command}");
        assert!(page(&format!("probity-{command}.1")).contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(page("probity-policy-test.1").contains("probity policy test"));
    assert_eq!(said(&["man"]), first);
    let tools =
        [("bash", "bash", "probity completions bash | bash -n"), ("man", "groff", "groff -man -ww -z -Tutf8 man1/*.1")];
    for (what, tool, script) in tools {
        let (there, _) = run(&format!("command -v {tool}"), folder.path());
        if there == 0 {
            let (code, printed) = run(script, folder.path());
            assert_eq!((code, printed.as_str()), (0, ""), "{what}");
        }
    }
}
