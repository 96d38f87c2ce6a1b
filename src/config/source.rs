//! Where the configuration comes from, and whether it has changed since it was loaded.

use std::path::{Path, PathBuf};

use super::{Config, ConfigErrors, Environment, Watch, layers};

/// The place of a configuration: the same file at each load.
#[derive(Debug)]
pub struct Source {
    file: Option<PathBuf>,
    environment: Environment,
    directory: PathBuf,
    /// The text that was loaded last, good or bad; none where there was no file to read.
    loaded: Option<String>,
}

impl Source {
    /// The file that is named (by `explicit`, else by `SWEEPD_CONFIG`) or else found, as [`Config::load`] says.
    #[must_use]
    pub fn new(explicit: Option<&Path>, environment: Environment, directory: &Path) -> Self {
        Self { file: explicit.map(Path::to_owned), environment, directory: directory.to_owned(), loaded: None }
    }

    /// Loads what is there now.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(&mut self) -> Result<Config, ConfigErrors> {
        self.loaded = None;
        let found = layers::find(self.file.as_deref(), &self.environment, &self.directory);
        let Some((path, text)) = found.map_err(|(path, problem)| ConfigErrors::new(Some(path), vec![problem]))? else {
            return Config::build(None, &self.environment);
        };
        let config = Config::build(Some((&path, &text)), &self.environment);
        // From now on this file and no other: when it is away for a moment, the next one on the list is not meant.
        self.file = Some(path);
        self.loaded = Some(text);
        config
    }

    /// Watches the file from now on: what has happened to it since it was loaded counts too.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::on(self.file.as_deref(), self.loaded.clone())
    }

    /// Whether the file says something else than when it was loaded last, or there is one now.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        match self.file.as_deref() {
            Some(file) => std::fs::read_to_string(file).ok() != self.loaded,
            None => !matches!(layers::find(None, &self.environment, &self.directory), Ok(None)),
        }
    }
}
