//! The running daemon on real databases: its schedule, its stop, and what it does when something dies.

use std::time::Duration;

use crate::process::Process;
use crate::servers::Engine;
use crate::stage::{
    EVERY_SECOND, EVERY_TWO_SECONDS, LIMIT, NEVER, QUICK_HEARTBEAT, Stage, assert_consecutive, instants,
    on_a_private_server, on_every_engine, stop, wait,
};

/// Lets a sweep of [`MANY`] rows take at least four seconds, however quick the machine is.
const SLOW: &str = "max_rows_per_second = 25000";
const MANY: u32 = 100_000;

#[test]
pub fn expired_rows_go_on_schedule_and_live_ones_stay() {
    on_every_engine(|stage| {
        stage.fill(300, 50);
        let mut daemon = stage.daemon(EVERY_TWO_SECONDS, "", "");
        stage.wait_until_swept(&mut daemon);
        stage.fill_again();
        stage.wait_until_swept(&mut daemon);
        stop(&mut daemon);

        assert_eq!(stage.sessions(), (50, 0));
        assert_eq!(stage.assert_counts(301), 301);
        for row in stage.audit() {
            let at = row["scheduledFor"].as_str().expect("a scheduled instant");
            let second: u32 = at[17..19].parse().expect("a second");
            assert!(second.is_multiple_of(2) && at.contains(".000Z"), "{at}");
            assert_eq!(row["action"], "SESSION_CLEANUP", "{row}");
        }
        assert_consecutive(&instants(&stage.runs()), 2);
    });
}

#[test]
pub fn sigterm_in_the_middle_of_a_sweep_ends_it_as_partial_with_the_exact_count() {
    let rows = 1_000_000;
    on_every_engine(|stage| {
        stage.fill(rows, 10);
        let mut daemon = stage.daemon(EVERY_TWO_SECONDS, "", "");
        stage.wait_for_progress(&mut daemon);
        stop(&mut daemon);

        let gone = stage.assert_counts(rows);
        assert!(0 < gone && gone < i64::from(rows), "{gone} rows gone");
        let runs = stage.runs();
        let ran: Vec<_> = runs.iter().filter(|run| run.state != "skipped").collect();
        assert_eq!(ran.len(), 1, "{runs:?}");
        assert_eq!((&*ran[0].state, ran[0].stopped_by.as_deref()), ("partial", Some("shutdown")));
        assert_eq!(stage.sessions().0, 10);
    });
}

#[test]
fn a_second_signal_stops_at_once_and_a_batch_that_is_stuck_is_given_up() {
    let blocked = |daemon: &str| {
        let stage = Stage::fresh(Engine::Postgres)?;
        stage.fill(10, 10);
        let application = stage.database().session();
        application.execute(r#"BEGIN; LOCK TABLE "Session" IN SHARE MODE"#);
        let limits = "lock_timeout = \"20s\"\nstatement_timeout = \"20s\"";
        let mut daemon = stage.daemon(EVERY_SECOND, limits, &format!("[daemon]\n{daemon}"));
        let session = stage.database().session();
        let waiting = r#"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '"Session"'::regclass"#;
        wait(&mut daemon, "no batch waits for the lock", || session.count(waiting) > 0);
        daemon.signal("TERM");
        daemon.wait_for_output("stopping", LIMIT);
        Some((stage, application, daemon))
    };
    let Some((stage, _lock, mut daemon)) = blocked("shutdown_timeout = \"20s\"") else { return };
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(2)), 1, "{}", daemon.output());
    assert!(daemon.output().contains("second signal"), "{}", daemon.output());
    assert_eq!(stage.sessions(), (10, 10));

    let Some((stage, _lock, mut daemon)) = blocked("shutdown_timeout = \"4s\"") else { return };
    assert_eq!(daemon.exit_code(Duration::from_secs(6)), 0, "{}", daemon.output());
    assert_eq!(stage.sessions(), (10, 10));
    let runs = stage.runs();
    assert_eq!((&*runs[0].state, runs[0].stopped_by.as_deref()), ("partial", Some("shutdown")), "{runs:?}");
}

fn starts_before_its_database(engine: Engine) {
    on_a_private_server(engine, |server, stage| {
        stage.fill(100, 10);
        server.stop();
        let mut daemon = stage.daemon(EVERY_TWO_SECONDS, "", "");
        let said = daemon.wait_for_output("trying again", LIMIT);
        assert!(said.contains("cannot reach"), "{said}");
        server.restart();
        stage.wait_until_swept(&mut daemon);
        stop(&mut daemon);
        assert_eq!(stage.sessions(), (10, 0));
        assert_eq!(stage.assert_counts(100), 100);
    });
}

fn survives_a_crash_of_its_database(engine: Engine) {
    on_a_private_server(engine, |server, stage| {
        stage.fill(MANY, 10);
        let mut daemon = stage.daemon(EVERY_TWO_SECONDS, SLOW, "");
        stage.wait_for_progress(&mut daemon);
        server.kill();
        daemon.wait_for_output("trying again", LIMIT);
        server.restart();
        stage.wait_until_swept(&mut daemon);
        stop(&mut daemon);
        assert_eq!(stage.sessions(), (10, 0));
        assert_eq!(stage.assert_counts(MANY), i64::from(MANY));
    });
}

#[test]
fn the_daemon_starts_before_postgres() {
    starts_before_its_database(Engine::Postgres);
}

#[test]
fn the_daemon_starts_before_mysql() {
    starts_before_its_database(Engine::MySql);
}

#[test]
fn the_daemon_survives_a_crash_of_postgres() {
    survives_a_crash_of_its_database(Engine::Postgres);
}

#[test]
fn the_daemon_survives_a_crash_of_mysql() {
    survives_a_crash_of_its_database(Engine::MySql);
}

#[test]
pub fn a_run_killed_in_the_middle_is_closed_and_goes_on_under_the_next_daemon() {
    on_every_engine(|stage| {
        stage.fill(MANY, 10);
        let mut first = stage.daemon(EVERY_TWO_SECONDS, SLOW, QUICK_HEARTBEAT);
        stage.wait_for_progress(&mut first);
        first.signal("KILL");
        first.wait_timeout(LIMIT).expect("SIGKILL ends it");

        // At once, so that the dead run still looks alive, as when a service manager restarts the daemon.
        let mut second = stage.daemon(NEVER, "nice = 0", QUICK_HEARTBEAT);
        stage.wait_until_swept(&mut second);
        stage.wait_for_runs(&mut second, |runs| runs.iter().all(|run| run.state != "running"));
        stop(&mut second);

        assert_eq!(stage.sessions(), (10, 0));
        assert_eq!(stage.assert_counts(MANY), i64::from(MANY));
        let runs = stage.runs();
        let ran: Vec<_> = runs.iter().filter(|run| run.state != "skipped").collect();
        let states: Vec<_> = ran.iter().map(|run| (&*run.trigger, &*run.state)).collect();
        assert_eq!(states, [("schedule", "interrupted"), ("takeover", "completed")]);
        assert!(ran.iter().all(|run| run.deleted > 0), "{ran:?}");
        assert_eq!(stage.audit()[0]["action"], "SESSION_CLEANUP_ERROR");
    });
}

#[test]
pub fn of_two_daemons_one_answers_each_instant() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    stage.fill(100, 10);
    let mut daemons = [stage.daemon(EVERY_TWO_SECONDS, "", ""), stage.daemon(EVERY_TWO_SECONDS, "", "")];
    daemons[1].wait_for_output("is ready", LIMIT);
    let runs = stage.wait_for_runs(&mut daemons[0], |runs| runs.len() >= 3);
    daemons.iter_mut().for_each(stop);
    assert_consecutive(&instants(&stage.runs()), 2);
    assert!(runs.iter().all(|run| run.trigger == "schedule"), "{runs:?}");
    assert_eq!(stage.assert_counts(100), 100);
    let said: String = daemons.iter().map(Process::output).collect();
    assert!(said.contains("another process"), "{said}");
}

#[test]
pub fn instants_that_come_during_a_run_are_skipped() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    stage.fill(MANY, 10);
    let mut daemon = stage.daemon(EVERY_SECOND, SLOW, "");
    stage.wait_until_swept(&mut daemon);
    stage.wait_for_runs(&mut daemon, |runs| runs.iter().filter(|run| run.state == "completed").count() >= 2);
    stop(&mut daemon);

    let runs = stage.runs();
    assert_consecutive(&instants(&runs), 1);
    let states: Vec<_> = runs.iter().map(|run| &*run.state).collect();
    assert_eq!(&states[..4], ["completed", "skipped", "skipped", "skipped"], "{runs:?}");
    assert!(daemon.output().contains("skipped"), "{}", daemon.output());
    assert_eq!(stage.assert_counts(MANY), i64::from(MANY));
}
