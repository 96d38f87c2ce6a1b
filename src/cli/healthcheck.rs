//! `sweepd healthcheck`: asks the daemon how it is, for containers that have no other program to ask with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Exit, Failure, output};
use crate::config::{Config, Environment};
use crate::http::ask::Place;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask at this URL, such as <http://127.0.0.1:8787> [default: where the configuration lets the daemon listen]
    #[arg(long, value_name = "URL", conflicts_with = "socket")]
    url: Option<Place>,
    /// Ask on this unix socket
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Ask whether all is well (/readyz), and not only whether the daemon is alive (/healthz)
    #[arg(long)]
    ready: bool,
    /// Wait this long for the answer
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Succeed where HTTP is off: nobody can be asked there
    #[arg(long)]
    allow_off: bool,
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let Some(place) = place(path, &args)? else {
        let off = "HTTP is off, so nobody can be asked; a key of [http] turns it on";
        if args.allow_off {
            output::line(off);
            return Ok(Exit::Done);
        }
        return Err(failed(off));
    };
    let call = if args.ready { "/readyz" } else { "/healthz" };
    let asked = format!("{place}{call}");
    match tokio::time::timeout(args.timeout, place.get(call)).await {
        Ok(Ok(status)) if status.is_success() => {
            output::line(format!("ok: {asked}"));
            Ok(Exit::Done)
        }
        Ok(Ok(status)) if args.ready && status == 503 => {
            Err(failed(format!("{asked}: something is wrong; `sweepd history`, `sweepd check` and the log say what")))
        }
        Ok(Ok(status)) => Err(failed(format!("{asked}: answered by {}", status.as_u16()))),
        Ok(Err(error)) => Err(failed(format!("{asked}: {error}"))),
        Err(_) => Err(failed(format!("{asked}: no answer within {}", humantime::format_duration(args.timeout)))),
    }
}

/// Health checks end with 0 or 1: Docker keeps the other codes for itself.
fn failed(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), exit: Exit::Failed }
}

fn place(path: Option<&Path>, args: &Args) -> Result<Option<Place>, Failure> {
    if let Some(socket) = &args.socket {
        return Ok(Some(Place::Socket(socket.clone())));
    }
    if args.url.is_some() {
        return Ok(args.url.clone());
    }
    let directory = std::env::current_dir()?;
    let place = Config::http_place(path, &Environment::from_process(), &directory);
    place.map_err(|errors| failed(errors.to_string()))
}
