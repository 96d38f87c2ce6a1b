//! The result line of a run.

use crate::report::{Outcome, Report, rfc3339};
use crate::telemetry::RESULTS;

/// Logs how a run ended, with all of its report.
pub(super) fn log(report: &Report) {
    let scheduled_for = report.scheduled_for.map(rfc3339);
    let finished_at = report.finished_at.map(rfc3339);
    let cutoff = report.cutoff.map(rfc3339);
    let outcome = report.outcome.map(tracing::field::display);
    let stopped_by = report.stopped_by.map(tracing::field::display);
    let order = report.order.map(tracing::field::display);
    let throttled = (!report.throttled_ms.is_empty()).then(|| serde_json::json!(report.throttled_ms).to_string());
    macro_rules! line {
        ($target:expr, $level:ident, $($message:tt)+) => {
            tracing::$level!(
                target: $target,
                job = %report.job,
                runId = %report.run_id,
                trigger = %report.trigger,
                scheduledFor = scheduled_for,
                startedAt = rfc3339(report.started_at),
                finishedAt = finished_at,
                durationMs = report.duration_ms,
                cutoff,
                outcome,
                stoppedBy = stopped_by,
                deletedCount = report.deleted_count,
                batches = report.batches,
                order,
                throttledMs = throttled,
                host = report.host,
                error = report.error,
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
