//! Random policies, as YAML and as what the reference asks of them.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::reference::Names;
use super::{Draw, FIRST, HOUR, SECOND_VERSION, rfc3339};

pub const CATEGORIES: [&str; 5] = [
    "user.behavior.browsing_history",
    "user.behavior.purchase_history",
    "user.health_and_medical",
    "user.account.settings",
    "user.location",
];
pub const JURISDICTIONS: [&str; 3] = ["US-CA", "DE", "FR"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    Consent,
    ExplicitConsent,
    LegitimateInterests,
    Contract,
    Prohibited,
    /// No clause covers it.
    None,
}

#[derive(Debug, Clone)]
pub struct Minors {
    pub limit: u32,
    pub in_france: u32,
    pub never: bool,
}

#[derive(Debug, Clone)]
pub struct Policy {
    pub version: &'static str,
    pub effective: i64,
    pub bases: BTreeMap<&'static str, Basis>,
    pub opt_out: Names,
    pub grace: i64,
    pub graces: BTreeMap<&'static str, i64>,
    pub notices: Names,
    pub minors: Option<Minors>,
    /// Where the privacy signal binds.
    pub signals: Names,
    pub pairs_are_free: bool,
    /// A pair that a clause frees.
    pub freed: Option<(&'static str, &'static str)>,
}

impl Policy {
    pub fn draw(draw: &mut Draw, version: &'static str) -> Self {
        use Basis::{Consent, Contract, ExplicitConsent, LegitimateInterests, None as Nothing, Prohibited};
        let usual = [Consent, Consent, Consent, ExplicitConsent, LegitimateInterests, Contract, Prohibited, Nothing];
        let mut bases: BTreeMap<&str, Basis> = CATEGORIES.into_iter().map(|c| (c, draw.one(&usual))).collect();
        bases.insert("user.behavior.browsing_history", Consent);
        Self {
            version,
            effective: if version == "second" { SECOND_VERSION } else { FIRST },
            bases,
            opt_out: draw.some(&JURISDICTIONS),
            grace: i64::from(draw.below(4)) * HOUR,
            graces: draw.some(&JURISDICTIONS).into_iter().map(|j| (j, i64::from(draw.below(6)) * HOUR)).collect(),
            notices: if draw.below(2) == 0 { draw.some(&["n1", "n2", "n3"]) } else { Names::new() },
            minors: (draw.below(3) > 0).then(|| Minors {
                limit: draw.one(&[15, 16]),
                in_france: draw.one(&[15, 16]),
                never: draw.below(2) == 0,
            }),
            signals: draw.some(&JURISDICTIONS),
            pairs_are_free: draw.below(4) == 0,
            freed: (draw.below(2) == 0).then_some(("store", "web")),
        }
    }

    pub fn grace(&self, jurisdiction: &str) -> i64 {
        self.graces.get(jurisdiction).copied().unwrap_or(self.grace)
    }

    /// The basis in the end: special data takes explicit consent, whatever else is said.
    pub fn basis(&self, category: &str) -> Basis {
        match self.bases[category] {
            of @ (Basis::Prohibited | Basis::None) => of,
            _ if category == "user.health_and_medical" => Basis::ExplicitConsent,
            of => of,
        }
    }

    /// Whether a pair takes consent: by the policy, or because a part of it was given under consent.
    pub fn pair_takes_consent(&self, (a, b): (&str, &str), categories: &Names) -> bool {
        let under_consent = |c: &&str| matches!(self.basis(c), Basis::Consent | Basis::ExplicitConsent);
        let free = if self.freed == Some((a, b)) { true } else { self.pairs_are_free };
        !free || categories.iter().any(under_consent)
    }

    pub fn yaml(&self) -> String {
        let list = |names: &Names| names.iter().copied().collect::<Vec<_>>().join(", ");
        let hours = |time: i64| format!("{}h", time / HOUR);
        let graces: Vec<String> = self.graces.iter().map(|(j, time)| format!("{j}: {}", hours(*time))).collect();
        let regimes: Vec<String> = self.opt_out.iter().map(|j| format!("{j}: opt_out")).collect();
        let mut yaml = format!(
            "version: {}\neffective: {}\nregimes: {{ {} }}\ngrace: {}\ngraces: {{ {} }}\npurposes:\n  - purpose: personalize\n    \
             notice_versions: [{}]\n    categories:\n",
            self.version,
            rfc3339(self.effective),
            regimes.join(", "),
            hours(self.grace),
            graces.join(", "),
            list(&self.notices)
        );
        for (category, basis) in &self.bases {
            let says = match basis {
                Basis::Consent => "basis: consent",
                Basis::ExplicitConsent => "basis: explicit_consent",
                Basis::LegitimateInterests => "basis: legitimate_interests",
                Basis::Contract => "basis: contract",
                Basis::Prohibited => "prohibited: true",
                Basis::None => continue,
            };
            let _ = writeln!(yaml, "      - {{ category: {category}, {says} }}");
        }
        let default = if self.pairs_are_free { "allowed" } else { "consent" };
        let _ = writeln!(yaml, "combinations:\n  default: {default}");
        if let Some((a, b)) = self.freed {
            let _ = writeln!(yaml, "  clauses: [{{ contexts: [{a}, {b}], basis: contract, reason: one account }}]");
        }
        if let Some(Minors { limit, in_france, never }) = self.minors {
            let rule = if never { "never" } else { "parental_consent" };
            let _ = writeln!(yaml, "minors: {{ age_limit: {limit}, limits: {{ FR: {in_france} }}, rule: {rule} }}");
        }
        if !self.signals.is_empty() {
            let here = list(&self.signals);
            let _ = writeln!(yaml, "global_privacy_control: {{ purposes: [personalize], jurisdictions: [{here}] }}");
        }
        yaml
    }
}
