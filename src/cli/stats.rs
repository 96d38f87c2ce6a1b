//! `sweepd stats`: counts.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{Exit, Failure, Session, output};
use crate::report::rfc3339;
use crate::sweep::stats::Stats;
use crate::telemetry::Level;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The jobs to look at [default: all that are enabled]
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let session = Session::open(path, Level::Warn)?;
    let mut found = Vec::new();
    for job in session.jobs(&args.jobs)? {
        found.push(session.sweeper(job).stats(&job.spec).await?);
    }
    if args.json {
        output::json(&serde_json::json!({ "jobs": found }));
    } else {
        print(&found);
    }
    Ok(Exit::Done)
}

/// Prints statistics as a table.
pub fn print(statistics: &[Stats]) {
    let header = ["job", "total", "active", "expired", "oldest expiry", "newest expiry"];
    let rows = statistics.iter().map(|stats| {
        vec![
            stats.job.clone(),
            stats.total.to_string(),
            stats.active.to_string(),
            stats.expired.to_string(),
            instant(stats.oldest_expiry),
            instant(stats.newest_expiry),
        ]
    });
    output::table(&header, &[1, 2, 3], rows.collect());
}

fn instant(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), rfc3339)
}
