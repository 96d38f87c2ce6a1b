//! A job as it is seen from outside, and where it takes requests.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Semaphore, oneshot, watch};

use super::books::Books;
use super::latest::{Found, Latest};
use crate::clock::Clock;
use crate::job::{Active, Activity, Assignment, Handle, Job, Refused};
use crate::ledger::Standing;
use crate::lifecycle::Background;
use crate::report::{Report, RunId, Trigger};
use crate::sweep::stats::{DryRun, Stats};
use crate::sweep::{Answer, Error, Phase, Request, plan};

/// Statistics older than this are counted anew when somebody asks, if that does not take too long.
const STALE: Duration = Duration::from_mins(1);
/// A plan is not made again within this time.
const PLAN: Duration = Duration::from_secs(2);

/// A job, for those who look at it and ask it for runs.
#[derive(Debug)]
pub struct Desk {
    assigned: watch::Receiver<Assignment>,
    handle: Handle,
    statistics: Latest<Stats, Error>,
    dry_run: Latest<DryRun, Error>,
    plan: Latest<plan::Shown, Error>,
    books: Arc<Books>,
    /// One table at a time is counted in a database.
    counting: Arc<Semaphore>,
    background: Background,
}

impl Desk {
    /// The desk of a worker.
    #[must_use]
    pub fn new(
        assigned: watch::Receiver<Assignment>,
        handle: Handle,
        books: Arc<Books>,
        counting: Arc<Semaphore>,
        background: Background,
    ) -> Self {
        let (statistics, dry_run, plan) = Default::default();
        Self { assigned, handle, statistics, dry_run, plan, books, counting, background }
    }

    /// The job as it is now.
    #[must_use]
    pub fn job(&self) -> Arc<Job> {
        Arc::clone(&self.assigned.borrow().job)
    }

    /// The job, and what runs it.
    #[must_use]
    pub fn assignment(&self) -> Assignment {
        self.assigned.borrow().clone()
    }

    /// What the job is doing.
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.handle.activity.borrow().clone()
    }

    /// What the job is doing, from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Activity> {
        self.handle.activity.clone()
    }

    /// Waits until the run is under way, or until all that it waits for is its turn. When it does not come to that, who
    /// asked for the run gets an answer, and this waits for ever.
    pub async fn begun(&self, run: RunId) {
        let is_it = |activity: &Activity| activity.active.as_ref().is_some_and(|active| active.request.id == run);
        let mut activity = self.handle.activity.clone();
        let active = activity.wait_for(is_it).await.ok().and_then(|activity| activity.active.clone());
        if let Some(Active { mut progress, .. }) = active
            && progress.wait_for(|progress| progress.phase != Phase::Claiming).await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// Asks for a run; the answer comes when it has ended.
    ///
    /// # Errors
    /// When the job takes no requests.
    pub fn order(&self, clock: &Clock) -> Result<(RunId, oneshot::Receiver<Answer>), Refused> {
        let request = Request::new(Trigger::Api, clock.now());
        Ok((request.id, self.handle.inbox.order(request)?))
    }

    /// The statistics that were counted last, or (`exact`) from now. None when the process stops.
    pub async fn statistics(&self, exact: bool) -> Option<Result<Found<Stats>, Error>> {
        if exact {
            return self.statistics.anew(&self.background, || self.count_all()).await;
        }
        self.statistics.at_once(|found| self.is_stale(found), &self.background, || self.count_all()).await
    }

    /// The statistics that were counted last, if any were; if not, they will be.
    #[must_use]
    pub fn known_statistics(&self) -> Option<Found<Stats>> {
        self.statistics.known(|found| self.is_stale(found), &self.background, || self.count_all())
    }

    fn is_stale(&self, found: &Found<Stats>) -> bool {
        let last_run = self.activity().last.and_then(|report| report.finished_at);
        found.age() > STALE || last_run.is_some_and(|last_run| found.value.timestamp < last_run)
    }

    fn count_all(&self) -> impl Future<Output = Result<Stats, Error>> + use<> {
        self.count(|Assignment { job, sweeper, .. }| async move { sweeper.stats(&job.spec).await })
    }

    /// What a run would delete. None when the process stops.
    pub async fn dry_run(&self) -> Option<Result<DryRun, Error>> {
        let count = || self.count(|Assignment { job, sweeper, .. }| async move { sweeper.dry_run(&job.spec).await });
        let found = self.dry_run.anew(&self.background, count).await?;
        Some(found.map(|found| found.value))
    }

    /// What the last dry run found.
    #[must_use]
    pub fn last_dry_run(&self) -> Option<Result<Found<DryRun>, Found<Error>>> {
        self.dry_run.last()
    }

    /// Whether there is a dry run now.
    #[must_use]
    pub fn is_trying(&self) -> bool {
        self.dry_run.is_under_way()
    }

    /// How a run would sweep now. None when the process stops.
    pub async fn plan(&self) -> Option<Result<plan::Shown, Error>> {
        let Assignment { job, sweeper, .. } = self.assignment();
        let plan = move || async move { sweeper.planned(&job.spec).await };
        let found = self.plan.within(PLAN, &self.background, plan).await?;
        Some(found.map(|found| found.value))
    }

    /// Pauses the job or ends its pause; false when it is so already.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_paused(&self, paused: bool) -> Result<bool, Error> {
        let Assignment { job, sweeper, .. } = self.assignment();
        let changed = sweeper.set_paused(&job.spec, paused).await;
        self.books.turn_over();
        changed
    }

    /// What the ledger said of the job when it was read last.
    #[must_use]
    pub fn known_standing(&self) -> Option<Standing> {
        self.books.known(&self.job().spec.job).map(|standing| self.with_active(standing))
    }

    /// What the ledger says of the job. None when the process stops.
    pub async fn standing(&self) -> Option<Result<Standing, Error>> {
        let standing = self.books.standing(&self.job().spec.job, self.since_last_run()).await?;
        Some(standing.map(|standing| self.with_active(standing)))
    }

    /// The same for who would rather see what is some seconds old than wait.
    pub async fn standing_soon(&self) -> Option<Result<Standing, Error>> {
        let standing = self.books.standing_soon(&self.job().spec.job, self.since_last_run()).await?;
        Some(standing.map(|standing| self.with_active(standing)))
    }

    /// What was read before the last run ended here is old.
    fn since_last_run(&self) -> Duration {
        let Some(ended) = self.activity().last.and_then(|last| last.finished_at) else { return Duration::MAX };
        let now = self.assigned.borrow().sweeper.clock.now();
        (now - ended).to_std().unwrap_or_default()
    }

    /// The newest runs, newest first, without their plans, of all processes. None when the process stops.
    pub async fn recent(&self) -> Option<Result<Arc<[Report]>, Error>> {
        self.books.recent(&self.job().spec.job).await
    }

    /// An instant whose run waits for its turn is as good as answered.
    fn with_active(&self, mut standing: Standing) -> Standing {
        let answering = self.activity().active.and_then(|active| active.request.scheduled_for);
        if let Some(armed) = &mut standing.armed {
            armed.answered = armed.answered.max(answering);
        }
        standing
    }

    /// When the job is run next by itself.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.next_instants(now, 1).pop()
    }

    /// When it is run by itself, `count` times from `now` on.
    #[must_use]
    pub fn next_instants(&self, now: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
        let (job, delay) = (self.job(), self.delay());
        let first = job.schedule.next_after(now - delay);
        let instants = std::iter::successors(first, |at| job.schedule.next_after(*at));
        instants.take(count).map(|at| at + delay).collect()
    }

    /// How long after its instants this host runs the job.
    #[must_use]
    pub fn delay(&self) -> TimeDelta {
        let Assignment { job, sweeper, .. } = self.assignment();
        TimeDelta::from_std(job.delay(&sweeper.host)).unwrap_or_default()
    }

    fn count<T, F, W>(&self, count: F) -> impl Future<Output = Result<T, Error>> + use<T, F, W>
    where
        F: FnOnce(Assignment) -> W,
        W: Future<Output = Result<T, Error>>,
    {
        let assignment = self.assignment();
        let (turn, limit) = (Arc::clone(&self.counting), assignment.job.spec.limits.max_duration);
        let count = count(assignment);
        async move {
            let _turn = turn.acquire().await;
            // A host that has gone away says nothing.
            tokio::time::timeout(limit, count).await.map_err(|_| Error::TookTooLong(limit))?
        }
    }
}
