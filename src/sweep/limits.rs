//! The limits of a run, as they are configured.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::db::Engine;
use crate::zone::Zone;

/// The limits of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// How long one batch should take.
    pub batch_target: Duration,
    /// Pause this many times the work after each batch; 0 for none.
    pub nice: f64,
    /// At most this many rows per second, on average.
    pub max_rows_per_second: Option<u64>,
    /// Stop after this many rows.
    pub max_rows: Option<u64>,
    /// Stop after this time.
    pub max_duration: Duration,
    /// Run only at these times of the day.
    pub window: Option<Window>,
    /// Give up on a row lock after this time, and try again later.
    pub lock_timeout: Duration,
    /// Give up on a statement after this time.
    pub statement_timeout: Duration,
    /// Pause while a replica is further behind.
    pub max_replication_lag: Option<Duration>,
    /// Pause while the query gives more.
    pub load: Option<Load>,
    /// Pause while this file is there.
    pub stop_file: Option<PathBuf>,
}

impl Limits {
    /// The gentle pace. On `PostgreSQL` batches of a millisecond are what an application does not notice: its commits
    /// have to flush what a batch has logged, so longer ones show in its 99th percentile (measured: `benches/`).
    /// Elsewhere a commit alone takes that long, and batches must be worth it.
    #[must_use]
    pub fn gentle(engine: Engine) -> Self {
        let millis = if engine == Engine::Postgres { 1 } else { 10 };
        Self { batch_target: Duration::from_millis(millis), ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_target: Duration::from_millis(10),
            nice: 9.0,
            max_rows_per_second: None,
            max_rows: None,
            max_duration: Duration::from_hours(1),
            window: None,
            lock_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(30),
            max_replication_lag: None,
            load: None,
            stop_file: None,
        }
    }
}

/// A query that says how busy the database is.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// It gives one number.
    pub query: String,
    /// More than this is too much.
    pub max: f64,
}

/// Times of the day, on the wall clock of a zone: from one up to but without another, perhaps past midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    from: NaiveTime,
    to: NaiveTime,
    zone: Zone,
}

/// Why a text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not two times.
    #[error("{0:?} is no window; write two times of the day, such as \"01:00-05:00\" or \"22:30-04:00\"")]
    Form(String),
    /// It never opens.
    #[error("{0:?} begins where it ends, so it never opens")]
    Empty(String),
}

impl Window {
    /// Reads `01:00-05:00`.
    ///
    /// # Errors
    /// When it is not two times, or never opens.
    pub fn parse(text: &str, zone: Zone) -> Result<Self, WindowError> {
        let time = |text: &str| {
            let midnight = (text == "24:00").then_some(NaiveTime::MIN);
            midnight.or_else(|| NaiveTime::parse_from_str(text, "%H:%M").ok())
        };
        let times = text.split_once('-').and_then(|(from, to)| Some((time(from.trim())?, time(to.trim())?)));
        let (from, to) = times.ok_or_else(|| WindowError::Form(text.to_owned()))?;
        if from == to && !text.trim().ends_with("24:00") {
            return Err(WindowError::Empty(text.to_owned()));
        }
        Ok(Self { from, to, zone })
    }

    /// Whether it is open at an instant.
    #[must_use]
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        let time = self.zone.local(at).time();
        if self.from < self.to { self.from <= time && time < self.to } else { self.from <= time || time < self.to }
    }

    /// Whether it is open at any instant of a schedule, in the year from a date on. `next_after` gives the first of them
    /// after another.
    pub fn meets(&self, from: NaiveDate, next_after: impl Fn(DateTime<Utc>) -> Option<DateTime<Utc>>) -> bool {
        from.iter_days().take(366).any(|day| {
            let next_day = if self.from < self.to { day } else { day + TimeDelta::days(1) };
            let opens = self.zone.instant(day.and_time(self.from));
            let closes = self.zone.instant(next_day.and_time(self.to));
            next_after(opens - TimeDelta::seconds(1)).is_some_and(|at| at < closes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(window: &str, at: &str) -> bool {
        let zone = Zone::parse("Europe/Paris").unwrap_or_else(|_| Zone::utc());
        let window = Window::parse(window, zone).map_err(|error| error.to_string());
        window.is_ok_and(|window| at.parse().is_ok_and(|at| window.is_open(at)))
    }

    #[test]
    fn a_window_is_open_from_its_beginning_up_to_its_end_on_the_wall_clock() {
        assert!(open("01:00-05:00", "2026-01-10T00:00:00Z"));
        assert!(!open("01:00-05:00", "2026-01-09T23:59:59Z"));
        assert!(!open("01:00-05:00", "2026-01-10T04:00:00Z"));
        assert!(open("01:00-05:00", "2026-07-10T02:59:59Z") && !open("01:00-05:00", "2026-07-10T03:00:00Z"));
    }

    #[test]
    fn a_window_may_go_past_midnight() {
        for at in ["2026-01-10T21:30:00Z", "2026-01-10T23:30:00Z", "2026-01-11T02:59:00Z"] {
            assert!(open("22:30-04:00", at), "{at}");
        }
        assert!(!open("22:30-04:00", "2026-01-11T03:00:00Z"));
        assert!(open("20:00-24:00", "2026-01-10T22:59:00Z") && !open("20:00-24:00", "2026-01-10T23:00:00Z"));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        assert!(open("00:00-24:00", "2026-01-10T12:00:00Z"));
        for text in ["", "01:00", "01:00-25:00", "1-5", "05:00-05:00", "01:00-05:00-06:00"] {
            assert!(Window::parse(text, Zone::utc()).is_err(), "{text}");
        }
    }
}
