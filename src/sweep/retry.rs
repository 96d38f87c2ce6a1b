//! Trying again what failed with an error that may go away.

use std::fmt::Display;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Error;
use super::run::Run;
use crate::clock::Stopwatch;
use crate::db::{DbError, Trouble};

/// Transient errors are waited out for this long, and at least for this many times as long as a lock may take.
const RETRY_FOR: Duration = Duration::from_mins(1);
const RETRY_FOR_LOCKS: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A batch that is being tried again.
#[derive(Debug)]
pub struct Trying {
    /// How often it has failed.
    pub count: u32,
    since: Stopwatch,
    pause: Duration,
}

impl Default for Trying {
    fn default() -> Self {
        Self { count: 0, since: Stopwatch::start(), pause: FIRST_PAUSE }
    }
}

impl Trying {
    /// How long to wait before the next try; gives the error back when it is not worth another.
    pub fn next(&mut self, error: Error, run: &Run<'_>) -> Result<Duration, Error> {
        if self.count == 0 {
            self.since = Stopwatch::start();
        }
        let patience = RETRY_FOR.max(run.spec.limits.lock_timeout * RETRY_FOR_LOCKS);
        if !error.is_transient() || self.since.elapsed() > patience {
            return Err(error);
        }
        let pause = self.pause;
        warn!(job = %run.spec.job, runId = %run.id, "{error}; trying again in {pause:?}");
        self.count += 1;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Ok(pause)
    }
}

/// Does something again while it fails with a transient error.
///
/// # Errors
/// The last error, when it is not transient, or did not go away in time, or a stop was asked for.
pub async fn retry<T, F: Future<Output = Result<T, DbError>>>(
    stop: &CancellationToken,
    action: impl FnMut() -> F,
) -> Result<T, DbError> {
    retry_while(|error: &DbError| error.trouble.is_transient(), stop, action).await
}

/// The same for a claim. A server that takes no writes in the middle of a run was the primary a moment ago, and another
/// one will be; before the run it may be one that never was.
///
/// # Errors
/// As those of [`retry`].
pub async fn retry_claim<T, F: Future<Output = Result<T, DbError>>>(
    stop: &CancellationToken,
    action: impl FnMut() -> F,
) -> Result<T, DbError> {
    let passes = |error: &DbError| error.trouble.is_transient() && error.trouble != Trouble::ReadOnly;
    retry_while(passes, stop, action).await
}

/// The same for a plan, which may also be refused.
///
/// # Errors
/// As those of [`retry`].
pub async fn retry_plan<T, F: Future<Output = Result<T, Error>>>(
    stop: &CancellationToken,
    action: impl FnMut() -> F,
) -> Result<T, Error> {
    retry_while(Error::is_transient, stop, action).await
}

async fn retry_while<T, E: Display, F: Future<Output = Result<T, E>>>(
    passes: impl Fn(&E) -> bool,
    stop: &CancellationToken,
    mut action: impl FnMut() -> F,
) -> Result<T, E> {
    let watch = Stopwatch::start();
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match action().await {
            Err(error) if passes(&error) && watch.elapsed() < RETRY_FOR => error,
            done => return done,
        };
        warn!("{error}; trying again in {pause:?}");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return Err(error),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
