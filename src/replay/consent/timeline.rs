//! The plans that fold consent records into a timeline of states per subject.

use super::lanes::{Effect, Status};
use super::{SCOPE, mask_columns};

/// After every time, in microseconds.
const NEVER: i64 = 9_000_000_000_000_000_000;

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
    let never = NEVER;
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
        "SELECT c.subject_id, c.id, c.linked_at, c.linked, {bucket} AS bucket, l.lane, c.timestamp AS at, l.effect, \
         CASE WHEN l.effect = {grant} THEN coalesce(c.expires, {never}) END AS expires, l.objection, l.foreign_scope, l.grace, l.word, l.bit \
         FROM (SELECT *, {status} AS code FROM consent_events c) c \
         JOIN scopes s ON {same_scope} \
         JOIN lanes l ON l.scope = s.scope AND l.notice = s.notice AND l.status = c.code AND l.for_linked <= c.linked",
        bucket = bucket("c.subject_id"),
        same_scope = SCOPE.map(|column| format!("c.{column} = s.{column}")).join(" AND "),
    );
    // Another scope's refusal or withdrawal ends a grant; where this scope was never given, it ends nothing.
    let given = format!(
        "SELECT subject_id, id, lane, min(at) AS since FROM ({events}) WHERE effect = {grant} \
         GROUP BY subject_id, id, lane"
    );
    let events = format!(
        "SELECT e.* FROM ({events}) e LEFT JOIN ({given}) g ON e.subject_id = g.subject_id AND e.id = g.id AND e.lane = g.lane \
         WHERE e.foreign_scope = 0 OR e.at >= g.since"
    );
    let window = "WINDOW w AS (PARTITION BY bucket ORDER BY subject_id, id, lane, at, effect, expires DESC)";
    let neighbour = |which: &str, column: &str| {
        let own = |column: &str| format!("{which}({column}) OVER w = {column}");
        let same = ["subject_id", "id", "lane"].map(own).join(" AND ");
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
    let spans = format!(
        "SELECT subject_id, linked_at, linked, word, bit, effect, at, next, \
         CASE WHEN effect = {grant} THEN least(next, expires) END AS lapse, \
         CASE WHEN {graced} THEN least(at + grace + 1, next) ELSE at END AS grace_end \
         FROM (SELECT *, coalesce({}, {never}) AS next FROM ({changes}) {window})",
        neighbour("lead", "at"),
    );
    // What another id said counts from the link on.
    format!(
        "SELECT subject_id, linked, word, bit, effect, greatest(at, linked_at) AS at, next, lapse, \
         greatest(grace_end, linked_at) AS grace_end FROM ({spans}) WHERE next > linked_at"
    )
}

/// The plan of the timeline: per subject, the state of all lanes from `since` until just before `until`.
pub fn timeline_sql(lanes: usize, linked: bool) -> String {
    let never = NEVER;
    let (grant, refuse) = (Effect::Grant as i64, Effect::Refuse as i64);
    let (withdraw, signal) = (Effect::Withdraw as i64, Effect::Signal as i64);
    let span = |mask: &str, when: &str, since: &str, until: &str| {
        format!(
            "SELECT subject_id, linked, word, bit, '{mask}' AS mask, {since} AS since, {until} AS until \
             FROM consent_spans WHERE ({when}) AND {since} < {until}"
        )
    };
    let states = [
        span("g", &format!("effect = {grant}"), "at", "lapse"),
        span("a", &format!("effect >= {refuse}"), "at", "grace_end"),
        span("w", &format!("effect = {withdraw}"), "grace_end", "next"),
        span("r", &format!("effect = {refuse}"), "grace_end", "next"),
        span("p", &format!("effect = {signal}"), "grace_end", "next"),
    ]
    .join(" UNION ALL ");
    let states = if linked { merged(&states) } else { states };
    // Every bit that starts also ends, so that sums are 0 again where the next subject of the bucket begins.
    let edges = format!(
        "SELECT subject_id, since AS at, word, mask, bit FROM ({states}) \
         UNION ALL SELECT subject_id, until, word, mask, -bit FROM ({states}) \
         UNION ALL SELECT subject_id, min(linked_at), 0, '', 0 FROM consent_events GROUP BY subject_id"
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

/// States of one lane that several ids of a person share at a time, as one: a bit is set once or not at all.
fn merged(states: &str) -> String {
    let window = "PARTITION BY subject_id, word, bit, mask ORDER BY since, until";
    let reach = format!(
        "SELECT *, max(until) OVER ({window} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reach \
         FROM ({states}) WHERE linked = 1"
    );
    let numbered = format!(
        "SELECT *, sum(CASE WHEN since <= reach THEN 0 ELSE 1 END) OVER ({window} ROWS UNBOUNDED PRECEDING) AS island \
         FROM ({reach})"
    );
    format!(
        "SELECT subject_id, linked, word, bit, mask, since, until FROM ({states}) WHERE linked = 0 UNION ALL \
         SELECT subject_id, linked, word, bit, mask, min(since), max(until) FROM ({numbered}) \
         GROUP BY subject_id, linked, word, bit, mask, island"
    )
}
