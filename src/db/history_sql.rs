//! What the ledger says of many jobs, in one statement for all of them.

use chrono::{DateTime, Utc};

use super::ledger_sql::{newest_first, of, own_table, push_armed, push_paused, report_columns};
use super::{Engine, Statement};

/// At most so many jobs in one statement: `SQLite` joins no more than 500 selects.
pub const MOST: usize = 250;

/// A job in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The table that it sweeps, with its schema.
    pub target: String,
    /// Its name.
    pub job: String,
}

/// Selects what [`super::ledger_sql::armed`] does, and the place of the job in `jobs`.
#[must_use]
pub fn armed(engine: Engine, jobs: &[Place], now: DateTime<Utc>) -> Statement {
    each(engine, jobs, |statement, place, Place { target, job }| push_armed(statement, place, target, job, now))
}

/// Selects what [`super::ledger_sql::paused`] does, and the place of the job in `jobs`.
#[must_use]
pub fn paused(engine: Engine, jobs: &[Place]) -> Statement {
    each(engine, jobs, |statement, place, Place { target, job }| push_paused(statement, place, target, job))
}

/// Selects the newest runs of each job, skipped instants are none, with the columns of a report and the place of the job in
/// `jobs`. Without their plans, which are long, unless `planned`.
#[must_use]
pub fn runs(engine: Engine, jobs: &[Place], limit: u32, planned: bool) -> Statement {
    newest(engine, jobs, "state <> 'skipped'", limit, planned)
}

/// Selects the newest run of each job that did its work.
#[must_use]
pub fn last_success(engine: Engine, jobs: &[Place]) -> Statement {
    newest(engine, jobs, "state IN ('completed', 'partial')", 1, false)
}

fn newest(engine: Engine, jobs: &[Place], which: &str, limit: u32, planned: bool) -> Statement {
    let plan = if planned { "plan" } else { "NULL" };
    let (columns, run) = (report_columns(engine), own_table(engine, "run"));
    each(engine, jobs, |statement, place, Place { target, job }| {
        statement
            .push(&format!("SELECT {columns}, {plan}{place} FROM {run}"))
            .with(|statement| of(statement, target, job))
            .push(&format!(" AND {which}"))
            .with(|statement| newest_first(statement, limit))
    })
}

/// One select for each job, all of them together: each goes along the index and reads a few rows, however long the
/// ledger is. A window function would read all of it, and not every engine has LATERAL. Only `SQLite` needs a table around
/// what has a limit; `MariaDB` would write each to the disk first.
fn each(engine: Engine, jobs: &[Place], one: impl Fn(Statement, &str, &Place) -> Statement) -> Statement {
    let start = if engine == Engine::Sqlite { "SELECT * FROM (" } else { "(" };
    Statement::new(engine).list(jobs.iter().enumerate(), " UNION ALL ", |statement, (place, job)| {
        let place = format!(", '{place}'");
        statement.push(start).with(|statement| one(statement, &place, job)).push(")")
    })
}
