//! What a sweep runs out of: disks, the right to write, privileges. Nothing goes without its count.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::oneshot::quoted;
use crate::process::{Process, sweepd};
use crate::servers::Engine;
use crate::stage::{LIMIT, Run, Stage, wait};

const EVERY_SECOND: &str = "* * * * * *";
const MANY: u32 = 60_000;
/// About three seconds for [`MANY`] rows.
const SLOW: &str = "nice = 0\nmax_rows_per_second = 20000";

/// Lets a program see a small file system of its own at `directory`, made by `prepare`, a line of shell. It goes away
/// with the program. None where this user may not do so.
fn with_own_disk(directory: &Path, prepare: &str, program: &Command) -> Option<Process> {
    let spaces = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let may = |space: &&&[&str]| {
        Command::new("unshare").args(**space).arg("true").output().is_ok_and(|done| done.status.success())
    };
    let Some(space) = spaces.iter().find(may) else {
        eprintln!("not run: this user may not mount anything");
        return None;
    };
    let mut command = Command::new("unshare");
    command.args(*space).args(["sh", "-ec", &format!("{prepare}; exec \"$@\""), "sh"]);
    command.arg(program.get_program()).args(program.get_args()).env("DISK", directory);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(Process::spawn(command))
}

fn clean(stage: &Stage, limits: &str, rest: &str) -> Command {
    let mut command = sweepd();
    command.arg("--config").arg(stage.configure("manual", limits, rest)).arg("clean");
    command
}

/// A run that failed on its way, with some rows gone and all of those counted.
fn assert_failed_on_the_way(stage: &Stage, expired: u32) -> Run {
    let gone = stage.assert_counts(expired);
    assert!(0 < gone && gone < i64::from(expired), "{gone} rows gone");
    let runs = stage.runs();
    assert_eq!((runs.len(), &*runs[0].state), (1, "failed"), "{runs:?}");
    assert_eq!(stage.audit()[0]["action"], "SESSION_CLEANUP_ERROR");
    assert_eq!(stage.sessions().0, 10);
    runs[0].clone()
}

#[test]
fn the_disk_of_the_archive_fills_up() {
    for engine in Engine::all() {
        let Some(stage) = Stage::fresh(engine) else { continue };
        stage.fill(10_000, 10);
        let directory = stage.directory().join("archive");
        std::fs::create_dir(&directory).unwrap();
        let archive =
            format!("[jobs.sessions.archive]\ndirectory = {}", toml::Value::from(directory.to_str().unwrap()));
        let clean = clean(&stage, "batch_target = \"2ms\"\nnice = 0", &archive);
        let mount = "mount -t tmpfs -o size=64k tmpfs \"$DISK\"";
        let Some(mut sweep) = with_own_disk(&directory, mount, &clean) else { return };
        assert_eq!(sweep.exit_code(LIMIT), 1, "{}", sweep.output());
        let said = sweep.output();
        for part in ["cannot write to the archive file", "No space left", "make room on its disk"] {
            assert!(said.contains(part), "{engine:?}: no {part:?} in {said}");
        }
        assert_failed_on_the_way(&stage, 10_000);
    }
}

/// Sweeping goes on, and the console says that the files have gaps. `/dev/full` is a disk that is full.
#[test]
fn the_disk_of_the_logs_is_full() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(50, 10);
    let directory = stage.directory().join("logs");
    std::fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink("/dev/full", directory.join("sweepd.log")).unwrap();
    let log = format!("[log]\nrotation = \"never\"\ndirectory = {}", toml::Value::from(directory.to_str().unwrap()));
    let mut daemon = stage.daemon(EVERY_SECOND, "", &log);
    stage.wait_until_swept(&mut daemon);
    stage.fill_again();
    stage.wait_until_swept(&mut daemon);
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(8)), 0, "{}", daemon.output());
    let said = daemon.stderr();
    let lines: Vec<_> = said.lines().filter(|line| line.contains("cannot write logs to")).collect();
    assert_eq!(lines.len(), 1, "said once: {said}");
    assert!(lines[0].contains("No space left") && lines[0].contains("log.directory"), "{said}");
    assert_eq!(stage.assert_counts(51), 51);
}

/// Nor does it stop anything when the console itself cannot be written.
#[test]
fn the_disk_of_the_console_is_full() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(50, 10);
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" >/dev/full 2>/dev/full", "sh"]).arg(env!("CARGO_BIN_EXE_sweepd"));
    command.arg("--config").arg(stage.configure(EVERY_SECOND, "", "")).arg("run");
    let mut daemon = Process::spawn(command);
    stage.wait_until_swept(&mut daemon);
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(8)), 0);
    assert_eq!(stage.assert_counts(50), 50);
}

#[test]
fn a_database_file_that_cannot_be_written_is_said_at_once() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(50, 10);
    let directory = stage.database().path().parent().unwrap().to_owned();
    let copy = stage.directory().join("app.db");
    // The disk of the copy is put over the directory of the file.
    let mount = format!(
        "cp \"$DISK/app.db\" '{0}'; mount -t tmpfs -o size=1m tmpfs \"$DISK\"; mv '{0}' \"$DISK/app.db\"; \
         mount -o remount,ro \"$DISK\"",
        copy.display()
    );
    for (own_tables, subcommand) in [(false, "clean"), (true, "clean"), (true, "run")] {
        if own_tables && stage_has_no_ledger(&stage) {
            let mut first = stage.clean("max_rows = 1", "");
            assert_eq!(first.exit_code(LIMIT), 3, "{}", first.output());
        }
        let mut program = sweepd();
        program.arg("--config").arg(stage.configure(EVERY_SECOND, "", "")).arg(subcommand);
        let Some(mut sweep) = with_own_disk(&directory, &mount, &program) else { return };
        if subcommand == "run" {
            sweep.wait_for_output("outcome=failed", LIMIT);
            sweep.signal("TERM");
            assert_eq!(sweep.exit_code(Duration::from_secs(8)), 0, "{}", sweep.output());
        } else {
            assert_eq!(sweep.exit_code(Duration::from_secs(10)), 1, "{}", sweep.output());
        }
        let said = sweep.output();
        assert!(said.contains("readonly database; let this user write the file"), "{said}");
        assert!(!said.contains("trying again") && !said.contains("primary"), "{said}");
    }
    assert_eq!(stage.sessions(), (10, 49));
}

fn stage_has_no_ledger(stage: &Stage) -> bool {
    stage.database().count("SELECT count(*) FROM sqlite_master WHERE name = 'sweepd_run'") == 0
}

/// What each engine needs to take a privilege away: on MySQL, a user who has it on the table alone, because live sessions
/// keep what they have on the database.
struct Revocable {
    stage: Stage,
    user: String,
}

impl Revocable {
    fn fresh(engine: Engine) -> Option<Self> {
        let stage = Stage::fresh(engine)?;
        stage.fill(MANY, 10);
        if engine == Engine::Postgres {
            // The owner of a table may take away what it may do itself.
            return Some(Self { stage, user: "app".to_owned() });
        }
        let name = stage.database().name().to_owned();
        let user = format!("{name}_sweeper");
        stage.database().admin().execute(&format!(
            "CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'secret';
             GRANT SELECT, INSERT, UPDATE, CREATE, ALTER, INDEX ON {name}.* TO {user}@'127.0.0.1';
             GRANT DELETE ON {name}.Session TO {user}@'127.0.0.1'"
        ));
        let url = stage.database().url_as(&user, "secret");
        Some(Self { stage: stage.reached_by(url), user })
    }

    fn say(&self, verb: &str, privilege: &str, table: &str, to: &str) {
        let database = self.stage.database();
        let (schema, user) = if database.engine() == Engine::Postgres {
            (if table == "run" { "sweepd" } else { "public" }, self.user.clone())
        } else {
            (database.name(), format!("{}@'127.0.0.1'", self.user))
        };
        let table = quoted(database.engine(), table);
        database.admin().execute(&format!("{verb} {privilege} ON {schema}.{table} {to} {user}"));
    }
}

impl Drop for Revocable {
    fn drop(&mut self) {
        if self.stage.database().engine() == Engine::MySql {
            let _ = self.stage.database().admin().try_execute(&format!("DROP USER {}@'127.0.0.1'", self.user));
        }
    }
}

#[test]
fn the_privilege_to_delete_is_revoked_in_the_middle() {
    for engine in Engine::SERVERS {
        let Some(test) = Revocable::fresh(engine) else { continue };
        let stage = &test.stage;
        let mut sweep = stage.clean(SLOW, "");
        wait(&mut sweep, "nothing is deleted", || stage.sessions().1 < i64::from(MANY));
        test.say("REVOKE", "DELETE", "Session", "FROM");
        assert_eq!(sweep.exit_code(LIMIT), 1, "{}", sweep.output());
        let said = sweep.output();
        assert!(said.contains("denied") && said.contains("`sweepd check` prints the GRANT"), "{said}");
        assert!(!said.contains("trying again"), "{said}");
        assert_failed_on_the_way(stage, MANY);

        test.say("GRANT", "DELETE", "Session", "TO");
        let mut next = stage.clean("nice = 0", "");
        assert_eq!(next.exit_code(LIMIT), 0, "{}", next.output());
        assert_eq!(stage.assert_counts(MANY), i64::from(MANY));
    }
}

/// Without the ledger there is no count, so there is no DELETE; and the end cannot be written either.
#[test]
fn the_privilege_to_count_is_revoked_in_the_middle() {
    let Some(test) = Revocable::fresh(Engine::Postgres) else { return };
    let stage = &test.stage;
    let mut sweep = stage.clean(SLOW, "");
    wait(&mut sweep, "nothing is deleted", || stage.sessions().1 < i64::from(MANY));
    test.say("REVOKE", "UPDATE", "run", "FROM");
    assert_eq!(sweep.exit_code(LIMIT), 1, "{}", sweep.output());
    let said = sweep.output();
    assert!(said.contains("could not be recorded") && said.contains("`sweepd check` prints the GRANT"), "{said}");
    let gone = i64::from(MANY) - stage.sessions().1;
    let runs = stage.runs();
    assert_eq!((runs.len(), &*runs[0].state, runs[0].deleted), (1, "running", gone), "{runs:?}");
    assert!(0 < gone && gone < i64::from(MANY), "{gone} rows gone");

    test.say("GRANT", "UPDATE", "run", "TO");
    let quick = "[daemon]\nheartbeat = \"200ms\"\nstale_after = \"1s\"";
    let mut next = stage.daemon("manual", "nice = 0", quick);
    stage.wait_until_swept(&mut next);
    stage.wait_for_runs(&mut next, |runs| runs.iter().all(|run| run.state != "running"));
    next.signal("TERM");
    assert_eq!(next.exit_code(Duration::from_secs(8)), 0, "{}", next.output());
    assert_eq!(stage.assert_counts(MANY), i64::from(MANY));
    assert_eq!(stage.runs()[0].state, "interrupted");
}
