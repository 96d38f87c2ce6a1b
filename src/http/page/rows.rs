//! Active against expired rows.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::known::Known;
use super::words;
use crate::sweep::stats::Stats;

pub(super) fn rows(known: &Known, now: DateTime<Utc>) -> Markup {
    let Some(found) = &known.statistics else { return html! { "not counted yet" } };
    let Stats { active, expired, timestamp, .. } = found.value;
    html! {
        strong { (words::number(active)) } " active, "
        strong { (words::number(expired)) } " expired"
        span.quiet { " (counted " (words::ago(timestamp, now)) ")" }
        (bar(active, expired))
    }
}

/// The same to look at.
fn bar(active: u64, expired: u64) -> Markup {
    let Some(share) = active.saturating_mul(1000).checked_div(active.saturating_add(expired)) else { return html! {} };
    let (whole, tenth) = (share / 10, share % 10);
    html! {
        svg.share aria-hidden="true" width="100%" height="6" {
            rect.expired width="100%" height="6" {}
            rect.active width={ (whole) "." (tenth) "%" } height="6" {}
        }
    }
}
