//! The stage for tests of the running program: an application's tables, a configuration, and what can be seen of the
//! rows, the ledger and the audit log.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::least_privilege;
use crate::process::{Deadline, Process, sweepd};
use crate::servers::{Engine, PrivateServer, Session, TestDatabase};

/// More than any step of a test takes on a slow machine.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A job that no timer fires.
pub const NEVER: &str = "manual";
pub const EVERY_SECOND: &str = "* * * * * *";
pub const EVERY_TWO_SECONDS: &str = "*/2 * * * * *";
/// Replicas that notice each other's death soon.
pub const QUICK_HEARTBEAT: &str = "[daemon]\nheartbeat = \"200ms\"\nstale_after = \"1s\"";

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
    /// Whether it came as far as its plan.
    pub planned: bool,
    /// By the database's clock, as text that sorts by time.
    pub started_at: String,
    pub finished_at: Option<String>,
}

/// Rows as a single look at the database sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// What all runs in the ledger have deleted.
    pub deleted: i64,
    /// Expired sessions that are still there.
    pub left: i64,
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
        least_privilege::admit(&database);
        Self::around(database)
    }

    /// A database whose tables are there already.
    pub fn around(database: TestDatabase) -> Self {
        let url = database.sweepd_url().to_owned();
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

    /// What the ledger counts and what is left, at one moment.
    pub fn balance(&self) -> Balance {
        self.scales()()
    }

    /// Gives the balance again and again, over one connection.
    pub fn scales(&self) -> impl Fn() -> Balance {
        let (session, sql) = (self.database.session(), balance(self.database.engine()));
        move || {
            let row = json(session.texts(sql).remove(0));
            let number = |key: &str| row[key].as_i64().expect("a number");
            Balance { deleted: number("deleted"), left: number("left") }
        }
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
        self.assert_gone(gone);
        gone
    }

    /// Asserts that ledger and audit log count exactly `gone` rows.
    pub fn assert_gone(&self, gone: i64) {
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
    }
}

/// Ends a daemon as a service manager does.
pub fn stop(daemon: &mut Process) {
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(8)), 0, "{}", daemon.output());
}

/// The same test on every engine that is installed, at once.
pub fn on_every_engine(test: impl Fn(&Stage) + Sync) {
    let role = least_privilege::is_on();
    std::thread::scope(|scope| {
        for engine in Engine::all() {
            let test = &test;
            scope.spawn(move || {
                least_privilege::set(role);
                if let Some(stage) = Stage::fresh(engine) {
                    test(&stage);
                }
            });
        }
    });
}

/// A test that stops its server.
pub fn on_a_private_server(engine: Engine, test: impl FnOnce(&PrivateServer, &Stage)) {
    if let Some(server) = PrivateServer::start(engine) {
        let stage = Stage::on(server.fresh());
        test(&server, &stage);
    }
}

/// The scheduled instants of runs, in order.
pub fn instants(runs: &[Run]) -> Vec<i64> {
    let mut instants: Vec<_> = runs.iter().filter_map(|run| run.scheduled_for).collect();
    instants.sort_unstable();
    instants
}

/// Asserts that none is missing, and that none was answered twice.
pub fn assert_consecutive(instants: &[i64], step: i64) {
    let gaps: Vec<_> = instants.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap == step), "{instants:?} are not {step} s apart");
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

/// Rows that expire so many minutes from now.
pub fn insert(engine: Engine, name: &str, count: u32, minutes: i32) -> String {
    insert_spread(engine, name, count, minutes, u32::MAX)
}

/// Rows of which so many expire together, and the next ones a millisecond earlier: by a join of digits, which every
/// engine can do.
pub fn insert_spread(engine: Engine, name: &str, count: u32, minutes: i32, together: u32) -> String {
    let places = count.saturating_sub(1).to_string().len();
    let digits: Vec<_> = (0..places).map(|place| format!("digit AS d{place}")).collect();
    let number: Vec<_> =
        (0..places).map(|place| format!("d{place}.d * {}", 10_usize.pow(u32::try_from(place).unwrap()))).collect();
    let digit: Vec<_> = (1..10).map(|digit| format!("UNION ALL SELECT {digit}")).collect();
    let (expires, token) = match engine {
        Engine::Postgres => {
            let earlier = format!("n / {together} * interval '1 millisecond'");
            let expires = format!("now() AT TIME ZONE 'UTC' + interval '{minutes} minutes' - {earlier}");
            (expires, format!("'{name}-' || n"))
        }
        Engine::MySql => {
            let earlier = format!("INTERVAL n DIV {together} * 1000 MICROSECOND");
            (format!("UTC_TIMESTAMP(3) + INTERVAL {minutes} MINUTE - {earlier}"), format!("CONCAT('{name}-', n)"))
        }
        Engine::Sqlite => {
            let now = format!("CAST(strftime('%s', 'now', '{minutes} minutes') AS INTEGER) * 1000");
            (format!("{now} - n / {together}"), format!("'{name}-' || n"))
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

fn balance(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => {
            r#"SELECT json_build_object('deleted', (SELECT coalesce(sum(deleted), 0) FROM sweepd.run),
                'left', (SELECT count(*) FROM "Session" WHERE "sessionToken" LIKE 'expired-%'))::text"#
        }
        Engine::MySql => {
            "SELECT CAST(JSON_OBJECT('deleted', (SELECT CAST(COALESCE(SUM(deleted), 0) AS SIGNED) FROM sweepd_run),
                'left', (SELECT COUNT(*) FROM Session WHERE sessionToken LIKE 'expired-%')) AS CHAR)"
        }
        Engine::Sqlite => {
            r#"SELECT json_object('deleted', (SELECT coalesce(sum(deleted), 0) FROM sweepd_run),
                'left', (SELECT count(*) FROM "Session" WHERE "sessionToken" LIKE 'expired-%'))"#
        }
    }
}

fn ledger(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => {
            "SELECT json_build_object('id', id, 'trigger', triggered_by, 'state', state, 'stoppedBy', stopped_by,
                'deleted', deleted, 'scheduledFor', extract(epoch FROM scheduled_for)::bigint,
                'planned', (cutoff IS NOT NULL)::int, 'startedAt', to_char(started_at, 'YYYY-MM-DD HH24:MI:SS.US'),
                'finishedAt', to_char(finished_at, 'YYYY-MM-DD HH24:MI:SS.US'))::text
            FROM sweepd.run ORDER BY started_at, id"
        }
        Engine::MySql => {
            "SELECT CAST(JSON_OBJECT('id', id, 'trigger', triggered_by, 'state', state, 'stoppedBy', stopped_by,
                'deleted', deleted, 'scheduledFor', TIMESTAMPDIFF(SECOND, '1970-01-01', scheduled_for),
                'planned', IF(cutoff IS NULL, 0, 1), 'startedAt', CAST(started_at AS CHAR),
                'finishedAt', CAST(finished_at AS CHAR)) AS CHAR)
            FROM sweepd_run ORDER BY started_at, id"
        }
        Engine::Sqlite => {
            "SELECT json_object('id', id, 'trigger', triggered_by, 'state', state, 'stoppedBy', stopped_by,
                'deleted', deleted, 'scheduledFor', CAST(strftime('%s', scheduled_for) AS INTEGER),
                'planned', cutoff IS NOT NULL, 'startedAt', started_at, 'finishedAt', finished_at)
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
        planned: row["planned"] == 1,
        started_at: text("startedAt").expect("a start"),
        finished_at: text("finishedAt"),
    }
}
