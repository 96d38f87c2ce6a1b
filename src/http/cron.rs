//! The cron endpoint: POST runs the clean-up, GET counts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State as Of};
use axum::http::header::{AGE, USER_AGENT};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::auth::{Operator, Reader};
use super::failure::{Changing, Failure, FailureBody, Reading};
use super::query::{Flag, failed, stopping};
use crate::report::{Outcome, Report, RunId, instant};
use crate::status::{Desk, Status};
use crate::sweep::Answer;
use crate::sweep::stats::Stats;

/// What Vercel's cron calls itself.
const VERCEL: &str = "vercel-cron/";

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// The job; all that are not `manual` without it.
    job: Option<String>,
    /// Only counts what would be deleted.
    #[param(inline)]
    dry_run: Option<Flag>,
    /// `0`: answers at once with the ids of the runs.
    #[param(inline)]
    wait: Option<Flag>,
}

/// For Vercel's cron, GET takes what POST takes; for all others that changes nothing.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ParametersOfGet {
    /// The job; all that are not `manual` without it.
    job: Option<String>,
    /// Counts now, instead of answering what was counted last.
    #[param(inline)]
    exact: Option<Flag>,
    /// For Vercel's cron: only counts what would be deleted.
    #[param(inline)]
    dry_run: Option<Flag>,
    /// For Vercel's cron: `0` answers at once with the ids of the runs.
    #[param(inline)]
    wait: Option<Flag>,
}

/// What a clean-up did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CleanUp {
    success: bool,
    /// Rows deleted: none in a dry run.
    deleted_count: u64,
    message: String,
    #[serde(serialize_with = "instant")]
    timestamp: DateTime<Utc>,
    /// There, and true, after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    dry_run: Option<bool>,
    /// Rows that would be deleted, after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expired: Option<u64>,
    /// There, and true, when something expired is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    partial: Option<bool>,
    /// Each job, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jobs: Option<Vec<JobDone>>,
}

/// What became of a job.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JobDone {
    job: String,
    /// Null after a dry run.
    run_id: Option<RunId>,
    /// Null where there was no run of this call.
    outcome: Option<Outcome>,
    deleted_count: u64,
    /// Rows that would be deleted, after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expired: Option<u64>,
    error: Option<String>,
}

/// Runs that were begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Begun {
    success: bool,
    /// The run, for `GET /api/runs/{id}`; of several the first.
    run_id: RunId,
    #[serde(serialize_with = "instant")]
    timestamp: DateTime<Utc>,
    /// Each job, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jobs: Option<Vec<JobBegun>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JobBegun {
    job: String,
    /// Null where no run was begun.
    run_id: Option<RunId>,
    /// Why not.
    error: Option<String>,
}

/// What there is in the tables.
#[derive(Serialize, ToSchema)]
pub(super) struct Counted {
    success: bool,
    stats: Sum,
    /// Each job, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jobs: Option<Vec<Stats>>,
}

#[derive(Serialize, ToSchema)]
struct Sum {
    total: u64,
    active: u64,
    expired: u64,
    /// When the oldest of the figures was counted.
    #[serde(serialize_with = "instant")]
    timestamp: DateTime<Utc>,
}

/// Runs the clean-up, and answers when it has ended; it goes on when the caller goes away.
#[utoipa::path(post, path = "/api/cron/cleanup-sessions", tag = "cron", security(("secret" = [])), params(Parameters),
    responses(
        (status = 200, description = "Done", body = CleanUp),
        (status = 202, description = "Begun, with `wait=0`", body = Begun),
        (status = 409, description = "A run is active (its `runId`), or the job is paused", body = FailureBody),
        Changing,
    )
)]
pub(super) async fn run(
    _: Operator,
    Of(state): Of<State>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Failure> {
    clean_up(&state.status, &parameters).await
}

/// Counts the rows; the figures may be some time old, which the header `Age` says in seconds. For Vercel's cron, where that
/// is configured, it runs the clean-up.
#[utoipa::path(get, path = "/api/cron/cleanup-sessions", tag = "cron", security(("secret" = [])),
    params(ParametersOfGet),
    responses(
        (status = 200, description = "Counted", body = Counted, headers(("Age" = u64, description = "Seconds"))),
        (status = 202, description = "For Vercel's cron: begun, with `wait=0`", body = Begun),
        (status = 403, description = "For Vercel's cron: this secret only reads", body = FailureBody),
        (status = 409, description = "For Vercel's cron: a run is active, or the job is paused", body = FailureBody),
        Reading,
    )
)]
pub(super) async fn count(
    reader: Reader,
    Of(state): Of<State>,
    Query(parameters): Query<ParametersOfGet>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let is_vercel = method == Method::GET && agent.is_some_and(|agent| agent.starts_with(VERCEL));
    if state.settings.borrow().vercel_cron && is_vercel {
        reader.operator()?;
        let ParametersOfGet { job, dry_run, wait, .. } = parameters;
        return clean_up(&state.status, &Parameters { job, dry_run, wait }).await;
    }
    statistics(&state.status, &parameters).await
}

async fn statistics(status: &Status, parameters: &ParametersOfGet) -> Result<Response, Failure> {
    let exact = parameters.exact == Some(Flag(true));
    let desks = chosen(status, parameters.job.as_deref())?;
    let (mut found, mut age) = (Vec::new(), std::time::Duration::ZERO);
    for (desk, counted) in desks.iter().zip(join_all(desks.iter().map(|desk| desk.statistics(exact))).await) {
        let counted = counted.ok_or_else(stopping)?.map_err(|error| failed(&desk.job().spec.job, &error))?;
        age = age.max(counted.age());
        found.push(counted.value);
    }
    let sum = |figure: fn(&Stats) -> u64| found.iter().map(figure).sum();
    let sums = Sum {
        total: sum(|stats| stats.total),
        active: sum(|stats| stats.active),
        expired: sum(|stats| stats.expired),
        timestamp: found.iter().map(|stats| stats.timestamp).min().unwrap_or_else(|| status.now()),
    };
    let counted = Counted { success: true, stats: sums, jobs: several(found) };
    Ok(([(AGE, age.as_secs().to_string())], Json(counted)).into_response())
}

/// The jobs that are meant: the one that is named, or all that are not run by hand only.
fn chosen(status: &Status, job: Option<&str>) -> Result<Vec<Arc<Desk>>, Failure> {
    let Some(name) = job else {
        let desks: Vec<_> = status.all().into_iter().filter(|desk| !desk.job().schedule.is_manual()).collect();
        if desks.is_empty() {
            let error = "all jobs are `manual`; name one with ?job=NAME";
            return Err(Failure::new(StatusCode::NOT_FOUND, error));
        }
        return Ok(desks);
    };
    Ok(vec![super::jobs::find(status, name)?])
}

async fn clean_up(status: &Status, parameters: &Parameters) -> Result<Response, Failure> {
    let desks = chosen(status, parameters.job.as_deref())?;
    if parameters.dry_run == Some(Flag(true)) {
        return dry_run(status, &desks).await.map(|done| Json(done).into_response());
    }
    if parameters.wait == Some(Flag(false)) {
        return begin(status, &desks).await.map(|begun| (StatusCode::ACCEPTED, Json(begun)).into_response());
    }
    // All are asked at once: a caller that goes away then leaves nothing out.
    let answers = join_all(desks.iter().map(|desk| answered(status, desk))).await;
    let named = desks.iter().map(|desk| desk.job().spec.job.clone()).zip(answers).collect();
    sum_up(named, status.now()).map(|done| Json(done).into_response())
}

/// Runs a job, and waits for its end.
pub(super) async fn answered(status: &Status, desk: &Desk) -> Result<Answer, Failure> {
    let (_, answer) = desk.order(&status.clock).map_err(refused)?;
    answer.await.map_err(|_| stopping())
}

/// Has a run begun. That a run is active, or the job paused, is known by then.
pub(super) async fn begun(status: &Status, desk: &Desk) -> Result<RunId, Failure> {
    let job = desk.job().spec.job.clone();
    let (id, answer) = desk.order(&status.clock).map_err(refused)?;
    tokio::select! {
        biased;
        answer = answer => not_run(&job, &answer.map_err(|_| stopping())?).map_or(Ok(id), Err),
        () = desk.begun(id) => Ok(id),
    }
}

fn refused(error: crate::job::Refused) -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, error)
}

/// The answer when a job was not run.
pub(super) fn not_run(job: &str, answer: &Answer) -> Option<Failure> {
    match answer {
        Answer::Active(run) | Answer::Answered(run) => {
            let failure = Failure::new(StatusCode::CONFLICT, format!("a run of {job} is active"));
            Some(failure.with("runId", run.to_string()))
        }
        Answer::Paused(pause) => Some(Failure::new(StatusCode::CONFLICT, format!("{job} is {pause}"))),
        Answer::Ran(_) | Answer::Unfinished(_) | Answer::Unclaimed(_) => None,
    }
}

async fn begin(status: &Status, desks: &[Arc<Desk>]) -> Result<Begun, Failure> {
    let begun = join_all(desks.iter().map(|desk| begun(status, desk))).await;
    let Some(run_id) = begun.iter().find_map(|begun| begun.as_ref().ok()).copied() else {
        return Err(begun.into_iter().find_map(Result::err).unwrap_or_else(stopping));
    };
    let jobs = desks.iter().zip(begun).map(|(desk, begun)| JobBegun {
        job: desk.job().spec.job.clone(),
        run_id: begun.as_ref().ok().copied(),
        error: begun.err().map(|failure| failure.error().to_owned()),
    });
    Ok(Begun { success: true, run_id, timestamp: status.now(), jobs: several(jobs.collect()) })
}

async fn dry_run(status: &Status, desks: &[Arc<Desk>]) -> Result<CleanUp, Failure> {
    let mut jobs = Vec::new();
    for (desk, found) in desks.iter().zip(join_all(desks.iter().map(|desk| desk.dry_run())).await) {
        let found = found.ok_or_else(stopping)?.map_err(|error| failed(&desk.job().spec.job, &error))?;
        let (job, expired) = (found.job, Some(found.expired));
        jobs.push(JobDone { job, run_id: None, outcome: None, deleted_count: 0, expired, error: None });
    }
    let expired: u64 = jobs.iter().filter_map(|job| job.expired).sum();
    Ok(CleanUp {
        success: true,
        deleted_count: 0,
        message: format!("Would delete {expired} expired session(s)"),
        timestamp: status.now(),
        dry_run: Some(true),
        expired: Some(expired),
        partial: None,
        jobs: several(jobs),
    })
}

/// One answer for all jobs. A job that failed makes it a failure; when none was run, the first says why.
fn sum_up(answers: Vec<(String, Result<Answer, Failure>)>, now: DateTime<Utc>) -> Result<CleanUp, Failure> {
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
pub(super) fn why(report: &Report) -> String {
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
fn several<T>(jobs: Vec<T>) -> Option<Vec<T>> {
    (jobs.len() > 1).then_some(jobs)
}
