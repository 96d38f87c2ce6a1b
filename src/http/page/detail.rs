//! One job, with its plan and more of its past.

use std::time::Duration;

use axum::extract::{Path, State as Of};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::super::failure::Failure;
use super::super::{State, jobs};
use super::card::{Look, card};
use super::known::{self, Known};
use super::visitor::Visitor;
use super::{frame, history, plan, words};
use crate::host;

/// How many of the next instants are shown.
const INSTANTS: usize = 5;
const LONGEST_ERROR: usize = 4000;
/// For the plan, which asks the database.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn show(
    visitor: Visitor,
    Of(state): Of<State>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let status = &state.status;
    let desk = jobs::find(status, &name)?;
    let (all, known, planned) = tokio::join!(
        known::all(status),
        Known::of(status, &desk, INSTANTS),
        tokio::time::timeout(PATIENCE, desk.plan()),
    );
    let planned = planned.ok().flatten();
    let notice = state.logins.told(&visitor.token);
    let look = Look { visitor: &visitor, now: status.now(), notice, is_detail: true };
    let body = html! {
        (frame::top(&visitor, &host::name(), false))
        main #main data-version=(known::version(status, &all)) data-active=(all.iter().any(Known::is_busy))
            data-now=(look.now.timestamp_millis()) {
            (card(&look, &known))
            (plan::dry_run(&known, look.now))
            (plan::plan(planned.as_ref()))
            (instants(&known, &look))
            section aria-labelledby="recent" {
                h2 #recent { "Recent runs" }
                (runs(&known, &look))
            }
        }
    };
    let head = frame::refresh(known.is_busy());
    let title = format!("{name} · sweepd on {}", host::name());
    Ok(frame::respond(StatusCode::OK, &frame::page(&title, &head, &body)))
}

fn runs(known: &Known, look: &Look<'_>) -> Markup {
    let runs: Vec<_> = known.runs.iter().map(|run| (run, known.job.schedule.zone())).collect();
    history::table(&runs, false, LONGEST_ERROR, look.now)
}

fn instants(known: &Known, look: &Look<'_>) -> Markup {
    let is_paused = known.standing.as_ref().is_some_and(|standing| standing.paused.is_some());
    html! {
        @if !known.next.is_empty() && !is_paused {
            section aria-labelledby="instants" {
                h2 #instants { "Next instants" }
                ul {
                    @for at in &known.next {
                        li { (words::time(*at, known.job.schedule.zone())) span.quiet { " · " (words::until(*at, look.now)) } }
                    }
                }
            }
        }
    }
}
