//! Tables whose foreign keys refer to another: what a DELETE there takes along, or has to look through.

use super::{Database, DbError, Engine, Row, Statement, TableName};

/// A column that refers to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The table with the column.
    pub table: TableName,
    /// The first column of the foreign key.
    pub column: String,
    /// Whether its rows are deleted with those that they refer to.
    pub cascades: bool,
    /// Whether an index begins with the column: without one, each deleted row reads the whole child.
    pub indexed: bool,
}

/// The children of a table.
///
/// # Errors
/// Those of the database.
pub async fn of(database: &Database, table: &TableName) -> Result<Vec<Child>, DbError> {
    let rows = database.read(sql(database.engine(), table)).await?;
    database.decode(|| {
        let child = |row: &Row| {
            Ok(Child {
                table: TableName { schema: row.text(0)?, name: row.text(1)?.unwrap_or_default() },
                column: row.text(2)?.unwrap_or_default(),
                cascades: row.int(3)? == Some(1),
                indexed: row.int(4)? == Some(1),
            })
        };
        rows.iter().map(child).collect()
    })
}

/// Selects schema, table, first column, whether it cascades, and whether it is indexed, of each foreign key.
#[must_use]
pub fn sql(engine: Engine, table: &TableName) -> Statement {
    match engine {
        Engine::Postgres => Statement::text(
            engine,
            "SELECT n.nspname::text, c.relname::text, a.attname::text, (f.confdeltype = 'c')::int::bigint, \
             EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indkey[0] = f.conkey[1])::int::bigint \
             FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = f.conkey[1] \
             WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confrelid = ",
        )
        .bind(super::quote_table(engine, table))
        .push("::regclass ORDER BY 1, 2, 3"),
        // InnoDB has an index for every foreign key.
        Engine::MySql => Statement::text(
            engine,
            "SELECT k.TABLE_SCHEMA, k.TABLE_NAME, k.COLUMN_NAME, IF(r.DELETE_RULE = 'CASCADE', 1, 0), 1 \
             FROM information_schema.KEY_COLUMN_USAGE k JOIN information_schema.REFERENTIAL_CONSTRAINTS r \
             ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME \
             AND r.TABLE_NAME = k.TABLE_NAME \
             WHERE k.ORDINAL_POSITION = 1 AND k.REFERENCED_TABLE_SCHEMA = ",
        )
        .bind(table.schema.clone())
        .push(" AND k.REFERENCED_TABLE_NAME = ")
        .bind(table.name.clone())
        .push(" ORDER BY 1, 2, 3"),
        Engine::Sqlite => Statement::text(
            engine,
            "SELECT 'main', m.name, f.\"from\", f.on_delete = 'CASCADE', \
             EXISTS (SELECT 1 FROM pragma_index_list(m.name) l, pragma_index_info(l.name) x \
             WHERE x.seqno = 0 AND x.name = f.\"from\") \
             FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
             WHERE m.type = 'table' AND f.seq = 0 AND lower(f.\"table\") = lower(",
        )
        .bind(table.name.clone())
        .push(") ORDER BY 1, 2, 3"),
    }
}
