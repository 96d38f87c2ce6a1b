//! Statistics of a job's table, and the exact count of a dry run.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::plan::Plan;
use super::{Error, Spec, Sweeper, guard, plan};
use crate::db::Database;
use crate::report::{instant, optional_instant};

/// Statistics of a job's table at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// The job's name.
    pub job: String,
    /// All rows.
    pub total: u64,
    /// Rows that have not expired; those without an expiry are among them.
    pub active: u64,
    /// Rows that have expired.
    pub expired: u64,
    /// The oldest expiry.
    #[serde(serialize_with = "optional_instant")]
    pub oldest_expiry: Option<DateTime<Utc>>,
    /// The newest expiry.
    #[serde(serialize_with = "optional_instant")]
    pub newest_expiry: Option<DateTime<Utc>>,
    /// When they were taken.
    #[serde(serialize_with = "instant")]
    pub timestamp: DateTime<Utc>,
}

/// What a run would delete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRun {
    /// The job's name.
    pub job: String,
    /// Rows that would go, exactly.
    pub expired: u64,
    /// Rows expired at or before this instant would go.
    #[serde(serialize_with = "instant")]
    pub cutoff: DateTime<Utc>,
    /// How.
    #[schema(value_type = Object)]
    pub plan: plan::Shown,
    /// Partitions all of whose rows have expired: to detach and drop one takes no time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all_expired: Vec<String>,
}

impl Sweeper {
    /// Counts a job's rows.
    ///
    /// # Errors
    /// A refusal of the guards, or what the database says.
    pub async fn stats(&self, spec: &Spec) -> Result<Stats, Error> {
        let database = Database::connect(&self.database).await?;
        let stats = self.stats_of(&database, spec).await;
        database.close().await;
        stats
    }

    async fn stats_of(&self, database: &Database, spec: &Spec) -> Result<Stats, Error> {
        let target = guard::target(database, spec).await?;
        let now = self.clock.now();
        let rows = database.count(target.statistics(now)).await?;
        let numbers = database.decode(|| {
            let Some(row) = rows.first() else { return Ok([None; 4]) };
            Ok([row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?])
        })?;
        let count = |index: usize| numbers[index].and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
        let expiry = &target.expiry;
        let end = |millis| expiry.read(millis).map(|at| expiry.mode.end(at));
        Ok(Stats {
            job: spec.job.clone(),
            total: count(0),
            expired: count(1),
            active: count(0) - count(1),
            oldest_expiry: numbers[2].and_then(end),
            newest_expiry: numbers[3].and_then(end),
            timestamp: now,
        })
    }

    /// How a run would sweep now. Changes nothing.
    ///
    /// # Errors
    /// A refusal of the guards, or what the database says.
    pub async fn planned(&self, spec: &Spec) -> Result<plan::Shown, Error> {
        let database = Database::connect(&self.database).await?;
        let plan = self.plan(&database, spec).await;
        database.close().await;
        Ok(plan?.shown())
    }

    /// Plans a run and counts what it would delete. Changes nothing.
    ///
    /// # Errors
    /// A refusal of the guards, or what the database says.
    pub async fn dry_run(&self, spec: &Spec) -> Result<DryRun, Error> {
        let database = Database::connect(&self.database).await?;
        let found = self.dry_run_of(&database, spec).await;
        database.close().await;
        found
    }

    async fn dry_run_of(&self, database: &Database, spec: &Spec) -> Result<DryRun, Error> {
        let plan: Plan = self.plan(database, spec).await?;
        let rows = database.count(plan.target.count(plan.cutoff)).await?;
        let expired = database.decode(|| rows.first().map_or(Ok(None), |row| row.int(0)))?;
        let expired = expired.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
        let mut all_expired = Vec::new();
        for part in plan.parts.iter().filter(|_| plan.parts.len() > 1) {
            // Where this takes too long, there is no hint.
            let live = database.read(part.target.any_live(plan.cutoff)).await;
            let some = database.read(part.target.sample(1)).await;
            if live.is_ok_and(|rows| rows.is_empty()) && some.is_ok_and(|rows| !rows.is_empty()) {
                all_expired.push(part.target.table.name.to_string());
            }
        }
        Ok(DryRun { job: spec.job.clone(), expired, cutoff: plan.cutoff, plan: plan.shown(), all_expired })
    }
}
