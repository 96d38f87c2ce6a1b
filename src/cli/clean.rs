//! `sweepd clean`: runs jobs once.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::watch;

use super::{Exit, Failure, Session, output, stats};
use crate::job::Job;
use crate::lifecycle::Lifecycle;
use crate::report::{Outcome, Report, RunId, Trigger, rfc3339};
use crate::sweep::stats::{DryRun, Stats};
use crate::sweep::{Answer, Progress, Request};
use crate::telemetry::Level;

#[derive(Debug, clap::Args)]
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
    /// Show statistics before and after
    #[arg(long)]
    stats: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What `clean --json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    success: bool,
    deleted_count: u64,
    dry_run: bool,
    runs: &'a [Report],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<&'a Before>,
}

#[derive(Debug, Serialize)]
struct Before {
    before: Vec<Stats>,
    after: Vec<Stats>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DrySummary<'a> {
    success: bool,
    deleted_count: u64,
    dry_run: bool,
    jobs: &'a [DryRun],
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<&'a [Stats]>,
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let console = match args.verbose {
        0 => Level::Warn,
        1 => Level::Info,
        _ => Level::Debug,
    };
    let session = Session::open(path, console)?;
    let jobs = session.jobs(&args.jobs)?;
    if args.dry_run {
        return dry_run(&session, &jobs, &args).await;
    }
    let mut lifecycle = Lifecycle::install()?;
    let stop = lifecycle.stop.clone();
    let work = clean(&session, &jobs, &args, &stop);
    lifecycle.supervise(work).await.unwrap_or_else(|| {
        Err(Failure { message: "stopped at once by a second signal".to_owned(), exit: Exit::Failed })
    })
}

async fn dry_run(session: &Session, jobs: &[&Job], args: &Args) -> Result<Exit, Failure> {
    let mut found = Vec::new();
    let mut statistics = Vec::new();
    for job in jobs {
        let sweeper = session.sweeper(job);
        if args.stats {
            statistics.push(sweeper.stats(&job.spec).await?);
        }
        found.push(sweeper.dry_run(&job.spec).await?);
    }
    if args.json {
        let stats = args.stats.then_some(statistics.as_slice());
        output::json(&DrySummary { success: true, deleted_count: 0, dry_run: true, jobs: &found, stats });
        return Ok(Exit::Done);
    }
    if args.stats {
        stats::print(&statistics);
    }
    found.iter().for_each(print_dry_run);
    output::line("Nothing was deleted: this is a dry run.");
    Ok(Exit::Done)
}

fn print_dry_run(found: &DryRun) {
    let plan = &found.plan;
    let rows = output::rows(found.expired);
    output::line(format!("{}: {rows} of {} would be deleted", found.job, plan.table));
    output::line(format!("  expired  at or before {}", rfc3339(found.cutoff)));
    output::line(format!("  column   {} ({}): {}", plan.column, plan.encoding, plan.mode));
    output::line(format!("  order    {}: {}", plan.order, plan.why));
    output::line(format!("  batch    {}", plan.sql));
}

async fn clean(
    session: &Session,
    jobs: &[&Job],
    args: &Args,
    stop: &tokio_util::sync::CancellationToken,
) -> Result<Exit, Failure> {
    let before = statistics(session, jobs, args).await?;
    let mut reports = Vec::new();
    let mut active = None;
    for job in jobs {
        if stop.is_cancelled() {
            break;
        }
        match sweep(session, job, args, stop).await {
            Answer::Ran(report) => reports.push(report),
            Answer::Active(run) | Answer::Answered(run) => active = Some((job.spec.job.as_str(), run)),
        }
    }
    let after = statistics(session, jobs, args).await?;
    let stats = args.stats.then_some(Before { before, after });
    if args.json {
        print_json(&reports, active, stats.as_ref());
    } else {
        print(&reports, active, stats.as_ref());
    }
    Ok(exit(&reports, active.is_some()))
}

async fn statistics(session: &Session, jobs: &[&Job], args: &Args) -> Result<Vec<Stats>, Failure> {
    let mut found = Vec::new();
    if args.stats {
        for job in jobs {
            found.push(session.sweeper(job).stats(&job.spec).await?);
        }
    }
    Ok(found)
}

async fn sweep(session: &Session, job: &Job, args: &Args, stop: &tokio_util::sync::CancellationToken) -> Answer {
    let sweeper = session.sweeper(job);
    let (sender, mut progress) = watch::channel(Progress::default());
    let request = Request { trigger: Trigger::Manual, scheduled_for: None };
    let run = sweeper.run(&job.spec, request, stop, &sender);
    if args.json || !std::io::stderr().is_terminal() {
        return run.await;
    }
    tokio::pin!(run);
    // Short work needs no bar.
    tokio::select! {
        answer = &mut run => return answer,
        () = tokio::time::sleep(Duration::from_millis(500)) => {}
    }
    let bar = bar(&job.spec.job);
    let answer = loop {
        show(&bar, *progress.borrow_and_update());
        tokio::select! {
            answer = &mut run => break answer,
            _ = progress.changed() => {}
        }
    };
    bar.finish_and_clear();
    answer
}

fn bar(job: &str) -> ProgressBar {
    let bar = ProgressBar::no_length().with_prefix(job.to_owned());
    let style = ProgressStyle::with_template("{prefix} [{bar:30}] {percent}% {msg} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    if let Some(of) = progress.of {
        bar.set_length(of.max(progress.walked));
    }
    bar.set_position(progress.walked);
    bar.set_message(format!("{} deleted", output::rows(progress.deleted)));
}

fn print_json(reports: &[Report], active: Option<(&str, RunId)>, stats: Option<&Before>) {
    let failed = reports.iter().find_map(|report| report.error.clone());
    let error = failed.or_else(|| active.map(|(job, run)| format!("run {run} of job {job:?} is active")));
    output::json(&Summary {
        success: error.is_none(),
        deleted_count: reports.iter().map(|report| report.deleted_count).sum(),
        dry_run: false,
        runs: reports,
        error,
        stats,
    });
}

fn print(reports: &[Report], active: Option<(&str, RunId)>, statistics: Option<&Before>) {
    if let Some(Before { before, after }) = statistics {
        output::line("before:");
        stats::print(before);
        output::line("after:");
        stats::print(after);
    }
    if !reports.is_empty() {
        let header = ["job", "expired", "deleted", "batches", "time", "rows/s", "outcome"];
        output::table(&header, &[1, 2, 3, 4, 5], reports.iter().map(row).collect());
    }
    for (report, error) in reports.iter().filter_map(|report| Some((report, report.error.as_ref()?))) {
        output::failure(&format!("{}: {error}", report.job), false);
    }
    if let Some((job, run)) = active {
        output::failure(&format!("job {job:?} was not run: its run {run} is active; `sweepd history` shows it"), false);
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

fn exit(reports: &[Report], active: bool) -> Exit {
    let any = |outcome| reports.iter().any(|report| report.outcome == Some(outcome));
    if any(Outcome::Failed) || any(Outcome::Interrupted) {
        Exit::Failed
    } else if active {
        Exit::Active
    } else if any(Outcome::Partial) {
        Exit::Partial
    } else {
        Exit::Done
    }
}
