//! One job: what it sweeps and when; its inbox; it never overlaps itself.

use chrono::{DateTime, Utc};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::report::{Report, Trigger};
use crate::schedule::Schedule;
use crate::sweep::{Answer, Progress, Request, Spec, Sweeper};

/// A named clean-up of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// What to sweep, and how fast; its name is there.
    pub spec: Spec,
    /// The name of the database that it sweeps; `default` is the one of `[database]`.
    pub database: String,
    /// When it runs.
    pub schedule: Schedule,
    /// Whether it runs at all.
    pub enabled: bool,
}

/// How many requests may wait. A job that is busy for longer than this many of its instants skips the rest unrecorded.
const INBOX: usize = 64;

/// Sends requests to a job.
#[derive(Debug, Clone)]
pub struct Inbox(mpsc::Sender<Request>);

impl Inbox {
    /// Asks for a run. Returns at once.
    pub fn request(&self, request: Request) {
        if self.0.try_send(request).is_err() {
            warn!("a job that is stopping or overwhelmed took no request for {:?}", request.scheduled_for);
        }
    }
}

/// A job at work.
pub struct Worker {
    spec: Arc<Spec>,
    sweeper: Sweeper,
    requests: mpsc::Receiver<Request>,
    /// One job at a time sweeps a database.
    turn: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Worker {
    /// A worker and the way to reach it.
    #[must_use]
    pub fn new(
        spec: Spec,
        sweeper: Sweeper,
        turn: Arc<Semaphore>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> (Self, Inbox) {
        let (sender, requests) = mpsc::channel(INBOX);
        (Self { spec: Arc::new(spec), sweeper, requests, turn, stop, tasks }, Inbox(sender))
    }

    /// Serves requests until the process stops.
    pub async fn serve(mut self) {
        self.recover().await;
        loop {
            let request = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                request = self.requests.recv() => request,
            };
            let Some(request) = request else { return };
            self.answer(request).await;
        }
    }

    /// Closes what was found dead at start, and goes on with its sweep.
    async fn recover(&mut self) {
        let mut pause = std::time::Duration::from_secs(1);
        loop {
            let recovered = tokio::select! {
                () = self.stop.cancelled() => return,
                recovered = self.sweeper.recover(&self.spec) => recovered,
            };
            match recovered {
                Ok(dead) => return self.take_over(&dead).await,
                Err(error) if error.is_transient() => {
                    warn!(job = %self.spec.job, "{error}; trying again in {} s", pause.as_secs());
                }
                Err(error) => return warn!(job = %self.spec.job, "{error}"),
            }
            // A run that is due is more patient than this look, and closes the dead one too.
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            if !self.requests.is_empty() {
                return;
            }
            pause = (pause * 2).min(std::time::Duration::from_secs(30));
        }
    }

    async fn take_over(&mut self, dead: &[Report]) {
        dead.iter().for_each(crate::sweep::log);
        if !dead.is_empty() {
            self.answer(Request { trigger: Trigger::Takeover, scheduled_for: None }).await;
        }
    }

    /// Runs, and meanwhile records the instants that come as skipped.
    async fn answer(&mut self, request: Request) {
        let run = run(&self.spec, &self.sweeper, &self.turn, request, &self.stop);
        tokio::pin!(run);
        let answer = loop {
            tokio::select! {
                answer = &mut run => break answer,
                Some(other) = self.requests.recv() => {
                    let skip = skip(Arc::clone(&self.spec), self.sweeper.clone(), other);
                    self.tasks.spawn(skip);
                }
            }
        };
        match answer {
            Some(Answer::Active(run)) => {
                info!(job = %self.spec.job, %run, "another process is running this job");
                skip(Arc::clone(&self.spec), self.sweeper.clone(), request).await;
            }
            Some(Answer::Answered(run)) => {
                info!(job = %self.spec.job, %run, "another process answered this instant");
            }
            Some(Answer::Ran(_)) | None => {}
        }
    }
}

/// One run, when it is the job's turn; none when the process stopped before.
async fn run(
    spec: &Spec,
    sweeper: &Sweeper,
    turn: &Semaphore,
    request: Request,
    stop: &CancellationToken,
) -> Option<Answer> {
    let _turn = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        turn = turn.acquire() => turn.ok()?,
    };
    let progress = watch::Sender::new(Progress::default());
    Some(sweeper.run(spec, request, stop, &progress).await)
}

async fn skip(spec: Arc<Spec>, sweeper: Sweeper, request: Request) {
    let Some(at) = request.scheduled_for else { return };
    match sweeper.skip(&spec, at).await {
        Ok(true) => log_skip(&spec, at),
        Ok(false) => {}
        Err(error) => warn!(job = %spec.job, "the skipped instant {at} could not be recorded: {error}"),
    }
}

fn log_skip(spec: &Spec, at: DateTime<Utc>) {
    warn!(job = %spec.job, scheduled_for = %crate::report::rfc3339(at), outcome = "skipped", "a run of the job is still active, so this instant is skipped");
}
