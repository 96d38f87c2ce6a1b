//! Whatever is sent, the server answers without failing, lets nobody in without the secret, and repeats no secret.
//!
//! An input is a line with method and target, one with the `Authorization` header, one with the `Content-Type`, and the
//! body. Nothing is sent over a network, and the waiting of refused calls takes no time.
#![no_main]

use std::cell::RefCell;

use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request, StatusCode, Uri};
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use sweepd::clock::Clock;
use sweepd::http::auth::{Secret, Secrets};
use sweepd::http::{Settings, State, router};
use sweepd::status::{Roster, Status};
use sweepd::telemetry::metrics::Metrics;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tower_service::Service as _;

const FULL: &str = "the-full-secret-0123456789";
const READ: &str = "the-read-secret-0123456789";
/// Stands for a token in the seeds.
const TOKEN: &str = "hunter2hunter2";
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    static ROUTER: RefCell<axum::Router> = RefCell::new(router(state()));
}

fn state() -> State {
    let secret = |text| Secret::new(text).expect("long enough");
    let settings = Settings {
        listen: None,
        socket: None,
        secrets: Secrets { full: secret(FULL), previous: None, read: Some(secret(READ)) },
        tls: None,
        vercel_cron: true,
        max_connections: 1,
    };
    let clock = Clock::fixed(DateTime::from_timestamp(1_767_225_600, 0).expect("a time in this century"));
    let (_, roster) = watch::channel(Roster::default());
    let (_, bad_edit) = watch::channel(None);
    let (_, settings) = watch::channel(settings);
    State::new(settings, Status::new(roster, bad_edit, clock), Metrics::default())
}

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (call, authorization, kind, body) = (line(), line(), line(), line());
    if let Some(request) = request(call, authorization, kind, body) {
        let (path, call) = (request.uri().path().to_owned(), request.uri().to_string());
        let (status, answer) = RUNTIME.with(|runtime| runtime.block_on(answer(request)));
        check((&path, &call), authorization, body, status, &String::from_utf8_lossy(&answer));
    }
});

fn request(call: &[u8], authorization: &[u8], kind: &[u8], body: &[u8]) -> Option<Request<Body>> {
    let (method, target) = std::str::from_utf8(call).ok()?.split_once(' ')?;
    let mut request = Request::new(Body::from(body.to_vec()));
    *request.method_mut() = method.parse::<Method>().ok()?;
    *request.uri_mut() = target.parse::<Uri>().ok()?;
    for (name, value) in [(AUTHORIZATION, authorization), (CONTENT_TYPE, kind)] {
        if !value.is_empty() {
            request.headers_mut().insert(name, HeaderValue::from_bytes(value).ok()?);
        }
    }
    Some(request)
}

async fn answer(request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let mut router = ROUTER.with(|router| router.borrow().clone());
    let answer = router.call(request).await.unwrap_or_else(|never| match never {});
    let status = answer.status();
    (status, to_bytes(answer.into_body(), usize::MAX).await.expect("a whole answer").to_vec())
}

fn check((path, call): (&str, &str), authorization: &[u8], body: &[u8], status: StatusCode, answer: &str) {
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}: {answer}");
    let given = |secret: &str| {
        let (scheme, rest) = authorization.split_at_checked(7).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"Bearer ") && rest.trim_ascii() == secret.as_bytes()
    };
    if !given(FULL) && !given(READ) && !OPEN.contains(&path) {
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
        assert!(refused.contains(&status), "{path} without a secret: {status} {answer}");
        assert!(!answer.contains(TOKEN), "{path}: {answer}");
    }
    // A name that is not known is repeated: in a path, in a query, and as a key of the JSON.
    let is_named = ["unknown field", "duplicate field", "missing field"].iter().any(|name| answer.contains(name));
    let repeated = |secret: &str| answer.contains(secret) && !is_named && !call.contains(secret);
    assert!(!repeated(FULL) && !repeated(READ), "{call}: {answer}");
    let is_value = String::from_utf8_lossy(body).contains(&format!("\"{TOKEN}\""));
    assert!(!(is_value && repeated(TOKEN)), "{call}: {answer}");
}
