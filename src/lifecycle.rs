//! Signals and stopping: the only place that touches either. And what the service manager is told.

pub mod notify;

use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::signals::Signals;

#[cfg_attr(unix, path = "lifecycle/unix.rs")]
#[cfg_attr(windows, path = "lifecycle/windows.rs")]
mod signals;

/// What a process needs to end well: a token that is cancelled when it has to stop, a tracker of all its tasks, and
/// its signals.
#[derive(Debug)]
pub struct Lifecycle {
    /// Cancelled when the process has to stop; looked at between batches.
    pub stop: CancellationToken,
    /// Every task.
    pub tasks: TaskTracker,
    stop_signals: Signals,
    reload_signals: Signals,
}

/// Tasks that are given up when the process has to stop.
#[derive(Debug, Clone)]
pub struct Background {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Background {
    /// Starts one.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(work).await.unwrap_or_default() });
    }
}

/// How a process that was told to stop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// All tasks ended.
    Clean,
    /// Time ran out.
    TimedOut,
    /// A second signal came.
    Forced,
}

impl Lifecycle {
    /// Takes over SIGTERM, SIGINT and SIGHUP; on Windows Ctrl-C and its like. Has to be called in a runtime, and early:
    /// until then SIGTERM kills, or, as process 1 of a container, does nothing.
    ///
    /// # Errors
    /// When the system has no file descriptors left.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            stop_signals: Signals::to_stop()?,
            reload_signals: Signals::to_reload()?,
        })
    }

    /// For tasks that are given up when the process has to stop.
    #[must_use]
    pub fn background(&self) -> Background {
        Background { stop: self.stop.clone(), tasks: self.tasks.clone() }
    }

    /// Waits for SIGTERM or SIGINT.
    pub async fn stop_signal(&mut self) {
        self.stop_signals.next().await;
    }

    /// Waits for SIGTERM, SIGINT (true) or SIGHUP (false).
    pub async fn signal(&mut self) -> bool {
        tokio::select! {
            () = self.stop_signals.next() => true,
            () = self.reload_signals.next() => false,
        }
    }

    /// Runs `work`; the first signal cancels the stop token and lets it end, the second leaves it where it is (none).
    pub async fn supervise<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return Some(done),
            () = self.stop_signals.next() => self.stop.cancel(),
        }
        tokio::select! {
            done = work => Some(done),
            () = self.stop_signals.next() => None,
        }
    }

    /// Stops: no new work, and `timeout` for the tasks to end.
    pub async fn drain(&mut self, timeout: Duration) -> Drained {
        self.stop.cancel();
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => Drained::Clean,
            () = tokio::time::sleep(timeout) => Drained::TimedOut,
            () = self.stop_signals.next() => Drained::Forced,
        }
    }
}
