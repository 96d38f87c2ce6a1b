//! The database: connections, transactions, and all SQL text.

mod encoding;
mod error;
mod row;
mod statement;
mod table;
mod url;

pub mod audit_sql;
pub mod demo_sql;
pub mod expiry_sql;
pub mod introspect;
pub mod ledger_sql;
pub mod migrate;
pub mod sweep_sql;

use std::time::Duration;

use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, Executor as _, MySql, MySqlPool, PgPool, Postgres, Sqlite, SqlitePool};

pub use encoding::{Encoding, Mode};
pub use error::{DbError, Trouble};
pub use row::{DecodeError, Row};
pub use statement::{Param, Statement, quote, quote_table};
pub use table::{Column, NameError, Table, TableKind, TableName, identifier};
pub use url::{ConnectOptions, DatabaseUrl, Engine, UrlError};

/// How to connect.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where.
    pub url: DatabaseUrl,
    /// At most this many connections at once.
    pub max_connections: u32,
    /// Give up connecting after this time.
    pub connect_timeout: Duration,
    /// Give up on a row lock after this time.
    pub lock_timeout: Duration,
    /// Give up on a statement after this time.
    pub statement_timeout: Duration,
}

/// An open database. Connections are made when they are needed; [`Database::close`] ends them.
#[derive(Debug, Clone)]
pub struct Database {
    pool: Pool,
    location: String,
    schema: String,
    version: Version,
    timeouts: (Duration, Duration),
}

/// What the server says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As it writes it.
    pub text: String,
    /// Its major number.
    pub major: u32,
    /// Whether it is `MariaDB`.
    pub mariadb: bool,
}

#[derive(Debug, Clone)]
enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To look only: the database itself refuses writes, where it can.
    Read,
    /// To write, durably.
    Write,
    /// To delete one batch: its commit need not wait for the disk, because a lost batch loses its count with it.
    Batch,
}

/// A transaction; dropped without [`Transaction::commit`], it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    inner: Inner,
    location: String,
}

#[derive(Debug)]
enum Inner {
    Postgres(sqlx::Transaction<'static, Postgres>),
    MySql(sqlx::Transaction<'static, MySql>),
    Sqlite(sqlx::Transaction<'static, Sqlite>),
}

/// Compiles `$body` once per driver, with `$it` bound to the driver's own pool or transaction.
macro_rules! with_driver {
    ($kind:ident, $value:expr, $it:ident => $body:expr) => {
        match $value {
            $kind::Postgres($it) => $body,
            $kind::MySql($it) => $body,
            $kind::Sqlite($it) => $body,
        }
    };
}

/// A query of the driver with all parameters bound. Statements are not kept prepared: a maintenance statement runs
/// rarely, and proxies that pool by transaction dislike named ones. The text is safe by construction: it comes from
/// [`Statement`], which quotes identifiers and binds values.
macro_rules! query {
    ($statement:expr) => {{
        let (sql, params) = $statement.into_parts();
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for param in params {
            query = match param {
                Param::Null => query.bind(None::<String>),
                Param::Int(value) => query.bind(value),
                Param::Float(value) => query.bind(value),
                Param::Text(value) => query.bind(value),
                Param::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Database {
    /// Connects, and asks the server who it is.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses the log-in.
    pub async fn connect(settings: &Settings) -> Result<Self, DbError> {
        let location = settings.url.location();
        let mut database = Self {
            pool: Pool::new(settings),
            location,
            schema: String::new(),
            version: Version { text: String::new(), major: 0, mariadb: false },
            timeouts: (settings.lock_timeout, settings.statement_timeout),
        };
        let identity = introspect::identity(database.engine());
        let rows = database.read(identity).await?;
        let (version, schema) = database.decode(|| {
            let row = rows.first().ok_or_else(|| DecodeError::new("no row"))?;
            Ok((row.text(0)?.unwrap_or_default(), row.text(1)?.unwrap_or_default()))
        })?;
        database.version = Version::parse(&version);
        database.schema = settings.url.schema().map_or(schema, str::to_owned);
        Ok(database)
    }

    /// Which server it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.pool {
            Pool::Postgres(_) => Engine::Postgres,
            Pool::MySql(_) => Engine::MySql,
            Pool::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// What the server says that it is.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The schema in which a table without one is looked for (on `MySQL`: the database).
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Where it is, without secrets.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// `table` with its schema.
    #[must_use]
    pub fn qualify(&self, table: &TableName) -> TableName {
        let schema = table.schema.clone().unwrap_or_else(|| self.schema.clone());
        TableName { schema: Some(schema), name: table.name.clone() }
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When there is no connection to be had.
    pub async fn begin(&self, purpose: Purpose) -> Result<Transaction, DbError> {
        let begin = AssertSqlSafe(self.begin_sql(purpose));
        let inner = match &self.pool {
            Pool::Postgres(pool) => pool.begin_with(begin).await.map(Inner::Postgres),
            Pool::MySql(pool) => pool.begin_with(begin).await.map(Inner::MySql),
            Pool::Sqlite(pool) => pool.begin_with(begin).await.map(Inner::Sqlite),
        };
        let inner = inner.map_err(|error| self.error(&error))?;
        Ok(Transaction { inner, location: self.location.clone() })
    }

    /// Reads rows in a transaction of its own: a proxy that pools by transaction keeps the statement together.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn read(&self, statement: Statement) -> Result<Vec<Row>, DbError> {
        let mut transaction = self.begin(Purpose::Read).await?;
        let rows = transaction.fetch(statement).await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// Runs a statement in a transaction of its own, and returns the number of rows that it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn write(&self, statement: Statement) -> Result<u64, DbError> {
        let mut transaction = self.begin(Purpose::Write).await?;
        let changed = transaction.execute(statement).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    /// Runs a statement that wants no transaction around it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn script(&self, sql: &str) -> Result<(), DbError> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let done = with_driver!(Pool, &self.pool, pool => pool.execute(sql).await.map(drop));
        done.map_err(|error| self.error(&error))
    }

    /// Reads values out of rows, and says where it went wrong.
    ///
    /// # Errors
    /// That of `read`.
    pub fn decode<T>(&self, read: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DbError> {
        read().map_err(|error| DbError::other(&self.location, error.to_string()))
    }

    /// Ends all connections: one that sat idle through the night is half-open when it is needed.
    pub async fn close(&self) {
        with_driver!(Pool, &self.pool, pool => pool.close().await);
    }

    fn error(&self, error: &sqlx::Error) -> DbError {
        DbError::new(&self.location, error)
    }

    fn begin_sql(&self, purpose: Purpose) -> String {
        let (lock, statement) = (self.timeouts.0.as_millis(), self.timeouts.1.as_millis());
        match (self.engine(), purpose) {
            (Engine::Postgres, Purpose::Read) => "BEGIN READ ONLY".to_owned(),
            (Engine::Postgres, Purpose::Write) => format!("BEGIN; SET LOCAL lock_timeout = {lock}"),
            (Engine::Postgres, Purpose::Batch) => format!(
                "BEGIN; SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {statement}; \
                 SET LOCAL idle_in_transaction_session_timeout = {statement}; SET LOCAL synchronous_commit = off"
            ),
            (Engine::MySql, Purpose::Read) => "START TRANSACTION READ ONLY".to_owned(),
            (Engine::MySql, _) => "START TRANSACTION".to_owned(),
            (Engine::Sqlite, Purpose::Read) => "BEGIN".to_owned(),
            (Engine::Sqlite, _) => "BEGIN IMMEDIATE".to_owned(),
        }
    }
}

impl Pool {
    /// Opens no connection yet, and starts no task: without life times there is nothing to watch over.
    fn new(settings: &Settings) -> Self {
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
            ConnectOptions::Sqlite(to) => Self::Sqlite(options!(SqlitePoolOptions).connect_lazy_with(to.clone())),
            ConnectOptions::MySql(to) => {
                let session = mysql_session(settings.lock_timeout);
                let options = options!(MySqlPoolOptions).after_connect(move |connection, _| {
                    let session = AssertSqlSafe(session.clone());
                    Box::pin(async move { connection.execute(sqlx::raw_sql(session)).await.map(drop) })
                });
                Self::MySql(options.connect_lazy_with(to.clone()))
            }
        }
    }
}

/// READ COMMITTED takes no gap locks, so an application's inserts never wait for a sweep.
fn mysql_session(lock_timeout: Duration) -> String {
    let seconds = lock_timeout.as_secs().max(1);
    format!("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION innodb_lock_wait_timeout = {seconds}")
}

impl Transaction {
    /// Runs a statement and returns the number of rows that it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, DbError> {
        let done = with_driver!(Inner, &mut self.inner, transaction =>
            query!(statement).execute(&mut **transaction).await.map(|done| done.rows_affected()));
        done.map_err(|error| DbError::new(&self.location, &error))
    }

    /// Runs a script of several statements.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let done = with_driver!(Inner, &mut self.inner, transaction => transaction.execute(sql).await.map(drop));
        done.map_err(|error| DbError::new(&self.location, &error))
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, DbError> {
        let rows = match &mut self.inner {
            Inner::Postgres(transaction) => query!(statement)
                .fetch_all(&mut **transaction)
                .await
                .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
            Inner::MySql(transaction) => query!(statement)
                .fetch_all(&mut **transaction)
                .await
                .map(|rows| rows.into_iter().map(Row::MySql).collect()),
            Inner::Sqlite(transaction) => query!(statement)
                .fetch_all(&mut **transaction)
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
        };
        rows.map_err(|error| DbError::new(&self.location, &error))
    }

    /// Makes it last.
    ///
    /// # Errors
    /// When the answer does not come: the transaction may or may not have been committed.
    pub async fn commit(self) -> Result<(), DbError> {
        let done = with_driver!(Inner, self.inner, transaction => transaction.commit().await);
        done.map_err(|error| DbError::new(&self.location, &error))
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When the connection is gone; the server takes it back then too.
    pub async fn rollback(self) -> Result<(), DbError> {
        let done = with_driver!(Inner, self.inner, transaction => transaction.rollback().await);
        done.map_err(|error| DbError::new(&self.location, &error))
    }
}

impl Version {
    fn parse(text: &str) -> Self {
        let major = text.split(|c: char| !c.is_ascii_digit()).find_map(|part| part.parse().ok());
        Self { text: text.to_owned(), major: major.unwrap_or_default(), mariadb: text.contains("MariaDB") }
    }
}
