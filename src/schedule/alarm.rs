//! Waits for an instant of the wall clock.
//!
//! tokio's timers run on the monotonic clock, which neither a suspend nor a step of the wall clock moves. On Linux a
//! timer descriptor waits for the wall clock itself, and wakes nobody before.

use std::io;

use chrono::{DateTime, Utc};

#[cfg(target_os = "linux")]
pub use linux::Alarm;
#[cfg(not(target_os = "linux"))]
pub use portable::Alarm;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::OwnedFd;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{DateTime, Utc, io};

    /// A timer on the wall clock.
    #[derive(Debug)]
    pub struct Alarm(AsyncFd<OwnedFd>);

    impl Alarm {
        /// Makes one. Has to be called in a runtime.
        ///
        /// # Errors
        /// When the system has no file descriptors left.
        #[expect(deprecated, reason = "its replacement is unsafe; an OwnedFd upholds what that asks for")]
        pub fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
            Ok(Self(AsyncFd::with_interest(timer, Interest::READABLE)?))
        }

        /// Returns at `at`, or earlier when somebody set the clock: look at it again.
        ///
        /// # Errors
        /// When the system refuses the timer.
        pub async fn wait_until(&self, at: DateTime<Utc>) -> io::Result<()> {
            let value = Timespec { tv_sec: at.timestamp(), tv_nsec: at.timestamp_subsec_nanos().into() };
            let interval = Timespec { tv_sec: 0, tv_nsec: 0 };
            let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
            match timerfd_settime(&self.0, flags, &Itimerspec { it_interval: interval, it_value: value }) {
                Ok(_) => {}
                // The clock was set since the last wait, which nobody ended by reading.
                Err(Errno::CANCELED) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let mut ready = self.0.readable().await?;
            // The count of expirations, or ECANCELED when the clock was set: either way it is time to look.
            let _ = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?));
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::time::Duration;

    use super::{DateTime, Utc, io};
    use crate::clock::Clock;

    /// Looks at the wall clock at least once a minute.
    #[derive(Debug)]
    pub struct Alarm(Clock);

    impl Alarm {
        /// Makes one.
        ///
        /// # Errors
        /// Never.
        #[expect(clippy::unnecessary_wraps, reason = "the same on every system")]
        pub fn new() -> io::Result<Self> {
            Ok(Self(Clock::system()))
        }

        /// Returns at `at` or earlier: look at the clock again.
        ///
        /// # Errors
        /// Never.
        pub async fn wait_until(&self, at: DateTime<Utc>) -> io::Result<()> {
            let left = (at - self.0.now()).to_std().unwrap_or_default();
            tokio::time::sleep(left.min(Duration::from_mins(1))).await;
            Ok(())
        }
    }
}
