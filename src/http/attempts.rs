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
/// And no more than so many for all of them: who has many addresses must not fill the disk.
const LINES: u32 = 60;
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
pub(super) struct Attempts {
    records: HashMap<Source, Record>,
    /// When the lines of the last minute began, and how many there were.
    lines: Option<(DateTime<Utc>, u32)>,
}

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
        if !self.records.contains_key(&source) && self.records.len() >= REMEMBERED {
            self.make_room(now);
        }
        let may_tell = self.has_lines_left(now);
        let anew = || Record { failures: 0, last: now, untold: 0, told: None };
        let record = self.records.entry(source).or_insert_with(anew);
        if now - record.last > FORGOTTEN {
            record.failures = 0;
        }
        record.failures = record.failures.saturating_add(1);
        record.untold = record.untold.saturating_add(1);
        record.last = now;
        let is_time = may_tell && record.told.is_none_or(|told| now - told >= LOG_AGAIN);
        let failures = record.failures;
        let to_tell = is_time.then(|| std::mem::take(&mut record.untold));
        if is_time {
            record.told = Some(now);
            self.lines.iter_mut().for_each(|(_, lines)| *lines += 1);
        }
        Verdict { delay: delay(failures), to_tell }
    }

    fn has_lines_left(&mut self, now: DateTime<Utc>) -> bool {
        if self.lines.is_none_or(|(since, _)| now - since >= LOG_AGAIN) {
            self.lines = Some((now, 0));
        }
        self.lines.is_some_and(|(_, lines)| lines < LINES)
    }

    fn make_room(&mut self, now: DateTime<Utc>) {
        self.records.retain(|_, record| now - record.last <= FORGOTTEN);
        if self.records.len() >= REMEMBERED {
            let oldest = self.records.iter().min_by_key(|(_, record)| record.last).map(|(source, _)| *source);
            oldest.and_then(|source| self.records.remove(&source));
        }
    }
}

fn delay(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_DELAY.saturating_mul(doubled).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default()
    }

    fn source(last: u8) -> Source {
        Source::of(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn the_delay_doubles_up_to_its_end_and_is_forgotten() {
        let mut attempts = Attempts::default();
        let mut delays = |seconds| attempts.count(source(1), at(seconds)).delay.as_millis();
        let grown: Vec<_> = (0..8).map(&mut delays).collect();
        assert_eq!(grown, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(delays(7 + 300), 5000, "five quiet minutes are not enough");
        assert_eq!(delays(307 + 301), 100);
        for _ in 0..200 {
            delays(608);
        }
        assert_eq!(delays(608), 5000);
        assert_eq!(attempts.count(source(2), at(609)).delay.as_millis(), 100, "others have their own");
    }

    #[test]
    fn each_source_has_a_line_a_minute_with_its_count() {
        let mut attempts = Attempts::default();
        let told: Vec<_> = (0..130).map(|second| attempts.count(source(1), at(second)).to_tell).collect();
        let lines: Vec<_> = told.iter().enumerate().filter_map(|(at, told)| Some((at, (*told)?))).collect();
        assert_eq!(lines, [(0, 1), (60, 60), (120, 60)]);
    }

    #[test]
    fn few_are_remembered_and_the_oldest_go_first() {
        let mut attempts = Attempts::default();
        let address = |number: u32| Source::of(IpAddr::from(number.to_be_bytes()));
        for number in 0..5000 {
            attempts.count(address(number), at(i64::from(number) / 100));
        }
        assert_eq!(attempts.records.len(), REMEMBERED);
        assert_eq!(attempts.count(address(4999), at(50)).delay.as_millis(), 200);
        assert_eq!(attempts.count(address(0), at(50)).delay.as_millis(), 100);
        attempts.count(address(9999), at(1000));
        assert_eq!(attempts.records.len(), 1, "the forgotten make room first");
    }

    #[test]
    fn a_machine_has_one_source_whatever_its_addresses() {
        let of = |text: &str| text.parse().map(Source::of);
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:3:4:5:6"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        let shown = |text: &str| of(text).map(|source| source.to_string());
        assert_eq!(shown("2001:db8:1:2::1").as_deref(), Ok("2001:db8:1:2::/64"));
        assert_eq!(shown("::1").as_deref(), Ok("::1"));
    }

    #[test]
    fn many_sources_do_not_fill_the_log() {
        let mut attempts = Attempts::default();
        let mut told = |seconds| {
            let sources =
                (0..u16::MAX).map(|n| Source::of(IpAddr::from([192, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]])));
            sources.take(5000).filter(|source| attempts.count(*source, at(seconds)).to_tell.is_some()).count()
        };
        assert_eq!((told(0), told(30), told(60)), (60, 0, 60));
    }
}
