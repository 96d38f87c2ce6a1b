//! What goes wrong with sessions and users. No message holds a token, a name or an e-mail address.

use crate::db::{DbError, Trouble, UrlError};
use crate::preset::PresetError;
use crate::sweep;

/// Why a call did not do its work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store does not say whose a session is.
    #[error(
        "{0} has no column for the user, so sessions can only be found by their token; set `user` in the job if there is one"
    )]
    NoUserColumn(String),
    /// The store has no tokens.
    #[error("{0} has no column for the token; set `token` in the job if there is one")]
    NoTokenColumn(String),
    /// There is no table with the users.
    #[error("{0}")]
    NoUsersTable(String),
    /// A table lacks a column.
    #[error("table {table} has no column {column:?}; set `{key}` to the name of the one that holds it")]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The key in the configuration that names it.
        key: &'static str,
    },
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The role is none of those that the settings name.
    #[error("this role is not accepted; accepted: {}", accepted.join(", "))]
    RoleNotAllowed {
        /// Those that are.
        accepted: Vec<String>,
    },
    /// Another user has the value, which must be unique.
    #[error("another user has this {0}")]
    Conflict(&'static str),
    /// A value is not acceptable.
    #[error("{0}")]
    Invalid(String),
    /// sweepd refuses: it could touch the wrong rows, or cannot work there.
    #[error("{0}")]
    Refused(String),
    /// The database cannot.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<sweep::Error> for Error {
    fn from(error: sweep::Error) -> Self {
        match error {
            sweep::Error::Database(error) => Self::Database(error),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl Error {
    /// Whether other connections may do better.
    pub(super) fn is_about_the_connection(&self) -> bool {
        matches!(self, Self::Database(error) if matches!(error.trouble, Trouble::Connection | Trouble::ReadOnly))
    }

    pub(super) fn hiding(self, secrets: &[&str]) -> Self {
        match self {
            Self::Database(error) => Self::Database(error.hiding(secrets.iter().copied())),
            other => other,
        }
    }
}

/// Why sessions could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The preset does not exist.
    #[error("there is no preset {0:?}")]
    NoPreset(String),
    /// The preset cannot be used as it is.
    #[error(transparent)]
    Preset(#[from] PresetError),
}
