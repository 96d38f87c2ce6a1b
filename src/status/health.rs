//! What is wrong: the database, the configuration, a job that is overdue or whose last run failed.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::desk::Desk;
use crate::job::Job;
use crate::ledger::Standing;
use crate::report::{Outcome, rfc3339};

/// A run that should have begun this long ago is overdue. A job that several hosts spread, and a database that restarts,
/// have this much time.
const GRACE: TimeDelta = TimeDelta::minutes(5);

/// Something that somebody has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The configuration was edited and cannot be used.
    Configuration(String),
    /// The ledger of a job cannot be read.
    Database {
        /// The job.
        job: String,
        /// Why.
        error: String,
    },
    /// Nobody answered an instant of a job's schedule.
    Overdue {
        /// The job.
        job: String,
        /// The instant.
        since: DateTime<Utc>,
    },
    /// The last run of a job failed or was found dead.
    Failed {
        /// The job.
        job: String,
        /// How it ended.
        outcome: Outcome,
        /// Why.
        error: Option<String>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(error) => write!(f, "the configuration cannot be used: {error}"),
            Self::Database { job, error } => write!(f, "{job}: {error}"),
            Self::Overdue { job, since } => write!(f, "{job}: nobody ran it at {}", rfc3339(*since)),
            Self::Failed { job, outcome, error: Some(error) } => write!(f, "{job}: the last run {outcome}: {error}"),
            Self::Failed { job, outcome, error: None } => write!(f, "{job}: the last run was {outcome}"),
        }
    }
}

/// What is wrong with a job.
pub(super) async fn problem(desk: &Desk, now: DateTime<Utc>) -> Option<Problem> {
    let job = desk.job();
    match desk.standing().await? {
        Ok(standing) => judge(&job, &standing, desk.delay(), now),
        Err(error) => Some(Problem::Database { job: job.spec.job.clone(), error: error.to_string() }),
    }
}

/// What is wrong with a job of which the ledger says this. Nothing, while it is paused.
#[must_use]
pub fn judge(job: &Job, standing: &Standing, delay: TimeDelta, now: DateTime<Utc>) -> Option<Problem> {
    if standing.paused.is_some() {
        return None;
    }
    let name = || job.spec.job.clone();
    if let Some(since) = overdue(job, standing, delay, now) {
        return Some(Problem::Overdue { job: name(), since });
    }
    let last = standing.last.as_ref()?;
    let outcome = last.outcome.filter(|outcome| matches!(outcome, Outcome::Failed | Outcome::Interrupted))?;
    Some(Problem::Failed { job: name(), outcome, error: last.error.clone() })
}

/// The newest instant that should have been answered, when nobody did, and no run has done its work since, whatever it
/// was asked for with. A pause answers by skipping.
#[must_use]
pub fn overdue(job: &Job, standing: &Standing, delay: TimeDelta, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // The ledger may know another schedule still.
    let armed = standing.armed.as_ref().filter(|armed| armed.schedule == job.armed_as())?;
    let due = now - GRACE - delay;
    let at = job.schedule.last_at_or_before(due, armed.since)?;
    let answered = armed.answered.is_some_and(|answered| answered >= at);
    let swept = standing.last_success.is_some_and(|success| success >= at);
    (at > armed.since && !answered && !swept).then_some(at)
}

/// When the next instant of a job will be overdue, unless somebody answers it.
#[must_use]
pub fn overdue_at(job: &Job, delay: TimeDelta, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let late = delay + GRACE;
    Some(job.schedule.next_after(now - late)? + late)
}
