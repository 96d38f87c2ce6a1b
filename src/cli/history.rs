//! `sweepd history`: past runs, from the ledger.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Exit, Failure, Session, output};
use crate::db::{Database, migrate};
use crate::ledger::Ledger;
use crate::report::{Report, rfc3339};
use crate::telemetry::Level;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many runs to show
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let session = Session::open(path, Level::Warn)?;
    let mut reports = Vec::new();
    let mut seen = BTreeSet::new();
    for job in session.config.jobs.iter().filter(|job| seen.insert(&job.database)) {
        let database = Database::connect(&session.sweeper(job).database).await?;
        if migrate::pending(&database).await?.is_empty() {
            reports.extend(Ledger::history(&database, args.limit).await?);
        }
        database.close().await;
    }
    reports.sort_by_key(|report| std::cmp::Reverse((report.started_at, report.run_id)));
    reports.truncate(args.limit.try_into().unwrap_or(usize::MAX));
    if args.json {
        output::json(&serde_json::json!({ "runs": reports }));
    } else {
        print(&reports);
    }
    Ok(Exit::Done)
}

fn print(reports: &[Report]) {
    if reports.is_empty() {
        return output::line("No run is recorded yet.");
    }
    let header = ["started", "trigger", "job", "deleted", "batches", "time", "rows/s", "outcome"];
    let rows = reports.iter().map(|report| {
        let mut row = vec![rfc3339(report.started_at), report.trigger.to_string()];
        row.extend(output::report_row(report));
        row
    });
    output::table(&header, &[3, 4, 5, 6], rows.collect());
    for (report, error) in reports.iter().filter_map(|report| Some((report, report.error.as_ref()?))) {
        output::line(format!("{} {}: {error}", rfc3339(report.started_at), report.job));
    }
}
