//! The report of a run: one shape for the log, the ledger, `AuditLog`, the command line and JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

/// The identity of a run: a UUID version 7, so ids sort by the time they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// A new id for a run that starts at `now`.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos());
        Self(Uuid::new_v7(time))
    }

    /// When it was made; for an id that is none of sweepd's, 1970.
    #[must_use]
    pub fn made_at(self) -> DateTime<Utc> {
        let time = self.0.get_timestamp().map(|time| time.to_unix());
        time.and_then(|(seconds, nanos)| DateTime::from_timestamp(seconds.try_into().ok()?, nanos)).unwrap_or_default()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// A word that is not one of the accepted ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown word {0:?}")]
pub struct UnknownWord(String);

/// An enum whose variants are written as fixed words in the ledger, in JSON and on screen.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        // Derived, it would not see the words of a macro.
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
                words.enum_values(Some([$($word),+])).into()
            }
        }

        impl ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord(text.to_owned())),
                }
            }
        }
    };
}

words! {
    /// Why a run started.
    Trigger {
        /// The job's schedule.
        Schedule => "schedule",
        /// A scheduled instant that passed while nobody was there.
        CatchUp => "catch-up",
        /// A run that was found dead, and goes on under a new one.
        Takeover => "takeover",
        /// The command line.
        Manual => "manual",
        /// The HTTP interface.
        Api => "api",
    }
}

words! {
    /// How a run ended.
    Outcome {
        /// Nothing expired was left.
        Completed => "completed",
        /// A limit, a window or a shutdown stopped it; the rest is left for the next run.
        Partial => "partial",
        /// An error ended it.
        Failed => "failed",
        /// It was found dead.
        Interrupted => "interrupted",
        /// Its instant came while another run of the job was active.
        Skipped => "skipped",
    }
}

words! {
    /// What stopped a partial run.
    StoppedBy {
        /// Rows that the application holds locked were left.
        LockedRows => "locked-rows",
        /// This host's clock was set forward: what expired in that time was kept.
        ClockSet => "clock-set",
        /// `limits.max_rows` was reached.
        MaxRows => "max-rows",
        /// `limits.max_duration` was reached.
        MaxDuration => "max-duration",
        /// `limits.window` closed.
        Window => "window",
        /// The job was paused.
        Paused => "paused",
        /// The process was asked to stop.
        Shutdown => "shutdown",
    }
}

words! {
    /// The direction in which a sweep walks the table.
    SweepOrder {
        /// Along the index on the expiry.
        Expiry => "expiry",
        /// In storage order, through the whole table.
        Physical => "physical",
    }
}

words! {
    /// Why a sweep paused between batches.
    Throttle {
        /// `limits.nice`: the pause relative to the work.
        Nice => "nice",
        /// `limits.max_rows_per_second`.
        MaxRowsPerSecond => "max-rows-per-second",
        /// A transient database error was waited out.
        Retry => "retry",
        /// A replica was behind: `limits.max_replication_lag`.
        ReplicationLag => "replication-lag",
        /// `limits.load_query` gave more than `limits.max_load`.
        Load => "load",
        /// `limits.stop_file` was there.
        StopFile => "stop-file",
    }
}

/// What a run did. Counts are those of the ledger: rows that are really gone.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The job's name.
    pub job: String,
    /// The run's id.
    pub run_id: RunId,
    /// Why it started.
    pub trigger: Trigger,
    /// The scheduled instant that it answers; null unless the trigger is `schedule` or `catch-up`.
    #[serde(serialize_with = "optional_instant")]
    pub scheduled_for: Option<DateTime<Utc>>,
    /// When it started.
    #[serde(serialize_with = "instant")]
    pub started_at: DateTime<Utc>,
    /// When it ended; null while it is running.
    #[serde(serialize_with = "optional_instant")]
    pub finished_at: Option<DateTime<Utc>>,
    /// From start to end, in milliseconds.
    pub duration_ms: u64,
    /// Rows expired at or before this instant went; null when the run ended before it was fixed.
    #[serde(serialize_with = "optional_instant")]
    pub cutoff: Option<DateTime<Utc>>,
    /// How it ended; null while it is running.
    pub outcome: Option<Outcome>,
    /// What stopped it, when it is partial.
    pub stopped_by: Option<StoppedBy>,
    /// Rows deleted.
    pub deleted_count: u64,
    /// Batches that deleted rows.
    pub batches: u64,
    /// The sweep order; null when the run ended before it was planned.
    pub order: Option<SweepOrder>,
    /// The plan: which order and why, along which index, how many rows were expected, with which statement; null when
    /// the run ended before it was planned.
    pub plan: Option<serde_json::Value>,
    /// Milliseconds paused, by reason.
    pub throttled_ms: BTreeMap<String, u64>,
    /// The host that ran it.
    pub host: String,
    /// Why it failed.
    pub error: Option<String>,
}

impl Report {
    /// The report of a run that has only begun: what is known at `started_at`, and nothing done yet.
    #[must_use]
    pub fn begun(job: &str, run_id: RunId, trigger: Trigger, started_at: DateTime<Utc>, host: &str) -> Self {
        Self {
            job: job.to_owned(),
            run_id,
            trigger,
            scheduled_for: None,
            started_at,
            finished_at: None,
            duration_ms: 0,
            cutoff: None,
            outcome: None,
            stopped_by: None,
            deleted_count: 0,
            batches: 0,
            order: None,
            plan: None,
            throttled_ms: BTreeMap::new(),
            host: host.to_owned(),
            error: None,
        }
    }

    /// Whether nothing went wrong: it completed, or a limit that the configuration sets stopped it.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Completed | Outcome::Partial))
    }

    /// Deleted rows per second of the whole run, pauses included.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    pub fn rows_per_second(&self) -> f64 {
        let seconds = Duration::from_millis(self.duration_ms.max(1)).as_secs_f64();
        self.deleted_count as f64 / seconds
    }
}

/// An instant as every output of sweepd writes it: RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Serialises an instant through [`rfc3339`].
///
/// # Errors
/// Those of the serializer.
pub fn instant<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*instant))
}

/// Serialises an instant through [`rfc3339`], or null.
///
/// # Errors
/// Those of the serializer.
pub fn optional_instant<S: Serializer>(instant: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    instant.map(rfc3339).serialize(serializer)
}
