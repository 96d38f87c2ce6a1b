//! Somebody else who writes to the same file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sweepd::clock::Stopwatch;

use crate::servers::Session;
use crate::strategy::millis;

/// How often a row is written.
pub const PERIOD: Duration = Duration::from_millis(5);

/// Longer than anything that is measured.
pub const PATIENCE: &str = "PRAGMA busy_timeout = 30000";

/// A thread that writes until it is told to stop.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<f64>,
}

impl Writer {
    /// Returns when the first row is written.
    pub fn start(session: Session) -> Self {
        session.execute(PATIENCE);
        insert(&session);
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || write_until(&told, &session));
        Self { stop, thread }
    }

    /// The milliseconds that the longest of its writes took.
    pub fn stop(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer writes")
    }
}

fn write_until(told: &AtomicBool, session: &Session) -> f64 {
    let mut longest = 0.0;
    while !told.load(Ordering::Relaxed) {
        std::thread::sleep(PERIOD);
        let watch = Stopwatch::start();
        insert(session);
        longest = f64::max(longest, millis(watch.elapsed()));
    }
    longest
}

fn insert(session: &Session) {
    session.execute("INSERT INTO other (note) VALUES ('logged in')");
}
