//! `sweepd pause` and `sweepd resume`: keep jobs from being run for a while, in all processes.

use std::future::pending;
use std::path::Path;

use super::{Exit, Failure, Session, output};
use crate::telemetry::Level;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The jobs [default: all that are enabled]
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
}

pub async fn run(path: Option<&Path>, args: Args, pause: bool) -> Result<Exit, Failure> {
    let session = Session::open(path, Level::Warn)?.decided(pending()).await?;
    for job in session.jobs(&args.jobs)? {
        let changed = session.sweeper(job).set_paused(&job.spec, pause).await?;
        let name = &job.spec.job;
        output::line(match (pause, changed) {
            (true, true) => format!("{name} is paused until `sweepd resume {name}`; a run of it ends after its batch"),
            (true, false) => format!("{name} was paused already"),
            (false, true) => format!("{name} is resumed"),
            (false, false) => format!("{name} was not paused"),
        });
    }
    Ok(Exit::Done)
}
