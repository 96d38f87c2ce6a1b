//! The walk along a path: one stretch after the other, until the end.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use super::plan::{Part, Plan};
use crate::db::sweep_sql::{Path, Position, Stretch};
use crate::db::{Database, DbError, Param};

/// The regions of a table that the workers of a sweep take, one after the other: ranges of blocks, or for any other path
/// the whole of it.
#[derive(Debug)]
pub struct Regions {
    left: Mutex<Range<u64>>,
    size: u64,
}

impl Regions {
    /// The regions of a part, for so many workers.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn of(database: &Database, part: &Part, workers: u64) -> Result<Self, DbError> {
        let blocks = match part.path {
            Path::Blocks => count_blocks(database, part).await?,
            Path::Key(_) | Path::Expiry => 1,
        };
        let size = if workers > 1 { (blocks / (workers * 8)).clamp(512, 65_536) } else { blocks };
        Ok(Self { left: Mutex::new(0..blocks), size })
    }

    /// The next region; none when all are taken.
    pub fn take(&self) -> Option<Range<u64>> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let end = (left.start + self.size).min(left.end);
        let region = left.start..end;
        left.start = end;
        (!region.is_empty()).then_some(region)
    }

    /// How many blocks or rows the path is long, where that is known.
    pub fn length(&self, part: &Part) -> Option<u64> {
        match part.path {
            Path::Blocks => Some(self.left.lock().unwrap_or_else(PoisonError::into_inner).end),
            Path::Key(_) => part.target.table.estimated_rows,
            Path::Expiry => part.estimated,
        }
    }
}

/// Where a worker is in its region.
#[derive(Debug)]
pub struct Walk<'a> {
    database: &'a Database,
    plan: &'a Plan,
    part: &'a Part,
    /// Of a path in blocks: those that are left.
    blocks: Range<u64>,
    at: Option<Position>,
    ended: bool,
}

/// A stretch, and how far it leads.
#[derive(Debug)]
pub struct Step {
    /// What a batch covers.
    pub stretch: Stretch,
    /// At most so many rows of it, and the rest later: more have the same expiry than go into a batch.
    pub most: Option<u64>,
    /// Blocks or rows in it.
    pub units: u64,
}

/// The sizes of the first and of the largest batch, in blocks or rows, where batches shall take `target`. What a block
/// takes is known well enough (some 30 µs) to begin with a batch that is only a few times too small.
#[must_use]
pub fn sizes(path: &Path, target: Duration) -> (u64, u64) {
    let millis = u64::try_from(target.as_millis()).unwrap_or(u64::MAX).clamp(1, 64);
    match path {
        Path::Blocks => (4 * millis, 8192),
        Path::Key(_) | Path::Expiry => (500, 50_000),
    }
}

impl<'a> Walk<'a> {
    /// At the beginning of a region.
    #[must_use]
    pub fn through(database: &'a Database, plan: &'a Plan, part: &'a Part, region: Range<u64>) -> Self {
        Self { database, plan, part, blocks: region, at: None, ended: false }
    }

    /// Whether the end was reached.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended || (self.part.path == Path::Blocks && self.blocks.is_empty())
    }

    /// The next stretch of about `size` units. Asking again without [`Walk::advance`] gives the same
    /// start, so a batch that failed can be tried again with another size.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next(&self, size: u64) -> Result<Step, DbError> {
        match self.part.path {
            Path::Blocks => Ok(self.next_blocks(size)),
            Path::Key(_) | Path::Expiry => self.next_keys(size).await,
        }
    }

    /// Moves on to the end of a step of which `deleted` rows are gone; stays, while there may be more than it was allowed
    /// to delete. (It may have deleted fewer, because others got hold of some of them first.)
    pub fn advance(&mut self, step: Step, deleted: u64) {
        if step.most.is_some() && deleted > 0 {
            return;
        }
        self.blocks.start += step.units.min(self.blocks.end - self.blocks.start);
        self.ended = step.stretch.upto.is_none();
        self.at = step.stretch.upto;
    }

    fn next_blocks(&self, size: u64) -> Step {
        let start = self.blocks.start;
        let end = (start + size).min(self.blocks.end);
        let block = |number: u64| vec![Param::Int(i64::try_from(number).unwrap_or(i64::MAX))];
        let stretch = Stretch { after: Some(block(start)), upto: Some(block(end)) };
        Step { stretch, most: None, units: end - start }
    }

    async fn next_keys(&self, size: u64) -> Result<Step, DbError> {
        let sql = self.part.target.boundary(&self.part.path, self.at.as_ref(), size, self.plan.cutoff);
        let rows = self.database.read(sql).await?;
        let columns = match &self.part.path {
            Path::Key(columns) => columns.len(),
            Path::Blocks | Path::Expiry => 1,
        };
        let (upto, further) = self.database.decode(|| {
            let Some(row) = rows.first() else { return Ok((None, None)) };
            let upto: Vec<_> = (0..columns).map(|index| row.param(index)).collect::<Result<_, _>>()?;
            let further = if self.part.path == Path::Expiry { Some(row.param(1)?) } else { None };
            Ok((Some(upto).filter(|at| at.first() != Some(&Param::Null)), further))
        })?;
        let tied = upto.as_ref().is_some_and(|at| at.first() == further.as_ref());
        let stretch = Stretch { after: self.at.clone(), upto };
        Ok(Step { stretch, most: tied.then_some(size), units: size })
    }
}

async fn count_blocks(database: &Database, part: &Part) -> Result<u64, DbError> {
    let rows = database.read(part.target.blocks()).await?;
    let blocks = database.decode(|| rows.first().map_or(Ok(None), |row| row.int(0)))?;
    Ok(blocks.and_then(|blocks| u64::try_from(blocks).ok()).unwrap_or_default())
}
