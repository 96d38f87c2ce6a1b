//! Jobs: what they are, what they are doing, and running or pausing them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State as Of};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::auth::{Operator, Reader};
use super::cron::{answered, begun, not_run, why};
use super::failure::{Changing, Failure, FailureBody, Reading};
use super::query::{Flag, failed, stopping};
use crate::ledger::Pause;
use crate::report::{Report, RunId, Throttle, optional_instant, rfc3339};
use crate::status::{Desk, Run, Status, judge};
use crate::sweep::plan;
use crate::sweep::stats::{DryRun, Stats};

/// How many of the next instants are shown.
const INSTANTS: usize = 5;

/// All jobs.
#[derive(Serialize, ToSchema)]
pub(super) struct Jobs {
    jobs: Vec<JobView>,
    /// What somebody has to look at; empty when all is well.
    problems: Vec<String>,
}

/// A job.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JobView {
    name: String,
    /// The name of its database in the configuration.
    database: String,
    table: String,
    /// Its schedule in the canonical form.
    schedule: String,
    timezone: String,
    /// Its schedule in words.
    description: String,
    /// When it runs next by itself.
    #[serde(serialize_with = "optional_instant")]
    next_run: Option<DateTime<Utc>>,
    /// Whether, and since when, it is paused.
    paused: Option<Pause>,
    /// The run that is under way in this process, or waits for its turn.
    active_run: Option<RunId>,
    /// Why that run pauses at the moment, other than to be nice.
    throttle: Option<Throttle>,
    /// The last run of any process, whatever came of it.
    last_run: Option<Report>,
    #[serde(serialize_with = "optional_instant")]
    last_success: Option<DateTime<Utc>>,
    /// The statistics that were counted last; null before.
    statistics: Option<Stats>,
    /// What is wrong with it.
    problem: Option<String>,
}

/// A job, and how it would run now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobDetails {
    #[serde(flatten)]
    job: JobView,
    /// Its next instants.
    #[serde(serialize_with = "instants")]
    next_runs: Vec<DateTime<Utc>>,
    /// How a run would sweep now; null when it could not, and then `problem` says why.
    #[schema(value_type = Option<Object>)]
    plan: Option<plan::Shown>,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// Only counts what would be deleted.
    #[param(inline)]
    dry_run: Option<Flag>,
    /// `0`: answers at once with the run's id.
    #[param(inline)]
    wait: Option<Flag>,
}

/// A run that was begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Begun {
    success: bool,
    run_id: RunId,
}

/// Whether a job is paused.
#[derive(Serialize, ToSchema)]
pub(super) struct PauseChange {
    success: bool,
    /// Whether it is paused now.
    paused: bool,
    /// Whether it was otherwise before.
    changed: bool,
}

/// The jobs that are enabled.
#[utoipa::path(get, path = "/api/jobs", tag = "jobs", security(("secret" = [])), responses(
    (status = 200, body = Jobs),
    Reading,
))]
pub(super) async fn list(_: Reader, Of(state): Of<State>) -> Json<Jobs> {
    let (status, desks) = (&state.status, state.status.all());
    let jobs = join_all(desks.iter().map(|desk| view(status, desk))).await;
    let problems = status.problems().await.iter().map(ToString::to_string).collect();
    Json(Jobs { jobs, problems })
}

/// A job, its next instants, and the plan of a run that would begin now.
#[utoipa::path(get, path = "/api/jobs/{name}", tag = "jobs", security(("secret" = [])),
    params(("name" = String, Path, description = "The job")),
    responses(
        (status = 200, body = JobDetails),
        Reading,
    )
)]
pub(super) async fn show(
    _: Reader,
    Of(state): Of<State>,
    Path(name): Path<String>,
) -> Result<Json<JobDetails>, Failure> {
    let desk = find(&state.status, &name)?;
    let (mut job, plan) = tokio::join!(view(&state.status, &desk), desk.plan());
    let plan = match plan.ok_or_else(stopping)? {
        Ok(plan) => Some(plan),
        Err(error) => {
            job.problem.get_or_insert(error.to_string());
            None
        }
    };
    Ok(Json(JobDetails { next_runs: desk.next_instants(state.status.now(), INSTANTS), job, plan }))
}

/// Runs a job, and answers when it has ended; it goes on when the caller goes away.
#[utoipa::path(post, path = "/api/jobs/{name}/runs", tag = "jobs", security(("secret" = [])),
    params(("name" = String, Path, description = "The job"), Parameters),
    responses(
        (status = 200, description = "Done; after `dryRun=1`, what would be deleted", body = RunOrDryRun),
        (status = 202, description = "Begun, with `wait=0`", body = Begun, headers(("Location" = String))),
        (status = 409, description = "A run is active (its `runId`), or the job is paused", body = FailureBody),
        Changing,
    )
)]
pub(super) async fn run(
    _: Operator,
    Of(state): Of<State>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Failure> {
    let desk = find(&state.status, &name)?;
    if parameters.dry_run == Some(Flag(true)) {
        let found = desk.dry_run().await.ok_or_else(stopping)?.map_err(|error| failed(&name, &error))?;
        return Ok(Json(found).into_response());
    }
    if parameters.wait == Some(Flag(false)) {
        let run_id = begun(&state.status, &desk).await?;
        let place = [(LOCATION, format!("/api/runs/{run_id}"))];
        return Ok((StatusCode::ACCEPTED, place, Json(Begun { success: true, run_id })).into_response());
    }
    let answer = answered(&state.status, &desk).await?;
    match answer.report() {
        Some(report) if report.succeeded() => Ok(Json(Run { report: report.clone(), progress: None }).into_response()),
        Some(report) => {
            let failure = Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{name}: {}", why(report)));
            Err(failure.with("runId", report.run_id.to_string()))
        }
        None => Err(not_run(&name, &answer).unwrap_or_else(stopping)),
    }
}

/// What a run that was waited for answers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RunOrDryRun {
    #[expect(dead_code, reason = "only its description is used")]
    Run(Box<Run>),
    #[expect(dead_code, reason = "only its description is used")]
    DryRun(Box<DryRun>),
}

/// Pauses a job, in all processes: its instants are skipped, and a run of it ends after its batch.
#[utoipa::path(post, path = "/api/jobs/{name}/pause", tag = "jobs", security(("secret" = [])),
    params(("name" = String, Path, description = "The job")),
    responses(
        (status = 200, body = PauseChange),
        Changing,
    )
)]
pub(super) async fn pause(
    _: Operator,
    Of(state): Of<State>,
    Path(name): Path<String>,
) -> Result<Json<PauseChange>, Failure> {
    set_paused(&state.status, &name, true).await
}

/// Ends the pause of a job.
#[utoipa::path(post, path = "/api/jobs/{name}/resume", tag = "jobs", security(("secret" = [])),
    params(("name" = String, Path, description = "The job")),
    responses(
        (status = 200, body = PauseChange),
        Changing,
    )
)]
pub(super) async fn resume(
    _: Operator,
    Of(state): Of<State>,
    Path(name): Path<String>,
) -> Result<Json<PauseChange>, Failure> {
    set_paused(&state.status, &name, false).await
}

async fn set_paused(status: &Status, name: &str, paused: bool) -> Result<Json<PauseChange>, Failure> {
    let changed = find(status, name)?.set_paused(paused).await.map_err(|error| failed(name, &error))?;
    Ok(Json(PauseChange { success: true, paused, changed }))
}

/// The desk of a job.
pub(super) fn find(status: &Status, name: &str) -> Result<Arc<Desk>, Failure> {
    status.desk(name).ok_or_else(|| {
        let names: Vec<_> = status.all().iter().map(|desk| desk.job().spec.job.clone()).collect();
        let error = format!("there is no enabled job {name:?}; there are: {}", names.join(", "));
        Failure::new(StatusCode::NOT_FOUND, error)
    })
}

async fn view(status: &Status, desk: &Desk) -> JobView {
    let (job, now) = (desk.job(), status.now());
    let active = desk.activity().active;
    let (standing, problem) = match desk.standing().await {
        Some(Ok(standing)) => {
            let problem = judge(&job, &standing, desk.delay(), now).map(|problem| problem.to_string());
            (Some(standing), problem)
        }
        Some(Err(error)) => (None, Some(error.to_string())),
        None => (None, None),
    };
    JobView {
        name: job.spec.job.clone(),
        database: job.database.clone(),
        table: job.spec.layout.table.to_string(),
        schedule: job.schedule.to_string(),
        timezone: job.schedule.zone().name().to_owned(),
        description: job.schedule.describe(),
        next_run: desk.next(now),
        paused: standing.as_ref().and_then(|standing| standing.paused.clone()),
        active_run: active.as_ref().map(|active| active.request.id),
        throttle: active.and_then(|active| active.progress.borrow().throttle),
        last_success: standing.as_ref().and_then(|standing| standing.last_success),
        last_run: standing.and_then(|standing| standing.last),
        statistics: desk.known_statistics().map(|found| found.value),
        problem,
    }
}

fn instants<S: Serializer>(instants: &[DateTime<Utc>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(instants.iter().copied().map(rfc3339))
}
