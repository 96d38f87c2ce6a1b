//! Pings a dead man's switch, such as Healthchecks: at the begin of a run, when it ends well, and when it fails. Who hears
//! nothing for too long raises the alarm that sweepd, when it is dead, cannot.

use std::time::Duration;

use tokio::sync::watch;
use tracing::{debug, warn};

use crate::job::{Active, Activity};
use crate::report::{Outcome, Report, RunId};
use crate::sweep::Phase;
use crate::webhook::{Address, Client, Post, Refusal};

/// The end of a run is worth some patience; a ping that comes much later would be about another time.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(30)];
const LIMIT: Duration = Duration::from_secs(10);
/// Nothing waits long for the ping of a begin.
const LIMIT_OF_A_BEGIN: Duration = Duration::from_secs(5);

/// Sends the pings of a job.
#[derive(Debug, Clone)]
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

    /// Pings what happens to a job, until its worker has ended. What comes while a ping is not taken is not kept: only the
    /// newest counts.
    pub async fn follow(self, mut activity: watch::Receiver<Activity>) {
        let (mut began, mut ended) = (None, activity.borrow().last.as_ref().map(|report| report.run_id));
        loop {
            let Activity { active, last, .. } = activity.borrow_and_update().clone();
            if let Some(report) = last.filter(|report| ended != Some(report.run_id)) {
                ended = Some(report.run_id);
                self.ended(&report).await;
            }
            let new = active.filter(|active| began != Some(active.request.id));
            if let Some(Active { request, mut progress }) = new {
                began = Some(request.id);
                // Another process may have answered the instant.
                let running = progress.wait_for(|progress| progress.phase == Phase::Running);
                if running.await.is_ok() && activity.has_changed().is_ok_and(|changed| !changed) {
                    self.began(request.id).await;
                }
            }
            if activity.changed().await.is_err() {
                return;
            }
        }
    }

    /// Says that a run has begun.
    pub async fn began(&self, run: RunId) {
        let sent = self.send(Some("start"), run, "", LIMIT_OF_A_BEGIN).await;
        self.log(run, sent);
    }

    /// Says that a run has ended.
    pub async fn ended(&self, report: &Report) {
        let failed = matches!(report.outcome, Some(Outcome::Failed | Outcome::Interrupted));
        let (word, body) = (failed.then_some("fail"), said(report));
        let mut sent = self.send(word, report.run_id, &body, LIMIT).await;
        for pause in PAUSES {
            if sent.is_ok() || matches!(sent, Err(Refusal::ForGood(_))) {
                break;
            }
            tokio::time::sleep(pause).await;
            sent = self.send(word, report.run_id, &body, LIMIT).await;
        }
        self.log(report.run_id, sent);
    }

    /// Healthchecks measures the time between a begin and an end with the same `rid`.
    async fn send(&self, word: Option<&str>, run: RunId, body: &str, limit: Duration) -> Result<(), Refusal> {
        let address = self.address.below(word, ("rid", &run.to_string()));
        let post = Post { content_type: "text/plain; charset=utf-8", headers: Vec::new(), body: body.to_owned() };
        self.client.post(&address, post, limit).await.map(drop)
    }

    /// That it could not be sent is logged only: whoever waits for it raises the alarm.
    fn log(&self, run: RunId, sent: Result<(), Refusal>) {
        let address = &self.address;
        match sent {
            Ok(()) => debug!(job = %self.job, runId = %run, "pinged {address}"),
            Err(refusal) => warn!(job = %self.job, runId = %run, "{address} was not pinged: {refusal}"),
        }
    }
}

fn said(report: &Report) -> String {
    let outcome = report.outcome.map(Outcome::as_str).unwrap_or_default();
    let error = report.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{outcome}, {} rows deleted by {}{error}", report.deleted_count, report.host)
}
