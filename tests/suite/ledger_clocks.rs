//! Rows that a wrong clock has left in the ledger, and rows that time has left behind.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use sweepd::clock::Clock;
use sweepd::db::ledger_sql::NewRun;
use sweepd::ledger::{Armed, Claim, Found, Ledger};
use sweepd::report::{Outcome, Report, RunId};

use crate::servers::Engine;
use crate::stage::Stage;
use crate::traps::{JOB, TARGET, ending, on_every_engine, run, won};

const SCHEDULE: &str = "daily at 02:00 UTC";
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// By the host's clock, to the millisecond: `SQLite` keeps no more.
fn now() -> DateTime<Utc> {
    Clock::system().now().trunc_subsecs(3)
}

/// Keeps what was said of a run that was closed.
fn keep(closed: &Mutex<Vec<(RunId, Option<Outcome>)>>, report: &Report) {
    closed.lock().unwrap().push((report.run_id, report.outcome));
}

/// Moves a time of a run to so many seconds from now, by the database's clock.
fn move_to(stage: &Stage, run: RunId, columns: &[&str], seconds: i64) {
    let (table, at) = match stage.database().engine() {
        Engine::Postgres => ("sweepd.run", format!("clock_timestamp() + {seconds} * interval '1 second'")),
        Engine::MySql => ("sweepd_run", format!("UTC_TIMESTAMP(6) + INTERVAL {seconds} SECOND")),
        Engine::Sqlite => ("sweepd_run", format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{seconds} seconds')")),
    };
    let columns: Vec<_> = columns.iter().map(|column| format!("{column} = {at}")).collect();
    let changed =
        stage.database().session().change(&format!("UPDATE {table} SET {} WHERE id = '{run}'", columns.join(", ")));
    assert_eq!(changed, 1);
}

/// A run that answers an instant of the host's clock.
fn answering(at: DateTime<Utc>) -> NewRun {
    run(Some(&at.to_rfc3339()))
}

async fn complete(ledger: &Ledger, run: &NewRun) -> RunId {
    assert_eq!(ledger.claim(run, |_| {}).await.unwrap(), won());
    ledger.finish(run.id, &ending(), true).await.unwrap();
    run.id
}

/// A run that was found dead, and closed.
async fn interrupted(stage: &Stage, ledger: &Ledger) -> RunId {
    let run = run(None);
    assert_eq!(ledger.claim(&run, |_| {}).await.unwrap(), won());
    move_to(stage, run.id, &["heartbeat_at"], -HOUR);
    let found = ledger.recover(TARGET, JOB).await.unwrap();
    assert!(matches!(&found, Found::Dead(report) if report.run_id == run.id), "{found:?}");
    run.id
}

/// The host's clock was a year ahead when it started, fired, and was set right.
#[test]
fn what_a_clock_a_year_ahead_has_armed_and_answered_does_not_count() {
    on_every_engine(&async |_, _, ledger| {
        let now = now();
        let arm = async |now| ledger.arm(TARGET, JOB, SCHEDULE, now).await.unwrap();
        let armed = |since, answered| Armed { schedule: SCHEDULE.to_owned(), since, answered };
        let a_year_on = now + TimeDelta::days(365);
        complete(ledger, &answering(a_year_on)).await;
        let then = a_year_on + TimeDelta::hours(1);
        assert_eq!(arm(then).await, armed(then, Some(a_year_on)));

        let since = now - TimeDelta::days(2);
        assert_eq!(arm(since).await, armed(since, None));
        // It stays so: since then instants may have been missed.
        assert_eq!(arm(now).await, armed(since, None));
        complete(ledger, &answering(now - TimeDelta::days(1))).await;
        assert_eq!(arm(now).await, armed(since, Some(now - TimeDelta::days(1))));
        complete(ledger, &answering(now)).await;
        assert_eq!(arm(now).await, armed(since, Some(now)));

        let another = ledger.arm(TARGET, JOB, "hourly UTC", now).await.unwrap();
        assert_eq!(another, Armed { schedule: "hourly UTC".to_owned(), ..armed(now, Some(now)) });
    });
}

/// The database's clock was set back after the process was killed.
#[test]
fn a_heartbeat_that_is_far_ahead_is_that_of_a_dead_run() {
    on_every_engine(&async |stage, _, ledger| {
        let first = run(None);
        ledger.claim(&first, |_| {}).await.unwrap();
        // Less than `stale_after`: the clocks of a cluster differ by as much after a failover.
        move_to(stage, first.id, &["heartbeat_at"], 9);
        assert_eq!(ledger.recover(TARGET, JOB).await.unwrap(), Found::Alive);
        assert_eq!(ledger.claim(&run(None), |_| {}).await.unwrap(), Claim::Active(first.id));
        // One that lives sets it right.
        move_to(stage, first.id, &["heartbeat_at"], HOUR);
        assert!(ledger.heartbeat(first.id).await.unwrap());
        assert_eq!(ledger.recover(TARGET, JOB).await.unwrap(), Found::Alive);

        move_to(stage, first.id, &["heartbeat_at"], HOUR);
        let second = run(None);
        let closed = Mutex::default();
        let claim = ledger.claim(&second, |report| keep(&closed, report)).await.unwrap();
        assert_eq!(claim, won());
        assert_eq!(closed.into_inner().unwrap(), [(first.id, Some(Outcome::Interrupted))]);
        assert!(!ledger.heartbeat(first.id).await.unwrap(), "it is fenced");

        move_to(stage, second.id, &["heartbeat_at"], HOUR);
        let found = ledger.recover(TARGET, JOB).await.unwrap();
        assert!(matches!(&found, Found::Dead(report) if report.run_id == second.id), "{found:?}");
        assert_eq!(stage.audit().len(), 2, "{:?}", stage.audit());
    });
}

/// Between the end of the dead run and the claim, another process may come first.
#[test]
fn a_dead_run_is_reported_also_when_its_place_is_taken_by_somebody_else() {
    on_every_engine(&async |stage, _, ledger| {
        if stage.database().engine() != Engine::Sqlite {
            return;
        }
        let (dead, quick) = (run(None), run(None));
        ledger.claim(&dead, |_| {}).await.unwrap();
        move_to(stage, dead.id, &["heartbeat_at"], -HOUR);
        stage.database().execute(&format!(
            "CREATE TRIGGER quick AFTER UPDATE ON sweepd_run WHEN NEW.state = 'interrupted' BEGIN
                INSERT INTO sweepd_run (id, target, job, triggered_by, state, host, started_at, heartbeat_at)
                SELECT '{}', target, job, 'api', 'running', 'elsewhere', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                    strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM sweepd_run WHERE id = NEW.id; END",
            quick.id
        ));
        let closed = Mutex::default();
        let claim = ledger.claim(&run(None), |report| keep(&closed, report)).await.unwrap();
        assert_eq!(claim, Claim::Active(quick.id));
        assert_eq!(closed.into_inner().unwrap(), [(dead.id, Some(Outcome::Interrupted))]);
    });
}

#[test]
fn a_dead_run_is_left_only_while_it_is_the_newest_and_its_end_is_news() {
    on_every_engine(&async |stage, _, ledger| {
        let recover = async || ledger.recover(TARGET, JOB).await.unwrap();
        let dead = interrupted(stage, ledger).await;
        assert_eq!(recover().await, Found::Left(dead));
        for (ended, found) in [(-DAY + MINUTE, Found::Left(dead)), (-DAY - MINUTE, Found::Nobody)] {
            move_to(stage, dead, &["started_at"], -2 * DAY);
            move_to(stage, dead, &["finished_at"], ended);
            assert_eq!(recover().await, found, "{ended}");
        }

        // It started by a clock that was ahead: later runs look as if they had come before it.
        move_to(stage, dead, &["started_at", "finished_at"], HOUR);
        assert_eq!(recover().await, Found::Nobody);
        let later = interrupted(stage, ledger).await;
        assert_eq!(recover().await, Found::Left(later));
        move_to(stage, later, &["started_at"], -MINUTE);
        complete(ledger, &run(None)).await;
        assert_eq!(recover().await, Found::Nobody);
    });
}

#[test]
fn old_runs_are_forgotten_whatever_became_of_their_job() {
    on_every_engine(&async |stage, _, ledger| {
        let now = now();
        let history = Duration::from_hours(24 * 30);
        let mut kept = Vec::new();
        let mut add = async |(target, job): (&str, &str), at: Option<DateTime<Utc>>, age: i64, keep: bool| {
            let run = NewRun { target: target.into(), job: job.into(), ..at.map_or_else(|| run(None), answering) };
            let id = complete(ledger, &run).await;
            move_to(stage, id, &["started_at", "finished_at"], -age * DAY);
            if keep {
                kept.push(id.to_string());
            }
        };
        let ago = |days| Some(now - TimeDelta::days(days));
        for (job, last) in [((TARGET, JOB), 31), ((TARGET, "renamed"), 400), (("app.Dropped", JOB), 500)] {
            add(job, None, 600, false).await;
            add(job, None, last, false).await;
            add(job, ago(600), 600, false).await;
            add(job, ago(last), last, true).await;
            // Answered by a clock that was ahead: not the newest, and nothing to keep.
            add(job, ago(-365), last, false).await;
        }
        add((TARGET, JOB), None, 29, true).await;
        add((TARGET, JOB), ago(-400), 1, true).await;
        let running = NewRun { job: "removed".into(), ..run(None) };
        ledger.claim(&running, |_| {}).await.unwrap();
        move_to(stage, running.id, &["started_at"], -600 * DAY);
        kept.push(running.id.to_string());

        assert_eq!(ledger.forget(history).await.unwrap(), 12);
        let mut left: Vec<_> = stage.runs().into_iter().map(|run| run.id).collect();
        left.sort();
        kept.sort();
        assert_eq!(left, kept);
        assert_eq!(stage.audit().len(), 17, "audit rows stay");
        assert_eq!(ledger.forget(history).await.unwrap(), 0);
    });
}
