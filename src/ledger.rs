//! Runs: claim, progress, finish, recover. The ledger is sweepd's own table in the job's database.
//!
//! Why its counts are exact: a batch's DELETE and the ledger's `deleted = deleted + n` commit in one transaction, and
//! the audit row is written in the one that ends the run, from the count that stands in the ledger.

mod alerts;
mod history;
mod pause;
mod row;

use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::warn;

use crate::audit::AuditLog;
use crate::db::ledger_sql::{self, Ending, NewRun};
use crate::db::{Database, DbError, DecodeError, Purpose, Transaction};
use crate::report::{Report, RunId, SweepOrder};
use row::{armed, id, report};

pub use alerts::{LONGEST_PAUSE, Queued, Telling, Told};
pub use history::Standing;
pub use pause::Pause;

/// How often a claim is tried while the run that is in its way ends before it can be looked at.
const CLAIM_TRIES: u32 = 10;
/// How long a dead run waits for somebody to go on with it. A lost answer, or the death of who closed it, is noticed
/// within minutes; a sweep days later would come out of the blue, and the next run of the job sweeps the rest anyway.
const LEFT_WITHIN: Duration = Duration::from_hours(24);

/// The ledger of one database.
#[derive(Debug, Clone)]
pub struct Ledger {
    database: Database,
    audit: Option<AuditLog>,
    stale_after: Duration,
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The run is ours.
    Won,
    /// Another run of the job is active.
    Active(RunId),
    /// Another process answered this scheduled instant.
    Answered(RunId),
    /// The job is paused.
    Paused(Pause),
}

/// What a look at a job's running run found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// None is running.
    Nobody,
    /// One is running, and is or may be alive.
    Alive,
    /// One was dead, and was closed.
    Dead(Box<Report>),
    /// None is running, and nobody has gone on with the last one, which was closed as dead within a day: the answer to
    /// that was lost, or who did so has died since.
    Left(RunId),
}

/// What the ledger knows of a job's schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Armed {
    /// The schedule.
    pub schedule: String,
    /// Since when the job has the schedule that it has; never later than now.
    pub since: DateTime<Utc>,
    /// The newest instant up to now that was answered, by a run or by being skipped.
    pub answered: Option<DateTime<Utc>>,
}

impl Ledger {
    /// The ledger of `database`; `audit` also gets a row when a run ends.
    #[must_use]
    pub fn new(database: &Database, audit: Option<AuditLog>, stale_after: Duration) -> Self {
        Self { database: database.clone(), audit, stale_after }
    }

    /// Claims a run: at most one is active per job and table, and one answers a scheduled instant. Claiming again
    /// with the same id is harmless. Dead runs that stand in its way are closed, and `found_dead` is told of each, whatever
    /// comes of the claim.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim(&self, run: &NewRun, found_dead: impl Fn(&Report)) -> Result<Claim, DbError> {
        for _ in 0..CLAIM_TRIES {
            if self.database.write(ledger_sql::claim(self.database.engine(), run)).await? == 1 {
                return Ok(Claim::Won);
            }
            if let Some(other) = self.answered(run).await? {
                return Ok(if other == run.id { Claim::Won } else { Claim::Answered(other) });
            }
            match self.running(&run.target, &run.job).await? {
                Some((other, _)) if other == run.id => return Ok(Claim::Won),
                Some((other, true)) => self.interrupt(other).await?.iter().for_each(&found_dead),
                Some((other, false)) => return Ok(Claim::Active(other)),
                // The answer to its INSERT was lost, and it was closed as dead before it knew of itself.
                None if self.is_there(run.id).await? => return Ok(Claim::Answered(run.id)),
                None => {}
            }
        }
        Err(DbError::other(self.database.location(), "the run could not be claimed: others come and go all the time"))
    }

    /// Records that a scheduled instant came while another run was active, or `why` else it is skipped; false when it was answered already.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn skip(&self, run: &NewRun, why: Option<&str>) -> Result<bool, DbError> {
        Ok(self.database.write(ledger_sql::skip(self.database.engine(), run, why)).await? == 1)
    }

    /// Remembers from `now` on that a job has this schedule, unless that is known already. What a clock that was ahead has
    /// left after `now` does not count.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn arm(&self, target: &str, job: &str, schedule: &str, now: DateTime<Utc>) -> Result<Armed, DbError> {
        let engine = self.database.engine();
        let mut transaction = self.database.begin(Purpose::Write).await?;
        transaction.execute(ledger_sql::arm(engine, target, job, schedule, now)).await?;
        let rows = transaction.fetch(ledger_sql::armed(engine, target, job, now)).await?;
        transaction.commit().await?;
        self.database.decode(|| armed(rows.first().ok_or_else(|| DecodeError::new("no row"))?))
    }

    /// Looks for a running run of a job, and closes it when it is dead.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recover(&self, target: &str, job: &str) -> Result<Found, DbError> {
        match self.running(target, job).await? {
            Some((run, true)) => {
                Ok(self.interrupt(run).await?.map_or(Found::Alive, |report| Found::Dead(Box::new(report))))
            }
            Some((_, false)) => Ok(Found::Alive),
            None => Ok(self.left(target, job).await?.map_or(Found::Nobody, Found::Left)),
        }
    }

    /// The newest run of a job, if it was found dead a short while ago.
    async fn left(&self, target: &str, job: &str) -> Result<Option<RunId>, DbError> {
        let rows = self.database.read(ledger_sql::left(self.database.engine(), target, job, LEFT_WITHIN)).await?;
        self.database.decode(|| rows.first().map(id).transpose())
    }

    /// Records what a run was planned to do.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn plan(
        &self,
        run: RunId,
        cutoff: DateTime<Utc>,
        order: Option<SweepOrder>,
        plan: &str,
    ) -> Result<(), DbError> {
        self.database.write(ledger_sql::plan(self.database.engine(), run, cutoff, order, plan)).await.map(drop)
    }

    /// Says that a run is alive; false when it was declared dead.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn heartbeat(&self, run: RunId) -> Result<bool, DbError> {
        Ok(self.database.write(ledger_sql::heartbeat(self.database.engine(), run)).await? == 1)
    }

    /// Counts a batch in the batch's own transaction; false when the run was declared dead, and the batch has to be
    /// rolled back.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count(&self, batch: &mut Transaction, run: RunId, deleted: u64) -> Result<bool, DbError> {
        Ok(batch.execute(ledger_sql::progress(self.database.engine(), run, deleted)).await? == 1)
    }

    /// Ends a run, writes its audit row in the same transaction, and returns its report. Ending it again changes
    /// nothing.
    ///
    /// # Errors
    /// Those of the database; then neither was written.
    pub async fn finish(&self, run: RunId, ending: &Ending, with_audit: bool) -> Result<Report, DbError> {
        let mut transaction = self.database.begin(Purpose::Write).await?;
        let ended = transaction.execute(ledger_sql::finish(self.database.engine(), run, ending)).await? == 1;
        let report = self.report(&mut transaction, run).await?;
        if let (true, true, Some(audit)) = (ended, with_audit, &self.audit) {
            transaction.execute(audit.insert(&report)).await?;
        }
        transaction.commit().await?;
        Ok(report)
    }

    /// Tries whether this user may keep the ledger, and changes nothing.
    ///
    /// # Errors
    /// What the database says when it may not.
    pub async fn rehearse(database: &Database) -> Result<(), DbError> {
        let mut transaction = database.begin(Purpose::Write).await?;
        for statement in ledger_sql::touch_nothing(database.engine()) {
            transaction.execute(statement).await?;
        }
        transaction.rollback().await
    }

    /// Tries whether this user may keep alerts, and changes nothing.
    ///
    /// # Errors
    /// What the database says when it may not.
    pub async fn rehearse_telling(database: &Database) -> Result<(), DbError> {
        let mut transaction = database.begin(Purpose::Write).await?;
        for statement in ledger_sql::tell_nothing(database.engine()) {
            transaction.execute(statement).await?;
        }
        transaction.rollback().await
    }

    /// Tries whether this user may delete old runs, and changes nothing.
    ///
    /// # Errors
    /// What the database says when it may not.
    pub async fn rehearse_forgetting(database: &Database) -> Result<(), DbError> {
        let mut transaction = database.begin(Purpose::Write).await?;
        transaction.execute(ledger_sql::delete_nothing(database.engine())).await?;
        transaction.rollback().await
    }

    /// The rows that a run has deleted, and in how many batches.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn counted(&self, run: RunId) -> Result<(u64, u64), DbError> {
        let rows = self.database.read(ledger_sql::by_id(self.database.engine(), run)).await?;
        let report = self.database.decode(|| report(rows.first().ok_or_else(|| DecodeError::new("no row"))?))?;
        Ok((report.deleted_count, report.batches))
    }

    async fn report(&self, transaction: &mut Transaction, run: RunId) -> Result<Report, DbError> {
        let rows = transaction.fetch(ledger_sql::by_id(self.database.engine(), run)).await?;
        self.database.decode(|| report(rows.first().ok_or_else(|| DecodeError::new("no row"))?))
    }

    async fn answered(&self, run: &NewRun) -> Result<Option<RunId>, DbError> {
        let Some(at) = run.scheduled_for else { return Ok(None) };
        let engine = self.database.engine();
        let rows = self.database.read(ledger_sql::by_instant(engine, &run.target, &run.job, at)).await?;
        self.database.decode(|| rows.first().map(id).transpose())
    }

    async fn is_there(&self, run: RunId) -> Result<bool, DbError> {
        Ok(!self.database.read(ledger_sql::by_id(self.database.engine(), run)).await?.is_empty())
    }

    async fn running(&self, target: &str, job: &str) -> Result<Option<(RunId, bool)>, DbError> {
        let sql = ledger_sql::running(self.database.engine(), target, job, self.stale_after);
        let rows = self.database.read(sql).await?;
        self.database.decode(|| {
            let Some(row) = rows.first() else { return Ok(None) };
            Ok(Some((id(row)?, row.text(1)?.as_deref() == Some("stale"))))
        })
    }

    /// Closes a run that was found dead; none when it came back to life or another process closed it. An audit row that
    /// cannot be written must not keep the job from ever running again.
    async fn interrupt(&self, run: RunId) -> Result<Option<Report>, DbError> {
        match self.close_dead(run, self.audit.as_ref()).await {
            Err(error) if self.audit.is_some() && !error.trouble.is_transient() => {
                warn!(runId = %run, "no audit row was written: {error}");
                self.close_dead(run, None).await
            }
            done => done,
        }
    }

    async fn close_dead(&self, run: RunId, audit: Option<&AuditLog>) -> Result<Option<Report>, DbError> {
        let mut transaction = self.database.begin(Purpose::Write).await?;
        let sql = ledger_sql::interrupt(self.database.engine(), run, self.stale_after);
        if transaction.execute(sql).await? == 0 {
            return Ok(None);
        }
        let report = self.report(&mut transaction, run).await?;
        if let Some(audit) = audit {
            transaction.execute(audit.insert(&report)).await?;
        }
        transaction.commit().await?;
        Ok(Some(report))
    }
}
