//! The result line of a run.

use crate::report::{Outcome, Report};
use crate::telemetry::RESULTS;

/// The result line of a run.
pub fn log(report: &Report) {
    let outcome = report.outcome.map_or("running", Outcome::as_str);
    let stopped_by = report.stopped_by.map(tracing::field::display);
    let order = report.order.map(tracing::field::display);
    macro_rules! line {
        ($target:expr, $level:ident, $($message:tt)+) => {
            tracing::$level!(
                target: $target,
                job = %report.job,
                run = %report.run_id,
                trigger = %report.trigger,
                deleted = report.deleted_count,
                batches = report.batches,
                duration_ms = report.duration_ms,
                outcome,
                stopped_by,
                order,
                $($message)+
            )
        };
    }
    match (report.outcome, &report.error) {
        (Some(Outcome::Failed), Some(error)) => line!(RESULTS, error, "run failed: {error}"),
        (Some(Outcome::Interrupted), _) => line!(module_path!(), warn, "run was found dead and closed"),
        (Some(Outcome::Partial), _) => line!(RESULTS, warn, "run ended early; the rest is left for the next run"),
        _ => line!(RESULTS, info, "run ended"),
    }
}
