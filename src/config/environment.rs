//! The environment, as far as it concerns the configuration.

mod credentials;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

use config::{ConfigError, Map, Source as _, Value, ValueKind};

use super::key::{KeyPath, PREFIX};

/// The variable with the database's URL that applications use.
pub(super) const DATABASE_URL: &str = "DATABASE_URL";
/// The variable with the secret of an application's cron calls.
pub(super) const CRON_SECRET: &str = "CRON_SECRET";
/// The variable with the path of the configuration file.
pub(super) const CONFIG: &str = "SWEEPD_CONFIG";

/// The environment variables that sweepd reads: those that begin with `SWEEPD_`, `DATABASE_URL` and `CRON_SECRET`.
///
/// It is handed in, so that a test needs no process of its own. `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// That of this process, and the credentials that systemd gives to it.
    #[must_use]
    pub fn from_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        let mut environment: Self = std::env::vars_os().filter_map(text).collect();
        if let Some(directory) = std::env::var_os(credentials::DIRECTORY) {
            environment.add_credentials(Path::new(&directory));
        }
        environment
    }

    /// Takes the files of a directory as systemd's `LoadCredential=` makes it: `sweepd.http.secret`, or `sweepd_http.secret`, is
    /// what `http.secret_file` names, unless a variable sets that key, or the file is empty.
    pub fn add_credentials(&mut self, directory: &Path) {
        for (variable, file) in credentials::files(directory) {
            let named = format!("{variable}_FILE");
            if self.get(&variable).is_none() && self.get(&named).is_none() {
                self.0.insert(named, file);
            }
        }
    }

    /// The value of a variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// The keys that it sets, in the spelling of `file` where the two mean the same, and the variable of each.
    pub(super) fn layer(&self, file: &Map<String, Value>) -> Result<Layer, ConfigError> {
        let mut layer = Layer::default();
        // Backwards, a table comes before a text that claims its place.
        for (name, value) in self.0.iter().rev().filter(|(name, _)| is_key(name)) {
            for (key, value) in collect(name, value)? {
                let path = spelled(&key, file);
                insert(&mut layer.values, &path, value);
                layer.variables.insert(KeyPath::new(path), name.clone());
            }
        }
        Ok(layer)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let ours = |(name, _): &(String, String)| {
            [DATABASE_URL, CRON_SECRET].contains(&name.as_str()) || name.starts_with(PREFIX)
        };
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).filter(ours).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What the environment sets.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) values: Map<String, Value>,
    pub(super) variables: BTreeMap<KeyPath, String>,
}

/// Kubernetes sets `SWEEPD_SERVICE_HOST`, `SWEEPD_PORT_8787_TCP` and more where a service has our name.
fn is_key(name: &str) -> bool {
    let Some(key) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let kubernetes = !key.contains("__") && key.split('_').any(|word| word == "SERVICE" || word == "PORT");
    name != CONFIG && !kubernetes
}

/// One at a time, because what `config` returns does not name its variable.
fn collect(name: &str, value: &str) -> Result<Map<String, Value>, ConfigError> {
    config::Environment::with_prefix(PREFIX.trim_end_matches('_'))
        .prefix_separator("_")
        .separator("__")
        .ignore_empty(true)
        .source(Some(HashMap::from([(name.to_owned(), value.to_owned())])))
        .collect()
}

/// A variable cannot say `Web` or `my-job`; where the file does, that is what is meant.
fn spelled(key: &str, file: &Map<String, Value>) -> Vec<String> {
    let mut table = Some(file);
    let mut path = Vec::new();
    for segment in key.split('.') {
        let same = |name: &&String| like_variable(name) == like_variable(segment);
        let name = table.and_then(|table| table.keys().find(same));
        let name = name.map_or(segment, String::as_str);
        table = table.and_then(|table| table.get(name)).and_then(|value| match &value.kind {
            ValueKind::Table(inner) => Some(inner),
            _ => None,
        });
        path.push(name.to_owned());
    }
    path
}

/// A name as far as a variable can tell it from others.
pub(super) fn like_variable(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

fn insert(table: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        // Where a table is, the text is left out: whoever reads the key finds the wrong type there.
        table.entry(first.clone()).or_insert(value);
        return;
    }
    let inner = table.entry(first.clone()).or_default();
    if !matches!(inner.kind, ValueKind::Table(_)) {
        inner.kind = ValueKind::Table(Map::new());
    }
    if let ValueKind::Table(inner) = &mut inner.kind {
        insert(inner, rest, value);
    }
}
