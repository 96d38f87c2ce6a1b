//! What session management has to know.

use std::time::Duration;

use super::OpenError;
use crate::audit;
use crate::clock::Clock;
use crate::db::{self, DatabaseUrl, TableName};
use crate::host;
use crate::preset::Preset;
use crate::sweep::{Limits, Spec};
use crate::zone::Zone;

/// How long a session lives after it was touched, where nobody says otherwise.
pub const MAX_AGE: Duration = Duration::from_mins(30);
/// How often a touch moves the expiry at most, where nobody says otherwise.
pub const UPDATE_AGE: Duration = Duration::from_mins(5);
/// A connection that nobody has used for so long is ended: one that sits there for hours is half-open when it is needed.
const IDLE: Duration = Duration::from_secs(30);

/// No date can overflow that is moved by no more.
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);

/// Where sessions and users are, and what may be done to them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How to connect.
    pub database: db::Settings,
    /// The job whose table it is.
    pub spec: Spec,
    /// The users.
    pub users: Users,
    /// Audit rows.
    pub audit: audit::Settings,
    /// How long a session lives after it was touched; no longer than the `max_age` of `spec`, and no longer than a century.
    /// With the mode `last-seen`, that is its `lifetime` instead.
    pub max_age: Duration,
    /// A touch moves the expiry at most this often; where that is not shorter than `max_age`, half of it.
    pub update_age: Duration,
    /// The time.
    pub clock: Clock,
    /// This host's name, for audit rows.
    pub host: String,
    /// Who makes the changes, for audit rows: `library`, `cli`, `api`.
    pub by: String,
}

/// Ages that fit together: a touch moves an end to no later than `longest`, and before a session ends by itself.
pub(crate) fn fitting_ages(
    longest: Option<Duration>,
    lifetime: Option<Duration>,
    max_age: Duration,
    update_age: Duration,
) -> (Duration, Duration) {
    let max_age = max_age.min(longest.unwrap_or(CENTURY)).clamp(Duration::from_secs(1), CENTURY);
    let lives = lifetime.unwrap_or(max_age);
    (max_age, if update_age < lives { update_age } else { lives / 2 })
}

/// The users of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// Their table; none is that of the preset.
    pub table: Option<String>,
    /// Its schema; none is that of the sessions.
    pub schema: Option<String>,
    /// The column with the id, which the sessions refer to.
    pub id: String,
    /// The column with the role.
    pub role: String,
    /// The column with the name.
    pub name: String,
    /// The column with the e-mail address.
    pub email: String,
    /// The roles that can be given; empty for any.
    pub roles: Vec<String>,
}

impl Default for Users {
    fn default() -> Self {
        let (id, role, name, email) = ("id".into(), "role".into(), "name".into(), "email".into());
        Self { table: None, schema: None, id, role, name, email, roles: Vec::new() }
    }
}

impl Users {
    /// Where they are, as far as that is known.
    pub(super) fn table(&self, spec: &Spec) -> Option<TableName> {
        let name = self.table.clone().or_else(|| spec.layout.users.clone())?;
        let schema = self.schema.clone().or_else(|| spec.layout.table.schema.clone());
        Some(TableName { schema, name })
    }
}

impl Settings {
    /// Everything as a library that is known by `preset` has it in the database at `url`.
    ///
    /// # Errors
    /// When the URL cannot be read, or there is no such preset for its database.
    pub fn new(url: &str, preset: &str) -> Result<Self, OpenError> {
        Self::with_zone(url, preset, None)
    }

    /// The same for a library that writes times without a zone: `writer` is the one that they are in.
    ///
    /// # Errors
    /// When the URL cannot be read, there is no such preset for its database, or it has to be given a zone.
    pub fn with_zone(url: &str, preset: &str, writer: Option<&Zone>) -> Result<Self, OpenError> {
        let url = DatabaseUrl::parse(url)?;
        let preset = Preset::find(preset).ok_or_else(|| OpenError::NoPreset(preset.to_owned()))?;
        let limits = Limits::default();
        let database = db::Settings {
            max_connections: url.max_connections().unwrap_or(4),
            connect_timeout: url.connect_timeout().unwrap_or(Duration::from_secs(10)),
            lock_timeout: limits.lock_timeout,
            statement_timeout: limits.statement_timeout,
            idle_timeout: None,
            url,
        };
        let spec = Spec {
            job: "sessions".to_owned(),
            layout: preset.layout(database.url.engine(), writer, None)?,
            guessed: false,
            keep: Duration::ZERO,
            max_age: None,
            max_clock_skew: Duration::from_mins(1),
            limits,
            order: None,
            workers: 1,
            archive: None,
        };
        Ok(Self {
            database,
            spec,
            users: Users::default(),
            audit: audit::Settings::default(),
            max_age: MAX_AGE,
            update_age: UPDATE_AGE,
            clock: Clock::system(),
            host: host::name(),
            by: "library".to_owned(),
        })
    }

    /// With ages that fit together, whoever gave them.
    pub(super) fn sound(mut self) -> Self {
        let (longest, lifetime) = (self.spec.max_age, self.spec.layout.mode.lifetime());
        (self.max_age, self.update_age) = fitting_ages(longest, lifetime, self.max_age, self.update_age);
        self
    }

    /// How to connect, for many calls over a long time.
    pub(super) fn kept(&self) -> db::Settings {
        db::Settings { idle_timeout: Some(IDLE), ..self.database.clone() }
    }
}
