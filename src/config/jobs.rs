//! `[jobs.NAME]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::alerts;
use super::databases::{DEFAULT, Databases, Entry};
use super::error::{Place, quoted};
use super::key::{did_you_mean, nearest};
use super::layout;
use super::limits;
use super::reader::Section;
use super::setting::Setting as _;
use crate::archive::{self, Compress, Secrets};
use crate::db::Engine;
use crate::job::Job;
use crate::preset::Layout;
use crate::report::SweepOrder;
use crate::schedule::Schedule;
use crate::sweep::Spec;
use crate::webhook::Address;
use crate::zone::Zone;

/// What an instant may be moved by, so that no date can overflow.
pub(super) const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
pub(super) const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);
/// Keys of `[jobs.NAME]` that a later version will know.
const LATER: &[&str] = &["vacuum"];
const MOST_WORKERS: u32 = 64;
pub(super) const ZONES: &str = "a time zone such as \"UTC\" or \"Europe/Dublin\"";
const SCHEDULES: &str = "a schedule such as \"daily at 02:00\", \"every 15 minutes\", \"0 2 * * *\" or \"manual\"";

/// What all jobs have in common: `[schedule]`.
#[derive(Debug)]
pub(super) struct Shared {
    zone: Zone,
    max_clock_skew: Duration,
}

pub(super) fn shared(root: &mut Section<'_>) -> Shared {
    let mut section = root.table("schedule");
    let zone = section.parsed("timezone", ZONES, Zone::parse).unwrap_or_else(Zone::utc);
    section.derive("timezone", Some(zone.name().to_owned().to_toml()), "default");
    let max_clock_skew = section.within("max_clock_skew", Duration::from_mins(1), Duration::ZERO..=DAY);
    section.finish();
    Shared { zone, max_clock_skew }
}

/// The jobs, and where the runs of some are announced.
pub(super) fn read(
    root: &mut Section<'_>,
    shared: &Shared,
    databases: &Databases,
) -> (Vec<Job>, BTreeMap<String, Address>) {
    let table = root.is_table("jobs");
    let mut section = root.table("jobs");
    let names = section.checked_names();
    if names.is_empty() && table {
        section
            .problem("", "there is no job; add a table [jobs.NAME] with a schedule and a preset, or leave [jobs] out");
    }
    let (mut jobs, mut pings) = (Vec::new(), BTreeMap::new());
    for name in names {
        let mut section = section.table(&name);
        jobs.extend(job(&mut section, &name, shared, databases));
        pings.extend(alerts::ping(&mut section).map(|address| (name, address)));
        section.finish();
    }
    (jobs, pings)
}

fn job(section: &mut Section<'_>, name: &str, shared: &Shared, databases: &Databases) -> Option<Job> {
    section.later(LATER);
    let enabled = section.or("enabled", true);
    let (database, engine) = database(section, databases);
    let zone = section.parsed("timezone", ZONES, Zone::parse).unwrap_or_else(|| shared.zone.clone());
    section.derive("timezone", Some(zone.name().to_owned().to_toml()), "schedule.timezone");
    let schedule = schedule(section, &zone);
    let catch_up = section.or("catch_up", true);
    let within = section.within("catch_up_within", DAY, MINUTE..=365 * DAY);
    let jitter = section.within("jitter", Duration::ZERO, Duration::ZERO..=DAY);
    if let Some(schedule) = schedule.as_ref().filter(|schedule| schedule.shortest_gap() <= jitter) {
        section.problem("jitter", format!("must be shorter than the time between two instants of {schedule}"));
    }
    let layout = layout::read(section, engine);
    let keep = section.within("keep", Duration::ZERO, Duration::ZERO..=CENTURY);
    let max_age = max_age(section, layout.as_ref());
    let orders = [("auto", None), ("expiry", Some(SweepOrder::Expiry)), ("physical", Some(SweepOrder::Physical))];
    let order = section.choice("order", &orders, None);
    let workers = section.within("workers", 1, 1..=MOST_WORKERS);
    let archive = archive(section);
    let (limits, replica) = limits::read(section.table("limits"), &zone, engine, databases);
    if let (Some(schedule), Some(window)) = (&schedule, &limits.window) {
        limits::check_window(section, schedule, window);
    }
    if workers > 1 && (archive.is_some() || limits.max_rows.is_some()) {
        section.warn("workers", "with limits.max_rows or an archive, one worker sweeps");
    }
    let max_clock_skew = shared.max_clock_skew;
    let job = name.to_owned();
    let spec =
        Spec { job, layout: layout?, guessed: false, keep, max_age, max_clock_skew, limits, order, workers, archive };
    let catch_up = catch_up.then_some(within);
    Some(Job { spec, database, replica, schedule: schedule?, catch_up, jitter, enabled })
}

/// A last use lies in the past, so a session that was used just now lives for its lifetime.
fn max_age(section: &mut Section<'_>, layout: Option<&Layout>) -> Option<Duration> {
    let max_age = section.optional_within("max_age", Duration::from_secs(1)..=CENTURY);
    let lifetime = layout.and_then(|layout| layout.mode.lifetime());
    if let (Some(max_age), Some(lifetime)) = (max_age, lifetime)
        && max_age < lifetime
    {
        section.problem("max_age", format!("must be at least the lifetime, which is {}", lifetime.to_toml()));
    }
    max_age
}

/// `archive = { directory = "..." }`; without one, nothing is archived.
fn archive(section: &mut Section<'_>) -> Option<archive::Settings> {
    let given = section.has("archive");
    let mut section = section.table("archive");
    if !given {
        return None;
    }
    let directory: Option<PathBuf> = section.optional("directory");
    section.word("format", &["jsonl"]);
    let compress = section.choice("compress", &[("zstd", Compress::Zstd), ("none", Compress::None)], Compress::Zstd);
    let secrets = section.choice("secrets", &[("hash", Secrets::Hash), ("keep", Secrets::Keep)], Secrets::Hash);
    if !section.has("directory") {
        section.missing("directory", "; the rows are archived there");
    }
    section.finish();
    directory.map(|directory| archive::Settings { directory, compress, secrets })
}

/// The name of the database, and its engine where that is known.
fn database(section: &mut Section<'_>, databases: &Databases) -> (String, Option<Engine>) {
    let name = section.or("database", DEFAULT.to_owned());
    let engine = match databases.get(&name) {
        Some(Entry::Ready(database)) => Some(database.url.engine()),
        Some(Entry::Broken) => None,
        Some(Entry::Absent) => {
            no_database(section);
            None
        }
        None => {
            unknown_database(section, &name, databases);
            None
        }
    };
    (name, engine)
}

/// The same for each job that lacks it, so that it is said once.
fn no_database(section: &mut Section<'_>) {
    let message = "no database is configured: set DATABASE_URL in the environment, or url in [database]";
    section.problem_at(Place::Nowhere, &super::key::KeyPath::default(), message);
}

fn unknown_database(section: &mut Section<'_>, name: &str, databases: &Databases) {
    let known = databases.keys().map(String::as_str);
    let list = known.clone().collect::<Vec<_>>().join(", ");
    let message = if section.in_environment("database") {
        format!("there is no such database; configured: {list}")
    } else {
        format!("there is no database {}; configured: {list}{}", quoted(name), did_you_mean(nearest(name, known)))
    };
    section.problem("database", message);
}

fn schedule(section: &mut Section<'_>, zone: &Zone) -> Option<Schedule> {
    if !section.has("schedule") {
        section.missing("schedule", format!("; expected {SCHEDULES}"));
    }
    section.parsed("schedule", SCHEDULES, |text| Schedule::parse(text, zone.clone()))
}
