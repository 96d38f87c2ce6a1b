//! Whether the table of a job can be swept, and what would make that slow.

use super::{Findings, current_user};
use crate::db::{
    Database, DbError, Engine, Purpose, Table, TableKind, TableName, Trouble, children, introspect, migrate, sweep_sql,
};
use crate::sweep::Spec;
use crate::sweep::plan::{Part, Plan};

/// Looks at the table of a plan: its encoding, its walks, its index, its children, and the privileges.
pub(super) async fn table(database: &Database, spec: &Spec, plan: &Plan, findings: &mut Findings<'_>) {
    let (table, expiry) = (&plan.target.table, &plan.target.expiry);
    findings.ok(format!("{} expires by {:?}, read as {}", table.name, expiry.column, expiry.encoding));
    for part in &plan.parts {
        let of = if plan.parts.len() > 1 { format!("{}: ", part.target.table.name) } else { String::new() };
        let shown = part.shown(plan.cutoff);
        let index = shown.index.map(|index| format!(", along {index}")).unwrap_or_default();
        let rows = shown.estimated_rows.map(|rows| format!(" (about {rows} rows)")).unwrap_or_default();
        findings.ok(format!("{of}order {}{index}: {}{rows}; each batch: {}", shown.order, shown.why, shown.sql));
    }
    if plan.target.lacks_index() {
        let sql = migrate::expiry_index(database.engine(), table, &expiry.column);
        let message = format!(
            "no index begins with {:?}, so every run reads the whole table; `sweepd migrate --index` creates one, or run",
            expiry.column
        );
        findings.warning(message, Some(format!("{sql};")));
    }
    children(database, spec, table, findings).await;
    for part in &plan.parts {
        let name = &part.target.table.name;
        match may_delete(database, part).await {
            Ok(()) => {
                findings.ok(format!("this user may delete from {name}"));
                may_skip(database, plan, name, findings).await;
            }
            Err(error) if error.trouble == Trouble::Privilege => may_not_sweep(database, name, findings).await,
            Err(error) => findings.error(error.to_string(), None),
        }
    }
}

pub(super) async fn may_not_sweep(database: &Database, table: &TableName, findings: &mut Findings<'_>) {
    let user = current_user(database).await.unwrap_or_default();
    let table = database.qualify(table);
    let message = format!("this user may not read and delete rows of {table}; have its owner run");
    findings.error(message, Some(sweep_sql::grant(database.engine(), &table, &user)));
}

/// Deletes nothing: the database looks at the privilege first.
async fn may_delete(database: &Database, part: &Part) -> Result<(), DbError> {
    let mut transaction = database.begin(Purpose::Write).await?;
    transaction.execute(part.target.delete_nothing()).await?;
    transaction.rollback().await
}

/// Without this privilege the sweep comes on, but it waits for rows that the application has locked.
async fn may_skip(database: &Database, plan: &Plan, table: &TableName, findings: &mut Findings<'_>) {
    if database.engine() != Engine::Postgres {
        return;
    }
    match database.read(introspect::may_update(table)).await {
        Ok(rows) if rows.first().and_then(|row| row.int(0).ok().flatten()) == Some(0) => {
            let user = current_user(database).await.unwrap_or_default();
            let grant = sweep_sql::grant_skipping(Engine::Postgres, table, &plan.target.expiry.column, &user);
            let message = format!(
                "a row of {table} that the application has locked holds the sweep up for `lock_timeout`; to let it go on without the row, have the owner run"
            );
            findings.warning(message, Some(grant));
        }
        Ok(_) => {}
        Err(error) => findings.error(error.to_string(), None),
    }
}

/// Foreign keys make a batch bigger than it looks.
async fn children(database: &Database, spec: &Spec, table: &Table, findings: &mut Findings<'_>) {
    let children = match children::of(database, &table.name).await {
        Ok(children) => children,
        Err(error) => return findings.error(error.to_string(), None),
    };
    for child in children {
        if !child.indexed {
            let sql = migrate::index(database.engine(), &child.table, TableKind::Plain, &child.column);
            let message = format!(
                "{} refers to {} by {:?}, which no index begins with, so each deleted row reads all of it; run",
                child.table, table.name, child.column
            );
            findings.warning(message, Some(format!("{sql};")));
        }
        if child.cascades && spec.archive.is_some() {
            let message = format!("rows of {} go with those that they refer to, and are not archived", child.table);
            findings.warning(message, None);
        }
    }
}
