//! `[database]` and `[databases.NAME]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Database;
use super::environment::{DATABASE_URL, Environment};
use super::reader::Section;
use super::setting::Setting as _;
use super::text_or_file::{Keys, Written};
use crate::db::DatabaseUrl;

/// The name of the database of `[database]`.
pub(super) const DEFAULT: &str = "default";

const MAX_CONNECTIONS: u32 = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const URL: Keys = Keys { text: "url", file: "url_file", what: "a database URL" };

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
    let written = URL.read(section, fallback.map(|url| (DATABASE_URL, url)));
    let given = written.is_some() || URL.given(section);
    let url = written.and_then(|written| parse(section, &written));
    let connections = connections(section, url.as_ref());
    let timeout = timeout(section, url.as_ref());
    let migrate = section.choice("migrate", &[("auto", true), ("never", false)], true);
    match url {
        Some(url) => Entry::Ready(Database { url, max_connections: connections, connect_timeout: timeout, migrate }),
        None if given => Entry::Broken,
        None => Entry::Absent,
    }
}

fn parse(section: &mut Section<'_>, written: &Written) -> Option<DatabaseUrl> {
    let url = DatabaseUrl::parse(&written.text).map_err(|error| written.problem(section, error)).ok()?;
    for note in url.notes() {
        section.warn("url", note);
    }
    // Where the database is, in place of a URL that may hold a password.
    written.show(section, URL, &format!("{}, from ", url.location()));
    Some(url)
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
