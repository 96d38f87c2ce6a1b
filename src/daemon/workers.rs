//! The workers of all jobs and the timer that fires them, following the configuration.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::{sessions, sweeper};
use crate::clock::Clock;
use crate::config::Config;
use crate::host;
use crate::job::{Assignment, Handle, Inbox, Job, Worker};
use crate::lifecycle::{Background, Lifecycle};
use crate::report::rfc3339;
use crate::schedule::timer::{Ticket, Timer, TimerError};
use crate::status::{Books, Desk, Roster};
use crate::telemetry::metrics::Metrics;

/// The workers, one for each enabled job.
pub(super) struct Workers {
    timer: Timer,
    employed: BTreeMap<String, Employed>,
    /// One job at a time sweeps a database.
    turns: HashMap<String, Arc<Semaphore>>,
    /// One table at a time is counted in a database.
    counts: HashMap<String, Arc<Semaphore>>,
    books: HashMap<String, Arc<Books>>,
    roster: watch::Sender<Roster>,
    background: Background,
    stop: CancellationToken,
    tasks: TaskTracker,
    clock: Clock,
    metrics: Metrics,
    host: String,
}

struct Employed {
    assignment: watch::Sender<Assignment>,
    handle: Handle,
    stop: CancellationToken,
    ticket: Ticket,
}

impl Workers {
    pub(super) async fn new(lifecycle: &Lifecycle, clock: &Clock, metrics: &Metrics) -> Result<Self, TimerError> {
        Ok(Self {
            timer: Timer::new(clock.clone()).await?,
            employed: BTreeMap::new(),
            turns: HashMap::new(),
            counts: HashMap::new(),
            books: HashMap::new(),
            roster: watch::Sender::default(),
            background: lifecycle.background(),
            stop: lifecycle.stop.clone(),
            tasks: lifecycle.tasks.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            host: host::name(),
        })
    }

    /// Waits for the next instant and fires what is due.
    pub(super) async fn fire_next(&mut self) -> Result<(), TimerError> {
        self.timer.fire_next().await
    }

    /// Whether the timer still fires what is due.
    pub(super) fn keeps_time(&mut self) -> bool {
        self.timer.keeps_time()
    }

    /// Makes the workers those of `config`: starts new ones, lets those whose job is gone finish their batch, and gives
    /// all others what they have to know for their next run.
    pub(super) async fn follow(&mut self, config: &Config) -> Result<(), TimerError> {
        // What is due now is still fired by the old schedule.
        self.timer.fire_due(self.clock.now())?;
        let jobs: BTreeMap<_, _> = enabled(config).map(|job| (job.spec.job.clone(), job)).collect();
        let gone: Vec<_> = self.employed.keys().filter(|name| !jobs.contains_key(*name)).cloned().collect();
        for name in gone {
            self.dismiss(&name).await?;
        }
        for (name, job) in jobs {
            let assignment = self.assignment(config, job);
            let before = self.employed.get(&name).map(|worker| worker.assignment.send_replace(assignment.clone()));
            let desk_stays = before.as_ref().is_some_and(|before| counts_alike(before, &assignment));
            match before {
                None => self.employ(&name, assignment).await?,
                Some(before) if fires_alike(&before.job, job) => {}
                Some(_) => self.fire_anew(&name, job),
            }
            if !desk_stays {
                self.open_desk(name, &job.database);
            }
        }
        self.keep_sessions(config);
        Ok(())
    }

    /// The jobs as they are seen from outside, which change with the configuration.
    pub(super) fn roster(&self) -> watch::Receiver<Roster> {
        self.roster.subscribe()
    }

    fn keep_sessions(&self, config: &Config) {
        let jobs = enabled(config).filter(|job| job.spec.layout.token.is_some());
        let kept = jobs.map(|job| (job.spec.job.clone(), sessions(config, job, &self.clock, "api"))).collect();
        let default = config.sessions_job(None).map(|job| job.spec.job.clone());
        self.roster.send_modify(|roster| (roster.sessions, roster.sessions_job) = (kept, default));
    }

    /// A new desk knows nothing yet of what was counted for the job as it was before.
    fn open_desk(&mut self, name: String, database: &str) {
        let Some(worker) = self.employed.get(&name) else { return };
        let counting = self.counts.entry(database.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1)));
        let (assigned, handle) = (worker.assignment.subscribe(), worker.handle.clone());
        self.books.values().for_each(|books| books.close(&name));
        let books = self.books.entry(database.to_owned());
        let books = books.or_insert_with(|| Arc::new(Books::new(self.background.clone())));
        books.open(&name, assigned.clone());
        let desk = Desk::new(assigned, handle, Arc::clone(books), Arc::clone(counting), self.background.clone());
        self.roster.send_modify(|roster| drop(roster.desks.insert(name, Arc::new(desk))));
    }

    fn assignment(&mut self, config: &Config, job: &Job) -> Assignment {
        let turn = self.turns.entry(job.database.clone()).or_insert_with(|| Arc::new(Semaphore::new(1)));
        let sweeper = sweeper(config, job, &self.clock, &self.metrics);
        Assignment { job: Arc::new(job.clone()), sweeper, turn: Arc::clone(turn) }
    }

    async fn employ(&mut self, name: &str, assignment: Assignment) -> Result<(), TimerError> {
        self.metrics.announce(name);
        let (assignment, assigned) = watch::channel(assignment);
        let stop = self.stop.child_token();
        let (worker, handle) = Worker::new(assigned.clone(), stop.clone(), self.tasks.clone());
        self.tasks.spawn(worker.serve());
        let ticket = self.fire(assigned, handle.inbox.clone()).await?;
        self.employed.insert(name.to_owned(), Employed { assignment, handle, stop, ticket });
        Ok(())
    }

    async fn dismiss(&mut self, name: &str) -> Result<(), TimerError> {
        let Some(worker) = self.employed.remove(name) else { return Ok(()) };
        info!(job = name, "the job is gone from the configuration; a batch that is under way is finished");
        worker.stop.cancel();
        self.roster.send_modify(|roster| drop(roster.desks.remove(name)));
        self.books.values().for_each(|books| books.close(name));
        self.metrics.forget(name);
        self.timer.remove(worker.ticket).await
    }

    fn fire_anew(&mut self, name: &str, job: &Job) {
        let delay = job.delay(&self.host);
        if let Some(worker) = self.employed.get(name) {
            self.timer.change(worker.ticket, &job.schedule, delay);
            self.announce(job, delay);
        }
    }

    /// What is fired is judged by the job as it is then.
    async fn fire(&mut self, assigned: watch::Receiver<Assignment>, inbox: Inbox) -> Result<Ticket, TimerError> {
        let job = Arc::clone(&assigned.borrow().job);
        let (delay, host, clock) = (job.delay(&self.host), self.host.clone(), self.clock.clone());
        self.announce(&job, delay);
        let fire = move |at| {
            let job = Arc::clone(&assigned.borrow().job);
            if let Some(request) = job.request(at, job.delay(&host), clock.now()) {
                inbox.request(request);
            } else {
                let job = &job.spec.job;
                warn!(%job, "nobody was there at {}, and it is not to be caught up with", rfc3339(at));
            }
        };
        self.timer.add(&job.schedule, delay, fire).await
    }

    fn announce(&self, job: &Job, delay: Duration) {
        let next = job.schedule.next_after(self.clock.now()).map(|next| rfc3339(next + delay));
        let next = next.unwrap_or_else(|| "never by itself".to_owned());
        info!(job = %job.spec.job, next, "{}", job.schedule.describe());
    }
}

fn enabled(config: &Config) -> impl Iterator<Item = &Job> {
    config.jobs.iter().filter(|job| job.enabled)
}

/// Whether what was counted of a job still holds.
fn counts_alike(one: &Assignment, other: &Assignment) -> bool {
    let place = |assignment: &Assignment| (assignment.job.database.clone(), assignment.sweeper.database.url.location());
    one.job.spec.layout == other.job.spec.layout && place(one) == place(other)
}

fn fires_alike(one: &Job, other: &Job) -> bool {
    (&one.schedule, one.jitter) == (&other.schedule, other.jitter)
}
