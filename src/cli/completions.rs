//! `sweepd completions`: what a shell needs to complete the command line.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::{Cli, Exit, Failure, output};

/// What to print.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "sweepd", &mut script);
    output::bytes(&script)?;
    Ok(Exit::Done)
}
