//! Built-in job < file < environment, put on top of each other by the `config` crate.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use config::{ConfigError, Map, Source, Value, ValueKind};

use super::environment::{CONFIG, Environment, like_variable};
use super::error::{Place, Problem};
use super::file::{self, Document};
use super::key::KeyPath;

/// Where a file is looked for, below the working directory unless absolute.
const PLACES: [&str; 3] = ["sweepd.toml", "config/sweepd.toml", SYSTEM_PLACE];
/// That of the whole machine.
#[cfg(not(windows))]
const SYSTEM_PLACE: &str = "/etc/sweepd/sweepd.toml";
#[cfg(windows)]
const SYSTEM_PLACE: &str = r"C:\ProgramData\sweepd\sweepd.toml";

/// The job that runs where none is configured.
const BUILT_IN_JOB: &str = "sessions";
const BUILT_IN: [(&str, &str); 2] = [("preset", "authjs-prisma"), ("schedule", "daily at 02:00")];

/// Everything that was configured, merged, and where each of it was written.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) file: Option<PathBuf>,
    pub(super) values: Map<String, Value>,
    /// Whether the built-in job is among them.
    pub(super) built_in_job: bool,
    /// Whether nothing but the built-in defaults says which sessions it sweeps.
    pub(super) guessed: bool,
    pub(super) lines: BTreeMap<KeyPath, usize>,
    pub(super) variables: BTreeMap<KeyPath, String>,
}

/// The file to load: the first that is named or exists, with its text.
pub(super) fn find(
    explicit: Option<&Path>,
    environment: &Environment,
    directory: &Path,
) -> Result<Option<(PathBuf, String)>, (PathBuf, Problem)> {
    if let Some(path) = explicit {
        return named(path, "");
    }
    if let Some(path) = environment.get(CONFIG) {
        return named(Path::new(path), "; the path is from SWEEPD_CONFIG");
    }
    for place in PLACES {
        let path = directory.join(place);
        match read(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(unreadable(&path, error, "")),
        }
    }
    Ok(None)
}

fn named(path: &Path, hint: &str) -> Result<Option<(PathBuf, String)>, (PathBuf, Problem)> {
    let text = read(path).map_err(|error| unreadable(path, error, hint))?;
    Ok(Some((path.to_owned(), text)))
}

fn read(path: &Path) -> io::Result<String> {
    let bytes = std::fs::read(path)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

fn unreadable(path: &Path, error: impl Display, hint: &str) -> (PathBuf, Problem) {
    (path.to_owned(), Problem::new(Place::File, "", format!("cannot read the configuration: {error}{hint}")))
}

/// Puts the layers together.
pub(super) fn merge(file: Option<(&Path, &str)>, environment: &Environment) -> Result<Layers, Vec<Problem>> {
    let document = file.map(|(_, text)| file::parse(text)).transpose()?.unwrap_or_default();
    let failed = |error: ConfigError| vec![Problem::new(Place::Nowhere, "", error)];
    let layer = environment.layer(&document.values).map_err(failed)?;
    let built_in = built_in(&document, &layer.values);
    let built_in_job = !built_in.is_empty();
    let guessed = built_in_job && !says_which(&layer.values);
    let values = stack([built_in, document.values, layer.values]).map_err(failed)?;
    let file = file.map(|(path, _)| path.to_owned());
    Ok(Layers { file, values, built_in_job, guessed, lines: document.lines, variables: layer.variables })
}

/// The built-in job, unless the file speaks of jobs or the environment of another one.
fn built_in(document: &Document, environment: &Map<String, Value>) -> Map<String, Value> {
    let others = match environment.get("jobs").map(|jobs| &jobs.kind) {
        Some(ValueKind::Table(jobs)) => jobs.keys().any(|name| like_variable(name) != BUILT_IN_JOB),
        _ => false,
    };
    if others || document.values.contains_key("jobs") {
        return Map::new();
    }
    let job: Map<String, Value> = BUILT_IN.into_iter().map(|(key, text)| (key.to_owned(), Value::from(text))).collect();
    let jobs: Map<String, Value> = [(BUILT_IN_JOB.to_owned(), Value::from(job))].into();
    [("jobs".to_owned(), Value::from(jobs))].into()
}

/// Whether the environment says of the built-in job which rows it sweeps.
fn says_which(environment: &Map<String, Value>) -> bool {
    let jobs = environment.get("jobs").map(|jobs| &jobs.kind);
    let Some(ValueKind::Table(jobs)) = jobs else { return false };
    jobs.values().any(|job| match &job.kind {
        ValueKind::Table(keys) => super::layout::KEYS.iter().any(|key| keys.contains_key(*key)),
        _ => true,
    })
}

fn stack(layers: [Map<String, Value>; 3]) -> Result<Map<String, Value>, ConfigError> {
    let mut builder = config::Config::builder();
    for layer in layers {
        builder = builder.add_source(Whole(layer));
    }
    let ValueKind::Table(mut root) = builder.build()?.cache.kind else {
        return Ok(Map::new());
    };
    match root.remove(ROOT).unwrap_or_default().kind {
        ValueKind::Table(values) => Ok(values),
        _ => Ok(Map::new()),
    }
}

const ROOT: &str = "sweepd";

/// A layer under one plain key: `config` reads the outermost keys of a source as paths (`"a.b"` as `b` in `a`), and
/// the keys of a file are names.
#[derive(Debug, Clone)]
struct Whole(Map<String, Value>);

impl Source for Whole {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok([(ROOT.to_owned(), Value::from(self.0.clone()))].into())
    }
}
