//! A first manifest, data map and consent policy, proposed from the user's own files.
//!
//! [`propose`] reads headers and a bounded sample of rows, guesses what each file and each column is, and says of every
//! guess why. What only a person can know is left out, so that the audit finds it missing; nothing that was guessed can
//! make a rule about law or purpose pass. Of the values that were looked at only the names of strategies are written.

mod find;
mod manifest;
mod map;
mod names;
mod policy;
mod profile;
mod roles;
mod table;
mod yaml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Problem, Result, all_clear};
use crate::evidence::columns::Role;
use crate::evidence::consent_policy::ConsentPolicy;
use crate::evidence::data_map::DataMap;
use crate::evidence::taxonomy::Taxonomy;
use crate::manifest::Manifest;
use crate::yaml::Document;

const MANIFEST: &str = "audit.yaml";
const DATA_MAP: &str = "data-map.yaml";
const CONSENT_POLICY: &str = "consent-policy.yaml";

/// What a recommender is for, where nothing says it.
const PERSONALIZE: &str = "personalize.content";

/// Files to write, and what was found, in words.
pub struct Proposal {
    pub files: Vec<(&'static str, String)>,
    /// What each file of the user's was taken for.
    pub read: Vec<String>,
    /// What was left alone, and why.
    pub unused: Vec<String>,
    /// What a person has to fill in, as `file:line: what`.
    pub to_do: Vec<String>,
}

/// The purposes to declare, and why these.
pub struct Purposes {
    pub ids: Vec<String>,
    pub why: &'static str,
}

/// Proposes an audit of `paths` (files or folders) that is kept in the folder `out`.
///
/// # Errors
/// When a path is not there, or nothing among them can be audited.
pub async fn propose(paths: &[PathBuf], out: &Path) -> Result<Proposal> {
    let mut found = find::find(paths, out).await?;
    let (mut guesses, mut unused) = (Vec::new(), Vec::new());
    for table in std::mem::take(&mut found.tables) {
        match roles::guess(table) {
            Ok(guess) => guesses.push(guess),
            Err((table, why)) => unused.push((table.path, why)),
        }
    }
    found.unused.extend(unused);
    if guesses.is_empty() && found.data_maps.is_empty() && found.policies.is_empty() {
        let problem =
            Problem::in_file(paths.first().map_or(Path::new("."), PathBuf::as_path), "nothing here can be audited");
        let first = problem.help("a log needs columns of people, times, items and what decided, under any usual name");
        let rest = found.unused.iter().map(|(path, why)| Problem::in_file(path, format!("not used: {why}")));
        return Err(Error::Invalid(std::iter::once(first).chain(rest).collect()));
    }
    let words = Words::of(&guesses);
    let purposes = purposes(&found, &words);
    let (own_map, own_policy) = (found.data_maps.is_empty() && !guesses.is_empty(), found.policies.is_empty());
    let mut files = Vec::new();
    let name = name_of(out);
    let proposal =
        manifest::Proposal { name: &name, guesses: &guesses, found: &found, purposes: &purposes, own_map, own_policy };
    files.push((MANIFEST, proposal.text()));
    let (map, categories) = map::text(&guesses, &words, &Taxonomy::fideslang()?);
    if own_map {
        files.push((DATA_MAP, map));
    }
    if own_policy {
        let about_people = categories.into_iter().filter(|category| *category != "system.operations").collect();
        files.push((CONSENT_POLICY, policy::text(&purposes, &about_people)));
    }
    readable(&files)?;
    let to_do = files.iter().flat_map(|(name, text)| to_do(name, text)).collect();
    let read = guesses.iter().map(told).collect();
    let unused = found.unused.iter().map(|(path, why)| format!("{path}: {why}")).collect();
    Ok(Proposal { files, read, unused, to_do })
}

/// Writes the files into `folder`: all of them, or none where one of them is there already.
pub fn write(proposal: &Proposal, folder: &Path) -> Result<()> {
    let there = proposal.files.iter().map(|(name, _)| folder.join(name)).filter(|path| path.symlink_metadata().is_ok());
    let problem = |path: PathBuf| {
        Problem::in_file(path, "it is there already, and nothing is overwritten").help("name another folder with --out")
    };
    all_clear(there.map(problem).collect())?;
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "make", &e))?;
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, text) in &proposal.files {
        let path = folder.join(name);
        let put = || -> std::io::Result<()> {
            use std::io::Write;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.persist_noclobber(&path)?;
            Ok(())
        };
        if let Err(error) = put() {
            for path in written {
                let _ = std::fs::remove_file(path); // It is ours, and what counts is the error.
            }
            return Err(Error::io(&path, "write", &error));
        }
        written.push(path);
    }
    Ok(())
}

/// What was written can be read again; else the fault is ours.
fn readable(files: &[(&'static str, String)]) -> Result<()> {
    for (name, text) in files {
        let path = Path::new(name);
        let read = match *name {
            MANIFEST => Document::<Manifest>::parse(path, text.as_str()).map(|_| ()),
            CONSENT_POLICY => Document::<ConsentPolicy>::parse(path, text.as_str()).map(|_| ()),
            _ => DataMap::parse(path, text, &mut Taxonomy::fideslang()?).map(|_| ()),
        };
        read.map_err(|error| Error::Internal(format!("the proposed {error}")))?;
    }
    Ok(())
}

/// The words that consent records use: few, short and about no person, or they are left alone.
#[derive(Default)]
struct Words {
    purposes: BTreeSet<String>,
    categories: BTreeSet<String>,
    contexts: BTreeSet<String>,
}

impl Words {
    fn of(guesses: &[Guess]) -> Self {
        let words = |canonical: &str| -> BTreeSet<String> {
            let records = guesses.iter().filter(|guess| guess.role == Role::ConsentRecords);
            let columns = records.filter_map(|guess| guess.own(canonical));
            let elements = columns.flat_map(|column| {
                let few = column.few().unwrap_or_default();
                few.into_iter().flat_map(|cell| cell.split(['|', '\u{1f}']))
            });
            elements.map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        Self { purposes: words("purpose"), categories: words("categories"), contexts: words("contexts") }
    }
}

/// Purposes of the policy; else those that people were asked for; else the usual one.
fn purposes(found: &find::Found, words: &Words) -> Purposes {
    let policies = found.policies.iter().flat_map(|(_, policy)| &policy.purposes);
    let of_policies: BTreeSet<String> = policies.map(|clause| clause.purpose.value.clone()).collect();
    let (ids, why) = if !of_policies.is_empty() {
        (of_policies, "the consent policy names it")
    } else if !words.purposes.is_empty() {
        (words.purposes.clone(), "consent records name it")
    } else {
        (BTreeSet::from([PERSONALIZE.to_owned()]), "what most recommenders are for")
    };
    Purposes { ids: ids.into_iter().collect(), why }
}

fn name_of(folder: &Path) -> String {
    let absolute = folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.to_owned());
    absolute.file_name().map_or_else(|| "system".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// What a person has to fill in, with the lines where.
fn to_do(name: &str, text: &str) -> Vec<String> {
    let head = text.lines().take_while(|line| line.starts_with('#') || line.is_empty()).count();
    let marked = text.lines().enumerate().skip(head).filter_map(|(index, line)| {
        let (key, what) = line.split_once("TODO:")?;
        let key = key.trim_matches(|c: char| "#- ".contains(c)).split(':').next().unwrap_or_default().trim();
        let key = if key.is_empty() || key.contains(' ') { String::new() } else { format!("`{key}`: ") };
        Some((index + 1, format!("{key}{}", what.trim())))
    });
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for (line, what) in marked {
        match told.iter_mut().find(|(known, _)| *known == what) {
            Some((_, lines)) => lines.push(line.to_string()),
            None => told.push((what, vec![line.to_string()])),
        }
    }
    told.into_iter().map(|(what, lines)| format!("{name}:{}: {what}", lines.join(","))).collect()
}

/// What a table was taken for.
fn told(guess: &Guess) -> String {
    let renamed = guess.columns.iter().map(|(canonical, mapped)| match *canonical == mapped.own {
        true => (*canonical).to_owned(),
        false => format!("{canonical} = {}", yaml::escaped(&mapped.own)),
    });
    let columns = renamed.collect::<Vec<_>>().join(", ");
    let what = guess.role.id().replace('_', " ");
    format!("{} as {what}{}{columns}", guess.table.path, if columns.is_empty() { "" } else { ": " })
}

use roles::Guess;
