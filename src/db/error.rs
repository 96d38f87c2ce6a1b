//! What a database says when it cannot, in plain sentences.

use std::fmt;

/// What kind of trouble it is, for deciding what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No connection, or it broke.
    Connection,
    /// The server has no connection left to give.
    Crowded,
    /// The log-in was refused.
    Login,
    /// The database does not exist.
    NoDatabase,
    /// The database file does not exist, or cannot be opened.
    NoFile,
    /// A table does not exist.
    NoTable,
    /// The role may not do it.
    Privilege,
    /// The server takes no writes: it is a replica, or has become one.
    ReadOnly,
    /// The database file cannot be written.
    ReadOnlyFile,
    /// A pooler in front of the server refuses what the connection begins with.
    Startup,
    /// The disk is full.
    DiskFull,
    /// A lock was not to be had in time, a deadlock, a serialization failure: it may work when tried again.
    Busy,
    /// A statement took longer than it may.
    Timeout,
    /// A unique value that another row has.
    Taken,
    /// A value that the column does not take: of another form, too long, refused by a constraint.
    Value,
    /// Anything else.
    Other,
}

impl Trouble {
    /// Whether the same thing may work when it is tried again a little later.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Connection | Self::Crowded | Self::Busy | Self::Timeout | Self::ReadOnly)
    }

    /// Whether another connection may do better: the server may be gone, or another one the primary.
    pub(super) fn is_of_the_connection(self) -> bool {
        matches!(self, Self::Connection | Self::ReadOnly)
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Connection => "is it running, and reachable from here? check host and port in the database URL",
            Self::Crowded => "let somebody else give one up, or allow the server more",
            Self::Login => "check the user and the password in the database URL",
            Self::NoDatabase => "check the database name in the database URL",
            Self::NoFile => {
                "does it exist, and may this user write it and its directory? a relative path starts at the working \
                 directory (Prisma's file:./dev.db may be ./prisma/dev.db)"
            }
            Self::NoTable => "check the table and its schema in the job; names are case-sensitive",
            Self::Privilege => "`sweepd check` prints the GRANT that is missing",
            Self::ReadOnly => "point sweepd at the primary, or make the database writable",
            Self::ReadOnlyFile => "let this user write the file and its directory",
            Self::Startup => {
                "take `options` out of the database URL (and PGOPTIONS out of the environment), or set \
                 `ignore_startup_parameters = options` in pgbouncer.ini"
            }
            Self::DiskFull => "free some space on the database server's disk",
            Self::Busy => "another transaction holds the lock; the next run goes on",
            Self::Timeout => "raise `limits.statement_timeout`, or let `sweepd check` look for a missing index",
            Self::Taken | Self::Value | Self::Other => "",
        }
    }
}

/// An error of the database, with where it happened and what to do. Holds no password.
#[derive(Debug, Clone)]
pub struct DbError {
    /// What kind of trouble it is.
    pub trouble: Trouble,
    location: String,
    detail: String,
}

impl DbError {
    /// Reads what a driver said. `location` names the database without secrets.
    #[must_use]
    pub fn new(location: &str, error: &sqlx::Error) -> Self {
        let trouble = classify(error);
        Self { trouble, location: location.to_owned(), detail: detail(error) }
    }

    /// The same without what somebody gave in confidence: some servers repeat the values that they refuse.
    #[must_use]
    pub fn hiding<'a>(mut self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            self.detail = self.detail.replace(secret, "***");
        }
        self
    }

    /// An error of our own making about the database at `location`.
    #[must_use]
    pub fn other(location: &str, detail: impl Into<String>) -> Self {
        Self { trouble: Trouble::Other, location: location.to_owned(), detail: detail.into() }
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trouble {
            Trouble::Connection => write!(f, "cannot reach {}: {}", self.location, self.detail)?,
            Trouble::Login => write!(f, "cannot log in to {}: {}", self.location, self.detail)?,
            _ => write!(f, "{}: {}", self.location, self.detail)?,
        }
        match self.trouble.advice() {
            "" => Ok(()),
            advice => write!(f, "; {advice}"),
        }
    }
}

impl std::error::Error for DbError {}

fn detail(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::PoolTimedOut => "no answer within the connect timeout".to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn classify(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
                return mysql(error.number());
            }
            if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                return sqlite(code.parse().unwrap_or_default(), error.message());
            }
            postgres(&code, error.message())
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => Trouble::Connection,
        _ => Trouble::Other,
    }
}

/// SQLSTATE, as in the appendix "PostgreSQL Error Codes".
fn postgres(code: &str, message: &str) -> Trouble {
    match code {
        // What PgBouncer says, all under one code.
        "08P01" if message.starts_with("unsupported startup parameter") => Trouble::Startup,
        "08P01" if message.starts_with("no such database") => Trouble::NoDatabase,
        "08P01" if message.starts_with("no such user") => Trouble::Login,
        "28000" | "28P01" => Trouble::Login,
        "3D000" => Trouble::NoDatabase,
        "42P01" | "3F000" => Trouble::NoTable,
        "42501" => Trouble::Privilege,
        "25006" => Trouble::ReadOnly,
        "53100" => Trouble::DiskFull,
        "40001" | "40P01" | "55P03" => Trouble::Busy,
        "57014" => Trouble::Timeout,
        "23505" => Trouble::Taken,
        // Integrity constraints, data exceptions.
        "23502" | "23503" | "23514" | "22001" | "22003" | "22007" | "22008" | "22021" | "22P02" | "22P05" => {
            Trouble::Value
        }
        "53300" => Trouble::Crowded,
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => Trouble::Connection,
        _ if code.starts_with("08") => Trouble::Connection,
        _ => Trouble::Other,
    }
}

/// Error numbers, as in the reference "Server Error Message Reference" of `MySQL` and `MariaDB`.
fn mysql(number: u16) -> Trouble {
    match number {
        1045 | 1698 => Trouble::Login,
        1049 => Trouble::NoDatabase,
        1146 => Trouble::NoTable,
        1044 | 1142 | 1143 | 1227 | 1370 => Trouble::Privilege,
        1290 | 1792 | 1836 => Trouble::ReadOnly,
        1021 | 1114 => Trouble::DiskFull,
        1205 | 1213 | 1412 | 1637 => Trouble::Busy,
        1969 | 3024 => Trouble::Timeout,
        1062 | 1169 | 1586 => Trouble::Taken,
        1048 | 1264 | 1265 | 1267 | 1292 | 1366 | 1406 | 1452 | 3819 | 3988 | 4025 => Trouble::Value,
        1040 | 1203 => Trouble::Crowded,
        1053 | 1077 | 1078 | 1079 | 1080 | 1152 | 1158..=1161 | 1927 | 3169 | 4031 => Trouble::Connection,
        _ => Trouble::Other,
    }
}

/// Result codes, as in "Result and Error Codes"; the low byte is the primary code.
fn sqlite(code: u32, message: &str) -> Trouble {
    match code & 0xff {
        5 | 6 => Trouble::Busy,
        8 => Trouble::ReadOnlyFile,
        13 => Trouble::DiskFull,
        // Of the constraints, UNIQUE and PRIMARY KEY.
        19 if matches!(code, 2067 | 1555) => Trouble::Taken,
        18..=20 => Trouble::Value,
        14 => Trouble::NoFile,
        1 if message.starts_with("no such table") => Trouble::NoTable,
        _ => Trouble::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_to_do() {
        assert_eq!(postgres("28P01", ""), Trouble::Login);
        assert_eq!(postgres("08006", ""), Trouble::Connection);
        assert_eq!(postgres("08P01", "no such database: app"), Trouble::NoDatabase);
        assert_eq!(postgres("08P01", "query_wait_timeout"), Trouble::Connection);
        assert_eq!(postgres("22023", ""), Trouble::Other);
        assert_eq!(mysql(1213), Trouble::Busy);
        assert_eq!(sqlite(517, ""), Trouble::Busy);
        assert_eq!((sqlite(2067, ""), sqlite(1299, "")), (Trouble::Taken, Trouble::Value));
        assert!(Trouble::Busy.is_transient() && !Trouble::Privilege.is_transient());
    }
}
