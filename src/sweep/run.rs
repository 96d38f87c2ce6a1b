//! One run: claim, plan, batches, end.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::log::log;
use super::plan::Plan;
use super::probe::Probes;
use super::retry::{retry, retry_plan};
use super::{Answer, Error, Phase, Progress, Request, Spec, Sweeper, batches, guard};
use crate::clock::{Clock, Stopwatch};
use crate::db::ledger_sql::Ending;
use crate::db::{Database, DbError, Trouble};
use crate::ledger::{Claim, Ledger};
use crate::report::{Outcome, Report, RunId, StoppedBy, Throttle};
use crate::telemetry::metrics::JobCounters;

/// A run in progress: what every step of it needs.
pub(super) struct Run<'a> {
    pub(super) spec: &'a Spec,
    pub(super) id: RunId,
    pub(super) request: Request,
    pub(super) ledger: Ledger,
    pub(super) database: Database,
    pub(super) probes: Probes,
    pub(super) stop: &'a CancellationToken,
    pub(super) progress: &'a watch::Sender<Progress>,
    pub(super) clock: &'a Clock,
    pub(super) watch: Stopwatch,
    /// Time paused, by reason.
    pub(super) throttled: Mutex<BTreeMap<Throttle, Duration>>,
    /// Whether the job was paused meanwhile.
    pub(super) paused: AtomicBool,
    pub(super) metrics: Arc<JobCounters>,
}

/// How a run ended.
struct Ended {
    outcome: Outcome,
    stopped_by: Option<StoppedBy>,
    error: Option<String>,
}

impl From<Result<Option<StoppedBy>, Error>> for Ended {
    fn from(result: Result<Option<StoppedBy>, Error>) -> Self {
        let (outcome, stopped_by, error) = match result {
            Ok(None) => (Outcome::Completed, None, None),
            Ok(stopped_by) => (Outcome::Partial, stopped_by, None),
            Err(Error::Stopped) => (Outcome::Partial, Some(StoppedBy::Shutdown), None),
            Err(error) => (Outcome::Failed, None, Some(error.to_string())),
        };
        Self { outcome, stopped_by, error }
    }
}

impl Sweeper {
    /// Runs a job once: claims, guards, plans, deletes in batches, and reports. All triggers take this path. The
    /// connections are closed afterwards.
    pub async fn run(
        &self,
        spec: &Spec,
        request: Request,
        stop: &CancellationToken,
        progress: &watch::Sender<Progress>,
    ) -> Answer {
        let id = request.id;
        let begun = Report {
            scheduled_for: request.scheduled_for,
            ..Report::begun(&spec.job, id, request.trigger, self.clock.now(), &self.host)
        };
        let watch = Stopwatch::start();
        // A job that is removed meanwhile keeps them to itself.
        let metrics = self.metrics.job(&spec.job);
        match self.claim_patiently(spec, request, stop).await {
            Ok((database, ledger, claim)) => {
                let probes = Probes::new(&spec.limits, self.replica.clone());
                // The wait for the database is no part of the run.
                let (clock, throttled, watch) = (&self.clock, Mutex::default(), Stopwatch::start());
                let run = Run {
                    spec,
                    id,
                    request,
                    ledger,
                    database,
                    probes,
                    stop,
                    progress,
                    clock,
                    watch,
                    throttled,
                    paused: AtomicBool::new(false),
                    metrics,
                };
                let answer = self.sweep_claimed(&run, claim, &begun).await;
                run.probes.close().await;
                run.database.close().await;
                answer
            }
            Err(error) => {
                let answer = if error.is_transient() { Answer::Unclaimed } else { Answer::Ran };
                answer(self.unrecorded(begun, watch, Ended::from(Err(error)), &metrics))
            }
        }
    }

    async fn sweep_claimed(&self, run: &Run<'_>, claim: Claim, begun: &Report) -> Answer {
        match claim {
            Claim::Won => {}
            Claim::Active(other) => return Answer::Active(other),
            Claim::Answered(other) => return Answer::Answered(other),
            Claim::Paused(pause) => return Answer::Paused(pause),
        }
        run.progress.send_modify(|progress| progress.phase = Phase::Running);
        info!(job = %run.spec.job, runId = %run.id, trigger = %begun.trigger, "run started");
        let ended = Ended::from(tokio::select! {
            ended = self.sweep(run) => ended,
            lost = run.stay_alive(self.heartbeat) => Err(lost),
            () = run.out_of_grace(self.grace) => Ok(Some(StoppedBy::Shutdown)),
        });
        match run.finish(&ended).await {
            Ok(report) => {
                log(&report);
                run.metrics.ended(&report);
                run.forget(self.history).await;
                Answer::Ran(report)
            }
            Err(error) => {
                let progress = *run.progress.borrow();
                let begun = Report {
                    deleted_count: progress.deleted,
                    batches: progress.batches,
                    throttled_ms: run.throttled_ms(),
                    ..begun.clone()
                };
                let ended = Ended {
                    outcome: Outcome::Failed,
                    stopped_by: None,
                    error: Some(format!("the end of the run could not be recorded: {error}")),
                };
                Answer::Unfinished(self.unrecorded(begun, run.watch, ended, &run.metrics))
            }
        }
    }

    async fn sweep(&self, run: &Run<'_>) -> Result<Option<StoppedBy>, Error> {
        let plan = retry_plan(run.stop, || self.plan(&run.database, run.spec)).await?;
        let shown = serde_json::to_string(&plan.shown().shortened()).unwrap_or_default();
        retry(run.stop, || run.ledger.plan(run.id, plan.cutoff, plan.order(), &shown)).await?;
        run.progress.send_modify(|progress| progress.expected = plan.estimated());
        let stopped_by = batches::sweep(run, &plan).await?;
        let held_back = guard::was_set_forward(run.spec, run.clock).then_some(StoppedBy::ClockSet);
        Ok(stopped_by.or(held_back))
    }

    /// Guards and plans a run, and changes nothing: also what a dry run and a check do.
    ///
    /// # Errors
    /// The refusal, or what the database says.
    pub async fn plan(&self, database: &Database, spec: &Spec) -> Result<Plan, Error> {
        let target = guard::target(database, spec).await?;
        let cutoff = guard::cutoff(database, spec, &self.clock).await?;
        let probes = Probes::new(&spec.limits, self.replica.clone());
        let looked = probes.look(database).await;
        probes.close().await;
        looked?;
        let plan = Plan::choose(database, spec, target, cutoff).await?;
        guard::ahead(database, spec, plan.parts.iter().map(|part| &part.target), self.clock.now()).await?;
        Ok(plan)
    }

    /// The report of a run that could not be written to the ledger.
    fn unrecorded(&self, begun: Report, watch: Stopwatch, ended: Ended, metrics: &JobCounters) -> Report {
        let report = Report {
            finished_at: Some(self.clock.now()),
            duration_ms: u64::try_from(watch.elapsed().as_millis()).unwrap_or_default(),
            outcome: Some(ended.outcome),
            stopped_by: ended.stopped_by,
            error: ended.error,
            ..begun
        };
        log(&report);
        metrics.unfinished(&report);
        report
    }

    /// What there is to say of a run that was found dead and closed.
    pub(super) fn found_dead(&self, report: &Report) {
        log(report);
        self.metrics.job(&report.job).found_dead(report);
    }
}

impl Run<'_> {
    /// Says in the ledger that the run is alive, also while a batch waits; returns when it was declared dead.
    async fn stay_alive(&self, every: Duration) -> Error {
        loop {
            tokio::time::sleep(every).await;
            if matches!(self.ledger.heartbeat(self.id).await, Ok(false)) {
                return Error::ClaimLost;
            }
        }
    }

    /// Returns when a stop was asked for and the batch that was under way has had its time. Dropping it is safe: either
    /// its transaction rolls back, or its COMMIT is under way and carries its count.
    async fn out_of_grace(&self, grace: Duration) {
        self.stop.cancelled().await;
        tokio::time::sleep(grace).await;
    }

    /// Deletes old runs from the ledger. That they stay is no fault of this run.
    async fn forget(&self, history: Duration) {
        let forget = self.ledger.forget(history);
        match self.stop.run_until_cancelled(forget).await {
            Some(Ok(rows)) if rows > 0 => debug!(job = %self.spec.job, rows, "old runs were deleted from the ledger"),
            Some(Err(error)) => warn!(job = %self.spec.job, "old runs stay in the ledger: {error}"),
            Some(Ok(_)) | None => {}
        }
    }

    /// Ends the run in the ledger, with its audit row; where that one cannot be written, without it.
    async fn finish(&self, ended: &Ended) -> Result<Report, DbError> {
        let ending = Ending {
            outcome: ended.outcome,
            stopped_by: ended.stopped_by,
            throttled: serde_json::to_string(&self.throttled_ms()).unwrap_or_default(),
            error: ended.error.clone(),
        };
        // A stop must not keep the end of a run from being written.
        let never = CancellationToken::new();
        match retry(&never, || self.ledger.finish(self.id, &ending, true)).await {
            Err(error) if !matches!(error.trouble, Trouble::Connection | Trouble::ReadOnly) => {
                warn!(job = %self.spec.job, runId = %self.id, "no audit row was written: {error}");
                retry(&never, || self.ledger.finish(self.id, &ending, false)).await
            }
            done => done,
        }
    }
}
