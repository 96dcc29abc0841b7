//! The checks of a policy: unknown names, and clauses that contradict, repeat or shadow each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{CategoryClause, CombinationClause, ConsentPolicy};
use crate::error::{Problem, Result, all_clear};
use crate::evidence::data_map::DataMap;
use crate::evidence::taxonomy::{Taxonomy, covers};
use crate::manifest::{LegalBasis, Manifest};
use crate::yaml::{At, Document};

impl Document<ConsentPolicy> {
    /// Checks every name in the policy against the taxonomy, the manifest and the data map.
    pub fn check(&self, taxonomy: &Taxonomy, manifest: &Manifest, map: &DataMap) -> Result<()> {
        let mut problems = self.unfilled();
        let declared: BTreeSet<&str> = manifest.purposes.iter().map(|p| p.id.as_str()).collect();
        let contexts = map.contexts();
        let mut purpose = |at: &At<String>| {
            if !declared.iter().any(|id| covers(at, id)) {
                let message = format!("the policy names purpose `{}`, which the manifest does not declare", at.value);
                problems.push(self.problem(at, message).suggest(at, &declared));
            }
        };
        for clause in &self.value.purposes {
            purpose(&clause.purpose);
        }
        let combined = self.value.combinations.clauses.iter().filter_map(|clause| clause.purpose.as_ref());
        let of_minors = self.value.minors.iter().flat_map(|minors| &minors.purposes);
        for clause in combined.chain(of_minors) {
            purpose(clause);
        }
        for at in self.value.global_privacy_control.iter().flat_map(|control| &control.purposes) {
            // The signal speaks of purposes that the system may not have.
            if !taxonomy.data_uses.contains(&at.value) {
                let message = format!("data use `{}` is not in the taxonomy", at.value);
                problems.push(self.problem(at, message).suggest(at, &taxonomy.data_uses));
            }
        }
        for clause in self.value.purposes.iter().flat_map(|clause| &clause.categories) {
            let category = &clause.category;
            let amiss = match (clause.basis, clause.prohibited) {
                (None, false) => Some("has no `basis`, and is not `prohibited` either"),
                (Some(_), true) => Some("has a `basis` and is `prohibited`"),
                _ => None,
            };
            if let Some(amiss) = amiss {
                let problem = self.problem(category, format!("the clause of `{}` {amiss}", category.value));
                problems
                    .push(problem.help("expected one of `basis: consent` (or another basis) and `prohibited: true`"));
            }
            if !taxonomy.data_categories.contains(&category.value) {
                let message = format!("data category `{}` is not in the taxonomy", category.value);
                problems.push(self.problem(category, message).suggest(category, &taxonomy.data_categories));
            }
        }
        let named = self.value.combinations.clauses.iter().flat_map(|c| &c.contexts);
        let unlinkable = self.value.combinations.unlinkable.iter();
        for context in named.chain(self.value.same_as.iter().flatten()).chain(unlinkable.clone().map(|u| &u.context)) {
            if !contexts.contains(context.as_str()) {
                let message = format!("context `{}` is in no dataset of the data map", context.value);
                problems.push(self.problem(context, message).suggest(context, &contexts));
            }
        }
        let namespaces: BTreeSet<&str> = map.fields.values().filter_map(|field| field.identity.as_deref()).collect();
        for by in unlinkable.flat_map(|clause| &clause.by).filter(|by| !namespaces.contains(by.as_str())) {
            let message = format!("no field of the data map is an identifier of the namespace `{}`", by.value);
            problems.push(self.problem(by, message).suggest(by, &namespaces));
        }
        for clause in &self.value.combinations.clauses {
            problems.extend(self.combination(clause));
        }
        problems.extend(super::strings::check(self, taxonomy, &contexts));
        problems.extend(self.repeated_categories());
        problems.extend(self.repeated_purposes());
        problems.extend(self.unreachable_combinations());
        problems.extend(self.shadowed_combinations());
        all_clear(problems)
    }

    /// Two clauses for one purpose and category: which of them holds would depend on their order.
    fn repeated_categories(&self) -> Vec<Problem> {
        let mut first: BTreeMap<(&str, &str), &CategoryClause> = BTreeMap::new();
        let mut problems = Vec::new();
        for clause in &self.value.purposes {
            for category in &clause.categories {
                let key = (clause.purpose.as_str(), category.category.as_str());
                let Some(earlier) = first.insert(key, category) else { continue };
                let what = if earlier.basis == category.basis { "repeats" } else { "contradicts" };
                let said = match earlier.basis {
                    Some(basis) => format!("its basis is `{}`", basis.id()),
                    None => "it is prohibited".to_owned(),
                };
                let message =
                    format!("`{}` for `{}` {what} line {}, where {said}", key.1, key.0, earlier.category.line);
                problems.push(self.problem(&category.category, message).help("keep one of the two"));
            }
        }
        problems
    }

    /// Two clauses for one purpose that both state its grace, or its notices: only one of them could hold.
    fn repeated_purposes(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, clause) in self.value.purposes.iter().enumerate() {
            for earlier in
                self.value.purposes[..index].iter().filter(|earlier| earlier.purpose.value == clause.purpose.value)
            {
                let both = [
                    (clause.grace.is_some() && earlier.grace.is_some(), "grace"),
                    (!clause.notice_versions.is_empty() && !earlier.notice_versions.is_empty(), "notice_versions"),
                ];
                for (_, key) in both.into_iter().filter(|(twice, _)| *twice) {
                    let message =
                        format!("`{}` states its `{key}` in line {} already", *clause.purpose, earlier.purpose.line);
                    problems.push(self.problem(&clause.purpose, message).help("keep one of the two"));
                }
            }
        }
        problems
    }

    /// A combination clause that can never decide, because nothing may link any of its contexts.
    fn unreachable_combinations(&self) -> Vec<Problem> {
        let policy = &self.value;
        let apart =
            |context: &At<String>| {
                policy.combinations.unlinkable.iter().find(|clause| {
                    clause.by.is_empty() && policy.canonical(&clause.context) == policy.canonical(context)
                })
            };
        let problem = |clause: &CombinationClause| {
            let kept: Vec<_> = clause.contexts.iter().filter_map(apart).collect();
            // A pair is left as long as two of its contexts may be linked.
            let left = clause.contexts.len() - kept.len();
            let (first, by) = (clause.contexts.first()?, kept.first().filter(|_| left < 2)?);
            let line = by.context.line;
            let message =
                format!("this combination never decides: line {line} keeps `{}` apart from all others", *by.context);
            Some(self.problem(first, message).help("take the context out of one of the two"))
        };
        policy.combinations.clauses.iter().filter_map(problem).collect()
    }

    /// A combination clause that can never decide, because a later one speaks for all its pairs and purposes.
    fn shadowed_combinations(&self) -> Vec<Problem> {
        let clauses = &self.value.combinations.clauses;
        let contexts = |clause: &CombinationClause| -> BTreeSet<String> {
            clause.contexts.iter().map(|c| self.value.canonical(c).to_owned()).collect()
        };
        let shadowed_by = |index: usize| {
            clauses[index + 1..].iter().find(|later| {
                let purposes = match (&later.purpose, &clauses[index].purpose) {
                    (None, _) => true,
                    (Some(later), Some(own)) => covers(later, own),
                    (Some(_), None) => false,
                };
                purposes && contexts(&clauses[index]).is_subset(&contexts(later))
            })
        };
        let problem = |index: usize| {
            let (first, later) = (clauses[index].contexts.first()?, shadowed_by(index)?.contexts.first()?);
            let message = format!("this combination never decides: the later clause in line {} covers it", later.line);
            Some(
                self.problem(first, message).help("the last clause that names a pair holds; put the narrower one last"),
            )
        };
        (0..clauses.len()).filter_map(problem).collect()
    }

    fn combination(&self, clause: &CombinationClause) -> Option<Problem> {
        let Some(first) = clause.contexts.first() else {
            return Some(Problem::in_file(&self.path, "a combination clause names no contexts; expected two or more"));
        };
        let distinct: BTreeSet<&str> = clause.contexts.iter().map(|c| c.as_str()).collect();
        if distinct.len() < 2 {
            return Some(self.problem(first, "a combination needs two different contexts or more"));
        }
        let consent = matches!(clause.basis, LegalBasis::Consent | LegalBasis::ExplicitConsent);
        (!consent && clause.reason.as_deref().is_none_or(|r| r.trim().is_empty()))
            .then(|| self.problem(first, "a combination without consent needs a `reason`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::data_map;
    use crate::manifest::Manifest;

    const MAP: &str = "
dataset:
  - {fides_key: web, collections: [{name: t, fields: [{name: e, data_categories: [user.contact.email], fides_meta: {identity: email}}]}]}
  - {fides_key: app, collections: [{name: t, fields: [{name: e, data_categories: [user.contact.email], fides_meta: {identity: email}}]}]}
  - {fides_key: broker, collections: [{name: t, fields: [{name: e, data_categories: [user.contact.email], fides_meta: {identity: email}}]}]}
";

    const MANIFEST: &str = "
probity: 1
system: {name: Shop, owner: me}
purposes: [{id: personalize.content}]
evidence: {}
";

    /// What is wrong with a policy of these further lines.
    fn told(lines: &str) -> String {
        let text = format!("version: '1'\npurposes:\n  - {{purpose: personalize, grace: 1h, categories: []}}\n{lines}");
        let policy = Document::<ConsentPolicy>::parse(std::path::Path::new("policy.yaml"), text).unwrap();
        let manifest = Document::<Manifest>::parse(std::path::Path::new("audit.yaml"), MANIFEST).unwrap().value;
        let map = data_map::parse(MAP).unwrap();
        policy.check(&Taxonomy::fideslang().unwrap(), &manifest, &map).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn clauses_that_contradict_each_other_or_never_decide_are_told_with_their_line() {
        assert_eq!(told(""), "");
        let twice = told("  - {purpose: personalize, grace: 2h, categories: []}\n");
        assert!(twice.starts_with("policy.yaml:4:") && twice.contains("`grace` in line 3"), "{twice}");
        let clause = "{contexts: [web, broker], basis: contract, reason: one}";
        let apart = told(&format!("combinations:\n  clauses: [{clause}]\n  unlinkable: [{{context: broker}}]\n"));
        assert!(apart.starts_with("policy.yaml:5:") && apart.contains("line 6 keeps `broker` apart"), "{apart}");
        let clause = "{contexts: [web, app, broker], basis: contract, reason: one}";
        let apart = told(&format!("combinations:\n  clauses: [{clause}]\n  unlinkable: [{{context: broker}}]\n"));
        assert_eq!(apart, "", "web and app may still be combined");
    }

    #[test]
    fn what_a_clause_lacks_or_says_twice_is_told() {
        let neither = told("  - {purpose: personalize.content, categories: [{category: user.contact}]}\n");
        assert!(neither.starts_with("policy.yaml:4:") && neither.contains("has no `basis`"), "{neither}");
        let both = "{category: user.contact, basis: consent, prohibited: true}";
        let both = told(&format!("  - {{purpose: personalize.content, categories: [{both}]}}\n"));
        assert!(both.contains("has a `basis` and is `prohibited`"), "{both}");
        let by = told("combinations: {unlinkable: [{context: broker, by: [emial]}]}\n");
        assert!(by.contains("did you mean `email`"), "{by}");
        let minors = told("minors: {age_limit: 16, purposes: [marketing]}\n");
        assert!(minors.contains("the manifest does not declare"), "{minors}");
        let signal = told("global_privacy_control: {purposes: [personalise]}\n");
        assert!(signal.contains("did you mean `personalize`"), "{signal}");
    }
}
