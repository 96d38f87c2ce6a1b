//! What is true at the moment, for the metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Desk, Status, overdue};
use crate::ledger::Standing;
use crate::sweep::Error;
use crate::telemetry::metrics::{JobGauges, Metrics};

/// A database that says nothing for so long is away. Whoever scrapes has little patience.
const PATIENCE: Duration = Duration::from_secs(3);

impl Status {
    /// Sets the gauges of all jobs and databases.
    pub async fn measure(&self, metrics: &Metrics) {
        metrics.set_reloaded(self.bad_edit.borrow().is_none());
        let desks = self.all();
        let looked = join_all(desks.iter().map(|desk| tokio::time::timeout(PATIENCE, desk.standing()))).await;
        let mut databases = BTreeMap::new();
        for (desk, looked) in desks.iter().zip(looked) {
            let job = desk.job();
            // It may be gone meanwhile, or the process about to stop.
            if self.desk(&job.spec.job).is_none() || matches!(looked, Ok(None)) {
                continue;
            }
            let away = match &looked {
                Ok(Some(Err(Error::Database(error)))) => error.trouble.is_transient(),
                Ok(_) => false,
                Err(_) => true,
            };
            *databases.entry(job.database.clone()).or_insert(true) &= !away;
            metrics.set(&job.spec.job, &self.gauges(desk));
        }
        metrics.set_databases(&databases);
    }

    /// From what the ledger said last: who waits for a database that is away is overdue some day.
    fn gauges(&self, desk: &Desk) -> JobGauges {
        let (job, now, standing) = (desk.job(), self.now(), desk.known_standing());
        let standing = standing.as_ref();
        let overdue = |standing: &Standing| overdue(&job, standing, desk.delay(), now).is_some();
        let counted = desk.known_statistics().map(|found| found.value);
        let last = standing.and_then(|standing| standing.last.as_ref()).filter(|last| last.outcome.is_some());
        JobGauges {
            active_rows: counted.as_ref().map(|counted| counted.active),
            expired_rows: counted.as_ref().map(|counted| counted.expired),
            counted_at: counted.map(|counted| counted.timestamp),
            last_success: standing.and_then(|standing| standing.last_success),
            last_run_duration: last.map(|last| Duration::from_millis(last.duration_ms)),
            next_run: desk.next(now),
            run_active: Some(desk.activity().active.is_some()),
            paused: standing.map(|standing| standing.paused.is_some()),
            overdue: standing.map(overdue),
        }
    }
}
