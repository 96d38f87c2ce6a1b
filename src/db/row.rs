//! A row of an answer, whichever driver it came from.

use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::Param;

/// An answer that is not of the form that its statement promises: a mistake in the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unexpected answer: {0}")]
pub struct DecodeError(String);

impl DecodeError {
    /// From what was wrong with it.
    pub fn new(reason: impl std::fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// A row. Statements cast what they select to text or to a 64-bit integer, so two getters are enough.
#[derive(Debug)]
pub enum Row {
    /// From PostgreSQL.
    Postgres(PgRow),
    /// From `MySQL` or `MariaDB`.
    MySql(MySqlRow),
    /// From `SQLite`.
    Sqlite(SqliteRow),
}

/// Runs `$body` with `$row` bound to the driver's own row.
macro_rules! with_row {
    ($self:expr, $row:ident => $body:expr) => {
        match $self {
            Row::Postgres($row) => $body,
            Row::MySql($row) => $body,
            Row::Sqlite($row) => $body,
        }
    };
}

impl Row {
    /// The integer in column `index`, counted from 0; none when it is NULL.
    ///
    /// # Errors
    /// When the column is not an integer: a mistake in the statement.
    pub fn int(&self, index: usize) -> Result<Option<i64>, DecodeError> {
        with_row!(self, row => row.try_get_unchecked(index)).map_err(DecodeError::new)
    }

    /// The integer in the first of the columns `names` that there is; none when it is NULL.
    ///
    /// # Errors
    /// When there is no such column, or it is no integer.
    pub fn int_named(&self, names: &[&str]) -> Result<Option<i64>, DecodeError> {
        let index = with_row!(self, row => names.iter().find_map(|name| {
            row.columns().iter().position(|column| column.name() == *name)
        }));
        self.int(index.ok_or_else(|| DecodeError::new(format!("no column {}", names.join(" or "))))?)
    }

    /// The text in column `index`, counted from 0; none when it is NULL.
    ///
    /// # Errors
    /// When the column is not text: a mistake in the statement.
    pub fn text(&self, index: usize) -> Result<Option<String>, DecodeError> {
        with_row!(self, row => row.try_get_unchecked(index)).map_err(DecodeError::new)
    }

    /// The value in column `index` in a form that can be bound again: a position in a table.
    ///
    /// # Errors
    /// When the column's type has no such form.
    pub fn param(&self, index: usize) -> Result<Param, DecodeError> {
        let kind = with_row!(self, row => {
            let value = row.try_get_raw(index).map_err(DecodeError::new)?;
            if value.is_null() { "NULL".to_owned() } else { value.type_info().name().to_owned() }
        });
        match kind.as_str() {
            "NULL" => Ok(Param::Null),
            "BINARY" | "VARBINARY" | "BLOB" | "BYTEA" => {
                with_row!(self, row => row.try_get_unchecked(index)).map(Param::Bytes).map_err(DecodeError::new)
            }
            "REAL" | "DOUBLE" | "FLOAT" => {
                with_row!(self, row => row.try_get_unchecked(index)).map(Param::Float).map_err(DecodeError::new)
            }
            kind if kind.contains("INT") || kind == "BOOLEAN" => self.int(index).map(Param::from),
            _ => self.text(index).map(Param::from),
        }
    }
}
