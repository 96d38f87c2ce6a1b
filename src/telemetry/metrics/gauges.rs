//! What is true of each job at the moment of a scrape.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::{GaugeVec, Opts, Registry};

use super::add;

/// What is true of a job at the moment. What is not known is none, and is not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobGauges {
    /// Rows that have not expired.
    pub active_rows: Option<u64>,
    /// Rows that have.
    pub expired_rows: Option<u64>,
    /// When the rows were counted.
    pub counted_at: Option<DateTime<Utc>>,
    /// When the last run ended that was `completed` or `partial`.
    pub last_success: Option<DateTime<Utc>>,
    /// How long the last run took.
    pub last_run_duration: Option<Duration>,
    /// The next scheduled instant, with the delay of this host.
    pub next_run: Option<DateTime<Utc>>,
    /// Whether a run is active.
    pub run_active: Option<bool>,
    /// Whether it is paused.
    pub paused: Option<bool>,
    /// Whether a run is overdue by its own schedule.
    pub overdue: Option<bool>,
}

#[derive(Debug)]
pub(super) struct Families {
    rows: GaugeVec,
    counted_at: GaugeVec,
    last_success: GaugeVec,
    last_run_duration: GaugeVec,
    next_run: GaugeVec,
    run_active: GaugeVec,
    paused: GaugeVec,
    overdue: GaugeVec,
}

impl Families {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |name, help, labels: &[&str]| add(registry, GaugeVec::new(Opts::new(name, help), labels));
        let of_job = |name, help| gauge(name, help, &["job"]);
        Self {
            rows: gauge("sweepd_rows", "Rows in the table when they were last counted.", &["job", "state"]),
            counted_at: of_job("sweepd_rows_timestamp_seconds", "When the rows were counted."),
            last_success: of_job(
                "sweepd_last_success_timestamp_seconds",
                "When the last run ended that was completed or partial.",
            ),
            last_run_duration: of_job("sweepd_last_run_duration_seconds", "How long the last run took."),
            next_run: of_job("sweepd_next_run_timestamp_seconds", "The next instant of the schedule."),
            run_active: of_job("sweepd_run_active", "Whether a run is active."),
            paused: of_job("sweepd_job_paused", "Whether the job is paused."),
            overdue: of_job("sweepd_job_overdue", "Whether a run is overdue by the job's own schedule."),
        }
    }

    pub(super) fn set(&self, job: &str, gauges: &JobGauges) {
        show(&self.rows, &[job, "active"], gauges.active_rows.map(number));
        show(&self.rows, &[job, "expired"], gauges.expired_rows.map(number));
        show(&self.counted_at, &[job], gauges.counted_at.map(timestamp));
        show(&self.last_success, &[job], gauges.last_success.map(timestamp));
        show(&self.last_run_duration, &[job], gauges.last_run_duration.map(|time| time.as_secs_f64()));
        show(&self.next_run, &[job], gauges.next_run.map(timestamp));
        show(&self.run_active, &[job], gauges.run_active.map(truth));
        show(&self.paused, &[job], gauges.paused.map(truth));
        show(&self.overdue, &[job], gauges.overdue.map(truth));
    }
}

fn show(family: &GaugeVec, labels: &[&str], value: Option<f64>) {
    match value {
        Some(value) => family.with_label_values(labels).set(value),
        // It is an error that there is none, and no harm.
        None => drop(family.remove_label_values(labels)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
fn number(rows: u64) -> f64 {
    rows as f64
}

/// Seconds since 1970, to the millisecond.
#[expect(clippy::cast_precision_loss, reason = "milliseconds fit for longer than dates do")]
fn timestamp(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}
