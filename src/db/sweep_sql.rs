//! The statements of a sweep: where a batch ends, and counting.

use chrono::{DateTime, Utc};

use super::expiry_sql::Expiry;
use super::{Engine, Param, Statement, Table, TableName};

/// A table to sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The table as the database describes it.
    pub table: Table,
    /// Its expiry column.
    pub expiry: Expiry,
}

/// Along what a sweep walks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// `PostgreSQL`'s heap, in ranges of blocks: a position is a block number.
    Blocks,
    /// A key, in ranges of its values: a position has one value per column.
    Key(Vec<String>),
    /// The index on the expiry: a position is one value of it.
    Expiry,
}

/// A position on a path.
pub type Position = Vec<Param>;

/// A stretch of a path: after `after`, up to and including `upto`; open where none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stretch {
    /// Exclusive start (for blocks: inclusive).
    pub after: Option<Position>,
    /// Inclusive end (for blocks: exclusive).
    pub upto: Option<Position>,
}

/// How many blocks are looked at for what lies ahead, where no index leads to it (`PostgreSQL`).
const BLOCKS_AHEAD: u32 = 300;
/// How many rows, from the end of the key (`MySQL`, `SQLite`).
const ROWS_AHEAD: u32 = 10_000;

/// The statement that gives a table transactions (`MySQL`).
#[must_use]
pub fn make_transactional(table: &TableName) -> String {
    format!("ALTER TABLE {} ENGINE = InnoDB", super::quote_table(Engine::MySql, table))
}

/// The statements that let `user` sweep a table. Only the schema `public` is open to everybody.
#[must_use]
pub fn grant(engine: Engine, table: &TableName, user: &str) -> String {
    let rows = format!("GRANT SELECT, DELETE ON {} TO {user};", super::quote_table(engine, table));
    match &table.schema {
        Some(schema) if engine == Engine::Postgres && schema != "public" => {
            format!("GRANT USAGE ON SCHEMA {} TO {user}; {rows}", super::quote(engine, schema))
        }
        _ => rows,
    }
}

/// The statement that lets `user` skip locked rows of a table.
#[must_use]
pub fn grant_skipping(engine: Engine, table: &TableName, column: &str, user: &str) -> String {
    let (table, column) = (super::quote_table(engine, table), super::quote(engine, column));
    format!("GRANT UPDATE ({column}) ON {table} TO {user};")
}

impl Target {
    /// Whether there is no index that a sweep could use, and there could be one.
    #[must_use]
    pub fn lacks_index(&self) -> bool {
        self.expiry.no_index().is_none() && self.table.index_on(&self.expiry.column).is_none()
    }

    /// Whether there is an index that leads to an expiry.
    #[must_use]
    pub fn is_indexed(&self) -> bool {
        self.expiry.no_index().is_none() && self.table.index_on(&self.expiry.column).is_some()
    }

    /// Selects the position `rows` rows after `after`; no row, or NULL, when fewer are left. Along the expiry it also
    /// selects the position a quarter further: when both are the same, so many rows share it that no batch could end
    /// there.
    #[must_use]
    pub fn boundary(&self, path: &Path, after: Option<&Position>, rows: u64, cutoff: DateTime<Utc>) -> Statement {
        match path {
            Path::Expiry => self
                .statement("SELECT ")
                .push(&self.expiry.key("MIN(position)"))
                .push(", ")
                .push(&self.expiry.key("MAX(position)"))
                .push(" FROM (SELECT ")
                .name(&self.expiry.column)
                .push(" AS position")
                .with(|statement| self.from(statement, path, after, cutoff))
                .with(|statement| limit_offset(statement, rows / 4 + 1, rows.saturating_sub(1)))
                .push(") AS ahead"),
            Path::Blocks | Path::Key(_) => self
                .statement("SELECT ")
                .with(|statement| self.position(statement, path))
                .with(|statement| self.from(statement, path, after, cutoff))
                .with(|statement| limit_offset(statement, 1, rows.saturating_sub(1))),
        }
    }

    fn from(&self, statement: Statement, path: &Path, after: Option<&Position>, cutoff: DateTime<Utc>) -> Statement {
        let stretch = Stretch { after: after.cloned(), upto: None };
        statement
            .push(" FROM ")
            .with(|statement| self.own_rows(statement))
            .push(" WHERE ")
            .with(|statement| match path {
                Path::Expiry => self.expiry.expired(statement, cutoff).push(" AND "),
                Path::Blocks | Path::Key(_) => statement,
            })
            .with(|statement| self.within(statement, path, &stretch))
            .push(" ORDER BY ")
            .with(|statement| self.columns(statement, path))
    }

    /// Explains the count of what has expired at `cutoff`: the database's own estimate, without reading the table
    /// (`PostgreSQL`).
    #[must_use]
    pub fn estimate(&self, cutoff: DateTime<Utc>) -> Statement {
        self.statement("EXPLAIN (FORMAT JSON) SELECT 1 FROM ")
            .with(|statement| self.own_rows(statement))
            .push(" WHERE ")
            .with(|statement| self.expiry.expired(statement, cutoff))
    }

    /// Deletes nothing, but only for who may delete.
    #[must_use]
    pub fn delete_nothing(&self) -> Statement {
        self.statement("DELETE FROM ").table(&self.table.name).push(" WHERE 1 = 0")
    }

    /// Counts what has expired at `cutoff`, exactly.
    #[must_use]
    pub fn count(&self, cutoff: DateTime<Utc>) -> Statement {
        self.statement("SELECT COUNT(*) FROM ")
            .table(&self.table.name)
            .push(" WHERE ")
            .with(|statement| self.expiry.expired(statement, cutoff))
    }

    /// Selects a row when there is one that has not expired at `cutoff`.
    #[must_use]
    pub fn any_live(&self, cutoff: DateTime<Utc>) -> Statement {
        self.statement("SELECT 1 FROM ")
            .with(|statement| self.own_rows(statement))
            .push(" WHERE ")
            .with(|statement| self.expiry.expired(statement, cutoff))
            .push(" IS NOT TRUE LIMIT 1")
    }

    /// Counts what has expired at `cutoff`, but no further than `most`.
    #[must_use]
    pub fn count_up_to(&self, most: u64, cutoff: DateTime<Utc>) -> Statement {
        self.statement("SELECT COUNT(*) FROM (SELECT 1 FROM ")
            .table(&self.table.name)
            .push(" WHERE ")
            .with(|statement| self.expiry.expired(statement, cutoff))
            .push(&format!(" LIMIT {most}) AS bounded"))
    }

    /// Selects total, expired, oldest and newest expiry; see [`Expiry::statistics`].
    #[must_use]
    pub fn statistics(&self, now: DateTime<Utc>) -> Statement {
        let statement = Statement::new(self.expiry.engine);
        self.expiry.statistics(statement, now).table(&self.table.name)
    }

    /// Selects up to `rows` present expiries; see [`Expiry::sample`].
    #[must_use]
    pub fn sample(&self, rows: u32) -> Statement {
        let statement = Statement::new(self.expiry.engine);
        self.expiry
            .sample(statement)
            .table(&self.table.name)
            .push(" WHERE ")
            .with(|statement| self.expiry.present(statement))
            .push(&format!(" LIMIT {rows}"))
    }

    /// Selects the newest of the column's instants after `after` and up to `upto`, at most `most`; see
    /// [`Expiry::sample`]. An index leads to the newest of all. Without one, they are the newest of some rows: of those
    /// in a random sample of blocks (`PostgreSQL`), or of those with the highest keys, which have come last where keys
    /// are counted up, and are as good as a random sample where they are random.
    #[must_use]
    pub fn ahead(&self, after: DateTime<Utc>, upto: DateTime<Utc>, most: u32) -> Statement {
        let statement = self.expiry.sample(Statement::new(self.expiry.engine));
        match (self.is_indexed(), self.expiry.engine) {
            (true, _) => self.own_rows(statement),
            (false, Engine::Postgres) => self
                .own_rows(statement)
                .push(&format!(
                    " TABLESAMPLE SYSTEM (least(100, {BLOCKS_AHEAD} * 100.0 / greatest(1, pg_relation_size("
                ))
                .bind(super::quote_table(Engine::Postgres, &self.table.name))
                .push("::regclass) / current_setting('block_size')::bigint))::real)"),
            (false, Engine::MySql | Engine::Sqlite) => statement
                .push("(SELECT ")
                .name(&self.expiry.column)
                .push(" FROM ")
                .table(&self.table.name)
                .push(if self.table.key.is_empty() { "" } else { " ORDER BY " })
                .list(&self.table.key, ", ", |statement, column| statement.name(column).push(" DESC"))
                .push(&format!(" LIMIT {ROWS_AHEAD}) AS last_rows")),
        }
        .push(" WHERE ")
        .with(|statement| self.expiry.between(statement, after, upto))
        .with(|statement| self.expiry.newest_first(statement))
        .push(&format!(" LIMIT {most}"))
    }

    /// Selects the values of the column that are furthest ahead, for people to look at.
    #[must_use]
    pub fn look(&self) -> Statement {
        self.statement("SELECT ")
            .name(&self.expiry.column)
            .push(" FROM ")
            .table(&self.table.name)
            .push(" WHERE ")
            .with(|statement| self.expiry.present(statement))
            .push(" ORDER BY 1 DESC LIMIT 20")
    }

    /// Selects the number of blocks that the table fills now (`PostgreSQL`).
    #[must_use]
    pub fn blocks(&self) -> Statement {
        let name = super::quote_table(self.expiry.engine, &self.table.name);
        self.statement("SELECT pg_relation_size(")
            .bind(name)
            .push("::regclass) / current_setting('block_size')::bigint")
    }

    pub(super) fn statement(&self, sql: &str) -> Statement {
        Statement::text(self.expiry.engine, sql)
    }

    /// The table without those that inherit from it.
    pub(super) fn own_rows(&self, statement: Statement) -> Statement {
        let only = if self.expiry.engine == Engine::Postgres { "ONLY " } else { "" };
        statement.push(only).table(&self.table.name)
    }

    /// The columns of the key.
    pub(super) fn names(&self, statement: Statement) -> Statement {
        statement.list(&self.table.key, ", ", |statement, column| statement.name(column))
    }

    /// What is selected as a position. Dates travel as text.
    pub(super) fn position(&self, statement: Statement, path: &Path) -> Statement {
        let is_date = |column: &String| {
            let kind = self.table.column(column).map(|column| column.kind.as_str());
            self.expiry.engine == Engine::MySql && matches!(kind, Some("datetime" | "timestamp" | "date" | "time"))
        };
        match path {
            Path::Blocks | Path::Expiry => self.columns(statement, path),
            Path::Key(columns) => statement.list(columns, ", ", |statement, column| {
                if is_date(column) {
                    statement.push("CAST(").name(column).push(" AS CHAR)")
                } else {
                    statement.name(column)
                }
            }),
        }
    }

    fn columns(&self, statement: Statement, path: &Path) -> Statement {
        match path {
            Path::Key(_) => self.names(statement),
            Path::Blocks => statement.push("ctid"),
            Path::Expiry => statement.name(&self.expiry.column),
        }
    }

    /// The condition on a stretch of a path.
    pub(super) fn within(&self, statement: Statement, path: &Path, stretch: &Stretch) -> Statement {
        let bounds = [(&stretch.after, true), (&stretch.upto, false)];
        let bounds: Vec<_> = bounds.iter().filter_map(|(at, lower)| at.as_ref().map(|at| (at, *lower))).collect();
        if bounds.is_empty() {
            return statement.push("1 = 1");
        }
        statement.list(bounds, " AND ", |statement, (at, lower)| match path {
            Path::Blocks => block_bound(statement, at, lower),
            Path::Key(columns) => self.key_bound(statement, columns, at, lower),
            Path::Expiry => self.expiry_bound(statement, at, lower),
        })
    }

    /// `(a, b) > (x, y)`, spelled out: `MySQL` walks an index for this form only.
    fn key_bound(&self, statement: Statement, columns: &[String], at: &[Param], lower: bool) -> Statement {
        let (strict, loose) = if lower { (" > ", " >= ") } else { (" < ", " <= ") };
        let ([column, columns @ ..], [value, at @ ..]) = (columns, at) else { return statement.push("1 = 1") };
        if columns.is_empty() {
            let comparison = if lower { strict } else { loose };
            return self.key_value(statement.name(column).push(comparison), column, value);
        }
        self.key_value(statement.name(column).push(loose), column, value)
            .push(" AND (")
            .with(|statement| self.key_value(statement.name(column).push(strict), column, value))
            .push(" OR (")
            .with(|statement| self.key_bound(statement, columns, at, lower))
            .push("))")
    }

    /// A value to compare a key column with. `MySQL` would rather convert every row of the column than a parameter
    /// whose character set is another, and then use no index.
    pub(super) fn key_value(&self, statement: Statement, column: &str, value: &Param) -> Statement {
        let collation = self.table.column(column).and_then(|column| column.collation.as_ref());
        match (collation, value) {
            (Some((charset, collation)), Param::Text(_)) => {
                statement.push("CONVERT(").bind(value.clone()).push(&format!(" USING {charset}) COLLATE {collation}"))
            }
            _ => statement.bind(value.clone()),
        }
    }

    fn expiry_bound(&self, statement: Statement, at: &Position, lower: bool) -> Statement {
        let statement = statement.name(&self.expiry.column).push(if lower { " > " } else { " <= " });
        let kind = self.table.column(&self.expiry.column).map(|column| column.kind.as_str()).unwrap_or_default();
        at.iter().fold(statement, |statement, at| self.expiry.position(statement, at, kind))
    }
}

/// Bound where statements are kept prepared, or each size of a batch would be one more of them.
fn limit_offset(statement: Statement, limit: u64, offset: u64) -> Statement {
    if statement.engine() == Engine::Postgres {
        return statement.push(&format!(" LIMIT {limit} OFFSET {offset}"));
    }
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    statement.push(" LIMIT ").bind(number(limit)).push(" OFFSET ").bind(number(offset))
}

fn block_bound(statement: Statement, at: &Position, lower: bool) -> Statement {
    let Some(Param::Int(block)) = at.first() else { return statement.push("1 = 0") };
    statement.push(&format!("ctid {} '({block},0)'::tid", if lower { ">=" } else { "<" }))
}
