//! `sweepd check`: what would stop a run, and what to do about it. Changes nothing.

mod records;
mod table;

use std::future::pending;
use std::path::Path;

use serde::Serialize;

use super::{Exit, Failure, Session, output};
use crate::daemon;
use crate::db::{Database, DbError, Table, Trouble, introspect, migrate};
use crate::job::Job;
use crate::report::rfc3339;
use crate::sweep;
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
    let session = Session::open(path, Level::Error)?.decided(pending()).await?;
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
    found.extend(http(&session));
    found.extend(alerts(&session));
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

/// Whether sessions and users can be managed. Not everybody wants that, so it is no warning where they cannot.
async fn managed(session: &Session, job: &Job, table: Option<&Table>, findings: &mut Findings<'_>) {
    if !session.config.sessions_job(None).is_ok_and(|managed| managed.spec.job == job.spec.job) {
        return;
    }
    let sessions = daemon::sessions(&session.config, job, &session.clock, "cli");
    match sessions.missing_grants().await {
        Ok(grants) if grants.is_empty() => findings.ok("this user may manage sessions"),
        Ok(grants) => {
            let message = "this user may not do all that `sweepd sessions` and `sweepd users` can; where that is wanted, have the owner of the tables run";
            findings.add(Severity::Ok, message, Some(grants.join("\n")));
        }
        // What is wrong with the table was said already.
        Err(error) => findings.add(Severity::Ok, format!("sessions cannot be managed: {error}"), None),
    }
    sessions.close().await;
    let unindexed = |table: &&Table| job.spec.layout.user.as_ref().is_some_and(|user| table.index_on(user).is_none());
    if let (Some(table), Some(user)) = (table.filter(unindexed), &job.spec.layout.user) {
        let sql = migrate::index(session.config.databases[&job.database].url.engine(), &table.name, table.kind, user);
        let message = format!(
            "no index begins with {user:?}, so the sessions of a user are looked for in the whole table; where that is wanted often, run"
        );
        findings.add(Severity::Ok, message, Some(format!("{sql};")));
    }
}

/// Where the daemon would listen. What there is to warn of stands among the warnings of the configuration.
fn http(session: &Session) -> Option<Finding> {
    let settings = session.config.http.as_ref()?;
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let address = settings.listen.as_ref().map(|address| format!("at {scheme}://{address}"));
    let socket = settings.socket.as_ref().map(|socket| format!("on the socket {}", socket.display()));
    let places: Vec<_> = address.into_iter().chain(socket).collect();
    let message = format!("`sweepd run` takes calls {}", places.join(" and "));
    Some(Finding { job: "http".to_owned(), level: Severity::Ok, message, sql: None })
}

/// Who is told of what, and which runs are announced where. Nothing is sent.
fn alerts(session: &Session) -> Vec<Finding> {
    let alerts = &session.config.alerts;
    let ok = |job: &str, message| Finding { job: job.to_owned(), level: Severity::Ok, message, sql: None };
    let channels = alerts.channels.iter().map(|channel| {
        let events: Vec<_> = channel.events.iter().map(|event| event.as_str()).collect();
        let (name, address) = (&channel.name, &channel.address);
        ok("alerts", format!("{name} is told at {address} of: {}; `sweepd alert test` tries it", events.join(", ")))
    });
    let pings = alerts.pings.iter().map(|(job, address)| ok(job, format!("its runs are announced at {address}")));
    channels.chain(pings).collect()
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
        Ok(plan) => table::table(&database, &job.spec, plan, findings).await,
        Err(sweep::Error::Database(error)) if error.trouble == Trouble::Privilege => {
            table::may_not_sweep(&database, &job.spec.layout.table, findings).await;
        }
        Err(error) => findings.error(error.to_string(), None),
    }
    records::own_tables(session, &database, sweeper.migrate, findings).await;
    records::audit_log(session, &database, findings).await;
    managed(session, job, plan.as_ref().ok().map(|plan| &plan.target.table), findings).await;
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

async fn current_user(database: &Database) -> Result<String, DbError> {
    let rows = database.read(introspect::current_user(database.engine())).await?;
    database.decode(|| Ok(rows.first().map_or(Ok(None), |row| row.text(0))?.unwrap_or_default()))
}
