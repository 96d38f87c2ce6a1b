//! One job: what it sweeps and when; its inbox; it never overlaps itself.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::ledger::Found;
use crate::report::{Outcome, Trigger};
use crate::schedule::Schedule;
use crate::sweep::{Answer, Progress, Request, Spec, Sweeper};

/// A named clean-up of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// What to sweep, and how fast; its name is there.
    pub spec: Spec,
    /// The name of the database that it sweeps; `default` is the one of `[database]`.
    pub database: String,
    /// The name of the database that is asked how far it is behind, a replica of the other.
    pub replica: Option<String>,
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
        let mut next = Next::WatchOver;
        loop {
            let arrived = match next {
                Next::WatchOver => self.watch_over().await,
                Next::Wait => None,
            };
            let request = match arrived {
                Some(request) => Some(request),
                None => self.request().await,
            };
            let Some(request) = request else { return };
            next = self.answer(request).await;
        }
    }

    /// The next request; none when the process stops.
    async fn request(&mut self) -> Option<Request> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            request = self.requests.recv() => request,
        }
    }

    /// While another process runs this job: looks whether it is alive, and asks to take over when it is dead. At start
    /// it may be this job's own run before a crash. A request ends it, and is returned: its claim looks too.
    async fn watch_over(&mut self) -> Option<Request> {
        let mut pause = Duration::from_secs(1);
        loop {
            let found = tokio::select! {
                () = self.stop.cancelled() => return None,
                found = self.sweeper.recover(&self.spec) => found,
            };
            match found {
                Ok(Found::Nobody) => return None,
                Ok(Found::Alive) => pause = self.sweeper.stale_after,
                Ok(Found::Dead(report)) => {
                    crate::sweep::log(&report);
                    return Some(Request { trigger: Trigger::Takeover, scheduled_for: None });
                }
                Err(error) if error.is_transient() => {
                    warn!(job = %self.spec.job, "{error}; looking again in {} s", pause.as_secs());
                }
                Err(error) => {
                    error!(job = %self.spec.job, "{error}");
                    return None;
                }
            }
            tokio::select! {
                request = self.request() => return request,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(30)),
            }
        }
    }

    /// Runs, and meanwhile records the instants that come as skipped.
    async fn answer(&mut self, request: Request) -> Next {
        let run = run(&self.spec, &self.sweeper, &self.turn, request, &self.stop);
        tokio::pin!(run);
        let answer = loop {
            tokio::select! {
                answer = &mut run => break answer,
                Some(other) = self.requests.recv() => {
                    self.tasks.spawn(self.skip(other));
                }
            }
        };
        match answer {
            Some(Answer::Active(run)) => {
                info!(job = %self.spec.job, runId = %run, "another process is running this job");
                self.skip(request).await;
                Next::WatchOver
            }
            Some(Answer::Answered(run)) => {
                info!(job = %self.spec.job, runId = %run, "another process answered this instant");
                Next::WatchOver
            }
            Some(Answer::Unfinished(_)) => Next::WatchOver,
            // It was declared dead, and who goes on in its place may die as well.
            Some(Answer::Ran(report)) if report.outcome == Some(Outcome::Interrupted) => Next::WatchOver,
            Some(Answer::Ran(_)) | None => Next::Wait,
        }
    }
}

impl Worker {
    /// Records a skipped instant, unless the process stops.
    fn skip(&self, request: Request) -> impl Future<Output = ()> + Send + 'static {
        let (spec, sweeper, stop) = (Arc::clone(&self.spec), self.sweeper.clone(), self.stop.clone());
        async move { stop.run_until_cancelled(skip(&spec, &sweeper, request)).await.unwrap_or_default() }
    }
}

/// What a worker does after an answer.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Waits for the next request.
    Wait,
    /// Watches over the run of another process.
    WatchOver,
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

async fn skip(spec: &Spec, sweeper: &Sweeper, request: Request) {
    let Some(at) = request.scheduled_for else { return };
    match sweeper.skip(spec, at).await {
        Ok(true) => log_skip(spec, at),
        Ok(false) => {}
        Err(error) => warn!(job = %spec.job, "the skipped instant {at} could not be recorded: {error}"),
    }
}

fn log_skip(spec: &Spec, at: DateTime<Utc>) {
    warn!(job = %spec.job, scheduledFor = %crate::report::rfc3339(at), outcome = "skipped", "a run of the job is still active, so this instant is skipped");
}
