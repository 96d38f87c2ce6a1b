//! Transactions, and how statements reach a driver.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor as _, MySql, Postgres, Sqlite};

use super::pool::{Connections, Pool};
use super::{DbError, Engine, Param, Row, Statement, with_driver, within};

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To look only: the database itself refuses writes, where it can.
    Read,
    /// The same for a whole table, without a limit on the time that it takes.
    Count,
    /// To write, durably.
    Write,
    /// To delete one batch: its commit need not wait for the disk, because a lost batch loses its count with it. Or to
    /// move the expiry of one session: a lost move is made again.
    Batch,
}

/// A transaction; dropped without [`Transaction::commit`], it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    pub(super) inner: Inner,
    pub(super) lease: Lease,
    pub(super) limit: Option<Duration>,
}

/// Where a transaction has its connection from.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) pool: Pool,
    connections: Connections,
    location: String,
}

impl Lease {
    pub(super) fn of(connections: &Connections, location: &str) -> Self {
        Self { pool: connections.pool(), connections: connections.clone(), location: location.to_owned() }
    }

    /// What a driver said; where that is about the connection, the next one is a new one. That there was none to be had
    /// says nothing about those that there are.
    pub(super) fn error(&self, error: &sqlx::Error) -> DbError {
        let none_to_be_had = matches!(error, sqlx::Error::PoolTimedOut);
        let error = DbError::new(&self.location, error);
        if error.trouble.is_of_the_connection() && !none_to_be_had {
            self.connections.renew(&self.pool);
        }
        error
    }
}

#[derive(Debug)]
pub(super) enum Inner {
    Postgres(sqlx::Transaction<'static, Postgres>),
    MySql(sqlx::Transaction<'static, MySql>),
    Sqlite(sqlx::Transaction<'static, Sqlite>),
}

/// A query of the driver with all parameters bound. On PostgreSQL it is not kept prepared, because proxies that pool by
/// transaction dislike named statements. On MySQL it is: giving a statement up is a message without an answer, after
/// which TCP holds the next one back for 40 ms. The text is safe by construction: it comes from [`Statement`], which
/// quotes identifiers and binds values.
macro_rules! query {
    ($statement:expr) => {{
        let keep = $statement.engine() != Engine::Postgres;
        let (sql, params) = $statement.into_parts();
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(keep);
        for param in params {
            query = match param {
                Param::Null => query.bind(None::<String>),
                Param::Int(value) => query.bind(value),
                Param::Float(value) => query.bind(value),
                Param::Text(value) => query.bind(value),
                Param::Bytes(value) => query.bind(value),
                Param::Naive(value) => query.bind(value),
                Param::Instant(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Transaction {
    /// Runs a statement and returns the number of rows that it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, DbError> {
        let work = async {
            with_driver!(Inner, &mut self.inner, transaction =>
                query!(statement).execute(&mut **transaction).await.map(|done| done.rows_affected()))
        };
        within(self.limit, work).await.map_err(|error| self.lease.error(&error))
    }

    /// Runs a script of several statements.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn script(&mut self, sql: &str) -> Result<(), DbError> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let work =
            async { with_driver!(Inner, &mut self.inner, transaction => transaction.execute(sql).await.map(drop)) };
        within(self.limit, work).await.map_err(|error| self.lease.error(&error))
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, DbError> {
        let work = async {
            match &mut self.inner {
                Inner::Postgres(transaction) => query!(statement)
                    .fetch_all(&mut **transaction)
                    .await
                    .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
                Inner::MySql(transaction) => query!(statement)
                    .fetch_all(&mut **transaction)
                    .await
                    .map(|rows| rows.into_iter().map(Row::MySql).collect()),
                Inner::Sqlite(transaction) => query!(statement)
                    .fetch_all(&mut **transaction)
                    .await
                    .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            }
        };
        within(self.limit, work).await.map_err(|error| self.lease.error(&error))
    }

    /// Makes it last.
    ///
    /// # Errors
    /// When the answer does not come: the transaction may or may not have been committed.
    pub async fn commit(self) -> Result<(), DbError> {
        let work = async { with_driver!(Inner, self.inner, transaction => transaction.commit().await) };
        within(self.limit, work).await.map_err(|error| self.lease.error(&error))
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When the connection is gone; the server takes it back then too.
    pub async fn rollback(self) -> Result<(), DbError> {
        let work = async { with_driver!(Inner, self.inner, transaction => transaction.rollback().await) };
        within(self.limit, work).await.map_err(|error| self.lease.error(&error))
    }
}
