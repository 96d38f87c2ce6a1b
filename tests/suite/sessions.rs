//! Session management: the library on every engine, and its commands.

mod commands;
mod revoke;
mod touch;
mod trouble;
mod users;

use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sweepd::clock::Clock;
use sweepd::config::{Config, Environment};
use sweepd::daemon;
use sweepd::sessions::Sessions;

use crate::oneshot::quoted;
use crate::servers::{Engine, TestDatabase};
use crate::stage::Stage;

/// Later than the clock of any database, so that it is the one that counts.
const NOW: &str = "2030-01-02T03:04:05Z";

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
        let table = self.name("User");
        self.stage.database().execute(&format!(
            "CREATE TABLE {table} (id varchar(191) PRIMARY KEY, name varchar(60), email varchar(191) NOT NULL UNIQUE, role {role} NOT NULL);
             INSERT INTO {table} VALUES ('ada', 'Ada', 'ada@example.com', 'USER'), ('bob', NULL, 'bob@example.com', 'ADMIN')"
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
    let environment: Environment = [("DATABASE_URL", database.url())].into_iter().collect();
    let config = Config::from_text(Path::new("sweepd.toml"), text, &environment).unwrap_or_else(|e| panic!("{e}"));
    let job = config.sessions_job(None).unwrap();
    daemon::sessions(&config, job, clock, "library")
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
