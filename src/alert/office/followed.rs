//! A job that the office follows.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::until_closed;
use crate::alert::ping::{Ping, Pinger};
use crate::job::Activity;
use crate::report::RunId;
use crate::status::Desk;
use crate::sweep::Phase;
use crate::webhook::{Address, Client};

/// What was heard of a job.
pub(super) struct Followed {
    /// When it has to be looked at.
    pub(super) due: DateTime<Utc>,
    activity: Option<watch::Receiver<Activity>>,
    began: Option<RunId>,
    ended: Option<RunId>,
    pings: Option<(Address, mpsc::UnboundedSender<Ping>)>,
}

impl Followed {
    /// One that has to be looked at by `now`.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self { due: now, activity: None, began: None, ended: None, pings: None }
    }

    /// Follows the desk that the job has now, and pings where it is to be pinged now.
    pub(super) fn sit_at(
        &mut self,
        desk: &Arc<Desk>,
        ping: Option<(&Address, &Client)>,
        work: impl FnOnce() -> (TaskTracker, CancellationToken),
    ) {
        let followed = desk.watch();
        if !self.activity.as_ref().is_some_and(|activity| activity.same_channel(&followed)) {
            self.activity = Some(followed);
        }
        match ping {
            None => self.pings = None,
            Some((address, _)) if self.pings.as_ref().is_some_and(|(pinged, _)| pinged == address) => {}
            Some((address, client)) => {
                let (sender, pings) = mpsc::unbounded_channel();
                let pinger = Pinger::new(&desk.job().spec.job, address.clone(), client.clone());
                let (tasks, closing) = work();
                tasks.spawn(until_closed(pinger.serve(pings), closing));
                self.pings = Some((address.clone(), sender));
            }
        }
    }

    /// Pings what is new, and says whether a run has ended.
    pub(super) fn hear(&mut self, tasks: &TaskTracker) -> bool {
        let Some(activity) = &mut self.activity else { return false };
        let Activity { active, last, .. } = activity.borrow_and_update().clone();
        if let Some(active) = active.filter(|active| self.began != Some(active.request.id)) {
            self.began = Some(active.request.id);
            if let Some((_, pings)) = self.pings.clone() {
                let (mut progress, run) = (active.progress, active.request.id);
                // Another process may have answered the instant.
                tasks.spawn(async move {
                    if progress.wait_for(|progress| progress.phase == Phase::Running).await.is_ok() {
                        drop(pings.send(Ping::Began(run)));
                    }
                });
            }
        }
        let Some(report) = last.filter(|report| self.ended != Some(report.run_id)) else { return false };
        self.ended = Some(report.run_id);
        if let Some((_, pings)) = &self.pings {
            drop(pings.send(Ping::Ended(Box::new(report))));
        }
        true
    }

    /// Waits until there is something new.
    pub(super) async fn heard(&mut self) {
        let Some(activity) = &mut self.activity else { return std::future::pending().await };
        if activity.changed().await.is_err() {
            // Its worker has ended.
            std::future::pending::<()>().await;
        }
    }

    /// Whether no run is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.activity.as_ref().is_none_or(|activity| activity.borrow().active.is_none())
    }
}
