//! Through a real `PgBouncer` that pools by transaction: nothing may depend on what a session remembers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::oneshot::{Shell, authjs};
use crate::process::{Process, find_program, skip};
use crate::servers::server::{APP_USER, as_unprivileged, free_port};
use crate::servers::{Engine, Session, TestDatabase};
use crate::stage::{LIMIT, NEVER, Stage, wait};

const EVERY_TWO_SECONDS: &str = "*/2 * * * * *";
const MANY: u32 = 50_000;
/// About three seconds for [`MANY`] rows.
const SLOW: &str = "nice = 0\nmax_rows_per_second = 16000";
const QUICK_HEARTBEAT: &str = "[daemon]\nheartbeat = \"200ms\"\nstale_after = \"1s\"";

/// A `PgBouncer` in front of the server of a database, with so many connections to it.
struct Pooler {
    program: PathBuf,
    connections: u32,
    port: u16,
    process: Process,
    _directory: TempDir,
}

impl Pooler {
    fn before(database: &TestDatabase, connections: u32) -> Option<Self> {
        let Some(program) = find_program("pgbouncer", &["/usr/sbin".into()]) else {
            skip("no PgBouncer found");
            return None;
        };
        // Another process may take the port between our look and the start.
        (0..5).find_map(|_| Self::launch(&program, database, connections, free_port()))
    }

    /// None when it could not have its port.
    fn launch(program: &Path, database: &TestDatabase, connections: u32, port: u16) -> Option<Self> {
        let directory = TempDir::with_prefix("sweepd-").expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("users.txt"), format!("\"{APP_USER}\" \"{}\"\n", database.password())).unwrap();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = {connections}\n",
            database.port(),
            path("users.txt").display(),
        );
        fs::write(path("pgbouncer.ini"), settings).unwrap();
        let mut command = Command::new(program);
        command.arg(path("pgbouncer.ini")).current_dir(directory.path());
        as_unprivileged(&mut command, directory.path());
        let process = Process::spawn(command);
        let mut pooler = Self { program: program.to_owned(), connections, port, process, _directory: directory };
        pooler.wait_until_ready(database).then_some(pooler)
    }

    /// Kills it, and starts another on its port.
    fn replace(self, database: &TestDatabase) -> Self {
        let Self { program, connections, port, process, _directory } = self;
        drop(process);
        Self::launch(&program, database, connections, port).expect("the port of the old one")
    }

    /// False when it could not have its port.
    fn wait_until_ready(&mut self, database: &TestDatabase) -> bool {
        let url = self.url(database);
        let mut ready = false;
        while !ready && self.process.wait_timeout(Duration::from_millis(20)).is_none() {
            ready = Session::try_open(Engine::Postgres, &url).is_ok();
        }
        assert!(ready || self.process.output().contains("in use"), "{}", self.process.output());
        ready
    }

    fn url(&self, database: &TestDatabase) -> String {
        database.url().replace(&format!(":{}/", database.port()), &format!(":{}/", self.port))
    }
}

fn stop(daemon: &mut Process) {
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(8)), 0, "{}", daemon.output());
}

/// A stage with rows, and a daemon that reaches it through a pooler.
fn pooled(connections: u32) -> Option<(Stage, Pooler)> {
    let stage = Stage::fresh(Engine::Postgres)?;
    let pooler = Pooler::before(stage.database(), connections)?;
    stage.fill(MANY, 10);
    let url = pooler.url(stage.database());
    Some((stage.reached_by(url), pooler))
}

#[test]
fn each_command_works_and_leaves_no_trace_in_the_sessions_of_others() {
    let Some(shell) = Shell::with(Engine::Postgres, &authjs(Engine::Postgres, "Session")) else { return };
    // One connection: a command that needed two at once would wait for ever.
    let Some(pooler) = Pooler::before(&shell.database, 1) else { return };
    let url = pooler.url(&shell.database);
    let shell = shell.connect_as(url.clone());
    shell.expect(0, &["migrate", "--audit-log", "--index"]);
    shell.expect(0, &["check"]);
    assert_eq!(shell.json(0, &["clean", "--dry-run"])["runs"][0]["expired"], 2);
    let said = shell.json(0, &["clean", "--stats"]);
    assert_eq!((&said["deletedCount"], &said["stats"]["after"][0]["total"]), (&2.into(), &3.into()), "{said}");
    assert_eq!(shell.json(0, &["history"])["runs"][0]["outcome"], "completed");

    // The same server connection, now the application's.
    Session::open(Engine::Postgres, &url).execute(
        "DO $$ DECLARE found text; BEGIN
             SELECT string_agg(name || ' = ' || setting, ', ') INTO found FROM pg_settings
                 WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone');
             IF found IS NOT NULL THEN RAISE EXCEPTION 'settings are left: %', found; END IF;
             SELECT string_agg(name, ', ') INTO found FROM pg_prepared_statements;
             IF found IS NOT NULL THEN RAISE EXCEPTION 'statements are left: %', found; END IF;
             IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory') THEN RAISE EXCEPTION 'a lock is left'; END IF;
         END $$",
    );
}

/// It is not the database that cannot be reached.
#[test]
fn a_startup_parameter_that_it_refuses_is_said_with_what_to_do() {
    let Some(shell) = Shell::with(Engine::Postgres, &authjs(Engine::Postgres, "Session")) else { return };
    let Some(pooler) = Pooler::before(&shell.database, 1) else { return };
    let url = format!("{}?options=-c%20work_mem%3D8MB", pooler.url(&shell.database));
    let said = shell.connect_as(url).expect(1, &["clean"]).stderr;
    for part in ["unsupported startup parameter", "ignore_startup_parameters = options", "out of the database URL"] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

#[test]
fn a_run_that_was_killed_behind_it_is_taken_over() {
    let Some((stage, _pooler)) = pooled(2) else { return };
    let mut first = stage.daemon(EVERY_TWO_SECONDS, SLOW, QUICK_HEARTBEAT);
    stage.wait_for_progress(&mut first);
    first.signal("KILL");
    first.wait_timeout(LIMIT).expect("SIGKILL ends it");
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
}

/// Fewer connections to the server than the two want together: they wait for each other, and neither takes the other
/// for dead.
#[test]
fn two_daemons_share_it() {
    let Some((stage, _pooler)) = pooled(2) else { return };
    let mut daemons = [(); 2].map(|()| stage.daemon(EVERY_TWO_SECONDS, SLOW, ""));
    stage.wait_until_swept(&mut daemons[0]);
    stage.wait_for_runs(&mut daemons[0], |runs| runs.iter().filter(|run| run.state == "completed").count() >= 2);
    daemons.iter_mut().for_each(stop);

    assert_eq!(stage.sessions(), (10, 0));
    assert_eq!(stage.assert_counts(MANY), i64::from(MANY));
    let runs = stage.runs();
    assert!(runs.iter().all(|run| matches!(&*run.state, "completed" | "partial" | "skipped")), "{runs:?}");
    let mut instants: Vec<_> = runs.iter().map(|run| run.scheduled_for.expect("an instant")).collect();
    let all = instants.len();
    instants.sort_unstable();
    instants.dedup();
    assert_eq!(instants.len(), all, "{runs:?}");
}

/// A pooler that dies takes the connections with it, and its successor has none of their state.
#[test]
fn a_pooler_that_is_started_again_costs_nothing_but_time() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    stage.fill(MANY, 10);
    let Some(pooler) = Pooler::before(stage.database(), 2) else { return };
    let url = pooler.url(stage.database());
    let stage = stage.reached_by(url);
    let mut daemon = stage.daemon(EVERY_TWO_SECONDS, SLOW, "");
    stage.wait_for_progress(&mut daemon);
    let _pooler = pooler.replace(stage.database());
    daemon.wait_for_output("trying again", LIMIT);
    stage.wait_until_swept(&mut daemon);
    wait(&mut daemon, "the run has not ended", || stage.runs()[0].state == "completed");
    stop(&mut daemon);
    assert_eq!(stage.sessions(), (10, 0));
    assert_eq!(stage.assert_counts(MANY), i64::from(MANY));
}
