//! What the ledger of a database says of its jobs, read over one connection for all who ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::latest::{Found, Latest};
use crate::job::Assignment;
use crate::ledger::Standing;
use crate::lifecycle::Background;
use crate::report::Report;
use crate::sweep::Error;

/// What was read is not read again within this time.
const FRESH: Duration = Duration::from_secs(2);
/// So many of the newest runs of each job are read.
const RECENT: u32 = 30;

/// Something of each job, by its name.
type ByJob<T> = Arc<BTreeMap<String, T>>;

/// The ledger of a database, as far as it is about the jobs that sweep there.
#[derive(Debug)]
pub struct Books {
    jobs: Mutex<BTreeMap<String, watch::Receiver<Assignment>>>,
    standings: Latest<ByJob<Standing>, Error>,
    recent: Latest<ByJob<Arc<[Report]>>, Error>,
    background: Background,
}

/// What was read within this time is shown to who does not want to wait.
const SOON: Duration = Duration::from_secs(30);

impl Books {
    /// Of no job yet.
    #[must_use]
    pub fn new(background: Background) -> Self {
        Self { jobs: Mutex::default(), standings: Latest::default(), recent: Latest::default(), background }
    }

    /// Reads of this job, too.
    pub fn open(&self, job: &str, assigned: watch::Receiver<Assignment>) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).insert(job.to_owned(), assigned);
        self.turn_over();
    }

    /// Reads of this job no more.
    pub fn close(&self, job: &str) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(job);
    }

    /// What was read counts no more: something has changed.
    pub fn turn_over(&self) {
        self.standings.expire();
        self.recent.expire();
    }

    /// What the ledger said of a job when it was read last.
    #[must_use]
    pub fn known(&self, job: &str) -> Option<Standing> {
        self.standings.latest()?.value.get(job).cloned()
    }

    /// What the ledger says of a job, read no longer than `max_age` ago. None when the process stops, or the job is gone.
    pub async fn standing(&self, job: &str, max_age: Duration) -> Option<Result<Standing, Error>> {
        let found = self.standings.within(max_age.min(FRESH), &self.background, || self.read()).await?;
        found.map(|found| found.value.get(job).cloned()).transpose()
    }

    /// The same for who would rather see what is some seconds old than wait: within half a minute, that is shown while it is
    /// read anew.
    pub async fn standing_soon(&self, job: &str, max_age: Duration) -> Option<Result<Standing, Error>> {
        let fits = |found: &Found<_>| !found.is_expired() && found.age() <= max_age.min(SOON);
        if !self.standings.latest().is_some_and(|found| fits(&found)) {
            return self.standing(job, max_age).await;
        }
        let is_stale = |found: &Found<_>| found.age() > FRESH;
        let found = self.standings.at_once(is_stale, &self.background, || self.read()).await?;
        found.map(|found| found.value.get(job).cloned()).transpose()
    }

    /// The newest runs of a job, newest first, without their plans, as they were read last; they are read anew
    /// meanwhile when that is some seconds ago. None when the process stops.
    pub async fn recent(&self, job: &str) -> Option<Result<Arc<[Report]>, Error>> {
        let is_stale = |found: &Found<_>| found.is_expired() || found.age() > FRESH;
        let found = self.recent.at_once(is_stale, &self.background, || self.read_recent()).await?;
        Some(found.map(|found| found.value.get(job).cloned().unwrap_or_default()))
    }

    fn read(&self) -> impl Future<Output = Result<ByJob<Standing>, Error>> + use<> {
        let assignments = self.assignments();
        async move {
            let specs: Vec<_> = assignments.iter().map(|assignment| &assignment.job.spec).collect();
            match assignments.first() {
                Some(Assignment { sweeper, .. }) => sweeper.standings(&specs).await.map(Arc::new),
                None => Ok(Arc::default()),
            }
        }
    }

    fn read_recent(&self) -> impl Future<Output = Result<ByJob<Arc<[Report]>>, Error>> + use<> {
        let assignments = self.assignments();
        async move {
            let specs: Vec<_> = assignments.iter().map(|assignment| &assignment.job.spec).collect();
            match assignments.first() {
                Some(Assignment { sweeper, .. }) => sweeper.recent(&specs, RECENT).await.map(Arc::new),
                None => Ok(Arc::default()),
            }
        }
    }

    fn assignments(&self) -> Vec<Assignment> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.values().map(|assigned| assigned.borrow().clone()).collect()
    }
}
