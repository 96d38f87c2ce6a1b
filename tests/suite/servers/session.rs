//! One connection to a test database, usable from plain and from asynchronous tests alike.

use std::sync::{Arc, OnceLock, mpsc};

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::runtime::{Builder, Handle};
use tokio::sync::Mutex;

use super::Engine;

enum Connection {
    Postgres(PgConnection),
    MySql(MySqlConnection),
    Sqlite(SqliteConnection),
}

/// Runs `$body` with `$connection` bound to the driver's own connection: the code is compiled once per driver.
macro_rules! with_connection {
    ($session:expr, |$connection:ident| $body:expr) => {{
        let shared = Arc::clone(&$session.connection);
        wait_for(async move {
            match &mut *shared.lock().await {
                Connection::Postgres($connection) => $body.await,
                Connection::MySql($connection) => $body.await,
                Connection::Sqlite($connection) => $body.await,
            }
        })
    }};
}

/// A connection; a transaction that is left open ends with it.
pub struct Session {
    connection: Arc<Mutex<Connection>>,
}

impl Session {
    /// # Panics
    /// When the database cannot be reached; see [`Session::try_open`].
    pub fn open(engine: Engine, url: &str) -> Self {
        Self::try_open(engine, url).unwrap_or_else(|error| panic!("cannot connect: {error}"))
    }

    pub fn try_open(engine: Engine, url: &str) -> Result<Self, sqlx::Error> {
        let url = url.to_owned();
        let connection = wait_for(async move {
            Ok::<_, sqlx::Error>(match engine {
                Engine::Postgres => Connection::Postgres(PgConnection::connect(&url).await?),
                Engine::MySql => Connection::MySql(MySqlConnection::connect(&url).await?),
                Engine::Sqlite => Connection::Sqlite(SqliteConnection::connect(&url).await?),
            })
        })?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs one or several statements.
    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{error}, in: {sql}"));
    }

    pub fn try_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        with_connection!(self, |connection| async { sqlx::raw_sql(sql).execute(connection).await.map(drop) })
    }

    /// Runs one statement, and gives the number of rows that it changed.
    pub fn change(&self, sql: &str) -> u64 {
        let text = AssertSqlSafe(sql.to_owned());
        with_connection!(self, |connection| async {
            sqlx::raw_sql(text).execute(connection).await.map(|done| done.rows_affected())
        })
        .unwrap_or_else(|error| panic!("{error}, in: {sql}"))
    }

    /// The one integer that a query gives.
    pub fn count(&self, sql: &str) -> i64 {
        self.try_count(sql).unwrap_or_else(|error| panic!("{error}, in: {sql}"))
    }

    pub fn try_count(&self, sql: &str) -> Result<i64, sqlx::Error> {
        let text = AssertSqlSafe(sql.to_owned());
        with_connection!(self, |connection| sqlx::query_scalar(text).fetch_one(connection))
    }

    /// The first column of every row, which the query must give as text.
    pub fn texts(&self, sql: &str) -> Vec<Option<String>> {
        let text = AssertSqlSafe(sql.to_owned());
        with_connection!(self, |connection| sqlx::query_scalar(text).fetch_all(connection))
            .unwrap_or_else(|error| panic!("{error}, in: {sql}"))
    }
}

/// Runs a future to its end on a thread of its own: a test that is itself asynchronous must not start a second
/// runtime on its thread.
fn wait_for<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = mpsc::sync_channel(1);
    driver().spawn(async move { sender.send(future.await) });
    receiver.recv().expect("the task on the driver thread ends")
}

fn driver() -> &'static Handle {
    static DRIVER: OnceLock<Handle> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    })
}
