//! `[jobs.NAME.limits]`.

use std::path::PathBuf;
use std::time::Duration;

use super::databases::{Databases, Entry};
use super::reader::Section;
use super::setting::Setting as _;
use crate::db::Engine;
use crate::schedule::Schedule;
use crate::sweep::Limits;
use crate::sweep::limits::{Load, Window};
use crate::zone::Zone;

const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const MOST_ROWS: u64 = 1_000_000_000_000;
const WINDOWS: &str = "a window such as \"01:00-05:00\"";

/// The limits of a job, and the name of the replica that is asked how far it is behind.
pub(super) fn read(
    mut section: Section<'_>,
    zone: &Zone,
    engine: Option<Engine>,
    databases: &Databases,
) -> (Limits, Option<String>) {
    let default = engine.map_or_else(Limits::default, Limits::gentle);
    let limits = Limits {
        batch_target: section.within("batch_target", default.batch_target, MILLISECOND..=MINUTE),
        nice: section.within("nice", default.nice, 0.0..=1000.0),
        max_rows_per_second: section.optional_within("max_rows_per_second", 1..=MOST_ROWS),
        max_rows: section.optional_within("max_rows", 1..=MOST_ROWS),
        max_duration: section.within("max_duration", default.max_duration, MILLISECOND..=30 * DAY),
        window: section.parsed("window", WINDOWS, |text| Window::parse(text, zone.clone())),
        lock_timeout: section.within("lock_timeout", default.lock_timeout, MILLISECOND..=60 * MINUTE),
        statement_timeout: section.within("statement_timeout", default.statement_timeout, MILLISECOND..=DAY),
        max_replication_lag: section.optional_within("max_replication_lag", MILLISECOND..=DAY),
        load: load(&mut section),
        stop_file: section.optional::<PathBuf>("stop_file"),
    };
    if limits.statement_timeout <= limits.batch_target {
        let message = format!("must be longer than batch_target, which is {}", limits.batch_target.to_toml());
        section.problem("statement_timeout", message);
    }
    let replica = replica(&mut section, limits.max_replication_lag, engine, databases);
    section.finish();
    (limits, replica)
}

/// A schedule all of whose instants are outside the window is a mistake.
pub(super) fn check_window(section: &mut Section<'_>, schedule: &Schedule, window: &Window) {
    // Any year will do: what counts is the time of the day.
    let start = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
    if !schedule.is_manual() && !window.meets(start, |at| schedule.next_after(at)) {
        section.problem("schedule", "has no instant in limits.window, so nothing would ever be deleted");
    }
}

fn load(section: &mut Section<'_>) -> Option<Load> {
    let query: Option<String> = section.optional("load_query");
    let max: Option<f64> = section.optional_within("max_load", f64::MIN..=f64::MAX);
    match (query, max) {
        (Some(query), Some(max)) => Some(Load { query, max }),
        (Some(_), None) => {
            if !section.has("max_load") {
                section.missing("max_load", "; load_query needs it: a number, above which the sweep pauses");
            }
            None
        }
        (None, Some(_)) => {
            if !section.has("load_query") {
                section.missing("load_query", "; max_load needs it: a query that gives one number");
            }
            None
        }
        (None, None) => None,
    }
}

fn replica(
    section: &mut Section<'_>,
    lag: Option<Duration>,
    engine: Option<Engine>,
    databases: &Databases,
) -> Option<String> {
    let name: Option<String> = section.optional("replica");
    if let Some(name) = &name
        && !matches!(databases.get(name), Some(Entry::Ready(_) | Entry::Broken))
    {
        let known = databases.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        section.problem("replica", format!("there is no such database; configured: {known}"));
    }
    let theirs = name.as_ref().and_then(|name| databases.get(name));
    if let (Some(Entry::Ready(theirs)), Some(engine)) = (theirs, engine)
        && theirs.url.engine() != engine
    {
        section.problem("replica", format!("is a {} database, and the job's is {engine}", theirs.url.engine()));
    }
    match (lag, &name, engine) {
        (Some(_), None, Some(Engine::MySql)) => {
            let hint = ": a MySQL server does not know how far its replicas are behind; name one of [databases.NAME]";
            section.missing("replica", hint);
        }
        (Some(_), _, Some(Engine::Sqlite)) => section.problem("max_replication_lag", "SQLite has no replicas"),
        (None, Some(_), _) => section.problem("replica", "means nothing without max_replication_lag"),
        _ => {}
    }
    name
}
