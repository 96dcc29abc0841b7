//! How the sections of the United States are laid out, in one table.

/// How a section is laid out.
#[derive(Debug, PartialEq)]
pub struct Layout {
    /// 7 to 27.
    pub id: u16,
    /// As the GPP's interface calls it, e.g. `usca`.
    pub name: &'static str,
    /// E.g. `US-CA`; `US` for the national section.
    pub jurisdiction: &'static str,
    /// What the version is called.
    pub(super) version: &'static str,
    /// Versions, each with its number of answers about sensitive data and about children.
    pub(super) versions: &'static [(u8, usize, usize)],
    /// Fields before those about sensitive data.
    pub(super) head: &'static [&'static str],
    /// Fields after those about children.
    pub(super) tail: &'static [&'static str],
    pub(super) after: After,
    /// What the answers about sensitive data are about, in order. One that covers several has them apart by blanks.
    pub sensitive_kinds: &'static [&'static str],
    /// Whether those are opt-outs (1 opted out, 2 did not), and not consents (1 no, 2 yes).
    pub sensitive_is_opt_out: bool,
}

/// What may follow the core.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum After {
    Nothing,
    Gpc,
    /// Answers about this many kinds of sensitive data.
    Sensitive(usize),
}

/// The layout of a section; None when it is none of the United States' or not known here.
pub fn layout(id: u16) -> Option<&'static Layout> {
    LAYOUTS.iter().find(|layout| layout.id == id)
}

/// Every kind of sensitive data that some section asks about.
pub fn sensitive_kinds() -> impl Iterator<Item = &'static str> {
    // The national section has every kind that a state has.
    NATIONAL.iter().copied()
}

const MSPA: [&str; 3] = ["MspaCoveredTransaction", "MspaOptOutOptionMode", "MspaServiceProviderMode"];
const TAIL: &[&str] = &MSPA;
const PERSONAL_TAIL: &[&str] = &["PersonalDataConsents", MSPA[0], MSPA[1], MSPA[2]];
const ADDITIONAL_TAIL: &[&str] = &["AdditionalDataProcessingConsent", MSPA[0], MSPA[1], MSPA[2]];
const SHARING_HEAD: &[&str] = &[
    "SharingNotice",
    "SaleOptOutNotice",
    "TargetedAdvertisingOptOutNotice",
    "SaleOptOut",
    "TargetedAdvertisingOptOut",
];
const PROCESSING_HEAD: &[&str] = &[
    "ProcessingNotice",
    "SaleOptOutNotice",
    "TargetedAdvertisingOptOutNotice",
    "SaleOptOut",
    "TargetedAdvertisingOptOut",
];
const MODE_HEAD: &[&str] = &[
    "MspaCoveredTransaction",
    "MspaMode",
    "ProcessingNotice",
    "SaleOptOutNotice",
    "TargetedAdvertisingOptOutNotice",
    "SaleOptOut",
    "TargetedAdvertisingOptOut",
];

const NATIONAL: &[&str] = &[
    "racial_or_ethnic_origin",
    "religious_beliefs",
    "health",
    "sexual_orientation",
    "citizenship_or_immigration",
    "genetic",
    "biometric",
    "precise_geolocation",
    "government_id",
    "account_credentials",
    "union_membership",
    "communications",
    "consumer_health_data",
    "crime_victim",
    "national_origin",
    "transgender_or_nonbinary",
];
const MOST_STATES: &[&str] = &[
    "racial_or_ethnic_origin",
    "religious_beliefs",
    "health",
    "sexual_orientation",
    "citizenship_or_immigration",
    "genetic",
    "biometric",
    "precise_geolocation",
];
const NEW_JERSEY: &[&str] = &[
    "racial_or_ethnic_origin",
    "religious_beliefs",
    "health",
    "sexual_orientation",
    "citizenship_or_immigration",
    "genetic",
    "biometric",
    "precise_geolocation",
    "transgender_or_nonbinary",
    "account_credentials",
];
const CALIFORNIA: &[&str] = &[
    "government_id",
    "account_credentials",
    "precise_geolocation",
    "racial_or_ethnic_origin religious_beliefs union_membership",
    "communications",
    "genetic",
    "biometric",
    "health",
    "sexual_orientation",
];
const OREGON: &[&str] = &[
    "racial_or_ethnic_origin",
    "religious_beliefs",
    "health",
    "sexual_orientation",
    "transgender_or_nonbinary",
    "citizenship_or_immigration",
    "national_origin",
    "crime_victim",
    "genetic",
    "biometric",
    "precise_geolocation",
];
const UTAH: &[&str] = &[
    "racial_or_ethnic_origin",
    "religious_beliefs",
    "sexual_orientation",
    "citizenship_or_immigration",
    "health",
    "genetic",
    "biometric",
    "precise_geolocation",
];

/// A state whose section is like most others'.
const fn state(id: u16, name: &'static str, jurisdiction: &'static str) -> Layout {
    Layout {
        id,
        name,
        jurisdiction,
        version: "Version",
        versions: &[(1, 8, 1)],
        head: PROCESSING_HEAD,
        tail: ADDITIONAL_TAIL,
        after: After::Gpc,
        sensitive_kinds: MOST_STATES,
        sensitive_is_opt_out: false,
    }
}

/// A state of the group of October 2025, whose sensitive data stands apart.
const fn apart(id: u16, name: &'static str, jurisdiction: &'static str) -> Layout {
    Layout {
        version: "MspaVersion",
        versions: &[(1, 0, 1)],
        head: MODE_HEAD,
        tail: &["AdditionalDataProcessingConsent"],
        after: After::Sensitive(8),
        ..state(id, name, jurisdiction)
    }
}

const LAYOUTS: &[Layout] = &[
    Layout {
        versions: &[(1, 12, 2), (2, 16, 3)],
        head: &[
            "SharingNotice",
            "SaleOptOutNotice",
            "SharingOptOutNotice",
            "TargetedAdvertisingOptOutNotice",
            "SensitiveDataProcessingOptOutNotice",
            "SensitiveDataLimitUseNotice",
            "SaleOptOut",
            "SharingOptOut",
            "TargetedAdvertisingOptOut",
        ],
        tail: PERSONAL_TAIL,
        sensitive_kinds: NATIONAL,
        ..state(7, "usnat", "US")
    },
    Layout {
        versions: &[(1, 9, 2)],
        head: &[
            "SaleOptOutNotice",
            "SharingOptOutNotice",
            "SensitiveDataLimitUseNotice",
            "SaleOptOut",
            "SharingOptOut",
        ],
        tail: PERSONAL_TAIL,
        sensitive_kinds: CALIFORNIA,
        sensitive_is_opt_out: true,
        ..state(8, "usca", "US-CA")
    },
    Layout { head: SHARING_HEAD, tail: TAIL, after: After::Nothing, ..state(9, "usva", "US-VA") },
    Layout { versions: &[(1, 7, 1)], head: SHARING_HEAD, tail: TAIL, ..state(10, "usco", "US-CO") },
    Layout {
        head: &[
            "SharingNotice",
            "SaleOptOutNotice",
            "TargetedAdvertisingOptOutNotice",
            "SensitiveDataProcessingOptOutNotice",
            "SaleOptOut",
            "TargetedAdvertisingOptOut",
        ],
        tail: TAIL,
        after: After::Nothing,
        sensitive_kinds: UTAH,
        sensitive_is_opt_out: true,
        ..state(11, "usut", "US-UT")
    },
    Layout { versions: &[(1, 8, 3)], head: SHARING_HEAD, tail: TAIL, ..state(12, "usct", "US-CT") },
    Layout { versions: &[(1, 8, 3)], after: After::Nothing, ..state(13, "usfl", "US-FL") },
    Layout { versions: &[(1, 8, 3)], head: SHARING_HEAD, ..state(14, "usmt", "US-MT") },
    Layout { versions: &[(1, 11, 3)], sensitive_kinds: OREGON, ..state(15, "usor", "US-OR") },
    state(16, "ustx", "US-TX"),
    Layout { versions: &[(1, 9, 5)], sensitive_kinds: NEW_JERSEY, ..state(17, "usde", "US-DE") },
    Layout {
        head: &[
            "ProcessingNotice",
            "SaleOptOutNotice",
            "TargetedAdvertisingOptOutNotice",
            "SensitiveDataOptOutNotice",
            "SaleOptOut",
            "TargetedAdvertisingOptOut",
        ],
        tail: TAIL,
        sensitive_is_opt_out: true,
        ..state(18, "usia", "US-IA")
    },
    state(19, "usne", "US-NE"),
    Layout { versions: &[(1, 8, 3)], ..state(20, "usnh", "US-NH") },
    Layout { versions: &[(1, 10, 5)], sensitive_kinds: NEW_JERSEY, ..state(21, "usnj", "US-NJ") },
    state(22, "ustn", "US-TN"),
    state(23, "usmn", "US-MN"),
    Layout { versions: &[(1, 0, 0)], after: After::Gpc, sensitive_kinds: &[], ..apart(24, "usmd", "US-MD") },
    apart(25, "usin", "US-IN"),
    apart(26, "usky", "US-KY"),
    apart(27, "usri", "US-RI"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_about_sensitive_data_has_a_kind() {
        for layout in LAYOUTS {
            let apart = if let After::Sensitive(count) = layout.after { count } else { 0 };
            for (_, count, _) in layout.versions {
                let kinds = layout.sensitive_kinds.len();
                assert!(kinds >= (*count).max(apart), "{}", layout.name);
            }
            for kind in layout.sensitive_kinds.iter().flat_map(|kinds| kinds.split(' ')) {
                assert!(sensitive_kinds().any(|known| known == kind), "{kind}");
            }
        }
        assert_eq!(LAYOUTS.iter().map(|layout| layout.id).collect::<Vec<_>>(), (7..=27).collect::<Vec<_>>());
    }
}
