//! Whether runs can be recorded: sweepd's own tables, and the application's `AuditLog`.

use super::super::Session;
use super::{Findings, current_user};
use crate::audit::AuditLog;
use crate::db::{Database, DbError, Trouble, audit_sql, introspect, ledger_sql, migrate};
use crate::ledger::{Ledger, Queued};

pub(super) async fn own_tables(session: &Session, database: &Database, auto: bool, findings: &mut Findings<'_>) {
    let usable = match migrate::pending(database).await {
        Ok([]) => Ledger::rehearse(database).await,
        Ok(scripts) => return missing_tables(database, scripts, auto, findings).await,
        Err(error) => Err(error),
    };
    match usable {
        Ok(()) => {
            findings.ok("sweepd's own tables are there");
            may_forget(database, findings).await;
            if !session.config.alerts.channels.is_empty() {
                may_tell(session, database, findings).await;
            }
        }
        Err(error) if error.trouble == Trouble::Privilege => {
            let user = current_user(database).await.unwrap_or_default();
            let message = "this user may not use sweepd's own tables; have their owner (who creates them with `sweepd migrate`, where they are missing) run";
            findings.error(message, Some(ledger_sql::grants(database.engine(), database.schema(), &user)));
        }
        Err(error) => findings.error(format!("sweepd's own tables: {error}"), None),
    }
}

/// Without this privilege, nobody is told what goes wrong.
async fn may_tell(session: &Session, database: &Database, findings: &mut Findings<'_>) {
    match Ledger::rehearse_telling(database).await {
        Ok(()) => waiting(session, database, findings).await,
        Err(error) if error.trouble == Trouble::Privilege => {
            let user = current_user(database).await.unwrap_or_default();
            let message = "this user may not keep alerts, so none would be sent; have the owner of sweepd's tables run";
            findings.error(message, Some(ledger_sql::grants(database.engine(), database.schema(), &user)));
        }
        Err(error) => findings.error(format!("sweepd's own tables: {error}"), None),
    }
}

async fn waiting(session: &Session, database: &Database, findings: &mut Findings<'_>) {
    match Queued::waiting(database).await {
        Ok(waiting) => {
            for (channel, count) in waiting {
                let gone = session.config.alerts.channel(&channel).is_none();
                let why = if gone { ", and never will be: there is no such channel any more" } else { "" };
                findings.warning(format!("{count} alerts to {channel} are not delivered yet{why}"), None);
            }
        }
        Err(error) => findings.error(format!("alerts: {error}"), None),
    }
}

/// Without this privilege, the ledger only grows.
async fn may_forget(database: &Database, findings: &mut Findings<'_>) {
    match Ledger::rehearse_forgetting(database).await {
        Ok(()) => {}
        Err(error) if error.trouble == Trouble::Privilege => {
            let user = current_user(database).await.unwrap_or_default();
            let message = "this user may not delete runs that are older than `daemon.history` from the ledger; have its owner run";
            findings.warning(message, Some(ledger_sql::grants(database.engine(), database.schema(), &user)));
        }
        Err(error) => findings.error(format!("sweepd's own tables: {error}"), None),
    }
}

async fn missing_tables(database: &Database, scripts: &[&str], auto: bool, findings: &mut Findings<'_>) {
    let why = match may_create(database).await {
        Err(error) => return findings.error(error.to_string(), None),
        Ok(true) if auto => {
            let message = "sweepd's own tables are missing; the first run creates them (`sweepd migrate` does it now, with `--dry-run` it prints the SQL)";
            return findings.warning(message, None);
        }
        Ok(_) if !auto => "`migrate = \"never\"` keeps a run from creating them",
        Ok(_) => "this user may not create them",
    };
    let sql = scripts.join("\n").trim_end().to_owned();
    findings.error(format!("sweepd's own tables are missing, and {why}; have somebody who may run"), Some(sql));
}

async fn may_create(database: &Database) -> Result<bool, DbError> {
    let rows = database.read(introspect::may_create(database.engine())).await?;
    database.decode(|| Ok(rows.first().map_or(Ok(None), |row| row.int(0))? == Some(1)))
}

pub(super) async fn audit_log(session: &Session, database: &Database, findings: &mut Findings<'_>) {
    let log = match AuditLog::find(database, &session.config.audit).await {
        Ok(None) => return findings.ok("audit rows are turned off"),
        Ok(Some(Ok(log))) => log,
        Ok(Some(Err(unavailable))) => {
            let sql = unavailable.sql().map(|sql| sql.trim_end().to_owned());
            return findings.warning(unavailable.to_string(), sql);
        }
        Err(error) => return findings.error(format!("audit rows: {error}"), None),
    };
    match log.rehearse(database, session.clock.now()).await {
        Ok(()) => findings.ok(format!("audit rows can be written to {}", log.table())),
        Err(error) if error.trouble == Trouble::Privilege => {
            let user = current_user(database).await.unwrap_or_default();
            let message = format!("this user may not write audit rows to {}; have its owner run", log.table());
            findings.warning(message, Some(audit_sql::grant(database.engine(), log.table(), &user)));
        }
        Err(error) => findings.warning(format!("no audit row can be written: {error}"), None),
    }
}
