//! A job that the office follows.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::alert::ping::Pinger;
use crate::job::Activity;
use crate::report::RunId;
use crate::status::Desk;
use crate::webhook::{Address, Client};

/// What was heard of a job.
pub(super) struct Followed {
    /// When it has to be looked at, and when that was settled.
    due: DateTime<Utc>,
    since: DateTime<Utc>,
    activity: Option<watch::Receiver<Activity>>,
    ended: Option<RunId>,
    pinged: Option<(Address, CancellationToken)>,
}

impl Followed {
    /// One that has to be looked at by `now`.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self { due: now, since: now, activity: None, ended: None, pinged: None }
    }

    /// Follows the desk that the job has now, and pings where it is to be pinged now: `start` lets a pinger work until its
    /// token ends it.
    pub(super) fn sit_at(
        &mut self,
        desk: &Arc<Desk>,
        ping: Option<(&Address, &Client)>,
        start: impl FnOnce(Pinger, watch::Receiver<Activity>) -> CancellationToken,
    ) {
        let activity = desk.watch();
        let is_new = !self.activity.as_ref().is_some_and(|followed| followed.same_channel(&activity));
        if is_new {
            self.activity = Some(activity.clone());
        }
        if !is_new && self.pinged.as_ref().map(|(address, _)| address) == ping.map(|(address, _)| address) {
            return;
        }
        if let Some((_, token)) = self.pinged.take() {
            token.cancel();
        }
        if let Some((address, client)) = ping {
            let pinger = Pinger::new(&desk.job().spec.job, address.clone(), client.clone());
            self.pinged = Some((address.clone(), start(pinger, activity)));
        }
    }

    /// Whether a run has ended since this was asked last.
    pub(super) fn has_ended(&mut self) -> bool {
        let Some(activity) = &mut self.activity else { return false };
        let last = activity.borrow_and_update().last.as_ref().map(|report| report.run_id);
        let is_new = last.is_some() && last != self.ended;
        self.ended = last;
        is_new
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

    /// Whether it has to be looked at. After a clock was set back, it has.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.due <= now || now < self.since
    }

    /// It has to be looked at by `due`.
    pub(super) fn look_at(&mut self, due: DateTime<Utc>, now: DateTime<Utc>) {
        (self.due, self.since) = (due, now);
    }

    /// When it has to be looked at.
    pub(super) fn due(&self) -> DateTime<Utc> {
        self.due
    }
}
