//! Metrics for Prometheus.

use std::time::Duration;

use axum::extract::{Request, State as Of};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::State;
use super::auth::Reader;
use super::failure::FailureBody;
use crate::telemetry::metrics::Metrics;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Whoever scrapes has little patience; what is not known by then is shown as it was.
const PATIENCE: Duration = Duration::from_secs(4);

/// The metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "health", security(("secret" = [])), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 401, description = "No secret, or a wrong one", body = FailureBody),
))]
pub(super) async fn show(_: Reader, Of(state): Of<State>) -> Response {
    let _ = tokio::time::timeout(PATIENCE, state.status.measure(&state.metrics)).await;
    ([(CONTENT_TYPE, TEXT)], state.metrics.render()).into_response()
}

/// Counts every answer.
pub(super) async fn count(Of(metrics): Of<Metrics>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    metrics.http_answered(answer.status().as_u16());
    answer
}
