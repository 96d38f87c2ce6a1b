//! Alerts and pings where no daemon runs: what the runs of one command have to tell.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::{join, join_all};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::courier::{Courier, post};
use super::message::Message;
use super::ping::Pinger;
use super::teller::{self, Look, Subject};
use super::{Channel, Event, Settings};
use crate::clock::{Clock, Stopwatch};
use crate::host;
use crate::job::Assignment;
use crate::report::{Report, RunId};
use crate::sweep::{Answer, Phase, Progress, Request};

/// Who started the command waits no longer for receivers. What is not delivered then is by the next command, or a daemon.
const PATIENCE: Duration = Duration::from_secs(15);
/// And who stopped it.
const IN_A_HURRY: Duration = Duration::from_secs(2);

/// Runs a job, and pings when it begins. The run waits for nobody.
pub async fn announced(
    settings: &Settings,
    job: &str,
    request: Request,
    mut progress: watch::Receiver<Progress>,
    run: impl Future<Output = Answer>,
) -> Answer {
    let Some(pinger) = pinger(settings, job) else { return run.await };
    let begin = async {
        if progress.wait_for(|progress| progress.phase == Phase::Running).await.is_ok() {
            pinger.began(request.id).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        answer = run => answer,
        answer = begin => answer,
    }
}

fn pinger(settings: &Settings, job: &str) -> Option<Pinger> {
    let (address, client) = settings.pings.get(job).zip(settings.pinging.as_ref())?;
    Some(Pinger::new(job, address.clone(), client.clone()))
}

/// Remembers that people want to be told of jobs from now on: a run that dies is told of by the next command.
pub async fn begin(settings: &Settings, jobs: Vec<Assignment>, clock: &Clock) {
    if settings.channels.is_empty() {
        return;
    }
    for jobs in by_database(jobs).values() {
        // When that is not possible, the run will say so.
        let _ = teller::tell(settings, jobs, Look::Runs, clock.now()).await;
    }
}

/// Pings the ends of runs and tells people what they have to be told, as far as that takes no longer than 15 s; after
/// `stop`, no longer than two.
pub async fn tell(
    settings: &Settings,
    reports: &[Report],
    jobs: Vec<Assignment>,
    clock: &Clock,
    stop: &CancellationToken,
) {
    let pings = reports.iter().filter_map(|report| Some((pinger(settings, &report.job)?, report)));
    let pings = join_all(pings.map(|(pinger, report)| async move { pinger.ended(report).await }));
    let impatience = async {
        let stopped = async {
            stop.cancelled().await;
            tokio::time::sleep(IN_A_HURRY).await;
        };
        let _ = tokio::time::timeout(PATIENCE, stopped).await;
    };
    tokio::select! {
        _ = join(pings, tell_channels(settings, jobs, clock)) => {}
        () = impatience => warn!("not everybody could be told in time; the next run, or a daemon, goes on with alerts"),
    }
}

async fn tell_channels(settings: &Settings, jobs: Vec<Assignment>, clock: &Clock) {
    if settings.channels.is_empty() {
        return;
    }
    let by_database = by_database(jobs);
    for (database, jobs) in &by_database {
        if let Err(error) = teller::tell(settings, jobs, Look::Runs, clock.now()).await {
            warn!(%database, "no ledger can keep what there is to tell: {error}");
            tell_at_once(settings, &teller::unreachable(database, &error), clock).await;
        }
    }
    let databases: Vec<_> =
        by_database.values().filter_map(|jobs| Some(jobs.first()?.assignment.sweeper.database.clone())).collect();
    let deliver = |channel: Channel| deliver(Courier::new(channel, databases.clone(), clock.clone()));
    join_all(settings.channels.iter().cloned().map(deliver)).await;
}

/// Tries again as long as that is within the time that there is.
async fn deliver(mut courier: Courier) {
    let watch = Stopwatch::start();
    loop {
        let next = courier.round().await;
        if watch.elapsed() + next > PATIENCE {
            return;
        }
        tokio::time::sleep(next).await;
    }
}

async fn tell_at_once(settings: &Settings, sentence: &str, clock: &Clock) {
    let now = clock.now();
    let body = Message::plain(Event::Unreachable, sentence, now, &host::name()).to_json();
    let told = settings.told_of(Event::Unreachable).map(async |channel| {
        if let Err(refusal) = post(channel, RunId::new(now), &body, now).await {
            warn!(channel = %channel.name, "an alert was not delivered: {refusal}");
        }
    });
    join_all(told).await;
}

fn by_database(jobs: Vec<Assignment>) -> BTreeMap<String, Vec<Subject>> {
    let mut by_database: BTreeMap<String, Vec<Subject>> = BTreeMap::new();
    for assignment in jobs {
        let jobs = by_database.entry(assignment.job.database.clone()).or_default();
        jobs.push(Subject { assignment, delay: TimeDelta::zero(), answering: None });
    }
    by_database
}
