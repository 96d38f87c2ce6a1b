//! The configuration: a file, the environment, and a [`Config`] that is valid by construction.
//!
//! The file is parsed strictly, the `config` crate puts the environment on top of it, and what results is read key by
//! key. Reading goes on after an error, so that all of them are reported at once.

mod alerts;
mod databases;
mod effective;
mod environment;
mod error;
mod file;
mod getters;
mod http;
mod jobs;
mod key;
mod layers;
mod layout;
mod limits;
mod reader;
mod sessions;
mod setting;
mod settings;
mod source;
mod text_or_file;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use environment::Environment;
pub use error::ConfigErrors;
pub use source::Source;
pub use watch::Watch;

use crate::alert;
use crate::audit;
use crate::db::DatabaseUrl;
use crate::http::Settings as Http;
use crate::http::ask::Place;
use crate::job::Job;
use crate::preset::Layout;
use crate::sessions::Users;
use crate::telemetry;

/// The commented file with every key and its default.
pub const DEFAULT_FILE: &str = include_str!("../config/sweepd.toml");

/// Everything that was configured, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it came from; none when the built-in defaults and the environment were enough.
    pub file: Option<PathBuf>,
    /// The databases by name; `default` is the one of `[database]`, which may be missing when no job uses it.
    pub databases: BTreeMap<String, Database>,
    /// The jobs, in the order of their names.
    pub jobs: Vec<Job>,
    /// Whether the only job is the built-in one, because none is configured.
    pub built_in_job: bool,
    /// Whether its layout is only a guess, because nobody said which sessions it sweeps.
    pub guessed: bool,
    /// Session management.
    pub sessions: Sessions,
    /// The users of the application.
    pub users: Users,
    /// Audit rows.
    pub audit: audit::Settings,
    /// Logs.
    pub log: telemetry::Settings,
    /// Whom to tell when something is wrong.
    pub alerts: alert::Settings,
    /// HTTP; none when it is off.
    pub http: Option<Http>,
    /// The daemon itself.
    pub daemon: Daemon,
    /// What is odd but no error, for people to read.
    pub warnings: Vec<String>,
    entries: Vec<effective::Entry>,
}

/// How to reach a database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it is.
    pub url: DatabaseUrl,
    /// At most this many connections at once.
    pub max_connections: u32,
    /// Give up connecting after this time.
    pub connect_timeout: Duration,
    /// Whether sweepd may create its own tables there.
    pub migrate: bool,
}

/// How sessions are managed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    /// The job whose table it is; see [`Config::sessions_job`].
    pub job: Option<String>,
    /// How long a session lives after it was touched.
    pub max_age: Duration,
    /// A touch moves the expiry at most this often.
    pub update_age: Duration,
}

/// The daemon's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// How long a graceful stop may take.
    pub shutdown_timeout: Duration,
    /// How often a running run says in the ledger that it is alive.
    pub heartbeat: Duration,
    /// A run that has been silent for this long is dead.
    pub stale_after: Duration,
    /// How long an ended run stays in the ledger.
    pub history: Duration,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            shutdown_timeout: Duration::from_secs(8),
            heartbeat: Duration::from_secs(2),
            stale_after: Duration::from_secs(10),
            history: Duration::from_hours(400 * 24),
        }
    }
}

impl Config {
    /// Loads the file that is named (by `explicit`, else by `SWEEPD_CONFIG`) or else found (`sweepd.toml` or
    /// `config/sweepd.toml` in `directory`, `/etc/sweepd/sweepd.toml`, on Windows `C:\ProgramData\sweepd\sweepd.toml`),
    /// and the environment on top. Without a file, the built-in defaults stand in for it.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(explicit: Option<&Path>, environment: &Environment, directory: &Path) -> Result<Self, ConfigErrors> {
        Source::new(explicit, environment.clone(), directory).load()
    }

    /// Where the daemon of the configuration that [`Config::load`] finds can be asked over HTTP; none when HTTP is off.
    /// Only what says that is read: no file with a secret, and nothing that a daemon goes on without after a bad edit.
    ///
    /// # Errors
    /// When the file cannot be read, or is not TOML.
    pub fn http_place(
        explicit: Option<&Path>,
        environment: &Environment,
        directory: &Path,
    ) -> Result<Option<Place>, ConfigErrors> {
        let found = layers::find(explicit, environment, directory);
        let found = found.map_err(|(path, problem)| ConfigErrors::new(Some(path), vec![problem]))?;
        let file = found.as_ref().map(|(path, text)| (path.as_path(), text.as_str()));
        let merged = layers::merge(file, environment);
        let layers = merged.map_err(|problems| ConfigErrors::new(file.map(|(path, _)| path.to_owned()), problems))?;
        let (mut reader, values) = reader::Reader::new(layers);
        Ok(http::place(&mut reader.root(values)))
    }

    /// What [`Config::load`] does, from text that was read already; `path` is what it is called in messages.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_text(path: &Path, text: &str, environment: &Environment) -> Result<Self, ConfigErrors> {
        Self::build(Some((path, text)), environment)
    }

    /// A job whose schedule has no instant to come after `now`, and what to do about it.
    #[must_use]
    pub fn never_fires(&self, now: DateTime<Utc>) -> Option<String> {
        let over = |job: &&Job| job.enabled && !job.schedule.is_manual() && job.schedule.next_after(now).is_none();
        let job = self.jobs.iter().find(over)?;
        Some(format!(
            "jobs.{}.schedule: {} has no instant within the next ten years; write \"manual\" for a job that the timer never fires",
            job.spec.job, job.schedule
        ))
    }

    /// The effective configuration as TOML, with a note where each value is from, and without secrets.
    #[must_use]
    pub fn effective(&self) -> String {
        effective::render(&self.entries)
    }

    /// Each key that was read, as `jobs.sessions.keep`, with what its value can be, and its default where that is in effect.
    #[must_use]
    pub fn keys(&self) -> Vec<(String, &str, Option<&str>)> {
        let default = |entry: &effective::Entry| entry.origin == "default";
        let key = |entry| {
            let effective::Entry { path, toml, accepts, .. }: &effective::Entry = entry;
            (path.to_string(), accepts.as_str(), toml.as_deref().filter(|_| default(entry)))
        };
        self.entries.iter().map(key).collect()
    }

    /// The same with the layout of the built-in job, once that is known.
    #[must_use]
    pub fn with_layout(mut self, layout: &Layout) -> Self {
        self.guessed = false;
        for job in &mut self.jobs {
            job.spec.layout = layout.clone();
        }
        self
    }

    /// The same with the built-in job turned off.
    #[must_use]
    pub fn without_built_in_job(mut self) -> Self {
        self.guessed = false;
        for job in &mut self.jobs {
            job.enabled = false;
        }
        self
    }

    fn build(file: Option<(&Path, &str)>, environment: &Environment) -> Result<Self, ConfigErrors> {
        let path = file.map(|(path, _)| path.to_owned());
        let failed = |problems| ConfigErrors::new(path.clone(), problems);
        let layers = layers::merge(file, environment).map_err(failed)?;
        Self::read(layers, environment).map_err(failed)
    }

    fn read(layers: layers::Layers, environment: &Environment) -> Result<Self, Vec<error::Problem>> {
        let (file, built_in_job, guessed) = (layers.file.clone(), layers.built_in_job, layers.guessed);
        let (mut reader, values) = reader::Reader::new(layers);
        let mut root = reader.root(values);
        let databases = databases::read(&mut root, environment);
        let shared = jobs::shared(&mut root);
        let (mut jobs, pings) = jobs::read(&mut root, &shared, &databases);
        for job in &mut jobs {
            job.spec.guessed = guessed;
        }
        let (sessions, users) = (sessions::sessions(&mut root, &jobs), sessions::users(&mut root));
        let (audit, log) = (settings::audit(&mut root), settings::log(&mut root));
        let http = http::read(&mut root, environment);
        let alerts = alerts::read(&mut root, pings);
        let daemon = settings::daemon(&mut root);
        root.finish();
        let reader::Reader { problems, warnings, entries, .. } = reader;
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            file,
            databases: databases::ready(databases),
            jobs,
            built_in_job,
            guessed,
            sessions,
            users,
            audit,
            log,
            alerts,
            http,
            daemon,
            warnings,
            entries,
        })
    }
}
