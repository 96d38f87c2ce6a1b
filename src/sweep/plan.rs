//! The plan of a sweep: along what it walks, why, and with which statement.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Error;
use crate::db::sweep_sql::{Path, Stretch, Target};
use crate::db::{Database, Engine, Param, TableKind};
use crate::report::SweepOrder;

/// Below this share of expired rows the expiry index is the shorter way.
const SMALL_SHARE: u64 = 5;
/// How many expired rows are counted along the index, at most, to find the share.
const MOST_COUNTED: u64 = 50_000;

/// How a table will be swept.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What to sweep.
    pub target: Target,
    /// Along what.
    pub path: Path,
    /// Rows that have expired at or before this instant go.
    pub cutoff: DateTime<Utc>,
    /// Why it is that path, in words.
    pub why: String,
}

/// A plan as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The table with its schema.
    pub table: String,
    /// The expiry column.
    pub column: String,
    /// How it stores an instant.
    pub encoding: String,
    /// What the instant means: `expires` or `last-seen`.
    pub mode: &'static str,
    /// How long a session lives after its last use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
    /// The sweep order.
    pub order: SweepOrder,
    /// Why that order.
    pub why: String,
    /// The statement of a batch, with placeholders.
    pub sql: String,
}

impl Plan {
    /// Chooses the path from the indexes and a bounded count.
    ///
    /// # Errors
    /// When there is no way to walk the table in bounded steps, or what the database says.
    pub async fn choose(database: &Database, target: Target, cutoff: DateTime<Utc>) -> Result<Self, Error> {
        let physical = physical_path(database, &target);
        let indexed = target.expiry.can_use_index() && target.table.has_index_on(&target.expiry.column);
        let (path, why) = match (physical, indexed) {
            (Some(physical), false) => (physical, "no usable index begins with the expiry column".to_owned()),
            (Some(physical), true) => by_share(database, &target, physical, cutoff).await?,
            (None, true) => (Path::Expiry, "the table cannot be walked in storage order here".to_owned()),
            (None, false) => {
                return Err(Error::refused(format!(
                    "table {} has neither a key to walk by nor an index on {:?}, so it cannot be swept in short transactions; `sweepd migrate --index` creates the index",
                    target.table.name, target.expiry.column
                )));
            }
        };
        Ok(Self { target, path, cutoff, why })
    }

    /// The sweep order of the path.
    #[must_use]
    pub fn order(&self) -> SweepOrder {
        match self.path {
            Path::Blocks | Path::Key(_) => SweepOrder::Physical,
            Path::Expiry => SweepOrder::Expiry,
        }
    }

    /// The plan for people and programs.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let at = |number| match &self.path {
            Path::Key(columns) => vec![Param::Int(number); columns.len()],
            Path::Blocks | Path::Expiry => vec![Param::Int(number)],
        };
        let stretch = Stretch { after: Some(at(0)), upto: Some(at(100)) };
        Shown {
            table: self.target.table.name.to_string(),
            column: self.target.expiry.column.clone(),
            encoding: self.target.expiry.encoding.to_string(),
            mode: self.target.expiry.mode.name(),
            lifetime: self.target.expiry.mode.lifetime().map(|time| humantime::format_duration(time).to_string()),
            order: self.order(),
            why: self.why.clone(),
            sql: self.target.delete(&self.path, &stretch, self.cutoff).sql().to_owned(),
        }
    }
}

fn physical_path(database: &Database, target: &Target) -> Option<Path> {
    match database.engine() {
        // Ranges of ctid are read in order since PostgreSQL 14; a partitioned parent has no blocks of its own.
        Engine::Postgres => {
            let walkable = database.version().major >= 14 && target.table.kind == TableKind::Plain;
            walkable.then_some(Path::Blocks)
        }
        Engine::MySql | Engine::Sqlite => {
            let key = &target.table.key;
            (!key.is_empty()).then(|| Path::Key(key.clone()))
        }
    }
}

async fn by_share(
    database: &Database,
    target: &Target,
    physical: Path,
    cutoff: DateTime<Utc>,
) -> Result<(Path, String), Error> {
    let rows = target.table.estimated_rows;
    let most = rows.map_or(MOST_COUNTED, |rows| (rows / SMALL_SHARE).clamp(1000, MOST_COUNTED));
    let counted = database.read(target.count_up_to(most, cutoff)).await?;
    let counted = database.decode(|| counted.first().map_or(Ok(None), |row| row.int(0)))?;
    let expired = counted.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
    Ok(if expired < most {
        (Path::Expiry, format!("{expired} rows have expired, a small part of the table, and the expiry is indexed"))
    } else {
        (physical, format!("at least {most} rows have expired, so walking the table is quicker than its index"))
    })
}
