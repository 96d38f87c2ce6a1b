//! What the database says of itself and of a table. Read-only.

use super::{Column, Database, DbError, DecodeError, Engine, Index, Row, Statement, Table, TableKind, TableName};

/// Selects the server's version and the connection's own schema: the first on the search path that is not sweepd's,
/// which a role called `sweepd` has first. And the journal mode (`SQLite`).
#[must_use]
pub fn identity(engine: Engine) -> Statement {
    Statement::text(
        engine,
        match engine {
            Engine::Postgres => {
                "SELECT current_setting('server_version'), (SELECT name::text \
                 FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (name, position) \
                 WHERE name <> 'sweepd' ORDER BY position LIMIT 1), NULL::text"
            }
            Engine::MySql => "SELECT VERSION(), DATABASE(), NULL",
            Engine::Sqlite => "SELECT sqlite_version(), 'main', (SELECT journal_mode FROM pragma_journal_mode)",
        },
    )
}

/// Selects the server's wall clock in microseconds since 1970.
#[must_use]
pub fn clock(engine: Engine) -> Statement {
    Statement::text(
        engine,
        match engine {
            Engine::Postgres => "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
            Engine::MySql => "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
            Engine::Sqlite => "SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000",
        },
    )
}

/// Selects the user that this connection acts as, as a GRANT names it.
#[must_use]
pub fn current_user(engine: Engine) -> Statement {
    Statement::text(
        engine,
        match engine {
            Engine::Postgres => "SELECT quote_ident(current_user)",
            Engine::MySql => "SELECT CONCAT('`', REPLACE(CURRENT_USER(), '@', '`@`'), '`')",
            Engine::Sqlite => "SELECT ''",
        },
    )
}

/// Selects whether this user may create sweepd's own tables. `MySQL` keeps its privileges on databases as patterns.
#[must_use]
pub fn may_create(engine: Engine) -> Statement {
    Statement::text(
        engine,
        match engine {
            Engine::Postgres => "SELECT has_database_privilege(current_database(), 'CREATE')::int::bigint",
            Engine::MySql => {
                "SELECT EXISTS (SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'CREATE') OR \
                 EXISTS (SELECT 1 FROM information_schema.SCHEMA_PRIVILEGES \
                 WHERE PRIVILEGE_TYPE = 'CREATE' AND DATABASE() LIKE TABLE_SCHEMA)"
            }
            Engine::Sqlite => "SELECT 1",
        },
    )
}

/// Selects whether this user may update any column of a table, which skipping locked rows takes (`PostgreSQL`).
#[must_use]
pub fn may_update(table: &TableName) -> Statement {
    Statement::text(Engine::Postgres, "SELECT has_any_column_privilege(")
        .bind(super::quote_table(Engine::Postgres, table))
        .push(", 'UPDATE')::int::bigint")
}

/// Selects the server's default zone and its offsets from UTC in January and July, in seconds (`MySQL`).
#[must_use]
pub fn default_zone() -> Statement {
    let offset = |month: &str| {
        format!("TIMESTAMPDIFF(SECOND, '2024-{month}-01', CONVERT_TZ('2024-{month}-01', '+00:00', @@global.time_zone))")
    };
    let sql = format!(
        "SELECT IF(@@global.time_zone = 'SYSTEM', @@global.system_time_zone, @@global.time_zone), {}, {}",
        offset("01"),
        offset("07")
    );
    Statement::text(Engine::MySql, &sql)
}

/// Selects the zone of a connection, for people to look at (`MySQL`).
#[must_use]
pub fn session_zone() -> Statement {
    Statement::text(Engine::MySql, "SELECT @@session.time_zone")
}

/// The statement that shows all rows to a role (`PostgreSQL`).
#[must_use]
pub fn bypass_row_security(user: &str) -> String {
    format!("ALTER ROLE {user} BYPASSRLS")
}

/// Describes a table, or returns none when there is no such table that this role can see.
///
/// # Errors
/// Those of the database.
pub async fn table(database: &Database, name: &TableName) -> Result<Option<Table>, DbError> {
    let name = database.qualify(name);
    let engine = database.engine();
    let found = database.read(kind_sql(engine, &name)).await?;
    let Some(found) = found.first() else { return Ok(None) };
    let columns = database.read(columns_sql(engine, &name)).await?;
    let keys = database.read(keys_sql(engine, &name)).await?;
    let mut table = database.decode(|| {
        let columns = columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let indexes = indexes(&keys)?;
        Ok(Table {
            kind: kind(found.text(0)?.as_deref()),
            estimated_rows: found.int(1)?.and_then(|rows| u64::try_from(rows).ok()),
            hides_rows: found.int(2)? == Some(1),
            key: if found.int(3)? == Some(1) { row_number(&columns) } else { key(&indexes, &columns) },
            indexes,
            columns,
            name: name.clone(),
        })
    })?;
    if let (Engine::Sqlite, [row_number]) = (engine, table.key.as_slice()) {
        // The highest number is no fewer than there are, and is found at once.
        let last =
            database.read(Statement::text(engine, "SELECT max(").name(row_number).push(") FROM ").table(&name)).await?;
        let last = database.decode(|| last.first().map_or(Ok(None), |row| row.int(0)));
        table.estimated_rows = last.ok().flatten().and_then(|rows| u64::try_from(rows).ok());
    }
    Ok(Some(table))
}

fn kind(word: Option<&str>) -> TableKind {
    match word {
        Some("table") => TableKind::Plain,
        Some("partitioned") => TableKind::Partitioned,
        Some("non-transactional") => TableKind::NonTransactional,
        _ => TableKind::NotATable,
    }
}

fn column(row: &Row) -> Result<Column, DecodeError> {
    Ok(Column {
        name: row.text(0)?.unwrap_or_default(),
        kind: row.text(1)?.unwrap_or_default(),
        nullable: row.int(2)? == Some(1),
        has_default: row.int(3)? == Some(1),
        collation: row.text(4)?.zip(row.text(5)?),
    })
}

/// Rows of (index, unique, primary, column), in the order of the columns.
fn indexes(rows: &[Row]) -> Result<Vec<Index>, DecodeError> {
    let mut indexes: Vec<Index> = Vec::new();
    for row in rows {
        let name = row.text(0)?.unwrap_or_default();
        let column = row.text(3)?.unwrap_or_default();
        match indexes.last_mut() {
            Some(last) if last.name == name => last.columns.push(column),
            _ => {
                let (unique, primary) = (row.int(1)? == Some(1), row.int(2)? == Some(1));
                indexes.push(Index { name, unique, primary, columns: vec![column] });
            }
        }
    }
    Ok(indexes)
}

/// `SQLite`'s row number, under the first of its names that no column has taken.
fn row_number(columns: &[Column]) -> Vec<String> {
    let free = |name: &&str| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    ["_rowid_", "rowid", "oid"].iter().copied().find(free).map(str::to_owned).into_iter().collect()
}

/// The primary key, else a unique key whose columns are never NULL.
fn key(indexes: &[Index], columns: &[Column]) -> Vec<String> {
    // MySQL sorts an enumeration by number and shows it as text, so it cannot be walked by.
    let walkable = |column: &Column| !matches!(column.kind.as_str(), "enum" | "set");
    let fits =
        |name: &String| columns.iter().any(|column| column.name == *name && !column.nullable && walkable(column));
    let primary = indexes.iter().find(|index| index.primary && index.columns.iter().all(fits));
    let unique = || indexes.iter().find(|index| index.unique && index.columns.iter().all(fits));
    primary.or_else(unique).map(|index| index.columns.clone()).unwrap_or_default()
}

fn named(statement: Statement, schema: &str, table: &str, name: &TableName) -> Statement {
    statement
        .push(&format!(" WHERE {schema} = "))
        .bind(name.schema.clone())
        .push(&format!(" AND {table} = "))
        .bind(name.name.clone())
}

/// Selects what the table is, its estimated rows, whether row-level security hides rows from this role, and whether
/// rows have a number of their own (`SQLite`).
fn kind_sql(engine: Engine, name: &TableName) -> Statement {
    match engine {
        Engine::Postgres => named(
            Statement::text(
                engine,
                "SELECT CASE WHEN c.relkind = 'p' \
                 OR EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = c.oid) THEN 'partitioned' \
                 WHEN c.relkind = 'r' THEN 'table' END, \
                 CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END, \
                 row_security_active(c.oid)::int::bigint, 0::bigint \
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
            ),
            "n.nspname",
            "c.relname",
            name,
        )
        .push(" AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"),
        Engine::MySql => named(
            Statement::text(
                engine,
                "SELECT CASE WHEN t.TABLE_TYPE <> 'BASE TABLE' THEN 'other' \
                 WHEN e.TRANSACTIONS = 'YES' THEN 'table' ELSE 'non-transactional' END, \
                 CAST(t.TABLE_ROWS AS SIGNED), 0, 0 \
                 FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE",
            ),
            "t.TABLE_SCHEMA",
            "t.TABLE_NAME",
            name,
        ),
        Engine::Sqlite => Statement::text(
            engine,
            "SELECT type, NULL, 0, NOT wr FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' AND name = ",
        )
        .bind(name.name.clone()),
    }
}

/// Selects name, type, nullability, whether there is a default, character set and collation, of each column in order.
fn columns_sql(engine: Engine, name: &TableName) -> Statement {
    match engine {
        Engine::Postgres => named(
            Statement::text(
                engine,
                "SELECT a.attname::text, format_type(a.atttypid, -1), (NOT a.attnotnull)::int::bigint, \
                 (a.atthasdef OR a.attidentity <> '')::int::bigint, NULL::text, NULL::text \
                 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
                 JOIN pg_namespace n ON n.oid = c.relnamespace",
            ),
            "n.nspname",
            "c.relname",
            name,
        )
        .push(" AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"),
        Engine::MySql => named(
            Statement::text(
                engine,
                "SELECT COLUMN_NAME, DATA_TYPE, IF(IS_NULLABLE = 'YES', 1, 0), \
                 IF(COLUMN_DEFAULT IS NOT NULL OR EXTRA LIKE '%auto_increment%' OR EXTRA LIKE '%GENERATED%', 1, 0), \
                 CHARACTER_SET_NAME, COLLATION_NAME \
                 FROM information_schema.COLUMNS",
            ),
            "TABLE_SCHEMA",
            "TABLE_NAME",
            name,
        )
        .push(" ORDER BY ORDINAL_POSITION"),
        Engine::Sqlite => Statement::text(
            engine,
            "SELECT name, type, CASE WHEN \"notnull\" = 0 AND pk = 0 THEN 1 ELSE 0 END, \
             CASE WHEN dflt_value IS NOT NULL OR hidden > 0 OR (pk = 1 AND lower(type) = 'integer') THEN 1 ELSE 0 END, \
             NULL, NULL \
             FROM pragma_table_xinfo(",
        )
        .bind(name.name.clone())
        .push(") ORDER BY cid"),
    }
}

/// Selects index, uniqueness, whether it is the primary key, and column, of each column of each usable index in order.
fn keys_sql(engine: Engine, name: &TableName) -> Statement {
    match engine {
        Engine::Postgres => named(
            Statement::text(
                engine,
                "SELECT x.relname::text, (i.indisunique AND i.indimmediate)::int::bigint, \
                 i.indisprimary::int::bigint, coalesce(a.attname::text, '') \
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
                 JOIN pg_namespace n ON n.oid = c.relnamespace \
                 JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree' \
                 CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position) \
                 LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0",
            ),
            "n.nspname",
            "c.relname",
            name,
        )
        .push(
            " AND i.indisvalid AND i.indpred IS NULL AND k.position <= i.indnkeyatts ORDER BY i.indexrelid, k.position",
        ),
        Engine::MySql => named(
            Statement::text(
                engine,
                "SELECT INDEX_NAME, IF(NON_UNIQUE = 0 AND SUB_PART IS NULL, 1, 0), IF(INDEX_NAME = 'PRIMARY', 1, 0), \
                 COALESCE(COLUMN_NAME, '') FROM information_schema.STATISTICS",
            ),
            "TABLE_SCHEMA",
            "TABLE_NAME",
            name,
        )
        .push(" AND INDEX_TYPE = 'BTREE' ORDER BY INDEX_NAME, SEQ_IN_INDEX"),
        Engine::Sqlite => Statement::text(
            engine,
            "SELECT l.name, l.\"unique\", l.origin = 'pk', coalesce(c.name, '') FROM pragma_index_list(",
        )
        .bind(name.name.clone())
        .push(") l, pragma_index_info(l.name) c WHERE l.partial = 0 ORDER BY l.name, c.seqno"),
    }
}

/// Counts the values of a column by their type (`SQLite`).
#[must_use]
pub fn storage_classes(table: &TableName, column: &str) -> Statement {
    Statement::text(Engine::Sqlite, "SELECT typeof(")
        .name(column)
        .push("), count(*) FROM ")
        .table(table)
        .push(" GROUP BY 1")
}

/// Selects schema and name of the tables in which the rows of a parent are, itself among them where it may have some
/// (`PostgreSQL`).
#[must_use]
pub fn leaves(parent: &TableName) -> Statement {
    Statement::text(Engine::Postgres, "WITH RECURSIVE tree AS (SELECT ")
        .bind(super::quote_table(Engine::Postgres, parent))
        .push(
            "::regclass::oid AS oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.oid) \
             SELECT n.nspname::text, c.relname::text FROM tree t JOIN pg_class c ON c.oid = t.oid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind <> 'p' ORDER BY 1, 2",
        )
}

/// Selects how far the rows of a column lie in its order, from -1 to 1 in thousandths, where that is known, and the
/// blocks of the table (`PostgreSQL`).
#[must_use]
pub fn correlation(table: &TableName, column: &str) -> Statement {
    Statement::text(Engine::Postgres, "SELECT (SELECT round(s.correlation * 1000)::bigint FROM pg_stats s WHERE ")
        .push("s.schemaname = ")
        .bind(table.schema.clone())
        .push(" AND s.tablename = ")
        .bind(table.name.clone())
        .push(" AND s.attname = ")
        .bind(column)
        .push(" AND NOT s.inherited), pg_relation_size(")
        .bind(super::quote_table(Engine::Postgres, table))
        .push("::regclass) / current_setting('block_size')::bigint")
}

/// Selects the names of the tables in a schema, for suggestions.
#[must_use]
pub fn tables_sql(engine: Engine, schema: &str) -> Statement {
    match engine {
        Engine::Postgres => Statement::text(
            engine,
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND n.nspname = ",
        )
        .bind(schema)
        .push(" ORDER BY 1"),
        Engine::MySql => {
            Statement::text(engine, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ")
                .bind(schema)
                .push(" ORDER BY 1")
        }
        Engine::Sqlite => Statement::text(
            engine,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1",
        ),
    }
}
