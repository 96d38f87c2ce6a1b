//! The cron endpoint: POST runs the clean-up, GET counts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State as Of};
use axum::http::header::{AGE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
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
    /// Of GET: counts now, instead of answering what was counted last.
    #[param(inline)]
    exact: Option<Flag>,
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
    run_id: RunId,
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
#[utoipa::path(get, path = "/api/cron/cleanup-sessions", tag = "cron", security(("secret" = [])), params(Parameters),
    responses(
        (status = 200, description = "Counted", body = Counted, headers(("Age" = u64, description = "Seconds"))),
        Reading,
    )
)]
pub(super) async fn count(
    reader: Reader,
    Of(state): Of<State>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    if state.settings.borrow().vercel_cron && agent.is_some_and(|agent| agent.starts_with(VERCEL)) {
        reader.operator()?;
        return clean_up(&state.status, &parameters).await;
    }
    let exact = parameters.exact == Some(Flag(true));
    let desks = chosen(&state.status, parameters.job.as_deref())?;
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
        timestamp: found.iter().map(|stats| stats.timestamp).min().unwrap_or_else(|| state.status.now()),
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
    let answers = join_all(desks.iter().map(|desk| answered(status, desk))).await;
    let named = desks.iter().map(|desk| desk.job().spec.job.clone()).zip(answers);
    sum_up(named.map(|(job, answer)| answer.map(|answer| (job, answer))).collect::<Result<_, _>>()?, status.now())
        .map(|done| Json(done).into_response())
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
        begun = desk.is_begun(id) => if begun { Ok(id) } else { Err(stopping()) },
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
    let (mut jobs, mut first_failure) = (Vec::new(), None);
    for desk in desks {
        match begun(status, desk).await {
            Ok(run_id) => jobs.push(JobBegun { job: desk.job().spec.job.clone(), run_id }),
            Err(failure) => first_failure = first_failure.or(Some(failure)),
        }
    }
    match jobs.first() {
        Some(JobBegun { run_id, .. }) => {
            Ok(Begun { success: true, run_id: *run_id, timestamp: status.now(), jobs: several_of(desks.len(), jobs) })
        }
        None => Err(first_failure.unwrap_or_else(stopping)),
    }
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
fn sum_up(answers: Vec<(String, Answer)>, now: DateTime<Utc>) -> Result<CleanUp, Failure> {
    let nothing_ran = answers.iter().all(|(_, answer)| answer.report().is_none());
    if let (true, Some((job, answer))) = (nothing_ran, answers.first()) {
        return Err(not_run(job, answer).unwrap_or_else(stopping));
    }
    let all_of_it = answers.iter().all(|(_, answer)| answer.report().is_some_and(is_complete));
    let failure = failure(&answers);
    let jobs: Vec<JobDone> = answers.into_iter().map(|(job, answer)| JobDone::new(job, &answer)).collect();
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
fn failure(answers: &[(String, Answer)]) -> Option<Failure> {
    let failed = answers.iter().filter_map(|(job, answer)| Some((job, answer.report()?)));
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
    fn new(job: String, answer: &Answer) -> Self {
        let report = answer.report();
        let (run_id, error) = match answer {
            Answer::Active(run) | Answer::Answered(run) => (Some(*run), Some("a run is active".to_owned())),
            Answer::Paused(pause) => (None, Some(pause.to_string())),
            Answer::Ran(report) | Answer::Unfinished(report) | Answer::Unclaimed(report) => {
                (Some(report.run_id), report.error.clone())
            }
        };
        let deleted_count = report.map_or(0, |report| report.deleted_count);
        Self { job, run_id, outcome: report.and_then(|report| report.outcome), deleted_count, expired: None, error }
    }
}

/// What is told of each job only where there are several.
fn several<T>(jobs: Vec<T>) -> Option<Vec<T>> {
    several_of(jobs.len(), jobs)
}

fn several_of<T>(count: usize, jobs: Vec<T>) -> Option<Vec<T>> {
    (count > 1).then_some(jobs)
}
