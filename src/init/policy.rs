//! The proposed `consent-policy.yaml`: a skeleton that allows nothing.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Purposes;
use super::yaml::scalar;

const HEAD: &str = "\
# The consent policy: which data may be used for what on which legal basis, and what may be combined. `probity init`
# knows none of it. As it stands it names no basis, so that every use of personal data is found to have none.

version: draft # TODO: your own version of the policy
# effective: 2026-01-01T00:00:00Z  # TODO: decisions before it are counted and not judged

default_regime: opt_in # guess: the careful one; no record means no
# regimes: { US-CA: opt_out }      # TODO: where no record means yes
# grace: 24h                       # TODO: how long use may go on after a withdrawal; none unless you say so

# The legal basis of each category of data. A purpose or a category covers those below it.
purposes:
";

const TAIL: &str = "
# Which contexts (web, app, store, …; `meta.context` of the data map) may be combined in one decision.
combinations:
  default: consent # guess: the careful one; a combination needs a grant that covers it
  # clauses:
  #   - contexts: [store, web]
  #     purpose: functional.service
  #     basis: contract
  #     reason:      # TODO: why no consent is needed
";

/// The policy for these purposes, with the categories that a basis is needed for.
pub fn text(purposes: &Purposes, categories: &BTreeSet<&str>) -> String {
    let mut out = HEAD.to_owned();
    for id in &purposes.ids {
        let _ = writeln!(out, "  - purpose: {} # as in audit.yaml", scalar(id));
        out.push_str(
            "    categories: []\n    # TODO: in place of the empty list, for what is used for this purpose:\n",
        );
        for category in categories {
            let _ = writeln!(out, "    # - {{ category: {category}, basis: }}");
        }
    }
    out + TAIL
}
