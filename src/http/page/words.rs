//! Numbers, times and reasons, as people read them. `page.js` writes times in the same way.

use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};

use crate::report::{Outcome, Report, StoppedBy, Throttle, Trigger, rfc3339};
use crate::zone::Zone;

/// `1,234,567`
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// `1 row`, `1,234 rows`
pub(super) fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{} rows", number(count)) }
}

/// `340 ms`, `4.2 s`, `3 min 20 s`
pub(super) fn took(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => span(TimeDelta::milliseconds(i64::try_from(millis).unwrap_or_default())),
    }
}

/// `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`
pub(super) fn span(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, of: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {of}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => two(minutes, "min", seconds % 60, "s"),
        600..3600 => format!("{minutes} min"),
        3600..86_400 => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// `3 min 20 s ago`, counted on by the script.
pub(super) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! { time datetime=(rfc3339(at)) data-ago { (span(now - at)) " ago" } }
}

/// `in 3 min 20 s`, counted down by the script.
pub(super) fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> Markup {
    html! { time datetime=(rfc3339(at)) data-until { @if at > now { "in " (span(at - now)) } @else { "now" } } }
}

/// `2026-11-24 22:47:13 +01:00`, on the wall clock of the zone.
pub(super) fn time(at: DateTime<Utc>, zone: &Zone) -> Markup {
    let local = zone.local(at);
    let form = if local.offset().local_minus_utc() == 0 { "%Y-%m-%d %H:%M:%S UTC" } else { "%Y-%m-%d %H:%M:%S %:z" };
    html! { time datetime=(rfc3339(at)) { (local.format(form).to_string()) } }
}

/// What a run came to, in a few words.
pub(super) fn outcome(run: &Report) -> &'static str {
    match run.outcome {
        None => "running",
        Some(Outcome::Completed) => "completed",
        Some(Outcome::Partial) => "partial",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Interrupted) => "found dead",
        Some(Outcome::Skipped) => "skipped",
    }
}

/// A sign beside the colour.
pub(super) fn sign(run: &Report) -> (&'static str, &'static str) {
    match run.outcome {
        None => ("▶", "running"),
        Some(Outcome::Completed) => ("✓", "good"),
        Some(Outcome::Partial | Outcome::Skipped) => ("◐", "held"),
        Some(Outcome::Failed | Outcome::Interrupted) => ("✕", "bad"),
    }
}

pub(super) fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "schedule",
        Trigger::CatchUp => "catching up",
        Trigger::Takeover => "takeover",
        Trigger::Manual => "command line",
        Trigger::Api => "page or API",
    }
}

/// Why a run pauses.
pub(super) fn throttle(reason: Throttle) -> &'static str {
    match reason {
        Throttle::Nice => "pauses to be nice to the database (nice)",
        Throttle::MaxRowsPerSecond => "goes no faster than it may (max_rows_per_second)",
        Throttle::Retry => "waits, and then tries a database error again that may pass",
        Throttle::ReplicationLag => "waits for a replica that is behind (max_replication_lag)",
        Throttle::Load => "waits until the database is less busy (load_query)",
        Throttle::StopFile => "waits until the stop file is gone (stop_file)",
    }
}

/// What stopped a run before its end.
pub(super) fn stopped_by(reason: StoppedBy) -> &'static str {
    match reason {
        StoppedBy::LockedRows => "rows that the application holds locked were left (locked-rows)",
        StoppedBy::ClockSet => "this host's clock was set forward; what expired in that time was kept (clock-set)",
        StoppedBy::MaxRows => "it reached max_rows",
        StoppedBy::MaxDuration => "it reached max_duration",
        StoppedBy::Window => "its window closed",
        StoppedBy::Paused => "the job was paused",
        StoppedBy::Shutdown => "sweepd was stopped",
    }
}

/// The beginning of a long text.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_short_and_exact() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 0, 2000].map(rows), ["1 row", "0 rows", "2,000 rows"]);
        assert_eq!([0, 999, 1000, 59_999, 200_000].map(took), ["0 ms", "999 ms", "1.0 s", "59.9 s", "3 min 20 s"]);
        let spans = [-5, 0, 59, 60, 200, 3599, 3600, 7500, 86_400, 270_000, 172_800];
        let words =
            ["0 s", "0 s", "59 s", "1 min", "3 min 20 s", "59 min", "1 h", "2 h 5 min", "1 d", "3 d 3 h", "2 d"];
        assert_eq!(spans.map(|seconds| span(TimeDelta::seconds(seconds))), words);
        assert_eq!((shortened("äöü", 3), shortened("äöü", 2)), ("äöü".to_owned(), "äö…".to_owned()));
    }

    #[test]
    fn a_time_says_where_it_is_the_time() {
        let at = "2026-07-01T12:00:00Z".parse().unwrap_or_default();
        let of = |name: &str| time(at, &Zone::parse(name).unwrap_or_else(|_| Zone::utc())).0;
        assert!(of("UTC").contains(">2026-07-01 12:00:00 UTC<"));
        assert!(of("Europe/Paris").contains(">2026-07-01 14:00:00 +02:00<"));
    }
}
