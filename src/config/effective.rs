//! The configuration as it is in effect, as TOML for people: every key, with a note where its value is from.

use std::fmt::Write as _;

use super::key::{KeyPath, toml_key};

/// A key, its value as TOML, what that can be, and where it is from. No value: it is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: KeyPath,
    pub(super) toml: Option<String>,
    pub(super) accepts: String,
    pub(super) origin: String,
}

/// All entries, table by table, in the order in which they were read. Keys that are not set are comments.
pub(super) fn render(entries: &[Entry]) -> String {
    let mut text = String::new();
    for table in tables(entries) {
        let separator = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{separator}[{table}]");
        for entry in entries.iter().filter(|entry| entry.path.parent().as_ref() == Some(&table)) {
            let _ = writeln!(text, "{}", line(entry));
        }
    }
    text
}

fn tables(entries: &[Entry]) -> Vec<KeyPath> {
    let mut tables = Vec::new();
    for table in entries.iter().filter_map(|entry| entry.path.parent()) {
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables
}

fn line(entry: &Entry) -> String {
    let key = toml_key(entry.path.last());
    match &entry.toml {
        Some(value) => format!("{key} = {value}  # {}", entry.origin),
        None if entry.origin == "default" => format!("# {key} is not set"),
        None => format!("# {key}: {}", entry.origin),
    }
}
