//! `sweepd init`: looks into the database for session stores, and writes a configuration with a job for each.

mod file;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Exit, Failure, output};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::daemon;
use crate::db::Database;
use crate::detect;
use crate::telemetry::metrics::Metrics;
use file::{Origin, Written};

const OUTPUT: &str = "sweepd.toml";
/// The variables that name the database, the strongest first.
const VARIABLES: [&str; 3] = ["SWEEPD_DATABASE__URL", "SWEEPD_DATABASE__URL_FILE", "DATABASE_URL"];

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database's URL; it goes into the file, password and all [default: that in the environment, which does not]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where to write the configuration [default: --config, else ./sweepd.toml]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file, if it is there
    #[arg(long)]
    force: bool,
    /// Print the configuration, and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub async fn run(config: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let path = args.output.as_deref().or(config).unwrap_or_else(|| Path::new(OUTPUT));
    if !args.dry_run && !args.force && path.exists() {
        return Err(Failure::usage(format!(
            "{} is there already; --force replaces it, --output writes another file, --dry-run only prints",
            path.display()
        )));
    }
    let (environment, origin) = surroundings(args.url.as_deref())?;
    let written = look(&environment, &origin).await?;
    // What cannot be loaded must not be written.
    Config::from_text(path, &written.text, &environment).map_err(|errors| Failure {
        message: format!("what was found makes no configuration: {errors}"),
        exit: Exit::Failed,
    })?;
    if args.dry_run {
        output::line(written.text.trim_end());
        return Ok(Exit::Done);
    }
    write(path, &written.text, args.force).map_err(|error| Failure {
        message: format!(
            "cannot write {}: {error}; --output writes it elsewhere, --dry-run only prints",
            path.display()
        ),
        exit: Exit::Failed,
    })?;
    report(path, &written);
    Ok(Exit::Done)
}

/// No configuration file is read: one is written. So the URL is from the command line or the environment.
fn surroundings(url: Option<&str>) -> Result<(Environment, Origin), Failure> {
    if let Some(url) = url {
        return Ok(([("DATABASE_URL", url)].into_iter().collect(), Origin::Given(url.to_owned())));
    }
    let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    match VARIABLES.iter().find(|name| set(name)) {
        Some(name) => Ok((Environment::from_process(), Origin::Variable(name))),
        None => Err(Failure::usage("which database? set DATABASE_URL in the environment, or give --url")),
    }
}

async fn look(environment: &Environment, origin: &Origin) -> Result<Written, Failure> {
    let config = Config::from_text(Path::new("the environment"), "", environment)
        .map_err(|errors| Failure::usage(errors.to_string()))?;
    let Some(job) = config.jobs.first() else { return Err(Failure::usage("the environment leaves no job")) };
    let database =
        Database::connect(&daemon::sweeper(&config, job, &Clock::system(), &Metrics::default()).database).await?;
    let found = detect::stores(&database).await;
    let location = database.location().to_owned();
    let own = database.schema().to_owned();
    database.close().await;
    let found = found?;
    if found.is_empty() {
        return Err(Failure {
            message: format!(
                "no session store that sweepd knows was found in {location}, so there is nothing to write; `sweepd presets` lists those that it knows, and `sweepd config --default` shows how a table of your own is spelled out"
            ),
            exit: Exit::Failed,
        });
    }
    Ok(file::write(&found, &own, &location, origin))
}

/// With a URL in it, it is nobody else's business. One that was there is replaced in one step, and its mode with it.
fn write(path: &Path, text: &str, force: bool) -> std::io::Result<()> {
    if !force {
        return create(path, text);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    create(&new, text)?;
    std::fs::rename(&new, path).inspect_err(|_| drop(std::fs::remove_file(&new)))
}

fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn report(path: &Path, written: &Written) {
    let rows = written.jobs.iter().map(|job| {
        vec![job.table.clone(), job.store.to_owned(), job.sure.to_owned(), job.name.clone(), job.state().to_owned()]
    });
    output::table(&["table", "store", "sure", "job", ""], &[], rows.collect());
    output::line(format!("Wrote {}.", path.display()));
    if written.jobs.iter().any(|job| !job.enabled) {
        output::line("Jobs that are not enabled need a word from you first: the comments say which.");
    }
    output::line("Next: `sweepd check`, then `sweepd clean --dry-run`.");
}
