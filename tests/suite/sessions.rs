//! Session management: the library on every engine, and its commands.

pub mod commands;
pub mod revoke;
mod touch;
mod trouble;
pub mod users;

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sweepd::clock::Clock;
use sweepd::config::{Config, Environment};
use sweepd::daemon;
use sweepd::sessions::{OpenError, Sessions, Settings};

use crate::oneshot::quoted;
use crate::servers::{Engine, TestDatabase};
use crate::stage::Stage;

/// Later than the clock of any database, so that it is the one that counts.
const NOW: &str = "2030-01-02T03:04:05Z";

/// However far apart the clocks are.
const CENTURIES: Duration = Duration::from_hours(24 * 365 * 1000);

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn minutes(minutes: i64) -> DateTime<Utc> {
    now() + chrono::TimeDelta::minutes(minutes)
}

/// Does the same on every engine, on an application's tables.
fn on_every_engine(test: &impl AsyncFn(&App)) {
    for engine in Engine::all() {
        if let Some(stage) = Stage::fresh(engine) {
            block_on(test(&App::new(stage)));
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// An application with sessions, users and an audit log.
pub struct App {
    pub stage: Stage,
    pub engine: Engine,
}

impl App {
    pub fn new(stage: Stage) -> Self {
        let app = Self { engine: stage.database().engine(), stage };
        app.create_users();
        crate::least_privilege::admit_to_users(app.database());
        app
    }

    fn create_users(&self) {
        let role = match self.engine {
            Engine::Postgres => {
                self.stage.database().execute(r#"CREATE TYPE "Role" AS ENUM ('USER', 'ADMIN')"#);
                r#""Role""#
            }
            Engine::MySql => "enum('USER', 'ADMIN')",
            Engine::Sqlite => "varchar(20) CHECK (role IN ('USER', 'ADMIN'))",
        };
        let (table, verified) = (self.name("User"), self.name("emailVerified"));
        let time = if self.engine == Engine::MySql { "datetime" } else { "timestamp" };
        self.stage.database().execute(&format!(
            "CREATE TABLE {table} (id varchar(191) PRIMARY KEY, name varchar(60), email varchar(191) NOT NULL UNIQUE, role {role} NOT NULL, {verified} {time} NULL);
             INSERT INTO {table} (id, name, email, role) VALUES ('ada', 'Ada', 'ada@example.com', 'USER'), ('bob', NULL, 'bob@example.com', 'ADMIN')"
        ));
    }

    pub fn name(&self, name: &str) -> String {
        quoted(self.engine, name)
    }

    pub fn database(&self) -> &TestDatabase {
        self.stage.database()
    }

    /// Sessions by the configuration `text`, at the time `clock`.
    fn sessions_with(&self, text: &str, clock: &Clock) -> Sessions {
        open(self.database(), text, clock)
    }

    fn sessions(&self) -> Sessions {
        self.sessions_with("", &Clock::fixed(now()))
    }

    /// Adds a session that ends at `expires`.
    pub fn add(&self, token: &str, user: &str, expires: DateTime<Utc>) {
        let sql = format!("INSERT INTO {} VALUES {}", self.name("Session"), row(self.engine, token, user, expires));
        self.database().execute(&sql);
    }

    pub fn tokens(&self) -> Vec<String> {
        tokens(&self.stage)
    }

    pub fn audit(&self) -> Vec<Value> {
        self.stage.audit()
    }
}

/// Adds sessions of Ada, one for each end: `t0`, `t1`, and so on.
pub fn add_all(stage: &Stage, ends: &[DateTime<Utc>]) {
    let engine = stage.database().engine();
    let row = |(number, end): (usize, &DateTime<Utc>)| row(engine, &format!("t{number}"), "ada", *end);
    let rows: Vec<_> = ends.iter().enumerate().map(row).collect();
    stage.database().execute(&format!("INSERT INTO {} VALUES {}", quoted(engine, "Session"), rows.join(", ")));
}

fn row(engine: Engine, token: &str, user: &str, expires: DateTime<Utc>) -> String {
    let expires = match engine {
        Engine::Sqlite => expires.timestamp_millis().to_string(),
        _ => format!("'{}'", expires.format("%Y-%m-%d %H:%M:%S%.3f")),
    };
    let token = token.replace('\'', "''");
    let token = if engine == Engine::MySql { token.replace('\\', "\\\\") } else { token };
    format!("('{token}', '{user}', {expires})")
}

/// The tokens that are left, in order.
fn tokens(stage: &Stage) -> Vec<String> {
    let engine = stage.database().engine();
    let (token, table) = (quoted(engine, "sessionToken"), quoted(engine, "Session"));
    let rows = stage.database().texts(&format!("SELECT {token} FROM {table}"));
    let mut tokens: Vec<_> = rows.into_iter().flatten().collect();
    tokens.sort();
    tokens
}

fn open(database: &TestDatabase, text: &str, clock: &Clock) -> Sessions {
    let environment: Environment = [("DATABASE_URL", database.sweepd_url())].into_iter().collect();
    let config = Config::from_text(Path::new("sweepd.toml"), text, &environment).unwrap_or_else(|e| panic!("{e}"));
    let mut job = config.sessions_job(None).unwrap().clone();
    // The times of these tests are made up.
    job.spec.max_clock_skew = CENTURIES;
    daemon::sessions(&config, &job, clock, "library")
}

/// A server hands a call to another thread.
#[test]
fn calls_can_be_sent() {
    fn sent<T: Send>(_: T) {}
    let sessions = Sessions::open("postgres://app@localhost/app", "authjs-prisma").unwrap();
    sent(sessions.touch_session("t"));
    sent(sessions.revoke_session("t"));
    sent(sessions.user_sessions("u"));
    sent(sessions.invalidate_user_sessions("u", Some("t")));
    sent(sessions.update_user_role("u", "ADMIN"));
    sent(sessions.clone());
}

/// The store of express-session writes the local time of somebody.
#[test]
fn a_library_that_writes_local_time_is_opened_with_its_zone() {
    let (url, preset) = ("postgres://app@localhost/app", "connect-pg-simple");
    assert!(matches!(Sessions::open(url, preset), Err(OpenError::Preset(_))));
    assert!(matches!(Sessions::open_with_zone(url, preset, "Europe/Pari"), Err(OpenError::Zone(_))));
    Sessions::open_with_zone(url, preset, "Europe/Paris").unwrap();
    Sessions::open_with_zone("sqlite:app.db", "django", "UTC").unwrap();
}

/// A program may hand in any settings.
#[test]
fn ages_that_do_not_fit_are_made_to() {
    on_every_engine(&async |app| {
        let mut settings = Settings::new(app.database().url(), "authjs-prisma").unwrap();
        assert_ne!(settings.host, "unknown");
        (settings.max_age, settings.update_age) = (Duration::MAX, Duration::MAX);
        settings.clock = Clock::fixed(now());
        settings.spec.max_clock_skew = CENTURIES;
        let endless = Sessions::new(settings.clone());
        settings.spec.max_age = Some(Duration::from_mins(10));
        let short = Sessions::new(settings);
        app.add("one", "ada", minutes(1));
        assert!(short.touch_session("one").await.unwrap());
        let ends = async || short.user_sessions("ada").await.unwrap()[0].expires_at;
        assert_eq!(ends().await, Some(minutes(10)), "{:?}", app.engine);
        assert!(endless.touch_session("one").await.unwrap());
        assert_eq!(ends().await, Some(minutes(100 * 365 * 24 * 60)), "{:?}", app.engine);
    });
}

/// One of the two clocks is wrong, and nobody knows which: that is no reason to log everybody out.
#[test]
fn clocks_that_are_far_apart_are_an_error() {
    on_every_engine(&async |app| {
        if app.engine == Engine::Sqlite {
            return;
        }
        let mut settings = Settings::new(app.database().url(), "authjs-prisma").unwrap();
        settings.clock = Clock::fixed(now());
        app.add("one", "ada", minutes(-1));
        let error = Sessions::new(settings).touch_session("one").await.unwrap_err();
        assert!(error.to_string().contains("s apart and more than"), "{error}");
    });
}
