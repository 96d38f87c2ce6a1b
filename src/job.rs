//! One job: what it sweeps and when; it never overlaps itself.

mod inbox;
mod worker;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use crate::ledger::Armed;
use crate::report::Trigger;
use crate::schedule::Schedule;
use crate::sweep::{Request, Spec};
pub use inbox::{Active, Activity, Handle, Inbox, Refused};
pub use worker::{Assignment, Worker};

/// A named clean-up of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// What to sweep, and how fast; its name is there.
    pub spec: Spec,
    /// The name of the database that it sweeps; `default` is the one of `[database]`.
    pub database: String,
    /// The name of the database that is asked how far it is behind, a replica of the other.
    pub replica: Option<String>,
    /// When it runs.
    pub schedule: Schedule,
    /// How old an instant may be that is caught up with; none, when those that passed are not.
    pub catch_up: Option<Duration>,
    /// By how much its runs are spread, at most.
    pub jitter: Duration,
    /// Whether it runs at all.
    pub enabled: bool,
}

/// A run that begins later than this has been missed by the timer, and is caught up with.
const LATE: TimeDelta = TimeDelta::minutes(1);

impl Job {
    /// How long after its instants this host runs the job: always the same, up to `jitter`.
    #[must_use]
    pub fn delay(&self, host: &str) -> Duration {
        let digest = Sha256::digest(format!("{host}\n{}", self.spec.job));
        let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let millis = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX - 1);
        Duration::from_millis(number % (millis + 1))
    }

    /// What to do when the timer fires at `now` for the instant `at`, `delay` after it: nothing when it comes too late, as
    /// after a suspend, and is not to be caught up with.
    #[must_use]
    pub fn request(&self, at: DateTime<Utc>, delay: Duration, now: DateTime<Utc>) -> Option<Request> {
        let late = now - at - TimeDelta::from_std(delay).unwrap_or_default();
        let trigger = match self.catch_up {
            _ if late <= LATE => Trigger::Schedule,
            Some(within) if (now - at).to_std().unwrap_or_default() <= within && self.is_open(now) => Trigger::CatchUp,
            _ => return None,
        };
        Some(Request::scheduled(trigger, at, now))
    }

    /// The newest instant up to `now` that nobody has answered, where it is to be caught up with. Only instants after
    /// the schedule was armed can have been missed: a fresh installation does not sweep when it starts.
    #[must_use]
    pub fn missed(&self, armed: &Armed, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if !self.is_open(now) {
            return None;
        }
        let within = TimeDelta::from_std(self.catch_up?).ok()?;
        let at = self.schedule.last_at_or_before(now, armed.since.max(now - within))?;
        (at > armed.since && armed.answered.is_none_or(|answered| answered < at)).then_some(at)
    }

    /// A run outside of the window would use the instant up and delete nothing.
    fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.spec.limits.window.as_ref().is_none_or(|window| window.is_open(now))
    }

    /// The schedule as the ledger remembers it.
    #[must_use]
    pub fn armed_as(&self) -> String {
        format!("{} {}", self.schedule, self.schedule.zone().name())
    }
}
