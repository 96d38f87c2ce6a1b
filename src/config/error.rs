//! What can be wrong with a configuration: everything at once, and never a secret.

use std::fmt;
use std::path::{Path, PathBuf};

/// Everything that is wrong with a configuration.
///
/// `Display` has one line for each, in the order of the file, then of the environment, and their number when there is
/// more than one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    file: Option<PathBuf>,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    place: Place,
    key: String,
    message: String,
    /// Whether the key should be there and is not.
    missing: bool,
}

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In that line of the file, perhaps from that column.
    Line(usize, Option<usize>),
    /// In the file as a whole.
    File,
    /// In an environment variable.
    Variable(String),
    /// Nowhere: it is missing.
    Nowhere,
}

impl Problem {
    pub(super) fn new(place: Place, key: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { place, key: key.to_string(), message: message.to_string(), missing: false }
    }

    pub(super) fn missing(place: Place, key: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self { missing: true, ..Self::new(place, key, format!("is missing{hint}")) }
    }

    /// Whether it says that `key` is missing.
    pub(super) fn misses(&self, key: &impl ToString) -> bool {
        self.missing && self.key == key.to_string()
    }

    fn write(&self, file: Option<&Path>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = file.unwrap_or("".as_ref()).display();
        match &self.place {
            // The variable's name is the key path.
            Place::Variable(name) => return write!(f, "{name}: {}", self.message),
            Place::Line(line, None) => write!(f, "{file}:{line}: ")?,
            Place::Line(line, Some(column)) => write!(f, "{file}:{line}:{column}: ")?,
            Place::File => write!(f, "{file}: ")?,
            Place::Nowhere => {}
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl ConfigErrors {
    pub(super) fn new(file: Option<PathBuf>, mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { file, problems }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.problems.len()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.write(self.file.as_deref(), f)?;
        }
        if self.count() > 1 {
            write!(f, "\n{} errors in the configuration", self.count())?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Whether text of the user's may hold a password: a database URL written where it does not belong.
pub(super) fn may_be_secret(text: &str) -> bool {
    text.contains("://") || text.contains('@')
}

/// The text of a value for a message, cut where it gets long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    if may_be_secret(text) {
        return "\"***\"".to_owned();
    }
    if text.chars().count() <= LONGEST {
        return format!("{text:?}");
    }
    format!("{:?}...", text.chars().take(LONGEST).collect::<String>())
}
