//! The plans that fold consent records into a timeline of states per subject.

use super::lanes::{Effect, Status};
use super::{SCOPE, mask_columns};

/// Before and after every time, in microseconds.
const EVER: (i64, i64) = (-9_000_000_000_000_000_000, 9_000_000_000_000_000_000);

/// Subjects are spread over this many partitions of a window: one partition each would be slow for millions of them.
const BUCKETS: u32 = 64;

/// The bucket of a subject, from the last characters of the id (the first ones are often all alike).
fn bucket(subject: &str) -> String {
    format!(
        "(ascii(right({subject}, 1)) * 31 + ascii(right({subject}, 2)) * 7 + ascii(right({subject}, 3))) % {BUCKETS}"
    )
}

/// The plan of the spans: what each lane of a subject is from `at` until `next`.
pub fn spans_sql() -> String {
    let (_, never) = EVER;
    let status = format!(
        "CASE WHEN c.status IN ('given', 'renewed') \
          THEN {} + CASE WHEN c.\"explicit\" = 1 THEN 1 ELSE 0 END + CASE WHEN c.parental = 1 THEN 2 ELSE 0 END \
         WHEN c.status = 'expired' THEN {} WHEN lower(c.mechanism) = 'gpc' THEN {} WHEN c.status = 'withdrawn' THEN {} \
         ELSE {} END",
        Status::Given as i64,
        Status::Expired as i64,
        Status::Signal as i64,
        Status::Withdrawn as i64,
        Status::Refused as i64,
    );
    let (grant, refuse, withdraw) = (Effect::Grant as i64, Effect::Refuse as i64, Effect::Withdraw as i64);
    let events = format!(
        "SELECT c.subject_id, {bucket} AS bucket, l.lane, c.timestamp AS at, l.effect, \
         CASE WHEN l.effect = {grant} THEN coalesce(c.expires, {never}) END AS expires, l.objection, l.foreign_scope, l.grace, l.word, l.bit \
         FROM (SELECT *, {status} AS code FROM consent_events c) c \
         JOIN scopes s ON {same_scope} \
         JOIN lanes l ON l.scope = s.scope AND l.status = c.code",
        bucket = bucket("c.subject_id"),
        same_scope = SCOPE.map(|column| format!("c.{column} = s.{column}")).join(" AND "),
    );
    // Another scope's refusal or withdrawal ends a grant; where this scope was never given, it ends nothing.
    let given = format!(
        "SELECT subject_id, lane, min(at) AS since FROM ({events}) WHERE effect = {grant} GROUP BY subject_id, lane"
    );
    let events = format!(
        "SELECT e.* FROM ({events}) e LEFT JOIN ({given}) g ON e.subject_id = g.subject_id AND e.lane = g.lane \
         WHERE e.foreign_scope = 0 OR e.at >= g.since"
    );
    let window = "WINDOW w AS (PARTITION BY bucket ORDER BY subject_id, lane, at, effect, expires DESC)";
    let neighbour = |which: &str, column: &str| {
        let same = format!("{which}(subject_id) OVER w = subject_id AND {which}(lane) OVER w = lane");
        format!("CASE WHEN {same} THEN {which}({column}) OVER w END")
    };
    // A record that objects again changes nothing: grace runs from the first objection.
    let changes = format!(
        "SELECT * FROM (SELECT *, {} AS before, {} AS lapse FROM ({events}) {window}) \
         WHERE before IS NULL OR effect < {refuse} OR before < {refuse}",
        neighbour("lag", "effect"),
        neighbour("lag", "expires"),
    );
    // Grace is for use that was lawful until now: a live grant, or no objection so far where none was needed.
    let lawful =
        format!("(before = {grant} AND lapse > at) OR (objection = 1 AND (before IS NULL OR before = {grant}))");
    let graced = format!("effect >= {refuse} AND ({lawful}) AND (effect = {withdraw} OR objection = 1) AND grace > 0");
    format!(
        "SELECT subject_id, word, bit, effect, at, next, CASE WHEN effect = {grant} THEN least(next, expires) END AS lapse, \
         CASE WHEN {graced} THEN least(at + grace + 1, next) ELSE at END AS grace_end \
         FROM (SELECT *, coalesce({}, {never}) AS next FROM ({changes}) {window})",
        neighbour("lead", "at"),
    )
}

/// The plan of the timeline: per subject, the state of all lanes from `since` until just before `until`.
pub fn timeline_sql(lanes: usize) -> String {
    let (ever, never) = EVER;
    let (grant, refuse) = (Effect::Grant as i64, Effect::Refuse as i64);
    let (withdraw, signal) = (Effect::Withdraw as i64, Effect::Signal as i64);
    let span = |mask: &str, when: &str, since: &str, until: &str| {
        format!(
            "SELECT subject_id, word, bit, '{mask}' AS mask, {since} AS since, {until} AS until FROM consent_spans WHERE {when}"
        )
    };
    let states = [
        span("g", &format!("effect = {grant}"), "at", "lapse"),
        span("a", &format!("effect >= {refuse}"), "at", "grace_end"),
        span("w", &format!("effect IN ({withdraw}, {signal})"), "grace_end", "next"),
        span("r", &format!("effect IN ({refuse}, {signal})"), "grace_end", "next"),
    ]
    .join(" UNION ALL ");
    // Every bit that starts also ends, so that sums are 0 again where the next subject of the bucket begins.
    let edges = format!(
        "SELECT subject_id, since AS at, word, mask, bit FROM ({states}) WHERE since < until \
         UNION ALL SELECT subject_id, until, word, mask, -bit FROM ({states}) WHERE since < until \
         UNION ALL SELECT DISTINCT subject_id, {ever}, 0, '', 0 FROM consent_events"
    );
    let columns = mask_columns(lanes);
    let sums = columns
        .iter()
        .map(|column| {
            let (mask, word) = column.split_at(1);
            format!("sum(CASE WHEN mask = '{mask}' AND word = {word} THEN bit ELSE 0 END) AS {column}")
        })
        .collect::<Vec<_>>()
        .join(", ");
    let running = columns.iter().map(|c| format!("sum({c}) OVER state AS {c}")).collect::<Vec<_>>().join(", ");
    format!(
        "SELECT * FROM (SELECT subject_id, at AS since, \
          CASE WHEN lead(subject_id) OVER w = subject_id THEN lead(at) OVER w ELSE {never} END AS until, {running} \
          FROM (SELECT subject_id, {bucket} AS bucket, at, {sums} FROM ({edges}) GROUP BY subject_id, at) \
          WINDOW w AS (PARTITION BY bucket ORDER BY subject_id, at), \
          state AS (PARTITION BY bucket ORDER BY subject_id, at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) \
         WHERE since < {never}",
        bucket = bucket("subject_id"),
    )
}
