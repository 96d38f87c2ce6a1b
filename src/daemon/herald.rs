//! What the service manager is told, and when: that sweepd is ready, reloads or stops, what comes next, and that the loop of
//! the daemon goes round.

use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;

use crate::job::Activity;
use crate::lifecycle::notify::Notifier;
use crate::lifecycle::{Drained, Lifecycle};
use crate::status::{Roster, Status};

/// How often the status is told anew, at most: so often while a run is active.
const REFRESH: Duration = Duration::from_secs(1);
/// A stop says each second that it needs so much longer.
const LONGER: Duration = Duration::from_secs(5);

/// Tells the service manager, where there is one.
pub(super) struct Herald {
    notifier: Notifier,
    status: Status,
    tasks: TaskTracker,
    /// Twice in the time after which a silent process is taken for dead.
    pulse: Option<Interval>,
    refresh: Interval,
    /// What changes the status.
    roster: watch::Receiver<Roster>,
    activities: Vec<watch::Receiver<Activity>>,
    /// Whether the status may have changed since it was told.
    news: bool,
    told: String,
}

impl Herald {
    /// Has to be called in a runtime.
    pub(super) fn new(status: Status, lifecycle: &Lifecycle) -> Self {
        let notifier = Notifier::from_process();
        Self {
            pulse: notifier.pulse().map(patient),
            notifier,
            tasks: lifecycle.tasks.clone(),
            refresh: patient(REFRESH),
            roster: status.roster.clone(),
            activities: Vec::new(),
            news: false,
            told: String::new(),
            status,
        }
    }

    /// Says that sweepd is ready, or that a reload has ended, well or not.
    pub(super) fn ready(&mut self) {
        self.look();
        self.notifier.send(format!("READY=1\nSTATUS={}", self.told));
    }

    /// Says that a reload begins.
    pub(super) fn reloading(&mut self) {
        self.notifier.reloading();
    }

    /// Waits until it is time to speak: to say that the loop goes round (true), or what has changed. Where nobody listens,
    /// for ever. Dropped before it returns, it has done nothing.
    pub(super) async fn cue(&mut self) -> bool {
        if !self.notifier.is_on() {
            return std::future::pending().await;
        }
        let waits = self.notifier.waits();
        let Self { pulse, refresh, roster, activities, news, .. } = self;
        let changed = async {
            if !*news && !waits {
                changed(roster, activities).await;
                *news = true;
            }
            refresh.tick().await;
        };
        tokio::select! {
            () = tick(pulse.as_mut()) => true,
            () = changed => false,
        }
    }

    /// Says what has changed and, where it is `alive`, that the loop goes round and tasks with it.
    pub(super) async fn speak(&mut self, alive: bool) {
        if alive && self.tasks.spawn(async {}).await.is_ok() {
            self.notifier.send("WATCHDOG=1".to_owned());
        }
        let before = std::mem::take(&mut self.told);
        self.look();
        if self.told == before {
            self.notifier.send_waiting();
        } else {
            self.notifier.send(format!("STATUS={}", self.told));
        }
    }

    /// Stops, and says all the while that it is about to.
    pub(super) async fn drain(&mut self, lifecycle: &mut Lifecycle, timeout: Duration) -> Drained {
        self.notifier.send("STOPPING=1\nSTATUS=stopping: a running batch is finished first".to_owned());
        let period = self.notifier.pulse().map_or(REFRESH, |pulse| pulse.min(REFRESH));
        let (is_on, tasks, mut longer) = (self.notifier.is_on(), self.tasks.clone(), patient(period));
        let draining = lifecycle.drain(timeout);
        tokio::pin!(draining);
        loop {
            tokio::select! {
                drained = &mut draining => return drained,
                _ = longer.tick(), if is_on => {}
            }
            let mut message = format!("EXTEND_TIMEOUT_USEC={}", LONGER.as_micros());
            if self.pulse.is_some() && tasks.spawn(async {}).await.is_ok() {
                message += "\nWATCHDOG=1";
            }
            self.notifier.send(message);
        }
    }

    /// Looks at the status. From now on changes count.
    fn look(&mut self) {
        self.roster.mark_unchanged();
        let desks = self.status.all();
        self.activities = desks.iter().map(|desk| desk.watch()).collect();
        let active = self.activities.iter_mut().filter_map(|activity| activity.borrow_and_update().active.clone());
        self.news = active.count() > 0;
        // Only a watchdog brings us round to say how long it is from now.
        self.told = self.status.line(self.pulse.is_some());
    }
}

/// Ticks that were missed do not come all at once.
fn patient(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

/// Returns when one of them has changed. One that is gone changes no more.
async fn changed(roster: &mut watch::Receiver<Roster>, activities: &mut [watch::Receiver<Activity>]) {
    async fn next<T>(watched: &mut watch::Receiver<T>) {
        if watched.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
    let activities: Vec<_> = activities.iter_mut().map(|activity| Box::pin(next(activity))).collect();
    let activities = async {
        if activities.is_empty() {
            return std::future::pending().await;
        }
        select_all(activities).await;
    };
    tokio::select! {
        () = next(roster) => {}
        () = activities => {}
    }
}
