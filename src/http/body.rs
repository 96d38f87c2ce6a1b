//! The JSON of a request.

use std::time::Duration;

use axum::body::Body as Stream;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::connection::Peer;
use super::failure::Failure;

/// The largest body, in bytes.
pub const LARGEST: usize = 64 * 1024;
/// All of it has to be there within this time, and what the server's stop leaves of it.
const LIMIT: Duration = Duration::from_secs(10);
const LIMIT_AT_STOP: Duration = Duration::from_secs(1);

/// A body of JSON. As the last argument of a handler: what comes before is asked first. `Option<Body<T>>` where it may
/// be empty.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        match read(request).await? {
            Some(value) => Ok(Self(value)),
            None => Err(Failure::new(StatusCode::BAD_REQUEST, "the body is empty; expected JSON")),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Option<Self>, Failure> {
        // `null` is none as well.
        Ok(read::<Option<T>>(request).await?.flatten().map(Self))
    }
}

async fn read<T: DeserializeOwned>(request: Request) -> Result<Option<T>, Failure> {
    if announced(request.headers()).is_some_and(|length| length > LARGEST as u64) {
        return Err(too_large());
    }
    let is_json = is_json(request.headers());
    let bytes = in_time(request).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    if !is_json {
        let error = "the body is not JSON by its Content-Type; send it as application/json";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    if bytes.trim_ascii() == b"null" {
        return Ok(None);
    }
    // An array would do for serde, its first item as the first field.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(unusable("expected an object of JSON, as in {}"));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| unusable(&unquoted(&error)))
}

fn unusable(why: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, format!("the body cannot be used: {why}"))
}

/// Without the value that is of another kind than expected: it may be a token, and callers log what was wrong.
fn unquoted(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let wrong = text.starts_with("invalid type: ") || text.starts_with("invalid value: ");
    let Some((value, expected)) = text.rsplit_once(", expected ").filter(|_| wrong) else { return text };
    let kind = value.split(['"', '`']).next().unwrap_or_default().trim_end();
    format!("{kind}, expected {expected}")
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Not given counts as JSON, too.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The whole body.
pub(super) async fn in_time(request: Request) -> Result<Vec<u8>, Failure> {
    let stop = request.extensions().get().map(|peer: &Peer| peer.stop.clone()).unwrap_or_default();
    let stopping = async {
        stop.cancelled().await;
        tokio::time::sleep(LIMIT_AT_STOP).await;
    };
    let too_late = tokio::time::timeout(LIMIT, stopping);
    tokio::select! {
        bytes = collect(request.into_body()) => bytes,
        _ = too_late => {
            Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time").closing())
        }
    }
}

async fn collect(body: Stream) -> Result<Vec<u8>, Failure> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let broken =
            |error| Failure::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")).closing();
        bytes.extend_from_slice(&chunk.map_err(broken)?);
        if bytes.len() > LARGEST {
            return Err(too_large());
        }
    }
    Ok(bytes)
}

fn too_large() -> Failure {
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {LARGEST} bytes")).closing()
}
