//! Rows in the application's `AuditLog` table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::db::audit_sql::{self, Cell, Value};
use crate::db::{Column, Database, DbError, Engine, Purpose, Statement, Table, TableName, introspect, migrate};
use crate::report::{Outcome, Report, RunId, Trigger};

/// The action of a run that did its work.
pub const SUCCESS: &str = "SESSION_CLEANUP";
/// The action of a run that failed or was found dead.
pub const ERROR: &str = "SESSION_CLEANUP_ERROR";

/// Where the audit rows go.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether to write any.
    pub enabled: bool,
    /// The table.
    pub table: TableName,
    /// Which column holds what, where it is not found by its usual name: `id`, `action`, `details`, `created_at`.
    pub columns: BTreeMap<String, String>,
    /// Fixed values, as text, for columns that are NOT NULL and have no default.
    pub values: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            table: TableName::unqualified("AuditLog"),
            columns: BTreeMap::new(),
            values: BTreeMap::new(),
        }
    }
}

/// A row, whatever it tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key, where the table has one that is no number.
    pub id: String,
    /// What was done.
    pub action: &'static str,
    /// More about it, as JSON.
    pub details: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl From<&Report> for Entry {
    /// The row of a finished run. Its id is the run's, so it cannot be written twice.
    fn from(report: &Report) -> Self {
        let action = match report.outcome {
            Some(Outcome::Failed | Outcome::Interrupted) => ERROR,
            _ => SUCCESS,
        };
        Self {
            id: report.run_id.to_string(),
            action,
            details: serde_json::to_string(report).unwrap_or_default(),
            at: report.finished_at.unwrap_or(report.started_at),
        }
    }
}

/// Why no audit rows can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is no such table.
    #[error(
        "there is no table {table} for audit rows; `sweepd migrate --audit-log` creates it, or set `audit.enabled = false`"
    )]
    NoTable {
        /// The table.
        table: String,
        /// The SQL that creates it.
        create: String,
    },
    /// A column that has to be filled cannot be.
    #[error("table {table} has no column for the audit row's {part}; name one in `[audit.columns] {part} = \"...\"`")]
    NoColumn {
        /// The table.
        table: String,
        /// `action`, `details` ...
        part: &'static str,
    },
    /// Columns that are NOT NULL without a default.
    #[error("table {table} needs a value for {}; give it in `[audit.values]`", columns.join(", "))]
    NoValue {
        /// The table.
        table: String,
        /// The columns.
        columns: Vec<String>,
    },
}

impl Unavailable {
    /// The SQL that helps, where there is some.
    #[must_use]
    pub fn sql(&self) -> Option<&str> {
        match self {
            Self::NoTable { create, .. } => Some(create),
            Self::NoColumn { .. } | Self::NoValue { .. } => None,
        }
    }
}

/// The audit table as it is, ready to be written to.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditLog {
    engine: Engine,
    table: TableName,
    id: Option<Column>,
    action: Column,
    details: Column,
    created_at: Option<Column>,
    created_at_in_millis: bool,
    fixed: Vec<(Column, String)>,
}

/// The usual names of the audit table's columns, for each part of a row.
const USUAL_NAMES: [(&str, &[&str]); 4] = [
    ("id", &["id"]),
    ("action", &["action", "event", "event_type"]),
    ("details", &["details", "metadata", "data", "payload"]),
    ("created_at", &["createdAt", "created_at", "timestamp", "created"]),
];

impl AuditLog {
    /// Looks at the table. None when audit rows are turned off; why not, when there is no way to write them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(database: &Database, settings: &Settings) -> Result<Option<Result<Self, Unavailable>>, DbError> {
        if !settings.enabled {
            return Ok(None);
        }
        let Some(table) = introspect::table(database, &settings.table).await? else {
            let name = database.qualify(&settings.table);
            let create = migrate::audit_log(database.engine(), &name);
            return Ok(Some(Err(Unavailable::NoTable { table: settings.table.to_string(), create })));
        };
        let mut found = match Self::map(database.engine(), &table, settings) {
            Ok(found) => found,
            Err(unavailable) => return Ok(Some(Err(unavailable))),
        };
        found.created_at_in_millis = found.writes_millis(database).await?;
        Ok(Some(Ok(found)))
    }

    fn map(engine: Engine, table: &Table, settings: &Settings) -> Result<Self, Unavailable> {
        let part = |part| column_for(table, settings, part);
        let needed = |name| part(name).ok_or(Unavailable::NoColumn { table: table.name.name.clone(), part: name });
        let fixed = settings.values.iter();
        let fixed = fixed.filter_map(|(name, value)| Some((table.column(name)?.clone(), value.clone())));

        let log = Self {
            engine,
            table: table.name.clone(),
            id: part("id").filter(|column| !is_integer(&column.kind)),
            action: needed("action")?,
            details: needed("details")?,
            created_at: part("created_at"),
            created_at_in_millis: false,
            fixed: fixed.collect(),
        };
        let open = log.unfilled(table);
        if open.is_empty() {
            Ok(log)
        } else {
            Err(Unavailable::NoValue { table: table.name.name.clone(), columns: open })
        }
    }

    /// Columns that an INSERT has to fill, and nobody does.
    fn unfilled(&self, table: &Table) -> Vec<String> {
        let filled = |name: &str| {
            let parts = [self.id.as_ref(), Some(&self.action), Some(&self.details), self.created_at.as_ref()];
            parts.into_iter().flatten().chain(self.fixed.iter().map(|(column, _)| column)).any(|c| c.name == name)
        };
        let open = table.columns.iter().filter(|column| !column.nullable && !column.has_default);
        open.filter(|column| !filled(&column.name)).map(|column| column.name.clone()).collect()
    }

    /// On `SQLite` a `DATETIME` may hold milliseconds or text: follow what the application wrote last.
    async fn writes_millis(&self, database: &Database) -> Result<bool, DbError> {
        let (Engine::Sqlite, Some(created_at)) = (self.engine, &self.created_at) else { return Ok(false) };
        let rows = database.read(audit_sql::storage_class(&self.table, &created_at.name)).await?;
        let class = database.decode(|| rows.first().map_or(Ok(None), |row| row.text(0)))?;
        Ok(class.as_deref() == Some("integer"))
    }

    /// The statement that writes a row.
    #[must_use]
    pub fn insert(&self, entry: impl Into<Entry>) -> Statement {
        let Entry { id, action, details, at } = entry.into();
        let at = if self.created_at_in_millis { Value::Millis(at) } else { Value::Instant(at) };
        let cell = |column: &Column, value| Cell { column: column.name.clone(), kind: column.kind.clone(), value };
        let mut cells =
            vec![cell(&self.action, Value::Text(action.to_owned())), cell(&self.details, Value::Text(details))];
        cells.extend(self.id.iter().map(|column| cell(column, Value::Text(id.clone()))));
        cells.extend(self.created_at.iter().map(|column| cell(column, at.clone())));
        cells.extend(self.fixed.iter().map(|(column, value)| cell(column, Value::Text(value.clone()))));
        audit_sql::insert(self.engine, &self.table, &cells)
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// Tries whether a row can be written, and takes it back.
    ///
    /// # Errors
    /// What the database says when it cannot.
    pub async fn rehearse(&self, database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
        let report = Report::begun("check", RunId::new(now), Trigger::Manual, now, "");
        let mut transaction = database.begin(Purpose::Write).await?;
        transaction.execute(self.insert(&report)).await?;
        transaction.rollback().await
    }
}

fn column_for(table: &Table, settings: &Settings, part: &str) -> Option<Column> {
    if let Some(name) = settings.columns.get(part) {
        return table.column(name).cloned();
    }
    let (_, usual) = USUAL_NAMES.iter().find(|(name, _)| *name == part)?;
    usual.iter().find_map(|name| table.column(name)).cloned()
}

fn is_integer(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    kind.contains("int") || kind.contains("serial")
}
