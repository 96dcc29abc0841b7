//! The plans that fold consent records into a timeline of states per subject.

use super::events::EVER;
use super::lanes::{Effect, Status};
use super::{SCOPE, mask_columns};

/// After every time, in microseconds.
const NEVER: i64 = 9_000_000_000_000_000_000;

/// Subjects are spread over this many partitions of a window: one partition each would be slow for millions of them.
const BUCKETS: u32 = 64;

/// The plan of `consent_people`: everyone of whom something is known, by a number. Windows compare numbers faster than
/// texts.
pub const PEOPLE: &str = "SELECT subject_id, CAST(row_number() OVER () AS BIGINT) AS person \
     FROM (SELECT DISTINCT subject_id FROM consent_events)";

/// The plan of `consent_said`: what each event does on which lane. A `track` is a lane of a person, as told by one id.
pub fn said_sql(lanes: usize, linked: bool) -> String {
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
    let grant = Effect::Grant as i64;
    // Of a person with several ids each tells its own.
    let (told_by, ids) = match linked {
        true => (
            "i.pair",
            "JOIN (SELECT subject_id, id, CAST(row_number() OVER () AS BIGINT) AS pair FROM \
             (SELECT DISTINCT subject_id, id FROM consent_events)) i ON c.subject_id = i.subject_id AND c.id = i.id",
        ),
        false => ("p.person", ""),
    };
    format!(
        "SELECT p.person AS person, {told_by} * {lanes} + l.lane AS track, c.linked, \
         CASE WHEN l.for_linked = 1 THEN c.linked_since ELSE c.linked_at END AS linked_at, l.lane, c.timestamp AS at, l.effect, \
         CASE WHEN l.effect = {grant} THEN coalesce(c.expires, {never}) END AS expires, l.objection, l.foreign_scope, l.grace, l.word, l.bit \
         FROM (SELECT *, {status} AS code FROM consent_events c) c \
         JOIN consent_people p ON c.subject_id = p.subject_id {ids} JOIN scopes s ON {same_scope} \
         JOIN lanes l ON l.scope = s.scope AND l.notice = s.notice AND l.status = c.code AND l.for_linked <= c.linked",
        same_scope = SCOPE.map(|column| format!("c.{column} = s.{column}")).join(" AND "),
    )
}

/// The plan of the spans: what each lane of a person is from `at` until `next`.
pub fn spans_sql() -> String {
    let never = NEVER;
    let (grant, refuse, withdraw) = (Effect::Grant as i64, Effect::Refuse as i64, Effect::Withdraw as i64);
    // Another scope's refusal or withdrawal ends a grant; where this scope was never given, it ends nothing.
    let given = format!("SELECT track, min(at) AS since FROM consent_said WHERE effect = {grant} GROUP BY track");
    let events = format!(
        "SELECT e.* FROM consent_said e LEFT JOIN ({given}) g ON e.track = g.track \
         WHERE e.foreign_scope = 0 OR e.at >= g.since"
    );
    let window = format!("WINDOW w AS (PARTITION BY track % {BUCKETS} ORDER BY track, at, effect, expires DESC)");
    let neighbour = |which: &str, column: &str| {
        format!("CASE WHEN {which}(track) OVER w = track THEN {which}({column}) OVER w END")
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
        "SELECT person, linked_at, linked, word, bit, effect, at, next, \
         CASE WHEN effect = {grant} THEN least(next, expires) END AS lapse, \
         CASE WHEN {graced} THEN least(at + grace + 1, next) ELSE at END AS grace_end \
         FROM (SELECT *, coalesce({}, {never}) AS next FROM ({changes}) {window})",
        neighbour("lead", "at"),
    );
    // What another id said counts from the link on.
    format!(
        "SELECT person, linked, word, bit, effect, greatest(at, linked_at) AS at, next, lapse, \
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
            "SELECT person, linked, word, bit, {mask} AS mask, {since} AS since, {until} AS until \
             FROM consent_spans WHERE {when} AND {since} < {until}"
        )
    };
    // A grant until it lapses; an end with its grace, and what it is after that.
    let first = format!("CASE WHEN effect = {grant} THEN 'g' ELSE 'a' END");
    let until = format!("CASE WHEN effect = {grant} THEN lapse ELSE grace_end END");
    let after = format!("CASE effect WHEN {withdraw} THEN 'w' WHEN {refuse} THEN 'r' ELSE 'p' END");
    let states = [
        span(&first, &format!("(effect = {grant} OR effect >= {refuse})"), "at", &until),
        span(&after, &format!("effect IN ({withdraw}, {refuse}, {signal})"), "grace_end", "next"),
    ]
    .join(" UNION ALL ");
    let states = if linked { merged(&states) } else { states };
    // From when on somebody is known.
    let known = match linked {
        true => "SELECT p.person, min(e.linked_at), 0, '', 0 FROM consent_events e \
             JOIN consent_people p ON e.subject_id = p.subject_id GROUP BY p.person"
            .to_owned(),
        false => format!("SELECT person, CAST({EVER} AS BIGINT), 0, '', 0 FROM consent_people"),
    };
    // Every bit that starts also ends, so that sums are 0 again where the next person of the bucket begins.
    let edges = format!(
        "SELECT person, CASE WHEN e.ends = 1 THEN until ELSE since END AS at, word, mask, \
         CASE WHEN e.ends = 1 THEN -bit ELSE bit END AS bit FROM ({states}) CROSS JOIN (VALUES (0), (1)) AS e(ends) \
         UNION ALL {known}"
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
    let own = columns.iter().map(|c| format!(", t.{c} AS {c}")).collect::<String>();
    format!(
        "SELECT p.subject_id AS subject_id, t.since AS since, t.until AS until{own} FROM (SELECT person, at AS since, \
          CASE WHEN lead(person) OVER w = person THEN lead(at) OVER w ELSE {never} END AS until, {running} \
          FROM (SELECT person, at, {sums} FROM ({edges}) GROUP BY person, at) \
          WINDOW w AS (PARTITION BY person % {BUCKETS} ORDER BY person, at), \
          state AS (PARTITION BY person % {BUCKETS} ORDER BY person, at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) t \
         JOIN consent_people p ON t.person = p.person WHERE t.since < {never}"
    )
}

/// States of one lane that several ids of a person share at a time, as one: a bit is set once or not at all.
fn merged(states: &str) -> String {
    let window = "PARTITION BY person, word, bit, mask ORDER BY since, until";
    let reach = format!(
        "SELECT *, max(until) OVER ({window} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reach \
         FROM ({states}) WHERE linked = 1"
    );
    let numbered = format!(
        "SELECT *, sum(CASE WHEN since <= reach THEN 0 ELSE 1 END) OVER ({window} ROWS UNBOUNDED PRECEDING) AS island \
         FROM ({reach})"
    );
    format!(
        "SELECT person, linked, word, bit, mask, since, until FROM ({states}) WHERE linked = 0 UNION ALL \
         SELECT person, linked, word, bit, mask, min(since), max(until) FROM ({numbered}) \
         GROUP BY person, linked, word, bit, mask, island"
    )
}
