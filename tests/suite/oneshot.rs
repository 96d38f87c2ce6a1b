//! The one-shot commands as a person calls them, and what they print.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::least_privilege;
use crate::process::{Process, sweepd};
use crate::servers::{Engine, TestDatabase};

const LIMIT: Duration = Duration::from_secs(30);

/// A database, and a directory to call sweepd in.
pub struct Shell {
    pub database: TestDatabase,
    directory: TempDir,
    url: String,
}

/// What a call gave.
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Shell {
    pub fn fresh(engine: Engine) -> Option<Self> {
        TestDatabase::fresh(engine).map(Self::on)
    }

    pub fn on(database: TestDatabase) -> Self {
        let url = database.sweepd_url().to_owned();
        Self { database, directory: tempfile::tempdir().unwrap(), url }
    }

    /// A database with a table.
    pub fn with(engine: Engine, tables: &str) -> Option<Self> {
        let database = TestDatabase::fresh(engine)?;
        database.execute(tables);
        least_privilege::admit(&database);
        Some(Self::on(database))
    }

    /// The same with another URL.
    pub fn connect_as(mut self, url: String) -> Self {
        self.url = url;
        self
    }

    /// Writes `sweepd.toml`.
    pub fn configure(&self, text: &str) {
        fs::write(self.path().join("sweepd.toml"), text).unwrap();
    }

    /// Writes a `sweepd.toml` with one job.
    pub fn job(&self, layout: &str) {
        self.configure(&format!("[jobs.sessions]\nschedule = \"manual\"\n{layout}\n"));
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn call(&self, arguments: &[&str]) -> Said {
        let mut command = sweepd();
        command.args(arguments).env("DATABASE_URL", &self.url).current_dir(self.path());
        let mut process = Process::spawn(command);
        let code = process.exit_code(LIMIT);
        Said { code, stdout: process.stdout(), stderr: process.stderr() }
    }

    /// Calls a command that must end with `code`.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.call(arguments);
        assert_eq!(said.code, code, "{arguments:?}\n{}{}", said.stdout, said.stderr);
        said
    }

    /// Calls a command with `--json` that must end with `code`.
    pub fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let said = self.expect(code, &arguments);
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", said.stdout, said.stderr))
    }

    /// The values of a text column, in order.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        self.database.texts(sql).into_iter().flatten().collect()
    }
}

/// Does the same on every engine that is installed.
pub fn on_every_engine(tables: impl Fn(Engine) -> String, test: impl Fn(Shell, Engine)) {
    for engine in Engine::all() {
        if let Some(shell) = Shell::with(engine, &tables(engine)) {
            test(shell, engine);
        }
    }
}

/// A `NOW() + hours` of the engine, in UTC and without a zone.
pub fn hours(engine: Engine, hours: i32) -> String {
    match engine {
        Engine::Postgres => format!("((now() AT TIME ZONE 'UTC') + interval '{hours} hours')"),
        Engine::MySql => format!("(UTC_TIMESTAMP(6) + INTERVAL {hours} HOUR)"),
        Engine::Sqlite => format!("(CAST(strftime('%s','now') AS INTEGER) + {hours} * 3600) * 1000"),
    }
}

/// A name in the engine's quotes.
pub fn quoted(engine: Engine, name: &str) -> String {
    if engine == Engine::MySql {
        format!("`{}`", name.replace('`', "``"))
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A table with the columns of Auth.js, with two expired and two live sessions.
pub fn authjs(engine: Engine, table: &str) -> String {
    let kind = match engine {
        Engine::Postgres => "timestamp(3)",
        Engine::MySql => "datetime(3)",
        Engine::Sqlite => "datetime",
    };
    let name = |name| quoted(engine, name);
    let (table, token, user, expires) = (name(table), name("sessionToken"), name("userId"), name("expires"));
    let row = |token: &str, at: i32| format!("('{token}', 'u', {})", hours(engine, at));
    format!(
        "CREATE TABLE {table} ({token} varchar(191) PRIMARY KEY, {user} varchar(191) NOT NULL, {expires} {kind});
         INSERT INTO {table} VALUES {}, {}, {}, {}, ('never', 'u', NULL)",
        row("old", -1000),
        row("late", -1),
        row("soon", 1),
        row("far", 1000)
    )
}

/// The tokens that are left.
pub fn left(shell: &Shell, engine: Engine, table: &str) -> Vec<String> {
    let token = quoted(engine, "sessionToken");
    shell.texts(&format!("SELECT {token} FROM {} ORDER BY {token}", quoted(engine, table)))
}

fn audit_log(engine: Engine) -> String {
    let kind = match engine {
        Engine::Postgres => ("jsonb", "timestamp(3)"),
        Engine::MySql => ("json", "datetime(3)"),
        Engine::Sqlite => ("text", "datetime"),
    };
    let name = |name| quoted(engine, name);
    format!(
        "CREATE TABLE {} ({} varchar(191) PRIMARY KEY, {} varchar(191) NOT NULL, {} {}, {} {} NOT NULL)",
        name("AuditLog"),
        name("id"),
        name("action"),
        name("details"),
        kind.0,
        name("createdAt"),
        kind.1
    )
}

#[test]
pub fn nothing_but_the_url_is_needed() {
    on_every_engine(
        |engine| format!("{};{}", authjs(engine, "Session"), audit_log(engine)),
        |shell, engine| {
            let done = shell.json(0, &["clean"]);
            assert_eq!(
                (&done["success"], &done["deletedCount"], &done["dryRun"]),
                (&true.into(), &2.into(), &false.into())
            );
            let run = &done["runs"][0];
            for key in [
                "job",
                "runId",
                "trigger",
                "scheduledFor",
                "startedAt",
                "finishedAt",
                "durationMs",
                "cutoff",
                "outcome",
                "stoppedBy",
                "deletedCount",
                "batches",
                "order",
                "throttledMs",
                "host",
                "error",
            ] {
                assert!(run.get(key).is_some(), "{key} is missing in {run}");
            }
            assert_eq!((&run["outcome"], &run["trigger"]), (&"completed".into(), &"manual".into()));
            assert_eq!(left(&shell, engine, "Session"), ["far", "never", "soon"]);
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 0);
            let runs = shell.json(0, &["history"])["runs"].as_array().unwrap().clone();
            assert_eq!(runs.iter().map(|run| run["deletedCount"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 2]);
            let action = quoted(engine, "action");
            let actions = shell.texts(&format!("SELECT {action} FROM {}", quoted(engine, "AuditLog")));
            assert_eq!(actions, ["SESSION_CLEANUP", "SESSION_CLEANUP"]);
        },
    );
}

#[test]
fn a_dry_run_and_statistics_count_and_change_nothing() {
    on_every_engine(
        |engine| authjs(engine, "Session"),
        |shell, engine| {
            let found = shell.json(0, &["clean", "--dry-run", "--stats"]);
            assert_eq!((&found["dryRun"], &found["runs"][0]["expired"]), (&true.into(), &2.into()));
            assert!(found["runs"][0]["plan"]["walks"][0]["sql"].as_str().unwrap().starts_with("DELETE FROM"));
            let stats = shell.json(0, &["stats"])["jobs"][0].clone();
            assert_eq!((&stats["total"], &stats["active"], &stats["expired"]), (&5.into(), &3.into(), &2.into()));
            for key in ["job", "oldestExpiry", "newestExpiry", "timestamp"] {
                assert!(stats[key].is_string(), "{stats}");
            }
            shell.expect(0, &["check"]);
            let tables = match engine {
                Engine::Postgres => "SELECT count(*) FROM pg_tables WHERE schemaname = 'sweepd'",
                Engine::MySql => {
                    "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name LIKE 'sweepd%'"
                }
                Engine::Sqlite => "SELECT count(*) FROM sqlite_master WHERE name LIKE 'sweepd%'",
            };
            assert_eq!((shell.database.count(tables), left(&shell, engine, "Session").len()), (0, 5));
        },
    );
}

#[test]
fn the_schema_of_the_url_is_swept_and_no_other() {
    let tables = "CREATE SCHEMA app; CREATE TABLE public.\"Session\" (\"sessionToken\" text, expires timestamp);
         CREATE TABLE app.\"Session\" (\"sessionToken\" text, expires timestamp);
         INSERT INTO public.\"Session\" VALUES ('public', '2020-01-01'); INSERT INTO app.\"Session\" VALUES ('app', '2020-01-01')";
    let Some(shell) = Shell::with(Engine::Postgres, tables) else { return };
    let url = format!("{}?schema=app&connection_limit=1&pgbouncer=true", shell.database.url());
    let shell = shell.connect_as(url);
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1);
    let left = "SELECT \"sessionToken\" FROM public.\"Session\" UNION ALL SELECT \"sessionToken\" FROM app.\"Session\"";
    assert_eq!(shell.texts(left), ["public"]);
}

#[test]
fn infinite_and_odd_expiries_never_match_and_stop_nothing() {
    let rows = "('inf', 'infinity'), ('minus', '-infinity'), ('zero', '1970-01-01'), ('max', '9999-12-31'), ('null', NULL), ('old', '2020-01-01')";
    let tables = format!(
        "CREATE TABLE \"Session\" (\"sessionToken\" text, expires timestamp); INSERT INTO \"Session\" VALUES {rows}"
    );
    let Some(shell) = Shell::with(Engine::Postgres, &tables) else { return };
    assert_eq!(shell.json(0, &["clean"])["deletedCount"], 1);
    assert_eq!(left(&shell, Engine::Postgres, "Session"), ["inf", "max", "minus", "null", "zero"]);
    shell.expect(0, &["stats"]);
}

#[test]
fn names_with_quotes_and_sql_are_only_names() {
    let table = "we\"ird `; DROP TABLE x; --";
    on_every_engine(
        |engine| authjs(engine, table),
        |shell, engine| {
            let name = toml::Value::from(table);
            shell.job(&format!("preset = \"authjs-prisma\"\ntable = {name}"));
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2);
            assert_eq!(left(&shell, engine, table).len(), 3);
        },
    );
}

#[test]
pub fn limits_stop_between_batches() {
    on_every_engine(
        |engine| authjs(engine, "Session"),
        |shell, engine| {
            shell.job("preset = \"authjs-prisma\"\n[jobs.sessions.limits]\nmax_rows = 1");
            let done = shell.json(3, &["clean"]);
            let run = &done["runs"][0];
            assert_eq!(
                (&run["outcome"], &run["stoppedBy"], &run["deletedCount"]),
                (&"partial".into(), &"max-rows".into(), &1.into())
            );
            assert_eq!(left(&shell, engine, "Session").len(), 4);
        },
    );
}

#[test]
fn migrate_creates_what_is_missing_and_its_sql_does_so_by_hand() {
    on_every_engine(
        |engine| authjs(engine, "Session"),
        |shell, engine| {
            shell.configure("[database]\nmigrate = \"never\"\n");
            let refused = shell.expect(1, &["clean"]);
            assert!(refused.stderr.contains("CREATE TABLE"), "{}", refused.stderr);
            let sql = shell.expect(0, &["migrate", "--audit-log", "--index", "--dry-run"]).stdout;
            let person = shell.database.session();
            for statement in sql.replace(" CONCURRENTLY", "").split_inclusive(";\n") {
                person.execute(statement);
            }
            let said = shell.expect(0, &["migrate", "--audit-log", "--index"]);
            assert!(said.stdout.contains("Nothing is missing"), "{}", said.stdout);
            let done = shell.json(0, &["clean"]);
            assert_eq!((&done["deletedCount"], &done["runs"][0]["order"]), (&2.into(), &"expiry".into()));
            let found = shell.json(0, &["check"]);
            assert!(found["findings"].as_array().unwrap().iter().all(|finding| finding["level"] == "ok"), "{found}");
            assert_eq!(left(&shell, engine, "Session").len(), 3);
        },
    );
}

#[test]
fn the_audit_table_may_look_otherwise() {
    on_every_engine(
        |engine| {
            let name = |name| quoted(engine, name);
            let id = if engine == Engine::Sqlite { "integer PRIMARY KEY" } else { "varchar(40) PRIMARY KEY" };
            format!(
                "{}; CREATE TABLE {} ({} {id}, {} varchar(40) NOT NULL, {} text, {} varchar(9) NOT NULL)",
                authjs(engine, "Session"),
                name("log"),
                name("id"),
                name("event"),
                name("metadata"),
                name("tenant")
            )
        },
        |shell, engine| {
            let said = {
                shell.configure("[audit]\ntable = \"log\"\n");
                shell.expect(0, &["clean"])
            };
            assert!(said.stderr.contains("tenant") && said.stderr.contains("audit.values"), "{}", said.stderr);
            shell.configure("[audit]\ntable = \"log\"\n[audit.values]\ntenant = \"t1\"\n");
            shell.expect(0, &["clean"]);
            let row = format!("SELECT {} FROM log", quoted(engine, "tenant"));
            assert_eq!(shell.texts(&row), ["t1"]);
        },
    );
}

#[test]
pub fn a_locked_row_is_left_and_the_others_go() {
    for engine in Engine::SERVERS {
        let Some(shell) = Shell::with(engine, &authjs(engine, "Session")) else { continue };
        shell.job("preset = \"authjs-prisma\"\n[jobs.sessions.limits]\nlock_timeout = \"100ms\"");
        let application = shell.database.session();
        let token = quoted(engine, "sessionToken");
        let table = quoted(engine, "Session");
        application.execute(&format!("BEGIN; SELECT 1 FROM {table} WHERE {token} = 'late' FOR UPDATE"));
        let done = shell.json(3, &["clean"]);
        assert_eq!(done["runs"][0]["stoppedBy"], "locked-rows", "{done}");
        application.execute("ROLLBACK");
        shell.expect(0, &["clean"]);
        assert_eq!(left(&shell, engine, "Session"), ["far", "never", "soon"]);
    }
}

#[test]
pub fn another_active_run_is_exit_4_and_a_dead_one_is_closed() {
    on_every_engine(
        |engine| format!("{};{}", authjs(engine, "Session"), audit_log(engine)),
        |shell, engine| {
            shell.expect(0, &["migrate"]);
            let (table, now, target) = match engine {
                Engine::Postgres => ("sweepd.run", "clock_timestamp()", "public.Session".to_owned()),
                Engine::MySql => ("sweepd_run", "UTC_TIMESTAMP(6)", format!("{}.Session", shell.database.name())),
                Engine::Sqlite => ("sweepd_run", "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", "main.Session".to_owned()),
            };
            let row = |id: u8, at: &str| {
                format!(
                    "INSERT INTO {table} (id, target, job, triggered_by, state, host, started_at, heartbeat_at, deleted)
                     VALUES ('0190b5a4-0000-7000-8000-00000000000{id}', '{target}', 'sessions', 'manual', 'running', 'h', {at}, {at}, 7)"
                )
            };
            shell.database.execute(&row(1, now));
            let said = shell.json(4, &["clean"]);
            assert_eq!(said["success"], false, "{said}");
            shell.database.execute(&format!("DELETE FROM {table}"));
            let long_ago =
                if engine == Engine::Sqlite { "'2026-01-01T00:00:00.000Z'" } else { "'2026-01-01 00:00:00'" };
            shell.database.execute(&row(2, long_ago));
            assert_eq!(shell.json(0, &["clean"])["deletedCount"], 2);
            let runs = shell.json(0, &["history"])["runs"].as_array().unwrap().clone();
            let dead = runs.iter().find(|run| run["outcome"] == "interrupted").unwrap();
            assert_eq!(dead["deletedCount"], 7);
            let audit = quoted(engine, "AuditLog");
            let errors = format!("SELECT count(*) FROM {audit} WHERE action = 'SESSION_CLEANUP_ERROR'");
            assert_eq!(shell.database.count(&errors), 1);
        },
    );
}
