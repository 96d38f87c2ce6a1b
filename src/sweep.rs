//! The engine: what a run does, from its claim to its report.

pub mod guard;
pub mod pace;
pub mod plan;
pub mod stats;
pub mod walk;

mod batches;

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::audit::{self, AuditLog};
use crate::clock::{Clock, Stopwatch};
use crate::db::ledger_sql::{Ending, NewRun};
use crate::db::{self, Database, DbError, Trouble, migrate};
use crate::ledger::{Claim, Ledger};
use crate::preset::Layout;
use crate::report::{Outcome, Report, RunId, SweepOrder, Trigger};
use batches::{Batches, Ended};

/// Transient errors are waited out for this long.
const RETRY_FOR: Duration = Duration::from_mins(1);

/// What to sweep, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The job's name.
    pub job: String,
    /// Where the rows are, and how to read their expiry.
    pub layout: Layout,
    /// How long expired rows are kept before they go.
    pub keep: Duration,
    /// How far the database's clock may be from this host's.
    pub max_clock_skew: Duration,
    /// How fast, how many, how long.
    pub limits: Limits,
}

/// The limits of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// How long one batch should take.
    pub batch_target: Duration,
    /// Pause this many times the work after each batch; 0 for none.
    pub nice: f64,
    /// At most this many rows per second, on average.
    pub max_rows_per_second: Option<u64>,
    /// Stop after this many rows.
    pub max_rows: Option<u64>,
    /// Stop after this time.
    pub max_duration: Duration,
    /// Give up on a row lock after this time, and try again later.
    pub lock_timeout: Duration,
    /// Give up on a statement after this time.
    pub statement_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_target: Duration::from_millis(10),
            nice: 9.0,
            max_rows_per_second: None,
            max_rows: None,
            max_duration: Duration::from_hours(1),
            lock_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(30),
        }
    }
}

/// Why a run did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// sweepd refuses: it could delete the wrong rows, or cannot work there.
    #[error("{0}")]
    Refused(String),
    /// The database cannot.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Another process declared this run dead and took its claim.
    #[error("another process took over this run; its last batch was rolled back")]
    ClaimLost,
}

impl Error {
    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }

    /// Whether the same thing may work a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Database(error) if error.trouble.is_transient())
    }
}

/// Why a run starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What started it.
    pub trigger: Trigger,
    /// The scheduled instant that it answers.
    pub scheduled_for: Option<DateTime<Utc>>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It ran, well or not.
    Ran(Report),
    /// Another run of the job is active.
    Active(RunId),
    /// Another process answered the scheduled instant.
    Answered(RunId),
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows deleted so far.
    pub deleted: u64,
    /// Batches that deleted rows.
    pub batches: u64,
    /// Units of the path that are done (blocks or rows).
    pub walked: u64,
    /// Units of the path, where that is known.
    pub of: Option<u64>,
}

/// Runs the sweeps of a job.
#[derive(Debug, Clone)]
pub struct Sweeper {
    /// How to connect.
    pub database: db::Settings,
    /// Whether sweepd may create its own tables.
    pub migrate: bool,
    /// Audit rows.
    pub audit: audit::Settings,
    /// How often a run says that it is alive.
    pub heartbeat: Duration,
    /// When a silent run is dead.
    pub stale_after: Duration,
    /// This host's name, for the ledger.
    pub host: String,
    /// The time.
    pub clock: Clock,
}

/// A run in progress: what every step of it needs.
pub(crate) struct Run<'a> {
    spec: &'a Spec,
    id: RunId,
    ledger: Ledger,
    database: Database,
    stop: &'a CancellationToken,
    progress: &'a watch::Sender<Progress>,
    watch: Stopwatch,
}

impl Sweeper {
    /// Runs a job once: claims, guards, plans, deletes in batches, and reports. All triggers take this path. The
    /// connections are closed afterwards.
    pub async fn run(
        &self,
        spec: &Spec,
        request: Request,
        stop: &CancellationToken,
        progress: &watch::Sender<Progress>,
    ) -> Answer {
        let id = RunId::new(self.clock.now());
        let started_at = self.clock.now();
        let watch = Stopwatch::start();
        let prepared = self.prepare_patiently(spec, request.trigger, stop).await;
        let answer = match prepared {
            Ok((database, ledger)) => {
                let run = Run { spec, id, ledger, database, stop, progress, watch };
                let answer = self.claim_and_sweep(&run, request).await;
                run.database.close().await;
                answer
            }
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| {
            Answer::Ran(self.unrecorded(spec, request, id, started_at, watch.elapsed(), &error))
        })
    }

    /// Records a scheduled instant that came while the job was running.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn skip(&self, spec: &Spec, at: DateTime<Utc>) -> Result<bool, Error> {
        let (database, ledger) = self.prepare(spec).await?;
        let request = Request { trigger: Trigger::Schedule, scheduled_for: Some(at) };
        let skipped = ledger.skip(&self.new_run(&database, spec, request, RunId::new(self.clock.now()))).await;
        database.close().await;
        Ok(skipped?)
    }

    /// Closes the runs of a job that were found dead.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn recover(&self, spec: &Spec) -> Result<Vec<Report>, Error> {
        let (database, ledger) = self.prepare(spec).await?;
        let target = database.qualify(&spec.layout.table).to_string();
        let found = ledger.recover(&target, &spec.job).await;
        database.close().await;
        Ok(found?)
    }

    /// A scheduled run waits for a database that is away for a while; a person at a terminal would rather know.
    async fn prepare_patiently(
        &self,
        spec: &Spec,
        trigger: Trigger,
        stop: &CancellationToken,
    ) -> Result<(Database, Ledger), Error> {
        let watch = Stopwatch::start();
        let mut pause = Duration::from_secs(1);
        loop {
            let error = match self.prepare(spec).await {
                Err(error) if error.is_transient() && trigger != Trigger::Manual => error,
                done => return done,
            };
            if watch.elapsed() + pause > spec.limits.max_duration {
                return Err(error);
            }
            warn!(job = %spec.job, "{error}; trying again in {} s", pause.as_secs());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return Err(error),
            }
            pause = (pause * 2).min(Duration::from_secs(30));
        }
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
            Trouble::Privilege | Trouble::ReadOnly => by_hand(&format!("this user may not create them ({error})")),
            _ => Error::Database(error),
        })
    }

    fn new_run(&self, database: &Database, spec: &Spec, request: Request, id: RunId) -> NewRun {
        NewRun {
            id,
            target: database.qualify(&spec.layout.table).to_string(),
            job: spec.job.clone(),
            trigger: request.trigger,
            scheduled_for: request.scheduled_for,
            host: self.host.clone(),
        }
    }

    async fn claim_and_sweep(&self, run: &Run<'_>, request: Request) -> Result<Answer, Error> {
        let new = self.new_run(&run.database, run.spec, request, run.id);
        let claim = batches::retry(run.stop, || run.ledger.claim(&new)).await?;
        let interrupted = match claim {
            Claim::Won { interrupted } => interrupted,
            Claim::Active(other) => return Ok(Answer::Active(other)),
            Claim::Answered(other) => return Ok(Answer::Answered(other)),
        };
        for report in &interrupted {
            log(report);
        }
        info!(job = %run.spec.job, run = %run.id, trigger = %request.trigger, "run started");
        let ending = tokio::select! {
            ending = self.sweep(run) => ending,
            lost = run.stay_alive(self.heartbeat) => Ended::from(Err(lost)),
        };
        let report = run.finish(ending).await?;
        log(&report);
        Ok(Answer::Ran(report))
    }

    async fn sweep(&self, run: &Run<'_>) -> Ended {
        let plan = match self.plan(&run.database, run.spec).await {
            Ok(plan) => plan,
            Err(error) => return Ended::from(Err(error)),
        };
        let order: Option<SweepOrder> = Some(plan.order());
        if let Err(error) = batches::retry(run.stop, || run.ledger.plan(run.id, plan.cutoff, order)).await {
            return Ended::from(Err(error.into()));
        }
        Batches::new(run, &plan).run().await
    }

    /// Guards and plans a run, and changes nothing: also what a dry run and a check do.
    ///
    /// # Errors
    /// The refusal, or what the database says.
    pub async fn plan(&self, database: &Database, spec: &Spec) -> Result<plan::Plan, Error> {
        let target = guard::target(database, spec).await?;
        let cutoff = guard::cutoff(database, spec, &self.clock).await?;
        plan::Plan::choose(database, target, cutoff).await
    }

    /// The report of a run that could not be written to the ledger.
    fn unrecorded(
        &self,
        spec: &Spec,
        request: Request,
        run_id: RunId,
        started_at: DateTime<Utc>,
        took: Duration,
        error: &Error,
    ) -> Report {
        let report = Report {
            scheduled_for: request.scheduled_for,
            finished_at: Some(self.clock.now()),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or_default(),
            outcome: Some(Outcome::Failed),
            error: Some(error.to_string()),
            ..Report::begun(&spec.job, run_id, request.trigger, started_at, &self.host)
        };
        log(&report);
        report
    }
}

impl Run<'_> {
    /// Says in the ledger that the run is alive, also while a batch waits; returns when it was declared dead.
    async fn stay_alive(&self, every: Duration) -> Error {
        loop {
            tokio::time::sleep(every).await;
            if matches!(self.ledger.heartbeat(self.id).await, Ok(false)) {
                return Error::ClaimLost;
            }
        }
    }

    /// Ends the run in the ledger, with its audit row; where that one cannot be written, without it.
    async fn finish(&self, ended: Ended) -> Result<Report, DbError> {
        let ending = Ending {
            outcome: ended.outcome,
            stopped_by: ended.stopped_by,
            throttled: serde_json::to_string(&ended.throttled_ms).unwrap_or_default(),
            error: ended.error,
        };
        // A stop must not keep the end of a run from being written.
        let never = CancellationToken::new();
        match batches::retry(&never, || self.ledger.finish(self.id, &ending, true)).await {
            Err(error) if !error.trouble.is_transient() => {
                warn!(job = %self.spec.job, run = %self.id, "no audit row was written: {error}");
                batches::retry(&never, || self.ledger.finish(self.id, &ending, false)).await
            }
            done => done,
        }
    }
}

/// The result line of a run.
pub fn log(report: &Report) {
    let outcome = report.outcome.map_or("running", Outcome::as_str);
    let stopped_by = report.stopped_by.map(tracing::field::display);
    let order = report.order.map(tracing::field::display);
    macro_rules! line {
        ($level:ident, $($message:tt)+) => {
            tracing::$level!(
                job = %report.job,
                run = %report.run_id,
                trigger = %report.trigger,
                deleted = report.deleted_count,
                batches = report.batches,
                duration_ms = report.duration_ms,
                outcome,
                stopped_by,
                order,
                $($message)+
            )
        };
    }
    match (report.outcome, &report.error) {
        (Some(Outcome::Failed), Some(error)) => line!(error, "run failed: {error}"),
        (Some(Outcome::Interrupted), _) => line!(warn, "run was found dead and closed"),
        (Some(Outcome::Partial), _) => line!(warn, "run ended early; the rest is left for the next run"),
        _ => line!(info, "run ended"),
    }
}
