//! Metrics for Prometheus: what the engine counts, and what is true at the moment of a scrape.
//!
//! Labels hold fixed words and the names of the configuration only, so their number is bounded.

mod counters;
mod gauges;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

pub use counters::JobCounters;
pub use gauges::JobGauges;

/// The media type of what [`Metrics::render`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of one process. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    counters: counters::Families,
    gauges: gauges::Families,
    reloaded: IntGauge,
    databases: IntGaugeVec,
    requests: IntCounterVec,
    /// The jobs that there are.
    jobs: Mutex<BTreeMap<String, Arc<JobCounters>>>,
    known_databases: Mutex<BTreeSet<String>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let build = IntGaugeVec::new(Opts::new("sweepd_build_info", "The version that runs; always 1."), &["version"]);
        add(&registry, build).with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let reloaded = IntGauge::new(
            "sweepd_config_last_reload_successful",
            "Whether the last edit of the configuration is in use.",
        );
        let reloaded = add(&registry, reloaded);
        reloaded.set(1);
        let databases = Opts::new("sweepd_database_up", "Whether the database answered when it was last asked.");
        let requests = Opts::new("sweepd_http_requests_total", "HTTP requests answered, by status code.");
        Self(Arc::new(Families {
            counters: counters::Families::new(&registry),
            gauges: gauges::Families::new(&registry),
            reloaded,
            databases: add(&registry, IntGaugeVec::new(databases, &["database"])),
            requests: add(&registry, IntCounterVec::new(requests, &["code"])),
            jobs: Mutex::default(),
            known_databases: Mutex::default(),
            registry,
        }))
    }
}

impl Metrics {
    /// All metrics in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        // It fails for a family without a sample only, and those are not gathered.
        TextEncoder::new().encode_to_string(&self.0.registry.gather()).unwrap_or_default()
    }

    /// Shows the counters of a job from now on, at 0: a rate needs a value from before the first run.
    pub fn announce(&self, job: &str) {
        let _ = self.job(job);
    }

    /// The counters of a job, which is announced by that.
    #[must_use]
    pub fn job(&self, job: &str) -> Arc<JobCounters> {
        let mut jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = jobs.entry(job.to_owned()).or_insert_with(|| Arc::new(self.0.counters.of(job)));
        Arc::clone(counters)
    }

    /// Shows what is true of a job at the moment.
    pub fn set(&self, job: &str, gauges: &JobGauges) {
        self.announce(job);
        self.0.gauges.set(job, gauges);
    }

    /// Takes away all that is shown of a job.
    pub fn forget(&self, job: &str) {
        self.retain(|name| name != job);
    }

    /// Takes away all that is shown of other jobs than those to keep.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut jobs = self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.retain(|job, _| {
            let keep = keep(job);
            if !keep {
                self.0.counters.remove(job);
                self.0.gauges.set(job, &JobGauges::default());
            }
            keep
        });
    }

    /// Shows which databases answer; of others nothing is shown any more.
    pub fn set_databases(&self, up: &BTreeMap<String, bool>) {
        let mut known = self.0.known_databases.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in known.iter().filter(|name| !up.contains_key(*name)) {
            let _ = self.0.databases.remove_label_values(&[gone]);
        }
        for (name, up) in up {
            self.0.databases.with_label_values(&[name]).set(i64::from(*up));
        }
        *known = up.keys().cloned().collect();
    }

    /// Shows whether the last edit of the configuration is in use.
    pub fn set_reloaded(&self, successful: bool) {
        self.0.reloaded.set(i64::from(successful));
    }

    /// Counts an answer of the HTTP interface by its status code.
    pub fn http_answered(&self, code: u16) {
        self.0.requests.with_label_values(&[code.to_string()]).inc();
    }
}

#[expect(clippy::expect_used, reason = "names and labels are fixed, and any test makes them all")]
fn add<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect("a valid metric");
    registry.register(Box::new(collector.clone())).expect("a metric of its own name");
    collector
}
