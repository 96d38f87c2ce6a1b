//! What an answer that is an error looks like: `{"success":false,"error":"..."}`, always.

use std::fmt::Display;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoResponses, ToSchema};

/// Longer texts are not ours.
const LONGEST_TEXT: usize = 8 * 1024;

/// An answer that is an error.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    body: FailureBody,
    closing: bool,
}

/// The JSON of an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct FailureBody {
    /// Always false.
    success: bool,
    /// What went wrong, for people.
    error: String,
    /// More, depending on the call.
    #[serde(flatten)]
    #[schema(ignore)]
    fields: Map<String, Value>,
}

impl Failure {
    /// With a status, and what went wrong.
    pub fn new(status: StatusCode, error: impl Display) -> Self {
        let body = FailureBody { success: false, error: error.to_string(), fields: Map::new() };
        Self { status, body, closing: false }
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body.fields.insert(name.to_owned(), value.into());
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.body.error
    }

    /// The connection ends with this answer.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closing = true;
        self
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized")
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.closing {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Gives the errors that the router makes by itself (no such path, no such method, a bad query) the shape of ours.
pub(super) async fn shaped(response: Response) -> Response {
    let status = response.status();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/json");
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, LONGEST_TEXT).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let error = if text.trim().is_empty() { status.canonical_reason().unwrap_or("failed") } else { text.trim() };
    let (shape, body) = Failure::new(status, error).into_response().into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(shape.headers);
    Response::from_parts(parts, Body::new(body))
}

/// How calls are described that only read and whose parameters can be wrong.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Reading {
    /// A parameter is wrong.
    #[response(status = 400)]
    BadRequest(FailureBody),
    /// No secret, or a wrong one.
    #[response(status = 401)]
    Unauthorized(FailureBody),
    /// There is no such thing.
    #[response(status = 404)]
    NotFound(FailureBody),
    /// The database cannot.
    #[response(status = 500)]
    Failed(FailureBody),
    /// sweepd is stopping or overwhelmed.
    #[response(status = 503)]
    Unavailable(FailureBody),
}

/// How calls are described that change something.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Changing {
    /// A parameter is wrong.
    #[response(status = 400)]
    BadRequest(FailureBody),
    /// No secret, or a wrong one.
    #[response(status = 401)]
    Unauthorized(FailureBody),
    /// This secret only reads.
    #[response(status = 403)]
    Forbidden(FailureBody),
    /// There is no such thing.
    #[response(status = 404)]
    NotFound(FailureBody),
    /// The database cannot.
    #[response(status = 500)]
    Failed(FailureBody),
    /// sweepd is stopping or overwhelmed.
    #[response(status = 503)]
    Unavailable(FailureBody),
}

/// How calls are described that take JSON, beside [`Changing`].
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum Taking {
    /// The body did not arrive in time.
    #[response(status = 408)]
    TooLate(FailureBody),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(FailureBody),
    /// The body is not JSON.
    #[response(status = 415)]
    NotJson(FailureBody),
    /// A value is not accepted, or there is no place for it.
    #[response(status = 422)]
    NotAccepted(FailureBody),
}
