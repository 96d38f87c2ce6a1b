//! The walk along a path: one stretch after the other, until the end.

use super::plan::Plan;
use crate::db::sweep_sql::{Path, Position, Stretch};
use crate::db::{Database, DbError, Param};

/// Where a sweep is on its path.
#[derive(Debug)]
pub struct Walk<'a> {
    database: &'a Database,
    plan: &'a Plan,
    at: Option<Position>,
    blocks: u64,
    walked: u64,
    ended: bool,
}

/// A stretch, and where the walk is after it.
#[derive(Debug)]
pub struct Step {
    /// What a batch covers.
    pub stretch: Stretch,
    units: u64,
}

impl<'a> Walk<'a> {
    /// At the beginning of the path.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin(database: &'a Database, plan: &'a Plan) -> Result<Self, DbError> {
        let blocks = match plan.path {
            Path::Blocks => count_blocks(database, plan).await?,
            Path::Key(_) | Path::Expiry => 0,
        };
        Ok(Self { database, plan, at: None, blocks, walked: 0, ended: false })
    }

    /// The sizes of the first and of the largest batch, in blocks or rows.
    #[must_use]
    pub fn sizes(&self) -> (u64, u64) {
        match self.plan.path {
            Path::Blocks => (16, 1024),
            Path::Key(_) | Path::Expiry => (500, 20_000),
        }
    }

    /// How far the walk is: units done, and how many there are where that is known.
    #[must_use]
    pub fn progress(&self) -> (u64, Option<u64>) {
        match self.plan.path {
            Path::Blocks => (self.walked, Some(self.blocks)),
            Path::Key(_) => (self.walked, self.plan.target.table.estimated_rows),
            Path::Expiry => (self.walked, None),
        }
    }

    /// Whether the end of the path was reached.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended || (self.plan.path == Path::Blocks && self.walked >= self.blocks)
    }

    /// The next stretch of about `size` units. Asking again without [`Walk::advance`] gives the same
    /// start, so a batch that failed can be tried again with another size.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next(&self, size: u64) -> Result<Step, DbError> {
        match self.plan.path {
            Path::Blocks => Ok(self.next_blocks(size)),
            Path::Key(_) | Path::Expiry => self.next_keys(size).await,
        }
    }

    /// Moves on to the end of a step.
    pub fn advance(&mut self, step: Step) {
        self.walked += step.units;
        self.ended = step.stretch.upto.is_none();
        self.at = step.stretch.upto;
    }

    fn next_blocks(&self, size: u64) -> Step {
        let end = (self.walked + size).min(self.blocks);
        let block = |number: u64| vec![Param::Int(i64::try_from(number).unwrap_or(i64::MAX))];
        let stretch = Stretch { after: Some(block(self.walked)), upto: Some(block(end)) };
        Step { stretch, units: end - self.walked }
    }

    async fn next_keys(&self, size: u64) -> Result<Step, DbError> {
        let sql = self.plan.target.boundary(&self.plan.path, self.at.as_ref(), size, self.plan.cutoff);
        let rows = self.database.read(sql).await?;
        let columns = match &self.plan.path {
            Path::Key(columns) => columns.len(),
            Path::Blocks | Path::Expiry => 1,
        };
        let upto = self
            .database
            .decode(|| rows.first().map(|row| (0..columns).map(|index| row.param(index)).collect()).transpose())?;
        Ok(Step { stretch: Stretch { after: self.at.clone(), upto }, units: size })
    }
}

async fn count_blocks(database: &Database, plan: &Plan) -> Result<u64, DbError> {
    let rows = database.read(plan.target.blocks()).await?;
    let blocks = database.decode(|| rows.first().map_or(Ok(None), |row| row.int(0)))?;
    Ok(blocks.and_then(|blocks| u64::try_from(blocks).ok()).unwrap_or_default())
}
