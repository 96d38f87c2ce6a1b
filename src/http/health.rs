//! Whether sweepd is alive, and whether all is well. No secret is needed, and nothing is told but that.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Of;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;

/// Who asks has little patience.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok` or `unavailable`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Answers as long as the process does; needs no secret.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "alive", body = Health)))]
pub(super) async fn alive() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the databases can be reached, the configuration is good, no job is overdue, and no last run failed; needs no
/// secret. `GET /api/jobs` says what is wrong.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, body = Health),
    (status = 503, description = "Something is wrong", body = Health),
))]
pub(super) async fn ready(Of(state): Of<State>) -> (StatusCode, Json<Health>) {
    match tokio::time::timeout(PATIENCE, state.status.problems()).await {
        Ok(problems) if problems.is_empty() => (StatusCode::OK, Json(Health { status: "ok" })),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "unavailable" })),
    }
}
