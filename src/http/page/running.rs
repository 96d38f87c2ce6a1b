//! How far a run is.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::known::{Active, Known};
use super::words;
use crate::sweep::{Phase, Progress};

/// The part of a page that `/live` has newer.
pub(super) fn running(known: &Known, now: DateTime<Utc>) -> Markup {
    let name = known.name();
    html! {
        @if let Some(active) = &known.active {
            div.running id={ "progress-" (name) } {
                @match &active.progress {
                    Some(progress) => (here(name, active, progress, now)),
                    None => p {
                        "Running on " (active.host) " for " (since(active, now)) ": "
                        strong { (words::rows(active.deleted)) } " deleted so far."
                    }
                }
            }
        }
    }
}

fn here(name: &str, active: &Active, progress: &Progress, now: DateTime<Utc>) -> Markup {
    let (done, of) = measure(progress);
    let label = format!("Progress of the run of {name}");
    html! {
        p {
            @match progress.phase {
                Phase::Claiming => "Beginning…",
                Phase::Waiting => "Waits for its turn: another job sweeps the same database.",
                Phase::Running => {
                    strong { (words::rows(progress.deleted)) } " deleted"
                    @if let Some(expected) = progress.expected { " of about " (words::number(expected)) }
                    @if let Some(of) = of { " · " (percent(done, of)) " % of the way" }
                    span.quiet { " · for " (since(active, now)) ", by " (words::trigger(active.trigger)) }
                }
            }
        }
        @match of {
            Some(of) => progress aria-label=(label) value=(done) max=(of) {},
            None => progress aria-label=(label) {}
        }
        @if let Some(reason) = progress.throttle {
            @if active.is_held_up() {
                p.held { span aria-hidden="true" { "◐ " } "Held up: the run " (words::throttle(reason)) "." }
            } @else {
                p.quiet { "The run " (words::throttle(reason)) "." }
            }
        }
    }
}

fn since(active: &Active, now: DateTime<Utc>) -> String {
    words::span(now - active.since)
}

/// How much of how much: of the way, or else of the rows that were expected.
fn measure(progress: &Progress) -> (u64, Option<u64>) {
    match (progress.of.filter(|of| *of > 0), progress.expected.filter(|expected| *expected > 0)) {
        (Some(of), _) => (progress.walked.min(of), Some(of)),
        (None, Some(expected)) => (progress.deleted.min(expected), Some(expected)),
        (None, None) => (0, None),
    }
}

fn percent(done: u64, of: u64) -> u64 {
    done.saturating_mul(100) / of
}
