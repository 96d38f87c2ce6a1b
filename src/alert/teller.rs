//! Looks into the ledger of a database, and puts into it what people have to be told.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::{info, warn};

use super::judge::{Known, News, Verdict, judge};
use super::message::Message;
use super::{Event, Settings};
use crate::db::{Database, DbError};
use crate::job::Assignment;
use crate::ledger::{Queued, Standing, Telling};
use crate::report::{Report, RunId};
use crate::status::overdue;
use crate::sweep::Error;

/// Couriers give an alert up after a week. What lies there for longer is for a channel that is gone.
const FORGET: Duration = Duration::from_hours(30 * 24);

/// How to look at jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Only at the runs that have ended.
    Runs,
    /// Also whether they are overdue, but not those that are about to be caught up with.
    Patient,
    /// Also whether they are overdue.
    Whole,
}

/// A job that is looked at.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The job, and what runs it.
    pub assignment: Assignment,
    /// How long after its instants this host runs it.
    pub delay: TimeDelta,
    /// The instant whose run waits for its turn: that is as good as answered.
    pub answering: Option<DateTime<Utc>>,
}

/// Looks at jobs of one database, and queues what there is to tell; true when there is something.
///
/// # Errors
/// Those of the database.
pub async fn tell(settings: &Settings, jobs: &[Subject], look: Look, now: DateTime<Utc>) -> Result<bool, Error> {
    let Some(Assignment { sweeper, .. }) = jobs.first().map(|subject| &subject.assignment) else { return Ok(false) };
    // Also creates sweepd's own tables.
    let specs: Vec<_> = jobs.iter().map(|subject| &subject.assignment.job.spec).collect();
    let standings = sweeper.standings(&specs).await?;
    let database = Database::connect(&sweeper.database).await?;
    let told = tell_all(settings, &database, jobs, &standings, look, now).await;
    database.close().await;
    Ok(told?)
}

/// One job that cannot be told of keeps nobody from hearing of the others.
async fn tell_all(
    settings: &Settings,
    database: &Database,
    jobs: &[Subject],
    standings: &BTreeMap<String, Standing>,
    look: Look,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let (mut told, mut failure) = (false, None);
    for subject in jobs {
        let standing = standings.get(&subject.assignment.job.spec.job);
        let overdue = standing.and_then(|standing| nobody_ran(subject, standing, look, now));
        let mut done = tell_of(settings, database, subject, overdue, now).await;
        if matches!(&done, Err(error) if error.trouble.is_transient()) {
            done = tell_of(settings, database, subject, overdue, now).await;
        }
        match done {
            Ok(any) => told |= any,
            Err(error) if error.trouble.is_transient() => return Err(error),
            Err(error) => failure = Some(error),
        }
    }
    let given_up = Queued::forget(database, FORGET).await?;
    if given_up > 0 {
        warn!(alerts = given_up, "alerts to channels that are gone were deleted");
    }
    failure.map_or(Ok(told), Err)
}

/// The instant that nobody answered, where that is to be told.
fn nobody_ran(subject: &Subject, standing: &Standing, look: Look, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let job = &subject.assignment.job;
    let mut standing = standing.clone();
    if let Some(armed) = &mut standing.armed {
        armed.answered = armed.answered.max(subject.answering);
    }
    let missed = || standing.armed.as_ref().is_some_and(|armed| job.missed(armed, now).is_some());
    let looks = match look {
        Look::Runs => false,
        Look::Patient => !missed(),
        Look::Whole => true,
    };
    if !looks || standing.paused.is_some() {
        return None;
    }
    overdue(job, &standing, subject.delay, now)
}

async fn tell_of(
    settings: &Settings,
    database: &Database,
    subject: &Subject,
    overdue: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let Assignment { job, sweeper, .. } = &subject.assignment;
    let (name, target) = (&job.spec.job, database.qualify(&job.spec.layout.table).to_string());
    let telling = Telling::begin(database, &target, name).await?;
    let trouble = telling.told.trouble.as_deref().and_then(Event::from_word);
    let known = Known { trouble, ago: telling.told.ago, remind_after: settings.remind_after() };
    // A run may have ended since the ledger was asked.
    let overdue = overdue.filter(|since| !telling.ended.iter().any(|run| did_its_work_since(run, *since)));
    let Verdict { trouble, news } = judge(known, &telling.ended, overdue);
    let alerts = alerts(settings, name, &news, now, &sweeper.host);
    for news in &news {
        info!(job = %name, event = %news.event(), channels = settings.told_of(news.event()).count(), "people are told");
    }
    telling.end(database, trouble.map(Event::as_str), &alerts, !news.is_empty()).await?;
    Ok(!alerts.is_empty())
}

fn did_its_work_since(run: &Report, since: DateTime<Utc>) -> bool {
    run.succeeded() && run.finished_at.is_some_and(|end| end >= since)
}

/// One alert for each channel that is told of it. Their ids sort as they are.
fn alerts(
    settings: &Settings,
    job: &str,
    news: &[News],
    now: DateTime<Utc>,
    host: &str,
) -> Vec<(RunId, String, String)> {
    let mut alerts = Vec::new();
    for (later, news) in (0..).zip(news) {
        let at = now + TimeDelta::milliseconds(later);
        let body = Message::of(job, news, at, host).to_json();
        let told = settings.told_of(news.event());
        alerts.extend(told.map(|channel| (RunId::new(at), channel.name.clone(), body.clone())));
    }
    alerts
}

/// What people are told of a database that cannot be asked. Nobody but a person at a terminal has use for a script in it.
#[must_use]
pub fn unreachable(database: &str, error: &Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    if error.is_transient() {
        format!("the database {database} cannot be reached, so nothing is cleaned up there: {first}")
    } else {
        format!("nobody can tell how the jobs of the database {database} are: {first}")
    }
}
