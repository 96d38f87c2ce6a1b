//! One run: claim, plan, batches, end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::batches::{self, Batches, Ended};
use super::plan::Plan;
use super::{Answer, Error, Progress, Request, Spec, Sweeper, guard, log};
use crate::clock::Stopwatch;
use crate::db::ledger_sql::Ending;
use crate::db::{Database, DbError, Trouble};
use crate::ledger::{Claim, Ledger};
use crate::report::{Report, RunId, StoppedBy};

/// A run in progress: what every step of it needs.
pub(super) struct Run<'a> {
    pub(super) spec: &'a Spec,
    pub(super) id: RunId,
    pub(super) ledger: Ledger,
    pub(super) database: Database,
    pub(super) stop: &'a CancellationToken,
    pub(super) progress: &'a watch::Sender<Progress>,
    pub(super) watch: Stopwatch,
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
        let id = RunId::new(self.clock.now());
        let started_at = self.clock.now();
        let watch = Stopwatch::start();
        let prepared = self.prepare_patiently(spec, request.trigger, stop).await;
        let answer = match prepared {
            Ok((database, ledger)) => {
                let run = Run { spec, id, ledger, database, stop, progress, watch };
                let answer = self.claim_and_sweep(&run, request, started_at).await;
                run.database.close().await;
                answer
            }
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| {
            let report = Report {
                scheduled_for: request.scheduled_for,
                ..Report::begun(&spec.job, id, request.trigger, started_at, &self.host)
            };
            Answer::Ran(self.unrecorded(report, watch, Ended::from(Err(error))))
        })
    }

    async fn claim_and_sweep(
        &self,
        run: &Run<'_>,
        request: Request,
        started_at: DateTime<Utc>,
    ) -> Result<Answer, Error> {
        let new = self.new_run(&run.database, run.spec, request, run.id);
        let claim = batches::retry(run.stop, || run.ledger.claim(&new)).await?;
        let interrupted = match claim {
            Claim::Won { interrupted } => interrupted,
            Claim::Active(other) => return Ok(Answer::Active(other)),
            Claim::Answered(other) => return Ok(Answer::Answered(other)),
        };
        for report in &interrupted {
            log(report);
        }
        info!(job = %run.spec.job, runId = %run.id, trigger = %request.trigger, "run started");
        let ended = tokio::select! {
            ended = self.sweep(run) => ended,
            lost = run.stay_alive(self.heartbeat) => Ended::from(Err(lost)),
            () = run.out_of_grace(self.grace) => Ended::from(Ok(Some(StoppedBy::Shutdown))),
        };
        match run.finish(&ended).await {
            Ok(report) => {
                log(&report);
                Ok(Answer::Ran(report))
            }
            Err(error) => {
                let progress = *run.progress.borrow();
                let report = Report {
                    scheduled_for: request.scheduled_for,
                    deleted_count: progress.deleted,
                    batches: progress.batches,
                    throttled_ms: ended.throttled_ms,
                    ..Report::begun(&run.spec.job, run.id, request.trigger, started_at, &self.host)
                };
                let reason = format!("the end of the run could not be recorded: {error}");
                Ok(Answer::Unfinished(self.unrecorded(report, run.watch, Ended::from(Err(Error::Refused(reason))))))
            }
        }
    }

    async fn sweep(&self, run: &Run<'_>) -> Ended {
        let plan = match self.plan(&run.database, run.spec).await {
            Ok(plan) => plan,
            Err(error) => return Ended::from(Err(error)),
        };
        let order = Some(plan.order());
        if let Err(error) = batches::retry(run.stop, || run.ledger.plan(run.id, plan.cutoff, order)).await {
            return Ended::from(Err(error.into()));
        }
        Batches::new(run, &plan).run().await
    }

    /// Guards and plans a run, and changes nothing: also what a dry run and a check do.
    ///
    /// # Errors
    /// The refusal, or what the database says.
    pub async fn plan(&self, database: &Database, spec: &Spec) -> Result<Plan, Error> {
        let target = guard::target(database, spec).await?;
        let cutoff = guard::cutoff(database, spec, &self.clock).await?;
        Plan::choose(database, target, cutoff).await
    }

    /// The report of a run that could not be written to the ledger.
    fn unrecorded(&self, begun: Report, watch: Stopwatch, ended: Ended) -> Report {
        let report = Report {
            finished_at: Some(self.clock.now()),
            duration_ms: u64::try_from(watch.elapsed().as_millis()).unwrap_or_default(),
            outcome: Some(ended.outcome),
            stopped_by: ended.stopped_by,
            error: ended.error,
            ..begun
        };
        log(&report);
        report
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

    /// Ends the run in the ledger, with its audit row; where that one cannot be written, without it.
    async fn finish(&self, ended: &Ended) -> Result<Report, DbError> {
        let ending = Ending {
            outcome: ended.outcome,
            stopped_by: ended.stopped_by,
            throttled: serde_json::to_string(&ended.throttled_ms).unwrap_or_default(),
            error: ended.error.clone(),
        };
        // A stop must not keep the end of a run from being written.
        let never = CancellationToken::new();
        match batches::retry(&never, || self.ledger.finish(self.id, &ending, true)).await {
            Err(error) if error.trouble != Trouble::Connection => {
                warn!(job = %self.spec.job, runId = %self.id, "no audit row was written: {error}");
                batches::retry(&never, || self.ledger.finish(self.id, &ending, false)).await
            }
            done => done,
        }
    }
}
