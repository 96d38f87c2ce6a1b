//! How a run would sweep, and what a dry run found.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::known::Known;
use super::words;
use crate::sweep::plan::{Shown, ShownPart};
use crate::sweep::{Error, stats::DryRun};

/// More partitions than this are not spelled out.
const PARTS: usize = 3;

/// What the last dry run found.
pub(super) fn dry_run(known: &Known, now: DateTime<Utc>) -> Markup {
    html! {
        @if known.is_trying || known.dry_run.is_some() {
            section #dry-run aria-labelledby="dry" {
                h2 #dry { "Dry run" }
                @if known.is_trying {
                    p { "Counting… The number is shown here as soon as it is known." }
                } @else {
                    @match &known.dry_run {
                        Some(Ok(found)) => (found_rows(known, &found.value, now)),
                        Some(Err(failure)) => p.problem { "A run would not be possible: " (failure.value) },
                        None => {}
                    }
                }
            }
        }
    }
}

fn found_rows(known: &Known, found: &DryRun, now: DateTime<Utc>) -> Markup {
    html! {
        p {
            "A run would delete " strong { (words::rows(found.expired)) } " that had expired at "
            (words::time(found.cutoff, known.job.schedule.zone())) ", counted " (words::ago(found.cutoff, now))
            ". Nothing was deleted."
        }
        @if !found.all_expired.is_empty() {
            p { "Partitions all of whose rows have expired: " (found.all_expired.join(", ")) }
        }
    }
}

/// How a run would sweep now.
pub(super) fn plan(plan: Option<&Result<Shown, Error>>) -> Markup {
    html! {
        section aria-labelledby="plan" {
            h2 #plan { "How a run sweeps" }
            @match plan {
                Some(Ok(plan)) => (shown(plan)),
                Some(Err(error)) => p.problem { (error) },
                None => p.quiet { "The database takes long to say; load the page again." }
            }
        }
    }
}

fn shown(plan: &Shown) -> Markup {
    html! {
        p {
            "Rows of " code { (plan.table) } " by " code { (plan.column) } " (" (plan.encoding) ", " (plan.mode)
            @if let Some(lifetime) = &plan.lifetime { ", lifetime " (lifetime) }
            ")"
            @if let Some(rows) = plan.estimated_rows { ", about " (words::rows(rows)) " expired by the database's statistics" }
            "."
        }
        @for (number, part) in plan.walks.iter().take(PARTS).enumerate() { (walk(part, number, plan.walks.len() > 1)) }
        @if plan.walks.len() > PARTS { p.quiet { "And so on, through " (plan.walks.len()) " partitions." } }
    }
}

fn walk(part: &ShownPart, number: usize, is_one_of_many: bool) -> Markup {
    html! {
        p {
            @if is_one_of_many { code { (part.table) } ": " }
            "In the order " strong { (part.order) } ": " (part.why)
            @if let Some(index) = &part.index { ", along the index " code { (index) } }
            "."
        }
        pre.scroll id={ "sql-" (number) } tabindex="0" role="region" aria-label={ "Statement of a batch " (number + 1) } { (part.sql) }
    }
}
