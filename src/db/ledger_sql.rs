//! The statements of the ledger. Its times are the database's own, so that replicas agree on them.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Engine, Statement, quote};
use crate::report::{Outcome, RunId, StoppedBy, SweepOrder, Trigger};

/// A run that is about to be claimed, or skipped.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// The table that it sweeps, with its schema.
    pub target: String,
    /// The job's name.
    pub job: String,
    /// Why it starts.
    pub trigger: Trigger,
    /// The scheduled instant that it answers.
    pub scheduled_for: Option<DateTime<Utc>>,
    /// The host that runs it.
    pub host: String,
}

/// How a run ends.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The outcome.
    pub outcome: Outcome,
    /// What stopped it.
    pub stopped_by: Option<StoppedBy>,
    /// Milliseconds paused, by reason, as a JSON object.
    pub throttled: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// The name of a table of sweepd's own.
#[must_use]
pub fn own_table(engine: Engine, name: &str) -> String {
    match engine {
        Engine::Postgres => format!("sweepd.{name}"),
        Engine::MySql | Engine::Sqlite => format!("sweepd_{name}"),
    }
}

/// Statements that change nothing, but only for who may keep the ledger.
#[must_use]
pub fn touch_nothing(engine: Engine) -> [Statement; 6] {
    let (run, armed, paused) = (own_table(engine, "run"), own_table(engine, "armed"), own_table(engine, "paused"));
    let columns = "id, target, job, triggered_by, state, host, started_at, heartbeat_at";
    let insert = format!("INSERT INTO {run} ({columns}) SELECT {columns} FROM {run} WHERE 1 = 0");
    let update = format!("UPDATE {run} SET batches = batches WHERE 1 = 0");
    let arm = format!("INSERT INTO {armed} SELECT * FROM {armed} WHERE 1 = 0");
    let rearm = format!("UPDATE {armed} SET since = since WHERE 1 = 0");
    let pause = format!("INSERT INTO {paused} SELECT * FROM {paused} WHERE 1 = 0");
    let resume = format!("DELETE FROM {paused} WHERE 1 = 0");
    [insert, update, arm, rearm, pause, resume].map(|sql| Statement::text(engine, &sql))
}

/// Deletes nothing, but only for who may forget old runs.
#[must_use]
pub fn delete_nothing(engine: Engine) -> Statement {
    Statement::text(engine, &format!("DELETE FROM {} WHERE 1 = 0", own_table(engine, "run")))
}

/// Statements that change nothing, but only for who may keep what people were told, and alerts.
#[must_use]
pub fn tell_nothing(engine: Engine) -> [Statement; 5] {
    let (told, alert) = (own_table(engine, "told"), own_table(engine, "alert"));
    let begin = format!("INSERT INTO {told} SELECT * FROM {told} WHERE 1 = 0");
    let tell = format!("UPDATE {told} SET told_at = told_at WHERE 1 = 0");
    let queue = format!("INSERT INTO {alert} SELECT * FROM {alert} WHERE 1 = 0");
    let take = format!("UPDATE {alert} SET tries = tries WHERE 1 = 0");
    let deliver = format!("DELETE FROM {alert} WHERE 1 = 0");
    [begin, tell, queue, take, deliver].map(|sql| Statement::text(engine, &sql))
}

/// The statements that let `user` keep the ledger in `schema` (on `PostgreSQL` it has its own), one a line.
#[must_use]
pub fn grants(engine: Engine, schema: &str, user: &str) -> String {
    let own = |name| own_table(engine, name);
    let (before, schema) = match engine {
        Engine::Postgres => (format!("GRANT USAGE ON SCHEMA sweepd TO {user};\n"), String::new()),
        Engine::MySql | Engine::Sqlite => (String::new(), format!("{}.", quote(engine, schema))),
    };
    format!(
        "{before}GRANT SELECT ON {schema}{} TO {user};\nGRANT SELECT, INSERT, UPDATE, DELETE ON {schema}{} TO {user};\n\
         GRANT SELECT, INSERT, UPDATE ON {schema}{} TO {user};\nGRANT SELECT, INSERT, DELETE ON {schema}{} TO {user};\n\
         GRANT SELECT, INSERT, UPDATE ON {schema}{} TO {user};\nGRANT SELECT, INSERT, UPDATE, DELETE ON {schema}{} TO {user};",
        own("migration"),
        own("run"),
        own("armed"),
        own("paused"),
        own("told"),
        own("alert")
    )
}

/// Inserts a running run; changes no row when its instant is taken or another run of the job is active.
#[must_use]
pub fn claim(engine: Engine, run: &NewRun) -> Statement {
    insert(engine, run, "running", None)
}

/// Inserts a skipped run, and why; changes no row when its instant is taken.
#[must_use]
pub fn skip(engine: Engine, run: &NewRun, why: Option<&str>) -> Statement {
    insert(engine, run, Outcome::Skipped.as_str(), why)
}

fn insert(engine: Engine, run: &NewRun, state: &str, error: Option<&str>) -> Statement {
    let (verb, on_conflict) = insert_new(engine);
    let now = now(engine);
    let finished = if state == "running" { "NULL" } else { now };
    Statement::text(engine, verb)
        .push(&own_table(engine, "run"))
        .push(" (id, target, job, triggered_by, scheduled_for, state, host, error, started_at, heartbeat_at, finished_at) VALUES (")
        .with(|statement| id(statement, run.id))
        .push(", ")
        .bind(run.target.as_str())
        .push(", ")
        .bind(run.job.as_str())
        .push(", ")
        .bind(run.trigger.as_str())
        .push(", ")
        .with(|statement| instant(statement, run.scheduled_for))
        .push(", ")
        .bind(state)
        .push(", ")
        .bind(run.host.as_str())
        .push(", ")
        .bind(error)
        .push(&format!(", {now}, {now}, {finished}){on_conflict}"))
}

/// How an INSERT begins and ends that changes nothing where the row is there.
pub(super) fn insert_new(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::Postgres => ("INSERT INTO ", " ON CONFLICT DO NOTHING"),
        Engine::MySql => ("INSERT IGNORE INTO ", ""),
        Engine::Sqlite => ("INSERT OR IGNORE INTO ", ""),
    }
}

/// Selects the runs of a job that are running: id, and `stale` when its heartbeat is further than `stale_after` from now,
/// else `alive`.
#[must_use]
pub fn running(engine: Engine, target: &str, job: &str, stale_after: Duration) -> Statement {
    Statement::text(engine, "SELECT ")
        .push(&id_text(engine))
        .push(", CASE WHEN ")
        .with(|statement| stale(statement, stale_after))
        .push(" THEN 'stale' ELSE 'alive' END FROM ")
        .push(&own_table(engine, "run"))
        .push(" WHERE state = 'running' AND target = ")
        .bind(target)
        .push(" AND job = ")
        .bind(job)
}

/// Adds a batch to a running run, says that it is alive, and so fences it: a run that was declared dead changes no
/// row here, and has to roll its batch back.
#[must_use]
pub fn progress(engine: Engine, run: RunId, deleted: u64) -> Statement {
    let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
    update(engine)
        .push("deleted = deleted + ")
        .bind(deleted)
        .push(&format!(", batches = batches + 1, heartbeat_at = {}", now(engine)))
        .with(|statement| still_running(statement, run))
}

/// Says that a run is alive.
#[must_use]
pub fn heartbeat(engine: Engine, run: RunId) -> Statement {
    update(engine).push(&format!("heartbeat_at = {}", now(engine))).with(|statement| still_running(statement, run))
}

/// Records what a run was planned to do.
#[must_use]
pub fn plan(engine: Engine, run: RunId, cutoff: DateTime<Utc>, order: Option<SweepOrder>, plan: &str) -> Statement {
    update(engine)
        .push("cutoff = ")
        .with(|statement| instant(statement, Some(cutoff)))
        .push(", sweep_order = ")
        .bind(order.map(SweepOrder::as_str))
        .push(", plan = ")
        .bind(plan)
        .with(|statement| still_running(statement, run))
}

/// Ends a running run.
#[must_use]
pub fn finish(engine: Engine, run: RunId, ending: &Ending) -> Statement {
    update(engine)
        .push("state = ")
        .bind(ending.outcome.as_str())
        .push(", stopped_by = ")
        .bind(ending.stopped_by.map(StoppedBy::as_str))
        .push(", throttled = ")
        .bind(ending.throttled.as_str())
        .push(", error = ")
        .bind(ending.error.clone())
        .push(&format!(", finished_at = {0}, heartbeat_at = {0}", now(engine)))
        .with(|statement| still_running(statement, run))
}

/// Ends a running run whose heartbeat is further than `stale_after` from now.
#[must_use]
pub fn interrupt(engine: Engine, run: RunId, stale_after: Duration) -> Statement {
    update(engine)
        .push(&format!("state = 'interrupted', finished_at = {}", now(engine)))
        .with(|statement| still_running(statement, run))
        .push(" AND ")
        .with(|statement| stale(statement, stale_after))
}

/// A heartbeat that is far ahead comes from before the clock was set back. A run that lives sets it right with its next.
fn stale(statement: Statement, stale_after: Duration) -> Statement {
    statement
        .push("(heartbeat_at < ")
        .with(|statement| ago(statement, stale_after))
        .push(" OR heartbeat_at > ")
        .with(|statement| ahead(statement, stale_after))
        .push(")")
}

/// Selects up to `most` runs, of whatever job, that ended longer than `history` ago. The newest instant that was answered
/// stays for each job, because it tells which were missed since; one that lies ahead is none of those. A run starts
/// before it ends, and there is an index on the start.
#[must_use]
pub fn old(engine: Engine, history: Duration, most: u64) -> Statement {
    let run = own_table(engine, "run");
    let now = begun(engine);
    Statement::text(engine, "SELECT ")
        .push(&id_text(engine))
        .push(&format!(" FROM {run} AS past WHERE started_at < "))
        .with(|statement| long_ago(statement, history))
        .push(" AND finished_at < ")
        .with(|statement| long_ago(statement, history))
        .push(&format!(" AND state <> 'running' AND (scheduled_for IS NULL OR scheduled_for > {now}"))
        .push(&format!(" OR EXISTS (SELECT 1 FROM {run} AS later WHERE later.target = past.target"))
        .push(" AND later.job = past.job AND later.scheduled_for > past.scheduled_for")
        .push(&format!(" AND later.scheduled_for <= {now})) ORDER BY started_at LIMIT {most}"))
}

/// Deletes these runs: with a subquery in its place `MySQL` would lock all rows that it reads.
#[must_use]
pub fn forget(engine: Engine, runs: &[RunId]) -> Statement {
    Statement::text(engine, &format!("DELETE FROM {} WHERE id IN (", own_table(engine, "run")))
        .list(runs, ", ", |statement, run| id(statement, *run))
        .push(")")
}

/// Records the schedule of a job and that it has it since `now`; changes nothing when it has had it before. Since a time
/// that is yet to come, it has it only by a clock that was ahead.
#[must_use]
pub fn arm(engine: Engine, target: &str, job: &str, schedule: &str, now: DateTime<Utc>) -> Statement {
    let armed = own_table(engine, "armed");
    let statement = Statement::text(engine, "INSERT INTO ")
        .push(&armed)
        .push(" (target, job, schedule, since) VALUES (")
        .bind(target)
        .push(", ")
        .bind(job)
        .push(", ")
        .bind(schedule)
        .push(", ")
        .with(|statement| instant(statement, Some(now)))
        .push(")");
    match engine {
        // From left to right: the first still sees the old schedule.
        Engine::MySql => statement.push(
            " ON DUPLICATE KEY UPDATE \
             since = IF(schedule = VALUES(schedule) AND since <= VALUES(since), since, VALUES(since)), \
             schedule = VALUES(schedule)",
        ),
        Engine::Postgres | Engine::Sqlite => statement.push(&format!(
            " ON CONFLICT (target, job) DO UPDATE SET schedule = excluded.schedule, since = excluded.since \
             WHERE {0}.schedule <> excluded.schedule OR {0}.since > excluded.since",
            armed.rsplit('.').next().unwrap_or(&armed)
        )),
    }
}

/// Selects since when a job has its schedule, the newest instant up to `now` that was answered, and the schedule. One after
/// `now` was answered by a clock that was ahead.
#[must_use]
pub fn armed(engine: Engine, target: &str, job: &str, now: DateTime<Utc>) -> Statement {
    push_armed(Statement::new(engine), "", target, job, now)
}

/// With `more` columns in the end.
pub(super) fn push_armed(statement: Statement, more: &str, target: &str, job: &str, now: DateTime<Utc>) -> Statement {
    let engine = statement.engine();
    statement
        .push("SELECT ")
        .push(&instant_text(engine, "since"))
        .push(", (SELECT ")
        .push(&instant_text(engine, "MAX(scheduled_for)"))
        .push(" FROM ")
        .push(&own_table(engine, "run"))
        .with(|statement| of(statement, target, job))
        .push(" AND scheduled_for <= ")
        .with(|statement| instant(statement, Some(now)))
        .push(&format!("), schedule{more} FROM {}", own_table(engine, "armed")))
        .with(|statement| of(statement, target, job))
}

/// Pauses a job; changes no row when it is paused.
#[must_use]
pub fn pause(engine: Engine, target: &str, job: &str, host: &str) -> Statement {
    let (verb, on_conflict) = insert_new(engine);
    Statement::text(engine, verb)
        .push(&own_table(engine, "paused"))
        .push(" (target, job, host, since) VALUES (")
        .bind(target)
        .push(", ")
        .bind(job)
        .push(", ")
        .bind(host)
        .push(&format!(", {}){on_conflict}", now(engine)))
}

/// Ends the pause of a job.
#[must_use]
pub fn resume(engine: Engine, target: &str, job: &str) -> Statement {
    Statement::text(engine, "DELETE FROM ")
        .push(&own_table(engine, "paused"))
        .with(|statement| of(statement, target, job))
}

/// Selects since when a job is paused, and on which host it was.
#[must_use]
pub fn paused(engine: Engine, target: &str, job: &str) -> Statement {
    push_paused(Statement::new(engine), "", target, job)
}

/// With `more` columns in the end.
pub(super) fn push_paused(statement: Statement, more: &str, target: &str, job: &str) -> Statement {
    let engine = statement.engine();
    statement
        .push(&format!("SELECT {}, host{more} FROM {}", instant_text(engine, "since"), own_table(engine, "paused")))
        .with(|statement| of(statement, target, job))
}

pub(super) fn of(statement: Statement, target: &str, job: &str) -> Statement {
    statement.push(" WHERE target = ").bind(target).push(" AND job = ").bind(job)
}

/// Selects one run, with the columns of a report.
#[must_use]
pub fn by_id(engine: Engine, run: RunId) -> Statement {
    select(engine).push(" WHERE id = ").with(|statement| id(statement, run))
}

/// Selects the run that answers a scheduled instant.
#[must_use]
pub fn by_instant(engine: Engine, target: &str, job: &str, at: DateTime<Utc>) -> Statement {
    select(engine)
        .push(" WHERE target = ")
        .bind(target)
        .push(" AND job = ")
        .bind(job)
        .push(" AND scheduled_for = ")
        .with(|statement| instant(statement, Some(at)))
}

/// Selects the newest run of a job that was run, if it was found dead, no longer than `within` ago. One that started ahead
/// of the clock is older than it looks.
#[must_use]
pub fn left(engine: Engine, target: &str, job: &str, within: Duration) -> Statement {
    Statement::text(engine, "SELECT ")
        .push(&id_text(engine))
        .push(&format!(" FROM (SELECT id, state, finished_at FROM {} WHERE target = ", own_table(engine, "run")))
        .bind(target)
        .push(" AND job = ")
        .bind(job)
        .push(&format!(" AND state <> 'skipped' AND started_at <= {}", now(engine)))
        .push(" ORDER BY started_at DESC, id DESC LIMIT 1) AS newest WHERE state = 'interrupted' AND finished_at >= ")
        .with(|statement| ago(statement, within))
}

/// Selects the newest runs, newest first.
#[must_use]
pub fn history(engine: Engine, limit: u32) -> Statement {
    select(engine).with(|statement| newest_first(statement, limit))
}

pub(super) fn newest_first(statement: Statement, limit: u32) -> Statement {
    statement.push(&format!(" ORDER BY started_at DESC, id DESC LIMIT {limit}"))
}

pub(super) fn select(engine: Engine) -> Statement {
    Statement::text(engine, &format!("SELECT {}, plan FROM {}", report_columns(engine), own_table(engine, "run")))
}

/// The columns of a report but the last one, which is the plan, in this order: id, job, trigger, scheduled instant, start,
/// end, cutoff, state, what stopped it, deleted, batches, order, throttled, host, error. Instants are RFC 3339 text.
pub(super) fn report_columns(engine: Engine) -> String {
    let instant = |column: &str| instant_text(engine, column);
    [
        id_text(engine),
        "job, triggered_by".to_owned(),
        instant("scheduled_for"),
        instant("started_at"),
        instant("finished_at"),
        instant("cutoff"),
        "state, stopped_by, deleted, batches, sweep_order, throttled, host, error".to_owned(),
    ]
    .join(", ")
}

pub(super) fn instant_text(engine: Engine, value: &str) -> String {
    match engine {
        Engine::Postgres => format!("to_char({value} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"),
        Engine::MySql => format!("DATE_FORMAT({value}, '%Y-%m-%dT%H:%i:%s.%fZ')"),
        Engine::Sqlite => value.to_owned(),
    }
}

fn update(engine: Engine) -> Statement {
    Statement::text(engine, "UPDATE ").push(&own_table(engine, "run")).push(" SET ")
}

fn still_running(statement: Statement, run: RunId) -> Statement {
    statement.push(" WHERE id = ").with(|statement| id(statement, run)).push(" AND state = 'running'")
}

pub(super) fn id(statement: Statement, run: RunId) -> Statement {
    let cast = if statement.engine() == Engine::Postgres { "::uuid" } else { "" };
    statement.bind(run.to_string()).push(cast)
}

pub(super) fn id_text(engine: Engine) -> String {
    if engine == Engine::Postgres { "id::text".to_owned() } else { "id".to_owned() }
}

/// The clock of the statement, not of the transaction: a heartbeat must not carry the time of an old BEGIN.
pub(super) fn now(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "clock_timestamp()",
        Engine::MySql => "UTC_TIMESTAMP(6)",
        Engine::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    }
}

/// The clock of the transaction where `PostgreSQL` would ask the statement's for each row, and use no index.
pub(super) fn begun(engine: Engine) -> &'static str {
    if engine == Engine::Postgres { "now()" } else { now(engine) }
}

pub(super) fn ago(statement: Statement, time: Duration) -> Statement {
    let now = now(statement.engine());
    shifted(statement, now, '-', time)
}

fn ahead(statement: Statement, time: Duration) -> Statement {
    let now = now(statement.engine());
    shifted(statement, now, '+', time)
}

fn long_ago(statement: Statement, time: Duration) -> Statement {
    let now = begun(statement.engine());
    shifted(statement, now, '-', time)
}

pub(super) fn shifted(statement: Statement, now: &str, sign: char, time: Duration) -> Statement {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 1000);
    match statement.engine() {
        Engine::Postgres => statement.push(&format!("{now} {sign} ")).bind(millis).push(" * INTERVAL '1 millisecond'"),
        Engine::MySql => statement.push(&format!("{now} {sign} INTERVAL ")).bind(millis * 1000).push(" MICROSECOND"),
        Engine::Sqlite => {
            let seconds = format!("{sign}{}.{:03} seconds", millis / 1000, millis % 1000);
            statement.push("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ").bind(seconds).push(")")
        }
    }
}

pub(super) fn instant(statement: Statement, at: Option<DateTime<Utc>>) -> Statement {
    match statement.engine() {
        Engine::Postgres => {
            statement.bind(at.map(|at| at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())).push("::timestamptz")
        }
        Engine::MySql => {
            let at = at.map(|at| at.format("%Y-%m-%d %H:%M:%S%.6f").to_string());
            statement.push("CAST(").bind(at).push(" AS DATETIME(6))")
        }
        Engine::Sqlite => statement.bind(at.map(|at| at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())),
    }
}
