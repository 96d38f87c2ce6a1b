//! `sweepd migrate`: creates what is missing.

use std::collections::BTreeSet;
use std::future::pending;
use std::path::Path;

use super::{Exit, Failure, Session, output};
use crate::audit::{AuditLog, Unavailable};
use crate::db::{Database, migrate};
use crate::job::Job;
use crate::sweep::guard;
use crate::telemetry::Level;

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Args {
    /// Also create the AuditLog table, if there is none
    #[arg(long)]
    audit_log: bool,
    /// Also create an index on the expiry of each job, where there is none
    #[arg(long)]
    index: bool,
    /// Print the SQL, and run nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let session = Session::open(path, Level::Warn)?;
    let session = if args.index { session.decided(pending()).await? } else { session };
    let mut own = BTreeSet::new();
    let mut done = false;
    for job in session.jobs(&[])? {
        let database = Database::connect(&session.sweeper(job).database).await?;
        if own.insert(&job.database) {
            done |= own_tables(&database, args).await?;
            done |= args.audit_log && audit_log(&session, &database, args).await?;
        }
        done |= args.index && index(&database, job, args).await?;
        database.close().await;
    }
    if !done {
        output::line("Nothing is missing.");
    }
    Ok(Exit::Done)
}

async fn own_tables(database: &Database, args: Args) -> Result<bool, Failure> {
    let scripts = migrate::pending(database).await?;
    if args.dry_run {
        for script in scripts {
            output::line(script.trim_end());
        }
    } else if !scripts.is_empty() {
        migrate::run(database).await?;
        output::line(format!("{}: created sweepd's own tables", database.location()));
    }
    Ok(!scripts.is_empty())
}

async fn audit_log(session: &Session, database: &Database, args: Args) -> Result<bool, Failure> {
    let found = AuditLog::find(database, &session.config.audit).await?;
    let Some(Err(Unavailable::NoTable { table, create })) = found else { return Ok(false) };
    apply(database, &create, &format!("created {table}"), args).await?;
    Ok(true)
}

async fn index(database: &Database, job: &Job, args: Args) -> Result<bool, Failure> {
    let target = guard::target(database, &job.spec).await?;
    if !target.lacks_index() {
        return Ok(false);
    }
    let sql = migrate::expiry_index(database.engine(), &target.table, &target.expiry.column);
    let what = format!("created an index on {:?} of {}", target.expiry.column, target.table.name);
    apply(database, &sql, &what, args).await?;
    Ok(true)
}

async fn apply(database: &Database, sql: &str, what: &str, args: Args) -> Result<(), Failure> {
    if args.dry_run {
        let sql = sql.trim_end().trim_end_matches(';');
        output::line(format!("{sql};"));
    } else {
        database.script(sql).await?;
        output::line(format!("{}: {what}", database.location()));
    }
    Ok(())
}
