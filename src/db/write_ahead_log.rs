//! The write-ahead log of an `SQLite` file while a sweep fills it.
//!
//! Batches write the pages of random indexes, the same ones again and again. The application's own commits would copy
//! them back to the file each time (by default after 1,000 pages), and wait for the disk. So a reader stays in the log,
//! which keeps anybody from copying what came after it; now and then it leaves, and the sweep copies everything between
//! two batches, each page once.
//!
//! The reader is in the way of a checkpoint that the application asks for (`FULL`, `RESTART`, `TRUNCATE`): that one
//! keeps everybody from writing while it waits for readers. And a log that nobody can copy back grows. So the reader
//! also leaves when a batch has to wait, and for long pauses.

use std::time::Duration;

use super::{Database, DbError, Purpose, Statement, Transaction};
use crate::db::Engine;

/// The log is copied back when it holds so many pages: 200 MB of the usual 4 KB.
pub(super) const FULL: u32 = 50_000;

/// Whoever waits longer than this waits outside of the log.
const LONG: Duration = Duration::from_millis(100);

/// Watches over the log for as long as a sweep lasts. When it is dropped, the log is the application's again.
#[derive(Debug)]
pub struct LogKeeper {
    database: Database,
    reader: Option<Transaction>,
}

impl LogKeeper {
    /// Begins to watch; none where there is no such log.
    #[must_use]
    pub fn of(database: &Database) -> Option<Self> {
        database.has_log.then(|| Self { database: database.clone(), reader: None })
    }

    /// Sends the reader into the log, or copies the log back when it is full. While another process reads an old state
    /// it stays as long as it is, until the next time.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn after_batch(&mut self) -> Result<(), DbError> {
        // The batch has just written to the log: a reader in an empty one would be in nobody's way, but each commit of
        // the application would go through the whole log to find that out.
        if self.reader.is_none() {
            self.reader = Some(read(&self.database).await?);
            return Ok(());
        }
        if self.checkpoint("NOOP").await? < i64::from(FULL) {
            return Ok(());
        }
        self.leave().await?;
        // What others write meanwhile is copied by the second, so that the last, which keeps them out, has nothing left
        // to do but to begin the log anew.
        for mode in ["PASSIVE", "PASSIVE", "RESTART"] {
            self.checkpoint(mode).await?;
        }
        Ok(())
    }

    /// Waits for something, outside of the log when it takes long.
    pub async fn wait_for<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        if let Ok(done) = tokio::time::timeout(LONG, &mut work).await {
            return done;
        }
        // A connection that fails here has left too.
        let _ = self.leave().await;
        work.await
    }

    /// Leaves the log, and copies back what is in it, so that no commit of the application has to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end(mut self) -> Result<(), DbError> {
        self.leave().await?;
        self.checkpoint("PASSIVE").await.map(drop)
    }

    async fn leave(&mut self) -> Result<(), DbError> {
        match self.reader.take() {
            Some(reader) => reader.rollback().await,
            None => Ok(()),
        }
    }

    async fn checkpoint(&self, mode: &str) -> Result<i64, DbError> {
        self.database.connections.pool().checkpoint(mode).await.map_err(|error| self.database.error(&error))
    }
}

/// A transaction that has read something is in the log.
async fn read(database: &Database) -> Result<Transaction, DbError> {
    let mut reader = database.begin(Purpose::Read).await?;
    reader.fetch(Statement::text(Engine::Sqlite, "SELECT 1 FROM sqlite_master LIMIT 1")).await?;
    Ok(reader)
}
