//! The words every part shares: the seven steps of the playbook, verdicts, severities.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The seven steps, in order. They are the chapters of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    ClarifyPurpose,
    MapDataSensitivity,
    AssessRisks,
    DesignForChoice,
    TestForBias,
    DocumentDecisions,
    MonitorContinuously,
}

impl Step {
    pub const ALL: [Self; 7] = [
        Self::ClarifyPurpose,
        Self::MapDataSensitivity,
        Self::AssessRisks,
        Self::DesignForChoice,
        Self::TestForBias,
        Self::DocumentDecisions,
        Self::MonitorContinuously,
    ];

    pub fn id(self) -> &'static str {
        match self {
            Self::ClarifyPurpose => "clarify-purpose",
            Self::MapDataSensitivity => "map-data-sensitivity",
            Self::AssessRisks => "assess-risks",
            Self::DesignForChoice => "design-for-choice",
            Self::TestForBias => "test-for-bias",
            Self::DocumentDecisions => "document-decisions",
            Self::MonitorContinuously => "monitor-continuously",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::ClarifyPurpose => "Clarify purpose",
            Self::MapDataSensitivity => "Map data sensitivity",
            Self::AssessRisks => "Assess risks",
            Self::DesignForChoice => "Design for choice",
            Self::TestForBias => "Test for bias",
            Self::DocumentDecisions => "Document decisions",
            Self::MonitorContinuously => "Monitor continuously",
        }
    }

    /// The question that the step's chapter answers.
    pub fn question(self) -> &'static str {
        match self {
            Self::ClarifyPurpose => {
                "Does every strategy that decided have a declared purpose, a legal basis, a benefit and an objective?"
            }
            Self::MapDataSensitivity => "Is every input mapped, with what it is, where it came from and how sensitive it is?",
            Self::AssessRisks => "What could go wrong for people, how likely is it, and how bad would it be?",
            Self::DesignForChoice => {
                "Did what the system did to each person rest on a yes that was in force at that moment?"
            }
            Self::TestForBias => "Is anyone served worse because of the group they belong to, and how sure are we?",
            Self::DocumentDecisions => "Who decided what, why, and until when?",
            Self::MonitorContinuously => "Would anyone notice if it got worse?",
        }
    }
}

/// What a rule says of a fact, and a step of its rules. Declared from best to worst: the worst one stands for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The question does not arise here; the reason is given.
    NotApplicable,
    Pass,
    /// A question for a person; the program cannot answer it.
    Manual,
    /// Nobody handed over what this needs.
    NotEvidenced,
    /// Measured, but the interval straddles the bound.
    Inconclusive,
    Fail,
}

impl Verdict {
    /// In words, for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotApplicable => "not applicable",
            Self::Pass => "pass",
            Self::Manual => "for a person",
            Self::NotEvidenced => "not evidenced",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

/// How bad a violated rule is, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub fn label(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
