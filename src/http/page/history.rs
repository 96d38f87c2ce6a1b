//! A table of runs. On a phone each row is a small card, and says by its roles that it is a row still.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::words;
use crate::report::Report;
use crate::zone::Zone;

/// Runs in this order, each with the zone of its job; with the names of their jobs, where there are several.
pub(super) fn table(runs: &[(&Report, &Zone)], are_of_many: bool, longest_error: usize, now: DateTime<Utc>) -> Markup {
    html! {
        @if runs.is_empty() {
            p.quiet { "No run yet." }
        } @else {
            div #runs .scroll role="region" aria-label="Runs" tabindex="0" {
                table role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            th role="columnheader" { "Started" }
                            @if are_of_many { th role="columnheader" { "Job" } }
                            th role="columnheader" { "Outcome" }
                            th.number role="columnheader" { "Rows" }
                            th.number role="columnheader" { "Took" }
                            th role="columnheader" { "By" }
                        }
                    }
                    tbody role="rowgroup" { @for (run, zone) in runs { (row(run, zone, are_of_many, longest_error, now)) } }
                }
            }
        }
    }
}

fn row(run: &Report, zone: &Zone, with_job: bool, longest_error: usize, now: DateTime<Utc>) -> Markup {
    let (sign, class) = words::sign(run);
    html! {
        tr role="row" {
            td role="cell" { (words::time(run.started_at, zone)) " " br; span.quiet { (words::ago(run.started_at, now)) } }
            @if with_job { td role="cell" { a href={ "/jobs/" (run.job) } { (run.job) } } }
            td.outcome role="cell" {
                span.(class) { span aria-hidden="true" { (sign) " " } (words::outcome(run)) }
                @if let Some(reason) = run.stopped_by { br; span.quiet { (words::stopped_by(reason)) } }
                @if let Some(error) = &run.error { br; span.error { (words::shortened(error, longest_error)) } }
            }
            // How far a run is, is said above, by the second.
            td.number.rows role="cell" { @if run.outcome.is_some() { (words::number(run.deleted_count)) } }
            td.number.took role="cell" { @if run.outcome.is_some() { (words::took(run.duration_ms)) } }
            td role="cell" { (words::trigger(run.trigger)) " " br; span.quiet { (run.host) } }
        }
    }
}
