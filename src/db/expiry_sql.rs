//! The expiry predicate, and what else SQL says about the expiry column.
//!
//! One rule for every encoding: NULL, infinity, and whatever reads as the year 1970 or earlier (so also 0) is no expiry
//! and never matches. Everything after that and up to the cutoff has expired. The whole year, because seconds that are
//! read as milliseconds fall into its first weeks: rows that somebody wrote in the wrong unit are never taken for old.

mod iso_text;

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};

use super::{Encoding, Engine, Mode, Param, Statement, quote};
use crate::zone::Zone;

/// Days from 1970-01-01 to 1971-01-01: nothing up to there is an expiry.
const FIRST_YEAR: chrono::TimeDelta = chrono::TimeDelta::days(365);

/// More than the date in a text with an offset can be away from that of its instant.
const OFFSETS: chrono::TimeDelta = chrono::TimeDelta::days(2);

/// Whether what [`Expiry::sample`] gave as milliseconds is no expiry.
#[must_use]
pub fn is_never(millis: i64) -> bool {
    millis <= FIRST_YEAR.num_milliseconds()
}

/// An expiry column, ready to be written into statements.
#[derive(Debug, Clone, PartialEq)]
pub struct Expiry {
    /// The engine.
    pub engine: Engine,
    /// The column.
    pub column: String,
    /// How it stores an instant.
    pub encoding: Encoding,
    /// What the instant means.
    pub mode: Mode,
}

/// An expiry that is to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moving {
    /// Only where the column's instant lies before this one.
    pub due: DateTime<Utc>,
    /// What the column is to hold then; no earlier than `due`.
    pub to: DateTime<Utc>,
}

impl Expiry {
    /// The condition "this row has expired at `cutoff`", in parentheses.
    #[must_use]
    pub fn expired(&self, statement: Statement, cutoff: DateTime<Utc>) -> Statement {
        self.compare(statement, &self.quoted(), cutoff)
    }

    /// The same for rows that are found along a key: `SQLite` would rather read all that has expired from the index on the
    /// expiry, for every batch again, if the column were not written as an expression.
    #[must_use]
    pub fn expired_beside_key(&self, statement: Statement, cutoff: DateTime<Utc>) -> Statement {
        let sign = if self.engine == Engine::Sqlite { "+" } else { "" };
        self.compare(statement, &format!("{sign}{}", self.quoted()), cutoff)
    }

    /// The condition "this row has no expiry, or one after `now`", in parentheses. That is less than [`Expiry::expired`]
    /// leaves: a value that cannot be read is not alive, and a reading without a zone has to lie after what the wall clock
    /// shows, while a sweep waits until it can have no other meaning.
    #[must_use]
    pub fn live(&self, statement: Statement, now: DateTime<Utc>) -> Statement {
        let (column, newest) = (self.quoted(), self.mode.newest_expired(now));
        let value = self.value(&column);
        let bound = self.param(newest, |zone| local(zone, newest));
        statement
            .push(&format!("({column} IS NULL OR "))
            .with(|statement| self.type_check(statement))
            .push(&format!("({value} > "))
            .with(|statement| self.cast(statement, bound))
            .push(&format!(" OR {value} <= "))
            .with(|statement| self.instant(statement, DateTime::UNIX_EPOCH + FIRST_YEAR))
            .push("))")
    }

    /// The condition "the column holds an instant before that of `moving`", in parentheses; never true of what is no expiry.
    #[must_use]
    pub fn due(&self, statement: Statement, moving: &Moving) -> Statement {
        let value = self.value(&self.quoted());
        // Where the clocks are set back in between, the later instant has the earlier reading.
        let reading = |zone: &Zone| self.reading(zone, moving.due).min(self.reading(zone, moving.to));
        let before = self.param(moving.due, reading);
        statement
            .push("(")
            .with(|statement| self.type_check(statement))
            .push(&format!("{value} < "))
            .with(|statement| self.cast(statement, before))
            .push(&format!(" AND {value} > "))
            .with(|statement| self.instant(statement, DateTime::UNIX_EPOCH + FIRST_YEAR))
            .push(")")
    }

    /// `at` as the store itself would write it. Text keeps the form of `like`, the text that it takes the place of.
    #[must_use]
    pub fn store(&self, statement: Statement, at: DateTime<Utc>, like: &str) -> Statement {
        let at = at.trunc_subsecs(3);
        match &self.encoding {
            Encoding::EpochMillisText => statement.bind(at.timestamp_millis().to_string()),
            Encoding::IsoText(zone) => statement.bind(iso_text::like(like, at, self.reading(zone, at))),
            _ => self.cast(statement, self.param(at, |zone| self.reading(zone, at))),
        }
    }

    /// What is written for `at` without a zone. An end must not be taken for one an hour earlier.
    fn reading(&self, zone: &Zone, at: DateTime<Utc>) -> NaiveDateTime {
        match self.mode {
            Mode::Expires => zone.naive_end(at),
            Mode::LastSeen(_) => local(zone, at),
        }
    }

    /// Selects the text of a row, for [`Expiry::store`] to follow; NULL where it holds no text.
    #[must_use]
    pub fn form(&self, statement: Statement) -> Statement {
        let column = self.quoted();
        match self.encoding {
            Encoding::IsoText(_) => statement.push(&format!("CASE typeof({column}) WHEN 'text' THEN {column} END")),
            _ => statement.push("NULL"),
        }
    }

    /// Selects the expiry as [`Expiry::sample`] does.
    #[must_use]
    pub fn shown(&self, statement: Statement) -> Statement {
        statement.push(&self.millis(&self.finite()))
    }

    fn compare(&self, statement: Statement, column: &str, cutoff: DateTime<Utc>) -> Statement {
        let newest = self.mode.newest_expired(cutoff);
        let value = self.value(column);
        statement
            .push("(")
            .with(|statement| self.type_check(statement))
            .with(|statement| self.prefilter(statement, column, newest))
            .push(&value)
            .push(" <= ")
            .with(|statement| self.instant(statement, newest))
            .push(" AND ")
            .push(&value)
            .push(" > ")
            .with(|statement| self.instant(statement, DateTime::UNIX_EPOCH + FIRST_YEAR))
            .push(")")
    }

    /// Why `expired` cannot use an ordinary index on the column; none where it can.
    ///
    /// ISO text can, whatever its form: an index is walked in the order of the text, no expired row lies beyond the day
    /// that `prefilter` adds, and each row is still judged by its instant.
    #[must_use]
    pub fn no_index(&self) -> Option<&'static str> {
        matches!(self.encoding, Encoding::EpochMillisText)
            .then_some("numbers in text are not indexed in the order of time, so no index on the expiry helps")
    }

    /// A value of the column as a position that an index can be walked by, for [`Expiry::position`].
    #[must_use]
    pub fn key(&self, value: &str) -> String {
        match (self.engine, &self.encoding) {
            (Engine::Postgres, _) => format!("{value}::text"),
            (Engine::MySql, Encoding::Timestamptz | Encoding::Timestamp(_)) => format!("CAST({value} AS CHAR)"),
            _ => value.to_owned(),
        }
    }

    /// A position that [`Expiry::key`] gave, to compare the column, which is of type `kind`, with.
    #[must_use]
    pub fn position(&self, statement: Statement, position: &Param, kind: &str) -> Statement {
        match self.engine {
            Engine::Postgres => statement.bind(position.clone()).push(&format!("::{kind}")),
            Engine::MySql => self.cast(statement, position.clone()),
            Engine::Sqlite => statement.bind(position.clone()),
        }
    }

    /// Selects, over all rows: their number, how many have expired at `cutoff`, and the oldest and the newest expiry
    /// in milliseconds since 1970 (of a naive encoding: of the wall clock).
    #[must_use]
    pub fn statistics(&self, statement: Statement, cutoff: DateTime<Utc>) -> Statement {
        statement
            .push("SELECT COUNT(*), COUNT(CASE WHEN ")
            .with(|statement| self.expired(statement, cutoff))
            .push(" THEN 1 END), ")
            .push(&self.millis(&format!("MIN({})", self.finite())))
            .push(", ")
            .push(&self.millis(&format!("MAX({})", self.finite())))
            .push(" FROM ")
    }

    /// Selects the expiry in milliseconds since 1970 (of a naive encoding: of the wall clock), and on `SQLite` the
    /// storage class of the value.
    #[must_use]
    pub fn sample(&self, statement: Statement) -> Statement {
        let class = match self.engine {
            Engine::Sqlite => format!("typeof({})", self.quoted()),
            Engine::Postgres | Engine::MySql => "''".to_owned(),
        };
        statement.push(&format!("SELECT {}, {class} FROM ", self.millis(&self.finite())))
    }

    /// The condition "the column's instant lies after `after`, and at or before `upto`", in parentheses.
    #[must_use]
    pub fn between(&self, statement: Statement, after: DateTime<Utc>, upto: DateTime<Utc>) -> Statement {
        let value = self.value(&self.quoted());
        statement
            .push("(")
            .with(|statement| self.type_check(statement))
            .with(|statement| self.prefilter_after(statement, after))
            .push(&format!("{value} > "))
            .with(|statement| self.instant(statement, after))
            .push(&format!(" AND {value} <= "))
            .with(|statement| self.instant(statement, upto))
            .push(")")
    }

    /// Orders rows by the column's instant, the newest first; ISO text by the text, as its index does.
    #[must_use]
    pub fn newest_first(&self, statement: Statement) -> Statement {
        let column = self.quoted();
        let by = if let Encoding::IsoText(_) = self.encoding { column } else { self.value(&column) };
        statement.push(&format!(" ORDER BY {by} DESC"))
    }

    /// The instant that [`Expiry::sample`] gave as milliseconds; of a naive encoding, by the zone of its writer.
    #[must_use]
    pub fn read(&self, millis: i64) -> Option<DateTime<Utc>> {
        let at = DateTime::from_timestamp_millis(millis)?;
        Some(match &self.encoding {
            Encoding::Timestamp(zone) | Encoding::IsoText(zone) => zone.instant(at.naive_utc()),
            _ => at,
        })
    }

    /// What an end at `at` is read as when it has been written: later, in an hour that the clock shows a second time.
    #[must_use]
    pub fn as_read(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        match &self.encoding {
            Encoding::Timestamp(zone) | Encoding::IsoText(zone) => zone.instant(self.reading(zone, at)),
            _ => at,
        }
    }

    /// The condition "the column holds a value", for sampling.
    #[must_use]
    pub fn present(&self, statement: Statement) -> Statement {
        statement.push(&format!("{} IS NOT NULL", self.quoted()))
    }

    fn quoted(&self) -> String {
        quote(self.engine, &self.column)
    }

    /// `SQLite` compares text with numbers without an error (any text is greater), so the storage class is checked in
    /// every statement.
    fn type_check(&self, statement: Statement) -> Statement {
        if self.engine != Engine::Sqlite {
            return statement;
        }
        let column = self.quoted();
        match self.encoding {
            Encoding::EpochMillisText => statement.push(&format!(
                "typeof({column}) = 'text' AND length({column}) BETWEEN 1 AND 18 AND {column} NOT GLOB '*[^0-9]*' AND "
            )),
            Encoding::IsoText(ref zone) if zone.name() != "UTC" => {
                statement.push(&format!("typeof({column}) = 'text' AND substr({column}, 11) NOT GLOB '*[-+Zz]*' AND "))
            }
            Encoding::IsoText(_) => statement.push(&format!("typeof({column}) = 'text' AND ")),
            // A number is less than any text. typeof() would say so too, but where a DELETE calls a function SQLite keeps a
            // copy of each page that it changes, in case the function fails, and takes twice as long.
            _ => statement.push(&format!("+{column} < '' AND ")),
        }
    }

    /// ISO text begins with its date, so an index narrows it down to the day; the exact comparison follows. A
    /// day and more is added, because the text may carry an offset.
    fn prefilter(&self, statement: Statement, column: &str, newest: DateTime<Utc>) -> Statement {
        let Encoding::IsoText(_) = self.encoding else { return statement };
        statement.push(&format!("{column} < ")).bind(day(newest + OFFSETS)).push(" AND ")
    }

    /// The same for what lies later.
    fn prefilter_after(&self, statement: Statement, after: DateTime<Utc>) -> Statement {
        let Encoding::IsoText(_) = self.encoding else { return statement };
        statement.push(&format!("{} > ", self.quoted())).bind(day(after - OFFSETS)).push(" AND ")
    }

    /// The column as something that compares with [`Expiry::instant`].
    fn value(&self, column: &str) -> String {
        match (self.engine, &self.encoding) {
            (Engine::Sqlite, Encoding::IsoText(_)) => format!("julianday({column})"),
            (_, Encoding::EpochMillisText) => self.number_in_text(),
            _ => column.to_owned(),
        }
    }

    fn number_in_text(&self) -> String {
        let column = self.quoted();
        match self.engine {
            Engine::Postgres => format!("CASE WHEN {column} ~ '^[0-9]{{1,18}}$' THEN {column}::bigint END"),
            Engine::MySql => {
                format!("CASE WHEN {column} REGEXP '^[0-9]{{1,18}}$' THEN CAST({column} AS SIGNED) END")
            }
            Engine::Sqlite => format!("CAST({column} AS INTEGER)"),
        }
    }

    /// `at` as the column would store it; rounded so that nothing later than `at` ever compares as at or before it.
    fn instant(&self, statement: Statement, at: DateTime<Utc>) -> Statement {
        self.cast(statement, self.param(at, |zone| zone.naive_cutoff(at)))
    }

    /// `at` as a parameter for [`Expiry::cast`]; `reading` is what a wall clock without a zone says.
    fn param(&self, at: DateTime<Utc>, reading: impl Fn(&Zone) -> NaiveDateTime) -> Param {
        match &self.encoding {
            Encoding::EpochSeconds => Param::Int(at.timestamp()),
            Encoding::EpochMillis | Encoding::EpochMillisText => Param::Int(at.timestamp_millis()),
            Encoding::Timestamptz if self.engine == Engine::Postgres => Param::Instant(at),
            Encoding::Timestamp(zone) if self.engine == Engine::Postgres => Param::Naive(reading(zone)),
            Encoding::Timestamptz => naive_text(at.naive_utc(), "%.6f").into(),
            Encoding::Timestamp(zone) => naive_text(reading(zone), "%.6f").into(),
            Encoding::IsoText(zone) => naive_text(reading(zone), "%.3f").into(),
            Encoding::JulianDay => naive_text(at.naive_utc(), "%.3f").into(),
        }
    }

    fn cast(&self, statement: Statement, value: Param) -> Statement {
        match (self.engine, &self.encoding) {
            (Engine::MySql, Encoding::Timestamptz | Encoding::Timestamp(_)) => {
                statement.push("CAST(").bind(value).push(" AS DATETIME(6))")
            }
            (_, Encoding::IsoText(_) | Encoding::JulianDay) if matches!(value, Param::Text(_)) => {
                statement.push("julianday(").bind(value).push(")")
            }
            _ => statement.bind(value),
        }
    }

    /// The value where it is an instant that can be shown, else NULL.
    fn finite(&self) -> String {
        let column = self.quoted();
        match (self.engine, &self.encoding) {
            (Engine::Postgres, Encoding::Timestamptz | Encoding::Timestamp(_)) => {
                format!("CASE WHEN isfinite({column}) THEN {column} END")
            }
            (Engine::Sqlite, Encoding::IsoText(_)) => format!("julianday({column})"),
            (Engine::Sqlite, Encoding::EpochMillisText) => {
                format!("CASE WHEN typeof({column}) = 'text' THEN CAST({column} AS INTEGER) END")
            }
            (_, Encoding::EpochMillisText) => self.number_in_text(),
            (Engine::Sqlite, _) => format!("CASE WHEN typeof({column}) IN ('integer', 'real') THEN {column} END"),
            _ => format!("NULLIF({column}, 0)"),
        }
    }

    /// A number far beyond every date, as some write "never", would be too large for what is done to it.
    fn bounded(&self, value: &str) -> String {
        let most = if self.encoding == Encoding::EpochSeconds { 9_000_000_000_000_i64 } else { 9_000_000_000_000_000 };
        format!("CASE WHEN {value} > {most} THEN {most} WHEN {value} < -{most} THEN -{most} ELSE {value} END")
    }

    fn millis(&self, value: &str) -> String {
        let bounded = self.bounded(value);
        match (self.engine, &self.encoding) {
            (Engine::Postgres, Encoding::Timestamptz | Encoding::Timestamp(_)) => {
                format!("floor(extract(epoch FROM {value}) * 1000)::bigint")
            }
            (Engine::MySql, Encoding::Timestamptz | Encoding::Timestamp(_)) => {
                format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {value}) DIV 1000")
            }
            (_, Encoding::IsoText(_) | Encoding::JulianDay) => {
                format!("CAST(round(({value} - 2440587.5) * 86400000.0) AS INTEGER)")
            }
            (Engine::Postgres, Encoding::EpochSeconds) => format!("(({bounded}) * 1000)::bigint"),
            (Engine::MySql, Encoding::EpochSeconds) => format!("CAST(({bounded}) * 1000 AS SIGNED)"),
            (Engine::Sqlite, Encoding::EpochSeconds) => format!("CAST(({bounded}) * 1000 AS INTEGER)"),
            (Engine::Postgres, _) => format!("({bounded})::bigint"),
            (Engine::MySql, _) => format!("CAST({bounded} AS SIGNED)"),
            (Engine::Sqlite, _) => format!("CAST({bounded} AS INTEGER)"),
        }
    }
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// What the wall clock of a zone says.
fn local(zone: &Zone, at: DateTime<Utc>) -> NaiveDateTime {
    zone.local(at).naive_local()
}

fn naive_text(at: NaiveDateTime, fraction: &str) -> String {
    at.format(&format!("%Y-%m-%d %H:%M:%S{fraction}")).to_string()
}
