//! The composition root: builds everything from the configuration, keeps it running, changes it, and drains it.

pub mod built_in;
mod herald;
mod workers;

use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::alert::office::Office;
use crate::clock::Clock;
use crate::config::{self, Config, Source};
use crate::db;
use crate::host;
use crate::http::{self, listen};
use crate::job::Job;
use crate::lifecycle::{Drained, Lifecycle};
use crate::schedule::timer::TimerError;
use crate::sessions::{self, Sessions};
use crate::status::Status;
use crate::sweep::{Limits, Sweeper};
use crate::telemetry::{self, metrics::Metrics};
use herald::Herald;
use workers::Workers;

/// The daemon cannot start, or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// No job can be fired.
    #[error(transparent)]
    Timer(#[from] TimerError),
    /// HTTP has nowhere to listen.
    #[error(transparent)]
    Listen(#[from] listen::ListenError),
}

/// Runs until a signal stops it, and follows the configuration while it is edited. `config` is what `source` gave.
///
/// # Errors
/// When HTTP cannot listen where it should, or the timer cannot be set up, or fails.
pub async fn run(
    mut config: Config,
    mut source: Source,
    log: &telemetry::Guard,
    mut lifecycle: Lifecycle,
    clock: Clock,
) -> Result<Drained, DaemonError> {
    let bound = match &config.http {
        Some(settings) => Some(listen::Bound::new(settings.clone()).await?),
        None => None,
    };
    let metrics = Metrics::default();
    let mut workers = Workers::new(&lifecycle, &clock, &metrics).await?;
    workers.follow(&config).await?;
    if config.jobs.iter().all(|job| !job.enabled || job.schedule.is_manual()) {
        warn!("no job has a schedule, so nothing will ever run by itself");
    }
    let bad_edit = watch::Sender::default();
    let status = Status::new(workers.roster(), bad_edit.subscribe(), clock.clone());
    let mut herald = Herald::new(status.clone(), &lifecycle);
    let alerts = watch::Sender::new(config.alerts.clone());
    let office =
        Office::new(status.clone(), alerts.subscribe(), lifecycle.tasks.clone(), config.daemon.shutdown_timeout);
    lifecycle.tasks.spawn(office.work(lifecycle.stop.clone()));
    let server = bound.map(|bound| serve(bound, status, metrics, &lifecycle));
    info!(jobs = config.jobs.len(), "sweepd {} is ready", env!("CARGO_PKG_VERSION"));
    let mut changes = follow_file(&source, &lifecycle);
    let mut decisions = built_in::look(&config, &lifecycle);
    herald.ready();
    let broken = loop {
        let reload = tokio::select! {
            fired = workers.fire_next() => match fired {
                Ok(()) => false,
                Err(error) => break Some(error),
            },
            stop = lifecycle.signal() => if stop { break None } else { true },
            Some(()) = changes.recv() => source.has_changed(),
            pulse = herald.cue() => {
                herald.speak(pulse && workers.keeps_time()).await;
                false
            }
            Some(decision) = decisions.recv() => {
                config = built_in::decided(config, decision);
                if let Err(error) = workers.follow(&config).await {
                    break Some(error);
                }
                false
            }
        };
        if !reload {
            continue;
        }
        herald.reloading();
        if let Some(new) = edited(&mut source, &config, &clock, &bad_edit) {
            let new = built_in::carried(&config, new);
            if let Err(error) = workers.follow(&new).await {
                break Some(error);
            }
            log.set_level(new.log.level);
            decisions = built_in::look(&new, &lifecycle);
            follow(server.as_ref(), new.http.as_ref());
            alerts.send_replace(new.alerts.clone());
            config = new;
        }
        herald.ready();
    };
    if let Some(error) = &broken {
        error!("no job can be fired any more: {error}");
    }
    info!("stopping: a running batch is finished first; a second signal stops at once");
    let drained = herald.drain(&mut lifecycle, config.daemon.shutdown_timeout).await;
    match drained {
        Drained::Clean => info!("stopped"),
        Drained::TimedOut => error!("stopped after {:?} with work unfinished", config.daemon.shutdown_timeout),
        Drained::Forced => warn!("stopped at once by a second signal"),
    }
    broken.map_or(Ok(drained), |error| Err(error.into()))
}

fn serve(bound: listen::Bound, status: Status, metrics: Metrics, lifecycle: &Lifecycle) -> listen::Server {
    // Counted in time for the first who asks.
    status.all().iter().for_each(|desk| drop(desk.known_statistics()));
    let state = http::State::new(bound.settings(), status, metrics);
    bound.serve(http::router(state), &lifecycle.stop, &lifecycle.tasks)
}

fn follow(server: Option<&listen::Server>, settings: Option<&http::Settings>) {
    match (server, settings) {
        (Some(server), Some(settings)) => server.follow(settings),
        (None, None) => {}
        (Some(_), None) => warn!("[http] is gone; HTTP goes on as before until a restart"),
        (None, Some(_)) => warn!("[http] is new; HTTP needs a restart to begin"),
    }
}

/// Watches the file in a task of its own, which is not interrupted while somebody writes it.
fn follow_file(source: &Source, lifecycle: &Lifecycle) -> mpsc::Receiver<()> {
    let (sender, changes) = mpsc::channel(1);
    let (mut watch, stop) = (source.watch(), lifecycle.stop.clone());
    lifecycle.tasks.spawn(async move {
        let follow = async {
            loop {
                watch.changed().await;
                if sender.send(()).await.is_err() {
                    return;
                }
            }
        };
        stop.run_until_cancelled(follow).await
    });
    changes
}

/// The configuration after an edit; none when it is bad: then everything stays as it is.
fn edited(
    source: &mut Source,
    before: &Config,
    clock: &Clock,
    bad_edit: &watch::Sender<Option<String>>,
) -> Option<Config> {
    let loaded = source.load().map_err(|errors| errors.to_string());
    let usable = loaded.and_then(|new| match new.never_fires(clock.now()).or_else(|| lost(before, &new)) {
        None => Ok(new),
        Some(problem) => Err(problem),
    });
    bad_edit.send_replace(usable.as_ref().err().cloned());
    match usable {
        Err(problem) => {
            error!("the configuration was edited and cannot be used, so the one from before stays in force: {problem}");
            None
        }
        Ok(new) => {
            new.warnings.iter().for_each(|warning| warn!("{warning}"));
            if (telemetry::Settings { level: before.log.level, ..new.log.clone() }) != before.log {
                warn!("of [log], only `level` can be changed without a restart");
            }
            info!(jobs = new.jobs.len(), "the configuration was loaded anew");
            Some(new)
        }
    }
}

/// A file that was cut off by accident must not end every job.
fn lost(before: &Config, new: &Config) -> Option<String> {
    let kept = |job: &Job| new.jobs.iter().any(|other| other.spec.job == job.spec.job);
    let names: Vec<_> = before.jobs.iter().map(|job| job.spec.job.as_str()).collect();
    let built_in_instead = new.built_in_job && !before.built_in_job;
    (built_in_instead || !before.jobs.iter().any(kept)).then(|| {
        format!("none of the jobs that there were ({}) is in it; if that is meant, restart sweepd", names.join(", "))
    })
}

/// What runs a job of the configuration: the same for the daemon and the command line.
///
/// # Panics
/// Never: a job of a valid configuration names one of its databases.
#[must_use]
pub fn sweeper(config: &Config, job: &Job, clock: &Clock, metrics: &Metrics) -> Sweeper {
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
        host: host::name(),
        clock: clock.clone(),
        metrics: metrics.clone(),
    }
}

/// What manages the sessions of a job's table. `by` is who makes the changes, for audit rows.
///
/// # Panics
/// Never: a job of a valid configuration names one of its databases.
#[must_use]
pub fn sessions(config: &Config, job: &Job, clock: &Clock, by: &str) -> Sessions {
    Sessions::new(sessions::Settings {
        database: settings(&config.databases[&job.database], &job.spec.limits, 1),
        spec: job.spec.clone(),
        users: config.users.clone(),
        audit: config.audit.clone(),
        max_age: config.sessions.max_age,
        update_age: config.sessions.update_age,
        clock: clock.clone(),
        host: host::name(),
        by: by.to_owned(),
    })
}

/// Each worker needs a connection, and the heartbeat one more.
fn settings(database: &config::Database, limits: &Limits, workers: u32) -> db::Settings {
    db::Settings {
        url: database.url.clone(),
        max_connections: database.max_connections.max(workers + 1),
        connect_timeout: database.connect_timeout,
        lock_timeout: limits.lock_timeout,
        statement_timeout: limits.statement_timeout,
        idle_timeout: None,
    }
}
