//! The drivers' connection pools behind one face.

use std::time::Duration;

use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, MySqlPool, PgConnection, PgPool, Row as _,
    SqlitePool,
};

use super::transaction::Inner;
use super::{ConnectOptions, Engine, Settings, with_driver};

/// `SQLite`'s write-ahead log is copied back after so many pages (40 MB), and not at every batch: batches that delete at
/// random places write the same pages again and again.
const CHECKPOINT_AFTER: &str = "10000";

#[derive(Debug, Clone)]
pub(super) enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

impl Pool {
    pub(super) fn engine(&self) -> Engine {
        match self {
            Self::Postgres(_) => Engine::Postgres,
            Self::MySql(_) => Engine::MySql,
            Self::Sqlite(_) => Engine::Sqlite,
        }
    }

    pub(super) async fn begin(&self, sql: String) -> Result<Inner, sqlx::Error> {
        let begin = AssertSqlSafe(sql);
        match self {
            Self::Postgres(pool) => pool.begin_with(begin).await.map(Inner::Postgres),
            Self::MySql(pool) => pool.begin_with(begin).await.map(Inner::MySql),
            Self::Sqlite(pool) => pool.begin_with(begin).await.map(Inner::Sqlite),
        }
    }

    /// What a server answers that takes no connection: the pool would go on trying until its timeout, and then not say
    /// why. Waits for ever when there is no such answer.
    pub(super) async fn refusal(settings: &Settings) -> sqlx::Error {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let answer = match settings.url.options() {
            ConnectOptions::Postgres(to) => PgConnection::connect_with(to).await.map(drop),
            ConnectOptions::MySql(to) => MySqlConnection::connect_with(to).await.map(drop),
            ConnectOptions::Sqlite(_) => Ok(()),
        };
        match answer {
            Err(error) => error,
            Ok(()) => std::future::pending().await,
        }
    }

    pub(super) async fn script(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        with_driver!(Pool, self, pool => pool.execute(sql).await.map(drop))
    }

    /// Copies `SQLite`'s write-ahead log back, as far as nobody is in the way, and returns how many pages it holds. With
    /// `RESTART` the log begins anew, unless somebody else is writing or reading in it: nobody is waited for, because
    /// meanwhile all others would have to wait.
    pub(super) async fn checkpoint(&self, mode: &str) -> Result<i64, sqlx::Error> {
        let Self::Sqlite(pool) = self else { return Ok(0) };
        let mut connection = pool.acquire().await?;
        let patience: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *connection).await?;
        connection.execute("PRAGMA busy_timeout = 0").await?;
        let sql = AssertSqlSafe(format!("PRAGMA wal_checkpoint({mode})"));
        let pages = sqlx::query(sql).fetch_one(&mut *connection).await?.try_get(1);
        connection.execute(AssertSqlSafe(format!("PRAGMA busy_timeout = {patience}"))).await?;
        pages
    }

    pub(super) async fn close(&self) {
        with_driver!(Pool, self, pool => pool.close().await);
    }

    /// Opens no connection yet, and starts no task: without life times there is nothing to watch over.
    pub(super) fn new(settings: &Settings) -> Self {
        macro_rules! options {
            ($options:ty) => {
                <$options>::new()
                    .max_connections(settings.max_connections)
                    .acquire_timeout(settings.connect_timeout)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .test_before_acquire(false)
            };
        }
        match settings.url.options() {
            ConnectOptions::Postgres(to) => Self::Postgres(options!(PgPoolOptions).connect_lazy_with(to.clone())),
            ConnectOptions::Sqlite(to) => {
                let to = to.clone().pragma("wal_autocheckpoint", CHECKPOINT_AFTER);
                // One works; the other stays in the write-ahead log. Each has a cache of its own (2 MB).
                Self::Sqlite(options!(SqlitePoolOptions).max_connections(2).connect_lazy_with(to))
            }
            ConnectOptions::MySql(to) => {
                let session = mysql_session(settings);
                let options = options!(MySqlPoolOptions).after_connect(move |connection, _| {
                    let session = AssertSqlSafe(session.clone());
                    Box::pin(async move { connection.execute(sqlx::raw_sql(session)).await.map(drop) })
                });
                Self::MySql(options.connect_lazy_with(to.clone()))
            }
        }
    }
}

/// READ COMMITTED takes no gap locks, so an application's inserts never wait for a sweep. A connection that is silent in
/// the middle of a batch is ended by the server after a while, or its locks would stop everybody else: by `MariaDB` as soon
/// as a statement would be.
fn mysql_session(settings: &Settings) -> String {
    let lock = settings.lock_timeout.as_secs().max(1);
    let statement = settings.statement_timeout.as_secs().max(1);
    let silent = statement + 30;
    format!(
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION innodb_lock_wait_timeout = {lock}, \
         lock_wait_timeout = {lock}, wait_timeout = {silent} /*M!100300 , idle_transaction_timeout = {statement} */"
    )
}
