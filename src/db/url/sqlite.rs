//! `SQLite`: a path and a few parameters.

use std::{path::PathBuf, time::Duration};

use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};

use super::{
    ConnectOptions, DatabaseUrl, UrlError,
    encoding::decode,
    params::{Ignored, Params},
};

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const JOURNAL: &str = "the journal mode is the application's to choose, sweepd never changes it";

const IGNORED: [Ignored; 11] = [
    ("cache", "each connection has its own cache"),
    ("immutable", "a sweep writes"),
    ("vfs", "the operating system's file access is used"),
    ("nolock", "files are always locked"),
    ("connect_timeout", "a file is opened at once, busy_timeout limits the wait for a lock"),
    ("schema", "SQLite has no schemas"),
    ("foreign_keys", "foreign keys are always enforced"),
    ("_foreign_keys", "foreign keys are always enforced"),
    ("journal_mode", JOURNAL),
    ("_journal_mode", JOURNAL),
    ("_journal", JOURNAL),
];

/// Reads a `file:` URI, where `SQLite` allows an empty authority or `localhost` before an absolute path.
pub(super) fn read_file_uri(rest: &str) -> Result<DatabaseUrl, UrlError> {
    let Some(after) = rest.strip_prefix("//") else { return read(rest) };
    let path = after.strip_prefix("localhost").unwrap_or(after);
    if path.starts_with('/') { read(path) } else { Err(UrlError::FileHost) }
}

/// Reads a path with parameters.
pub(super) fn read(rest: &str) -> Result<DatabaseUrl, UrlError> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = checked_path(&decode(path)?)?;
    let mut params = Params::read(query)?;
    let read_only = read_mode(&mut params)?;
    let max_connections = params.connection_limit()?;
    let busy_timeout = busy_timeout(&mut params)?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .read_only(read_only)
        .create_if_missing(false)
        // SQLite's own default is off, but the ORMs that declare a cascade turn it on: rows that the application
        // expects to go with a session must go, and those that forbid its deletion must be heard.
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .disable_statement_logging();
    Ok(DatabaseUrl {
        options: ConnectOptions::Sqlite(options),
        location: format!("SQLite file {}", path.display()),
        schema: None,
        max_connections,
        connect_timeout: None,
        pooled: false,
        sqlite_path: Some(path),
        notes: params.finish(&IGNORED, &[])?,
    })
}

fn checked_path(text: &str) -> Result<PathBuf, UrlError> {
    if text.starts_with(":memory:") {
        return Err(UrlError::Memory);
    }
    // SQLite would read it as a URI again, with parameters of its own.
    if text.is_empty() || text.ends_with('/') || text.starts_with("file:") {
        return Err(UrlError::MissingFile);
    }
    Ok(PathBuf::from(without_drive_slash(text)))
}

/// `file:///C:/app.db` means `C:/app.db` on Windows.
fn without_drive_slash(text: &str) -> &str {
    match text.strip_prefix('/') {
        Some(path) if cfg!(windows) && path.chars().nth(1) == Some(':') => path,
        _ => text,
    }
}

/// Whether the file is to be opened read-only.
fn read_mode(params: &mut Params) -> Result<bool, UrlError> {
    match params.take(&["mode"])?.as_deref() {
        Some("ro") => Ok(true),
        None | Some("rw") => Ok(false),
        Some("rwc") => {
            params.note("parameter mode=rwc is ignored: a missing file is an error, not a new database");
            Ok(false)
        }
        Some("memory") => Err(UrlError::Memory),
        Some(_) => Err(UrlError::Value { name: "mode", accepted: "ro or rw" }),
    }
}

/// Prisma's `socket_timeout` in seconds, which is what it sets `SQLite`'s busy timeout from, or `busy_timeout` in
/// milliseconds, as `SQLite` counts it.
fn busy_timeout(params: &mut Params) -> Result<Duration, UrlError> {
    let seconds = params.number::<u32>("socket_timeout")?;
    let millis = params.number::<u32>("busy_timeout")?;
    let seconds = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let millis = millis.map(|millis| Duration::from_millis(millis.into()));
    match (seconds, millis) {
        (Some(one), Some(other)) if one != other => Err(UrlError::Contradiction("socket_timeout", "busy_timeout")),
        (one, other) => Ok(one.or(other).unwrap_or(BUSY_TIMEOUT)),
    }
}
