//! The pages under `docs` leave out nothing that is measured, and name nothing that is not.

use std::collections::BTreeSet;

use probity::facts::KINDS;
use probity::metrics;

/// The names in backquotes with which a row of a table starts.
fn rows(page: &str) -> BTreeSet<&str> {
    page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn the_page_of_measures_is_whole() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/measures.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let kinds: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let mut measures: BTreeSet<&str> = metrics::IDS.into_iter().collect();
    measures.extend(KINDS.iter().flat_map(|kind| kind.measures).copied());
    let told = rows(&page);
    let missing: Vec<_> = measures.iter().filter(|name| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "docs/measures.md has no row for {missing:?}");
    let missing: Vec<_> = kinds.iter().filter(|kind| !page.contains(&format!("| `{kind}` |"))).collect();
    assert!(missing.is_empty(), "docs/measures.md has no row of {missing:?}");
    let unknown: Vec<_> = told.iter().filter(|name| !measures.contains(*name) && !kinds.contains(*name)).collect();
    assert!(unknown.is_empty(), "docs/measures.md tells of {unknown:?}, which is not measured");
    // A measure stands beside the fact that holds it.
    for kind in KINDS {
        for measure in kind.measures {
            assert!(page.contains(&format!("\n| `{measure}` | `{}` |", kind.name)), "{measure} of {}", kind.name);
        }
    }
}
