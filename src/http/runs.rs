//! Runs: the newest, or one.

use axum::Json;
use axum::extract::{Path, Query, State as Of};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::auth::Reader;
use super::failure::{Failure, Reading};
use crate::db::DbError;
use crate::report::RunId;
use crate::status::Run;

const LIMIT: u32 = 20;
const HIGHEST_LIMIT: u32 = 1000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// How many.
    #[param(minimum = 1, maximum = 1000, default = 20)]
    limit: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Runs {
    /// The newest first.
    runs: Vec<Run>,
}

/// The newest runs of all jobs and processes.
#[utoipa::path(get, path = "/api/runs", tag = "runs", security(("secret" = [])), params(Parameters), responses(
    (status = 200, body = Runs),
    Reading,
))]
pub(super) async fn list(
    _: Reader,
    Of(state): Of<State>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Runs>, Failure> {
    let limit = parameters.limit.unwrap_or(LIMIT);
    if !(1..=HIGHEST_LIMIT).contains(&limit) {
        return Err(Failure::new(StatusCode::BAD_REQUEST, format!("limit must be from 1 to {HIGHEST_LIMIT}")));
    }
    let runs = state.status.runs(limit).await.map_err(|error| unreadable(&error))?;
    Ok(Json(Runs { runs }))
}

/// One run; also while it waits for its turn.
#[utoipa::path(get, path = "/api/runs/{id}", tag = "runs", security(("secret" = [])),
    params(("id" = RunId, Path, description = "The run's id")),
    responses(
        (status = 200, body = Run),
        Reading,
    )
)]
pub(super) async fn show(_: Reader, Of(state): Of<State>, Path(id): Path<String>) -> Result<Json<Run>, Failure> {
    let id: RunId = id.parse().map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "a run's id is a UUID"))?;
    let run = state.status.run(id).await.map_err(|error| unreadable(&error))?;
    run.map(Json).ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "there is no such run"))
}

fn unreadable(error: &DbError) -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error)
}
