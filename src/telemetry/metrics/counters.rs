//! What the engine counts for each job.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::{
    Counter, CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use super::add;
use crate::report::{Outcome, Report, Throttle, Trigger};

/// From 1 ms, a batch of the gentlest pace, to 10 s, one that shuts others out.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The counters of all jobs.
#[derive(Debug)]
pub(super) struct Families {
    rows: IntCounterVec,
    batches: IntCounterVec,
    seconds: HistogramVec,
    runs: IntCounterVec,
    throttled: CounterVec,
}

/// The counters of one job, which has one run at a time.
#[derive(Debug)]
pub struct JobCounters {
    seconds: Histogram,
    runs: BTreeMap<(Trigger, Outcome), IntCounter>,
    throttled: BTreeMap<Throttle, Counter>,
    followed: Mutex<Followed>,
}

/// The counters that follow the ledger.
#[derive(Debug)]
struct Followed {
    rows: Following,
    batches: Following,
    /// The last run, while its end is not in the ledger, and what was counted of it.
    unfinished: Option<Report>,
}

/// A counter that comes to the same as the ledger. It can be ahead of it, when a server that crashed has forgotten
/// batches whose COMMIT it had answered, and never goes back: then it waits until the ledger has caught up.
#[derive(Debug)]
struct Following {
    counter: IntCounter,
    /// The sum of the runs that have ended.
    ended: u64,
}

impl Families {
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name, help, labels: &[&str]| add(registry, IntCounterVec::new(Opts::new(name, help), labels));
        let seconds = "Time of a batch that deleted rows, from BEGIN to the answer to its COMMIT.";
        let seconds = HistogramOpts::new("sweepd_batch_duration_seconds", seconds).buckets(BUCKETS.to_vec());
        let throttled = Opts::new("sweepd_throttled_seconds_total", "Time paused between batches, by reason.");
        Self {
            rows: counter("sweepd_rows_deleted_total", "Rows deleted.", &["job"]),
            batches: counter("sweepd_batches_total", "Batches that deleted rows.", &["job"]),
            seconds: add(registry, HistogramVec::new(seconds, &["job"])),
            runs: counter(
                "sweepd_runs_total",
                "Runs that have ended, by what started them and how they ended.",
                &["job", "trigger", "outcome"],
            ),
            throttled: add(registry, CounterVec::new(throttled, &["job", "reason"])),
        }
    }

    /// All counters of a job, at 0.
    pub(super) fn of(&self, job: &str) -> JobCounters {
        let run = |(trigger, outcome): (Trigger, Outcome)| {
            ((trigger, outcome), self.runs.with_label_values(&[job, trigger.as_str(), outcome.as_str()]))
        };
        let throttle = |reason: &Throttle| (*reason, self.throttled.with_label_values(&[job, reason.as_str()]));
        JobCounters {
            seconds: self.seconds.with_label_values(&[job]),
            runs: ends().map(run).collect(),
            throttled: Throttle::ALL.iter().map(throttle).collect(),
            followed: Mutex::new(Followed {
                rows: Following { counter: self.rows.with_label_values(&[job]), ended: 0 },
                batches: Following { counter: self.batches.with_label_values(&[job]), ended: 0 },
                unfinished: None,
            }),
        }
    }

    pub(super) fn remove(&self, job: &str) {
        remove(&self.rows, &[job]);
        remove(&self.batches, &[job]);
        remove(&self.seconds, &[job]);
        for (trigger, outcome) in ends() {
            remove(&self.runs, &[job, trigger.as_str(), outcome.as_str()]);
        }
        for reason in Throttle::ALL {
            remove(&self.throttled, &[job, reason.as_str()]);
        }
    }
}

/// How runs can end.
fn ends() -> impl Iterator<Item = (Trigger, Outcome)> {
    Trigger::ALL.iter().flat_map(|trigger| Outcome::ALL.iter().map(|outcome| (*trigger, *outcome)))
}

/// It is an error that there is none, and no harm.
fn remove<T: MetricVecBuilder>(family: &MetricVec<T>, labels: &[&str]) {
    let _ = family.remove_label_values(labels);
}

impl JobCounters {
    /// Counts a batch: the rows and batches of its run so far, and how long it took.
    pub fn batch(&self, rows: u64, batches: u64, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        self.followed().so_far(rows, batches);
    }

    /// Counts a pause.
    pub fn throttled(&self, reason: Throttle, time: Duration) {
        if let Some(seconds) = self.throttled.get(&reason) {
            seconds.inc_by(time.as_secs_f64());
        }
    }

    /// Counts the end of a run of this process. The report has the ledger's counts: where the answer to a COMMIT was
    /// lost, they are more than was seen.
    pub fn ended(&self, report: &Report) {
        self.followed().ended(report);
        // Who found it dead has counted it.
        if report.outcome != Some(Outcome::Interrupted) {
            self.outcome(report);
        }
    }

    /// Counts a run of this process whose end could not be written to the ledger.
    pub fn unfinished(&self, report: &Report) {
        self.ended(report);
        self.followed().unfinished = Some(report.clone());
    }

    /// Counts a run that was found dead and closed. Its rows are those of the process that died, unless this one is it.
    pub fn found_dead(&self, report: &Report) {
        if !self.followed().correct(report) {
            self.outcome(report);
        }
    }

    /// Counts a scheduled instant that was skipped.
    pub fn skipped(&self, trigger: Trigger) {
        self.count(trigger, Outcome::Skipped);
    }

    fn outcome(&self, report: &Report) {
        if let Some(outcome) = report.outcome {
            self.count(report.trigger, outcome);
        }
    }

    fn count(&self, trigger: Trigger, outcome: Outcome) {
        if let Some(runs) = self.runs.get(&(trigger, outcome)) {
            runs.inc();
        }
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    fn so_far(&mut self, rows: u64, batches: u64) {
        self.rows.so_far(rows);
        self.batches.so_far(batches);
    }

    fn ended(&mut self, report: &Report) {
        self.unfinished = None;
        self.so_far(report.deleted_count, report.batches);
        self.rows.ended += report.deleted_count;
        self.batches.ended += report.batches;
    }

    /// Takes the ledger's counts for a run that had not ended there; false when it is another one.
    fn correct(&mut self, report: &Report) -> bool {
        let Some(before) = self.unfinished.take_if(|run| run.run_id == report.run_id) else { return false };
        self.rows.ended = self.rows.ended.saturating_sub(before.deleted_count);
        self.batches.ended = self.batches.ended.saturating_sub(before.batches);
        self.ended(report);
        true
    }
}

impl Following {
    fn so_far(&self, run: u64) {
        let missing = (self.ended + run).saturating_sub(self.counter.get());
        self.counter.inc_by(missing);
    }
}
