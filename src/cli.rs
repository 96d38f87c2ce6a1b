//! The command line: its words, and what each subcommand has in common.

mod alert;
mod check;
mod clean;
mod completions;
mod config;
mod demo;
mod healthcheck;
mod history;
mod init;
mod man;
mod migrate;
mod output;
mod pause;
mod presets;
mod progress;
mod run;
mod schedule;
mod sessions;
mod snippet;
mod stats;
mod users;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Parser, Subcommand};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config::{Config, ConfigErrors, Environment};
use crate::daemon;
use crate::daemon::built_in::{self, Undecided};
use crate::job::{Assignment, Job};
use crate::sweep::Sweeper;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{self, Guard, Level};

#[cfg(not(windows))]
const CONFIG_HELP: &str =
    "The configuration file [default: $SWEEPD_CONFIG, ./sweepd.toml, ./config/sweepd.toml, /etc/sweepd/sweepd.toml]";
#[cfg(windows)]
const CONFIG_HELP: &str = r"The configuration file [default: %SWEEPD_CONFIG%, .\sweepd.toml, .\config\sweepd.toml, C:\ProgramData\sweepd\sweepd.toml]";

/// Keeps an application's session tables clean.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None, disable_help_subcommand = true)]
pub struct Cli {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", help = CONFIG_HELP)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look into the database for session stores, and write a configuration with a job for each
    Init(init::Args),
    /// List the session stores that sweepd knows, or show one in full
    Presets(presets::Args),
    /// Run the daemon: fire every job by its schedule until it is stopped (this is the default)
    Run,
    /// Run jobs once, now
    Clean(clean::Args),
    /// Count the rows of each job: total, active, expired
    Stats(stats::Args),
    /// Show the next instants of a schedule
    Schedule(schedule::Args),
    /// Look at configuration, database and schedules, and say what is missing
    Check(check::Args),
    /// Show past runs
    History(history::Args),
    /// Pause jobs: no process runs them until they are resumed
    Pause(pause::Args),
    /// End the pause of jobs
    Resume(pause::Args),
    /// Try whether alerts arrive
    Alert(alert::Args),
    /// List, touch and revoke the sessions of a user
    Sessions(sessions::Args),
    /// Change a user's role or profile
    Users(users::Args),
    /// Create sweepd's own tables, and on request the AuditLog and missing indexes
    Migrate(migrate::Args),
    /// Print the effective configuration, secrets masked
    Config(config::Args),
    /// Ask the running daemon whether it is alive: exit 0 or 1
    Healthcheck(healthcheck::Args),
    /// Print a script that lets a shell complete the command line
    Completions(completions::Args),
    /// Print the manual page, or write all of them
    Man(man::Args),
    /// Try it: a small database with sessions that come and expire while you watch
    Demo,
}

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done,
    /// Something failed.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// A run stopped early; the rest is left.
    Partial,
    /// Another run of the job is active, or the job is paused.
    HeldUp,
}

impl Exit {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::HeldUp => 4,
        }
    }
}

/// Why a subcommand could not do its work: the message, and the exit code that goes with it.
#[derive(Debug)]
pub struct Failure {
    message: String,
    exit: Exit,
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { message: error.to_string(), exit: Exit::Failed }
    }
}

impl Failure {
    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Usage }
    }
}

/// What every subcommand that touches a database starts from.
struct Session {
    config: Config,
    clock: Clock,
    log: Guard,
}

impl Session {
    /// Loads the configuration for a command that only looks: it logs to the console, from `console` up, and to no file.
    fn open(path: Option<&Path>, console: Level) -> Result<Self, Failure> {
        let config = load(path)?;
        let settings = telemetry::Settings { directory: None, ..config.log.clone() };
        Ok(Self::with(config, telemetry::start(&settings, Some(console))?))
    }

    fn start(config: Config, console: Option<Level>) -> Result<Self, Failure> {
        let log = telemetry::start(&config.log, console)?;
        Ok(Self::with(config, log))
    }

    fn with(config: Config, log: Guard) -> Self {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        Self { config, clock: Clock::system(), log }
    }

    /// The same where nothing says which sessions to sweep: what is in the database says so. A database that does not
    /// answer, or not before `patience` ends, is left to the command itself.
    async fn decided(self, patience: impl Future<Output = ()>) -> Result<Self, Failure> {
        if !self.config.guessed {
            return Ok(self);
        }
        let decision = tokio::select! {
            decision = built_in::decide(&self.config) => decision,
            () = patience => return Ok(self),
        };
        match decision {
            Ok(layout) => Ok(Self { config: self.config.with_layout(&layout), ..self }),
            Err(Undecided::Choices(choices)) => Err(Failure::usage(choices)),
            Err(Undecided::Nothing(_) | Undecided::Database(_)) => Ok(self),
        }
    }

    /// The named jobs, or every enabled one.
    fn jobs(&self, names: &[String]) -> Result<Vec<&Job>, Failure> {
        if names.is_empty() {
            return Ok(self.config.jobs.iter().filter(|job| job.enabled).collect());
        }
        names.iter().map(|name| self.job(name)).collect()
    }

    fn job(&self, name: &str) -> Result<&Job, Failure> {
        self.config.jobs.iter().find(|job| job.spec.job == name).ok_or_else(|| {
            let names: Vec<_> = self.config.jobs.iter().map(|job| job.spec.job.as_str()).collect();
            Failure::usage(format!("there is no job {name:?}; the configuration has {}", names.join(", ")))
        })
    }

    fn sweeper(&self, job: &Job) -> Sweeper {
        daemon::sweeper(&self.config, job, &self.clock, &Metrics::default())
    }

    /// The job, and what runs it, for what is told of it afterwards.
    fn assignment(&self, job: &Job) -> Assignment {
        let (job, sweeper, turn) = (Arc::new(job.clone()), self.sweeper(job), Arc::new(Semaphore::new(1)));
        Assignment { job, sweeper, turn }
    }
}

fn load(path: Option<&Path>) -> Result<Config, Failure> {
    let directory = std::env::current_dir()?;
    let loaded = Config::load(path, &Environment::from_process(), &directory);
    usable(loaded)
}

/// A configuration that is valid, and whose schedules still have instants to come.
fn usable(loaded: Result<Config, ConfigErrors>) -> Result<Config, Failure> {
    let config = loaded.map_err(|errors| Failure::usage(errors.to_string()))?;
    match config.never_fires(Clock::system().now()) {
        None => Ok(config),
        Some(problem) => Err(Failure::usage(problem)),
    }
}

impl Cli {
    /// Reads the command line. What is wrong with it is printed here, as is help that was asked for.
    ///
    /// # Errors
    /// How the program is to end then.
    pub fn from_arguments(arguments: &[OsString]) -> Result<Self, Exit> {
        let json = arguments.iter().any(|argument| argument == "--json");
        Self::try_parse_from(arguments).map_err(|error| {
            if error.use_stderr() && json {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                output::failure(first.strip_prefix("error: ").unwrap_or(first), true);
            } else {
                let _ = error.print();
            }
            if error.use_stderr() { Exit::Usage } else { Exit::Done }
        })
    }

    /// Does what the command line asks for, and says how the program is to end. An error is printed here, once.
    pub async fn run(self) -> Exit {
        let path = self.config.as_deref();
        let command = self.command.unwrap_or(Command::Run);
        let json = command.wants_json();
        let done = match command {
            Command::Init(args) => init::run(path, args).await,
            Command::Presets(args) => presets::run(&args),
            Command::Run => run::run(path).await,
            Command::Clean(args) => clean::run(path, args).await,
            Command::Stats(args) => stats::run(path, args).await,
            Command::Schedule(args) => schedule::run(&args),
            Command::Check(args) => check::run(path, args).await,
            Command::History(args) => history::run(path, args).await,
            Command::Pause(args) => pause::run(path, args, true).await,
            Command::Resume(args) => pause::run(path, args, false).await,
            Command::Alert(args) => alert::run(path, args).await,
            Command::Sessions(args) => sessions::run(path, args).await,
            Command::Users(args) => users::run(path, args).await,
            Command::Migrate(args) => migrate::run(path, args).await,
            Command::Config(args) => config::run(path, &args),
            Command::Healthcheck(args) => healthcheck::run(path, args).await,
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
            Command::Demo => demo::run().await,
        };
        done.unwrap_or_else(|failure| {
            output::failure(&failure.message, json);
            failure.exit
        })
    }
}

impl Command {
    fn wants_json(&self) -> bool {
        match self {
            Self::Presets(args) => args.json,
            Self::Clean(args) => args.json,
            Self::Stats(args) => args.json,
            Self::Schedule(args) => args.json,
            Self::Check(args) => args.json,
            Self::History(args) => args.json,
            Self::Sessions(args) => args.common.json,
            Self::Users(args) => args.common.json,
            Self::Init(_)
            | Self::Run
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Alert(_)
            | Self::Migrate(_)
            | Self::Config(_)
            | Self::Healthcheck(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Demo => false,
        }
    }
}
