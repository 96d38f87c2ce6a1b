//! Charts of the last runs: one column for each, the oldest first.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::words;
use crate::report::{Outcome, Report};

/// Where columns stand, the height of the tallest, and the place of one with its gap. Above it is room for a cross.
const GROUND: u64 = 42;
const HEIGHT: u64 = 32;
const STEP: usize = 8;
const WIDTH: usize = 6;
/// So many columns have a place.
const PLACES: usize = 30;

/// Deleted rows, and how long each run took. `runs` are the newest first.
pub(super) fn charts(name: &str, runs: &[Report]) -> Markup {
    let mut ended: Vec<_> = runs.iter().filter(|run| run.outcome.is_some()).take(PLACES).collect();
    ended.reverse();
    html! {
        @if ended.is_empty() {
            p.quiet { "No run yet." }
        } @else {
            div.charts {
                (chart(name, ["Rows deleted", "by"], &ended, |run| run.deleted_count, words::number))
                (chart(name, ["Duration", "of"], &ended, |run| run.duration_ms, words::took))
            }
        }
    }
}

fn chart(
    name: &str,
    [title, link]: [&str; 2],
    runs: &[&Report],
    value: impl Fn(&Report) -> u64,
    shown: impl Fn(u64) -> String,
) -> Markup {
    let values: Vec<_> = runs.iter().map(|run| value(run)).collect();
    let most = values.iter().copied().max().unwrap_or_default();
    let last = values.last().copied().unwrap_or_default();
    let failures = runs.iter().filter(|run| failed(run)).count();
    let which = if runs.len() == 1 { "only run".to_owned() } else { format!("last {} runs", runs.len()) };
    let mut words = format!("{title} {link} {name} in its {which}: last {}, most {}", shown(last), shown(most));
    if failures > 0 {
        let _ = write!(words, "; {failures} failed, marked with a cross");
    }
    html! {
        figure {
            figcaption { (title) " " span.quiet { "most " (shown(most)) } }
            svg.chart role="img" viewBox={ "0 0 " (PLACES * STEP) " " (GROUND) } {
                title { (words) }
                path.columns d=(columns(runs, &values, most, false)) {}
                @if failures > 0 {
                    path.failed d=(columns(runs, &values, most, true)) {}
                    path.crosses d=(crosses(runs)) {}
                }
            }
        }
    }
}

fn failed(run: &Report) -> bool {
    matches!(run.outcome, Some(Outcome::Failed | Outcome::Interrupted))
}

/// Where the columns of these runs begin, the newest at the right end.
fn places(runs: &[&Report]) -> impl Iterator<Item = usize> + use<> {
    let free = PLACES.saturating_sub(runs.len());
    (free..).map(|place| place * STEP + 1)
}

/// One path for all of them: a page of many jobs has thousands of columns.
fn columns(runs: &[&Report], values: &[u64], most: u64, are_failures: bool) -> String {
    let mut path = String::new();
    for ((run, value), x) in runs.iter().zip(values).zip(places(runs)) {
        // Nothing is a line, and the smallest number can be told from it.
        let height = (value.saturating_mul(HEIGHT)).checked_div(most).unwrap_or_default() + u64::from(*value > 0) + 1;
        if failed(run) == are_failures {
            let _ = write!(path, "M{} {}v-{height}", x + WIDTH / 2, GROUND);
        }
    }
    path
}

fn crosses(runs: &[&Report]) -> String {
    let mut path = String::new();
    for (_, x) in runs.iter().zip(places(runs)).filter(|(run, _)| failed(run)) {
        let _ = write!(path, "M{x} 1l{WIDTH} {WIDTH}m0-{WIDTH}l-{WIDTH} {WIDTH}");
    }
    path
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::report::{RunId, Trigger};

    #[test]
    fn a_failure_is_told_from_others_by_its_form() {
        let at = DateTime::UNIX_EPOCH;
        let run = |deleted_count, outcome| Report {
            deleted_count,
            outcome: Some(outcome),
            ..Report::begun("a", RunId::new(at), Trigger::Api, at, "host")
        };
        let runs = [run(4, Outcome::Failed), run(0, Outcome::Partial), run(8, Outcome::Completed)];
        let shown = charts("a", &runs).0;
        let part = "<title>Rows deleted by a in its last 3 runs: last 4, most 8; 1 failed, marked with a cross</title>";
        assert!(shown.contains(part), "{shown}");
        assert!(shown.contains(r#"class="columns" d="M220 42v-34M228 42v-1""#), "{shown}");
        assert!(shown.contains(r#"class="failed" d="M236 42v-18""#), "{shown}");
        assert!(shown.contains(r#"class="crosses" d="M233 1l6 6m0-6l-6 6""#), "{shown}");
        assert!(charts("a", &[]).0.contains("No run yet"));
    }
}
