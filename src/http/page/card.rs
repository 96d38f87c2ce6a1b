//! A job: what it is doing, did last, and will do next, and its buttons.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::chart::charts;
use super::known::Known;
use super::logins::Notice;
use super::rows::rows;
use super::running::running;
use super::visitor::Visitor;
use super::words;
use crate::report::Report;
use crate::status::Problem;

/// So much of an error is shown where there are many jobs.
const LONGEST_ERROR: usize = 300;

/// Who looks, and when.
pub(super) struct Look<'l> {
    pub(super) visitor: &'l Visitor,
    pub(super) now: DateTime<Utc>,
    /// What came of the last button.
    pub(super) notice: Option<Notice>,
    /// Whether the page is about one job alone.
    pub(super) is_detail: bool,
}

pub(super) fn card(look: &Look<'_>, known: &Known) -> Markup {
    let (name, now) = (known.name(), look.now);
    let notice = look.notice.as_ref().filter(|notice| notice.job == name);
    html! {
        article.job id={ "job-" (name) } aria-labelledby={ "name-" (name) } data-say=(said(known)) {
            @if let Some(notice) = notice { (told(notice)) }
            header {
                @if look.is_detail {
                    h1 id={ "name-" (name) } { (name) }
                } @else {
                    h3 id={ "name-" (name) } { a id={ "link-" (name) } href={ "/jobs/" (name) } { (name) } }
                }
                (chip(known))
                p.quiet.where { "table " (known.job.spec.layout.table) ", database " (known.job.database) }
            }
            @if let Some(problem) = &known.problem { p.problem { (problem_words(problem, known, now)) } }
            (running(known, now))
            dl {
                dt { "Schedule" } dd { (known.job.schedule.describe()) }
                dt { "Next run" } dd { (next(known, now)) }
                dt { "Last run" } dd { (last(known.last(), now)) }
                dt { "Rows" } dd { (rows(known, now)) }
            }
            (charts(name, &known.runs))
            @if look.visitor.may_act() { (buttons(look, known)) }
        }
    }
}

/// The state in a word, which `/live` has newer while a run is active.
pub(super) fn chip(known: &Known) -> Markup {
    let (state, class) = known.state();
    html! { span id={ "state-" (known.name()) } .chip.(class) { (state) } }
}

fn told(notice: &Notice) -> Markup {
    html! { p.notice.refusal[notice.is_refusal] role="status" { (notice.text) } }
}

/// What is wrong with the job.
pub(super) fn problem_words(problem: &Problem, known: &Known, now: DateTime<Utc>) -> Markup {
    html! {
        @match problem {
            Problem::Configuration(error) => (error),
            Problem::Database { error, .. } => {
                "The ledger cannot be read, so what is shown may be old: " (words::shortened(error, LONGEST_ERROR))
            }
            Problem::Overdue { since, .. } => {
                "Overdue: nobody ran it at " (words::time(*since, known.job.schedule.zone()))
                ", " (words::ago(*since, now)) "."
            }
            Problem::Failed { outcome, error, .. } => {
                @if *outcome == crate::report::Outcome::Interrupted {
                    "The last run was found dead; what it had deleted is counted."
                } @else {
                    "The last run failed: "
                    (words::shortened(error.as_deref().unwrap_or("it does not say why"), LONGEST_ERROR))
                }
            }
        }
    }
}

fn next(known: &Known, now: DateTime<Utc>) -> Markup {
    let pause = known.standing.as_ref().and_then(|standing| standing.paused.as_ref());
    html! {
        @if let Some(pause) = pause {
            "none: paused " (words::ago(pause.since, now)) " on " (pause.host)
        } @else if let Some(at) = known.next.first() {
            (words::until(*at, now)) span.quiet { " · " (words::time(*at, known.job.schedule.zone())) }
        } @else {
            "only when asked for"
        }
    }
}

/// What the last run came to. Why it failed is the problem above.
fn last(run: Option<&Report>, now: DateTime<Utc>) -> Markup {
    let Some(run) = run else { return html! { "none yet" } };
    let (sign, class) = words::sign(run);
    html! {
        span.(class) { span aria-hidden="true" { (sign) " " } (words::outcome(run)) }
        " " (words::ago(run.finished_at.unwrap_or(run.started_at), now)) ": "
        (words::rows(run.deleted_count)) " in " (words::took(run.duration_ms))
        @if let Some(reason) = run.stopped_by { span.quiet { " · " (words::stopped_by(reason)) } }
    }
}

/// What is said aloud when it changes.
fn said(known: &Known) -> String {
    let state = if known.active.is_some() { "running" } else { known.state().0 };
    let last =
        known.last().map(|run| format!("; last run {}, {}", words::outcome(run), words::rows(run.deleted_count)));
    format!("{}: {state}{}", known.name(), last.unwrap_or_default())
}

fn buttons(look: &Look<'_>, known: &Known) -> Markup {
    let name = known.name();
    let is_paused = known.standing.as_ref().is_some_and(|standing| standing.paused.is_some());
    let (pause, label) = if is_paused { ("resume", "Resume") } else { ("pause", "Pause") };
    html! {
        form.buttons method="post" action={ "/jobs/" (name) "/dry-run" } {
            input type="hidden" name="token" value=(look.visitor.form_token());
            @if look.is_detail { input type="hidden" name="back" value={ "/jobs/" (name) }; }
            (button(name, "dry-run", "Dry run"))
            // Another process's run may be a dead one, which a run of this process would take over.
            @if known.active.as_ref().is_none_or(|active| active.progress.is_none()) && !is_paused { (button(name, "run", "Run now")) }
            (button(name, pause, label))
        }
    }
}

fn button(name: &str, what: &str, label: &str) -> Markup {
    html! {
        button id={ (what) "-" (name) } formaction={ "/jobs/" (name) "/" (what) } aria-label={ (label) ": " (name) } { (label) }
    }
}
