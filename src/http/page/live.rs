//! What changes by the second, for the script of a page: how far the runs are.

use axum::extract::State as Of;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::super::State;
use super::card::chip;
use super::frame;
use super::known;
use super::running::running;
use super::visitor::Visitor;

/// Who is not logged in gets no content: a script may ask whether somebody is, and a browser takes every 401 for an error.
pub(super) async fn show(visitor: Result<Visitor, Response>, Of(state): Of<State>) -> Response {
    if visitor.is_err() {
        return StatusCode::NO_CONTENT.into_response();
    }
    let status = &state.status;
    let (jobs, now) = (known::all(status).await, status.now());
    let live = html! {
        div #live data-version=(known::version(status, &jobs)) {
            @for known in jobs.iter().filter(|known| known.active.is_some()) {
                (running(known, now))
                (chip(known))
            }
        }
    };
    frame::respond(StatusCode::OK, &live)
}
