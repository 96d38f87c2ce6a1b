//! What the ledger tells of the past, and how it forgets.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::row::{self, id, report};
use super::{Armed, Ledger, Pause};
use crate::db::{Database, DbError, ledger_sql};
use crate::report::{Report, RunId};

/// How many old runs are deleted in one step.
const FORGET_ROWS: u64 = 1000;
/// How many steps there are after one run; the next one goes on.
const FORGET_STEPS: u32 = 10;

/// What the ledger says of a job.
#[derive(Debug, Clone, PartialEq)]
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

    /// What there is to know of a job at `now`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn standing(&self, target: &str, job: &str, now: DateTime<Utc>) -> Result<Standing, DbError> {
        let engine = self.database.engine();
        let armed = self.database.read(ledger_sql::armed(engine, target, job, now)).await?;
        let last = self.database.read(ledger_sql::runs_of(engine, target, job, 1)).await?;
        let success = self.database.read(ledger_sql::last_success(engine, target, job)).await?;
        let paused = self.paused(target, job).await?;
        self.database.decode(|| {
            Ok(Standing {
                armed: armed.first().map(row::armed).transpose()?,
                last: last.first().map(report).transpose()?,
                last_success: success.first().map(report).transpose()?.and_then(|report| report.finished_at),
                paused,
            })
        })
    }
}
