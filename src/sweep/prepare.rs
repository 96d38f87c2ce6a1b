//! What comes before a run: the connection, sweepd's own tables, the ledger, the claim; and what was found dead.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::retry::retry_claim;
use super::{Error, Request, Spec, Sweeper};
use crate::audit::AuditLog;
use crate::clock::Stopwatch;
use crate::db::history_sql::Place;
use crate::db::ledger_sql::NewRun;
use crate::db::{Database, DbError, Trouble, migrate};
use crate::ledger::{Armed, Claim, Found, Ledger, Standing};
use crate::report::Report;

impl Sweeper {
    /// Records a scheduled instant that came while the job was running.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn skip(&self, spec: &Spec, request: Request) -> Result<bool, Error> {
        let (database, ledger) = self.prepare(spec).await?;
        let skipped = ledger.skip(&self.new_run(&database, spec, request), None).await;
        database.close().await;
        if matches!(skipped, Ok(true)) {
            self.metrics.job(&spec.job).skipped(request.trigger);
        }
        Ok(skipped?)
    }

    /// Remembers which schedule a job has from now on, and says what is known of it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn arm(&self, spec: &Spec, schedule: &str) -> Result<Armed, Error> {
        let (database, ledger) = self.prepare(spec).await?;
        let target = database.qualify(&spec.layout.table).to_string();
        let armed = ledger.arm(&target, &spec.job, schedule, self.clock.now()).await;
        database.close().await;
        Ok(armed?)
    }

    /// Looks for a running run of a job, and closes it when it is dead.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recover(&self, spec: &Spec) -> Result<Found, Error> {
        let (database, ledger) = self.prepare(spec).await?;
        let target = database.qualify(&spec.layout.table).to_string();
        let found = ledger.recover(&target, &spec.job).await;
        database.close().await;
        if let Ok(Found::Dead(report)) = &found {
            self.found_dead(report);
        }
        Ok(found?)
    }

    /// What the ledger says of jobs of one database.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn standings(&self, specs: &[&Spec]) -> Result<BTreeMap<String, Standing>, Error> {
        let now = self.clock.now();
        self.of_each(specs, async |ledger, jobs| ledger.standings(jobs, now).await).await
    }

    /// The newest runs of jobs of one database, newest first, without their plans.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recent(&self, specs: &[&Spec], limit: u32) -> Result<BTreeMap<String, Arc<[Report]>>, Error> {
        let found = self.of_each(specs, async |ledger, jobs| ledger.recent(jobs, limit).await).await?;
        Ok(found.into_iter().map(|(job, runs)| (job, runs.into())).collect())
    }

    /// What is found in the ledger, by job.
    async fn of_each<T>(
        &self,
        specs: &[&Spec],
        find: impl AsyncFnOnce(&Ledger, &[Place]) -> Result<Vec<T>, DbError>,
    ) -> Result<BTreeMap<String, T>, Error> {
        let database = Database::connect(&self.database).await?;
        let found = match self.create_own_tables(&database).await {
            Ok(()) => {
                let target = |spec: &Spec| database.qualify(&spec.layout.table).to_string();
                let place = |spec: &&Spec| Place { target: target(spec), job: spec.job.clone() };
                let jobs: Vec<_> = specs.iter().map(place).collect();
                find(&Ledger::new(&database, None, self.stale_after), &jobs).await.map_err(Error::from)
            }
            Err(error) => Err(error),
        };
        database.close().await;
        Ok(specs.iter().map(|spec| spec.job.clone()).zip(found?).collect())
    }

    /// Pauses a job or ends its pause, for all processes; false when it is so already.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_paused(&self, spec: &Spec, paused: bool) -> Result<bool, Error> {
        let (database, ledger) = self.prepare(spec).await?;
        let target = database.qualify(&spec.layout.table).to_string();
        let changed = if paused {
            ledger.pause(&target, &spec.job, &self.host).await
        } else {
            ledger.resume(&target, &spec.job).await
        };
        database.close().await;
        Ok(changed?)
    }

    /// Connects and claims a run. A scheduled run waits for a database that is away, or takes no writes, for a while; a
    /// person at a terminal would rather know.
    pub(super) async fn claim_patiently(
        &self,
        spec: &Spec,
        request: Request,
        stop: &CancellationToken,
    ) -> Result<(Database, Ledger, Claim), Error> {
        let watch = Stopwatch::start();
        let mut pause = Duration::from_secs(1);
        loop {
            let error = match self.claim(spec, request, stop).await {
                Err(error) if error.is_transient() && !request.is_watched() => error,
                done => return done,
            };
            if watch.elapsed() + pause > spec.limits.max_duration {
                return Err(error);
            }
            warn!(job = %spec.job, "{error}; trying again in {} s", pause.as_secs());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return Err(Error::Stopped),
            }
            pause = (pause * 2).min(Duration::from_secs(30));
        }
    }

    async fn claim(
        &self,
        spec: &Spec,
        request: Request,
        stop: &CancellationToken,
    ) -> Result<(Database, Ledger, Claim), Error> {
        let (database, ledger) = tokio::select! {
            prepared = self.prepare(spec) => prepared?,
            () = stop.cancelled() => return Err(Error::Stopped),
        };
        let new = self.new_run(&database, spec, request);
        let heeds_pause = request.heeds_pause;
        match retry_claim(stop, || self.claim_unless_paused(&ledger, &new, heeds_pause)).await {
            Ok(claim) => Ok((database, ledger, claim)),
            Err(error) => {
                database.close().await;
                Err(error.into())
            }
        }
    }

    /// An instant that comes while the job is paused is answered: when the pause ends, it is not caught up with.
    async fn claim_unless_paused(&self, ledger: &Ledger, new: &NewRun, heeds_pause: bool) -> Result<Claim, DbError> {
        let pause = if heeds_pause { ledger.paused(&new.target, &new.job).await? } else { None };
        let Some(pause) = pause else { return ledger.claim(new, |report| self.found_dead(report)).await };
        if new.scheduled_for.is_some() && ledger.skip(new, Some(&format!("the job is {pause}"))).await? {
            self.metrics.job(&new.job).skipped(new.trigger);
        }
        Ok(Claim::Paused(pause))
    }

    async fn prepare(&self, spec: &Spec) -> Result<(Database, Ledger), Error> {
        let database = Database::connect(&self.database).await?;
        match self.prepare_ledger(&database, spec).await {
            Ok(ledger) => Ok((database, ledger)),
            Err(error) => {
                database.close().await;
                Err(error)
            }
        }
    }

    async fn prepare_ledger(&self, database: &Database, spec: &Spec) -> Result<Ledger, Error> {
        self.create_own_tables(database).await?;
        let audit = match AuditLog::find(database, &self.audit).await? {
            Some(Ok(log)) => Some(log),
            Some(Err(reason)) => {
                warn!(job = %spec.job, "no audit row will be written: {reason}");
                None
            }
            None => None,
        };
        Ok(Ledger::new(database, audit, self.stale_after))
    }

    async fn create_own_tables(&self, database: &Database) -> Result<(), Error> {
        let scripts = migrate::pending(database).await?;
        if scripts.is_empty() {
            return Ok(());
        }
        let by_hand = |reason: &str| {
            Error::refused(format!(
                "{}: sweepd's own tables are missing, and {reason}; have somebody who may run this SQL (or `sweepd migrate`):\n{}",
                database.location(),
                scripts.join("\n")
            ))
        };
        if !self.migrate {
            return Err(by_hand("`database.migrate` is \"never\""));
        }
        migrate::run(database).await.map_err(|error| match error.trouble {
            Trouble::Privilege => by_hand(&format!("this user may not create them ({error})")),
            _ => Error::Database(error),
        })
    }

    fn new_run(&self, database: &Database, spec: &Spec, request: Request) -> NewRun {
        NewRun {
            id: request.id,
            target: database.qualify(&spec.layout.table).to_string(),
            job: spec.job.clone(),
            trigger: request.trigger,
            scheduled_for: request.scheduled_for,
            host: self.host.clone(),
        }
    }
}
