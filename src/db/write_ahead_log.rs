//! The write-ahead log of an `SQLite` file while a sweep fills it.
//!
//! Batches write the pages of random indexes, the same ones again and again. The application's own commits would copy
//! them back to the file each time (by default after 1,000 pages), and wait for the disk. So a reader stays in the log,
//! which keeps anybody from copying; now and then it leaves, and the sweep copies everything between two batches, each
//! page once.

use super::{Database, DbError, Purpose, Statement, Transaction};
use crate::db::Engine;

/// The log is copied back when it holds so many pages: 200 MB of the usual 4 KB.
const FULL: i64 = 50_000;

/// Watches over the log for as long as a sweep lasts. When it is dropped, the log is the application's again.
#[derive(Debug)]
pub struct LogKeeper {
    database: Database,
    reader: Option<Transaction>,
}

impl LogKeeper {
    /// Begins to watch; none where there is no such log.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn start(database: &Database) -> Result<Option<Self>, DbError> {
        if !database.has_log {
            return Ok(None);
        }
        let reader = Some(read(database).await?);
        Ok(Some(Self { database: database.clone(), reader }))
    }

    /// Copies the log back when it is full. While another process reads an old state it stays as long as it is, until
    /// the next time.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn after_batch(&mut self) -> Result<(), DbError> {
        // As long as the reader is in the log this copies nothing.
        if self.checkpoint("PASSIVE").await? < FULL {
            return Ok(());
        }
        if let Some(reader) = self.reader.take() {
            reader.rollback().await?;
        }
        // What others write meanwhile is copied by the second, so that the last, which keeps them out, has nothing left
        // to do but to begin the log anew.
        for mode in ["PASSIVE", "PASSIVE", "RESTART"] {
            self.checkpoint(mode).await?;
        }
        self.reader = Some(read(&self.database).await?);
        Ok(())
    }

    /// Leaves the log, and copies back what is in it, so that no commit of the application has to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end(self) -> Result<(), DbError> {
        if let Some(reader) = self.reader {
            reader.rollback().await?;
        }
        let copied = self.database.connections.pool().checkpoint("PASSIVE").await;
        copied.map(drop).map_err(|error| self.database.error(&error))
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
