//! Reads the merged layers key by key. What is asked for here is the one list of keys that there is: what nobody asked
//! for is an unknown key, and what was asked for is shown by `sweepd config`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::PathBuf;

use config::{Map, Value, ValueKind};

use super::effective::Entry;
use super::error::{Place, Problem};
use super::key::{KeyPath, did_you_mean, nearest, toml_key};
use super::layers::Layers;
use super::setting::{Setting, describe};

/// What is known of the whole configuration while it is read.
#[derive(Debug)]
pub(super) struct Reader {
    file: Option<PathBuf>,
    lines: BTreeMap<KeyPath, usize>,
    variables: BTreeMap<KeyPath, String>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    pub(super) entries: Vec<Entry>,
}

/// One table, while it is read. [`Section::finish`] it, or unknown keys go unnoticed.
#[derive(Debug)]
pub(super) struct Section<'r> {
    reader: &'r mut Reader,
    path: KeyPath,
    values: Map<String, Value>,
    given: BTreeSet<String>,
    known: Vec<String>,
    accepts: BTreeMap<String, String>,
    later: &'static [&'static str],
}

impl Reader {
    pub(super) fn new(layers: Layers) -> (Self, Map<String, Value>) {
        let Layers { file, values, lines, variables, built_in_job: _, guessed: _ } = layers;
        let (problems, warnings, entries) = (Vec::new(), Vec::new(), Vec::new());
        (Self { file, lines, variables, problems, warnings, entries }, values)
    }

    pub(super) fn root(&mut self, values: Map<String, Value>) -> Section<'_> {
        Section::new(self, KeyPath::default(), values)
    }

    /// Where the key was written, or the nearest place above or below it.
    fn place(&self, path: &KeyPath) -> Place {
        if let Some(place) = self.exact_place(path) {
            return place;
        }
        let below = self.variables.iter().find(|(key, _)| !path.is_root() && key.starts_with(path));
        if let Some((_, variable)) = below {
            return Place::Variable(variable.clone());
        }
        let above = std::iter::successors(path.parent(), KeyPath::parent).find_map(|table| self.lines.get(&table));
        above.map_or(Place::Nowhere, |line| Place::Line(*line, None))
    }

    fn exact_place(&self, path: &KeyPath) -> Option<Place> {
        let variable = self.variables.get(path).map(|name| Place::Variable(name.clone()));
        variable.or_else(|| self.lines.get(path).map(|line| Place::Line(*line, None)))
    }

    /// Where a key's value is from, for people.
    fn origin(&self, path: &KeyPath) -> String {
        match self.exact_place(path) {
            Some(Place::Variable(name)) => name,
            Some(Place::Line(line, _)) => {
                let file = self.file.as_deref().unwrap_or("".as_ref());
                format!("{}:{line}", file.display())
            }
            _ => "default".to_owned(),
        }
    }
}

impl<'r> Section<'r> {
    fn new(reader: &'r mut Reader, path: KeyPath, values: Map<String, Value>) -> Self {
        let given = values.keys().cloned().collect();
        Self { reader, path, values, given, known: Vec::new(), accepts: BTreeMap::new(), later: &[] }
    }

    /// Keys that a later version will know.
    pub(super) fn later(&mut self, keys: &'static [&'static str]) {
        self.later = keys;
    }

    /// Whether any key was written here.
    pub(super) fn has_any(&self) -> bool {
        !self.given.is_empty()
    }

    /// Whether the key was written, be its value right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.given.contains(key)
    }

    /// Whether the value is from the environment: then it is never repeated.
    pub(super) fn in_environment(&self, key: &str) -> bool {
        self.reader.variables.contains_key(&self.path.child(key))
    }

    pub(super) fn path(&self, key: &str) -> KeyPath {
        self.path.child(key)
    }

    pub(super) fn problem(&mut self, key: &str, message: impl Display) {
        let path = if key.is_empty() { self.path.clone() } else { self.path.child(key) };
        let place = self.reader.place(&path);
        self.problem_at(place, &path, message);
    }

    /// A key that should be there and is not; `hint` goes on after "is missing".
    pub(super) fn missing(&mut self, key: &str, hint: impl Display) {
        let path = self.path.child(key);
        let place = self.reader.place(&path);
        self.reader.problems.push(Problem::missing(place, &path, hint));
    }

    pub(super) fn problem_at(&mut self, place: Place, path: &KeyPath, message: impl Display) {
        self.reader.problems.push(Problem::new(place, path, message));
    }

    pub(super) fn warn(&mut self, key: &str, message: impl Display) {
        let path = self.path.child(key);
        self.reader.warnings.push(format!("{path}: {message}"));
    }

    /// The value of a key, when it is there and of the right type.
    pub(super) fn take<T: Setting>(&mut self, key: &str) -> Option<T> {
        self.known.push(key.to_owned());
        self.accepts(key, T::ACCEPTS);
        let kind = self.values.remove(key)?.kind;
        let value = match (&kind, self.in_environment(key)) {
            (ValueKind::String(text), true) => T::from_text(text.trim()),
            _ => T::from_file(&kind),
        };
        if value.is_none() {
            let hidden = T::HIDDEN || self.in_environment(key);
            let found = if hidden { String::new() } else { format!(", found {}", describe(&kind)) };
            self.problem(key, format!("expected {}{found}", T::ACCEPTS));
        }
        value
    }

    /// What the value of a key can be, for the reference.
    pub(super) fn accepts(&mut self, key: &str, accepts: impl Into<String>) {
        self.accepts.insert(key.to_owned(), accepts.into());
    }

    /// Remembers what is effective, and where it is from.
    pub(super) fn record(&mut self, key: &str, toml: Option<String>) {
        let path = self.path.child(key);
        let origin = self.reader.origin(&path);
        let accepts = self.accepts.get(key).cloned().unwrap_or_default();
        self.reader.entries.push(Entry { path, toml, accepts, origin });
    }

    /// Where a key's value is from, for people.
    pub(super) fn origin(&self, key: &str) -> String {
        self.reader.origin(&self.path.child(key))
    }

    /// Fills in what follows from something else, where nothing was written.
    pub(super) fn derive(&mut self, key: &str, toml: Option<String>, origin: impl Display) {
        if !self.has(key) {
            self.amend(key, toml, origin);
        }
    }

    /// Replaces what was recorded.
    pub(super) fn amend(&mut self, key: &str, toml: Option<String>, origin: impl Display) {
        let path = self.path.child(key);
        if let Some(entry) = self.reader.entries.iter_mut().rfind(|entry| entry.path == path) {
            entry.toml = toml;
            entry.origin = origin.to_string();
        }
    }

    /// The names in this table: its keys.
    pub(super) fn names(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.values.keys().collect();
        names.into_iter().cloned().collect()
    }

    /// Whether the key is there, and is a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|value| matches!(value.kind, ValueKind::Table(_)))
    }

    /// A table in this one; empty when there is none.
    pub(super) fn table(&mut self, key: &str) -> Section<'_> {
        self.known.push(key.to_owned());
        let values = match self.values.remove(key).map(|value| value.kind) {
            None => Map::new(),
            Some(ValueKind::Table(values)) => values,
            Some(_) => {
                let path = self.path.child(key);
                self.problem(key, format!("expected a table: [{path}] and keys below it"));
                Map::new()
            }
        };
        Section::new(self.reader, self.path.child(key), values)
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(mut self) {
        for key in self.names() {
            let message = if self.later.contains(&key.as_str()) {
                "is not supported by this version of sweepd".to_owned()
            } else {
                self.not_missing_but_misspelled(&key);
                self.unknown(&key)
            };
            self.problem(&key, message);
        }
    }

    /// `schedul` is one error, not two.
    fn not_missing_but_misspelled(&mut self, key: &str) {
        if let Some(meant) = nearest(key, self.known.iter().map(String::as_str)) {
            let meant = self.path.child(meant);
            self.reader.problems.retain(|problem| !problem.misses(&meant));
        }
    }

    fn unknown(&self, key: &str) -> String {
        let suggestion = match self.reader.place(&self.path.child(key)) {
            Place::Variable(name) => self.similar_variable(&name),
            _ => self.similar_key(key),
        };
        let accepted = self.known.iter().map(|key| toml_key(key)).collect::<Vec<_>>().join(", ");
        format!("unknown key; accepted here: {accepted}{}", did_you_mean(suggestion.as_deref()))
    }

    /// A key of this table, or the same key where it belongs.
    fn similar_key(&self, key: &str) -> Option<String> {
        let here = nearest(key, self.known.iter().map(String::as_str)).map(str::to_owned);
        let below = || {
            let entries = self.reader.entries.iter().map(|entry| &entry.path);
            let found = entries.filter(|path| path.starts_with(&self.path)).find(|path| path.last() == key)?;
            Some(found.below(&self.path).to_string())
        };
        here.or_else(below)
    }

    fn similar_variable(&self, name: &str) -> Option<String> {
        let entries = self.reader.entries.iter().map(|entry| entry.path.variable());
        let known: Vec<String> = entries.chain(self.known.iter().map(|key| self.path.child(key).variable())).collect();
        nearest(name, known.iter().map(String::as_str)).map(str::to_owned)
    }
}
