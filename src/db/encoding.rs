//! How a column stores an instant, and which values of it count as expired.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::zone::Zone;

/// How the expiry column stores an instant.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoding {
    /// An instant with its zone: `timestamptz` on PostgreSQL, `TIMESTAMP` on MySQL.
    Timestamptz,
    /// A wall-clock time without a zone, written in the given one.
    Timestamp(Zone),
    /// Seconds since 1970-01-01 UTC.
    EpochSeconds,
    /// Milliseconds since 1970-01-01 UTC.
    EpochMillis,
    /// Milliseconds since 1970-01-01 UTC, as decimal text.
    EpochMillisText,
    /// ISO 8601 text (SQLite); text without an offset is a wall-clock time in the given zone.
    IsoText(Zone),
    /// A Julian day number (SQLite).
    JulianDay,
}

impl Encoding {
    /// The names that the configuration accepts.
    pub const NAMES: [&'static str; 7] =
        ["timestamptz", "timestamp", "epoch-seconds", "epoch-millis", "epoch-millis-text", "iso-text", "julian-day"];

    /// Whether a value of this encoding can only be read with the zone of its writer.
    #[must_use]
    pub fn needs_zone(name: &str) -> bool {
        matches!(name, "timestamp" | "iso-text")
    }

    /// The encoding of that name, with the writer's zone where it needs one.
    #[must_use]
    pub fn from_name(name: &str, writer: Zone) -> Option<Self> {
        Some(match name {
            "timestamptz" => Self::Timestamptz,
            "timestamp" => Self::Timestamp(writer),
            "epoch-seconds" => Self::EpochSeconds,
            "epoch-millis" => Self::EpochMillis,
            "epoch-millis-text" => Self::EpochMillisText,
            "iso-text" => Self::IsoText(writer),
            "julian-day" => Self::JulianDay,
            _ => return None,
        })
    }

    /// Whether `SQLite` holds it as text, and not as a number.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Self::IsoText(_) | Self::EpochMillisText)
    }

    /// The name in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Timestamptz => "timestamptz",
            Self::Timestamp(_) => "timestamp",
            Self::EpochSeconds => "epoch-seconds",
            Self::EpochMillis => "epoch-millis",
            Self::EpochMillisText => "epoch-millis-text",
            Self::IsoText(_) => "iso-text",
            Self::JulianDay => "julian-day",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timestamp(zone) | Self::IsoText(zone) => write!(f, "{} ({})", self.name(), zone.name()),
            _ => f.write_str(self.name()),
        }
    }
}

/// What the column's instant means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The end of the session.
    Expires,
    /// The last use of the session, which expires this long after it.
    LastSeen(Duration),
}

impl Mode {
    /// The word for it in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expires => "expires",
            Self::LastSeen(_) => "last-seen",
        }
    }

    /// How long a session lives after its last use, where that is what the column holds.
    #[must_use]
    pub fn lifetime(self) -> Option<Duration> {
        match self {
            Self::Expires => None,
            Self::LastSeen(lifetime) => Some(lifetime),
        }
    }

    /// The newest column value that counts as expired at `cutoff`.
    #[must_use]
    pub fn newest_expired(self, cutoff: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Expires => cutoff,
            Self::LastSeen(lifetime) => cutoff - lifetime,
        }
    }

    /// The end of a session whose column holds `value`.
    #[must_use]
    pub fn end(self, value: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Expires => value,
            Self::LastSeen(lifetime) => value + lifetime,
        }
    }
}
