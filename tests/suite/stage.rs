//! The stage for tests of the running program: an application's tables, a configuration, and what can be seen of the
//! rows, the ledger and the audit log.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Deadline, Process, sweepd};
use crate::servers::{Engine, Session, TestDatabase};

/// More than any step of a test takes on a slow machine.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A job that no timer fires.
pub const NEVER: &str = "manual";

const POLL: Duration = Duration::from_millis(5);

/// A database with the tables of an application, and a directory for the configuration of sweepd.
pub struct Stage {
    database: TestDatabase,
    directory: TempDir,
    /// Where sweepd connects to.
    url: String,
}

/// A run as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: String,
    pub trigger: String,
    pub state: String,
    pub stopped_by: Option<String>,
    pub deleted: i64,
    /// Seconds since 1970.
    pub scheduled_for: Option<i64>,
}

impl Stage {
    /// The tables, on a server that all tests share.
    pub fn fresh(engine: Engine) -> Option<Self> {
        TestDatabase::fresh(engine).map(Self::on)
    }

    /// The tables as Prisma creates them, in an empty database.
    pub fn on(database: TestDatabase) -> Self {
        database.execute(match database.engine() {
            Engine::Postgres => {
                r#"CREATE TABLE "Session" ("sessionToken" text PRIMARY KEY, "userId" text NOT NULL, "expires" timestamp(3) NOT NULL);
                CREATE TABLE "AuditLog" ("id" text PRIMARY KEY, "action" text NOT NULL, "details" jsonb, "createdAt" timestamp(3) NOT NULL DEFAULT now())"#
            }
            Engine::MySql => {
                "CREATE TABLE `Session` (`sessionToken` varchar(191) PRIMARY KEY, `userId` varchar(191) NOT NULL, `expires` datetime(3) NOT NULL);
                CREATE TABLE `AuditLog` (`id` varchar(191) PRIMARY KEY, `action` varchar(191) NOT NULL, `details` json, `createdAt` datetime(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3))"
            }
            Engine::Sqlite => {
                r#"CREATE TABLE "Session" ("sessionToken" TEXT PRIMARY KEY, "userId" TEXT NOT NULL, "expires" DATETIME NOT NULL);
                CREATE TABLE "AuditLog" ("id" TEXT PRIMARY KEY, "action" TEXT NOT NULL, "details" JSONB, "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP)"#
            }
        });
        Self::around(database)
    }

    /// A database whose tables are there already.
    pub fn around(database: TestDatabase) -> Self {
        let url = database.url().to_owned();
        Self { database, directory: tempfile::tempdir().expect("a temporary directory"), url }
    }

    /// The same, but sweepd connects to another URL.
    pub fn reached_by(self, url: String) -> Self {
        Self { url, ..self }
    }

    /// The same, with parameters in the URL.
    pub fn with_parameters(self, parameters: &str) -> Self {
        let url = format!("{}?{parameters}", self.url);
        self.reached_by(url)
    }

    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The directory of the configuration.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Adds sessions that expired a minute ago and earlier, and ones that live for another hour.
    pub fn fill(&self, expired: u32, live: u32) {
        let session = self.database.session();
        for (name, count, minutes) in [("expired", expired, -1), ("live", live, 60)] {
            session.execute(&insert(self.database.engine(), name, count, minutes));
        }
    }

    /// Adds one more expired session, with another name than those of [`Stage::fill`].
    pub fn fill_again(&self) {
        self.database.execute(&insert(self.database.engine(), "expired-later", 1, -1));
    }

    /// Writes a configuration with one job, and returns its path. `limits` and `rest` are TOML.
    pub fn configure(&self, schedule: &str, limits: &str, rest: &str) -> PathBuf {
        let path = self.directory().join("sweepd.toml");
        let url = toml::Value::from(&*self.url);
        let text = format!(
            "[database]\nurl = {url}\n[jobs.sessions]\nschedule = \"{schedule}\"\npreset = \"authjs-prisma\"\n\
             [jobs.sessions.limits]\n{limits}\n{rest}\n"
        );
        // In one step: a daemon that runs already may be reading it.
        let new = self.directory().join("sweepd.toml.new");
        fs::write(&new, text).expect("a configuration file");
        fs::rename(new, &path).expect("it takes its place");
        path
    }

    /// Starts `sweepd run` on a configuration that [`Stage::configure`] wrote.
    pub fn daemon(&self, schedule: &str, limits: &str, rest: &str) -> Process {
        self.call("run", schedule, limits, rest)
    }

    /// Starts `sweepd clean` on a configuration that [`Stage::configure`] wrote.
    pub fn clean(&self, limits: &str, rest: &str) -> Process {
        self.call("clean", NEVER, limits, rest)
    }

    fn call(&self, subcommand: &str, schedule: &str, limits: &str, rest: &str) -> Process {
        let mut command = sweepd();
        command.arg("--config").arg(self.configure(schedule, limits, rest)).arg(subcommand);
        Process::spawn(command)
    }

    /// The live sessions of [`Stage::fill`] and the expired ones.
    pub fn sessions(&self) -> (i64, i64) {
        let session = self.database.session();
        let count = |name| session.count(&count_sessions(self.database.engine(), name));
        (count("live"), count("expired"))
    }

    /// Waits until no expired session is left.
    pub fn wait_until_swept(&self, process: &mut Process) {
        let sql = count_sessions(self.database.engine(), "expired");
        let session = self.database.session();
        wait(process, "expired rows are left", || session.count(&sql) == 0);
    }

    /// Waits until the ledger counts deleted rows, which is in the middle of a sweep of many.
    pub fn wait_for_progress(&self, process: &mut Process) {
        process.wait_for_output("run started", LIMIT);
        let session = self.database.session();
        wait(process, "nothing is deleted", || self.runs_of(&session).iter().any(|run| run.deleted > 0));
    }

    /// Waits until the runs of the ledger are as wanted, and returns them.
    pub fn wait_for_runs(&self, process: &mut Process, wanted: impl Fn(&[Run]) -> bool) -> Vec<Run> {
        process.wait_for_output("run started", LIMIT);
        let session = self.database.session();
        let mut runs = Vec::new();
        wait(process, "the ledger is not as wanted", || {
            runs = self.runs_of(&session);
            wanted(&runs)
        });
        runs
    }

    /// The runs in the ledger, oldest first.
    pub fn runs(&self) -> Vec<Run> {
        self.runs_of(&self.database.session())
    }

    fn runs_of(&self, session: &Session) -> Vec<Run> {
        let rows = session.texts(ledger(self.database.engine()));
        rows.into_iter().map(|row| run(&json(row))).collect()
    }

    /// The `details` of the audit log, oldest first, each with its `action`.
    pub fn audit(&self) -> Vec<Value> {
        let sql = match self.database.engine() {
            Engine::Postgres => {
                r#"SELECT (details || jsonb_build_object('action', action))::text FROM "AuditLog" ORDER BY "createdAt", id"#
            }
            Engine::MySql => {
                "SELECT CAST(JSON_SET(details, '$.action', action) AS CHAR) FROM AuditLog ORDER BY createdAt, id"
            }
            Engine::Sqlite => {
                r#"SELECT json_set(details, '$.action', action) FROM "AuditLog" ORDER BY "createdAt", id"#
            }
        };
        self.database.texts(sql).into_iter().map(json).collect()
    }

    /// Asserts that ledger and audit log count exactly the rows that are gone, and returns that count.
    pub fn assert_counts(&self, expired: u32) -> i64 {
        let gone = i64::from(expired) - self.sessions().1;
        let runs = self.runs();
        let audit = self.audit();
        let ledger: i64 = runs.iter().map(|run| run.deleted).sum();
        let audited: i64 = audit.iter().filter_map(|row| row["deletedCount"].as_i64()).sum();
        assert_eq!((ledger, audited), (gone, gone), "ledger and audit against rows gone: {runs:?} {audit:?}");
        for run in runs.iter().filter(|run| !matches!(&*run.state, "running" | "skipped")) {
            let rows: Vec<_> = audit.iter().filter(|row| row["runId"] == *run.id).collect();
            assert_eq!(rows.len(), 1, "one audit row for {run:?}: {audit:?}");
            assert_eq!(rows[0]["deletedCount"], run.deleted, "{run:?}");
            assert_eq!(rows[0]["outcome"], *run.state, "{run:?}");
        }
        gone
    }
}

/// Waits for something that a running program brings about.
pub fn wait(process: &mut Process, missing: &str, mut done: impl FnMut() -> bool) {
    let deadline = Deadline::after(LIMIT);
    while !done() {
        assert!(!deadline.has_passed(), "{missing} after {LIMIT:?}:\n{}", process.output());
        let ended = process.wait_timeout(Duration::ZERO);
        assert!(ended.is_none(), "{missing}, and the program has ended:\n{}", process.output());
        std::thread::sleep(POLL);
    }
}

/// Rows by a join of digits, which every engine can do.
pub fn insert(engine: Engine, name: &str, count: u32, minutes: i32) -> String {
    let places = count.saturating_sub(1).to_string().len();
    let digits: Vec<_> = (0..places).map(|place| format!("digit AS d{place}")).collect();
    let number: Vec<_> =
        (0..places).map(|place| format!("d{place}.d * {}", 10_usize.pow(u32::try_from(place).unwrap()))).collect();
    let digit: Vec<_> = (1..10).map(|digit| format!("UNION ALL SELECT {digit}")).collect();
    let (expires, token) = match engine {
        Engine::Postgres => {
            (format!("now() AT TIME ZONE 'UTC' + interval '{minutes} minutes'"), format!("'{name}-' || n"))
        }
        Engine::MySql => (format!("UTC_TIMESTAMP(3) + INTERVAL {minutes} MINUTE"), format!("CONCAT('{name}-', n)")),
        Engine::Sqlite => {
            (format!("CAST(strftime('%s', 'now', '{minutes} minutes') AS INTEGER) * 1000"), format!("'{name}-' || n"))
        }
    };
    let table = if engine == Engine::MySql { "Session" } else { "\"Session\"" };
    format!(
        "INSERT INTO {table} WITH digit AS (SELECT 0 AS d {}), number AS (SELECT {} AS n FROM {}) \
         SELECT {token}, 'ada', {expires} FROM number WHERE n < {count}",
        digit.join(" "),
        number.join(" + "),
        digits.join(" CROSS JOIN "),
    )
}

fn count_sessions(engine: Engine, name: &str) -> String {
    match engine {
        Engine::MySql => format!("SELECT COUNT(*) FROM Session WHERE sessionToken LIKE '{name}-%'"),
        _ => format!(r#"SELECT COUNT(*) FROM "Session" WHERE "sessionToken" LIKE '{name}-%'"#),
    }
}

fn ledger(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => {
            "SELECT json_build_object('id', id, 'trigger', triggered_by, 'state', state, 'stoppedBy', stopped_by,
                'deleted', deleted, 'scheduledFor', extract(epoch FROM scheduled_for)::bigint)::text
            FROM sweepd.run ORDER BY started_at, id"
        }
        Engine::MySql => {
            "SELECT CAST(JSON_OBJECT('id', id, 'trigger', triggered_by, 'state', state, 'stoppedBy', stopped_by,
                'deleted', deleted, 'scheduledFor', TIMESTAMPDIFF(SECOND, '1970-01-01', scheduled_for)) AS CHAR)
            FROM sweepd_run ORDER BY started_at, id"
        }
        Engine::Sqlite => {
            "SELECT json_object('id', id, 'trigger', triggered_by, 'state', state, 'stoppedBy', stopped_by,
                'deleted', deleted, 'scheduledFor', CAST(strftime('%s', scheduled_for) AS INTEGER))
            FROM sweepd_run ORDER BY started_at, id"
        }
    }
}

fn json(text: Option<String>) -> Value {
    serde_json::from_str(&text.expect("a value")).expect("JSON")
}

fn run(row: &Value) -> Run {
    let text = |key: &str| row[key].as_str().map(str::to_owned);
    Run {
        id: text("id").expect("an id"),
        trigger: text("trigger").expect("a trigger"),
        state: text("state").expect("a state"),
        stopped_by: text("stoppedBy"),
        deleted: row["deleted"].as_i64().expect("a count"),
        scheduled_for: row["scheduledFor"].as_i64(),
    }
}
