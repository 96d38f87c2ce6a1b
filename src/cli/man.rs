//! `sweepd man`: the manual pages, made from the help of the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{Cli, Exit, Failure, output};

const SOURCE: &str = concat!("sweepd ", env!("CARGO_PKG_VERSION"));

const FILES: [(&str, &str); 2] = [
    ("./sweepd.toml, ./config/sweepd.toml", "The configuration; the first that exists counts."),
    ("/etc/sweepd/sweepd.toml", "The configuration where neither is there."),
];

const EXIT_STATUS: [(&str, &str); 5] = [
    ("0", "Everything was done."),
    ("1", "Something failed; standard error says what."),
    ("2", "The command line or the configuration is wrong."),
    ("3", "A run stopped early, at a limit or a signal; the rest of the rows is left for the next one."),
    ("4", "Another run of the job is active, or the job is paused."),
];

const ENVIRONMENT: [(&str, &str); 4] = [
    ("SWEEPD_CONFIG", "The configuration file, where --config does not name one."),
    ("SWEEPD_TABLE__KEY", "Any key of the configuration; two underscores stand for a dot. It wins over the file."),
    ("DATABASE_URL", "The URL of the database, where neither the file nor SWEEPD_DATABASE__URL says it."),
    ("CRON_SECRET", "The secret of HTTP, where neither the file nor SWEEPD_HTTP__SECRET says it."),
];

const SIGNALS: [(&str, &str); 2] = [
    ("SIGTERM, SIGINT", "End after the batch that is under way; a second one ends at once. Nothing is counted wrong."),
    ("SIGHUP", "Read the configuration again. A file with an error changes nothing."),
];

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write sweepd(1) and a page for each subcommand into this directory, which is created
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Prints sweepd(1), or writes all pages.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    match &args.directory {
        Some(directory) => {
            let cannot = |error| cannot_write(directory, &error);
            fs::create_dir_all(directory).and_then(|()| write_all(&command, directory)).map_err(cannot)?;
        }
        None => output::bytes(&main_page(&command)?)?,
    }
    Ok(Exit::Done)
}

fn cannot_write(directory: &Path, error: &std::io::Error) -> Failure {
    Failure { message: format!("cannot write into {}: {error}", directory.display()), exit: Exit::Failed }
}

fn write_all(command: &Command, directory: &Path) -> std::io::Result<()> {
    fs::write(directory.join("sweepd.1"), main_page(command)?)?;
    write_below(command, directory)
}

fn write_below(command: &Command, directory: &Path) -> std::io::Result<()> {
    for subcommand in command.get_subcommands() {
        Man::new(subcommand.clone()).source(SOURCE).generate_to(directory)?;
        write_below(subcommand, directory)?;
    }
    Ok(())
}

/// What the help says, and what is common to all subcommands.
fn main_page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    let mut more = Roff::new();
    section(&mut more, "FILES", &FILES);
    section(&mut more, "ENVIRONMENT", &ENVIRONMENT);
    section(&mut more, "SIGNALS", &SIGNALS);
    section(&mut more, "EXIT STATUS", &EXIT_STATUS);
    more.to_writer(&mut page)?;
    Ok(page)
}

fn section(page: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    page.control("SH", [title]);
    for (name, text) in entries {
        page.control("TP", []);
        page.text([bold(*name)]);
        page.text([roman(*text)]);
    }
}
