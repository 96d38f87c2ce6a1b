//! `sweepd stats`: counts.

use std::future::pending;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::{Exit, Failure, Session, output};
use crate::job::Job;
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
    let session = Session::open(path, Level::Warn)?.decided(pending()).await?;
    let (found, problems) = collect(&session, &session.jobs(&args.jobs)?).await;
    if args.json {
        let mut json = serde_json::json!({ "jobs": found });
        if let Some(error) = output::joined(&problems) {
            json["success"] = false.into();
            json["error"] = error.into();
        }
        output::json(&json);
    } else {
        print(&found);
        output::failures(&problems);
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The statistics of jobs; and of those without, why.
pub async fn collect(session: &Session, jobs: &[&Job]) -> (Vec<Stats>, Vec<String>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for job in jobs {
        match session.sweeper(job).stats(&job.spec).await {
            Ok(stats) => found.push(stats),
            Err(error) => problems.push(format!("{}: {error}", job.spec.job)),
        }
    }
    (found, problems)
}

/// Prints statistics as a table.
pub fn print(statistics: &[Stats]) {
    if statistics.is_empty() {
        return;
    }
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
