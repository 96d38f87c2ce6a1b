//! When a job runs: a schedule in words or cron, in a time zone, and its next instants.
//!
//! Words are translated into cron lines, so a schedule is a set of cron lines (none for `manual`)
//! and fires whenever one of them does. [`Schedule::parse`] has the language, [`Schedule::next_after`]
//! the rules for daylight saving.

mod alarm;
mod clock_time;
mod cron;
mod describe;
mod error;
mod field;
mod names;
mod reader;
pub mod timer;
mod token;
mod walk;
mod words;

use std::fmt;
use std::iter;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use self::cron::Line;
pub use self::error::{Fault, ScheduleError};
use self::token::Token;
use crate::zone::Zone;

/// Farther ahead than this nothing is looked for.
const HORIZON: TimeDelta = TimeDelta::days(3653);

/// Whether an expression can fire is judged from this year on, or from the first later one that
/// its year field allows, so that the answer does not depend on the day it is asked.
const FIRST_YEAR: u16 = 2026;

/// When a job runs, in a time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    canonical: String,
    lines: Vec<Line>,
    zone: Zone,
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// Words, in upper or lower case: `daily at 02:00`, `twice daily at 02:00 and 14:00`,
    /// `every 15 minutes`, `hourly at :15`, `weekdays at 03:30`, `every monday and thursday at 4am`,
    /// `monthly on the 1st at noon`, `last day of the month at 23:00`, `first monday of the month at
    /// 10:00`, `manual`.
    ///
    /// Cron: five fields (minute, hour, day of month, month, day of week), six with the second
    /// first, seven with the year last, with `L`, `W`, `#` and `+`; `@daily` and the like. Several
    /// lines are joined with `;`. Day of month and day of week both given mean either; with a `+`
    /// before the day of week, both.
    ///
    /// # Errors
    ///
    /// [`ScheduleError::Syntax`] with the position and what is accepted there, and
    /// [`ScheduleError::Never`] for a line that no date satisfies.
    pub fn parse(expression: &str, zone: Zone) -> Result<Self, ScheduleError> {
        let lines =
            lines(expression).map_err(|fault| ScheduleError::Syntax { expression: expression.to_owned(), fault })?;
        if !lines.iter().all(can_fire) {
            return Err(ScheduleError::Never { expression: expression.to_owned() });
        }
        Ok(Self { canonical: canonical(&lines), lines, zone })
    }

    /// Whether the timer never fires this schedule.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.lines.is_empty()
    }

    /// The normal form: cron lines with numbers for names, or `manual`. It parses to the same
    /// schedule.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The zone whose wall clock the schedule goes by.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// An explanation, such as `every day at 02:00 (Europe/Paris)`.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.is_manual() {
            return "only when asked for".to_owned();
        }
        format!("{} ({})", describe::describe(&self.lines), self.zone.name())
    }

    /// The first instant after `instant`, in whole seconds; `None` for a manual schedule and when
    /// the next ten years hold none.
    ///
    /// When the clocks change, a fixed time that they skip runs once, at the first instant after
    /// the gap, unless the gap is wider than three hours; a fixed time that comes twice runs the
    /// first time only. A line whose second, minute or hour begins with `*` is no fixed time: it
    /// runs whenever the clock shows a matching time.
    #[must_use]
    pub fn next_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let nexts = self.lines.iter();
        let next = nexts.filter_map(|line| walk::next_after(line, &self.zone, instant.timestamp()));
        let next = DateTime::from_timestamp(next.min()?, 0)?;
        (next - instant <= HORIZON).then_some(next)
    }

    /// The shortest time between two of its next instants.
    #[must_use]
    pub fn shortest_gap(&self) -> Duration {
        const LOOKED_AT: usize = 100;
        // Any time will do.
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(i64::from(FIRST_YEAR - 1970) * 365);
        let instants: Vec<_> =
            iter::successors(self.next_after(start), |next| self.next_after(*next)).take(LOOKED_AT).collect();
        let gaps = instants.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.min().and_then(|gap| gap.to_std().ok()).unwrap_or(Duration::MAX)
    }

    /// The last instant from `not_before` up to and including `instant`, in whole seconds; looks
    /// back ten years at most.
    #[must_use]
    pub fn last_at_or_before(&self, instant: DateTime<Utc>, not_before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let not_before = not_before.max(instant - HORIZON);
        let mut span = TimeDelta::minutes(1);
        loop {
            let from = (instant - span).max(not_before - TimeDelta::nanoseconds(1));
            let nexts = iter::successors(self.next_after(from), |next| self.next_after(*next));
            let last = nexts.take_while(|next| *next <= instant).last();
            if last.is_some() || from < not_before {
                return last;
            }
            span = span * 2;
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical)
    }
}

fn lines(expression: &str) -> Result<Vec<Line>, Fault> {
    let whole = Token::whole(expression);
    let cron = |first: char| !first.is_alphabetic();
    if expression.trim_start().starts_with(cron) {
        let lines = whole.split(|c| c == ';');
        return lines.into_iter().map(Line::parse).collect();
    }
    let translated = words::translate(whole)?;
    let line = |text: &String| Line::parse(Token { column: 1, text });
    translated.iter().map(line).collect()
}

fn canonical(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "manual".to_owned();
    }
    let lines: Vec<_> = lines.iter().map(Line::to_string).collect();
    lines.join("; ")
}

fn can_fire(line: &Line) -> bool {
    let seconds = |year: u16| {
        let date = chrono::NaiveDate::from_ymd_opt(year.into(), 1, 1)?;
        Some(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp())
    };
    let first = line.first_year_from(FIRST_YEAR).and_then(seconds);
    first.is_some_and(|first| {
        let next = line.next_reading(first);
        next.is_some_and(|next| next - first <= HORIZON.num_seconds())
    })
}
