//! `[audit]`, `[log]` and `[daemon]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Daemon;
use super::jobs::{CENTURY, DAY};
use super::reader::Section;
use super::setting::{Scalar, Setting as _};
use crate::audit;
use crate::db::TableName;
use crate::telemetry::{self, Format, Level, Rotation};

const LEVELS: &[(&str, Level)] = &[
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];
const FORMATS: &[(&str, Format)] = &[("text", Format::Text), ("json", Format::Json)];
const ROTATIONS: &[(&str, Rotation)] =
    &[("hourly", Rotation::Hourly), ("daily", Rotation::Daily), ("never", Rotation::Never)];
/// What an audit row holds, each in a column that can be named.
const AUDIT_COLUMNS: [&str; 4] = ["id", "action", "details", "created_at"];

pub(super) fn audit(root: &mut Section<'_>) -> audit::Settings {
    let default = audit::Settings::default();
    let mut section = root.table("audit");
    let enabled = section.or("enabled", default.enabled);
    let schema = section.identifier("schema");
    let name = section.identifier("table").unwrap_or(default.table.name);
    section.derive("table", Some(name.to_toml()), "default");
    let table = TableName { schema, name };
    section.warn_dotted(&table);
    let columns = audit_columns(section.table("columns"));
    let values = audit_values(section.table("values"), &columns);
    section.finish();
    audit::Settings { enabled, table, columns, values }
}

fn audit_columns(mut section: Section<'_>) -> BTreeMap<String, String> {
    let named = AUDIT_COLUMNS.into_iter().filter_map(|key| Some((key.to_owned(), section.identifier(key)?)));
    let columns = named.collect();
    section.finish();
    columns
}

/// Here the keys are columns of the application's own.
fn audit_values(mut section: Section<'_>, columns: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for column in section.names() {
        if let Err(error) = crate::db::identifier(&column) {
            section.problem(&column, error);
        }
        if let Some((key, _)) = columns.iter().find(|(_, named)| **named == column) {
            section.problem(&column, format!("audit.columns.{key} is this column, which sweepd fills itself"));
        }
        let value: Option<Scalar> = section.take(&column);
        section.record(&column, value.as_ref().map(Scalar::to_toml));
        values.extend(value.map(|value| (column, value.0)));
    }
    values
}

pub(super) fn log(root: &mut Section<'_>) -> telemetry::Settings {
    let default = telemetry::Settings::default();
    let mut section = root.table("log");
    let settings = telemetry::Settings {
        level: section.choice("level", LEVELS, default.level),
        format: section.choice("format", FORMATS, default.format),
        directory: section.optional("directory"),
        rotation: section.choice("rotation", ROTATIONS, default.rotation),
        max_files: section.within("max_files", default.max_files, 2..=10_000),
    };
    section.finish();
    settings
}

pub(super) fn daemon(root: &mut Section<'_>) -> Daemon {
    let minute = Duration::from_mins(1);
    let mut section = root.table("daemon");
    let default = Daemon::default();
    let daemon = Daemon {
        shutdown_timeout: section.within("shutdown_timeout", default.shutdown_timeout, Duration::ZERO..=60 * minute),
        heartbeat: section.within("heartbeat", default.heartbeat, Duration::from_millis(100)..=minute),
        stale_after: section.within("stale_after", default.stale_after, Duration::from_millis(300)..=60 * minute),
        history: section.within("history", default.history, DAY..=CENTURY),
    };
    if daemon.stale_after < daemon.heartbeat * 3 {
        let least = (daemon.heartbeat * 3).to_toml();
        section.problem("stale_after", format!("must be at least three heartbeats, which is {least}"));
    }
    section.finish();
    daemon
}
