//! Logs: the console and rolling files, as text or JSON. And metrics.

pub mod metrics;

use std::error::Error;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use tracing::field::Field;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{self, RollingFileAppender};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Lines that wait for the disk: room for them is set aside at once.
const BUFFERED_LINES: usize = 1024;

/// The target of the result lines of runs.
pub const RESULTS: &str = "sweepd::result";

/// What the report of a run holds beside what a person wants to read in a line of text.
const DETAILS: [&str; 6] = ["scheduledFor", "startedAt", "finishedAt", "cutoff", "host", "error"];

/// How and where to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The least important level that is written.
    pub level: Level,
    /// Text or JSON.
    pub format: Format,
    /// The directory of the log files; none means the console only.
    pub directory: Option<PathBuf>,
    /// How often a new file is begun (at midnight or the full hour, UTC).
    pub rotation: Rotation,
    /// How many files are kept, the current one included; at least 2.
    pub max_files: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: Level::Info, format: Format::Text, directory: None, rotation: Rotation::Daily, max_files: 14 }
    }
}

/// A level of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Only failures.
    Error,
    /// And what needs attention.
    Warn,
    /// And what happened.
    Info,
    /// And each batch.
    Debug,
    /// And everything else.
    Trace,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line for people.
    Text,
    /// One JSON object.
    Json,
}

/// How often a new log file is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Never.
    Never,
}

/// The log could not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write logs to {directory}: {reason}; create the directory and let this user write there, or change `log.directory`"
)]
pub struct LogError {
    directory: String,
    reason: String,
}

/// Keeps the log files open; dropping it writes out what is buffered, so it has to be dropped last.
#[must_use]
pub struct Guard {
    /// One for each place that is written to.
    levels: Vec<Box<dyn Fn(Level) + Send + Sync>>,
    _files: Option<WorkerGuard>,
}

impl Guard {
    /// Writes what is at least as important as `level` from now on.
    pub fn set_level(&self, level: Level) {
        self.levels.iter().for_each(|set| set(level));
    }
}

/// Starts to log, to standard error and, where a directory is configured, to files. `console` is the least important
/// level on the console of a command, which prints the results of its runs by itself; a daemon has none.
///
/// # Errors
/// When the directory cannot be written to.
pub fn start(settings: &Settings, console: Option<Level>) -> Result<Guard, LogError> {
    let mut levels = Vec::new();
    let (files, guard) = match &settings.directory {
        Some(directory) => {
            let (writer, guard) = files(settings, directory)?;
            let filter = changeable(filter(settings.level), &mut levels);
            (Some(layer(settings.format, writer, false).with_filter(filter)), Some(guard))
        }
        None => (None, None),
    };
    // A console of Windows shows them only after a call that is not safe.
    let colours = cfg!(unix) && io::stderr().is_terminal();
    let filter = match console {
        Some(level @ (Level::Error | Level::Warn)) => filter(level).with_target(RESULTS, LevelFilter::OFF),
        Some(level) => filter(level),
        None => filter(settings.level),
    };
    let filter = changeable(filter, &mut levels);
    let console = layer(settings.format, io::stderr, colours).with_filter(filter);
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(console).with(files).try_init();
    Ok(Guard { levels, _files: guard })
}

/// A filter that can be set anew while the program runs.
fn changeable<S: 'static>(
    filter: Targets,
    levels: &mut Vec<Box<dyn Fn(Level) + Send + Sync>>,
) -> reload::Layer<Targets, S> {
    let (filter, handle) = reload::Layer::new(filter);
    // It fails when the subscriber is gone, and then nobody is there to see.
    levels.push(Box::new(move |level| drop(handle.reload(self::filter(level)))));
    filter
}

/// Tries whether the log files could be written, and writes nothing.
///
/// # Errors
/// When the directory is there and cannot be written to. One that is missing is created when it is needed.
pub fn rehearse(settings: &Settings) -> Result<(), LogError> {
    let Some(directory) = &settings.directory else { return Ok(()) };
    let Some(existing) = directory.ancestors().find(|path| path.exists()) else { return Ok(()) };
    writable(existing)
        .map_err(|error| LogError { directory: directory.display().to_string(), reason: error.to_string() })
}

#[cfg(unix)]
fn writable(directory: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(directory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?)
}

/// Who may write there, only writing tells.
#[cfg(not(unix))]
fn writable(directory: &Path) -> io::Result<()> {
    if directory.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

fn layer<S, W>(format: Format, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours).with_target(false);
    match format {
        Format::Text => layer.fmt_fields(debug_fn(write_field)).boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
}

fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug) -> std::fmt::Result {
    match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if DETAILS.contains(&name) => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    }
}

/// sweepd's own events at `level`; of the libraries only what needs attention.
fn filter(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("sweepd", level.filter())
        // It reports each activation that nobody asked to be notified of as an error.
        .with_target("tokio_cron_scheduler", LevelFilter::OFF)
}

fn files(settings: &Settings, directory: &Path) -> Result<(NonBlocking, WorkerGuard), LogError> {
    let error = |reason: &dyn Error| LogError {
        directory: directory.display().to_string(),
        reason: reason.source().unwrap_or(reason).to_string(),
    };
    std::fs::create_dir_all(directory).map_err(|reason| error(&reason))?;
    let appender = RollingFileAppender::builder()
        .rotation(settings.rotation.appender())
        .filename_prefix("sweepd")
        .filename_suffix("log")
        .max_log_files(settings.max_files)
        .build(directory)
        .map_err(|reason| error(&reason))?;
    let appender = Outspoken { inner: appender, directory: directory.to_owned(), failing: false };
    Ok(NonBlockingBuilder::default().lossy(false).buffered_lines_limit(BUFFERED_LINES).finish(appender))
}

/// Says on standard error when the log files cannot be written, and when they can be again: the thread that writes them
/// drops the lines in silence. Not by logging, which would come back here.
struct Outspoken<W> {
    inner: W,
    directory: PathBuf,
    failing: bool,
}

impl<W> Outspoken<W> {
    fn note(&mut self, failure: Option<&io::Error>) {
        let directory = self.directory.display();
        let said = match failure {
            Some(_) if self.failing => return,
            None if !self.failing => return,
            Some(error) => {
                format!("cannot write logs to {directory}: {error}; make room there, or change `log.directory`")
            }
            None => format!("logs are written to {directory} again; some lines are missing there"),
        };
        self.failing = failure.is_some();
        let _ = writeln!(io::stderr(), "{said}");
    }
}

impl<W: Write> Write for Outspoken<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(line);
        self.note(written.as_ref().err());
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Level {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

impl Rotation {
    fn appender(self) -> rolling::Rotation {
        match self {
            Self::Hourly => rolling::Rotation::HOURLY,
            Self::Daily => rolling::Rotation::DAILY,
            Self::Never => rolling::Rotation::NEVER,
        }
    }
}
