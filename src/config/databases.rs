//! `[database]` and `[databases.NAME]`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Database;
use super::environment::{DATABASE_URL, Environment};
use super::error::{Place, may_be_secret};
use super::reader::Section;
use super::setting::Setting as _;
use crate::db::DatabaseUrl;

/// The name of the database of `[database]`.
pub(super) const DEFAULT: &str = "default";

const MAX_CONNECTIONS: u32 = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// No URL is longer; a device or a log file in its place is not read to its end.
const LONGEST_URL: u64 = 64 * 1024;

/// A database, as far as it was configured.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a handful of databases, not thousands")]
pub(super) enum Entry {
    Ready(Database),
    /// Wrong, which was said already.
    Broken,
    /// Without any URL.
    Absent,
}

/// The databases by name.
pub(super) type Databases = BTreeMap<String, Entry>;

/// Where a URL was written, and what it is.
struct Source {
    key: &'static str,
    place: Option<Place>,
    origin: Option<String>,
    text: String,
}

pub(super) fn read(root: &mut Section<'_>, environment: &Environment) -> Databases {
    let mut section = root.table("database");
    let main = database(&mut section, environment.get(DATABASE_URL));
    section.finish();
    let mut databases = Databases::from([(DEFAULT.to_owned(), main)]);
    let mut others = root.table("databases");
    for name in others.checked_names() {
        let mut section = others.table(&name);
        if name == DEFAULT {
            section.problem("", "this name is that of the database in [database]");
        }
        let other = database(&mut section, None);
        if matches!(other, Entry::Absent) {
            section.missing("url", "; give it, or url_file");
        }
        section.finish();
        databases.entry(name).or_insert(other);
    }
    databases
}

fn database(section: &mut Section<'_>, fallback: Option<&str>) -> Entry {
    let source = source(section, fallback);
    let given = source.is_some() || section.has("url") || section.has("url_file");
    let url = source.and_then(|source| parse(section, &source));
    let connections = connections(section, url.as_ref());
    let timeout = timeout(section, url.as_ref());
    let migrate = section.choice("migrate", &[("auto", true), ("never", false)], true);
    match url {
        Some(url) => Entry::Ready(Database { url, max_connections: connections, connect_timeout: timeout, migrate }),
        None if given => Entry::Broken,
        None => Entry::Absent,
    }
}

/// The URL, or the file with it, or what the application's own variable says. Of two layers the upper one wins; in
/// one layer, there is no telling which was meant.
fn source(section: &mut Section<'_>, fallback: Option<&str>) -> Option<Source> {
    let url: Option<String> = section.take("url");
    let file: Option<PathBuf> = section.take("url_file");
    section.record("url", None);
    section.record("url_file", file.as_ref().map(PathBuf::to_toml));
    let (above, below) = (section.in_environment("url"), section.in_environment("url_file"));
    match (url, file) {
        (Some(_), Some(_)) if above == below => {
            section.problem("url_file", "url is given too; one of the two must go");
            None
        }
        (Some(text), file) if file.is_none() || above => {
            if file.is_some() {
                section.amend("url_file", None, "not used: url is from the environment");
            }
            Some(Source { key: "url", place: None, origin: None, text })
        }
        (_, Some(path)) => from_file(section, &path),
        _ if section.has("url") || section.has("url_file") => None,
        _ => fallback.map(|text| Source {
            key: "url",
            place: Some(Place::Variable(DATABASE_URL.to_owned())),
            origin: Some(DATABASE_URL.to_owned()),
            text: text.to_owned(),
        }),
    }
}

fn from_file(section: &mut Section<'_>, path: &Path) -> Option<Source> {
    let name = path.to_string_lossy();
    let hidden = section.in_environment("url_file") || may_be_secret(&name);
    let shown = if hidden { String::new() } else { format!(" {name}") };
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LONGEST_URL).read_to_string(&mut text));
    match (read, text.trim()) {
        (Err(error), _) => section.problem("url_file", format!("cannot read the file{shown}: {error}")),
        (Ok(_), "") => section.problem("url_file", format!("the file{shown} is empty; expected a database URL")),
        (Ok(_), url) if url.contains('\n') => {
            section.problem(
                "url_file",
                format!("the file{shown} has several lines; it has to hold a database URL, and nothing else"),
            );
        }
        (Ok(_), url) => {
            let origin = Some("url_file".to_owned());
            return Some(Source { key: "url_file", place: None, origin, text: url.to_owned() });
        }
    }
    None
}

fn parse(section: &mut Section<'_>, source: &Source) -> Option<DatabaseUrl> {
    let url = match DatabaseUrl::parse(&source.text) {
        Ok(url) => url,
        Err(error) => {
            match &source.place {
                Some(place) => section.problem_at(place.clone(), &section.path(source.key), error),
                None => section.problem(source.key, error),
            }
            return None;
        }
    };
    for note in url.notes() {
        section.warn("url", note);
    }
    show(section, &url, source);
    Some(url)
}

/// Where the database is, in place of a URL that may hold a password.
fn show(section: &mut Section<'_>, url: &DatabaseUrl, source: &Source) {
    let from = source.origin.clone().unwrap_or_else(|| section.origin(source.key));
    let masked = (source.key == "url").then(|| "***".to_owned().to_toml());
    section.amend("url", masked, format!("{}, from {from}", url.location()));
}

fn connections(section: &mut Section<'_>, url: Option<&DatabaseUrl>) -> u32 {
    let from_url = url.and_then(DatabaseUrl::max_connections);
    let value = section.within("max_connections", from_url.unwrap_or(MAX_CONNECTIONS), 1..=1000);
    if from_url.is_some() {
        section.derive("max_connections", Some(value.to_toml()), "the URL's connection_limit");
    }
    value
}

fn timeout(section: &mut Section<'_>, url: Option<&DatabaseUrl>) -> Duration {
    let from_url = url.and_then(DatabaseUrl::connect_timeout);
    let range = Duration::from_millis(100)..=Duration::from_mins(10);
    let value = section.within("connect_timeout", from_url.unwrap_or(CONNECT_TIMEOUT), range);
    if from_url.is_some() {
        section.derive("connect_timeout", Some(value.to_toml()), "the URL's connect_timeout");
    }
    value
}

/// Those that can be used; any other was reported where it matters.
pub(super) fn ready(databases: Databases) -> BTreeMap<String, Database> {
    let ready = |(name, entry)| if let Entry::Ready(database) = entry { Some((name, database)) } else { None };
    databases.into_iter().filter_map(ready).collect()
}
