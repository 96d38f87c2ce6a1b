//! Names of tables, and what the database says of a table.

use std::fmt;

/// The name of a table, perhaps with its schema (on MySQL: its database).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The schema; none means the connection's own.
    pub schema: Option<String>,
    /// The table, exactly as it is spelled in the database.
    pub name: String,
}

/// A name that no database would accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("the name is empty")]
    Empty,
    /// A NUL or another control character.
    #[error("the name {0:?} contains a control character")]
    Control(String),
    /// Longer than any database accepts.
    #[error("the name is longer than 64 characters")]
    TooLong,
}

/// Checks that `name` can be an identifier. Quotes, spaces and SQL are allowed: they are quoted wherever it is used.
///
/// # Errors
/// When it is empty, longer than 64 characters, or holds a control character.
pub fn identifier(name: &str) -> Result<&str, NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::Control(name.to_owned()));
    }
    if name.chars().count() > 64 {
        return Err(NameError::TooLong);
    }
    Ok(name)
}

impl TableName {
    /// A table in the connection's own schema.
    #[must_use]
    pub fn unqualified(name: &str) -> Self {
        Self { schema: None, name: name.to_owned() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A column as the database describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its declared type, as the database's catalogue spells it (`timestamp without time zone`,
    /// `int(10) unsigned`, `datetime`).
    pub kind: String,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// Whether the database fills it in when an INSERT leaves it out.
    pub has_default: bool,
    /// The character set and the collation of text (`MySQL`).
    pub collation: Option<(String, String)>,
}

/// An index that a walk can use: whole, valid and sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Whether no two rows have the same values.
    pub unique: bool,
    /// Whether it is the primary key.
    pub primary: bool,
    /// Its columns, in order.
    pub columns: Vec<String>,
}

/// What a table is to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table with transactions.
    Plain,
    /// A parent of partitions or of tables that inherit from it (PostgreSQL).
    Partitioned,
    /// A view, a foreign table or another thing without rows of its own.
    NotATable,
    /// A table whose engine has no transactions (`MyISAM` and the like).
    NonTransactional,
}

/// A table that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its full name; the schema is always given.
    pub name: TableName,
    /// What it is.
    pub kind: TableKind,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The columns that rows can be walked by, in order: the row number (`SQLite`), else the primary key, else a
    /// unique key without NULLs. Empty where there is none.
    pub key: Vec<String>,
    /// Its usable indexes.
    pub indexes: Vec<Index>,
    /// Rows, as the database's statistics estimate them.
    pub estimated_rows: Option<u64>,
    /// Whether row-level security hides rows from this role.
    pub hides_rows: bool,
}

impl Table {
    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// An index that begins with that column.
    #[must_use]
    pub fn index_on(&self, column: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.columns.first().is_some_and(|first| first == column))
    }
}
