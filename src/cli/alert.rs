//! `sweepd alert test`: sends an alert to each channel, and says what came of it.

use std::path::Path;

use clap::Subcommand;

use super::{Exit, Failure, Session, output};
use crate::alert::courier::post;
use crate::alert::message::Message;
use crate::alert::{Channel, Event};
use crate::clock::Stopwatch;
use crate::host;
use crate::report::RunId;
use crate::telemetry::Level;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send a test alert, and say whether it was taken
    Test {
        /// The channels, as they are named in [alerts.NAME] [default: all]
        #[arg(value_name = "CHANNEL")]
        channels: Vec<String>,
    },
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let session = Session::open(path, Level::Warn)?;
    let Action::Test { channels } = args.action;
    let channels = chosen(&session, &channels)?;
    let mut exit = Exit::Done;
    for channel in channels {
        let (name, address, watch) = (&channel.name, &channel.address, Stopwatch::start());
        match test(&session, channel).await {
            Ok(()) => output::line(format!("{name}: delivered to {address} in {} ms", watch.elapsed().as_millis())),
            Err(error) => {
                exit = Exit::Failed;
                output::failure(&format!("{name}: not delivered to {address}: {error}"), false);
            }
        }
    }
    Ok(exit)
}

fn chosen<'s>(session: &'s Session, names: &[String]) -> Result<Vec<&'s Channel>, Failure> {
    let alerts = &session.config.alerts;
    if alerts.channels.is_empty() {
        return Err(Failure::usage("no alerts are configured: add a table [alerts.NAME] with a url"));
    }
    if names.is_empty() {
        return Ok(alerts.channels.iter().collect());
    }
    let find = |name: &String| {
        alerts.channel(name).ok_or_else(|| {
            let known: Vec<_> = alerts.channels.iter().map(|channel| channel.name.as_str()).collect();
            Failure::usage(format!("there is no channel {name:?}; the configuration has {}", known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

async fn test(session: &Session, channel: &Channel) -> Result<(), crate::webhook::Refusal> {
    let (now, host) = (session.clock.now(), host::name());
    let sentence = format!("this is a test from {host}; alerts to {} arrive", channel.name);
    let body = Message::plain(Event::Test, &sentence, now, &host).to_json();
    post(channel, RunId::new(now), &body, now).await
}
