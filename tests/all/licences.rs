//! Everything that is compiled in has a licence that `deny.toml` allows. `cargo deny` says more, where it is installed.

use std::collections::BTreeSet;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn allowed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(format!("{ROOT}/deny.toml")).unwrap();
    let list = text.split("allow = [").nth(1).unwrap().split(']').next().unwrap();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be met with allowed licences. `/` is crates.io's old way to write OR.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.trim();
    let outermost = |separator: &str| -> Vec<String> {
        let (mut parts, mut depth) = (vec![String::new()], 0);
        for token in expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").split_whitespace() {
            depth += i32::from(token == "(") - i32::from(token == ")");
            if depth == 0 && token == separator {
                parts.push(String::new());
            } else if let Some(part) = parts.last_mut() {
                part.push_str(token);
                part.push(' ');
            }
        }
        parts
    };
    let (any, all) = (outermost("OR"), outermost("AND"));
    if any.len() > 1 {
        any.iter().any(|part| is_met(part, allowed))
    } else if all.len() > 1 {
        all.iter().all(|part| is_met(part, allowed))
    } else if let Some(inner) = expression.strip_prefix('(') {
        is_met(inner.trim_end().trim_end_matches(')'), allowed)
    } else {
        allowed.contains(expression)
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed = allowed();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 300);
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none stated");
        assert!(is_met(licence, &allowed), "{}: {licence}", package["name"]);
    }
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    let allowed: BTreeSet<String> = ["MIT", "ISC"].map(str::to_owned).into();
    for (expression, met) in [
        ("MIT", true),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR ISC) AND MIT", true),
        ("(GPL-3.0 OR LGPL-3.0) AND MIT", false),
        ("none stated", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}
