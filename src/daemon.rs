//! The composition root: builds everything from the configuration, keeps it running, and drains it.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::db;
use crate::job::{Inbox, Job, Worker};
use crate::lifecycle::{Drained, Lifecycle};
use crate::report::{Trigger, rfc3339};
use crate::schedule::timer::{Timer, TimerError};
use crate::sweep::{Limits, Request, Sweeper};

/// Runs until a signal stops it.
///
/// # Errors
/// When the timer cannot be set up, or fails.
pub async fn run(config: &Config, mut lifecycle: Lifecycle, clock: Clock) -> Result<Drained, TimerError> {
    let mut timer = Timer::new(clock.clone()).await?;
    let mut turns = HashMap::new();
    for job in config.jobs.iter().filter(|job| job.enabled) {
        let turn = turns.entry(job.database.clone()).or_insert_with(|| Arc::new(Semaphore::new(1)));
        let inbox = start(job, sweeper(config, job, &clock), turn, &lifecycle);
        timer.add(&job.schedule, move |at| inbox.request(scheduled(at))).await?;
    }
    announce(config, &timer, &clock);
    let stop = lifecycle.stop.clone();
    let mut timer = lifecycle.tasks.spawn(async move { timer.run(&stop).await });
    let broken = loop {
        tokio::select! {
            ended = &mut timer => break ended.unwrap_or(Err(TimerError::Stopped)).err(),
            stop = lifecycle.signal() => if stop { break None },
        }
        warn!("SIGHUP: this version reads its configuration only at start; restart it");
    };
    if let Some(error) = &broken {
        error!("no job can be fired any more: {error}");
    }
    info!("stopping: a running batch is finished first; a second signal stops at once");
    let drained = lifecycle.drain(config.daemon.shutdown_timeout).await;
    match drained {
        Drained::Clean => info!("stopped"),
        Drained::TimedOut => error!("stopped after {:?} with work unfinished", config.daemon.shutdown_timeout),
        Drained::Forced => warn!("stopped at once by a second signal"),
    }
    broken.map_or(Ok(drained), Err)
}

/// What runs a job of the configuration: the same for the daemon and the command line.
///
/// # Panics
/// Never: a job of a valid configuration names one of its databases.
#[must_use]
pub fn sweeper(config: &Config, job: &Job, clock: &Clock) -> Sweeper {
    let database = &config.databases[&job.database];
    let replica = job.replica.as_ref().map(|name| &config.databases[name]);
    let limits = &job.spec.limits;
    Sweeper {
        database: settings(database, limits, job.spec.workers),
        replica: replica.map(|replica| settings(replica, limits, 1)),
        migrate: database.migrate,
        audit: config.audit.clone(),
        heartbeat: config.daemon.heartbeat,
        stale_after: config.daemon.stale_after,
        history: config.daemon.history,
        grace: config.daemon.shutdown_timeout / 2,
        host: host(),
        clock: clock.clone(),
    }
}

/// Each worker needs a connection, and the heartbeat one more.
fn settings(database: &config::Database, limits: &Limits, workers: u32) -> db::Settings {
    db::Settings {
        url: database.url.clone(),
        max_connections: database.max_connections.max(workers + 1),
        connect_timeout: database.connect_timeout,
        lock_timeout: limits.lock_timeout,
        statement_timeout: limits.statement_timeout,
    }
}

fn start(job: &Job, sweeper: Sweeper, turn: &Arc<Semaphore>, lifecycle: &Lifecycle) -> Inbox {
    let (stop, tasks) = (lifecycle.stop.clone(), lifecycle.tasks.clone());
    let (worker, inbox) = Worker::new(job.spec.clone(), sweeper, Arc::clone(turn), stop, tasks);
    lifecycle.tasks.spawn(worker.serve());
    inbox
}

fn scheduled(at: chrono::DateTime<chrono::Utc>) -> Request {
    Request { trigger: Trigger::Schedule, scheduled_for: Some(at) }
}

fn announce(config: &Config, timer: &Timer, clock: &Clock) {
    for job in &config.jobs {
        let next = job.schedule.next_after(clock.now()).filter(|_| job.enabled);
        let next = next.map_or_else(|| "never by itself".to_owned(), rfc3339);
        info!(job = %job.spec.job, enabled = job.enabled, next, "{}", job.schedule.describe());
    }
    if timer.next().is_none() {
        warn!("no job has a schedule, so nothing will ever run by itself");
    }
    info!(jobs = config.jobs.len(), "sweepd {} is ready", env!("CARGO_PKG_VERSION"));
}

/// This host's name: what the system says, or what the environment does.
fn host() -> String {
    let from_system = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if from_system.is_empty() { "unknown".to_owned() } else { from_system }
}
