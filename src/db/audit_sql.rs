//! The statements for the application's `AuditLog`.

use chrono::{DateTime, Utc};

use super::{Engine, Statement, TableName};

/// A value for a column of the audit table.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The column.
    pub column: String,
    /// Its declared type.
    pub kind: String,
    /// The value.
    pub value: Value,
}

/// What an audit column is filled with.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text, which the database turns into the column's type.
    Text(String),
    /// An instant.
    Instant(DateTime<Utc>),
    /// An instant, in milliseconds since 1970.
    Millis(DateTime<Utc>),
}

/// Inserts one row.
#[must_use]
pub fn insert(engine: Engine, table: &TableName, cells: &[Cell]) -> Statement {
    Statement::text(engine, "INSERT INTO ")
        .table(table)
        .push(" (")
        .list(cells, ", ", |statement, cell| statement.name(&cell.column))
        .push(") VALUES (")
        .list(cells, ", ", value)
        .push(")")
}

/// The statement that lets `user` write audit rows.
#[must_use]
pub fn grant(engine: Engine, table: &TableName, user: &str) -> String {
    format!("GRANT INSERT ON {} TO {user};", super::quote_table(engine, table))
}

/// Selects the storage class of a value of a column (`SQLite`), to write the same way as the application.
#[must_use]
pub fn storage_class(table: &TableName, column: &str) -> Statement {
    Statement::text(Engine::Sqlite, "SELECT typeof(")
        .name(column)
        .push(") FROM ")
        .table(table)
        .push(" WHERE ")
        .name(column)
        .push(" IS NOT NULL ORDER BY rowid DESC LIMIT 1")
}

/// Asks whether this role may insert rows into the table, without inserting one (`PostgreSQL`).
#[must_use]
pub fn may_insert(table: &TableName) -> Statement {
    Statement::text(Engine::Postgres, "SELECT has_table_privilege(")
        .bind(super::quote_table(Engine::Postgres, table))
        .push(", 'INSERT')::int::bigint")
}

fn value(statement: Statement, cell: &Cell) -> Statement {
    let cast = match statement.engine() {
        // The catalogue spells the type's name so that it can be used in SQL.
        Engine::Postgres => format!("::{}", cell.kind),
        Engine::MySql | Engine::Sqlite => String::new(),
    };
    let statement = match &cell.value {
        Value::Text(text) => statement.bind(text.as_str()),
        Value::Millis(at) => statement.bind(at.timestamp_millis()),
        Value::Instant(at) => {
            let text = at.format(match statement.engine() {
                Engine::Postgres if cell.kind.contains("with time zone") => "%Y-%m-%d %H:%M:%S%.3f+00",
                Engine::Postgres | Engine::MySql => "%Y-%m-%d %H:%M:%S%.3f",
                Engine::Sqlite => "%Y-%m-%dT%H:%M:%S%.3f+00:00",
            });
            statement.bind(text.to_string())
        }
    };
    statement.push(&cast)
}
