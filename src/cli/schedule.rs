//! `sweepd schedule`: what a schedule means, and when it fires next.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Exit, Failure, output};
use crate::clock::Clock;
use crate::schedule::Schedule;
use crate::zone::Zone;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The schedule, in words ("daily at 02:00") or as a cron line ("0 2 * * *")
    #[arg(value_name = "EXPR")]
    expression: String,
    /// The time zone, as an IANA name
    #[arg(long, short = 'z', value_name = "TZ", default_value = "UTC")]
    timezone: String,
    /// Begin after this instant [default: now]
    #[arg(long, value_name = "RFC3339")]
    from: Option<DateTime<Utc>>,
    /// How many instants to show
    #[arg(long, short = 'n', value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &Args) -> Result<Exit, Failure> {
    let usage = |error: &dyn std::error::Error| Failure::usage(error.to_string());
    let zone = Zone::parse(&args.timezone).map_err(|error| usage(&error))?;
    let schedule = Schedule::parse(&args.expression, zone).map_err(|error| usage(&error))?;
    let from = args.from.unwrap_or_else(|| Clock::system().now());
    let next: Vec<_> = std::iter::successors(schedule.next_after(from), |at| schedule.next_after(*at))
        .take(args.count.into())
        .collect();
    if args.json {
        output::json(&serde_json::json!({
            "canonical": schedule.canonical(),
            "description": schedule.describe(),
            "timezone": schedule.zone().name(),
            "next": next.iter().map(|at| utc(*at)).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Done);
    }
    output::line(format!("{}: {}", schedule.canonical(), schedule.describe()));
    for at in next {
        output::line(format!("  {}  {}", schedule.zone().local(at).format("%a %Y-%m-%d %H:%M:%S %:z"), utc(at)));
    }
    Ok(Exit::Done)
}

fn utc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
