//! The drivers' connection pools behind one face.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, MySqlPool, PgConnection, PgPool, Row as _,
    SqlitePool,
};

use super::transaction::Inner;
use super::{ConnectOptions, Engine, Settings, with_driver, write_ahead_log};

/// Commits of our own copy `SQLite`'s write-ahead log back after so many pages: where nobody watches over it, as when an
/// index is created.
const CHECKPOINT_AFTER: u32 = 2 * write_ahead_log::FULL;

/// The connections of a database, which all its clones share.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    settings: Arc<Settings>,
    pool: Arc<Mutex<Pool>>,
}

impl Connections {
    /// Opens none yet.
    pub(super) fn new(settings: &Settings) -> Self {
        Self { settings: Arc::new(settings.clone()), pool: Arc::new(Mutex::new(Pool::new(settings))) }
    }

    pub(super) fn engine(&self) -> Engine {
        self.settings.url.engine()
    }

    pub(super) fn are(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pool, &other.pool)
    }

    /// The pool of the moment.
    pub(super) fn pool(&self) -> Pool {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leaves a pool of which one connection is no good, so that all are made anew: the others lead to the same server,
    /// which may be gone, or be the primary no longer. What still works in it goes on to its end. One that is half-open
    /// would keep its place in the pool until TCP gives it up.
    pub(super) fn renew(&self, left: &Pool) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else has done so, or nothing is wanted any more.
        if left.is_closed() {
            return;
        }
        left.begin_to_close();
        *pool = Pool::new(&self.settings);
    }
}

#[derive(Debug, Clone)]
pub(super) enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

impl Pool {
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
    /// meanwhile all others would have to wait. `NOOP` only counts.
    pub(super) async fn checkpoint(&self, mode: &str) -> Result<i64, sqlx::Error> {
        let Self::Sqlite(pool) = self else { return Ok(0) };
        let mut connection = pool.acquire().await?;
        let patience: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *connection).await?;
        connection.execute("PRAGMA busy_timeout = 0").await?;
        let pages =
            sqlx::query(AssertSqlSafe(format!("PRAGMA wal_checkpoint({mode})"))).fetch_one(&mut *connection).await;
        // Also after an error. Where this is not reached, because the run was stopped, its end is tried again while
        // somebody else writes.
        connection.execute(AssertSqlSafe(format!("PRAGMA busy_timeout = {patience}"))).await?;
        pages?.try_get(1)
    }

    pub(super) async fn close(&self) {
        with_driver!(Pool, self, pool => pool.close().await);
    }

    /// Gives no more connections, and closes those that come back; waits for none.
    fn begin_to_close(&self) {
        with_driver!(Pool, self, pool => drop(pool.close()));
    }

    fn is_closed(&self) -> bool {
        with_driver!(Pool, self, pool => pool.is_closed())
    }

    /// Opens no connection yet. Without an idle timeout there is nothing to watch over, and no task is started.
    fn new(settings: &Settings) -> Self {
        macro_rules! options {
            ($options:ty) => {
                <$options>::new()
                    .max_connections(settings.max_connections)
                    .acquire_timeout(settings.connect_timeout)
                    .idle_timeout(settings.idle_timeout)
                    .max_lifetime(None)
                    .test_before_acquire(false)
            };
        }
        match settings.url.options() {
            ConnectOptions::Postgres(to) => Self::Postgres(options!(PgPoolOptions).connect_lazy_with(to.clone())),
            ConnectOptions::Sqlite(to) => {
                let to = to.clone().pragma("wal_autocheckpoint", CHECKPOINT_AFTER.to_string());
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
