//! The packs inside the program: every folder under `policies/` with a `pack.yaml`, its tests and its documentation.

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

// All packs that a manifest can name, made from the folder `policies/` by `build.rs`: `pub const BUILTIN: &[Builtin]`.
include!(concat!(env!("OUT_DIR"), "/packs.rs"));

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
