//! What is known of every job while the daemon runs, and where they are asked for runs: what HTTP and metrics show.

mod desk;
mod health;
mod latest;
mod runs;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::sync::watch;

pub use desk::Desk;
pub use health::{Problem, judge, overdue};
pub use latest::{Found, Latest};
pub use runs::Run;

use crate::clock::Clock;

/// The desks of all jobs, by name.
pub type Desks = BTreeMap<String, Arc<Desk>>;

/// All jobs, as they are seen from outside.
#[derive(Debug, Clone)]
pub struct Status {
    /// The jobs of the moment.
    pub desks: watch::Receiver<Desks>,
    /// Why the last edit of the configuration cannot be used; none when it is in force.
    pub bad_edit: watch::Receiver<Option<String>>,
    /// The time.
    pub clock: Clock,
}

impl Status {
    /// The desks of all jobs, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Desk>> {
        self.desks.borrow().values().cloned().collect()
    }

    /// The desk of a job.
    #[must_use]
    pub fn desk(&self, job: &str) -> Option<Arc<Desk>> {
        self.desks.borrow().get(job).cloned()
    }

    /// Everything that is wrong.
    pub async fn problems(&self) -> Vec<Problem> {
        let edit = self.bad_edit.borrow().clone().map(Problem::Configuration);
        let (now, desks) = (self.now(), self.all());
        let jobs = join_all(desks.iter().map(|desk| health::problem(desk, now))).await;
        edit.into_iter().chain(jobs.into_iter().flatten()).collect()
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}
