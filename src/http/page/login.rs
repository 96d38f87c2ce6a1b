//! Logging in with the secret, and out.

use axum::extract::{Extension, Query, State as Of};
use axum::http::header::{CONNECTION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::State;
use super::super::auth::Secret;
use super::super::connection::Peer;
use super::super::failure::Failure;
use super::form::Form;
use super::visitor::{Visitor, cookie_of, no_cookies, redirect};
use super::{frame, local, origin};

#[derive(Deserialize)]
pub(super) struct Parameters {
    /// Where to go then.
    next: Option<String>,
}

pub(super) async fn show(
    Of(state): Of<State>,
    Query(Parameters { next }): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let next = local(next.as_deref().unwrap_or_default());
    if Visitor::find(&headers, &state).is_some() {
        return redirect(next);
    }
    frame::respond(StatusCode::OK, &form(next, None))
}

pub(super) async fn log_in(
    Of(state): Of<State>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Failure> {
    let next = local(form.get("next").unwrap_or_default());
    let secret = Secret::digest(form.get("secret").unwrap_or_default().trim().as_bytes());
    if state.gate.access(&secret).is_none() {
        return Ok(refused(next, &state.gate.refuse(Some(&peer)).await));
    }
    // Whoever was logged in before is so no longer.
    if let Some(before) = Visitor::find(&headers, &state) {
        state.logins.close(&before.token);
    }
    let token = state.logins.open(secret, state.status.clock.steady()).ok_or_else(|| {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the system has no random numbers; nobody can log in")
    })?;
    let cookie = cookie_of(&token, peer.encrypted || origin::is_https(&headers));
    Ok(([(SET_COOKIE, cookie)], redirect(next)).into_response())
}

pub(super) async fn log_out(visitor: Visitor, Of(state): Of<State>, form: Form) -> Result<Response, Failure> {
    visitor.check_token(&form)?;
    state.logins.close(&visitor.token);
    let gone = AppendHeaders(no_cookies().map(|cookie| (SET_COOKIE, cookie)));
    Ok((gone, redirect("/login")).into_response())
}

fn refused(next: &str, failure: &Failure) -> Response {
    let mut answer = frame::respond(StatusCode::FORBIDDEN, &form(next, Some("This is not the secret.")));
    if failure.is_closing() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn form(next: &str, error: Option<&str>) -> Markup {
    let body = html! {
        main.narrow data-login=(next) {
            h1 { "sweepd" }
            form.login method="post" action="/login" {
                @if let Some(error) = error { p.notice.refusal role="alert" { (error) } }
                input type="hidden" name="next" value=(next);
                // Some password managers keep nothing without a name.
                input type="text" name="username" value="sweepd" autocomplete="username" hidden;
                label for="secret" { "Secret" }
                input #secret type="password" name="secret" required autofocus autocomplete="current-password"
                    aria-describedby="which";
                p #which .quiet {
                    "The value of " code { "http.secret" } " in sweepd's configuration, or of "
                    code { "http.read_secret" } " to look and change nothing."
                }
                button.main type="submit" { "Log in" }
            }
        }
    };
    frame::page("Log in · sweepd", &html! {}, &body)
}
