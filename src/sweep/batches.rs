//! Batches, one after the other, until nothing is left or something stops them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::pace::Pace;
use super::plan::Plan;
use super::run::Run;
use super::walk::{Step, Walk};
use super::{Error, Progress, RETRY_FOR};
use crate::clock::Stopwatch;
use crate::db::{DbError, Engine, Purpose, Statement, Trouble};
use crate::report::{Outcome, StoppedBy, Throttle};

/// How often a batch of the smallest size may meet a locked row before it is left.
const LOCKED_TRIES: u32 = 3;

/// How a sweep ended.
#[derive(Debug)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// What stopped it.
    pub stopped_by: Option<StoppedBy>,
    /// Milliseconds paused, by reason.
    pub throttled_ms: BTreeMap<String, u64>,
    /// Why it failed.
    pub error: Option<String>,
}

impl From<Result<Option<StoppedBy>, Error>> for Ended {
    fn from(result: Result<Option<StoppedBy>, Error>) -> Self {
        let (outcome, stopped_by, error) = match result {
            Ok(None) => (Outcome::Completed, None, None),
            Ok(stopped_by) => (Outcome::Partial, stopped_by, None),
            Err(Error::Stopped) => (Outcome::Partial, Some(StoppedBy::Shutdown), None),
            Err(error) => (Outcome::Failed, None, Some(error.to_string())),
        };
        Self { outcome, stopped_by, throttled_ms: BTreeMap::new(), error }
    }
}

/// The batches of a run.
pub struct Batches<'a> {
    run: &'a Run<'a>,
    plan: &'a Plan,
    pace: Pace,
    progress: Progress,
    /// The pause that is due before the next batch: there is none after the last.
    due: (Duration, Throttle),
    left_locked: bool,
}

/// What came of trying a batch.
enum Tried {
    Done { deleted: u64, took: Duration },
    Failed(Error),
}

impl<'a> Batches<'a> {
    /// Nothing deleted yet.
    pub fn new(run: &'a Run<'a>, plan: &'a Plan) -> Self {
        let pace = Pace::new(&run.spec.limits, 1, 1);
        let due = (Duration::ZERO, Throttle::Nice);
        Self { run, plan, pace, progress: Progress::default(), due, left_locked: false }
    }

    /// Runs them.
    pub async fn run(mut self) -> Ended {
        let result = self.walk().await;
        Ended { throttled_ms: self.pace.throttled_ms(), ..Ended::from(result) }
    }

    async fn walk(&mut self) -> Result<Option<StoppedBy>, Error> {
        let mut walk = retry(self.run.stop, || Walk::begin(&self.run.database, self.plan)).await?;
        let (first, largest) = walk.sizes();
        self.pace = Pace::new(&self.run.spec.limits, first, largest);
        let mut trouble = Trying::default();
        while !walk.has_ended() {
            let (pause, reason) = std::mem::replace(&mut self.due, (Duration::ZERO, Throttle::Nice));
            let left = self.run.spec.limits.max_duration.saturating_sub(self.run.watch.elapsed());
            self.pause(pause.min(left), reason).await;
            if let Some(reason) = self.stopped() {
                return Ok(Some(reason));
            }
            let step = match walk.next(self.pace.size()).await {
                Ok(step) => step,
                Err(error) => {
                    trouble.wait(self, error.into()).await?;
                    continue;
                }
            };
            match self.try_batch(&step).await {
                Tried::Done { deleted, took } => {
                    trouble = Trying::default();
                    walk.advance(step);
                    self.done(&walk, deleted, took);
                    // The last batch may have left rows of its stretch.
                    if self.rows_left() == Some(0) {
                        return Ok(Some(StoppedBy::MaxRows));
                    }
                }
                Tried::Failed(error) if self.may_leave(&error, trouble.count) => {
                    warn!(job = %self.run.spec.job, runId = %self.run.id, "some rows are locked by the application and are left for the next run");
                    self.left_locked = true;
                    trouble = Trying::default();
                    walk.advance(step);
                }
                Tried::Failed(error) => {
                    trouble.wait(self, error).await?;
                    self.recount().await?;
                }
            }
        }
        Ok(self.left_locked.then_some(StoppedBy::LockedRows))
    }

    /// What stops the run before the next batch.
    fn stopped(&self) -> Option<StoppedBy> {
        let limits = &self.run.spec.limits;
        if self.run.stop.is_cancelled() {
            Some(StoppedBy::Shutdown)
        } else if self.rows_left() == Some(0) {
            Some(StoppedBy::MaxRows)
        } else if self.run.watch.elapsed() >= limits.max_duration {
            Some(StoppedBy::MaxDuration)
        } else {
            None
        }
    }

    fn rows_left(&self) -> Option<u64> {
        self.run.spec.limits.max_rows.map(|most| most.saturating_sub(self.progress.deleted))
    }

    fn statement(&self, step: &Step) -> Statement {
        let Plan { target, path, cutoff, .. } = self.plan;
        match self.rows_left() {
            Some(left) => target.delete_up_to(left, path, &step.stretch, *cutoff),
            None => target.delete(path, &step.stretch, *cutoff),
        }
    }

    async fn try_batch(&self, step: &Step) -> Tried {
        let watch = Stopwatch::start();
        match self.batch(self.statement(step)).await {
            Ok(deleted) => Tried::Done { deleted, took: watch.elapsed() },
            Err(error) => Tried::Failed(error),
        }
    }

    /// One transaction: the DELETE, and its count in the ledger. Nothing is committed before the count is seen to
    /// stand: a run that was declared dead rolls back.
    async fn batch(&self, statement: Statement) -> Result<u64, Error> {
        let mut transaction = self.run.database.begin(Purpose::Batch).await?;
        let deleted = transaction.execute(statement).await?;
        if deleted > 0 && !self.run.ledger.count(&mut transaction, self.run.id, deleted).await? {
            transaction.rollback().await?;
            return Err(Error::ClaimLost);
        }
        transaction.commit().await?;
        Ok(deleted)
    }

    fn done(&mut self, walk: &Walk<'_>, deleted: u64, took: Duration) {
        let (walked, of) = walk.progress();
        self.progress.deleted += deleted;
        self.progress.batches += u64::from(deleted > 0);
        self.progress.walked = walked;
        self.progress.of = of;
        self.run.progress.send_replace(self.progress);
        debug!(job = %self.run.spec.job, runId = %self.run.id, deleted, ?took, size = self.pace.size(), "batch");
        self.due = self.pace.after(took, deleted);
    }

    /// The answer to a COMMIT may have been lost: the ledger knows whether the batch counts.
    async fn recount(&mut self) -> Result<(), DbError> {
        let run = self.run;
        (self.progress.deleted, self.progress.batches) = retry(run.stop, || run.ledger.counted(run.id)).await?;
        Ok(())
    }

    async fn pause(&mut self, time: Duration, reason: Throttle) {
        if time.is_zero() {
            return;
        }
        let watch = Stopwatch::start();
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.run.stop.cancelled() => {}
        }
        self.pace.paused(reason, watch.elapsed());
    }

    /// A row lock that does not go away must not keep the rest of the table from being swept. On `SQLite` a lock is
    /// never on a row.
    fn may_leave(&self, error: &Error, tries: u32) -> bool {
        let locked = matches!(error, Error::Database(error) if error.trouble == Trouble::Busy);
        let by_row = self.plan.target.expiry.engine != Engine::Sqlite;
        locked && by_row && self.pace.is_smallest() && tries >= LOCKED_TRIES
    }
}

/// A batch that is being tried again.
struct Trying {
    count: u32,
    since: Stopwatch,
    pause: Duration,
}

impl Default for Trying {
    fn default() -> Self {
        Self { count: 0, since: Stopwatch::start(), pause: Duration::from_millis(50) }
    }
}

impl Trying {
    /// Waits before the next try, with a smaller batch; gives the error back when it is not worth another.
    async fn wait(&mut self, batches: &mut Batches<'_>, error: Error) -> Result<(), Error> {
        if self.count == 0 {
            self.since = Stopwatch::start();
        }
        if !error.is_transient() || self.since.elapsed() > RETRY_FOR {
            return Err(error);
        }
        warn!(job = %batches.run.spec.job, runId = %batches.run.id, "{error}; trying again in {:?}", self.pause);
        self.count += 1;
        batches.pace.shrink();
        batches.pause(self.pause, Throttle::Retry).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(5));
        Ok(())
    }
}

/// Does something again while it fails with a transient error.
///
/// # Errors
/// The last error, when it is not transient, or did not go away in time, or a stop was asked for.
pub async fn retry<T, F: Future<Output = Result<T, DbError>>>(
    stop: &CancellationToken,
    mut action: impl FnMut() -> F,
) -> Result<T, DbError> {
    let watch = Stopwatch::start();
    let mut pause = Duration::from_millis(50);
    loop {
        let error = match action().await {
            Err(error) if error.trouble.is_transient() && watch.elapsed() < RETRY_FOR => error,
            done => return done,
        };
        warn!("{error}; trying again in {pause:?}");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Err(error),
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}
