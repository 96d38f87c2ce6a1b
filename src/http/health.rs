//! Whether sweepd is alive.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Answers as long as the process does; needs no secret.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "alive", body = Alive)))]
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { status: "ok" })
}
