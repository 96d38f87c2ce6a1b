//! How everything stands, in one line: what is wrong first, then what runs, then what comes next. Everybody on the machine can
//! read it where the service manager shows it, so it does not say why something is wrong: the log does.

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};

use super::{Desk, Status};
use crate::job::{Active, Activity};
use crate::report::Outcome;
use crate::sweep::{Phase, Progress};
use crate::zone::Zone;

const BAD_EDIT: &str =
    "the configuration was edited and cannot be used, so the one from before stays in force (the log says why)";

impl Status {
    /// The line. With `from_now` it says how long it is until the next run, which does not stay true for long.
    #[must_use]
    pub fn line(&self, from_now: bool) -> String {
        let desks = self.all();
        let activities: Vec<_> = desks.iter().map(|desk| (desk.job().spec.job.clone(), desk.activity())).collect();
        let edit = self.bad_edit.borrow().is_some().then(|| BAD_EDIT.to_owned());
        let failed = activities.iter().filter_map(|(job, activity)| failed(job, activity));
        let running = activities.iter().filter_map(|(job, activity)| Some(running(job, activity.active.as_ref()?)));
        let next = next(&desks, self.now(), from_now);
        edit.into_iter().chain(failed).chain(running).chain([next]).collect::<Vec<_>>().join("; ")
    }
}

fn failed(job: &str, activity: &Activity) -> Option<String> {
    let ended = match activity.last.as_ref()?.outcome? {
        Outcome::Failed => "failed",
        Outcome::Interrupted => "was interrupted",
        Outcome::Completed | Outcome::Partial | Outcome::Skipped => return None,
    };
    Some(format!("{job}: the last run {ended} (the log says why)"))
}

fn running(job: &str, active: &Active) -> String {
    let Progress { phase, deleted, expected, throttle, .. } = *active.progress.borrow();
    let rows = match expected {
        Some(expected) if expected >= deleted => format!("{deleted} of about {expected} rows deleted"),
        _ => format!("{deleted} rows deleted"),
    };
    let pauses = throttle.map(|reason| format!(", pauses ({reason})")).unwrap_or_default();
    match phase {
        Phase::Waiting => format!("{job}: waits for its turn"),
        Phase::Claiming => format!("{job}: waits for the database"),
        Phase::Running => format!("{job}: running, {rows}{pauses}"),
    }
}

fn next(desks: &[std::sync::Arc<Desk>], now: DateTime<Utc>, from_now: bool) -> String {
    let instants = desks.iter().filter_map(|desk| Some((desk.next(now)?, desk)));
    let Some((at, desk)) = instants.min_by_key(|(at, _)| *at) else {
        return "no job is run by itself".to_owned();
    };
    let job = desk.job();
    let from_now = if from_now { format!(" ({})", left(at - now)) } else { String::new() };
    format!("next: {} {}{from_now}", job.spec.job, reading(at, now, job.schedule.zone()))
}

/// The time of day, and the date where it is not clear.
fn reading(at: DateTime<Utc>, now: DateTime<Utc>, zone: &Zone) -> String {
    let local = zone.local(at);
    let date = if at - now >= TimeDelta::hours(24) { local.format("on %Y-%m-%d ").to_string() } else { String::new() };
    let time = local.format(if local.second() == 0 { "%H:%M" } else { "%H:%M:%S" });
    format!("{date}at {time} {}", zone.name())
}

fn left(left: TimeDelta) -> String {
    let minutes = (left.num_seconds() + 30) / 60;
    match minutes {
        ..1 => "in less than a minute".to_owned(),
        1..90 => format!("in {minutes} min"),
        90..2880 => format!("in {} h", (minutes + 30) / 60),
        _ => format!("in {} days", (minutes + 720) / 1440),
    }
}
