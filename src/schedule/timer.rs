//! Fires jobs at the instants that their schedules compute.
//!
//! tokio-cron-scheduler is the registry and the runner; it is never started, because its own clock polls and freezes
//! zones. When our alarm says that an instant has come, the job's id goes to its activation channel. That channel is
//! public but undocumented, so the crate's version is pinned and a test watches over it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::Schedule;
use super::alarm::Alarm;
use crate::clock::Clock;

/// Activations that may be under way at once; more jobs than this do not fit into one second.
const CHANNEL: usize = 4096;

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
    entries: Vec<Entry>,
}

struct Entry {
    id: Uuid,
    schedule: Schedule,
    next: Option<DateTime<Utc>>,
    due: Arc<Mutex<VecDeque<DateTime<Utc>>>>,
}

impl Timer {
    /// A timer without jobs.
    ///
    /// # Errors
    /// When the scheduler cannot be set up.
    pub async fn new(clock: Clock) -> Result<Self, TimerError> {
        let mut scheduler = JobScheduler::new_with_channel_size(CHANNEL).await?;
        scheduler.init().await?;
        Ok(Self { scheduler, clock, entries: Vec::new() })
    }

    /// Registers a job; `fire` is called with each instant of its schedule from now on. It has to return at once.
    ///
    /// # Errors
    /// When the scheduler does not take it.
    pub async fn add(
        &mut self,
        schedule: &Schedule,
        fire: impl Fn(DateTime<Utc>) + Send + Sync + 'static,
    ) -> Result<(), TimerError> {
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
        let next = schedule.next_after(self.clock.now());
        self.entries.push(Entry { id, schedule: schedule.clone(), next, due });
        Ok(())
    }

    /// The next instant of any job.
    #[must_use]
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.entries.iter().filter_map(|entry| entry.next).min()
    }

    /// Fires until `stop` is cancelled.
    ///
    /// # Errors
    /// When the system's timer fails or the scheduler is gone.
    pub async fn run(mut self, stop: &CancellationToken) -> Result<(), TimerError> {
        let alarm = Alarm::new()?;
        loop {
            let Some(next) = self.next() else {
                stop.cancelled().await;
                return Ok(());
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                woken = alarm.wait_until(next) => woken?,
            }
            self.fire_due(self.clock.now())?;
        }
    }

    fn fire_due(&mut self, now: DateTime<Utc>) -> Result<(), TimerError> {
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
    /// The newest instant that has come, if any. After a suspend several may have passed: one run is enough for all.
    fn take_due(&mut self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut due = None;
        let mut passed = 0_u64;
        while let Some(next) = self.next.filter(|next| *next <= now) {
            due = Some(next);
            passed += 1;
            self.next = self.schedule.next_after(next);
        }
        if let Some(at) = due.filter(|_| passed > 1) {
            let missed = passed - 1;
            warn!(schedule = %self.schedule, "{missed} instants before {at} passed while this process could not run; one run answers them all");
        }
        due
    }
}
