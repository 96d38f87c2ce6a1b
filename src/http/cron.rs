//! The cron endpoint: POST runs the clean-up, GET counts.

mod answer;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State as Of};
use axum::http::header::{AGE, USER_AGENT};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use serde::Deserialize;
use utoipa::IntoParams;

use super::State;
use super::auth::{Operator, Reader};
use super::failure::{Changing, Failure, FailureBody, Reading};
use super::query::{Flag, failed, stopping};
use crate::report::RunId;
use crate::status::{Desk, Status};
use crate::sweep::Answer;
use crate::sweep::stats::Stats;
pub(super) use answer::why;
use answer::{Begun, CleanUp, Counted, JobBegun, JobDone, Sum, several, sum_up};

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
