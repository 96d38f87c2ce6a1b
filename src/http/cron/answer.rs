//! What the cron endpoint answers, of one job or of several.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::not_run;
use crate::http::failure::Failure;
use crate::http::query::stopping;
use crate::report::{Outcome, Report, RunId, instant};
use crate::sweep::Answer;
use crate::sweep::stats::Stats;

/// What a clean-up did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct CleanUp {
    pub(super) success: bool,
    /// Rows deleted: none in a dry run.
    pub(super) deleted_count: u64,
    pub(super) message: String,
    #[serde(serialize_with = "instant")]
    pub(super) timestamp: DateTime<Utc>,
    /// There, and true, after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) dry_run: Option<bool>,
    /// Rows that would be deleted, after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) expired: Option<u64>,
    /// There, and true, when something expired is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) partial: Option<bool>,
    /// Each job, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) jobs: Option<Vec<JobDone>>,
}

/// What became of a job.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct JobDone {
    pub(super) job: String,
    /// Null after a dry run.
    pub(super) run_id: Option<RunId>,
    /// Null where there was no run of this call.
    pub(super) outcome: Option<Outcome>,
    pub(super) deleted_count: u64,
    /// Rows that would be deleted, after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) expired: Option<u64>,
    pub(super) error: Option<String>,
}

/// Runs that were begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Begun {
    pub(super) success: bool,
    /// The run, for `GET /api/runs/{id}`; of several the first.
    pub(super) run_id: RunId,
    #[serde(serialize_with = "instant")]
    pub(super) timestamp: DateTime<Utc>,
    /// Each job, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) jobs: Option<Vec<JobBegun>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct JobBegun {
    pub(super) job: String,
    /// Null where no run was begun.
    pub(super) run_id: Option<RunId>,
    /// Why not.
    pub(super) error: Option<String>,
}

/// What there is in the tables.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Counted {
    pub(super) success: bool,
    pub(super) stats: Sum,
    /// Each job, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) jobs: Option<Vec<Stats>>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Sum {
    pub(super) total: u64,
    pub(super) active: u64,
    pub(super) expired: u64,
    /// When the oldest of the figures was counted.
    #[serde(serialize_with = "instant")]
    pub(super) timestamp: DateTime<Utc>,
}

/// One answer for all jobs. A job that failed makes it a failure; when none was run, the first says why.
pub(super) fn sum_up(answers: Vec<(String, Result<Answer, Failure>)>, now: DateTime<Utc>) -> Result<CleanUp, Failure> {
    let ran = |answer: &Result<Answer, Failure>| answer.as_ref().is_ok_and(|answer| answer.report().is_some());
    if !answers.iter().any(|(_, answer)| ran(answer)) {
        let Some((job, first)) = answers.into_iter().next() else { return Err(stopping()) };
        return Err(not_run(&job, &first?).unwrap_or_else(stopping));
    }
    let complete =
        |answer: &Result<Answer, Failure>| answer.as_ref().is_ok_and(|answer| answer.report().is_some_and(is_complete));
    let all_of_it = answers.iter().all(|(_, answer)| complete(answer));
    let failure = failure(&answers);
    let jobs: Vec<JobDone> = answers.into_iter().map(|(job, answer)| JobDone::new(job, answer)).collect();
    let deleted_count = jobs.iter().map(|job| job.deleted_count).sum();
    let jobs = several(jobs);
    if let Some(failure) = failure {
        let failure = failure.with("deletedCount", deleted_count);
        return Err(match jobs {
            Some(jobs) => failure.with("jobs", serde_json::to_value(jobs).unwrap_or_default()),
            None => failure,
        });
    }
    let message = if all_of_it {
        format!("Successfully deleted {deleted_count} expired session(s)")
    } else {
        format!("Deleted {deleted_count} expired session(s); the rest is left for the next run")
    };
    let partial = (!all_of_it).then_some(true);
    Ok(CleanUp { success: true, deleted_count, message, timestamp: now, dry_run: None, expired: None, partial, jobs })
}

fn is_complete(report: &Report) -> bool {
    report.outcome == Some(Outcome::Completed)
}

/// The jobs whose run failed, and why.
fn failure(answers: &[(String, Result<Answer, Failure>)]) -> Option<Failure> {
    let failed = answers.iter().filter_map(|(job, answer)| Some((job, answer.as_ref().ok()?.report()?)));
    let failed: Vec<_> = failed.filter(|(_, report)| !report.succeeded()).collect();
    let [(_, first), ..] = failed.as_slice() else { return None };
    let run_id = first.run_id;
    let errors: Vec<_> = failed.iter().map(|(job, report)| format!("{job}: {}", why(report))).collect();
    Some(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, errors.join("; ")).with("runId", run_id.to_string()))
}

/// Why a run did not do its work.
pub(in crate::http) fn why(report: &Report) -> String {
    report.error.clone().unwrap_or_else(|| "another process took over this run".to_owned())
}

impl JobDone {
    fn new(job: String, answer: Result<Answer, Failure>) -> Self {
        let done = Self { job, run_id: None, outcome: None, deleted_count: 0, expired: None, error: None };
        match answer {
            Err(failure) => Self { error: Some(failure.error().to_owned()), ..done },
            Ok(Answer::Ran(report) | Answer::Unfinished(report) | Answer::Unclaimed(report)) => Self {
                run_id: Some(report.run_id),
                outcome: report.outcome,
                deleted_count: report.deleted_count,
                error: report.error,
                ..done
            },
            Ok(Answer::Active(run) | Answer::Answered(run)) => {
                Self { run_id: Some(run), error: Some("another run is active".to_owned()), ..done }
            }
            Ok(Answer::Paused(pause)) => Self { error: Some(format!("the job is {pause}")), ..done },
        }
    }
}

/// What is told of each job only where there are several.
pub(super) fn several<T>(jobs: Vec<T>) -> Option<Vec<T>> {
    (jobs.len() > 1).then_some(jobs)
}
