//! Looks into the ledger of a database, and puts into it what people have to be told.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::{error, info};

use super::judge::{Known, News, Verdict, judge};
use super::message::Message;
use super::{Event, Settings};
use crate::db::Database;
use crate::job::Assignment;
use crate::ledger::{Queued, Standing, Telling};
use crate::report::RunId;
use crate::status::overdue;
use crate::sweep::Error;

/// What could not be delivered for so long is given up.
const GIVE_UP: Duration = Duration::from_hours(7 * 24);

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

/// Looks at jobs of one database, and queues what there is to tell; true when there is something. `delay` is how long after
/// its instants this host runs a job.
///
/// # Errors
/// Those of the database.
pub async fn tell(
    settings: &Settings,
    jobs: &[(Assignment, TimeDelta)],
    look: Look,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let Some((Assignment { sweeper, .. }, _)) = jobs.first() else { return Ok(false) };
    let specs: Vec<_> = jobs.iter().map(|(assignment, _)| &assignment.job.spec).collect();
    let standings = sweeper.standings(&specs).await?;
    let database = Database::connect(&sweeper.database).await?;
    let told = tell_all(settings, &database, jobs, &standings, look, now).await;
    database.close().await;
    told
}

async fn tell_all(
    settings: &Settings,
    database: &Database,
    jobs: &[(Assignment, TimeDelta)],
    standings: &BTreeMap<String, Standing>,
    look: Look,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let mut told = false;
    for (assignment, delay) in jobs {
        let standing = standings.get(&assignment.job.spec.job);
        let overdue = standing.and_then(|standing| nobody_ran(assignment, standing, *delay, look, now));
        told |= tell_of(settings, database, assignment, overdue, now).await?;
    }
    let given_up = Queued::forget(database, GIVE_UP).await?;
    if given_up > 0 {
        error!(alerts = given_up, "alerts that could not be delivered for a week are given up");
    }
    Ok(told)
}

/// The instant that nobody answered, where that is to be told.
fn nobody_ran(
    Assignment { job, .. }: &Assignment,
    standing: &Standing,
    delay: TimeDelta,
    look: Look,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let missed = || standing.armed.as_ref().is_some_and(|armed| job.missed(armed, now).is_some());
    let looks = match look {
        Look::Runs => false,
        Look::Patient => !missed(),
        Look::Whole => true,
    };
    if !looks || standing.paused.is_some() {
        return None;
    }
    overdue(job, standing, delay, now)
}

async fn tell_of(
    settings: &Settings,
    database: &Database,
    Assignment { job, sweeper, .. }: &Assignment,
    overdue: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let (name, target) = (&job.spec.job, database.qualify(&job.spec.layout.table).to_string());
    let telling = Telling::begin(database, &target, name).await?;
    let trouble = telling.told.trouble.as_deref().and_then(Event::from_word);
    let remind_after = settings.remind_after().unwrap_or(Duration::MAX);
    let known = Known { trouble, ago: telling.told.ago, remind_after };
    let Verdict { trouble, news } = judge(known, &telling.ended, overdue);
    let alerts = alerts(settings, name, &news, now, &sweeper.host);
    for news in &news {
        info!(job = %name, event = %news.event(), channels = settings.told_of(news.event()).count(), "people are told");
    }
    telling.end(database, trouble.map(Event::as_str), &alerts, !news.is_empty()).await?;
    Ok(!alerts.is_empty())
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
