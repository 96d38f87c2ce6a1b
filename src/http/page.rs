//! The status page: what every job does and did, and buttons to run, try and pause it.
//!
//! | module | what it does |
//! |---|---|
//! | `login`, `logins`, `visitor` | logging in and out, who is logged in, and who asks |
//! | `origin`, `form` | that what is asked for was meant: it comes from a page of ours |
//! | `buttons` | runs, dry runs and pauses |
//! | `overview`, `detail`, `live` | all jobs, one job, and what changes while they are looked at |
//! | `known` | what is known of a job at a moment |
//! | `card`, `running`, `rows`, `chart`, `history`, `plan`, `words` | the parts of a page |
//! | `frame`, `assets` | what is around them |
//!
//! The pages are whole without JavaScript. `page.js` ticks the clocks, asks `/live` how far the runs are, and fetches the
//! page anew when something else has changed.

mod assets;
mod buttons;
mod card;
mod chart;
mod detail;
mod form;
mod frame;
mod history;
mod known;
mod live;
mod login;
mod logins;
mod origin;
mod overview;
mod plan;
mod rows;
mod running;
mod visitor;
mod words;

use axum::Router;
use axum::extract::Request;
use axum::http::header::ACCEPT;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use super::State;
pub(super) use frame::wrong;
pub use logins::Logins;

/// All pages.
pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/", get(overview::show))
        .route("/jobs/{name}", get(detail::show))
        .route("/jobs/{name}/{button}", post(buttons::press))
        .route("/live", get(live::show))
        .route("/login", get(login::show).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/assets/{file}", get(assets::serve))
        .layer(from_fn(origin::checked))
}

/// Whether a person reads the answer in a browser.
pub(super) fn is_for(request: &Request) -> bool {
    let path = request.uri().path();
    let is_for_programs = path.starts_with("/api/") || matches!(path, "/api" | "/metrics" | "/healthz" | "/readyz");
    let accepted = request.headers().get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
    !is_for_programs && accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// A path to go to after the log-in or after a button: only one of ours.
fn local(path: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '#');
    let is_ours = path.starts_with("/jobs/") && path.chars().all(is_plain) && !path.contains("//");
    if is_ours { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(local("/jobs/sessions"), "/jobs/sessions");
        for elsewhere in
            ["", "/", "//evil.example", "/jobs//evil.example", "https://evil.example", "/\\evil", "/jobs/a\r\nb"]
        {
            assert_eq!(local(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
