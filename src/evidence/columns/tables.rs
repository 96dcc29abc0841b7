//! The canonical columns, table by table.

use super::Kind::{Choice, Count, Date, Flag, List, Money, Number, Points, Probability, Text, Time};
use super::Need::{Mandatory, Optional, Unless};
use super::{Column, Kind, Need};

const fn column(name: &'static str, kind: Kind, need: Need) -> Column<'static> {
    Column { name, kind, need, per_item: false }
}

const fn per_item(name: &'static str, kind: Kind, need: Need) -> Column<'static> {
    Column { name, kind, need, per_item: true }
}

pub(super) const RECOMMENDATIONS: &[Column<'static>] = &[
    column("request_id", Text, Optional),
    column("timestamp", Time, Mandatory),
    column("subject_id", Text, Mandatory),
    per_item("item_id", Text, Mandatory),
    per_item("position", Count, Optional),
    column("strategy", Text, Mandatory),
    per_item("propensity", Number, Optional),
    per_item("clicked", Flag, Optional),
    per_item("converted", Flag, Optional),
    per_item("revenue", Money, Optional),
    per_item("price", Number, Optional),
    per_item("relevant", Flag, Optional),
    // What the strategy chose, or moved forward, of what it looked at.
    per_item("selected", Flag, Optional),
    // What it gave the item or person; more is better.
    per_item("score", Number, Optional),
    column("explained", Flag, Optional),
    column("inputs", List, Optional),
    column("jurisdiction", Text, Optional),
    column("gpc", Flag, Optional),
    column("minor", Flag, Optional),
];

/// What a consent record may say. `renewed` is given again; `objected` is a refusal where no consent was asked.
pub const CONSENT_STATUS: &[&str] = &["given", "renewed", "refused", "objected", "withdrawn", "expired"];

pub(super) const CONSENT_RECORDS: &[Column<'static>] = &[
    column("subject_id", Text, Mandatory),
    column("timestamp", Time, Mandatory),
    column("status", Choice(CONSENT_STATUS), Unless("consent_string")),
    column("purpose", Text, Unless("consent_string")),
    // A TC, GPP or US Privacy string.
    column("consent_string", Text, Optional),
    column("categories", List, Optional),
    column("contexts", List, Optional),
    column("operations", List, Optional),
    column("recipients", List, Optional),
    column("explicit", Flag, Optional),
    column("parental", Flag, Optional),
    column("expires", Time, Optional),
    column("jurisdiction", Text, Optional),
    column("notice_version", Text, Optional),
    column("mechanism", Text, Optional),
];

/// What is done with data. A recommendation is `serve`.
pub const OPERATIONS: &[&str] = &["serve", "train", "link", "share"];

pub(super) const USES: &[Column<'static>] = &[
    column("subject_id", Text, Mandatory),
    column("timestamp", Time, Mandatory),
    column("strategy", Text, Mandatory),
    column("operation", Choice(OPERATIONS), Mandatory),
    column("inputs", List, Optional),
    column("recipient", Text, Optional),
    column("jurisdiction", Text, Optional),
];

pub(super) const LINKS: &[Column<'static>] = &[
    column("subject_id", Text, Mandatory),
    column("linked_id", Text, Mandatory),
    column("timestamp", Time, Optional),
    column("method", Text, Optional),
];

pub(super) const SUBJECTS: &[Column<'static>] = &[
    column("subject_id", Text, Mandatory),
    column("birth_date", Date, Optional),
    column("age", Count, Optional),
    // When they came to be served by their arm; default their first decision.
    column("enrolled", Time, Optional),
];

pub(super) const ITEMS: &[Column<'static>] = &[column("item_id", Text, Mandatory), column("price", Number, Optional)];

/// What people were asked, one row per prompt shown.
pub(super) const PROMPTS: &[Column<'static>] = &[
    column("subject_id", Text, Optional),
    column("timestamp", Time, Mandatory),
    column("purpose", Text, Mandatory),
    column("notice_version", Text, Optional),
    column("yes_steps", Count, Optional),
    column("no_steps", Count, Optional),
    column("yes_seconds", Number, Optional),
    column("no_seconds", Number, Optional),
    column("preselected", Flag, Optional),
    column("no_on_first_layer", Flag, Optional),
    column("answer", Choice(&["given", "refused", "dismissed"]), Optional),
    column("jurisdiction", Text, Optional),
];

/// What people did before the log: one row per person, item and time.
pub(super) const HISTORY: &[Column<'static>] = &[
    column("subject_id", Text, Mandatory),
    column("item_id", Text, Mandatory),
    column("timestamp", Time, Optional),
    column("weight", Number, Optional),
];

/// What a strategy that nobody has been exposed to would choose: one row per item that it may show.
pub(super) const CANDIDATE: &[Column<'static>] = &[
    column("item_id", Text, Mandatory),
    // Without the column the candidate does not draw: what is listed is shown.
    column("probability", Probability, Optional),
    column("position", Count, Optional),
    // Without these the probabilities hold for every decision.
    column("request_id", Text, Optional),
    column("subject_id", Text, Optional),
];

/// What people did after they were served. A table of orders says `values: { kind: order }` of itself.
pub const OUTCOME_KINDS: &[&str] = &["order", "return", "visit", "churned", "survey"];

/// One row per person and event.
pub(super) const OUTCOMES: &[Column<'static>] = &[
    column("subject_id", Text, Mandatory),
    column("timestamp", Time, Mandatory),
    column("kind", Choice(OUTCOME_KINDS), Mandatory),
    // Of an order, what was paid; of a return, what was paid back.
    column("value", Money, Optional),
    // The answer to "how likely are you to recommend us?"; empty for who was asked and did not answer.
    column("score", Points(10), Optional),
];
