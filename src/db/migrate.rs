//! sweepd's own tables: which version is there, and how to get to the newest.
//!
//! Each migration is a script that records its own version, so that a database administrator can run it by hand and
//! sweepd sees that it was run. (sqlx's migrator keeps checksums that a hand-run script would not fill in, and takes
//! a session-level lock that proxies do not carry.)

use super::{
    Database, DbError, Engine, Purpose, Statement, Table, TableKind, TableName, Trouble, ledger_sql, quote, quote_table,
};

macro_rules! scripts {
    ($($path:literal),+) => { &[$(include_str!(concat!("../../migrations/", $path, ".sql"))),+] };
}

const POSTGRES: &[&str] = scripts![
    "postgres/0001_ledger",
    "postgres/0002_plan",
    "postgres/0003_armed",
    "postgres/0004_paused",
    "postgres/0005_alerts"
];
const MYSQL: &[&str] =
    scripts!["mysql/0001_ledger", "mysql/0002_plan", "mysql/0003_armed", "mysql/0004_paused", "mysql/0005_alerts"];
const SQLITE: &[&str] =
    scripts!["sqlite/0001_ledger", "sqlite/0002_plan", "sqlite/0003_armed", "sqlite/0004_paused", "sqlite/0005_alerts"];

/// The demo's tables.
pub const DEMO: &str = include_str!("../../migrations/sqlite/demo.sql");

/// The scripts that are still to be run, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn pending(database: &Database) -> Result<&'static [&'static str], DbError> {
    let scripts = scripts(database.engine());
    let done = version(database).await?.min(scripts.len());
    Ok(&scripts[done..])
}

/// Runs the scripts that are still to be run. Two processes may do so at once: the loser finds the work done, or on
/// `MySQL` half done, and tries once more.
///
/// # Errors
/// Those of the database.
pub async fn run(database: &Database) -> Result<(), DbError> {
    for (number, script) in (1..).zip(scripts(database.engine())) {
        let is_done = async || Ok::<_, DbError>(version(database).await? >= number);
        if !is_done().await? && apply(database, script).await.is_err() && !is_done().await? {
            apply(database, script).await?;
        }
    }
    Ok(())
}

fn scripts(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Postgres => POSTGRES,
        Engine::MySql => MYSQL,
        Engine::Sqlite => SQLITE,
    }
}

async fn apply(database: &Database, script: &str) -> Result<(), DbError> {
    let mut transaction = database.begin(Purpose::Write).await?;
    transaction.script(script).await?;
    transaction.commit().await
}

/// The script that creates an `AuditLog` table in Prisma's default layout.
#[must_use]
pub fn audit_log(engine: Engine, table: &TableName) -> String {
    let script = match engine {
        Engine::Postgres => include_str!("../../migrations/postgres/audit_log.sql"),
        Engine::MySql => include_str!("../../migrations/mysql/audit_log.sql"),
        Engine::Sqlite => include_str!("../../migrations/sqlite/audit_log.sql"),
    };
    let key = quote(engine, &format!("{}_pkey", table.name));
    script.replace("{table}", &quote_table(engine, table)).replace("{key}", &key)
}

/// The statement that creates an index on an expiry column; on `PostgreSQL` without blocking the application.
#[must_use]
pub fn expiry_index(engine: Engine, table: &Table, column: &str) -> String {
    index(engine, &table.name, table.kind, column)
}

/// The statement that creates an index on a column.
#[must_use]
pub fn index(engine: Engine, table: &TableName, kind: TableKind, column: &str) -> String {
    let name = quote(engine, &format!("{}_{column}_idx", table.name));
    let (concurrently, name) = match (engine, &table.schema) {
        // PostgreSQL cannot do so for all partitions at once.
        (Engine::Postgres, _) if kind == TableKind::Plain => ("CONCURRENTLY ", name),
        (Engine::Sqlite, Some(schema)) => ("", format!("{}.{name}", quote(engine, schema))),
        _ => ("", name),
    };
    // SQLite wants the schema on the index, and none on the table.
    let table = match engine {
        Engine::Sqlite => quote(engine, &table.name),
        Engine::Postgres | Engine::MySql => quote_table(engine, table),
    };
    format!("CREATE INDEX {concurrently}{name} ON {table} ({})", quote(engine, column))
}

async fn version(database: &Database) -> Result<usize, DbError> {
    let engine = database.engine();
    let sql = format!(
        "SELECT CAST(coalesce(max(version), 0) AS {}) FROM {}",
        integer(engine),
        ledger_sql::own_table(engine, "migration")
    );
    let mut transaction = database.begin(Purpose::Read).await?;
    match transaction.fetch(Statement::text(engine, &sql)).await {
        Ok(rows) => {
            transaction.commit().await?;
            let version = database.decode(|| rows.first().map_or(Ok(None), |row| row.int(0)))?;
            Ok(version.and_then(|version| usize::try_from(version).ok()).unwrap_or_default())
        }
        Err(error) if error.trouble == Trouble::NoTable => Ok(0),
        Err(error) => Err(error),
    }
}

fn integer(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "bigint",
        Engine::MySql => "SIGNED",
        Engine::Sqlite => "INTEGER",
    }
}
