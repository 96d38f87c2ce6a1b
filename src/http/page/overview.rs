//! All jobs: what is wrong first.

use std::collections::BTreeMap;

use axum::extract::State as Of;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::super::State;
use super::card::{Look, card, problem_words};
use super::known::{self, Known};
use super::visitor::Visitor;
use super::{frame, history, words};
use crate::host;
use crate::status::{Problem, Status};

/// So many of the newest runs are listed.
const RUNS: usize = 15;
const LONGEST_ERROR: usize = 200;

pub(super) async fn show(visitor: Visitor, Of(state): Of<State>) -> Response {
    let status = &state.status;
    let jobs = known::all(status).await;
    let notice = state.logins.told(&visitor.token);
    let look = Look { visitor: &visitor, now: status.now(), notice, is_detail: false };
    let is_active = jobs.iter().any(Known::is_busy);
    let problems = problems(status, &jobs, &look);
    let body = html! {
        (frame::top(&visitor, &host::name(), true))
        main #main data-version=(known::version(status, &jobs)) data-active=(is_active)
            data-now=(look.now.timestamp_millis()) {
            h1.unseen { "Session clean-up on " (host::name()) }
            (problems.shown)
            section aria-labelledby="jobs" {
                h2 #jobs { "Jobs" }
                div.jobs { @for known in &jobs { (card(&look, known)) } }
            }
            section aria-labelledby="recent" {
                h2 #recent { "Recent runs" }
                (recent(&jobs, &look))
            }
        }
    };
    let title = title(problems.count, look.notice.as_ref().map(|notice| &*notice.text));
    frame::respond(StatusCode::OK, &frame::page(&title, &frame::refresh(is_active), &body))
}

struct Problems {
    count: usize,
    shown: Markup,
}

fn title(problems: usize, notice: Option<&str>) -> String {
    match (notice, problems) {
        (Some(notice), _) => format!("{notice} · sweepd on {}", host::name()),
        (None, 0) => format!("sweepd on {}", host::name()),
        (None, 1) => format!("1 problem · sweepd on {}", host::name()),
        (None, problems) => format!("{problems} problems · sweepd on {}", host::name()),
    }
}

fn problems(status: &Status, jobs: &[Known], look: &Look<'_>) -> Problems {
    let edit = status.bad_edit.borrow().clone();
    // One database that is away is one problem, however many jobs sweep there.
    let mut away: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut others = Vec::new();
    for known in jobs {
        match &known.problem {
            Some(Problem::Database { error, .. }) => away.entry(error).or_default().push(known.name()),
            Some(problem) => others.push((known, problem)),
            None => {}
        }
    }
    let count = usize::from(edit.is_some()) + away.len() + others.len();
    let shown = html! {
        section.problems.well[count == 0] aria-labelledby="problems" {
            @if count == 0 {
                h2 #problems { span aria-hidden="true" { "✓ " } "All is well" }
                p { (summary(jobs, look)) }
            } @else {
                h2 #problems { span aria-hidden="true" { "✕ " } @if count == 1 { "1 problem" } @else { (count) " problems" } }
                ul {
                    @if let Some(error) = edit {
                        li {
                            "The configuration was edited and cannot be used; what was in force before still is."
                            pre.scroll tabindex="0" role="region" aria-label="What is wrong with the configuration" { (error) }
                        }
                    }
                    @for (error, names) in away {
                        li { "Cannot read the ledger of " (names.join(", ")) ": " (words::shortened(error, LONGEST_ERROR)) }
                    }
                    @for (known, problem) in others {
                        li { a href={ "#job-" (known.name()) } { (known.name()) } ": " (problem_words(problem, known, look.now)) }
                    }
                }
                p { (summary(jobs, look)) }
            }
        }
    };
    Problems { count, shown }
}

/// `3 jobs, 1 running, 1 paused. Next: sessions in 2 h.`
fn summary(jobs: &[Known], look: &Look<'_>) -> Markup {
    let running = jobs.iter().filter(|known| known.active.is_some()).count();
    let is_paused = |known: &&Known| known.standing.as_ref().is_some_and(|standing| standing.paused.is_some());
    let paused = jobs.iter().filter(is_paused).count();
    let waiting = jobs.iter().filter(|known| !is_paused(known));
    let next = waiting.filter_map(|known| Some((*known.next.first()?, known.name()))).min();
    html! {
        @if jobs.len() == 1 { "1 job" } @else { (jobs.len()) " jobs" }
        @if running > 0 { ", " (running) " running" }
        @if paused > 0 { ", " (paused) " paused" }
        "."
        @if let Some((at, name)) = next { " Next: " (name) " " (words::until(at, look.now)) "." }
    }
}

fn recent(jobs: &[Known], look: &Look<'_>) -> Markup {
    let mut runs: Vec<_> =
        jobs.iter().flat_map(|known| known.runs.iter().map(|run| (run, known.job.schedule.zone()))).collect();
    runs.sort_by_key(|(run, _)| std::cmp::Reverse((run.started_at, run.run_id)));
    runs.truncate(RUNS);
    history::table(&runs, true, LONGEST_ERROR, look.now)
}
