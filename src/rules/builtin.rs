//! The packs inside the program. A new rule is an entry here, its YAML and its documentation under `policies/`.

/// A pack that ships with the program.
pub struct Builtin {
    pub id: &'static str,
    /// Where it stands in the source tree; errors call it so.
    pub path: &'static str,
    pub yaml: &'static str,
    pub tests_path: &'static str,
    pub tests: &'static str,
    /// Documentation in Markdown, by rule.
    pub docs: &'static [(&'static str, &'static str)],
}

/// The one registration of a pack and its rules' documentation.
macro_rules! pack {
    ($id:literal: $($rule:literal),+ $(,)?) => {
        Builtin {
            id: $id,
            path: concat!("policies/", $id, "/pack.yaml"),
            yaml: include_str!(concat!("../../policies/", $id, "/pack.yaml")),
            tests_path: concat!("policies/", $id, "/pack.test.yaml"),
            tests: include_str!(concat!("../../policies/", $id, "/pack.test.yaml")),
            docs: &[$(($rule, include_str!(concat!("../../policies/", $id, "/", $rule, ".md")))),+],
        }
    };
}

/// All packs that a manifest can name.
pub const BUILTIN: &[Builtin] = &[pack!("playbook":
    "undeclared-strategy",
    "unstated-purpose-basis",
    "unstated-benefit",
    "unstated-objective",
    "unmapped-input",
    "uncategorised-input",
    "undeclared-context",
    "short-term-objective",
    "special-category-profiling",
    "opaque-logic",
    "no-legal-basis",
    "use-without-consent",
    "use-after-withdrawal",
    "unknown-consent",
    "non-consented-join",
    "non-consented-special-join",
    "outcome-four-fifths",
    "outcome-below-most-favoured",
    "undocumented-owner",
    "risk-acceptance",
    "review-overdue",
    "unreadable-evidence",
    "trend-watched",
)];

/// A built-in pack by its name.
pub fn pack(id: &str) -> Option<&'static Builtin> {
    BUILTIN.iter().find(|pack| pack.id == id)
}

/// The documentation of a rule, in Markdown.
pub fn explain(rule: &str) -> Option<&'static str> {
    BUILTIN.iter().flat_map(|pack| pack.docs).find(|(id, _)| *id == rule).map(|(_, doc)| *doc)
}

/// The ids of all documented rules, in the order of their packs.
pub fn documented() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().flat_map(|pack| pack.docs).map(|(id, _)| *id)
}
