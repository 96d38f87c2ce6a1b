//! What networks and failovers do to a sweep: the counts hold, nothing hangs, and the sweep gets to its end.

use std::thread;
use std::time::Duration;

use crate::process::{Deadline, Process};
use crate::proxy::Proxy;
use crate::servers::server::APP_USER;
use crate::servers::{Engine, PrivateServer, Session};
use crate::stage::{LIMIT, NEVER, Run, Stage, wait};

const EVERY_TWO_SECONDS: &str = "*/2 * * * * *";
const MANY: u32 = 60_000;
/// About three seconds for [`MANY`] rows.
const SLOW: &str = "nice = 0\nmax_rows_per_second = 20000";
const QUICK_HEARTBEAT: &str = "[daemon]\nheartbeat = \"200ms\"\nstale_after = \"1s\"";

/// Whether the long versions of tests are asked for.
fn long() -> bool {
    std::env::var_os("TEST_SWEEPD_LONG").is_some()
}

fn stop(daemon: &mut Process) {
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(8)), 0, "{}", daemon.output());
}

/// A stage with expired rows and ten live ones, which sweepd reaches through a proxy.
fn behind_a_proxy(engine: Engine, expired: u32) -> Option<(Stage, Proxy)> {
    let stage = Stage::fresh(engine)?;
    stage.fill(expired, 10);
    let proxy = Proxy::to(engine, stage.database().port());
    let url = proxy.url(stage.database().url(), stage.database().port());
    Some((stage.reached_by(url), proxy))
}

fn on_both_servers(test: impl Fn(Engine) + Sync) {
    thread::scope(|scope| {
        for engine in Engine::SERVERS {
            let test = &test;
            scope.spawn(move || test(engine));
        }
    });
}

fn assert_swept(stage: &Stage, expired: u32) {
    assert_eq!(stage.sessions(), (10, 0));
    assert_eq!(stage.assert_counts(expired), i64::from(expired));
}

/// The runs that were no more than skipped instants left out.
fn ran(stage: &Stage) -> Vec<Run> {
    stage.runs().into_iter().filter(|run| run.state != "skipped").collect()
}

fn wait_for_the_end_of_runs(stage: &Stage, daemon: &mut Process) {
    stage.wait_for_runs(daemon, |runs| runs.iter().all(|run| run.state != "running"));
}

/// The server has committed, and nobody hears of it. (The plan only reads, and loses its connection like the others.)
#[test]
fn the_answer_to_a_commit_is_lost() {
    on_both_servers(|engine| {
        let clock =
            if engine == Engine::Postgres { "SELECT (extract(epoch FROM clock_" } else { "SELECT TIMESTAMPDIFF" };
        for (step, statement, times) in [
            ("the claim", "host, error, started_at", 1),
            ("the plan", clock, 2),
            ("batches", "deleted = deleted + ", 5),
            ("the finish", "throttled = ", 1),
        ] {
            let Some((stage, proxy)) = behind_a_proxy(engine, 3000) else { return };
            proxy.lose_answers(statement, times);
            let mut clean = stage.clean("nice = 0\nbatch_target = \"1ms\"", "");
            assert_eq!(clean.exit_code(LIMIT), 0, "{step}: {}", clean.output());
            assert_eq!(proxy.lost(), times, "{step}: {}", clean.output());
            assert_swept(&stage, 3000);
            let runs = stage.runs();
            assert_eq!((runs.len(), &*runs[0].state), (1, "completed"), "{step}: {runs:?}");
        }
    });
}

/// Of a scheduled run, whose instant is then answered: by itself.
#[test]
fn the_answer_to_the_claim_of_an_instant_is_lost() {
    on_both_servers(|engine| {
        let Some((stage, proxy)) = behind_a_proxy(engine, 100) else { return };
        proxy.lose_answers("host, error, started_at", 1);
        let mut daemon = stage.daemon(EVERY_TWO_SECONDS, "", "");
        stage.wait_until_swept(&mut daemon);
        wait_for_the_end_of_runs(&stage, &mut daemon);
        stop(&mut daemon);
        assert_eq!(proxy.lost(), 1, "{}", daemon.output());
        assert_swept(&stage, 100);
        let runs = stage.runs();
        assert_eq!((&*runs[0].state, runs[0].deleted), ("completed", 100), "{runs:?}");
    });
}

/// Whoever closed a dead run goes on with it, though it never heard that it was closed.
#[test]
fn the_answer_to_the_closing_of_a_dead_run_is_lost() {
    on_both_servers(|engine| {
        let Some((stage, proxy)) = behind_a_proxy(engine, MANY) else { return };
        let mut first = stage.daemon(EVERY_TWO_SECONDS, SLOW, QUICK_HEARTBEAT);
        stage.wait_for_progress(&mut first);
        first.signal("KILL");
        first.wait_timeout(LIMIT).expect("SIGKILL ends it");
        proxy.lose_answers("state = 'interrupted'", 1);
        let mut second = stage.daemon(NEVER, "nice = 0", QUICK_HEARTBEAT);
        stage.wait_until_swept(&mut second);
        wait_for_the_end_of_runs(&stage, &mut second);
        stop(&mut second);

        assert_eq!(proxy.lost(), 1, "{}", second.output());
        assert_swept(&stage, MANY);
        let runs = ran(&stage);
        let states: Vec<_> = runs.iter().map(|run| (&*run.trigger, &*run.state)).collect();
        assert_eq!(states, [("schedule", "interrupted"), ("takeover", "completed")]);
    });
}

/// Again and again, wherever it happens to be.
#[test]
fn connections_are_cut() {
    let (rows, cuts) = if long() { (1_000_000, 150) } else { (MANY, 10) };
    on_both_servers(|engine| {
        let Some((stage, proxy)) = behind_a_proxy(engine, rows) else { return };
        let mut daemon = stage.daemon(EVERY_TWO_SECONDS, SLOW, "");
        stage.wait_for_progress(&mut daemon);
        let mut cut = 0;
        for _ in 0..cuts {
            thread::sleep(Duration::from_millis(200));
            cut += proxy.cut();
        }
        assert!(cut >= cuts / 2, "{cut} connections cut: {}", daemon.output());
        let deadline = Deadline::after(Duration::from_mins(2));
        while stage.sessions().1 > 0 && !deadline.has_passed() {
            thread::sleep(Duration::from_millis(100));
        }
        wait_for_the_end_of_runs(&stage, &mut daemon);
        stop(&mut daemon);
        assert_swept(&stage, rows);
        let runs = ran(&stage);
        assert_eq!((&*runs[0].state, runs[0].deleted), ("completed", i64::from(rows)), "in one run: {runs:?}");
    });
}

/// A far-away database: each answer takes 20 ms.
#[test]
fn answers_are_late() {
    on_both_servers(|engine| {
        let Some((stage, proxy)) = behind_a_proxy(engine, 2000) else { return };
        proxy.delay(Duration::from_millis(20));
        let mut clean = stage.clean("nice = 0", "");
        assert_eq!(clean.exit_code(LIMIT), 0, "{}", clean.output());
        assert!(!clean.output().contains("trying again"), "{}", clean.output());
        assert_swept(&stage, 2000);
        assert_eq!(stage.runs().len(), 1);
    });
}

/// Half-open connections: nothing is closed, and nobody answers. They are given up after the timeouts, and new ones made,
/// though there may not be more than these two; the server gives up on its side, or the locks there would stop the run.
#[test]
fn the_network_falls_silent_for_a_while() {
    on_both_servers(|engine| {
        let Some((stage, proxy)) = behind_a_proxy(engine, 3000) else { return };
        let stage = stage.with_parameters("connection_limit=2");
        proxy.fall_silent_before_commit("deleted = deleted + ");
        let mut daemon = stage.daemon(EVERY_TWO_SECONDS, "nice = 0\nstatement_timeout = \"1s\"", "");
        let silent = daemon.wait_for_output("no answer for", LIMIT);
        assert!(silent.contains("trying again"), "{silent}");
        proxy.heal();
        stage.wait_until_swept(&mut daemon);
        wait_for_the_end_of_runs(&stage, &mut daemon);
        stop(&mut daemon);
        assert_swept(&stage, 3000);
        let runs = ran(&stage);
        assert_eq!((&*runs[0].state, runs[0].deleted), ("completed", 3000), "in one run: {runs:?}");
    });
}

/// Then the run's end cannot be written, and the daemon says so in time; the next one closes the run.
#[test]
fn a_daemon_is_stopped_while_the_network_is_silent() {
    on_both_servers(|engine| {
        let Some((stage, proxy)) = behind_a_proxy(engine, MANY) else { return };
        let limits = format!("{SLOW}\nstatement_timeout = \"1s\"");
        let quick = format!("{QUICK_HEARTBEAT}\nshutdown_timeout = \"2s\"");
        let mut first = stage.daemon(EVERY_TWO_SECONDS, &limits, &quick);
        stage.wait_for_progress(&mut first);
        proxy.fall_silent();
        first.signal("TERM");
        assert_eq!(first.exit_code(Duration::from_secs(4)), 1, "{}", first.output());
        assert!(first.output().contains("with work unfinished"), "{}", first.output());

        proxy.heal();
        let mut second = stage.daemon(NEVER, "nice = 0", QUICK_HEARTBEAT);
        stage.wait_until_swept(&mut second);
        wait_for_the_end_of_runs(&stage, &mut second);
        stop(&mut second);
        assert_swept(&stage, MANY);
        assert_eq!(ran(&stage)[0].state, "interrupted");
    });
}

/// For good: the program ends by itself all the same.
#[test]
fn the_network_falls_silent_for_ever() {
    if !long() {
        return;
    }
    on_both_servers(|engine| {
        let Some((stage, proxy)) = behind_a_proxy(engine, MANY) else { return };
        let mut clean = stage.clean(&format!("{SLOW}\nstatement_timeout = \"1s\""), "");
        wait(&mut clean, "nothing is deleted", || stage.sessions().1 < i64::from(MANY));
        proxy.fall_silent();
        // A minute of trying in the sweep, and one for its end, with the last try of each.
        assert_eq!(clean.exit_code(Duration::from_mins(3)), 1, "{}", clean.output());
        assert!(clean.output().contains("the end of the run could not be recorded"), "{}", clean.output());
        proxy.heal();
        let mut next = stage.daemon(NEVER, "nice = 0", QUICK_HEARTBEAT);
        stage.wait_until_swept(&mut next);
        wait_for_the_end_of_runs(&stage, &mut next);
        stop(&mut next);
        assert_swept(&stage, MANY);
    });
}

/// A server of its own, with tables and rows.
fn private(engine: Engine, expired: u32) -> Option<(PrivateServer, Stage)> {
    let server = PrivateServer::start(engine)?;
    let stage = Stage::on(server.fresh());
    stage.fill(expired, 10);
    Some((server, stage))
}

/// Makes the server refuse the writes of the application's user, in the sessions that there are too.
fn demote(engine: Engine, admin: &Session) {
    if engine == Engine::MySql {
        return admin.execute("SET GLOBAL read_only = 1");
    }
    admin.execute("SET default_transaction_read_only = off");
    admin.execute("ALTER SYSTEM SET default_transaction_read_only = on");
    admin.execute("SELECT pg_reload_conf()");
}

/// Lets sessions write that begin from now on. Those that there are still cannot: as when another server has become the
/// primary, and they lead to the old one.
fn promote_for_new_sessions(engine: Engine, stage: &Stage, admin: &Session) {
    admin.execute(&match engine {
        Engine::MySql => format!("GRANT READ_ONLY ADMIN ON *.* TO {APP_USER}@'127.0.0.1'"),
        _ => format!("ALTER DATABASE {} SET default_transaction_read_only = off", stage.database().name()),
    });
}

/// The old connections never work again, so a run that ends well has made new ones.
#[test]
fn a_failover_in_the_middle_of_a_sweep() {
    on_both_servers(|engine| {
        let Some((_server, stage)) = private(engine, MANY) else { return };
        let admin = stage.database().admin();
        let mut daemon = stage.daemon(EVERY_TWO_SECONDS, SLOW, "");
        stage.wait_for_progress(&mut daemon);
        demote(engine, &admin);
        let said = daemon.wait_for_output("point sweepd at the primary", LIMIT);
        assert!(said.contains("trying again"), "{said}");
        promote_for_new_sessions(engine, &stage, &admin);
        stage.wait_until_swept(&mut daemon);
        wait_for_the_end_of_runs(&stage, &mut daemon);
        stop(&mut daemon);
        assert_swept(&stage, MANY);
        let runs = ran(&stage);
        assert_eq!((&*runs[0].state, runs[0].deleted), ("completed", i64::from(MANY)), "in one run: {runs:?}");
    });
}

/// A person is told; the daemon waits for the primary.
#[test]
fn a_run_begins_on_a_server_that_takes_no_writes() {
    on_both_servers(|engine| {
        let Some((_server, stage)) = private(engine, 100) else { return };
        let admin = stage.database().admin();
        // With sweepd's own tables, and before there are any.
        for tables in [false, true] {
            if tables {
                let mut clean = stage.clean("max_rows = 1", "");
                assert_eq!(clean.exit_code(LIMIT), 3, "{}", clean.output());
            }
            demote(engine, &admin);
            let mut clean = stage.clean("", "");
            assert_eq!(clean.exit_code(Duration::from_secs(10)), 1, "{}", clean.output());
            let said = clean.output();
            assert!(said.contains("point sweepd at the primary") && !said.contains("trying again"), "{said}");
            if !tables {
                admin.execute(if engine == Engine::MySql {
                    "SET GLOBAL read_only = 0"
                } else {
                    "ALTER SYSTEM RESET default_transaction_read_only"
                });
                if engine == Engine::Postgres {
                    admin.execute("SELECT pg_reload_conf()");
                }
            }
        }
        let mut daemon = stage.daemon(EVERY_TWO_SECONDS, "", "");
        let said = daemon.wait_for_output("trying again", LIMIT);
        assert!(said.contains("point sweepd at the primary"), "{said}");
        promote_for_new_sessions(engine, &stage, &admin);
        stage.wait_until_swept(&mut daemon);
        wait_for_the_end_of_runs(&stage, &mut daemon);
        stop(&mut daemon);
        assert_swept(&stage, 100);
        let runs = stage.runs();
        assert!(runs.iter().all(|run| matches!(&*run.state, "completed" | "partial" | "skipped")), "{runs:?}");
    });
}
