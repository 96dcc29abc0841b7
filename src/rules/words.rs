//! Words for where a fact stands: finer than a verdict, which only says whether a rule is kept.

use super::condition::{Answer, Condition};
use super::pack::{PackFile, Word};
use super::types::Roots;
use crate::error::{Problem, Result};
use crate::yaml::Document;

/// The checked words of a rule, in the order they are tried.
#[derive(Debug, Clone)]
pub(super) struct Words(Vec<(String, Option<Condition>)>);

impl Words {
    /// Checks every condition. Only the last word may stand without one.
    pub fn compile(words: &[Word], document: &Document<PackFile>, roots: &Roots) -> Result<Self, Vec<Problem>> {
        let (mut checked, mut problems) = (Vec::new(), Vec::new());
        for (nth, Word { word, when }) in words.iter().enumerate() {
            let condition = match when {
                Some(when) => Condition::compile(when, document, roots).map_err(|more| problems.extend(more)).ok(),
                None => None,
            };
            if when.is_none() && nth + 1 < words.len() {
                problems.push(
                    document.problem(word, format!("`{}` needs `when`: only the last word goes without", **word)),
                );
            }
            if words[..nth].iter().any(|before| *before.word == **word) {
                problems.push(document.problem(word, format!("the word `{}` is written twice", **word)));
            }
            checked.push((word.value.clone(), condition));
        }
        if problems.is_empty() { Ok(Self(checked)) } else { Err(problems) }
    }

    /// The first word whose condition is true. None when none is, or when a null keeps an earlier one from being decided.
    pub fn find(&self, ask: impl Fn(&Condition) -> Result<Answer>) -> Result<Option<&str>> {
        for (word, when) in &self.0 {
            match when.as_ref().map(&ask).transpose()? {
                None | Some(Answer::Yes) => return Ok(Some(word)),
                Some(Answer::No) => {}
                Some(Answer::Unknown(_)) => return Ok(None),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::rules::load::parse;

    fn told(words: &str) -> String {
        let text = format!(
            "pack: {{ id: p, version: '1', title: t }}\nrules:\n  - {{ id: r, title: t, step: assess-risks, severity: low, \
             on: loyalty, fail_when: fact.lasting, message: m, why: w, remedy: r, words: [{words}] }}\n"
        );
        parse(Path::new("p.yaml"), text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn words_are_checked_like_conditions() {
        assert_eq!(told("{ word: a, when: fact.lasting }, { word: b }"), "");
        assert!(told("{ word: a, when: fact.lastin }").contains("did you mean `lasting`?"));
        assert!(told("{ word: a }, { word: b, when: fact.lasting }").contains("only the last word goes without"));
        assert!(told("{ word: a, when: fact.lasting }, { word: a }").contains("the word `a` is written twice"));
    }
}
