//! The plan of a sweep: along what it walks, why, and with which statement.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Error, Spec, guard};
use crate::db::batch_sql::Batch;
use crate::db::sweep_sql::{Path, Stretch, Target};
use crate::db::{Database, Engine, Param, TableKind, introspect};
use crate::report::SweepOrder;

/// Below this share of expired rows the expiry index is the shorter way, where the database knows no more.
const SMALL_SHARE: u64 = 5;
/// How many expired rows are counted along the index, at most, to find the share; fewer where the number of all rows is
/// known.
const MOST_COUNTED: u64 = 50_000;

/// So many steps along an index take as long as reading one block and its rows (measured: `benches/`).
const STEPS_PER_BLOCK: u64 = 12;

/// How a table will be swept.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The table that the job names.
    pub target: Target,
    /// The tables in which its rows are: itself, or the partitions.
    pub parts: Vec<Part>,
    /// Rows that have expired at or before this instant go.
    pub cutoff: DateTime<Utc>,
}

/// How one table is walked.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What to sweep.
    pub target: Target,
    /// Along what.
    pub path: Path,
    /// Why it is that path, in words.
    pub why: String,
    /// How many rows have expired, where that is known without reading the table.
    pub estimated: Option<u64>,
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
    /// How many rows have expired, by the database's statistics.
    pub estimated_rows: Option<u64>,
    /// The walk through the table; of a partitioned one, through each partition.
    pub walks: Vec<ShownPart>,
}

/// The walk through one table, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownPart {
    /// The table with its schema.
    pub table: String,
    /// The sweep order.
    pub order: SweepOrder,
    /// Why that order.
    pub why: String,
    /// The index that it walks along.
    pub index: Option<String>,
    /// How many rows have expired, by the database's statistics.
    pub estimated_rows: Option<u64>,
    /// The statement of a batch, with placeholders.
    pub sql: String,
}

impl Plan {
    /// Chooses the walk through each of the tables behind `target`, from what the database knows of them.
    ///
    /// # Errors
    /// When there is no way to walk one in bounded steps, or what the database says.
    pub async fn choose(
        database: &Database,
        spec: &Spec,
        target: Target,
        cutoff: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let mut parts = Vec::new();
        for leaf in guard::leaves(database, spec, &target).await? {
            parts.push(Part::choose(database, spec, leaf, cutoff).await?);
        }
        Ok(Self { target, parts, cutoff })
    }

    /// The sweep order; of a partitioned table, that of its first partition.
    #[must_use]
    pub fn order(&self) -> Option<SweepOrder> {
        self.parts.first().map(Part::order)
    }

    /// How many rows have expired, where that is known.
    #[must_use]
    pub fn estimated(&self) -> Option<u64> {
        self.parts.iter().map(|part| part.estimated).sum()
    }

    /// The plan for people and programs.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let expiry = &self.target.expiry;
        Shown {
            table: self.target.table.name.to_string(),
            column: expiry.column.clone(),
            encoding: expiry.encoding.to_string(),
            mode: expiry.mode.name(),
            lifetime: expiry.mode.lifetime().map(|time| humantime::format_duration(time).to_string()),
            estimated_rows: self.estimated(),
            walks: self.parts.iter().map(|part| part.shown(self.cutoff)).collect(),
        }
    }
}

impl Shown {
    /// Of many partitions only the first, for what is kept of each run.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        self.walks.truncate(3);
        self
    }
}

impl Part {
    async fn choose(database: &Database, spec: &Spec, target: Target, cutoff: DateTime<Utc>) -> Result<Self, Error> {
        if spec.archive.is_some() && target.table.key.is_empty() && database.engine() == Engine::MySql {
            return Err(Error::refused(format!(
                "table {} has no key, without which its rows cannot be archived on MySQL before they are deleted; give it a primary key, or do without `archive`",
                target.table.name
            )));
        }
        let indexed = target.is_indexed();
        let statistics = Statistics::read(database, &target, cutoff).await?;
        let estimated = statistics.as_ref().map(|statistics| statistics.expired);
        let (path, why) = match (spec.order, physical_path(database, &target), indexed) {
            (Some(SweepOrder::Expiry), _, true) => (Path::Expiry, "`order` says so".to_owned()),
            (Some(SweepOrder::Physical), Some(physical), _) => (physical, "`order` says so".to_owned()),
            (Some(order), ..) => return Err(impossible(&target, order)),
            (None, Some(physical), false) => (physical, no_index(&target).to_owned()),
            (None, None, true) => (Path::Expiry, "the table cannot be walked in storage order here".to_owned()),
            (None, None, false) => return Err(no_way(&target)),
            (None, Some(physical), true) => match statistics {
                Some(statistics) => statistics.choose(physical),
                None => return Self::by_count(database, target, physical, cutoff).await,
            },
        };
        Ok(Self { target, path, why, estimated })
    }

    async fn by_count(
        database: &Database,
        target: Target,
        physical: Path,
        cutoff: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let rows = target.table.estimated_rows;
        let most = rows.map_or(MOST_COUNTED, |rows| (rows / SMALL_SHARE).max(1000));
        let counted = database.read(target.count_up_to(most, cutoff)).await?;
        let counted = database.decode(|| counted.first().map_or(Ok(None), |row| row.int(0)))?;
        let expired = counted.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
        Ok(if expired < most {
            let why = format!("{expired} rows have expired, a small part of the table, and the expiry is indexed");
            Self { target, path: Path::Expiry, why, estimated: Some(expired) }
        } else {
            let why = format!("at least {most} rows have expired, so walking the table is quicker than its index");
            Self { target, path: physical, why, estimated: None }
        })
    }

    /// The sweep order of the path.
    #[must_use]
    pub fn order(&self) -> SweepOrder {
        match self.path {
            Path::Blocks | Path::Key(_) => SweepOrder::Physical,
            Path::Expiry => SweepOrder::Expiry,
        }
    }

    /// The walk for people and programs.
    #[must_use]
    pub fn shown(&self, cutoff: DateTime<Utc>) -> ShownPart {
        let at = |number| match &self.path {
            Path::Key(columns) => vec![Param::Int(number); columns.len()],
            Path::Blocks | Path::Expiry => vec![Param::Int(number)],
        };
        let stretch = Stretch { after: Some(at(0)), upto: Some(at(100)) };
        let batch = Batch { path: &self.path, stretch, cutoff, most: None, skip_locked: false, wanted: false };
        let table = &self.target.table;
        let index = match &self.path {
            Path::Blocks => None,
            Path::Key(columns) => table.indexes.iter().find(|index| index.columns == *columns),
            Path::Expiry => table.index_on(&self.target.expiry.column),
        };
        ShownPart {
            table: table.name.to_string(),
            order: self.order(),
            why: self.why.clone(),
            index: index.map(|index| index.name.clone()),
            estimated_rows: self.estimated,
            sql: self.target.delete(&batch).sql().to_owned(),
        }
    }
}

/// What `PostgreSQL` knows of a table that was analyzed.
struct Statistics {
    expired: u64,
    rows: u64,
    blocks: u64,
    /// How far the rows lie in the order of their expiry: 0 not at all, 1 all of them.
    ordered: f64,
}

impl Statistics {
    async fn read(database: &Database, target: &Target, cutoff: DateTime<Utc>) -> Result<Option<Self>, Error> {
        let (Engine::Postgres, Some(rows)) = (database.engine(), target.table.estimated_rows) else { return Ok(None) };
        let known = database.read(introspect::correlation(&target.table.name, &target.expiry.column)).await?;
        let known = database.decode(|| known.first().map_or(Ok((None, None)), |row| Ok((row.int(0)?, row.int(1)?))))?;
        let (Some(thousandths), Some(blocks)) = known else { return Ok(None) };
        let plan = database.read(target.estimate(cutoff)).await?;
        let plan = database.decode(|| plan.first().map_or(Ok(None), |row| row.text(0)))?.unwrap_or_default();
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap_or_default();
        let expired = plan[0]["Plan"]["Plan Rows"].as_u64().unwrap_or_default();
        let thousandths = i32::try_from(thousandths).unwrap_or_default();
        let ordered = (f64::from(thousandths) / 1000.0).powi(2);
        Ok(Some(Self { expired, rows, blocks: u64::try_from(blocks).unwrap_or_default(), ordered }))
    }

    /// The index leads to one block for each row, where the rows lie at random, and from one block to the next, where
    /// they lie in its order; and each step along it has its price. When that is less than reading all blocks of the
    /// table, it is the shorter way.
    fn choose(&self, physical: Path) -> (Path, String) {
        let Self { expired, blocks, .. } = self;
        let touched = self.touched();
        if touched + expired / STEPS_PER_BLOCK < *blocks {
            let why = format!(
                "about {expired} rows have expired, in about {touched} of {blocks} blocks: the index leads to them"
            );
            return (Path::Expiry, why);
        }
        let why = format!(
            "about {expired} rows have expired, in most of the {blocks} blocks: reading them all in order is quicker than the index"
        );
        (physical, why)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    fn touched(&self) -> u64 {
        let share = self.expired as f64 / self.rows.max(1) as f64;
        let in_order = share * self.blocks as f64;
        (in_order * self.ordered + self.expired as f64 * (1.0 - self.ordered)).ceil() as u64
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

fn no_index(target: &Target) -> &'static str {
    target.expiry.no_index().unwrap_or("no usable index begins with the expiry column")
}

fn impossible(target: &Target, order: SweepOrder) -> Error {
    let reason = match order {
        SweepOrder::Expiry if target.lacks_index() => {
            "no usable index begins with the expiry column (`sweepd migrate --index` creates one)"
        }
        SweepOrder::Expiry => no_index(target),
        SweepOrder::Physical => "it has no key to walk by, or is on a PostgreSQL before 14",
    };
    Error::refused(format!("`order = \"{order}\"` is not possible for table {}: {reason}", target.table.name))
}

fn no_way(target: &Target) -> Error {
    let remedy = match target.expiry.no_index() {
        None => "`sweepd migrate --index` creates the index".to_owned(),
        Some(reason) => format!("give it a primary key ({reason})"),
    };
    Error::refused(format!(
        "table {} has neither a key to walk by nor an index on {:?}, so it cannot be swept in short transactions; {remedy}",
        target.table.name, target.expiry.column
    ))
}
