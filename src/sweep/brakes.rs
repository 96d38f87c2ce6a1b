//! What stops a run between two batches, and what makes it pause.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::info;

use super::Error;
use super::pace::Pause;
use super::plan::Part;
use super::retry;
use super::run::Run;
use crate::clock::Stopwatch;
use crate::db::sweep_sql::Path;
use crate::report::{StoppedBy, Throttle};

/// How often the probes look, and how long a pause is that one of them asks for.
const PROBE_EVERY: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// What stops the run before the next batch.
    pub(super) fn stopped(&self) -> Option<StoppedBy> {
        let limits = &self.spec.limits;
        if self.stop.is_cancelled() {
            Some(StoppedBy::Shutdown)
        } else if self.paused.load(Ordering::Relaxed) {
            Some(StoppedBy::Paused)
        } else if self.rows_left() == Some(0) {
            Some(StoppedBy::MaxRows)
        } else if self.watch.elapsed() >= limits.max_duration {
            Some(StoppedBy::MaxDuration)
        } else if limits.window.as_ref().is_some_and(|window| !window.is_open(self.clock.now())) {
            Some(StoppedBy::Window)
        } else {
            None
        }
    }

    pub(super) fn rows_left(&self) -> Option<u64> {
        self.spec.limits.max_rows.map(|most| most.saturating_sub(self.progress.borrow().deleted))
    }

    /// How many workers sweep a part. Only blocks can be dealt out, and only without an exact limit on the rows.
    pub(super) fn workers(&self, part: &Part) -> u64 {
        let many = part.path == Path::Blocks && self.spec.limits.max_rows.is_none() && self.spec.archive.is_none();
        if many { u64::from(self.spec.workers) } else { 1 }
    }

    /// Pauses, but not past the end of the run, and counts it.
    pub(super) async fn pause(&self, pause: Pause) {
        let left = self.spec.limits.max_duration.saturating_sub(self.watch.elapsed());
        let time = pause.time.min(left);
        if time.is_zero() {
            return;
        }
        let watch = Stopwatch::start();
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.stop.cancelled() => {}
        }
        let time = watch.elapsed();
        let mut throttled = self.throttled.lock().unwrap_or_else(PoisonError::into_inner);
        *throttled.entry(pause.reason).or_default() += time;
        self.metrics.throttled(pause.reason, time);
    }

    /// Milliseconds paused, by reason.
    pub(super) fn throttled_ms(&self) -> BTreeMap<String, u64> {
        let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let throttled = self.throttled.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = throttled.iter().map(|(reason, time)| (reason.to_string(), millis(time)));
        entries.filter(|(_, millis)| *millis > 0).collect()
    }

    /// Waits while a probe says that the database has enough to do.
    pub(super) async fn wait_for_probes(&self) -> Result<(), Error> {
        if !self.probes.are_due(self.request.heeds_pause, PROBE_EVERY) {
            return Ok(());
        }
        let mut waiting: Option<Throttle> = None;
        while !self.is_paused().await?
            && let Some((reason, what)) = self.look().await?
        {
            if waiting != Some(reason) {
                info!(job = %self.spec.job, runId = %self.id, "pausing: {what}");
            }
            waiting = Some(reason);
            self.progress.send_modify(|progress| progress.throttle = waiting);
            self.pause(Pause { time: PROBE_EVERY, reason }).await;
            if self.stopped().is_some() {
                return Ok(());
            }
        }
        if waiting.is_some() {
            self.progress.send_modify(|progress| progress.throttle = None);
            info!(job = %self.spec.job, runId = %self.id, "going on");
        }
        Ok(())
    }

    /// What a probe finds; nothing when a stop comes first.
    async fn look(&self) -> Result<Option<(Throttle, String)>, Error> {
        self.stop.run_until_cancelled(self.probes.look(&self.database)).await.unwrap_or(Ok(None))
    }

    /// Whether somebody has paused the job: that ends the run, because others wait for their turn.
    async fn is_paused(&self) -> Result<bool, Error> {
        if !self.request.heeds_pause {
            return Ok(false);
        }
        let target = self.database.qualify(&self.spec.layout.table).to_string();
        let look = self.ledger.paused(&target, &self.spec.job);
        let paused = self.stop.run_until_cancelled(look).await.unwrap_or(Ok(None))?.is_some();
        self.paused.fetch_or(paused, Ordering::Relaxed);
        Ok(paused)
    }

    /// The answer to a COMMIT may have been lost: the ledger knows whether the batch counts. Where there is a limit on the
    /// rows, it has to be known (and then there is one worker, so nobody else is about to count).
    pub(super) async fn recount(&self) -> Result<(), Error> {
        if self.spec.limits.max_rows.is_none() {
            return Ok(());
        }
        let (deleted, batches) = retry::retry(self.stop, || self.ledger.counted(self.id)).await?;
        self.progress.send_modify(|progress| (progress.deleted, progress.batches) = (deleted, batches));
        Ok(())
    }
}
