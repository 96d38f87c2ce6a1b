//! What holds for every answer, whichever handler gave it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::error;

use super::failure::{Failure, shaped};
use super::page;

/// The longest target of a request, in bytes.
const LONGEST_TARGET: usize = 8 * 1024;

pub(super) async fn answer(request: Request, next: Next) -> Response {
    let for_people = page::is_for(&request);
    let answer = if length(request.uri()) > LONGEST_TARGET {
        let error = format!("the target is longer than {LONGEST_TARGET} bytes");
        Failure::new(StatusCode::URI_TOO_LONG, error).closing().into_response()
    } else {
        surviving(request, next).await
    };
    let mut answer = shaped(answer, for_people).await;
    let headers = answer.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // What may be kept says so itself.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

fn length(target: &Uri) -> usize {
    target.path_and_query().map_or(0, |path| path.as_str().len())
}

/// The handler's answer, or 500 when it panics: the client learns of it, and the connection goes on.
async fn surviving(request: Request, next: Next) -> Response {
    let call = format!("{} {}", request.method(), request.uri().path());
    let mut handling = pin!(next.run(request));
    let handled = std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    handled.await.unwrap_or_else(|panic| {
        error!(call, "an error in sweepd kept a call from being answered: {}", message(&*panic));
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "an error in sweepd; its log says more").into_response()
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}
