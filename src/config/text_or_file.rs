//! Text that may be secret: written in a key, or in a file that another key names.

use std::fmt::Display;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use config::ValueKind;

use super::error::{Place, may_be_secret};
use super::reader::Section;
use super::setting::Setting;

/// No URL or secret is longer; a device or a log file in its place is not read to its end.
const LONGEST: u64 = 64 * 1024;

/// The two keys, and what they hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    pub(super) text: &'static str,
    pub(super) file: &'static str,
    pub(super) what: &'static str,
}

/// What was written, and where.
pub(super) struct Written {
    /// The key that it is from.
    pub(super) key: &'static str,
    place: Option<Place>,
    origin: Option<String>,
    pub(super) text: String,
}

/// Text that is never repeated.
struct Hidden(String);

impl Setting for Hidden {
    const ACCEPTS: &'static str = String::ACCEPTS;
    const HIDDEN: bool = true;

    fn from_file(kind: &ValueKind) -> Option<Self> {
        String::from_file(kind).map(Self)
    }

    fn from_text(text: &str) -> Option<Self> {
        String::from_text(text).map(Self)
    }

    fn to_toml(&self) -> String {
        masked()
    }
}

/// Shown in place of such text.
pub(super) fn masked() -> String {
    "***".to_owned().to_toml()
}

impl Keys {
    /// The text, or what is in the file, or what the application's own variable (its name and its value) says. Of two
    /// layers the upper one wins; in one layer, there is no telling which was meant.
    pub(super) fn read(self, section: &mut Section<'_>, fallback: Option<(&str, &str)>) -> Option<Written> {
        let text: Option<Hidden> = section.take(self.text);
        let file: Option<PathBuf> = section.take(self.file);
        section.record(self.text, None);
        section.record(self.file, file.as_ref().map(PathBuf::to_toml));
        let (above, below) = (section.in_environment(self.text), section.in_environment(self.file));
        match (text, file) {
            (Some(_), Some(_)) if above == below => {
                section.problem(self.file, format!("{} is given too; one of the two must go", self.text));
                None
            }
            (Some(Hidden(text)), file) if file.is_none() || above => {
                if file.is_some() {
                    section.amend(self.file, None, format!("not used: {} is from the environment", self.text));
                }
                Some(Written { key: self.text, place: None, origin: None, text })
            }
            (_, Some(path)) => self.in_file(section, &path),
            _ if self.given(section) => None,
            _ => fallback.map(|(variable, text)| Written {
                key: self.text,
                place: Some(Place::Variable(variable.to_owned())),
                origin: Some(variable.to_owned()),
                text: text.to_owned(),
            }),
        }
    }

    /// Whether one of the keys was written, be it right or wrong.
    pub(super) fn given(self, section: &Section<'_>) -> bool {
        section.has(self.text) || section.has(self.file)
    }

    fn in_file(self, section: &mut Section<'_>, path: &Path) -> Option<Written> {
        let name = path.to_string_lossy();
        let hidden = section.in_environment(self.file) || may_be_secret(&name);
        let shown = if hidden { String::new() } else { format!(" {name}") };
        let mut text = String::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
        // Editors and shells of Windows begin a file with a mark.
        let problem = match (read, text.trim_start_matches('\u{feff}').trim()) {
            (Err(error), _) => format!("cannot read the file{shown}: {error}"),
            (Ok(_), "") => format!("the file{shown} is empty; expected {}", self.what),
            (Ok(_), text) if text.contains('\n') => {
                format!("the file{shown} has several lines; it has to hold {}, and nothing else", self.what)
            }
            (Ok(_), text) => {
                let origin = Some(self.file.to_owned());
                return Some(Written { key: self.file, place: None, origin, text: text.to_owned() });
            }
        };
        section.problem(self.file, problem);
        None
    }
}

impl Written {
    /// Where it is from, for people.
    pub(super) fn origin(&self, section: &Section<'_>) -> String {
        self.origin.clone().unwrap_or_else(|| section.origin(self.key))
    }

    /// Says what is wrong with it, at its place.
    pub(super) fn problem(&self, section: &mut Section<'_>, message: impl Display) {
        match &self.place {
            Some(place) => section.problem_at(place.clone(), &section.path(self.key), message),
            None => section.problem(self.key, message),
        }
    }

    /// Shows that it is there, and where it is from. `note` goes before that.
    pub(super) fn show(&self, section: &mut Section<'_>, keys: Keys, note: &str) {
        let origin = format!("{note}{}", self.origin(section));
        section.amend(keys.text, (self.key == keys.text).then(masked), origin);
    }
}
