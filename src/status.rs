//! What is known of every job while the daemon runs, and where they are asked for runs: what HTTP and metrics show.

mod books;
mod desk;
mod gauges;
mod health;
mod latest;
mod line;
mod runs;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};

pub use books::Books;
pub use desk::Desk;
pub use health::{Problem, judge, overdue, overdue_at};
pub use latest::{Found, Latest};
pub use runs::Run;

use crate::clock::Clock;
use crate::sessions::Sessions;

/// The jobs of a configuration.
#[derive(Debug, Clone)]
pub struct Roster {
    /// The desks of all jobs that are enabled, by name.
    pub desks: BTreeMap<String, Arc<Desk>>,
    /// The sessions that jobs with tokens clean up, by the job's name.
    pub sessions: BTreeMap<String, Sessions>,
    /// The job whose sessions are meant where none is named, or why there is none.
    pub sessions_job: Result<String, String>,
}

impl Default for Roster {
    fn default() -> Self {
        let (desks, sessions, none) = (BTreeMap::new(), BTreeMap::new(), Err("there is no job".to_owned()));
        Self { desks, sessions, sessions_job: none }
    }
}

/// All jobs, as they are seen from outside.
#[derive(Debug, Clone)]
pub struct Status {
    /// The jobs of the moment.
    pub roster: watch::Receiver<Roster>,
    /// Why the last edit of the configuration cannot be used; none when it is in force.
    pub bad_edit: watch::Receiver<Option<String>>,
    /// The time.
    pub clock: Clock,
    /// So many read a ledger at once: each takes a connection, which the application may need.
    reading: Arc<Semaphore>,
}

/// Ledgers that are read at once.
const READING: usize = 4;

impl Status {
    /// Of the jobs of `roster`.
    #[must_use]
    pub fn new(roster: watch::Receiver<Roster>, bad_edit: watch::Receiver<Option<String>>, clock: Clock) -> Self {
        Self { roster, bad_edit, clock, reading: Arc::new(Semaphore::new(READING)) }
    }

    /// The desks of all jobs, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Desk>> {
        self.roster.borrow().desks.values().cloned().collect()
    }

    /// The desk of a job.
    #[must_use]
    pub fn desk(&self, job: &str) -> Option<Arc<Desk>> {
        self.roster.borrow().desks.get(job).cloned()
    }

    /// The sessions that a job cleans up, or those that are meant where none is named.
    ///
    /// # Errors
    /// Why there are none, and what to do.
    pub fn sessions(&self, job: Option<&str>) -> Result<Sessions, String> {
        let roster = self.roster.borrow();
        let job = job.map_or_else(|| roster.sessions_job.as_deref(), Ok)?;
        roster.sessions.get(job).cloned().ok_or_else(|| {
            if roster.desks.contains_key(job) {
                format!("{job} has no column for the token; set `token` in the job")
            } else {
                format!("there is no enabled job {job:?}")
            }
        })
    }

    /// Everything that is wrong.
    pub async fn problems(&self) -> Vec<Problem> {
        let edit = self.bad_edit.borrow().clone().map(Problem::Configuration);
        let (now, desks) = (self.now(), self.all());
        let jobs = join_all(desks.iter().map(|desk| health::problem(desk, now))).await;
        edit.into_iter().chain(jobs.into_iter().flatten()).collect()
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}
