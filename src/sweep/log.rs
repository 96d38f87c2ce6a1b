//! The result line of a run.

use crate::report::{Outcome, Report};

/// The result line of a run.
pub fn log(report: &Report) {
    let outcome = report.outcome.map_or("running", Outcome::as_str);
    let stopped_by = report.stopped_by.map(tracing::field::display);
    let order = report.order.map(tracing::field::display);
    macro_rules! line {
        ($level:ident, $($message:tt)+) => {
            tracing::$level!(
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
        (Some(Outcome::Failed), Some(error)) => line!(error, "run failed: {error}"),
        (Some(Outcome::Interrupted), _) => line!(warn, "run was found dead and closed"),
        (Some(Outcome::Partial), _) => line!(warn, "run ended early; the rest is left for the next run"),
        _ => line!(info, "run ended"),
    }
}
