//! What is known of a job at the moment. No page waits long for a database: then it shows what was known last.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use sha2::{Digest as _, Sha256};

use super::logins::hex;
use crate::job::Job;
use crate::ledger::Standing;
use crate::report::{Outcome, Report, RunId, Throttle, Trigger};
use crate::status::{Desk, Found, Problem, Status, judge};
use crate::sweep::stats::{DryRun, Stats};
use crate::sweep::{Error, Progress};

/// Who looks at a page has little patience.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of a job.
pub(super) struct Known {
    pub(super) job: Arc<Job>,
    /// None when the ledger could not be read yet.
    pub(super) standing: Option<Standing>,
    pub(super) problem: Option<Problem>,
    /// The run that is under way, or waits for its turn.
    pub(super) active: Option<Active>,
    /// The newest runs, newest first.
    pub(super) runs: Vec<Report>,
    pub(super) next: Vec<DateTime<Utc>>,
    pub(super) statistics: Option<Found<Stats>>,
    pub(super) dry_run: Option<Result<Found<DryRun>, Found<Error>>>,
    /// Whether there is a dry run now.
    pub(super) is_trying: bool,
}

/// A run that is under way.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) run: RunId,
    pub(super) trigger: Trigger,
    pub(super) since: DateTime<Utc>,
    pub(super) host: String,
    /// How far it is; none when it is another process's.
    pub(super) progress: Option<Progress>,
    /// What it has deleted, by the ledger.
    pub(super) deleted: u64,
}

impl Active {
    /// Whether something keeps it from going on. A pace that it may not exceed does not.
    pub(super) fn is_held_up(&self) -> bool {
        let throttle = self.progress.and_then(|progress| progress.throttle);
        throttle.is_some_and(|reason| !matches!(reason, Throttle::Nice | Throttle::MaxRowsPerSecond))
    }
}

/// Of all jobs, in the order of their names.
pub(super) async fn all(status: &Status) -> Vec<Known> {
    let desks = status.all();
    join_all(desks.iter().map(|desk| Known::of(status, desk, 1))).await
}

impl Known {
    /// With so many of the next instants.
    pub(super) async fn of(status: &Status, desk: &Desk, instants: usize) -> Self {
        let (job, now) = (desk.job(), status.now());
        let (standing, recent) = tokio::join!(
            tokio::time::timeout(PATIENCE, desk.standing_soon()),
            tokio::time::timeout(PATIENCE, desk.recent()),
        );
        let away = |error: String| Some(Problem::Database { job: job.spec.job.clone(), error });
        let (standing, problem) = match standing {
            Ok(Some(Ok(standing))) => {
                let problem = judge(&job, &standing, desk.delay(), now);
                (Some(standing), problem)
            }
            Ok(Some(Err(error))) => (desk.known_standing(), away(error.to_string())),
            Ok(None) => (desk.known_standing(), None),
            Err(_) => (desk.known_standing(), away("the database has not answered within a second".to_owned())),
        };
        let recent = recent.ok().flatten().and_then(Result::ok).unwrap_or_default();
        let runs = runs(&recent, standing.as_ref());
        Self {
            active: active(desk, &runs),
            next: desk.next_instants(now, instants),
            statistics: desk.known_statistics(),
            job,
            standing,
            problem,
            runs,
            dry_run: desk.last_dry_run(),
            is_trying: desk.is_trying(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.job.spec.job
    }

    /// The last run that has ended.
    pub(super) fn last(&self) -> Option<&Report> {
        self.runs.iter().find(|run| run.outcome.is_some())
    }

    /// Whether something changes by the second.
    pub(super) fn is_busy(&self) -> bool {
        self.active.is_some() || self.is_trying
    }

    /// In a word, and the class of that.
    pub(super) fn state(&self) -> (&'static str, &'static str) {
        let outcome = self.last().and_then(|last| last.outcome);
        let is_paused = self.standing.as_ref().is_some_and(|standing| standing.paused.is_some());
        match (&self.problem, &self.active) {
            (Some(Problem::Database { .. }), _) => ("No database", "bad"),
            (_, Some(active)) if active.is_held_up() => ("Held up", "held"),
            (_, Some(_)) => ("Running", "running"),
            (Some(Problem::Overdue { .. }), _) => ("Overdue", "bad"),
            (Some(_), _) => ("Failed", "bad"),
            (None, None) if is_paused => ("Paused", "held"),
            (None, None) if outcome == Some(Outcome::Partial) => ("Partial", "held"),
            (None, None) if self.job.schedule.is_manual() => ("By hand", "idle"),
            (None, None) => ("Ready", "good"),
        }
    }
}

/// Something short that is another when a page would show more than other clocks.
pub(super) fn version(status: &Status, jobs: &[Known]) -> String {
    let mut facts = format!("{:?}", *status.bad_edit.borrow());
    for known in jobs {
        // How far a run is, and why it pauses, is in what `/live` says anyway.
        let state = if known.active.is_some() { "" } else { known.state().0 };
        let run = known.runs.first().map(|run| (run.run_id, run.outcome));
        let pause = known.standing.as_ref().and_then(|standing| standing.paused.clone());
        let active = known.active.as_ref().map(|active| active.run);
        let counted = known.statistics.as_ref().map(|found| found.value.timestamp);
        let dry_run = known.dry_run.as_ref().map(|found| found.as_ref().map_or(None, |found| Some(found.value.cutoff)));
        let problem = known.problem.as_ref().map(ToString::to_string);
        let _ = write!(facts, "{:?}", (known.name(), state, run, pause, active, counted, dry_run));
        let next = (known.job.schedule.canonical(), known.next.first());
        let _ = write!(facts, "{:?}", (problem, known.is_trying, next));
    }
    hex(&Sha256::digest(facts)[..8])
}

/// What was read of many runs may be some moments older than the last one.
fn runs(recent: &[Report], standing: Option<&Standing>) -> Vec<Report> {
    let last = standing.and_then(|standing| standing.last.as_ref());
    let older = recent.iter().filter(|run| last.is_none_or(|last| last.run_id != run.run_id));
    last.into_iter().chain(older).cloned().collect()
}

/// The run of this process, or the one that the ledger knows.
fn active(desk: &Desk, runs: &[Report]) -> Option<Active> {
    if let Some(active) = desk.activity().active {
        let progress = *active.progress.borrow();
        return Some(Active {
            run: active.request.id,
            trigger: active.request.trigger,
            since: active.request.id.made_at(),
            host: desk.assignment().sweeper.host,
            progress: Some(progress),
            deleted: progress.deleted,
        });
    }
    let run = runs.first().filter(|run| run.outcome.is_none())?;
    Some(Active {
        run: run.run_id,
        trigger: run.trigger,
        since: run.started_at,
        host: run.host.clone(),
        progress: None,
        deleted: run.deleted_count,
    })
}
