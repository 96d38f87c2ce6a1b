//! The engine: what a run does, from its claim to its report.

pub mod guard;
pub mod limits;
pub mod pace;
pub mod plan;
pub mod probe;
pub mod stats;
pub mod walk;

mod batches;
mod brakes;
mod log;
mod prepare;
mod retry;
mod run;

use std::time::Duration;

use crate::archive;
use crate::audit;
use crate::clock::Clock;
use crate::db::{self, DbError};
use crate::ledger::Pause;
use crate::preset::Layout;
use crate::report::{Report, RunId, SweepOrder, Throttle, Trigger};
use crate::telemetry::metrics::Metrics;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

pub use limits::Limits;

/// What to sweep, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The job's name.
    pub job: String,
    /// Where the rows are, and how to read their expiry.
    pub layout: Layout,
    /// Whether nobody but sweepd says that they are sessions.
    pub guessed: bool,
    /// How long expired rows are kept before they go.
    pub keep: Duration,
    /// How far ahead an expiry can lie: the longest that a session can live from now.
    pub max_age: Option<Duration>,
    /// How far the database's clock may be from this host's.
    pub max_clock_skew: Duration,
    /// How fast, how many, how long.
    pub limits: Limits,
    /// The sweep order; none leaves it to the planner.
    pub order: Option<SweepOrder>,
    /// How many workers sweep a large table at once (`PostgreSQL`, order `physical`).
    pub workers: u32,
    /// Where the deleted rows are archived.
    pub archive: Option<archive::Settings>,
}

/// Why a run did not do its work.
#[derive(Debug, Clone, thiserror::Error)]
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
    /// Counting took longer than a run may.
    #[error("no answer within {}; a run may take no longer either (`limits.max_duration`)", humantime::format_duration(*.0))]
    TookTooLong(Duration),
    /// The process was asked to stop before there was anything to do.
    #[error("asked to stop")]
    Stopped,
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

/// What a run is asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The run's id, from the moment it is asked for.
    pub id: RunId,
    /// Why it starts.
    pub trigger: Trigger,
    /// The scheduled instant that it answers.
    pub scheduled_for: Option<DateTime<Utc>>,
    /// Whether a pause of the job holds it up.
    pub heeds_pause: bool,
}

impl Request {
    /// A request that is made at `now`, and answers no scheduled instant. A pause holds it up, unless it is manual: who
    /// asks for it at a terminal means it.
    #[must_use]
    pub fn new(trigger: Trigger, now: DateTime<Utc>) -> Self {
        Self { id: RunId::new(now), trigger, scheduled_for: None, heeds_pause: trigger != Trigger::Manual }
    }

    /// One that answers the scheduled instant `at`.
    #[must_use]
    pub fn scheduled(trigger: Trigger, at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self { scheduled_for: Some(at), ..Self::new(trigger, now) }
    }

    /// Whether somebody waits for the run, and would rather know at once that the database is away.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        matches!(self.trigger, Trigger::Manual | Trigger::Api)
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It ran, well or not.
    Ran(Report),
    /// It ran, but its end could not be written to the ledger: it has to be closed like one that was found dead.
    Unfinished(Report),
    /// It could not be claimed, because the database was away: the ledger knows nothing of it.
    Unclaimed(Report),
    /// Another run of the job is active.
    Active(RunId),
    /// Another process answered the scheduled instant.
    Answered(RunId),
    /// The job is paused.
    Paused(Pause),
}

impl Answer {
    /// The report, where there was a run.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Ran(report) | Self::Unfinished(report) | Self::Unclaimed(report) => Some(report),
            Self::Active(_) | Self::Answered(_) | Self::Paused(_) => None,
        }
    }

    /// Why there was no run, where there was none.
    #[must_use]
    pub fn why_not_run(&self) -> Option<String> {
        match self {
            Self::Active(run) | Self::Answered(run) => Some(format!("another run is active: {run}")),
            Self::Paused(pause) => Some(format!("the job is {pause}")),
            Self::Ran(_) | Self::Unfinished(_) | Self::Unclaimed(_) => None,
        }
    }
}

/// Where a run is on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It asks whether it may begin.
    #[default]
    Claiming,
    /// It waits for another job that sweeps the same database.
    Waiting,
    /// It is under way, and stands in the ledger.
    Running,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Progress {
    /// Where it is on its way.
    pub phase: Phase,
    /// Rows deleted so far.
    pub deleted: u64,
    /// Batches that deleted rows.
    pub batches: u64,
    /// Units of the path that are done (blocks or rows).
    pub walked: u64,
    /// Units of the path, where that is known.
    pub of: Option<u64>,
    /// Rows that were expected to be deleted, where the plan could tell.
    pub expected: Option<u64>,
    /// Why it pauses at the moment, other than to be nice.
    pub throttle: Option<Throttle>,
}

/// Runs the sweeps of a job.
#[derive(Debug, Clone)]
pub struct Sweeper {
    /// How to connect.
    pub database: db::Settings,
    /// How to connect to the replica that says how far it is behind.
    pub replica: Option<db::Settings>,
    /// Whether sweepd may create its own tables.
    pub migrate: bool,
    /// Audit rows.
    pub audit: audit::Settings,
    /// How often a run says that it is alive.
    pub heartbeat: Duration,
    /// When a silent run is dead.
    pub stale_after: Duration,
    /// How long an ended run stays in the ledger.
    pub history: Duration,
    /// How long a batch may go on after a stop was asked for.
    pub grace: Duration,
    /// This host's name, for the ledger.
    pub host: String,
    /// The time.
    pub clock: Clock,
    /// What it counts.
    pub metrics: Metrics,
}
