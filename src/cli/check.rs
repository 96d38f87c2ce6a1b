//! `sweepd check`: what would stop a run, and what to do about it. Changes nothing.

use std::path::Path;

use serde::Serialize;

use super::{Exit, Failure, Session, output};
use crate::audit::AuditLog;
use crate::db::{
    Database, DbError, Purpose, TableName, Trouble, audit_sql, introspect, ledger_sql, migrate, sweep_sql,
};
use crate::job::Job;
use crate::ledger::Ledger;
use crate::report::rfc3339;
use crate::sweep;
use crate::sweep::plan::{Part, Plan};
use crate::telemetry::{self, Level};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Ok,
    Warning,
    Error,
}

#[derive(Debug, Serialize)]
struct Finding {
    job: String,
    level: Severity,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<String>,
}

/// Collects the findings about one job.
struct Findings<'a> {
    job: &'a str,
    list: Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, level: Severity, message: impl Into<String>, sql: Option<String>) {
        self.list.push(Finding { job: self.job.to_owned(), level, message: message.into(), sql });
    }

    fn ok(&mut self, message: impl Into<String>) {
        self.add(Severity::Ok, message, None);
    }

    fn warning(&mut self, message: impl Into<String>, sql: Option<String>) {
        self.add(Severity::Warning, message, sql);
    }

    fn error(&mut self, message: impl Into<String>, sql: Option<String>) {
        self.add(Severity::Error, message, sql);
    }
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let session = Session::open(path, Level::Error)?;
    let mut found = Vec::new();
    for job in &session.config.jobs {
        let mut findings = Findings { job: &job.spec.job, list: Vec::new() };
        if job.enabled {
            check(&session, job, &mut findings).await;
        } else {
            findings.ok("the job is not enabled");
        }
        found.extend(findings.list);
    }
    found.extend(log_directory(&session));
    let good = found.iter().all(|finding| finding.level != Severity::Error);
    if args.json {
        let warnings = &session.config.warnings;
        output::json(&serde_json::json!({ "success": good, "findings": found, "warnings": warnings }));
    } else {
        print(&session, &found);
    }
    Ok(if good { Exit::Done } else { Exit::Failed })
}

/// The daemon does not start where it cannot write its log.
fn log_directory(session: &Session) -> Option<Finding> {
    let error = telemetry::rehearse(&session.config.log).err()?;
    Some(Finding { job: "log".to_owned(), level: Severity::Error, message: error.to_string(), sql: None })
}

fn print(session: &Session, found: &[Finding]) {
    let file = session.config.file.as_ref().map_or("built-in defaults".to_owned(), |path| path.display().to_string());
    output::line(format!("configuration: {file}"));
    for warning in &session.config.warnings {
        output::line(format!("warning  {warning}"));
    }
    for finding in found {
        let level = match finding.level {
            Severity::Ok => "ok     ",
            Severity::Warning => "warning",
            Severity::Error => "ERROR  ",
        };
        output::line(format!("{level}  {}: {}", finding.job, finding.message));
        for sql in finding.sql.iter().flat_map(|sql| sql.lines()) {
            output::line(format!("           {sql}"));
        }
    }
}

async fn check(session: &Session, job: &Job, findings: &mut Findings<'_>) {
    schedule(session, job, findings);
    let sweeper = session.sweeper(job);
    let database = match Database::connect(&sweeper.database).await {
        Ok(database) => database,
        Err(error) => return findings.error(error.to_string(), None),
    };
    let version = &database.version().text;
    findings.ok(format!("{} answers (version {version})", database.location()));
    let plan = sweeper.plan(&database, &job.spec).await;
    match &plan {
        Ok(plan) => table(&database, plan, findings).await,
        Err(sweep::Error::Database(error)) if error.trouble == Trouble::Privilege => {
            may_not_sweep(&database, &job.spec.layout.table, findings).await;
        }
        Err(error) => findings.error(error.to_string(), None),
    }
    own_tables(&database, sweeper.migrate, findings).await;
    audit_log(session, &database, findings).await;
    database.close().await;
}

fn schedule(session: &Session, job: &Job, findings: &mut Findings<'_>) {
    let now = session.clock.now();
    let next = std::iter::successors(job.schedule.next_after(now), |at| job.schedule.next_after(*at));
    let next: Vec<_> = next.take(3).map(rfc3339).collect();
    let words = job.schedule.describe();
    match next.as_slice() {
        [] => findings.ok(format!("runs {words}")),
        next => findings.ok(format!("runs {words}, next at {}", next.join(", "))),
    }
}

async fn table(database: &Database, plan: &Plan, findings: &mut Findings<'_>) {
    let (table, expiry) = (&plan.target.table, &plan.target.expiry);
    findings.ok(format!("{} expires by {:?}, read as {}", table.name, expiry.column, expiry.encoding));
    for part in &plan.parts {
        let of = if plan.parts.len() > 1 { format!("{}: ", part.target.table.name) } else { String::new() };
        findings.ok(format!("{of}order {}: {}", part.order(), part.why));
    }
    if plan.target.lacks_index() {
        let sql = migrate::expiry_index(database.engine(), table, &expiry.column);
        let message = format!(
            "no index begins with {:?}, so every run reads the whole table; `sweepd migrate --index` creates one, or run",
            expiry.column
        );
        findings.warning(message, Some(format!("{sql};")));
    }
    for part in &plan.parts {
        let name = &part.target.table.name;
        match may_delete(database, part).await {
            Ok(()) => findings.ok(format!("this user may delete from {name}")),
            Err(error) if error.trouble == Trouble::Privilege => may_not_sweep(database, name, findings).await,
            Err(error) => findings.error(error.to_string(), None),
        }
    }
}

async fn may_not_sweep(database: &Database, table: &TableName, findings: &mut Findings<'_>) {
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

async fn current_user(database: &Database) -> Result<String, DbError> {
    let rows = database.read(introspect::current_user(database.engine())).await?;
    database.decode(|| Ok(rows.first().map_or(Ok(None), |row| row.text(0))?.unwrap_or_default()))
}

async fn own_tables(database: &Database, auto: bool, findings: &mut Findings<'_>) {
    let usable = match migrate::pending(database).await {
        Ok([]) => Ledger::rehearse(database).await,
        Ok(scripts) => return missing_tables(database, scripts, auto, findings).await,
        Err(error) => Err(error),
    };
    match usable {
        Ok(()) => findings.ok("sweepd's own tables are there"),
        Err(error) if error.trouble == Trouble::Privilege => {
            let user = current_user(database).await.unwrap_or_default();
            let message = "this user may not use sweepd's own tables; have their owner (who creates them with `sweepd migrate`, where they are missing) run";
            findings.error(message, Some(ledger_sql::grants(database.engine(), database.schema(), &user)));
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

async fn audit_log(session: &Session, database: &Database, findings: &mut Findings<'_>) {
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
