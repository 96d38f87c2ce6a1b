//! Remembers who tried wrong secrets, and says how long their next answer has to wait.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The first wrong secret is answered after this time, each further one after twice as long, up to the longest.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Who was quiet for this long begins anew.
const FORGOTTEN: TimeDelta = TimeDelta::minutes(5);
/// One line in the log for each source in this time.
const LOG_AGAIN: TimeDelta = TimeDelta::minutes(1);
/// So many sources are remembered.
const REMEMBERED: usize = 1024;

/// Where calls come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// An address; of IPv6, the network of 64 bits that one machine has for itself.
    Address(IpAddr),
    /// The unix socket, whoever calls.
    Socket,
}

/// Failed attempts by source.
#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<Source, Record>);

#[derive(Debug)]
struct Record {
    failures: u32,
    last: DateTime<Utc>,
    /// What no line in the log has told of yet.
    untold: u32,
    told: Option<DateTime<Utc>>,
}

/// What follows from a failed attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How long the answer waits.
    pub(super) delay: Duration,
    /// The number of attempts since the last line in the log, when it is time for the next.
    pub(super) to_tell: Option<u32>,
}

impl Source {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                Self::Address(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into())
            }
            address => Self::Address(address),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address @ IpAddr::V6(network)) if !network.is_loopback() => write!(f, "{address}/64"),
            Self::Address(address) => address.fmt(f),
            Self::Socket => f.write_str("the unix socket"),
        }
    }
}

impl Attempts {
    /// Counts a failed attempt.
    pub(super) fn count(&mut self, source: Source, now: DateTime<Utc>) -> Verdict {
        if !self.0.contains_key(&source) && self.0.len() >= REMEMBERED {
            self.make_room(now);
        }
        let anew = || Record { failures: 0, last: now, untold: 0, told: None };
        let record = self.0.entry(source).or_insert_with(anew);
        if now - record.last > FORGOTTEN {
            record.failures = 0;
        }
        record.failures = record.failures.saturating_add(1);
        record.untold = record.untold.saturating_add(1);
        record.last = now;
        let is_time = record.told.is_none_or(|told| now - told >= LOG_AGAIN);
        let to_tell = is_time.then(|| std::mem::take(&mut record.untold));
        if is_time {
            record.told = Some(now);
        }
        Verdict { delay: delay(record.failures), to_tell }
    }

    fn make_room(&mut self, now: DateTime<Utc>) {
        self.0.retain(|_, record| now - record.last <= FORGOTTEN);
        if self.0.len() >= REMEMBERED {
            let oldest = self.0.iter().min_by_key(|(_, record)| record.last).map(|(source, _)| *source);
            oldest.and_then(|source| self.0.remove(&source));
        }
    }
}

fn delay(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_DELAY.saturating_mul(doubled).min(LONGEST_DELAY)
}
