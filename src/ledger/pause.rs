//! Jobs that are paused.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::Ledger;
use super::row;
use crate::db::{DbError, ledger_sql};
use crate::report::rfc3339;

/// That a job is paused: nothing runs it but a person at the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pause {
    /// Since when.
    #[serde(serialize_with = "crate::report::instant")]
    pub since: DateTime<Utc>,
    /// The host on which it was paused.
    pub host: String,
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "paused since {} (on {})", rfc3339(self.since), self.host)
    }
}

impl Ledger {
    /// Pauses a job, for all processes; false when it was paused already.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pause(&self, target: &str, job: &str, host: &str) -> Result<bool, DbError> {
        Ok(self.database.write(ledger_sql::pause(self.database.engine(), target, job, host)).await? == 1)
    }

    /// Ends the pause of a job; false when it was not paused.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn resume(&self, target: &str, job: &str) -> Result<bool, DbError> {
        Ok(self.database.write(ledger_sql::resume(self.database.engine(), target, job)).await? == 1)
    }

    /// Whether a job is paused.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn paused(&self, target: &str, job: &str) -> Result<Option<Pause>, DbError> {
        let rows = self.database.read(ledger_sql::paused(self.database.engine(), target, job)).await?;
        self.database.decode(|| rows.first().map(row::pause).transpose())
    }
}
