//! The statements of session management: to list, touch and delete sessions, and to change a user.
//!
//! Tokens and ids are bound, and compared byte by byte: by the column's own comparison, which an index serves, and by
//! the text, because collations take `a` for `A` or skip blanks, and numbers have several spellings.

use chrono::{DateTime, Utc};

use super::expiry_sql::Moving;
use super::sweep_sql::Target;
use super::{Column, Engine, Param, Statement, TableName, quote, quote_table};

/// A session table whose sessions are found by a token or a user.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionTable {
    /// The table, and how it stores an expiry.
    pub target: Target,
    /// The column with the token.
    pub token: Option<Column>,
    /// The column with the user.
    pub user: Option<Column>,
}

/// A column, and the value that a row has to have in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// The column.
    pub column: &'a Column,
    /// The value, as text.
    pub value: &'a str,
}

impl Key<'_> {
    /// Whether the column could hold the value at all. `MySQL` reads `5abc` as the number 5, and says so as an error only in a
    /// strict mode.
    #[must_use]
    pub fn is_possible(&self, engine: Engine) -> bool {
        let number = is_number(engine, &self.column.kind);
        !number || self.value.parse::<i128>().is_ok_and(|number| number.to_string() == self.value)
    }

    fn matches(&self, statement: Statement) -> Statement {
        statement
            .push("(")
            .name(&self.column.name)
            .push(" = ")
            .with(|statement| self.bound(statement))
            .push(" AND ")
            .with(|statement| self.is_spelled(statement))
            .push(")")
    }

    /// The value as one of the column's type, so that an index on it is used.
    fn bound(&self, statement: Statement) -> Statement {
        match (statement.engine(), &self.column.collation) {
            (Engine::Postgres, _) => statement.bind(self.value).push(&format!("::{}", self.column.kind)),
            (Engine::MySql, Some((charset, collation))) => {
                statement.push("CONVERT(").bind(self.value).push(&format!(" USING {charset}) COLLATE {collation}"))
            }
            (Engine::MySql | Engine::Sqlite, _) => statement.bind(self.value),
        }
    }

    fn is_spelled(&self, statement: Statement) -> Statement {
        let column = quote(statement.engine(), &self.column.name);
        match statement.engine() {
            Engine::Postgres => statement.push(&format!("{column}::text = ")).bind(self.value),
            Engine::MySql => statement
                .push(&format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY) = CAST("))
                .bind(self.value)
                .push(" AS BINARY)"),
            Engine::Sqlite => {
                statement.push(&format!("CAST({column} AS BLOB) = CAST(")).bind(self.value).push(" AS BLOB)")
            }
        }
    }
}

fn is_number(engine: Engine, kind: &str) -> bool {
    engine == Engine::MySql && (kind.contains("int") || matches!(kind, "decimal" | "float" | "double"))
}

/// A column as text.
fn text(engine: Engine, column: &Column) -> String {
    let column = quote(engine, &column.name);
    match engine {
        Engine::Postgres => format!("{column}::text"),
        Engine::MySql => format!("CAST({column} AS CHAR)"),
        Engine::Sqlite => format!("CAST({column} AS TEXT)"),
    }
}

impl SessionTable {
    /// Which engine it is on.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.target.expiry.engine
    }

    /// Selects the token and the expiry (in milliseconds, see [`super::expiry_sql::Expiry::read`]) of the live sessions of
    /// a user, those that expire last first.
    #[must_use]
    pub fn list(&self, user: Key<'_>, now: DateTime<Utc>, most: u32) -> Statement {
        let token = self.token.as_ref().map_or("NULL".to_owned(), |token| text(self.engine(), token));
        let expires = quote(self.engine(), &self.target.expiry.column);
        Statement::text(self.engine(), &format!("SELECT {token}, "))
            .with(|statement| self.target.expiry.shown(statement))
            .with(|statement| self.live(statement.push(" FROM "), user, now))
            .push(&format!(" ORDER BY CASE WHEN {expires} IS NULL THEN 0 ELSE 1 END, {expires} DESC LIMIT {most}"))
    }

    /// Selects a row where the session is live. Its text tells the form in which its expiry is written (see
    /// [`super::expiry_sql::Expiry::store`]), its number is 1 where the expiry is due to be moved.
    #[must_use]
    pub fn look(&self, token: Key<'_>, now: DateTime<Utc>, moving: &Moving) -> Statement {
        let number = if self.engine() == Engine::Postgres { "::int::bigint" } else { "" };
        Statement::text(self.engine(), "SELECT ")
            .with(|statement| self.target.expiry.form(statement))
            .push(", ")
            .with(|statement| self.target.expiry.due(statement, moving))
            .push(number)
            .push(" FROM ")
            .with(|statement| self.live(statement, token, now))
    }

    /// Moves the expiry of a session that is live and due (`PostgreSQL`), and selects a row where it did so, or where the
    /// session is live and not due: then nothing is written. No row: it is not live, or somebody else has just changed it.
    #[must_use]
    pub fn touch_or_find(&self, token: Key<'_>, now: DateTime<Utc>, moving: &Moving) -> Statement {
        Statement::text(self.engine(), "WITH touched AS (")
            .with(|statement| self.update(statement, token, now, moving, ""))
            .push(" RETURNING 1) SELECT 1::bigint FROM touched UNION ALL SELECT 1::bigint FROM ")
            .with(|statement| self.live(statement, token, now))
            .push(" AND ")
            .with(|statement| self.target.expiry.due(statement, moving))
            .push(" IS NOT TRUE")
    }

    /// Matches a session that is live, and moves its expiry where that is due (`MySQL`, which writes nothing where nothing
    /// changes, and counts what matched).
    #[must_use]
    pub fn touch_matching(&self, token: Key<'_>, now: DateTime<Utc>, moving: &Moving) -> Statement {
        let expires = quote(self.engine(), &self.target.expiry.column);
        Statement::text(self.engine(), "UPDATE ")
            .table(&self.target.table.name)
            .push(&format!(" SET {expires} = IF("))
            .with(|statement| self.target.expiry.due(statement, moving))
            .push(", ")
            .with(|statement| self.target.expiry.store(statement, moving.to, ""))
            .push(&format!(", {expires}) WHERE "))
            .with(|statement| token.matches(statement))
            .push(" AND ")
            .with(|statement| self.target.expiry.live(statement, now))
    }

    /// Moves the expiry of a session that is live and due, in the form of the text `like`.
    #[must_use]
    pub fn touch(&self, token: Key<'_>, now: DateTime<Utc>, moving: &Moving, like: &str) -> Statement {
        self.update(Statement::new(self.engine()), token, now, moving, like)
    }

    fn update(&self, to: Statement, token: Key<'_>, now: DateTime<Utc>, moving: &Moving, like: &str) -> Statement {
        to.push("UPDATE ")
            .table(&self.target.table.name)
            .push(" SET ")
            .name(&self.target.expiry.column)
            .push(" = ")
            .with(|statement| self.target.expiry.store(statement, moving.to, like))
            .push(" WHERE ")
            .with(|statement| token.matches(statement))
            .push(" AND ")
            .with(|statement| self.target.expiry.live(statement, now))
            .push(" AND ")
            .with(|statement| self.target.expiry.due(statement, moving))
    }

    fn live(&self, statement: Statement, key: Key<'_>, now: DateTime<Utc>) -> Statement {
        statement
            .table(&self.target.table.name)
            .push(" WHERE ")
            .with(|statement| key.matches(statement))
            .push(" AND ")
            .with(|statement| self.target.expiry.live(statement, now))
    }

    /// Selects the user of a session, live or not.
    #[must_use]
    pub fn owner(&self, token: Key<'_>) -> Statement {
        let user = self.user.as_ref().map_or("NULL".to_owned(), |user| text(self.engine(), user));
        Statement::text(self.engine(), &format!("SELECT {user} FROM "))
            .table(&self.target.table.name)
            .push(" WHERE ")
            .with(|statement| token.matches(statement))
    }

    /// Deletes the sessions with a key, live or not; not the one with the token `except`.
    #[must_use]
    pub fn revoke(&self, key: Key<'_>, except: Option<Key<'_>>) -> Statement {
        let statement = Statement::text(self.engine(), "DELETE FROM ")
            .table(&self.target.table.name)
            .push(" WHERE ")
            .with(|statement| key.matches(statement));
        match except {
            None => statement,
            // By its text only: what is no token of the column's type is nobody's, and no error.
            Some(token) => statement.push(" AND (").with(|statement| token.is_spelled(statement)).push(") IS NOT TRUE"),
        }
    }
}

/// Selects columns of a user as text, and keeps others from changing them meanwhile.
#[must_use]
pub fn user(engine: Engine, table: &TableName, id: Key<'_>, columns: &[&Column]) -> Statement {
    Statement::text(engine, "SELECT ")
        .list(columns, ", ", |statement, column| statement.push(&text(engine, column)))
        .push(" FROM ")
        .table(table)
        .push(" WHERE ")
        .with(|statement| id.matches(statement))
        .push(if engine == Engine::Sqlite { "" } else { " FOR UPDATE" })
}

/// Changes columns of a user.
#[must_use]
pub fn update_user(engine: Engine, table: &TableName, id: Key<'_>, changes: &[(&Column, Option<&str>)]) -> Statement {
    Statement::text(engine, "UPDATE ")
        .table(table)
        .push(" SET ")
        .list(changes, ", ", |statement, (column, value)| {
            // The catalogue spells the type's name so that it can be used in SQL.
            let cast = if engine == Engine::Postgres { format!("::{}", column.kind) } else { String::new() };
            statement.name(&column.name).push(" = ").bind(Param::from(*value)).push(&cast)
        })
        .push(" WHERE ")
        .with(|statement| id.matches(statement))
}

/// Changes nothing, but only for who may change these columns, and look for rows by `key`.
#[must_use]
pub fn change_nothing(engine: Engine, table: &TableName, key: &Column, columns: &[&Column]) -> Statement {
    Statement::text(engine, "UPDATE ")
        .table(table)
        .push(" SET ")
        .list(columns, ", ", |statement, column| statement.name(&column.name).push(" = ").name(&column.name))
        .push(" WHERE ")
        .name(&key.name)
        .push(" IS NULL AND 1 = 0")
}

/// The statement that lets `grantee` manage sessions.
#[must_use]
pub fn grant_sessions(engine: Engine, table: &TableName, expiry: &str, grantee: &str) -> String {
    let (table, expiry) = (quote_table(engine, table), quote(engine, expiry));
    format!("GRANT SELECT, DELETE, UPDATE ({expiry}) ON {table} TO {grantee};")
}

/// The statement that lets `grantee` change columns of users.
#[must_use]
pub fn grant_users(engine: Engine, table: &TableName, id: &Column, columns: &[&Column], grantee: &str) -> String {
    let names: Vec<_> = columns.iter().map(|column| quote(engine, &column.name)).collect();
    let (table, id, names) = (quote_table(engine, table), quote(engine, &id.name), names.join(", "));
    format!("GRANT SELECT ({id}, {names}), UPDATE ({names}) ON {table} TO {grantee};")
}
