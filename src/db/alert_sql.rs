//! The statements of alerts: what people were told, and what is still to be delivered. Times are the database's.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::ledger_sql::{
    ago, begun, id, id_text, insert_new, instant, instant_text, now, of, own_table, select, shifted,
};
use super::{Engine, Statement};
use crate::report::RunId;

/// Up to which run of a job people were told: its id, and when it ended.
pub type Position = (RunId, DateTime<Utc>);

/// Makes the row of a job of which nobody was told anything; changes nothing where there is one. Only for where none was
/// found: on `MySQL` it would share the lock on the row with others, who then wait for each other.
#[must_use]
pub fn begin(engine: Engine, target: &str, job: &str) -> Statement {
    let ((verb, on_conflict), now) = (insert_new(engine), now(engine));
    Statement::text(engine, verb)
        .push(&own_table(engine, "told"))
        .push(" (target, job, run, run_ended_at, told_at) VALUES (")
        .bind(target)
        .push(", ")
        .bind(job)
        .push(&format!(", '00000000-0000-0000-0000-000000000000', {now}, {now}){on_conflict}"))
}

/// Selects what people were told of a job, and keeps others from telling them meanwhile: run, its end, what is wrong,
/// when they were told, and the time now.
#[must_use]
pub fn told(engine: Engine, target: &str, job: &str) -> Statement {
    let run = if engine == Engine::Postgres { "run::text" } else { "run" };
    let instants = ["run_ended_at", "told_at", now(engine)].map(|value| instant_text(engine, value));
    let lock = if engine == Engine::Sqlite { "" } else { " FOR UPDATE" };
    Statement::text(engine, &format!("SELECT {run}, {}, trouble, {}, {} FROM ", instants[0], instants[1], instants[2]))
        .push(&own_table(engine, "told"))
        .with(|statement| of(statement, target, job))
        .push(lock)
}

/// Selects the newest run of a job that has ended, with the columns of a report: what was before that is the past, for
/// people who have not been told anything for long. By a clock that was ahead, it may have ended in the future.
#[must_use]
pub fn last_ended(engine: Engine, target: &str, job: &str) -> Statement {
    of_ended(engine, target, job)
        .push(&format!(" AND finished_at <= {} ORDER BY finished_at DESC, id DESC LIMIT 1", begun(engine)))
}

/// Selects the runs of a job that ended after `position`, oldest first, with the columns of a report.
#[must_use]
pub fn ended(engine: Engine, target: &str, job: &str, (run, at): Position) -> Statement {
    of_ended(engine, target, job)
        .push(" AND (finished_at > ")
        .with(|statement| instant(statement, Some(at)))
        .push(" OR (finished_at = ")
        .with(|statement| instant(statement, Some(at)))
        .push(" AND id > ")
        .with(|statement| id(statement, run))
        .push(")) ORDER BY finished_at, id LIMIT 1000")
}

fn of_ended(engine: Engine, target: &str, job: &str) -> Statement {
    select(engine).with(|statement| of(statement, target, job)).push(" AND state NOT IN ('running', 'skipped')")
}

/// Records up to which run people were told, and what is wrong; `anew` when they were told just now.
#[must_use]
pub fn tell(
    engine: Engine,
    target: &str,
    job: &str,
    (run, ended_at): Position,
    trouble: Option<&str>,
    anew: bool,
) -> Statement {
    let told_at = if anew { now(engine) } else { "told_at" };
    Statement::text(engine, &format!("UPDATE {} SET run = ", own_table(engine, "told")))
        .with(|statement| id(statement, run))
        .push(", run_ended_at = ")
        .with(|statement| instant(statement, Some(ended_at)))
        .push(", trouble = ")
        .bind(trouble)
        .push(&format!(", told_at = {told_at}"))
        .with(|statement| of(statement, target, job))
}

/// Adds an alert that is to be delivered to a channel.
#[must_use]
pub fn queue(engine: Engine, alert: RunId, channel: &str, body: &str) -> Statement {
    let now = now(engine);
    Statement::text(
        engine,
        &format!("INSERT INTO {} (id, channel, body, made_at, due_at) VALUES (", own_table(engine, "alert")),
    )
    .with(|statement| id(statement, alert))
    .push(", ")
    .bind(channel)
    .push(", ")
    .bind(body)
    .push(&format!(", {now}, {now})"))
}

/// Selects the oldest alert of a channel: id, body, tries, when it was made, when it is due, and the time now.
#[must_use]
pub fn oldest(engine: Engine, channel: &str) -> Statement {
    let instants = ["made_at", "due_at", now(engine)].map(|value| instant_text(engine, value)).join(", ");
    let tries = if engine == Engine::Postgres { "tries::bigint" } else { "tries" };
    Statement::text(engine, &format!("SELECT {}, body, {tries}, {instants} FROM ", id_text(engine)))
        .push(&own_table(engine, "alert"))
        .push(" WHERE channel = ")
        .bind(channel)
        .push(" ORDER BY id LIMIT 1")
}

/// Takes an alert to deliver it, for as long as `hold`; changes no row when somebody else took it meanwhile.
#[must_use]
pub fn take(engine: Engine, alert: RunId, tries: i64, hold: Duration) -> Statement {
    Statement::text(engine, &format!("UPDATE {} SET tries = tries + 1, due_at = ", own_table(engine, "alert")))
        .with(|statement| shifted(statement, now(engine), '+', hold))
        .push(" WHERE id = ")
        .with(|statement| id(statement, alert))
        .push(" AND tries = ")
        .bind(tries)
}

/// Puts the next try of an alert off; changes no row when somebody else took it meanwhile.
#[must_use]
pub fn put_off(engine: Engine, alert: RunId, tries: i64, pause: Duration) -> Statement {
    Statement::text(engine, &format!("UPDATE {} SET due_at = ", own_table(engine, "alert")))
        .with(|statement| shifted(statement, now(engine), '+', pause))
        .push(" WHERE id = ")
        .with(|statement| id(statement, alert))
        .push(" AND tries = ")
        .bind(tries)
}

/// Deletes an alert.
#[must_use]
pub fn delivered(engine: Engine, alert: RunId) -> Statement {
    Statement::text(engine, &format!("DELETE FROM {} WHERE id = ", own_table(engine, "alert")))
        .with(|statement| id(statement, alert))
}

/// Deletes the alerts that were made longer than `age` ago.
#[must_use]
pub fn forget(engine: Engine, age: Duration) -> Statement {
    Statement::text(engine, &format!("DELETE FROM {} WHERE made_at < ", own_table(engine, "alert")))
        .with(|statement| ago(statement, age))
}

/// Counts the alerts that are still to be delivered, by channel.
#[must_use]
pub fn waiting(engine: Engine) -> Statement {
    let alert = own_table(engine, "alert");
    Statement::text(engine, &format!("SELECT channel, COUNT(*) FROM {alert} GROUP BY channel ORDER BY channel"))
}
