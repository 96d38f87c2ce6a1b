//! A time zone by its IANA name: its wall clock, the stretches between its clock changes, and what
//! a wall-clock reading stored without a zone can mean.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, SubsecRound, TimeDelta, Utc};
use jiff::Timestamp;
use jiff::tz::{self, TimeZone};

/// Names of files in a zone database that describe the machine rather than a place.
const NOT_PLACES: [&str; 3] = ["Factory", "localtime", "posixrules"];

/// A name this alike or more is offered as a correction (0 is nothing alike, 1 the same).
const ALIKE: f64 = 0.7;

/// A time zone that the system's zone database knows by name. Equal when the names are.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// The zone database has no zone of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {name:?}; write an IANA name such as \"Europe/Paris\" or \"UTC\"{}",
    .suggestion.as_ref().map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default())]
pub struct UnknownZone {
    /// The name as it was given.
    pub name: String,
    /// The most similar name in the database, if one is near.
    pub suggestion: Option<String>,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Zone {
    /// Looks up `name` in the system's zone database, in the database's own spelling.
    ///
    /// # Errors
    ///
    /// [`UnknownZone`] when no zone has that name; offsets and POSIX rules such as `EST5` are not
    /// names.
    pub fn parse(name: &str) -> Result<Self, UnknownZone> {
        let known =
            TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name) && !NOT_PLACES.contains(&name));
        known
            .map(|rules| Self { name: name.to_owned(), rules })
            .ok_or_else(|| UnknownZone { name: name.to_owned(), suggestion: nearest_name(name) })
    }

    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same instant on this zone's wall clock.
    #[must_use]
    pub fn local(&self, instant: DateTime<Utc>) -> DateTime<FixedOffset> {
        let offset = self.rules.to_offset(timestamp(instant.timestamp()));
        let offset = FixedOffset::east_opt(offset.seconds()).unwrap_or_else(|| Utc.fix());
        instant.with_timezone(&offset)
    }

    /// The instant at which this zone's wall clock first shows `reading`, for people to read; a reading that the clocks
    /// skip is counted with the offset of before.
    #[must_use]
    pub fn instant(&self, reading: NaiveDateTime) -> DateTime<Utc> {
        let as_utc = reading.and_utc();
        let offset_at = |instant: DateTime<Utc>| self.local(instant).offset().local_minus_utc();
        let before = as_utc - TimeDelta::seconds(offset_at(as_utc - TimeDelta::days(1)).into());
        let after = as_utc - TimeDelta::seconds(offset_at(before).into());
        [before, after].into_iter().find(|at| self.local(*at).naive_local() == reading).unwrap_or(before)
    }

    /// The greatest wall-clock reading, to the microsecond, such that a row which holds that
    /// reading or an earlier one has certainly expired at `cutoff`, whatever it was meant to say.
    ///
    /// A reading that the clocks repeat may mean the second pass: during the first, the answer
    /// stops just before the repeated stretch. A reading that the clocks skip is taken by every
    /// database and language as counted with the offset of before, so it comes up as much later as
    /// the clocks moved: for that long after a gap, the answer follows the old offset.
    #[must_use]
    pub fn naive_cutoff(&self, cutoff: DateTime<Utc>) -> NaiveDateTime {
        let period = self.period_at(cutoff.timestamp());
        let offset = period.oldest_offset_in_use(cutoff.timestamp());
        let reading = cutoff
            .naive_utc()
            .checked_add_signed(TimeDelta::seconds(offset))
            .unwrap_or(NaiveDateTime::MIN)
            .trunc_subsecs(6);
        match period.repeated_from() {
            Some(repeated) => reading.min(repeated - TimeDelta::microseconds(1)),
            None => reading,
        }
    }

    /// The reading to write for an end at `end`, such that nobody takes it for an earlier one: where the clock shows `end` a
    /// second time, the first reading after the repeated stretch.
    #[must_use]
    pub fn naive_end(&self, end: DateTime<Utc>) -> NaiveDateTime {
        let first_new = DateTime::from_timestamp(self.period_at(end.timestamp()).first_new_reading(), 0);
        let reading = self.local(end).naive_local();
        first_new.map_or(reading, |first_new| reading.max(first_new.naive_utc()))
    }

    /// The stretch of constant offset that holds `instant` (Unix seconds).
    pub(crate) fn period_at(&self, instant: i64) -> Period {
        let offset_at = |instant| i64::from(self.rules.to_offset(timestamp(instant)).seconds());
        let seconds = |change: tz::TimeZoneTransition<'_>| change.timestamp().as_second();
        let offset = offset_at(instant);
        let mut earlier = self.rules.preceding(timestamp(instant.saturating_add(1)));
        let mut later = self.rules.following(timestamp(instant));
        let start = earlier.next().map(seconds);
        let end = later.next().map(seconds);
        Period {
            start: start.unwrap_or(i64::MIN),
            end: end.unwrap_or(i64::MAX),
            offset_before: start.map_or(offset, |start| offset_at(start - 1)),
            offset,
            offset_after: end.map_or(offset, offset_at),
        }
    }
}

/// A stretch of time in which a zone's offset from UTC does not change: Unix seconds, from `start`
/// up to but without `end`; offsets are seconds east. A wall-clock reading is an instant plus the
/// offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    pub(crate) start: i64,
    pub(crate) end: i64,
    offset_before: i64,
    pub(crate) offset: i64,
    offset_after: i64,
}

impl Period {
    /// The reading that the clock is set to at the start.
    pub(crate) fn reading_at_start(&self) -> i64 {
        self.start.saturating_add(self.offset)
    }

    /// The reading at which the clock is set to another, without showing it.
    pub(crate) fn reading_at_end(&self) -> i64 {
        self.end.saturating_add(self.offset)
    }

    /// The first reading that the clock did not show before the start.
    pub(crate) fn first_new_reading(&self) -> i64 {
        self.start.saturating_add(self.offset.max(self.offset_before))
    }

    /// By how many seconds the clock was set forward at the start; negative when it was set back.
    pub(crate) fn moved_forward(&self) -> i64 {
        self.offset - self.offset_before
    }

    /// The offset by which the zone's writers may have understood a reading that has just passed.
    fn oldest_offset_in_use(&self, instant: i64) -> i64 {
        if instant < self.start.saturating_add(self.moved_forward()) { self.offset_before } else { self.offset }
    }

    /// The first reading that comes a second time after the end.
    fn repeated_from(&self) -> Option<NaiveDateTime> {
        let repeats = self.offset_after < self.offset;
        let reading = self.end.saturating_add(self.offset_after);
        DateTime::from_timestamp(reading, 0).filter(|_| repeats).map(|reading| reading.naive_utc())
    }
}

/// Instants outside jiff's range (the years -9999 to 9999) become its ends.
fn timestamp(seconds: i64) -> Timestamp {
    let (min, max) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(seconds.clamp(min, max)).unwrap_or_default()
}

fn nearest_name(name: &str) -> Option<String> {
    let wanted = name.to_lowercase();
    let likeness = |known: &str| {
        let known = known.to_lowercase();
        let city = known.rsplit('/').next().unwrap_or_default();
        let of = |candidate| strsim::normalized_damerau_levenshtein(&wanted, candidate);
        of(&known).max(of(city))
    };
    tz::db()
        .available()
        .map(|known| known.as_str().to_owned())
        .filter(|known| !NOT_PLACES.contains(&known.as_str()))
        .map(|known| (likeness(&known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known)
}
