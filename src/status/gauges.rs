//! What is true at the moment, for the metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Desk, Status, overdue};
use crate::ledger::Standing;
use crate::sweep::Error;
use crate::telemetry::metrics::{JobGauges, Metrics};

impl Status {
    /// Sets the gauges of all jobs and databases.
    pub async fn measure(&self, metrics: &Metrics) {
        metrics.set_reloaded(self.bad_edit.borrow().is_none());
        let desks = self.all();
        let standings = join_all(desks.iter().map(|desk| desk.standing())).await;
        let mut databases = BTreeMap::new();
        for (desk, standing) in desks.iter().zip(standings) {
            let Some(standing) = standing else { continue };
            let up = !matches!(&standing, Err(Error::Database(error)) if error.trouble.is_transient());
            *databases.entry(desk.job().database.clone()).or_insert(true) &= up;
            metrics.set(&desk.job().spec.job, &self.gauges(desk, standing.ok().as_ref()));
        }
        metrics.set_databases(&databases);
    }

    fn gauges(&self, desk: &Desk, standing: Option<&Standing>) -> JobGauges {
        let (job, now) = (desk.job(), self.now());
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
            overdue: standing.map(|standing| overdue(&job, standing, desk.delay(), now).is_some()),
        }
    }
}
