//! What an answer that is an error looks like: `{"success":false,"error":"..."}`, always.

use std::fmt::Display;

use axum::body::{Body, to_bytes};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoResponses, ToSchema};

use super::page;

/// Longer texts are not ours.
const LONGEST_TEXT: usize = 8 * 1024;

/// An answer that is an error.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    body: FailureBody,
    closing: bool,
}

/// What went wrong, beside the JSON that says it.
#[derive(Debug, Clone)]
struct Said(String);

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

    /// Whether the connection ends with this answer.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
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
        let said = Said(self.body.error.clone());
        let mut response = (self.status, Extension(said), Json(self.body)).into_response();
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

/// Gives the errors that the router makes by itself (no such path, no such method, a bad query) the shape of ours, and all
/// of them that of a page `for_people`.
pub(super) async fn shaped(response: Response, for_people: bool) -> Response {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_shaped = kind.starts_with(b"text/html") || (kind == b"application/json" && !for_people);
    if is_shaped || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let error = match parts.extensions.remove::<Said>() {
        Some(Said(error)) => error,
        None => text(status, body).await,
    };
    let shape = if for_people { page::wrong(status, &error) } else { Failure::new(status, error).into_response() };
    let (shape, body) = shape.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(shape.headers);
    Response::from_parts(parts, Body::new(body))
}

async fn text(status: StatusCode, body: Body) -> String {
    let text = to_bytes(body, LONGEST_TEXT).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    if text.trim().is_empty() {
        status.canonical_reason().unwrap_or("failed").to_owned()
    } else {
        text.trim().to_owned()
    }
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
    /// sweepd is stopping or overwhelmed, or the database may do it a little later.
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
    /// sweepd is stopping or overwhelmed, or the database may do it a little later.
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
