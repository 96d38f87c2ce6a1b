//! Batches, one after the other, until nothing is left or something stops them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{debug, warn};

use super::Error;
use super::pace::{Pace, Pause};
use super::plan::{Part, Plan};
use super::retry::{self, Trying};
use super::run::Run;
use super::walk::{self, Regions, Step, Walk};
use crate::archive::{self, Archive, ArchiveError};
use crate::clock::Stopwatch;
use crate::db::batch_sql::Batch;
use crate::db::children;
use crate::db::sweep_sql::{Path, Position};
use crate::db::write_ahead_log::LogKeeper;
use crate::db::{DbError, Engine, Purpose, Row, Transaction, Trouble};
use crate::report::{StoppedBy, Throttle};

/// How often a batch of the smallest size may meet a locked row before it is left.
const LOCKED_TRIES: u32 = 3;
/// No statement takes more placeholders than this.
const MOST_PLACEHOLDERS: u64 = 50_000;
/// Rows that go into the archive are held in memory until they are written: at most so many blocks or rows at a time.
const MOST_ARCHIVED: (u64, u64) = (64, 4000);

/// Sweeps all parts of a plan, each by as many workers as there shall be. Returns what stopped it, if anything did.
pub async fn sweep(run: &Run<'_>, plan: &Plan) -> Result<Option<StoppedBy>, Error> {
    let archive = open_archive(run, plan).await?;
    let mut stopped_by = None;
    for part in &plan.parts {
        let count = run.workers(part);
        let regions = retry::retry(run.stop, || Regions::of(&run.database, part, count)).await?;
        run.progress.send_modify(|progress| progress.of = regions.length(part).map(|length| progress.walked + length));
        let workers = (0..count).map(|_| Worker::new(run, plan, part, archive.as_ref(), count).work(&regions));
        let ends = futures_util::future::try_join_all(workers).await?;
        let end = ends.into_iter().flatten().max();
        if end.is_some_and(|end| end != StoppedBy::LockedRows) {
            return Ok(end);
        }
        stopped_by = stopped_by.max(end);
    }
    Ok(stopped_by)
}

async fn open_archive(run: &Run<'_>, plan: &Plan) -> Result<Option<Arc<Mutex<Archive>>>, Error> {
    let Some(settings) = &run.spec.archive else { return Ok(None) };
    let children = retry::retry(run.stop, || children::of(&run.database, &plan.target.table.name)).await?;
    for child in children.iter().filter(|child| child.cascades) {
        let (job, table) = (&run.spec.job, &child.table);
        warn!(%job, runId = %run.id, "rows of {table} go with those that they refer to, and are not archived");
    }
    let columns: Vec<_> = plan.target.table.columns.iter().map(|column| column.name.clone()).collect();
    let secrets = archive::secret_columns(&columns, run.spec.layout.token.as_deref());
    let today = run.clock.now().date_naive();
    let (settings, job, id) = (settings.clone(), run.spec.job.clone(), run.id);
    let archive = off_thread(move || Archive::open(settings, &job, id, secrets, today)).await?;
    Ok(Some(Arc::new(Mutex::new(archive))))
}

/// The disk may take its time: heartbeats and signals must not wait for it.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Error::refused(error.to_string())),
        Err(error) => Err(Error::refused(format!("the archive could not be written: {error}"))),
    }
}

/// Takes one region of a table after the other.
struct Worker<'a> {
    run: &'a Run<'a>,
    plan: &'a Plan,
    part: &'a Part,
    archive: Option<&'a Arc<Mutex<Archive>>>,
    /// There is one worker on SQLite.
    log: Option<LogKeeper>,
    pace: Pace,
    /// The pause that is due before the next batch: there is none after the last.
    due: Pause,
    trying: Trying,
    /// Whether rows that others have locked are left at once, from here on to the end of the stretch.
    skip_locked: bool,
    /// Whether this user may do so.
    may_skip: bool,
    left_locked: bool,
}

impl<'a> Worker<'a> {
    fn new(
        run: &'a Run<'a>,
        plan: &'a Plan,
        part: &'a Part,
        archive: Option<&'a Arc<Mutex<Archive>>>,
        workers: u64,
    ) -> Self {
        let (first, largest) = walk::sizes(&part.path, run.spec.limits.batch_target);
        let largest = match (archive, &part.path) {
            (None, _) => largest,
            (Some(_), Path::Blocks) => MOST_ARCHIVED.0,
            (Some(_), Path::Key(_) | Path::Expiry) => MOST_ARCHIVED.1,
        };
        let pace = Pace::new(&run.spec.limits, workers, first, largest);
        let pace = if run.database.engine() == Engine::Sqlite { pace.taking_turns() } else { pace };
        // On SQLite a lock is never on a row; on MySQL it takes a key to name the others.
        let may_skip = match run.database.engine() {
            Engine::Postgres => true,
            Engine::MySql => !part.target.table.key.is_empty(),
            Engine::Sqlite => false,
        };
        let (trying, due) = (Trying::default(), Pause::default());
        Self {
            run,
            plan,
            part,
            archive,
            log: LogKeeper::of(&run.database),
            pace,
            due,
            trying,
            skip_locked: false,
            may_skip,
            left_locked: false,
        }
    }

    async fn work(mut self, regions: &Regions) -> Result<Option<StoppedBy>, Error> {
        let stopped_by = self.walk_through(regions).await;
        if let Some(log) = self.log.take() {
            self.log_kept(log.end().await);
        }
        stopped_by
    }

    async fn walk_through(&mut self, regions: &Regions) -> Result<Option<StoppedBy>, Error> {
        while let Some(region) = regions.take() {
            let walk = Walk::through(&self.run.database, self.plan, self.part, region);
            if let Some(reason) = self.walk(walk).await? {
                return Ok(Some(reason));
            }
        }
        Ok(self.left_locked.then_some(StoppedBy::LockedRows))
    }

    async fn walk(&mut self, mut walk: Walk<'_>) -> Result<Option<StoppedBy>, Error> {
        while !walk.has_ended() {
            let due = std::mem::take(&mut self.due);
            wait(&mut self.log, self.run.pause(due)).await;
            if let Some(reason) = self.run.stopped() {
                return Ok(Some(reason));
            }
            if let Err(error) = wait(&mut self.log, self.run.wait_for_probes()).await {
                self.try_again(error).await?;
                continue;
            }
            if let Some(reason) = self.run.stopped() {
                return Ok(Some(reason));
            }
            let watch = Stopwatch::start();
            let step = match walk.next(self.size()).await {
                Ok(step) => step,
                Err(error) => {
                    self.try_again(error.into()).await?;
                    continue;
                }
            };
            match self.batch(&step).await {
                Ok((deleted, took)) => {
                    self.left_locked |= self.skip_locked && self.has_left(&step).await?;
                    self.done(&step, deleted, took, watch.elapsed());
                    if let Some(log) = &mut self.log {
                        let kept = log.after_batch().await;
                        self.log_kept(kept);
                    }
                    walk.advance(step, deleted);
                    // The last batch may have left rows of its stretch.
                    if self.run.rows_left() == Some(0) {
                        return Ok(Some(StoppedBy::MaxRows));
                    }
                }
                Err(error) if self.leaves(&error) => {
                    warn!(job = %self.run.spec.job, runId = %self.run.id, "some rows are locked by the application and are left for the next run");
                    self.left_locked = true;
                    self.trying = Trying::default();
                    walk.advance(step, 0);
                }
                Err(error) => self.after(error).await?,
            }
        }
        Ok(None)
    }

    /// Whether the write-ahead log is copied back is only a matter of speed: what is really wrong stops the next batch too.
    fn log_kept(&self, kept: Result<(), DbError>) {
        if let Err(error) = kept {
            debug!(job = %self.run.spec.job, runId = %self.run.id, "the write-ahead log was not copied back: {error}");
        }
    }

    /// How many blocks or rows the next batch covers.
    fn size(&self) -> u64 {
        let keys = u64::try_from(self.part.target.table.key.len().max(1)).unwrap_or(1);
        if self.skip_locked || self.archive.is_some() {
            self.pace.size().min(MOST_PLACEHOLDERS / keys)
        } else {
            self.pace.size()
        }
    }

    /// One transaction: the DELETE, and its count in the ledger. Nothing is committed before the count is seen to
    /// stand: a run that was declared dead rolls back.
    async fn batch(&mut self, step: &Step) -> Result<(u64, Duration), Error> {
        let batch = Batch {
            path: &self.part.path,
            stretch: step.stretch.clone(),
            cutoff: self.plan.cutoff,
            most: [step.most, self.run.rows_left()].into_iter().flatten().min(),
            skip_locked: self.skip_locked,
            wanted: self.archive.is_some(),
        };
        let watch = Stopwatch::start();
        let mut transaction = wait(&mut self.log, self.run.database.begin(Purpose::Batch)).await?;
        let deleted = self.delete(&mut transaction, &batch).await?;
        if deleted > 0 && !self.run.ledger.count(&mut transaction, self.run.id, deleted).await? {
            transaction.rollback().await?;
            return Err(Error::ClaimLost);
        }
        transaction.commit().await?;
        Ok((deleted, watch.elapsed()))
    }

    async fn delete(&self, transaction: &mut Transaction, batch: &Batch<'_>) -> Result<u64, Error> {
        let target = &self.part.target;
        if batch.in_two_steps(self.run.database.engine()) {
            return self.delete_in_two_steps(transaction, batch).await;
        }
        if self.archive.is_none() {
            return Ok(transaction.execute(target.delete(batch)).await?);
        }
        let rows = transaction.fetch(target.delete(batch)).await?;
        self.write_archive(&rows, 0).await?;
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    async fn delete_in_two_steps(&self, transaction: &mut Transaction, batch: &Batch<'_>) -> Result<u64, Error> {
        let target = &self.part.target;
        let rows = transaction.fetch(target.select_rows(batch)).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let width = target.table.key.len();
        let key = |row: &Row| (0..width).map(|index| row.param(index)).collect::<Result<Position, _>>();
        let keys = self.run.database.decode(|| rows.iter().map(key).collect::<Result<Vec<_>, _>>())?;
        self.write_archive(&rows, width).await?;
        Ok(transaction.execute(target.delete_rows(&keys, batch.cutoff)).await?)
    }

    /// Writes the rows of the batch, each of which is JSON in column `index`, to the archive and syncs it.
    async fn write_archive(&self, rows: &[Row], index: usize) -> Result<(), Error> {
        let Some(archive) = self.archive else { return Ok(()) };
        if rows.is_empty() {
            return Ok(());
        }
        let texts =
            self.run.database.decode(|| rows.iter().map(|row| row.text(index)).collect::<Result<Vec<_>, _>>())?;
        let parse = |text: Option<String>| serde_json::from_str(&text.unwrap_or_default());
        let rows = texts.into_iter().map(parse).collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|error| Error::refused(format!("a row could not be read for the archive: {error}")))?;
        let batch = self.run.progress.borrow().batches + 1;
        let table = self.part.target.table.name.to_string();
        let archive = Arc::clone(archive);
        let write = move || archive.lock().unwrap_or_else(PoisonError::into_inner).write(batch, &table, rows);
        off_thread(write).await
    }

    /// Whether expired rows are left in a stretch whose locked rows were skipped.
    async fn has_left(&self, step: &Step) -> Result<bool, Error> {
        let statement = self.part.target.any(&self.part.path, &step.stretch, self.plan.cutoff);
        let rows = retry::retry(self.run.stop, || self.run.database.read(statement.clone())).await?;
        Ok(!rows.is_empty())
    }

    fn done(&mut self, step: &Step, deleted: u64, took: Duration, work: Duration) {
        let size = self.pace.size();
        self.skip_locked = false;
        self.trying = Trying::default();
        self.run.progress.send_modify(|progress| {
            progress.deleted += deleted;
            progress.batches += u64::from(deleted > 0);
            progress.walked += step.units;
        });
        if deleted > 0 {
            let progress = *self.run.progress.borrow();
            self.run.metrics.batch(progress.deleted, progress.batches, took);
        }
        let took_ms = took.as_secs_f64() * 1000.0;
        debug!(job = %self.run.spec.job, runId = %self.run.id, deleted, tookMs = took_ms, size, "batch");
        self.due = self.pace.after(step.units, took, work, deleted);
    }

    /// What is tried after a batch that failed.
    async fn after(&mut self, error: Error) -> Result<(), Error> {
        let Error::Database(DbError { trouble, .. }) = &error else { return Err(error) };
        match trouble {
            Trouble::Busy if self.may_skip && !self.skip_locked => {
                self.skip_locked = true;
                self.pace.shrink();
                debug!(job = %self.run.spec.job, runId = %self.run.id, "{error}; going on without the locked rows");
                Ok(())
            }
            // To skip locked rows, PostgreSQL wants the privilege to update the table.
            Trouble::Privilege if self.skip_locked => {
                (self.may_skip, self.skip_locked) = (false, false);
                Ok(())
            }
            _ => {
                self.try_again(error).await?;
                self.run.recount().await
            }
        }
    }

    async fn try_again(&mut self, error: Error) -> Result<(), Error> {
        let pause = self.trying.next(error, self.run)?;
        self.pace.shrink();
        wait(&mut self.log, self.run.pause(Pause { time: pause, reason: Throttle::Retry })).await;
        Ok(())
    }

    /// A row lock that does not go away must not keep the rest of the table from being swept.
    fn leaves(&self, error: &Error) -> bool {
        let locked = matches!(error, Error::Database(error) if error.trouble == Trouble::Busy);
        let by_row = self.run.database.engine() != Engine::Sqlite;
        let tried = self.skip_locked || !self.may_skip;
        locked && by_row && tried && self.pace.is_smallest() && self.trying.count >= LOCKED_TRIES
    }
}

/// Waits, and does not keep the application from copying its write-ahead log back meanwhile.
async fn wait<T>(log: &mut Option<LogKeeper>, work: impl Future<Output = T>) -> T {
    match log {
        Some(log) => log.wait_for(work).await,
        None => work.await,
    }
}
