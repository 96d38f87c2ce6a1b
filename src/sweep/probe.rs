//! Probes: what tells a sweep that the database has enough to do without it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::Error;
use super::limits::Limits;
use crate::clock::Stopwatch;
use crate::db::{self, Database, Engine, Trouble, probe_sql};
use crate::report::Throttle;

/// The probes of a run.
#[derive(Debug)]
pub struct Probes {
    limits: Limits,
    /// The replica to ask how far it is behind; without one, the primary is asked about all of its replicas.
    replica: Option<(db::Settings, OnceCell<Database>)>,
    last: Mutex<Option<Stopwatch>>,
}

impl Probes {
    /// Those that `limits` ask for.
    #[must_use]
    pub fn new(limits: &Limits, replica: Option<db::Settings>) -> Self {
        let replica = replica.map(|settings| (settings, OnceCell::new()));
        Self { limits: limits.clone(), replica, last: Mutex::new(None) }
    }

    /// Whether there are any (or others that look at the same time), and the last look was that long ago.
    pub fn are_due(&self, others: bool, every: Duration) -> bool {
        let Limits { max_replication_lag, load, stop_file, .. } = &self.limits;
        if !others && max_replication_lag.is_none() && load.is_none() && stop_file.is_none() {
            return false;
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < every) {
            return false;
        }
        *last = Some(Stopwatch::start());
        true
    }

    /// Looks, and says why to pause, if there is a reason.
    ///
    /// # Errors
    /// When a probe cannot look: then nobody knows, and nothing is deleted.
    pub async fn look(&self, database: &Database) -> Result<Option<(Throttle, String)>, Error> {
        let found = match self.stop_file() {
            None => self.lag(database).await?,
            found => found,
        };
        match found {
            None => self.load(database).await,
            found => Ok(found),
        }
    }

    /// Ends the connections that it has of its own.
    pub async fn close(&self) {
        if let Some(replica) = self.replica.as_ref().and_then(|(_, connected)| connected.get()) {
            replica.close().await;
        }
    }

    fn stop_file(&self) -> Option<(Throttle, String)> {
        // One that cannot be looked for may be there.
        let file = self.limits.stop_file.as_ref().filter(|file| file.try_exists().unwrap_or(true))?;
        Some((Throttle::StopFile, format!("the stop file {} is there", file.display())))
    }

    async fn lag(&self, database: &Database) -> Result<Option<(Throttle, String)>, Error> {
        let Some(most) = self.limits.max_replication_lag else { return Ok(None) };
        let lag = match &self.replica {
            Some((settings, connected)) => {
                behind(connected.get_or_try_init(|| Database::connect(settings)).await?).await?
            }
            None => replicas_behind(database).await?,
        };
        let found = match lag {
            Some(lag) if lag <= most => return Ok(None),
            Some(lag) => format!("a replica is {:.1} s behind", lag.as_secs_f64()),
            None => "the replica does not replicate".to_owned(),
        };
        let most = humantime::format_duration(most);
        Ok(Some((Throttle::ReplicationLag, format!("{found}, and `max_replication_lag` is {most}"))))
    }

    async fn load(&self, database: &Database) -> Result<Option<(Throttle, String)>, Error> {
        let Some(load) = &self.limits.load else { return Ok(None) };
        let rows = database.read(probe_sql::load(database.engine(), &load.query)).await.map_err(|error| {
            // A query that writes is refused by a transaction that only reads.
            if error.trouble.is_transient() && error.trouble != Trouble::ReadOnly {
                Error::Database(error)
            } else {
                Error::refused(format!("`limits.load_query` fails: {error}"))
            }
        })?;
        let answer = database.decode(|| rows.first().map_or(Ok(None), |row| row.text(0)))?;
        let number = answer.as_deref().and_then(|answer| answer.trim().parse::<f64>().ok());
        let Some(number) = number else {
            let answer = answer.unwrap_or_else(|| "nothing".to_owned());
            return Err(Error::refused(format!("`limits.load_query` has to give one number, and gave {answer:?}")));
        };
        let max = load.max;
        Ok((number.is_nan() || number > max)
            .then(|| (Throttle::Load, format!("`load_query` gives {number}, and `max_load` is {max}"))))
    }
}

/// How far the replicas of a primary are behind (`PostgreSQL`).
async fn replicas_behind(primary: &Database) -> Result<Option<Duration>, Error> {
    let rows = primary.read(probe_sql::replicas()).await?;
    let (hidden, millis) =
        primary.decode(|| rows.first().map_or(Ok((None, None)), |row| Ok((row.int(0)?, row.int(1)?))))?;
    if hidden.is_some_and(|hidden| hidden > 0) {
        return Err(Error::refused(
            "this user may not see how far the replicas are behind, which `limits.max_replication_lag` needs; have a superuser run: GRANT pg_monitor TO this user",
        ));
    }
    Ok(Some(duration(millis)))
}

/// How far a replica is behind; none when it does not replicate.
async fn behind(replica: &Database) -> Result<Option<Duration>, Error> {
    let statement = probe_sql::behind(replica.engine(), replica.version());
    let rows = replica.read(statement).await.map_err(|error| match error.trouble {
        Trouble::Privilege => Error::refused(format!(
            "`limits.replica`: {error}; on MySQL and MariaDB the user there needs the privilege REPLICATION CLIENT (or SLAVE MONITOR)"
        )),
        _ => Error::Database(error),
    })?;
    let Some(row) = rows.first() else {
        return Err(Error::refused(format!("`limits.replica`: {} is no replica", replica.location())));
    };
    if replica.engine() == Engine::Postgres {
        return Ok(replica.decode(|| row.int(0))?.map(|millis| duration(Some(millis))));
    }
    let seconds = replica.decode(|| row.int_named(&["Seconds_Behind_Source", "Seconds_Behind_Master"]))?;
    Ok(seconds.map(|seconds| duration(Some(seconds * 1000))))
}

fn duration(millis: Option<i64>) -> Duration {
    Duration::from_millis(millis.and_then(|millis| u64::try_from(millis).ok()).unwrap_or_default())
}
