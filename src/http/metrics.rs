//! Metrics for Prometheus.

use axum::extract::{Request, State as Of};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::State;
use super::auth::Reader;
use super::failure::FailureBody;
use crate::telemetry::metrics::{CONTENT_TYPE as TEXT, Metrics};

/// The metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "health", security(("secret" = [])), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 401, description = "No secret, or a wrong one", body = FailureBody),
))]
pub(super) async fn show(_: Reader, Of(state): Of<State>) -> Response {
    state.status.measure(&state.metrics).await;
    ([(CONTENT_TYPE, TEXT)], state.metrics.render()).into_response()
}

/// Counts every answer.
pub(super) async fn count(Of(metrics): Of<Metrics>, request: Request, next: Next) -> Response {
    let _counts = OnPanic(&metrics);
    let answer = next.run(request).await;
    metrics.http_answered(answer.status().as_u16());
    answer
}

/// Counts the answer that a handler did not come to give; one whose client has gone away is no answer.
struct OnPanic<'m>(&'m Metrics);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.http_answered(500);
        }
    }
}
