//! Pings a dead man's switch, such as Healthchecks: at the begin of a run, when it ends well, and when it fails. Who hears
//! nothing for too long raises the alarm that sweepd, when it is dead, cannot.

use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::report::{Outcome, Report, RunId};
use crate::webhook::{Address, Client, Post, Refusal};

/// The end of a run is worth some patience; a ping that comes much later would be about another time.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(40)];
const LIMIT: Duration = Duration::from_secs(10);
/// A run does not last longer for a ping of its begin.
const LIMIT_OF_A_BEGIN: Duration = Duration::from_secs(5);

/// What is said of a run.
#[derive(Debug, Clone)]
pub enum Ping {
    /// It has begun.
    Began(RunId),
    /// It has ended.
    Ended(Box<Report>),
}

/// Sends the pings of a job, in their order.
#[derive(Debug)]
pub struct Pinger {
    job: String,
    address: Address,
    client: Client,
}

impl Pinger {
    /// For a job.
    #[must_use]
    pub fn new(job: &str, address: Address, client: Client) -> Self {
        Self { job: job.to_owned(), address, client }
    }

    /// Sends what comes, until nobody sends any more.
    pub async fn serve(self, mut pings: mpsc::UnboundedReceiver<Ping>) {
        let mut ended = None;
        while let Some(ping) = pings.recv().await {
            match &ping {
                // Of a short run, the end may be noticed first; after it, a begin would never end.
                Ping::Began(run) if ended == Some(*run) => continue,
                Ping::Began(_) => {}
                Ping::Ended(report) => ended = Some(report.run_id),
            }
            self.send(&ping).await;
        }
    }

    /// Sends one. When it cannot be sent, that is logged: whoever waits for it raises the alarm.
    pub async fn send(&self, ping: &Ping) {
        let (word, run, body) = match ping {
            Ping::Began(run) => (Some("start"), *run, String::new()),
            Ping::Ended(report) => (failed(report).then_some("fail"), report.run_id, said(report)),
        };
        // Healthchecks measures the time between a begin and an end with the same id.
        let address = self.address.below(word, ("rid", &run.to_string()));
        let (limit, pauses) = match ping {
            Ping::Began(_) => (LIMIT_OF_A_BEGIN, &[][..]),
            Ping::Ended(_) => (LIMIT, &PAUSES[..]),
        };
        let Err(refusal) = self.try_often(&address, &body, limit, pauses).await else {
            return debug!(job = %self.job, runId = %run, "pinged {address}");
        };
        warn!(job = %self.job, runId = %run, "{address} was not pinged: {refusal}");
    }

    async fn try_often(&self, to: &Address, body: &str, limit: Duration, pauses: &[Duration]) -> Result<(), Refusal> {
        let post = || Post { content_type: "text/plain; charset=utf-8", headers: Vec::new(), body: body.to_owned() };
        let mut refused = self.client.post(to, post(), limit).await;
        for pause in pauses {
            if refused.is_ok() || matches!(refused, Err(Refusal::ForGood(_))) {
                break;
            }
            tokio::time::sleep(*pause).await;
            refused = self.client.post(to, post(), limit).await;
        }
        refused.map(drop)
    }
}

fn failed(report: &Report) -> bool {
    matches!(report.outcome, Some(Outcome::Failed | Outcome::Interrupted))
}

fn said(report: &Report) -> String {
    let outcome = report.outcome.map(Outcome::as_str).unwrap_or_default();
    let error = report.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{outcome}, {} rows deleted by {}{error}", report.deleted_count, report.host)
}
