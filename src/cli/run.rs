//! `sweepd run`: the daemon.

use std::path::Path;

use super::{Exit, Failure, Session, load};
use crate::config::Config;
use crate::daemon;
use crate::lifecycle::{Drained, Lifecycle};

pub async fn run(path: Option<&Path>) -> Result<Exit, Failure> {
    // Before anything that can take time: process 1 of a container has no other way to be stopped.
    let lifecycle = Lifecycle::install()?;
    serve(load(path)?, lifecycle).await
}

/// Runs the daemon on a configuration, and returns when it was stopped.
pub async fn serve(config: Config, lifecycle: Lifecycle) -> Result<Exit, Failure> {
    let session = Session::start(config, None)?;
    Ok(match daemon::run(&session.config, lifecycle, session.clock.clone()).await? {
        Drained::Clean => Exit::Done,
        Drained::TimedOut | Drained::Forced => Exit::Failed,
    })
}
