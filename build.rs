//! Lists the rule packs under `policies/`, so that adding a pack or a rule touches nothing but that folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=policies");
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("policies");
    let mut table = String::from("pub const BUILTIN: &[Builtin] = &[\n");
    for folder in entries(&root).iter().filter(|path| path.join("pack.yaml").is_file()) {
        println!("cargo:rerun-if-changed={}", folder.display());
        let id = name(folder);
        let _ = writeln!(
            table,
            "    Builtin {{ id: {id:?}, path: \"policies/{id}/pack.yaml\", yaml: include_str!({:?}), tests_path: \
             \"policies/{id}/pack.test.yaml\", tests: include_str!({:?}), docs: &[",
            folder.join("pack.yaml"),
            folder.join("pack.test.yaml")
        );
        for doc in entries(folder).iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
            let rule = name(doc);
            let _ = writeln!(table, "        ({:?}, include_str!({doc:?})),", rule.trim_end_matches(".md"));
        }
        table.push_str("    ] },\n");
    }
    table.push_str("];\n");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it")).join("packs.rs");
    std::fs::write(out, table).expect("the table of packs is written");
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).expect("the folder of policies is there");
    let mut paths: Vec<PathBuf> = read.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().expect("it has a name").to_string_lossy().into_owned()
}
