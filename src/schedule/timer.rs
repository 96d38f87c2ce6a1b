//! Fires jobs at the instants that their schedules compute.
//!
//! tokio-cron-scheduler is the registry and the runner; it is never started, because its own clock polls and freezes
//! zones. When our alarm says that an instant has come, the job's id goes to its activation channel. That channel is
//! public but undocumented, so the crate's version is pinned and a test watches over it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::warn;
use uuid::Uuid;

use super::Schedule;
use super::alarm::Alarm;
use crate::clock::Clock;

/// Activations that may be under way at once; more jobs than this do not fit into one second.
const CHANNEL: usize = 4096;

/// The clock is set back by this much all the time, to keep it right.
const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// The timer could not be set up or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum TimerError {
    /// The scheduler does not take a job.
    #[error("the scheduler does not take the job: {0}")]
    Scheduler(#[from] JobSchedulerError),
    /// The system gives no timer.
    #[error("the system gives no timer: {0}")]
    System(#[from] io::Error),
    /// Nobody listens for activations any more.
    #[error("the scheduler has stopped")]
    Stopped,
}

/// Fires jobs.
pub struct Timer {
    scheduler: JobScheduler,
    clock: Clock,
    alarm: Alarm,
    entries: Vec<Entry>,
    /// The time at the last look.
    looked: DateTime<Utc>,
    /// What was due, and not fired, when somebody asked whether this timer keeps time.
    overdue: Option<DateTime<Utc>>,
}

struct Entry {
    id: Uuid,
    schedule: Schedule,
    /// How long after its instants the job is fired.
    delay: TimeDelta,
    next: Option<DateTime<Utc>>,
    fired: Option<DateTime<Utc>>,
    due: Arc<Mutex<VecDeque<DateTime<Utc>>>>,
}

/// A job of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(Uuid);

impl Timer {
    /// A timer without jobs.
    ///
    /// # Errors
    /// When the scheduler or the system's timer cannot be set up.
    pub async fn new(clock: Clock) -> Result<Self, TimerError> {
        let mut scheduler = JobScheduler::new_with_channel_size(CHANNEL).await?;
        scheduler.init().await?;
        let looked = clock.now();
        Ok(Self { scheduler, clock, alarm: Alarm::new()?, entries: Vec::new(), looked, overdue: None })
    }

    /// Registers a job; `fire` is called with each instant of its schedule, `delay` after that instant, from the last look
    /// at the clock on. It has to return at once.
    ///
    /// # Errors
    /// When the scheduler does not take it.
    pub async fn add(
        &mut self,
        schedule: &Schedule,
        delay: Duration,
        fire: impl Fn(DateTime<Utc>) + Send + Sync + 'static,
    ) -> Result<Ticket, TimerError> {
        let due: Arc<Mutex<VecDeque<DateTime<Utc>>>> = Arc::default();
        let fired = Arc::clone(&due);
        // The interval is never used: the scheduler's own clock does not run.
        let job = Job::new_repeated(Duration::from_hours(1), move |_, _| {
            let at = fired.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(at) = at {
                fire(at);
            }
        })?;
        let id = self.scheduler.add(job).await?;
        let delay = TimeDelta::from_std(delay).unwrap_or_default();
        let next = schedule.next_after(self.looked);
        self.entries.push(Entry { id, schedule: schedule.clone(), delay, next, fired: None, due });
        Ok(Ticket(id))
    }

    /// Gives a job another schedule and another delay. An instant of the new schedule that came within that delay, and has
    /// not been fired, is still to come.
    pub fn change(&mut self, Ticket(id): Ticket, schedule: &Schedule, delay: Duration) {
        let looked = self.looked;
        for entry in self.entries.iter_mut().filter(|entry| entry.id == id) {
            entry.schedule = schedule.clone();
            entry.delay = TimeDelta::from_std(delay).unwrap_or_default();
            entry.start_again(looked);
        }
    }

    /// Takes a job off.
    ///
    /// # Errors
    /// When the scheduler does not let go of it.
    pub async fn remove(&mut self, Ticket(id): Ticket) -> Result<(), TimerError> {
        self.entries.retain(|entry| entry.id != id);
        Ok(self.scheduler.remove(&id).await?)
    }

    /// When the next job is fired.
    #[must_use]
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.entries.iter().filter_map(Entry::wakes).min()
    }

    /// Whether what was due when this was asked before has been fired since.
    pub fn keeps_time(&mut self) -> bool {
        let overdue = self.next().filter(|next| *next <= self.clock.now());
        let before = std::mem::replace(&mut self.overdue, overdue);
        overdue.is_none() || overdue != before
    }

    /// Waits for the next instant, or for somebody to set the clock, and fires what is due. Dropped before it returns, it
    /// has done nothing.
    ///
    /// # Errors
    /// When the system's timer fails or the scheduler is gone.
    pub async fn fire_next(&mut self) -> Result<(), TimerError> {
        let Some(next) = self.next() else { return std::future::pending().await };
        self.alarm.wait_until(next).await?;
        self.fire_due(self.clock.now())
    }

    /// Fires what is due at `now`.
    ///
    /// # Errors
    /// When the scheduler is gone.
    pub fn fire_due(&mut self, now: DateTime<Utc>) -> Result<(), TimerError> {
        if now + TOLERANCE < self.looked {
            warn!("the clock was set back from {} to {now}; the next instants are counted from there", self.looked);
            self.entries.iter_mut().for_each(|entry| entry.start_again(now));
        }
        self.looked = now;
        let activations = self.scheduler.context().job_activation_tx.clone();
        for entry in &mut self.entries {
            if let Some(at) = entry.take_due(now) {
                entry.due.lock().unwrap_or_else(PoisonError::into_inner).push_back(at);
                activations.send(entry.id).map_err(|_| TimerError::Stopped)?;
            }
        }
        Ok(())
    }
}

impl Entry {
    fn wakes(&self) -> Option<DateTime<Utc>> {
        self.next.map(|next| next + self.delay)
    }

    /// The newest instant that has come, if any. After a suspend several may have passed: one run is enough for all.
    fn take_due(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let first = self.next.filter(|next| *next + self.delay <= now)?;
        let at = self.schedule.last_at_or_before(now - self.delay, first).unwrap_or(first);
        if at > first {
            warn!(schedule = %self.schedule, "instants from {first} on passed while this process could not run; one run, for {at}, answers them all");
        }
        self.next = self.schedule.next_after(at);
        self.fired = Some(at);
        Some(at)
    }

    /// Counts from `now` again, but does not fire the last instant twice. (Where the clock was ahead by many instants, each
    /// of them comes when it is really due; that the ledger knows those that were answered keeps them from running twice.)
    fn start_again(&mut self, now: DateTime<Utc>) {
        let next = self.schedule.next_after(now - self.delay);
        self.next =
            next.and_then(|next| if self.fired == Some(next) { self.schedule.next_after(next) } else { Some(next) });
    }
}
