//! What the ledger tells of the past, and how it forgets.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::row::{self, id, report};
use super::{Armed, Ledger, Pause};
use crate::db::history_sql::{self, MOST, Place};
use crate::db::{Database, DbError, DecodeError, Row, Statement, ledger_sql};
use crate::report::{Report, RunId};

/// How many old runs are deleted in one step.
const FORGET_ROWS: u64 = 1000;
/// How many steps there are after one run; the next one goes on.
const FORGET_STEPS: u32 = 10;

/// What the ledger says of a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// Its schedule; none while no worker has told it to the ledger.
    pub armed: Option<Armed>,
    /// Its newest run, whatever came of it; skipped instants are none.
    pub last: Option<Report>,
    /// When the newest run ended that did its work.
    pub last_success: Option<DateTime<Utc>>,
    /// Whether it is paused.
    pub paused: Option<Pause>,
}

impl Ledger {
    /// Deletes the runs that ended longer than `history` ago, some thousands at most, and returns how many. Those of all
    /// jobs, whichever asks: nobody else would ask for one that was removed. One that is running stays, and so does each
    /// job's newest that answered a scheduled instant. Audit rows are the application's, and stay.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget(&self, history: Duration) -> Result<u64, DbError> {
        let mut forgotten = 0;
        for _ in 0..FORGET_STEPS {
            // Mostly there are none, and looking takes neither a lock nor a privilege more.
            let old = self.old(history).await?;
            if old.is_empty() {
                break;
            }
            forgotten += self.database.write(ledger_sql::forget(self.database.engine(), &old)).await?;
        }
        Ok(forgotten)
    }

    async fn old(&self, history: Duration) -> Result<Vec<RunId>, DbError> {
        let rows = self.database.read(ledger_sql::old(self.database.engine(), history, FORGET_ROWS)).await?;
        self.database.decode(|| rows.iter().map(id).collect())
    }

    /// The newest runs, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn history(database: &Database, limit: u32) -> Result<Vec<Report>, DbError> {
        let rows = database.read(ledger_sql::history(database.engine(), limit)).await?;
        database.decode(|| rows.iter().map(report).collect())
    }

    /// One run; none when the ledger does not know it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn run(database: &Database, run: RunId) -> Result<Option<Report>, DbError> {
        let rows = database.read(ledger_sql::by_id(database.engine(), run)).await?;
        database.decode(|| rows.first().map(report).transpose())
    }

    /// What there is to know of each of the jobs at `now`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn standings(&self, jobs: &[Place], now: DateTime<Utc>) -> Result<Vec<Standing>, DbError> {
        let engine = self.database.engine();
        let mut standings = vec![Standing::default(); jobs.len()];
        let armed = |jobs: &[Place]| history_sql::armed(engine, jobs, now);
        self.each(jobs, &armed, 3, row::armed, |job, armed| standings[job].armed = Some(armed)).await?;
        let last = |jobs: &[Place]| history_sql::runs(engine, jobs, 1, true);
        self.each(jobs, &last, 16, report, |job, last| standings[job].last = Some(last)).await?;
        let success = |jobs: &[Place]| history_sql::last_success(engine, jobs);
        self.each(jobs, &success, 16, report, |job, run| standings[job].last_success = run.finished_at).await?;
        let paused = |jobs: &[Place]| history_sql::paused(engine, jobs);
        self.each(jobs, &paused, 2, row::pause, |job, pause| standings[job].paused = Some(pause)).await?;
        Ok(standings)
    }

    /// The newest runs of each of the jobs, newest first, without their plans; skipped instants are none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recent(&self, jobs: &[Place], limit: u32) -> Result<Vec<Vec<Report>>, DbError> {
        let mut found = vec![Vec::new(); jobs.len()];
        let runs = |jobs: &[Place]| history_sql::runs(self.database.engine(), jobs, limit, false);
        self.each(jobs, &runs, 16, report, |job, run| found[job].push(run)).await?;
        // A union of ordered selects promises no order.
        for runs in &mut found {
            runs.sort_by_key(|run| std::cmp::Reverse((run.started_at, run.run_id)));
        }
        Ok(found)
    }

    /// Hands out each row for the job whose place stands in the column `place`.
    async fn each<T>(
        &self,
        jobs: &[Place],
        sql: &impl Fn(&[Place]) -> Statement,
        place: usize,
        read: fn(&Row) -> Result<T, DecodeError>,
        mut hand_out: impl FnMut(usize, T),
    ) -> Result<(), DbError> {
        for (chunk, jobs) in jobs.chunks(MOST).enumerate() {
            let rows = self.database.read(sql(jobs)).await?;
            self.database.decode(|| {
                rows.iter().try_for_each(|row| {
                    let number: usize = row::parse(row.text(place)?)?;
                    hand_out(chunk * MOST + number, read(row)?);
                    Ok(())
                })
            })?;
        }
        Ok(())
    }
}
