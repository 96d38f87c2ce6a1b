//! The database's URL, as an application's ORM writes it.
//!
//! Every ORM has its own dialect of connection URL, and the drivers below ignore, log or reject what they don't know.
//! A parameter that is dropped silently can mean that the wrong schema is swept, so the URL is read here: what has a
//! meaning is honoured, what has none is named in [`DatabaseUrl::notes`], and what would change the target is refused.
//! No message of this module contains a password, a user name or the value of a parameter.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{mysql::MySqlConnectOptions, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

mod encoding;
mod error;
mod mysql;
mod params;
mod postgres;
mod search_path;
mod server;
mod sqlite;
mod tls;

pub use error::UrlError;

/// Which database server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// `PostgreSQL`, and servers that speak its protocol.
    Postgres,
    /// `MySQL` or `MariaDB`.
    MySql,
    /// `SQLite`.
    Sqlite,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::Sqlite => "SQLite",
        })
    }
}

/// The options to connect with, for the engine's driver. Statement logging is off: it would log data.
#[derive(Clone)]
pub enum ConnectOptions {
    /// `PostgreSQL`.
    Postgres(PgConnectOptions),
    /// `MySQL` or `MariaDB`.
    MySql(MySqlConnectOptions),
    /// `SQLite`.
    Sqlite(SqliteConnectOptions),
}

// Written by hand because the drivers' options print their password.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectOptions({})", self.engine())
    }
}

impl ConnectOptions {
    fn engine(&self) -> Engine {
        match self {
            Self::Postgres(_) => Engine::Postgres,
            Self::MySql(_) => Engine::MySql,
            Self::Sqlite(_) => Engine::Sqlite,
        }
    }
}

/// A database URL that was read and understood.
///
/// `Display` and `Debug` show [`location`](Self::location) only.
#[derive(Clone)]
pub struct DatabaseUrl {
    options: ConnectOptions,
    location: String,
    schema: Option<String>,
    max_connections: Option<u32>,
    connect_timeout: Option<Duration>,
    pooled: bool,
    sqlite_path: Option<PathBuf>,
    notes: Vec<String>,
}

impl DatabaseUrl {
    /// Reads a URL: `postgresql://`, `postgres://`, `mysql://`, `mariadb://`, `sqlite:` or `file:`.
    ///
    /// A pair of quotes around it, as a `.env` file has, is taken off. As in libpq, a `PostgreSQL` URL without a
    /// password or TLS parameters takes them from `PGPASSWORD`, the password file and `PGSSL*`; the port and the
    /// database come from the URL alone.
    ///
    /// # Errors
    ///
    /// When the URL is not one of those, is ambiguous, or has a parameter that can't be honoured safely.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        refuse_whole_line(text)?;
        let text = unquoted(text.trim())?;
        refuse_placeholders(text)?;
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::NotAUrl)?;
        let scheme = scheme.to_ascii_lowercase();
        // SQLAlchemy names its driver in the scheme: postgresql+asyncpg.
        match scheme.split_once('+').map_or(scheme.as_str(), |(dialect, _)| dialect) {
            "prisma" => Err(UrlError::PrismaAccelerate),
            "postgres" | "postgresql" => postgres::read(server::read(rest)?),
            "mysql" | "mariadb" => mysql::read(server::read(rest)?),
            "sqlite" => sqlite::read(sqlite_rest(&scheme, rest)),
            "file" => sqlite::read_file_uri(rest),
            _ => Err(unsupported(&scheme, rest)),
        }
    }

    /// The engine that the URL names.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.options.engine()
    }

    /// The schema of the application's tables, where a `PostgreSQL` URL says so: Prisma's `schema`, or the first entry
    /// of a search path (`search_path`, `currentSchema`, `schema_search_path`, `options=-csearch_path=...`,
    /// `PGOPTIONS`).
    ///
    /// It is not set on connections (a pooler would refuse it or leak it to others): qualify table names with it.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// `connection_limit`; at least 1.
    #[must_use]
    pub fn max_connections(&self) -> Option<u32> {
        self.max_connections
    }

    /// `connect_timeout`, which counts seconds. Zero, "no limit" elsewhere, is read as not given.
    #[must_use]
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
    }

    /// Whether a transaction-pooling proxy is in between: `pgbouncer=true`, or a host that is known to be one.
    ///
    /// Then a session's state does not outlive a transaction, and statements must not be prepared by name.
    #[must_use]
    pub fn pooled(&self) -> bool {
        self.pooled
    }

    /// The file, when the engine is `SQLite`; relative to the working directory, as written in the URL.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        self.sqlite_path.as_deref()
    }

    /// What the URL says and sweepd doesn't do, one sentence each, for warnings.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Where the database is, for messages: `PostgreSQL database "app" at db.example.com:5432`.
    #[must_use]
    pub fn location(&self) -> String {
        self.location.clone()
    }

    /// The options to connect with.
    #[must_use]
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// Lets a missing `SQLite` file be created; no other engine is concerned.
    ///
    /// Off unless asked for: a mistyped path must be an error, not a new and empty database without sessions.
    #[must_use]
    pub fn create_if_missing(mut self) -> Self {
        self.options = match self.options {
            ConnectOptions::Sqlite(options) => ConnectOptions::Sqlite(options.create_if_missing(true)),
            other => other,
        };
        self
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.location)
    }
}

fn refuse_whole_line(text: &str) -> Result<(), UrlError> {
    let names = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ' ';
    match text.trim().split(':').next().and_then(|start| start.split_once('=')) {
        Some((name, _)) if name.chars().all(names) => Err(UrlError::WholeLine),
        _ => Ok(()),
    }
}

fn unquoted(text: &str) -> Result<&str, UrlError> {
    let quote = |c: char| c == '"' || c == '\'';
    let Some(first) = text.chars().next() else {
        return Err(UrlError::Empty);
    };
    if !quote(first) && !text.ends_with(quote) {
        return Ok(text);
    }
    match text.strip_prefix(first).and_then(|inner| inner.strip_suffix(first)) {
        Some(inner) if quote(first) && !inner.trim().is_empty() => Ok(inner.trim()),
        Some(_) if quote(first) => Err(UrlError::Empty),
        _ => Err(UrlError::Quotes),
    }
}

fn refuse_placeholders(text: &str) -> Result<(), UrlError> {
    let before_colon = text.split(':').next().unwrap_or_default();
    if text.starts_with('$') || text.contains("${") || before_colon.contains('(') {
        return Err(UrlError::Placeholder);
    }
    if text.contains("[YOUR-PASSWORD]") {
        return Err(UrlError::PasswordPlaceholder);
    }
    if text.chars().any(char::is_control) {
        return Err(UrlError::ControlCharacter);
    }
    Ok(())
}

/// `SQLAlchemy`, which alone writes a driver into the scheme, has one slash more than others: three before a relative
/// path, four before an absolute one.
fn sqlite_rest<'a>(scheme: &str, rest: &'a str) -> &'a str {
    match rest.strip_prefix("///") {
        Some(path) if scheme.contains('+') => path,
        _ => rest.strip_prefix("//").unwrap_or(rest),
    }
}

fn unsupported(scheme: &str, rest: &str) -> UrlError {
    // Anything else before a colon may be a user name or worse: it is not repeated.
    const KNOWN: [&str; 12] = [
        "http",
        "https",
        "jdbc",
        "libsql",
        "mongodb",
        "mssql",
        "oracle",
        "redis",
        "rediss",
        "sqlserver",
        "cockroachdb",
        "pgsql",
    ];
    let dialect = scheme.split('+').next().unwrap_or_default();
    match KNOWN.into_iter().find(|known| *known == dialect) {
        Some(known) => UrlError::UnsupportedScheme(known),
        None if rest.starts_with("//") => UrlError::UnknownScheme,
        None if rest == "memory:" => UrlError::Memory,
        None => UrlError::NotAUrl,
    }
}

#[cfg(test)]
mod tests;
