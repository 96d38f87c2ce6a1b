//! SQL text and its parameters, built together; identifiers are quoted here and nowhere else.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{Engine, TableName};

/// A parameter of a statement. Instants travel as text or numbers, and SQL casts them to the column's type; but on
/// `PostgreSQL`, which would cast the text again for each row, a bound of the expiry has its type from the start.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// NULL.
    Null,
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A wall clock without a zone.
    Naive(NaiveDateTime),
    /// An instant.
    Instant(DateTime<Utc>),
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A statement for one engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    engine: Engine,
    sql: String,
    params: Vec<Param>,
}

impl Statement {
    /// An empty statement.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine, sql: String::new(), params: Vec::new() }
    }

    /// A statement of fixed text.
    #[must_use]
    pub fn text(engine: Engine, sql: &str) -> Self {
        Self::new(engine).push(sql)
    }

    /// The engine that it is written for.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Its text, with placeholders.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// Takes it apart into text and parameters.
    #[must_use]
    pub fn into_parts(self) -> (String, Vec<Param>) {
        (self.sql, self.params)
    }

    /// Adds SQL text.
    #[must_use]
    pub fn push(mut self, sql: &str) -> Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a quoted identifier.
    #[must_use]
    pub fn name(self, identifier: &str) -> Self {
        let quoted = quote(self.engine, identifier);
        self.push(&quoted)
    }

    /// Adds a quoted table name.
    #[must_use]
    pub fn table(self, table: &TableName) -> Self {
        let quoted = quote_table(self.engine, table);
        self.push(&quoted)
    }

    /// Adds a placeholder and its parameter.
    #[must_use]
    pub fn bind(mut self, param: impl Into<Param>) -> Self {
        self.params.push(param.into());
        match self.engine {
            Engine::MySql => self.sql.push('?'),
            Engine::Postgres | Engine::Sqlite => {
                self.sql.push('$');
                self.sql.push_str(&self.params.len().to_string());
            }
        }
        self
    }

    /// Adds what `add` adds.
    #[must_use]
    pub fn with(self, add: impl FnOnce(Self) -> Self) -> Self {
        add(self)
    }

    /// Adds one thing per item, with `separator` between them.
    #[must_use]
    pub fn list<T>(
        mut self,
        items: impl IntoIterator<Item = T>,
        separator: &str,
        mut add: impl FnMut(Self, T) -> Self,
    ) -> Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self = self.push(separator);
            }
            self = add(self, item);
        }
        self
    }
}

/// An identifier in the engine's quotes.
#[must_use]
pub fn quote(engine: Engine, identifier: &str) -> String {
    match engine {
        Engine::MySql => format!("`{}`", identifier.replace('`', "``")),
        Engine::Postgres | Engine::Sqlite => format!("\"{}\"", identifier.replace('"', "\"\"")),
    }
}

/// A table name in the engine's quotes, with its schema where it has one.
#[must_use]
pub fn quote_table(engine: Engine, table: &TableName) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quote(engine, schema), quote(engine, &table.name)),
        None => quote(engine, &table.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_names() {
        let table = TableName { schema: Some("a\"b".into()), name: "x\"; DROP TABLE y; --".into() };
        assert_eq!(quote_table(Engine::Postgres, &table), r#""a""b"."x""; DROP TABLE y; --""#);
        assert_eq!(quote(Engine::MySql, "a`b\"c"), "`a``b\"c`");
    }

    #[test]
    fn placeholders_follow_the_engine() {
        let build = |engine| Statement::text(engine, "a = ").bind(1).push(" AND b = ").bind("x");
        assert_eq!(build(Engine::Postgres).sql(), "a = $1 AND b = $2");
        assert_eq!(build(Engine::MySql).sql(), "a = ? AND b = ?");
    }
}
