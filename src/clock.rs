//! The only place that reads the time, so that tests can hand in their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Where the program gets the time from.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System(Anchor),
    Set(Arc<Mutex<Hands>>),
}

/// What both clocks said at one moment.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    wall: DateTime<Utc>,
    running: Option<Duration>,
}

/// A clock of tests.
#[derive(Debug)]
struct Hands {
    wall: DateTime<Utc>,
    steady: DateTime<Utc>,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System(Anchor { wall: wall(), running: running() }))
    }

    /// A clock that stands still at `instant` until [`Clock::set`] moves it. For tests.
    #[must_use]
    pub fn fixed(instant: DateTime<Utc>) -> Self {
        Self(Source::Set(Arc::new(Mutex::new(Hands { wall: instant, steady: instant }))))
    }

    /// Lets time pass on a clock made by [`Clock::fixed`], and all its clones, until `instant`; the machine's clock stays
    /// as it is.
    pub fn set(&self, instant: DateTime<Utc>) {
        if let Source::Set(hands) = &self.0 {
            let mut hands = hands.lock().unwrap_or_else(PoisonError::into_inner);
            let passed = instant - hands.wall;
            hands.wall = instant;
            hands.steady += passed;
        }
    }

    /// Sets a clock made by [`Clock::fixed`] to `instant` as somebody does who sets a machine's clock: no time passes.
    pub fn step(&self, instant: DateTime<Utc>) {
        if let Source::Set(hands) = &self.0 {
            hands.lock().unwrap_or_else(PoisonError::into_inner).wall = instant;
        }
    }

    /// The wall clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System(_) => wall(),
            Source::Set(hands) => hands.lock().unwrap_or_else(PoisonError::into_inner).wall,
        }
    }

    /// What the wall clock would say if nobody had set it since this clock was made: what it said then, and the time
    /// that has passed on a clock that cannot be set and that goes on while the machine is suspended. Outside of Linux that
    /// is not known: there it is the wall clock.
    #[must_use]
    pub fn steady(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System(anchor) => match (anchor.running, running()) {
                (Some(before), Some(now)) => anchor.wall + now.saturating_sub(before),
                _ => wall(),
            },
            Source::Set(hands) => hands.lock().unwrap_or_else(PoisonError::into_inner).steady,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn wall() -> DateTime<Utc> {
    Utc::now()
}

/// The time since the machine started, the time that it was suspended included.
#[cfg(target_os = "linux")]
fn running() -> Option<Duration> {
    duration(rustix::time::clock_gettime(rustix::time::ClockId::Boottime))
}

#[cfg(not(target_os = "linux"))]
fn running() -> Option<Duration> {
    None
}

#[cfg(unix)]
fn duration(time: rustix::time::Timespec) -> Option<Duration> {
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).ok()?);
    Some(seconds + Duration::from_nanos(u64::try_from(time.tv_nsec).ok()?))
}

/// The clock that cannot be set and stands still while the machine is suspended, which service managers count by.
#[cfg(unix)]
#[must_use]
pub fn monotonic() -> Option<Duration> {
    duration(rustix::time::clock_gettime(rustix::time::ClockId::Monotonic))
}

/// The same, where nobody asks for it.
#[cfg(not(unix))]
#[must_use]
pub fn monotonic() -> Option<Duration> {
    None
}

/// Measures how long something takes, on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
