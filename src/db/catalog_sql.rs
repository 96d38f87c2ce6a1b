//! What is in a database: its tables with their columns, and in which zone its writers may be. Reads only.

use super::{Database, DbError, DecodeError, Engine, Row, Statement, TableName};

/// A table as the catalogue lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its full name.
    pub table: TableName,
    /// Its columns, each with its declared type in full (`timestamp(3) without time zone`, `int(10) unsigned`).
    pub columns: Vec<(String, String)>,
}

impl Outline {
    /// The declared type of a column, if there is one of that name.
    #[must_use]
    pub fn kind(&self, column: &str) -> Option<&str> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, kind)| kind.as_str())
    }
}

/// The tables in some schemas that have one of some columns; of a partitioned one the whole and not its parts.
///
/// # Errors
/// Those of the database.
pub async fn outlines(database: &Database, schemas: &[&str], one_of: &[&str]) -> Result<Vec<Outline>, DbError> {
    let rows = database.read(columns(database.engine(), schemas, one_of)).await?;
    let mut outlines: Vec<Outline> = Vec::new();
    let mut add = |row: &Row| -> Result<(), DecodeError> {
        let text = |index| Ok(row.text(index)?.unwrap_or_default());
        let table = TableName { schema: row.text(0)?, name: text(1)? };
        let column = (text(2)?, text(3)?);
        match outlines.last_mut() {
            Some(last) if last.table == table => last.columns.push(column),
            _ => outlines.push(Outline { table, columns: vec![column] }),
        }
        Ok(())
    };
    database.decode(|| rows.iter().try_for_each(&mut add))?;
    outlines.retain(|outline| one_of.iter().any(|column| outline.kind(column).is_some()));
    Ok(outlines)
}

/// Selects schema, table, column and its declared type, table by table.
#[must_use]
pub fn columns(engine: Engine, schemas: &[&str], one_of: &[&str]) -> Statement {
    match engine {
        Engine::Postgres => Statement::text(
            engine,
            "SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
             WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped \
             AND NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid) AND n.nspname IN (",
        )
        .with(|statement| texts(statement, schemas))
        .push(") AND EXISTS (SELECT 1 FROM pg_attribute e WHERE e.attrelid = c.oid AND e.attname IN (")
        .with(|statement| texts(statement, one_of))
        .push(")) ORDER BY n.nspname, c.relname, a.attnum"),
        Engine::MySql => Statement::text(
            engine,
            "SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE FROM information_schema.COLUMNS c \
             JOIN (SELECT DISTINCT e.TABLE_SCHEMA AS s, e.TABLE_NAME AS t FROM information_schema.COLUMNS e \
             JOIN information_schema.TABLES b ON b.TABLE_SCHEMA = e.TABLE_SCHEMA AND b.TABLE_NAME = e.TABLE_NAME \
             WHERE b.TABLE_TYPE = 'BASE TABLE' AND e.TABLE_SCHEMA IN (",
        )
        .with(|statement| texts(statement, schemas))
        .push(") AND e.COLUMN_NAME IN (")
        .with(|statement| texts(statement, one_of))
        .push(")) AS found ON found.s = c.TABLE_SCHEMA AND found.t = c.TABLE_NAME ")
        .push("ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION"),
        Engine::Sqlite => Statement::text(
            engine,
            "SELECT 'main', l.name, x.name, x.type FROM pragma_table_list l, pragma_table_xinfo(l.name) x \
             WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
             ORDER BY l.name, x.cid",
        ),
    }
}

fn texts(statement: Statement, values: &[&str]) -> Statement {
    statement.list(values, ", ", |statement, value| statement.bind(*value))
}

/// Selects the zone that connections of this user begin in, where it was set for the user or the database, and the zone
/// of the server's log, which is that of the server unless somebody changed one of the two (`PostgreSQL`). The zone of
/// this connection says nothing: its driver sets it.
#[must_use]
pub fn zones() -> Statement {
    Statement::text(
        Engine::Postgres,
        "SELECT (SELECT split_part(entry, '=', 2) FROM pg_db_role_setting s, unnest(s.setconfig) AS entry \
         WHERE lower(split_part(entry, '=', 1)) = 'timezone' \
         AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
         AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user)) \
         ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1), current_setting('log_timezone')",
    )
}

/// Selects, of the rows that expire last, the expiry as the wall clock says it and the end of the session's cookie, both in
/// milliseconds since 1970 (`PostgreSQL`). Old rows may be from before the application was moved to another zone.
#[must_use]
pub fn cookies(table: &TableName, expires_at: &str, cookie: &str) -> Statement {
    let end = |statement: Statement| statement.push("(").name(cookie).push("->'cookie'->>'expires')");
    Statement::text(Engine::Postgres, "SELECT (extract(epoch FROM ")
        .name(expires_at)
        .push(") * 1000)::bigint, (extract(epoch FROM ")
        .with(end)
        .push("::timestamptz) * 1000)::bigint FROM ")
        .table(table)
        .push(" WHERE isfinite(")
        .name(expires_at)
        .push(") AND ")
        .with(end)
        .push(" ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$' ORDER BY ")
        .name(expires_at)
        .push(" DESC LIMIT 1000")
}
