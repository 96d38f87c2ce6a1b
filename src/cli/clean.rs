//! `sweepd clean`: runs jobs once.

use std::future::pending;
use std::path::Path;

use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, Session, load, output, progress, stats};
use crate::alert::once;
use crate::job::Job;
use crate::lifecycle::Lifecycle;
use crate::report::{Outcome, Report, Trigger, rfc3339};
use crate::sweep::stats::{DryRun, Stats};
use crate::sweep::{Answer, Progress, Request};
use crate::telemetry::Level;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Args {
    /// The jobs to run [default: all that are enabled]
    #[arg(value_name = "JOB")]
    jobs: Vec<String>,
    /// Say what would be deleted, and delete nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Log what happens; twice for each batch
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Print nothing when all went well, for cron, which mails what is printed
    #[arg(long, short, conflicts_with_all = ["dry_run", "verbose", "stats", "json"])]
    quiet: bool,
    /// Leave paused jobs alone, as the daemon does
    #[arg(long)]
    heed_pause: bool,
    /// Show statistics before and after
    #[arg(long)]
    stats: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `clean --json` prints: `R` is a report, or what a dry run found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a, R, S> {
    success: bool,
    deleted_count: u64,
    dry_run: bool,
    runs: &'a [R],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<S>,
}

#[derive(Debug, Serialize)]
struct BeforeAndAfter {
    before: Vec<Stats>,
    after: Vec<Stats>,
}

/// What came of the jobs.
#[derive(Debug, Default)]
struct Results {
    reports: Vec<Report>,
    /// Why others were not run, or not as they should.
    problems: Vec<String>,
    /// Whether a run of a job was active elsewhere, or a pause held one up.
    held_up: bool,
    /// Jobs that a stop kept from running.
    left: Vec<String>,
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let console = match args.verbose {
        0 if args.quiet => Level::Error,
        0 => Level::Warn,
        1 => Level::Info,
        _ => Level::Debug,
    };
    if args.dry_run {
        // Who only looks leaves no log file that belongs to somebody else than the daemon.
        let session = Session::open(path, console)?.decided(pending()).await?;
        let jobs = session.jobs(&args.jobs)?;
        return Ok(if nothing_to_do(&jobs, &args) { Exit::Done } else { dry_run(&session, &jobs, &args).await });
    }
    let session = Session::start(load(path)?, Some(console))?;
    let mut lifecycle = Lifecycle::install()?;
    let stop = lifecycle.stop.clone();
    lifecycle
        .supervise(clean(session, &args, &stop))
        .await
        .ok_or_else(|| Failure { message: "stopped at once by a second signal".to_owned(), exit: Exit::Failed })?
}

/// Programs get an empty list instead.
fn nothing_to_do(jobs: &[&Job], args: &Args) -> bool {
    let nothing = jobs.is_empty() && !args.json;
    if nothing && !args.quiet {
        output::line("No job is enabled.");
    }
    nothing
}

async fn dry_run(session: &Session, jobs: &[&Job], args: &Args) -> Exit {
    let (statistics, mut problems) =
        if args.stats { stats::collect(session, jobs).await } else { (Vec::new(), Vec::new()) };
    let mut found = Vec::new();
    for job in jobs {
        match session.sweeper(job).dry_run(&job.spec).await {
            Ok(plan) => found.push(plan),
            Err(error) => problems.push(format!("{}: {error}", job.spec.job)),
        }
    }
    problems.dedup();
    if args.json {
        output::json(&Summary {
            success: problems.is_empty(),
            deleted_count: 0,
            dry_run: true,
            runs: &found,
            error: output::joined(&problems),
            stats: args.stats.then_some(statistics),
        });
    } else {
        stats::print(&statistics);
        found.iter().for_each(print_dry_run);
        output::failures(&problems);
        output::line("Nothing was deleted: this is a dry run.");
    }
    if problems.is_empty() { Exit::Done } else { Exit::Failed }
}

fn print_dry_run(found: &DryRun) {
    let plan = &found.plan;
    let rows = output::rows(found.expired);
    let means = match &plan.lifetime {
        None => "the end".to_owned(),
        Some(lifetime) => format!("the last use, expired {lifetime} later"),
    };
    output::line(format!("{}: {rows} of {} would be deleted", found.job, plan.table));
    output::line(format!("  expired  at or before {}", rfc3339(found.cutoff)));
    output::line(format!("  column   {} ({}): {means}", plan.column, plan.encoding));
    if let Some(estimated) = plan.estimated_rows {
        output::line(format!("  estimate {} by the database's statistics", output::rows(estimated)));
    }
    for walk in &plan.walks {
        if plan.walks.len() > 1 {
            output::line(format!("  table    {}", walk.table));
        }
        let index = walk.index.as_ref().map(|index| format!(", along {index}")).unwrap_or_default();
        output::line(format!("  order    {}{index}: {}", walk.order, walk.why));
        output::line(format!("  batch    {}", walk.sql));
    }
    for table in &found.all_expired {
        output::line(format!(
            "  note     all rows of {table} have expired: to DETACH the partition and DROP it takes no time"
        ));
    }
}

async fn clean(session: Session, args: &Args, stop: &CancellationToken) -> Result<Exit, Failure> {
    let session = &session.decided(stop.cancelled()).await?;
    let jobs = &session.jobs(&args.jobs)?;
    if nothing_to_do(jobs, args) {
        return Ok(Exit::Done);
    }
    let assignments = || jobs.iter().map(|job| session.assignment(job)).collect();
    once::begin(&session.config.alerts, assignments(), &session.clock).await;
    let before = statistics(session, jobs, args).await;
    let mut results = Results::default();
    for job in jobs {
        if stop.is_cancelled() {
            results.left.push(job.spec.job.clone());
        } else {
            let answer = sweep(session, job, args, stop).await;
            results.add(&job.spec.job, answer);
        }
    }
    let after = statistics(session, jobs, args).await;
    let stats = args.stats.then_some(BeforeAndAfter { before, after });
    if args.json {
        results.print_json(stats);
    } else if !args.quiet || results.exit() != Exit::Done {
        results.print(stats.as_ref());
    }
    once::tell(&session.config.alerts, &results.reports, assignments(), &session.clock, stop).await;
    Ok(results.exit())
}

/// What is wrong with a job, its run says too.
async fn statistics(session: &Session, jobs: &[&Job], args: &Args) -> Vec<Stats> {
    if args.stats { stats::collect(session, jobs).await.0 } else { Vec::new() }
}

async fn sweep(session: &Session, job: &Job, args: &Args, stop: &CancellationToken) -> Answer {
    let sweeper = session.sweeper(job);
    let (sender, receiver) = watch::channel(Progress::default());
    let request = Request::new(Trigger::Manual, session.clock.now());
    let request = Request { heeds_pause: args.heed_pause, ..request };
    let run = sweeper.run(&job.spec, request, stop, &sender);
    let run = once::announced(&session.config.alerts, &job.spec.job, request, receiver.clone(), run);
    if args.json || args.quiet {
        run.await
    } else {
        progress::show(&job.spec.job, run, receiver, args.verbose > 0).await
    }
}

impl Results {
    fn add(&mut self, job: &str, answer: Answer) {
        match answer {
            Answer::Ran(report) | Answer::Unfinished(report) | Answer::Unclaimed(report) => {
                let interrupted = report.outcome == Some(Outcome::Interrupted);
                let taken_over = interrupted.then(|| "another process took over this run".to_owned());
                self.problems.extend(report.error.clone().or(taken_over).map(|error| format!("{job}: {error}")));
                self.reports.push(report);
            }
            // With --heed-pause only: a person's request goes before a pause.
            Answer::Paused(pause) => {
                self.held_up = true;
                self.problems.push(format!("{job} was not run: it is {pause}"));
            }
            Answer::Active(run) | Answer::Answered(run) => {
                self.held_up = true;
                self.problems.push(format!("{job} was not run: its run {run} is active; `sweepd history` shows it"));
            }
        }
    }

    fn print_json(&self, stats: Option<BeforeAndAfter>) {
        output::json(&Summary {
            success: self.problems.is_empty() && self.left.is_empty(),
            deleted_count: self.reports.iter().map(|report| report.deleted_count).sum(),
            dry_run: false,
            runs: &self.reports,
            error: output::joined(&self.problems).or_else(|| self.not_run()),
            stats,
        });
    }

    fn print(&self, statistics: Option<&BeforeAndAfter>) {
        if let Some(BeforeAndAfter { before, after }) = statistics {
            output::line("before:");
            stats::print(before);
            output::line("after:");
            stats::print(after);
        }
        if !self.reports.is_empty() {
            let header = ["job", "expired", "deleted", "batches", "time", "rows/s", "outcome"];
            output::table(&header, &[1, 2, 3, 4, 5], self.reports.iter().map(row).collect());
        }
        output::failures(&self.problems);
        self.not_run().iter().for_each(output::line);
    }

    fn not_run(&self) -> Option<String> {
        (!self.left.is_empty()).then(|| format!("stopped before these jobs were run: {}", self.left.join(", ")))
    }

    fn exit(&self) -> Exit {
        let any = |outcome| self.reports.iter().any(|report| report.outcome == Some(outcome));
        if any(Outcome::Failed) || any(Outcome::Interrupted) {
            Exit::Failed
        } else if self.held_up {
            Exit::HeldUp
        } else if any(Outcome::Partial) || !self.left.is_empty() {
            Exit::Partial
        } else {
            Exit::Done
        }
    }
}

/// How many had expired is known when nothing was left, and otherwise only that it was at least what was deleted.
fn row(report: &Report) -> Vec<String> {
    let expired = match (report.outcome, report.deleted_count) {
        (Some(Outcome::Completed), deleted) => deleted.to_string(),
        (_, 0) => "-".to_owned(),
        _ => format!(">= {}", report.deleted_count),
    };
    let mut cells = output::report_row(report);
    cells.insert(1, expired);
    cells
}
