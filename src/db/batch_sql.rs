//! The statements of one batch: the DELETE, which judges each row at the time at which it deletes it.

use chrono::{DateTime, Utc};

use super::sweep_sql::{Path, Position, Stretch, Target};
use super::{Engine, Param, Statement, quote};

/// What a batch deletes, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<'a> {
    /// Along what the sweep walks.
    pub path: &'a Path,
    /// Which part of it.
    pub stretch: Stretch,
    /// Rows that have expired at or before this instant go.
    pub cutoff: DateTime<Utc>,
    /// At most this many rows.
    pub most: Option<u64>,
    /// Leaves rows that somebody has locked.
    pub skip_locked: bool,
    /// Whether the rows are wanted for an archive.
    pub wanted: bool,
}

impl Batch<'_> {
    /// Whether it takes two statements: [`Target::select_rows`], then [`Target::delete_rows`]. `MySQL` has no RETURNING
    /// and no SKIP LOCKED in a DELETE.
    #[must_use]
    pub fn in_two_steps(&self, engine: Engine) -> bool {
        engine == Engine::MySql && (self.skip_locked || self.wanted)
    }
}

impl Target {
    /// Deletes what has expired in a stretch; each row is returned as JSON where it is wanted.
    #[must_use]
    pub fn delete(&self, batch: &Batch<'_>) -> Statement {
        self.statement("DELETE FROM ")
            .with(|statement| self.own_rows(statement))
            .push(" WHERE ")
            .with(|statement| self.rows(statement, batch))
            .with(|statement| if batch.wanted { self.returning(statement) } else { statement })
    }

    /// Selects a row when something in a stretch has expired.
    #[must_use]
    pub fn any(&self, path: &Path, stretch: &Stretch, cutoff: DateTime<Utc>) -> Statement {
        let batch = Batch { path, stretch: stretch.clone(), cutoff, most: Some(1), skip_locked: false, wanted: false };
        self.statement("SELECT 1 FROM ")
            .with(|statement| self.own_rows(statement))
            .push(" WHERE ")
            .with(|statement| self.expired_in(statement, &batch))
            .with(|statement| limited(statement, &batch))
    }

    /// Selects the rows of a batch and locks them: the columns of the key, and the row as JSON.
    #[must_use]
    pub fn select_rows(&self, batch: &Batch<'_>) -> Statement {
        self.statement("SELECT ")
            .with(|statement| self.position(statement, &Path::Key(self.table.key.clone())))
            .push(", ")
            .push(&if batch.wanted { self.json() } else { "NULL".to_owned() })
            .push(" FROM ")
            .with(|statement| self.own_rows(statement))
            .push(" WHERE ")
            .with(|statement| self.expired_in(statement, batch))
            .with(|statement| limited(statement, batch))
            .push(if batch.skip_locked { " FOR UPDATE SKIP LOCKED" } else { " FOR UPDATE" })
    }

    /// Deletes those of the rows that still have expired.
    #[must_use]
    pub fn delete_rows(&self, keys: &[Position], cutoff: DateTime<Utc>) -> Statement {
        self.statement("DELETE FROM ")
            .with(|statement| self.own_rows(statement))
            .push(" WHERE (")
            .with(|statement| self.names(statement))
            .push(") IN (")
            .list(keys, ", ", |statement, key| {
                let values = self.table.key.iter().zip(key);
                let value = |statement, (column, value): (&String, &Param)| self.key_value(statement, column, value);
                statement.push("(").list(values, ", ", value).push(")")
            })
            .push(") AND ")
            .with(|statement| self.expiry.expired(statement, cutoff))
    }

    /// The condition on the rows of a batch. One that cannot be written on the rows themselves goes into a sub-select,
    /// and each row is judged again.
    fn rows(&self, statement: Statement, batch: &Batch<'_>) -> Statement {
        if batch.most.is_none() && !batch.skip_locked {
            return self.expired_in(statement, batch);
        }
        let again = |statement: Statement| statement.push(") AND ").with(|s| self.judge(s, batch));
        let inner = |statement| limited(self.expired_in(statement, batch), batch);
        match self.expiry.engine {
            Engine::MySql => inner(statement),
            Engine::Postgres => statement
                .push("ctid = ANY (ARRAY(SELECT ctid FROM ")
                .with(|statement| self.own_rows(statement))
                .push(" WHERE ")
                .with(inner)
                .push(if batch.skip_locked { " FOR UPDATE SKIP LOCKED)" } else { ")" })
                .with(again),
            Engine::Sqlite => statement
                .push("(")
                .with(|statement| self.names(statement))
                .push(") IN (SELECT ")
                .with(|statement| self.names(statement))
                .push(" FROM ")
                .with(|statement| self.own_rows(statement))
                .push(" WHERE ")
                .with(inner)
                .with(again),
        }
    }

    fn expired_in(&self, statement: Statement, batch: &Batch<'_>) -> Statement {
        self.within(statement, batch.path, &batch.stretch).push(" AND ").with(|statement| self.judge(statement, batch))
    }

    fn judge(&self, statement: Statement, batch: &Batch<'_>) -> Statement {
        match batch.path {
            Path::Key(_) => self.expiry.expired_beside_key(statement, batch.cutoff),
            Path::Blocks | Path::Expiry => self.expiry.expired(statement, batch.cutoff),
        }
    }

    fn returning(&self, statement: Statement) -> Statement {
        statement.push(&format!(" RETURNING {}", self.json()))
    }

    /// A whole row as a JSON object; bytes as hexadecimal digits.
    fn json(&self) -> String {
        let engine = self.expiry.engine;
        let columns = self.table.columns.iter().map(|column| {
            let (text, name) = (column.name.replace('\'', "''"), quote(engine, &column.name));
            let bytes = column.kind.contains("blob") || column.kind.contains("binary");
            match engine {
                Engine::Sqlite => format!("'{text}', CASE typeof({name}) WHEN 'blob' THEN hex({name}) ELSE {name} END"),
                _ if bytes => format!("'{}', HEX({name})", text.replace('\\', "\\\\")),
                _ => format!("'{}', {name}", text.replace('\\', "\\\\")),
            }
        });
        match engine {
            Engine::Postgres => format!("to_jsonb({}.*)::text", quote(engine, &self.table.name.name)),
            Engine::MySql => format!("CAST(JSON_OBJECT({}) AS CHAR)", columns.collect::<Vec<_>>().join(", ")),
            Engine::Sqlite => format!("json_object({})", columns.collect::<Vec<_>>().join(", ")),
        }
    }
}

fn limited(statement: Statement, batch: &Batch<'_>) -> Statement {
    match batch.most {
        Some(most) => statement.push(&format!(" LIMIT {most}")),
        None => statement,
    }
}
