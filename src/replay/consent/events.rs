//! Consent events: the records that were handed over, and the signals that the log's own requests carry.

use crate::engine::{Engine, literal};
use crate::error::Result;
use crate::evidence::consent_policy::{GlobalPrivacyControl, Policies};
use crate::manifest::Manifest;

/// The columns that make a scope, as texts; empty where the record says nothing.
pub const SCOPE: [&str; 6] = ["purpose", "categories", "contexts", "operations", "recipients", "notice_version"];

/// Where events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// Whether `consent_records` is a table.
    pub records: bool,
    /// Whether requests in `decisions` say if the browser sent the Global Privacy Control.
    pub signals: bool,
    /// Whether `links` is a table.
    pub links: bool,
}

/// Before every time, in microseconds.
pub(super) const EVER: i64 = -9_000_000_000_000_000_000;

/// Names `consent_events`; false when there are none at all.
pub async fn view(engine: &Engine, sources: Sources, policies: &Policies, manifest: &Manifest) -> Result<bool> {
    let mut parts = Vec::new();
    if sources.records {
        let scope = SCOPE.map(|column| format!("coalesce({column}, '') AS {column}")).join(", ");
        parts.push(format!(
            "SELECT subject_id, timestamp, status, {scope}, \"explicit\", parental, expires, \
             coalesce(mechanism, '') AS mechanism FROM consent_records"
        ));
    }
    if sources.signals {
        parts.extend(signals(policies, manifest));
    }
    if parts.is_empty() {
        return Ok(false);
    }
    engine.view("said", &parts.join(" UNION ALL ")).await?;
    // Each event with the id that said it, from when on that counts for the subject, and whether the subject has
    // several ids.
    let own = |linked: &str, since: &str| {
        format!(
            "SELECT s.*, s.subject_id AS id, CAST({EVER} AS BIGINT) AS linked_at, {since} AS linked_since, \
             {linked} AS linked FROM said s"
        )
    };
    let events = if sources.links {
        engine.view("linked_ids", &linked_ids()).await?;
        let names = SCOPE.map(|column| format!("s.{column}")).join(", ");
        format!(
            "{} LEFT JOIN (SELECT subject_id, min(linked_at) AS since FROM linked_ids GROUP BY subject_id) l \
             ON s.subject_id = l.subject_id UNION ALL \
             SELECT l.subject_id, s.timestamp, s.status, {names}, s.\"explicit\", s.parental, s.expires, s.mechanism, \
             s.subject_id AS id, l.linked_at, l.linked_at AS linked_since, CAST(1 AS BIGINT) AS linked \
             FROM said s JOIN linked_ids l ON s.subject_id = l.id",
            own("CAST(CASE WHEN l.subject_id IS NULL THEN 0 ELSE 1 END AS BIGINT)", "l.since")
        )
    } else {
        own("CAST(0 AS BIGINT)", "CAST(NULL AS BIGINT)")
    };
    engine.view("consent_events", &events).await?;
    Ok(true)
}

/// Which other ids are the same person, from when on. A link holds both ways, and at once when it has no time.
fn linked_ids() -> String {
    let way = |one: &str, other: &str| {
        format!("SELECT {one} AS subject_id, {other} AS id, coalesce(timestamp, {EVER}) AS at FROM links")
    };
    format!(
        "SELECT subject_id, id, min(at) AS linked_at FROM ({} UNION ALL {}) WHERE subject_id <> id GROUP BY subject_id, id",
        way("subject_id", "linked_id"),
        way("linked_id", "subject_id")
    )
}

/// A request with the signal is an objection to each purpose that the policy of its time names.
fn signals(policies: &Policies, manifest: &Manifest) -> Vec<String> {
    let mut parts = Vec::new();
    for (index, version) in policies.versions().iter().enumerate() {
        let Some(control) = &version.policy().global_privacy_control else { continue };
        let mut when = vec!["gpc = 1".to_owned()];
        when.extend(policies.since(index).map(|since| format!("at >= {since}")));
        when.extend(policies.until(index).map(|until| format!("at < {until}")));
        when.extend(jurisdictions(control, manifest));
        for purpose in &control.purposes {
            let nothing = SCOPE[1..].iter().map(|column| format!("'' AS {column}")).collect::<Vec<_>>().join(", ");
            parts.push(format!(
                "SELECT DISTINCT subject_id, at AS timestamp, 'refused' AS status, {} AS purpose, {nothing}, \
                 CAST(NULL AS BIGINT) AS \"explicit\", CAST(NULL AS BIGINT) AS parental, CAST(NULL AS BIGINT) AS \
                 expires, 'gpc' AS mechanism FROM decisions WHERE {}",
                literal(purpose),
                when.join(" AND ")
            ));
        }
    }
    parts
}

fn jurisdictions(control: &GlobalPrivacyControl, manifest: &Manifest) -> Option<String> {
    let named = &control.jurisdictions;
    // A row that states none is of the system's own.
    let default = manifest.system.jurisdiction.as_ref().is_some_and(|default| named.contains(default));
    let names = named.iter().map(String::as_str).chain(default.then_some("")).map(literal);
    (!named.is_empty()).then(|| format!("jurisdiction IN ({})", names.collect::<Vec<_>>().join(", ")))
}
