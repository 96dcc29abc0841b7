//! Times without a zone, with one, and across the change of clocks.

use crate::readers::measured;
use crate::support::{Audit, Impression, csv, log, quality, rfc3339};

/// The log with its times written by `write`.
fn written(write: impl Fn(usize, i64) -> String) -> String {
    let mut text = csv(&[]);
    for (index, row) in log().iter().enumerate() {
        text += &crate::support::csv_row(&Impression { at: 0, ..row.clone() }).replacen(
            "1970-01-01T00:00:00Z",
            &write(index, row.at),
            1,
        );
        text.push('\n');
    }
    text
}

/// Berlin's wall clock; it goes from +01:00 to +02:00 on 29 March 2026 at 01:00 UTC.
fn berlin(at: i64) -> String {
    let hours = if at < 1_774_746_000_000_000 { 1 } else { 2 };
    rfc3339(at + hours * 3_600_000_000).trim_end_matches('Z').to_owned()
}

fn audit(text: String, zone: &str) -> Audit {
    let source =
        if zone.is_empty() { "path: log.csv".to_owned() } else { format!("path: log.csv\n    time_zone: {zone}") };
    Audit::new().with("log.csv", text).source(&source)
}

#[test]
fn a_time_without_zone_stops_the_run_and_tells_the_way_out() {
    let told = ["log.csv:2: timestamp has no time zone", "state `time_zone:` for this source"];
    audit(written(|_, at| berlin(at)), "").run().refused(&told);
    audit(written(|_, at| berlin(at).replace('T', " ")), "").max_rejected("1").run().refused(&told);
    let consent = Audit::new().in_line("consent.csv", 3, "2026-01-02T00:00:00Z", "2026-01-02");
    consent.run().refused(&["consent.csv:3: timestamp has no time zone"]);
}

#[test]
fn one_time_without_zone_among_others_stops_the_run_whatever_the_limit() {
    let mixed = |index: usize, at: i64| if index == 10 { berlin(at) } else { rfc3339(at) };
    audit(written(mixed), "").max_rejected("1").run().refused(&["log.csv:12: timestamp has no time zone"]);
}

#[test]
fn a_stated_zone_gives_the_right_instant_on_both_sides_of_the_change_of_clocks() {
    let plain = Audit::new().run().audited(0);
    let first = &quality(&plain, "recommendations")["first"];
    assert_eq!((first, rfc3339(log()[0].at).as_str()), (&"2026-03-27T08:30:00Z".into(), "2026-03-27T08:30:00Z"));
    let around = log().iter().any(|row| row.at < 1_774_746_000_000_000)
        && log().iter().any(|row| row.at > 1_774_746_000_000_000);
    assert!(around, "the log lies on both sides");
    let local = audit(written(|_, at| berlin(at)), "Europe/Berlin").run().audited(0);
    assert_eq!(measured(&local), measured(&plain));
    assert_eq!(quality(&local, "recommendations"), quality(&plain, "recommendations"));
    let spaced = audit(written(|_, at| berlin(at).replace('T', " ")), "Europe/Berlin").run().audited(0);
    assert_eq!(measured(&spaced), measured(&plain));
    // A time that has a zone keeps it, whatever the source states.
    let mixed = |index: usize, at: i64| if index.is_multiple_of(2) { berlin(at) } else { rfc3339(at) };
    assert_eq!(measured(&audit(written(mixed), "Europe/Berlin").run().audited(0)), measured(&plain));
}

#[test]
fn a_wall_clock_time_that_never_was_or_was_twice_is_rejected_and_not_guessed() {
    for time in ["2026-03-29T02:30:00", "2026-10-25T02:30:00"] {
        let run = audit(written(|index, at| if index == 1 { time.to_owned() } else { berlin(at) }), "Europe/Berlin");
        run.run().refused(&["log.csv:3: timestamp", "change of clocks"]);
    }
}

#[test]
fn offsets_of_any_kind_are_the_same_instants() {
    let plain = Audit::new().run().audited(0);
    let offset = |index: usize, at: i64| {
        let (hours, text) = [(0, "Z"), (2, "+02:00"), (-5, "-0500"), (9, "+09"), (0, "+00:00")][index / 3 % 5];
        rfc3339(at + hours * 3_600_000_000).replace('Z', text)
    };
    let record = audit(written(offset), "").run().audited(0);
    assert_eq!(measured(&record), measured(&plain));
    assert_eq!(quality(&record, "recommendations"), quality(&plain, "recommendations"));
}
