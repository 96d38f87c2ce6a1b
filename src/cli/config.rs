//! `sweepd config`: the effective configuration.

use std::path::Path;

use super::{Exit, Failure, load, output};
use crate::config::DEFAULT_FILE;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the commented default file instead
    #[arg(long)]
    default: bool,
}

pub fn run(path: Option<&Path>, args: &Args) -> Result<Exit, Failure> {
    let text = if args.default { DEFAULT_FILE.to_owned() } else { load(path)?.effective() };
    output::line(text.trim_end());
    Ok(Exit::Done)
}
