//! `sweepd run`: the daemon.

use std::path::Path;
use std::time::Duration;

use super::{Exit, Failure, Session, usable};
use crate::config::{Environment, Source};
use crate::daemon;
use crate::lifecycle::{Drained, Lifecycle};

/// The daemon goes on looking by itself, and has to be ready soon.
const PATIENCE: Duration = Duration::from_secs(3);

pub async fn run(path: Option<&Path>) -> Result<Exit, Failure> {
    // Before anything that can take time: process 1 of a container has no other way to be stopped.
    let lifecycle = Lifecycle::install()?;
    let directory = std::env::current_dir()?;
    serve(Source::new(path, Environment::from_process(), &directory), lifecycle).await
}

/// Runs the daemon on a configuration, and returns when it was stopped.
pub async fn serve(mut source: Source, lifecycle: Lifecycle) -> Result<Exit, Failure> {
    let session = Session::start(usable(source.load())?, None)?;
    let Session { config, clock, log } = session.decided(tokio::time::sleep(PATIENCE)).await?;
    Ok(match daemon::run(config, source, &log, lifecycle, clock).await? {
        Drained::Clean => Exit::Done,
        Drained::TimedOut | Drained::Forced => Exit::Failed,
    })
}
