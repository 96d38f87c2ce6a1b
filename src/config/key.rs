//! Paths of keys, as people write them in a file and in the environment.

use std::fmt;

use super::error::may_be_secret;

/// What the names of our environment variables begin with.
pub(super) const PREFIX: &str = "SWEEPD_";

/// The path of a key, such as `jobs.sessions.keep`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct KeyPath(Vec<String>);

impl KeyPath {
    pub(super) fn new(segments: Vec<String>) -> Self {
        Self(segments)
    }

    pub(super) fn child(&self, key: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(key.to_owned());
        Self(segments)
    }

    /// The table that the key is in; none for the root itself.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Self(parent.to_vec()))
    }

    pub(super) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn starts_with(&self, table: &Self) -> bool {
        self.0.starts_with(&table.0)
    }

    /// The path as seen from `table`.
    pub(super) fn below(&self, table: &Self) -> Self {
        Self(self.0.iter().skip(table.0.len()).cloned().collect())
    }

    /// The environment variable that sets the key.
    pub(super) fn variable(&self) -> String {
        let name = self.0.join("__").replace('-', "_").to_uppercase();
        format!("{PREFIX}{name}")
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.0.iter().map(|key| toml_key(key)).collect();
        f.write_str(&keys.join("."))
    }
}

/// A key as TOML writes it: quoted only where it has to be.
pub(super) fn toml_key(key: &str) -> String {
    if may_be_secret(key) {
        return "\"***\"".to_owned();
    }
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { toml::Value::from(key).to_string() }
}

/// The candidate that was probably meant by `word`, if one is near enough.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// ` (did you mean "x"?)`, or nothing.
pub(super) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default()
}
