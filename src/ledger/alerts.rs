//! What people were told of a job, and the alerts that are still to be delivered. Both change in one transaction, so
//! that nothing is told twice or not at all, whenever a process dies and however many there are.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::row::{id, parse, report};
use crate::db::alert_sql::{self, Position};
use crate::db::{Database, DbError, DecodeError, Purpose, Row, Transaction};
use crate::report::{Report, RunId};

/// Who was told nothing for so long is told of the newest run only.
const LONG_AGO: TimeDelta = TimeDelta::days(7);
/// No alert is put off for longer.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// What people were told of a job last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Up to which run.
    pub position: Position,
    /// What is still wrong.
    pub trouble: Option<String>,
    /// How long ago that was, or since when sweepd could have told them.
    pub ago: TimeDelta,
}

/// A look at what people have to be told of a job; nobody else looks meanwhile.
pub struct Telling {
    transaction: Transaction,
    target: String,
    job: String,
    /// What they were told last.
    pub told: Told,
    /// The runs that ended since, oldest first.
    pub ended: Vec<Report>,
}

/// An alert that is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its id, which stays the same however often it is sent.
    pub id: RunId,
    /// What it says, as JSON.
    pub body: String,
    /// How often it was taken to be sent.
    pub tries: i64,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// How long it is until it is to be tried.
    pub due_in: Duration,
}

impl Telling {
    /// Begins one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin(database: &Database, target: &str, job: &str) -> Result<Self, DbError> {
        let engine = database.engine();
        let mut transaction = database.begin(Purpose::Write).await?;
        let mut rows = transaction.fetch(alert_sql::told(engine, target, job)).await?;
        let is_first = rows.is_empty() && transaction.execute(alert_sql::begin(engine, target, job)).await? == 1;
        if rows.is_empty() {
            rows = transaction.fetch(alert_sql::told(engine, target, job)).await?;
        }
        let (told, age) = database.decode(|| told(rows.first().ok_or_else(|| DecodeError::new("no row"))?))?;
        // A clock that was set back hides what ended since, and nobody wants to read the story of months.
        let is_lost = is_first || age < TimeDelta::zero() || age > LONG_AGO;
        let ended = if is_lost {
            alert_sql::last_ended(engine, target, job)
        } else {
            alert_sql::ended(engine, target, job, told.position)
        };
        let rows = transaction.fetch(ended).await?;
        let ended: Vec<Report> = database.decode(|| rows.iter().map(report).collect())?;
        let ended = ended.into_iter().filter(|run| run.run_id != told.position.0).collect();
        Ok(Self { transaction, target: target.to_owned(), job: job.to_owned(), told, ended })
    }

    /// Ends it: what is wrong now, and the alerts that go out, each with its channel.
    ///
    /// # Errors
    /// Those of the database; then neither was recorded.
    pub async fn end(
        mut self,
        database: &Database,
        trouble: Option<&str>,
        alerts: &[(RunId, String, String)],
        anew: bool,
    ) -> Result<(), DbError> {
        let engine = database.engine();
        let newest = self.ended.last().and_then(|run| Some((run.run_id, run.finished_at?)));
        let position = newest.unwrap_or(self.told.position);
        if position == self.told.position && !anew && trouble == self.told.trouble.as_deref() {
            return self.transaction.commit().await;
        }
        for (id, channel, body) in alerts {
            self.transaction.execute(alert_sql::queue(engine, *id, channel, body)).await?;
        }
        let tell = alert_sql::tell(engine, &self.target, &self.job, position, trouble, anew);
        self.transaction.execute(tell).await?;
        self.transaction.commit().await
    }
}

/// What people were told, and how long before now the run ended up to which they were.
fn told(row: &Row) -> Result<(Told, TimeDelta), DecodeError> {
    let position = (parse::<RunId>(row.text(0)?)?, parse::<DateTime<Utc>>(row.text(1)?)?);
    let (told_at, now) = (parse::<DateTime<Utc>>(row.text(3)?)?, parse::<DateTime<Utc>>(row.text(4)?)?);
    Ok((Told { position, trouble: row.text(2)?, ago: now - told_at }, now - position.1))
}

impl Queued {
    /// The oldest alert of a channel.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn oldest(database: &Database, channel: &str) -> Result<Option<Self>, DbError> {
        let rows = database.read(alert_sql::oldest(database.engine(), channel)).await?;
        database.decode(|| {
            let Some(row) = rows.first() else { return Ok(None) };
            let (due, now) = (parse::<DateTime<Utc>>(row.text(4)?)?, parse::<DateTime<Utc>>(row.text(5)?)?);
            Ok(Some(Self {
                id: id(row)?,
                body: row.text(1)?.unwrap_or_default(),
                tries: row.int(2)?.unwrap_or_default(),
                made_at: parse(row.text(3)?)?,
                // No pause is that long: the clock was set back.
                due_in: (due - now).to_std().ok().filter(|due_in| *due_in <= LONGEST_PAUSE).unwrap_or_default(),
            }))
        })
    }

    /// Takes it to send it, for as long as `hold`; false when another process did so meanwhile.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn take(&self, database: &Database, hold: Duration) -> Result<bool, DbError> {
        Ok(database.write(alert_sql::take(database.engine(), self.id, self.tries, hold)).await? == 1)
    }

    /// It was delivered, or never will be.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn remove(&self, database: &Database) -> Result<(), DbError> {
        database.write(alert_sql::delivered(database.engine(), self.id)).await.map(drop)
    }

    /// It was taken, and is to be tried again in a while.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_off(&self, database: &Database, pause: Duration) -> Result<(), DbError> {
        database.write(alert_sql::put_off(database.engine(), self.id, self.tries + 1, pause)).await.map(drop)
    }

    /// Deletes what was made longer than `age` ago: nobody delivers it any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget(database: &Database, age: Duration) -> Result<u64, DbError> {
        database.write(alert_sql::forget(database.engine(), age)).await
    }

    /// How many alerts are still to be delivered, by channel.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn waiting(database: &Database) -> Result<Vec<(String, i64)>, DbError> {
        let rows = database.read(alert_sql::waiting(database.engine())).await?;
        database.decode(|| {
            let pair = |row: &Row| Ok((row.text(0)?.unwrap_or_default(), row.int(1)?.unwrap_or_default()));
            rows.iter().map(pair).collect()
        })
    }
}
