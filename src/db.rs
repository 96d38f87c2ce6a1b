//! The database: connections, transactions, and all SQL text.

mod encoding;
mod error;
mod pool;
mod row;
mod statement;
mod table;
mod transaction;
mod url;

pub mod alert_sql;
pub mod audit_sql;
pub mod batch_sql;
pub mod catalog_sql;
pub mod children;
pub mod demo_sql;
pub mod expiry_sql;
pub mod history_sql;
pub mod introspect;
pub mod ledger_sql;
pub mod migrate;
pub mod probe_sql;
pub mod session_sql;
pub mod sweep_sql;
pub mod write_ahead_log;

use std::time::Duration;

use pool::{Connections, Pool};
use transaction::Lease;

pub use encoding::{Encoding, Mode};
pub use error::{DbError, Trouble};
pub use row::{DecodeError, Row};
pub use statement::{Param, Statement, quote, quote_table};
pub use table::{Column, Index, NameError, Table, TableKind, TableName, identifier};
pub use transaction::{Purpose, Transaction};
pub use url::{ConnectOptions, DatabaseUrl, Engine, UrlError};

/// How much longer than the database itself we wait for the end of a statement before we take the connection for dead.
const MARGIN: Duration = Duration::from_secs(5);

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
    /// End a connection that nobody has used for this long; none keeps it until [`Database::close`].
    pub idle_timeout: Option<Duration>,
}

/// An open database. Connections are made when they are needed; [`Database::close`] ends them.
#[derive(Debug, Clone)]
pub struct Database {
    connections: Connections,
    location: String,
    schema: String,
    version: Version,
    timeouts: (Duration, Duration),
    /// Whether it is an `SQLite` file with a write-ahead log.
    has_log: bool,
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
use with_driver;

/// Ends work whose answer does not come: a host that has gone away says nothing, and TCP waits for many minutes.
async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let Some(limit) = limit else { return work.await };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let seconds = limit.as_secs();
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer for {seconds} s")).into())
    })
}

impl Database {
    /// Connects, and asks the server who it is.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses the log-in.
    pub async fn connect(settings: &Settings) -> Result<Self, DbError> {
        let location = settings.url.location();
        let mut database = Self {
            connections: Connections::new(settings),
            location,
            schema: String::new(),
            version: Version { text: String::new(), major: 0, mariadb: false },
            timeouts: (settings.lock_timeout, settings.statement_timeout),
            has_log: false,
        };
        let identity = introspect::identity(database.engine());
        let rows = tokio::select! {
            rows = database.read(identity) => rows?,
            error = Pool::refusal(settings) => return Err(database.error(&error)),
        };
        let (version, schema, journal) = database.decode(|| {
            let row = rows.first().ok_or_else(|| DecodeError::new("no row"))?;
            Ok((row.text(0)?.unwrap_or_default(), row.text(1)?.unwrap_or_default(), row.text(2)?))
        })?;
        database.has_log = journal.as_deref() == Some("wal");
        database.version = Version::parse(&version);
        if database.version.mariadb {
            database.location = database.location.replacen("MySQL", "MariaDB", 1);
        }
        database.schema = settings.url.schema().map_or(schema, str::to_owned);
        Ok(database)
    }

    /// Which server it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.connections.engine()
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

    /// Whether the other one is a clone of this.
    #[must_use]
    pub fn shares_connections(&self, other: &Self) -> bool {
        self.connections.are(&other.connections)
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
        let limit = self.timeouts.1 + MARGIN;
        let lease = Lease::of(&self.connections, &self.location);
        let begin = within(Some(limit), lease.pool.begin(self.begin_sql(purpose)));
        let inner = begin.await.map_err(|error| lease.error(&error))?;
        Ok(Transaction { inner, lease, limit: (purpose != Purpose::Count).then_some(limit) })
    }

    /// Reads rows in a transaction of its own: a proxy that pools by transaction keeps the statement together.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn read(&self, statement: Statement) -> Result<Vec<Row>, DbError> {
        self.read_for(Purpose::Read, statement).await
    }

    /// The same for a statement that reads a whole table, and may take its time.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count(&self, statement: Statement) -> Result<Vec<Row>, DbError> {
        self.read_for(Purpose::Count, statement).await
    }

    async fn read_for(&self, purpose: Purpose, statement: Statement) -> Result<Vec<Row>, DbError> {
        let mut transaction = self.begin(purpose).await?;
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
        self.connections.pool().script(sql).await.map_err(|error| self.error(&error))
    }

    /// Reads values out of rows, and says where it went wrong.
    ///
    /// # Errors
    /// That of `read`.
    pub fn decode<T>(&self, read: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DbError> {
        read().map_err(|error| DbError::other(&self.location, error.to_string()))
    }

    /// Ends all connections: one that sat idle through the night is half-open when it is needed. One that does not
    /// answer is left to the system.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.connections.pool().close()).await;
    }

    fn error(&self, error: &sqlx::Error) -> DbError {
        DbError::new(&self.location, error)
    }

    fn begin_sql(&self, purpose: Purpose) -> String {
        let (lock, statement) = (self.timeouts.0.as_millis(), self.timeouts.1.as_millis());
        // A process that stands still in the middle of a transaction holds what others need, its run's row first of all.
        let locks =
            format!("SET LOCAL lock_timeout = {lock}; SET LOCAL idle_in_transaction_session_timeout = {statement}");
        let times = format!("{locks}; SET LOCAL statement_timeout = {statement}");
        match (self.engine(), purpose) {
            (Engine::Postgres, Purpose::Read) => format!("BEGIN READ ONLY; {times}"),
            (Engine::Postgres, Purpose::Count) => format!("BEGIN READ ONLY; {locks}"),
            (Engine::Postgres, Purpose::Write) => format!("BEGIN; {locks}"),
            (Engine::Postgres, Purpose::Change) => format!("BEGIN; {times}"),
            (Engine::Postgres, Purpose::Batch) => format!("BEGIN; {times}; SET LOCAL synchronous_commit = off"),
            (Engine::MySql, Purpose::Read) => format!("{}START TRANSACTION READ ONLY", self.mysql_limit(statement)),
            (Engine::MySql, Purpose::Count) => format!("{}START TRANSACTION READ ONLY", self.mysql_limit(0)),
            (Engine::MySql, Purpose::Write) => format!("{}START TRANSACTION", self.mysql_limit(0)),
            (Engine::MySql, Purpose::Change | Purpose::Batch) => {
                format!("{}START TRANSACTION", self.mysql_limit(statement))
            }
            (Engine::Sqlite, Purpose::Read | Purpose::Count) => "BEGIN".to_owned(),
            (Engine::Sqlite, Purpose::Write | Purpose::Change) => {
                "PRAGMA synchronous = FULL; BEGIN IMMEDIATE".to_owned()
            }
            // A commit that does not wait for the disk can lose the batch, and its count with it. Without a write-ahead
            // log it could damage the file.
            (Engine::Sqlite, Purpose::Batch) if self.has_log => {
                "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE".to_owned()
            }
            (Engine::Sqlite, Purpose::Batch) => "BEGIN IMMEDIATE".to_owned(),
        }
    }

    /// How long a statement may take; 0 is without limit. `MySQL` limits only what reads, `MariaDB` everything.
    fn mysql_limit(&self, millis: u128) -> String {
        match &self.version {
            // Before the server has said what it is.
            version if version.text.is_empty() => String::new(),
            version if version.mariadb => {
                let (seconds, millis, silent) = (millis / 1000, millis % 1000, self.timeouts.1.as_secs().max(1));
                format!("SET SESSION max_statement_time = {seconds}.{millis:03}, idle_transaction_timeout = {silent}; ")
            }
            _ => format!("SET SESSION max_execution_time = {millis}; "),
        }
    }
}

impl Version {
    fn parse(text: &str) -> Self {
        let major = text.split(|c: char| !c.is_ascii_digit()).find_map(|part| part.parse().ok());
        Self { text: text.to_owned(), major: major.unwrap_or_default(), mariadb: text.contains("MariaDB") }
    }
}
