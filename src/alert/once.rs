//! Alerts and pings where no daemon runs: what the runs of one command have to tell.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use tokio::sync::watch;
use tracing::warn;

use super::Settings;
use super::courier::Courier;
use super::ping::{Ping, Pinger};
use super::teller::{self, Look};
use crate::clock::Clock;
use crate::job::Assignment;
use crate::sweep::{Answer, Phase, Progress, Request};

/// Who started the command waits no longer for receivers. What is not delivered then is by the next command, or a daemon.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs a job, and pings when it begins and ends.
pub async fn announced(
    settings: &Settings,
    job: &str,
    request: Request,
    mut progress: watch::Receiver<Progress>,
    run: impl Future<Output = Answer>,
) -> Answer {
    let Some((address, client)) = settings.pings.get(job).zip(settings.pinging.as_ref()) else { return run.await };
    let pinger = Pinger::new(job, address.clone(), client.clone());
    let phase = progress.clone();
    let begin = async {
        if progress.wait_for(|progress| progress.phase == Phase::Running).await.is_ok() {
            pinger.send(&Ping::Began(request.id)).await;
        }
    };
    tokio::pin!(run, begin);
    let answer = tokio::select! {
        answer = &mut run => {
            // It is over within seconds, and the ping of the end comes after it.
            if phase.borrow().phase == Phase::Running {
                begin.await;
            }
            answer
        }
        () = &mut begin => run.await,
    };
    if let Some(report) = answer.report() {
        let ended = Ping::Ended(Box::new(report.clone()));
        if tokio::time::timeout(PATIENCE, pinger.send(&ended)).await.is_err() {
            warn!(%job, "{address} was not pinged: no answer within {} s", PATIENCE.as_secs());
        }
    }
    answer
}

/// Tells people what the runs that have ended have to tell them, as far as that takes no longer than 15 s.
pub async fn tell(settings: &Settings, jobs: Vec<Assignment>, clock: &Clock) {
    if settings.channels.is_empty() {
        return;
    }
    let mut by_database: BTreeMap<String, Vec<(Assignment, TimeDelta)>> = BTreeMap::new();
    for assignment in jobs {
        let jobs = by_database.entry(assignment.job.database.clone()).or_default();
        jobs.push((assignment, TimeDelta::zero()));
    }
    for (database, jobs) in &by_database {
        if let Err(error) = teller::tell(settings, jobs, Look::Runs, clock.now()).await {
            warn!(%database, "nobody can be told how its jobs are: {error}");
        }
    }
    let databases: Vec<_> =
        by_database.values().filter_map(|jobs| Some(jobs.first()?.0.sweeper.database.clone())).collect();
    let deliver = |channel| {
        let mut courier = Courier::new(channel, databases.clone(), clock.clone());
        async move {
            courier.round().await;
        }
    };
    let delivered = join_all(settings.channels.iter().cloned().map(deliver));
    if tokio::time::timeout(PATIENCE, delivered).await.is_err() {
        warn!("some alerts are not delivered yet; the next run, or a daemon, goes on with them");
    }
}
