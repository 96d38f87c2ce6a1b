//! Alerts and pings while the daemon runs: follows the jobs, looks into their ledgers when there may be something to tell,
//! and has it delivered.

mod followed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join_all, select_all};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::courier::{Call, Courier};
use super::message::Message;
use super::teller::{self, Look};
use super::{Event, Settings};
use crate::clock::Stopwatch;
use crate::host;
use crate::job::Assignment;
use crate::status::{Status, overdue_at};
use followed::Followed;

/// Looks at one job are at least this far apart, unless a run of it has ended.
const REST: TimeDelta = TimeDelta::minutes(1);
/// Within this time after the start, an instant that was missed is about to be caught up with.
const CATCHING_UP: Duration = Duration::from_mins(1);
/// A database that cannot be reached for so long is told of.
const AWAY: Duration = Duration::from_mins(5);
/// What is under way when the office closes has this long.
const CLOSING: Duration = Duration::from_secs(2);

/// Follows the jobs.
pub struct Office {
    status: Status,
    settings: watch::Receiver<Settings>,
    jobs: BTreeMap<String, Followed>,
    /// The couriers of the channels, by their names.
    couriers: BTreeMap<String, mpsc::UnboundedSender<Call>>,
    /// Where those couriers deliver from.
    served: Vec<String>,
    /// Whether the settings have changed since.
    edited: bool,
    /// The databases that cannot be reached.
    away: BTreeMap<String, Away>,
    since: Stopwatch,
    tasks: TaskTracker,
    closing: CancellationToken,
}

struct Away {
    since: Stopwatch,
    told: bool,
}

impl Office {
    /// Follows the jobs of `status`.
    #[must_use]
    pub fn new(status: Status, settings: watch::Receiver<Settings>, tasks: TaskTracker) -> Self {
        Self {
            status,
            settings,
            jobs: BTreeMap::new(),
            couriers: BTreeMap::new(),
            served: Vec::new(),
            edited: true,
            away: BTreeMap::new(),
            since: Stopwatch::start(),
            tasks,
            closing: CancellationToken::new(),
        }
    }

    /// Works until `stop`, and then until the last run has ended and was looked at.
    pub async fn work(mut self, stop: CancellationToken) {
        loop {
            self.follow();
            self.hear_and_look().await;
            if stop.is_cancelled() && self.jobs.values().all(Followed::is_idle) {
                break;
            }
            self.wait(&stop).await;
        }
        // A run may have ended since.
        self.hear_and_look().await;
        self.closing.cancel();
    }

    /// Follows the configuration.
    fn follow(&mut self) {
        self.edited |= self.settings.has_changed().unwrap_or_default();
        let settings = self.settings.borrow_and_update().clone();
        let now = self.status.now();
        let desks = self.status.roster.borrow_and_update().desks.clone();
        self.jobs.retain(|name, _| desks.contains_key(name));
        for (name, desk) in &desks {
            let ping = settings.pings.get(name).zip(settings.pinging.as_ref());
            let followed = self.jobs.entry(name.clone()).or_insert_with(|| Followed::new(now));
            followed.sit_at(desk, ping, || (self.tasks.clone(), self.closing.clone()));
        }
        let mut databases = BTreeMap::new();
        for Assignment { job, sweeper, .. } in desks.values().map(|desk| desk.assignment()) {
            databases.insert(job.database.clone(), sweeper.database);
        }
        let served: Vec<_> = databases.iter().map(|(name, at)| format!("{name} {}", at.url.location())).collect();
        if !self.edited && served == self.served {
            return;
        }
        (self.served, self.edited) = (served, false);
        // Those from before end when nobody can call them any more.
        self.couriers.clear();
        for channel in settings.channels {
            let (call, calls) = mpsc::unbounded_channel();
            self.couriers.insert(channel.name.clone(), call);
            let courier = Courier::new(channel, databases.values().cloned().collect(), self.status.clock.clone());
            let (closing, serving) = (self.closing.clone(), courier.serve(calls, self.closing.clone()));
            self.tasks.spawn(until_closed(serving, closing));
        }
    }

    /// Pings what is new of the runs, and looks at the jobs of which one has ended.
    async fn hear_and_look(&mut self) {
        let tasks = &self.tasks;
        let ended = self.jobs.iter_mut().filter_map(|(name, job)| job.hear(tasks).then(|| name.clone()));
        let ended = ended.collect();
        self.look(&ended).await;
    }

    /// Looks at the jobs of which a run has ended, and at those that may be overdue.
    async fn look(&mut self, ended: &BTreeSet<String>) {
        let (settings, now) = (self.settings.borrow().clone(), self.status.now());
        if settings.channels.is_empty() {
            return;
        }
        let catching_up = self.since.elapsed() < CATCHING_UP;
        let mut by_database: BTreeMap<String, Vec<(Assignment, TimeDelta)>> = BTreeMap::new();
        for (name, followed) in &mut self.jobs {
            let (Some(desk), true) = (self.status.desk(name), ended.contains(name) || followed.due <= now) else {
                continue;
            };
            let (assignment, delay) = (desk.assignment(), desk.delay());
            followed.due = next_look(&assignment, delay, catching_up, now);
            by_database.entry(assignment.job.database.clone()).or_default().push((assignment, delay));
        }
        let look = if catching_up { Look::Patient } else { Look::Whole };
        let looks = by_database.iter().map(|(_, jobs)| teller::tell(&settings, jobs, look, now));
        for (told, (database, jobs)) in join_all(looks).await.into_iter().zip(&by_database) {
            match told {
                Ok(told) => self.reached(&settings, database, told, now),
                Err(error) => {
                    warn!(%database, "nobody can be told yet how its jobs are: {error}");
                    jobs.iter().for_each(|(job, _)| self.look_again(&job.job.spec.job, now));
                    self.not_reached(&settings, database, &error.to_string(), now);
                }
            }
        }
    }

    fn look_again(&mut self, job: &str, now: DateTime<Utc>) {
        if let Some(followed) = self.jobs.get_mut(job) {
            followed.due = now + REST;
        }
    }

    fn reached(&mut self, settings: &Settings, database: &str, told: bool, now: DateTime<Utc>) {
        if self.away.remove(database).is_some_and(|away| away.told) {
            let sentence = format!("the database {database} can be reached again");
            self.keep(settings, Event::Recovered, sentence, now);
        }
        if told {
            self.couriers.values().for_each(|courier| drop(courier.send(Call::Look)));
        }
    }

    fn not_reached(&mut self, settings: &Settings, database: &str, error: &str, now: DateTime<Utc>) {
        let away = self.away.entry(database.to_owned());
        let away = away.or_insert_with(|| Away { since: Stopwatch::start(), told: false });
        if !away.told && away.since.elapsed() >= AWAY {
            away.told = true;
            let sentence =
                format!("the database {database} cannot be reached, so nothing is cleaned up there: {error}");
            self.keep(settings, Event::Unreachable, sentence, now);
        }
    }

    fn keep(&self, settings: &Settings, event: Event, sentence: String, now: DateTime<Utc>) {
        let body = Message::plain(event, sentence, now, &host::name()).to_json();
        let told = settings.told_of(event).filter_map(|channel| self.couriers.get(&channel.name));
        told.for_each(|courier| drop(courier.send(Call::Keep(body.clone()))));
    }

    /// Waits until there may be something new.
    async fn wait(&mut self, stop: &CancellationToken) {
        let now = self.status.now();
        let due = self.jobs.values().map(|job| job.due).min();
        let due = due.filter(|_| !self.settings.borrow().channels.is_empty());
        let sleep = due.map(|due| (due - now).to_std().unwrap_or_default());
        let heard: Vec<_> = self.jobs.values_mut().map(|job| Box::pin(job.heard())).collect();
        let any = async { if heard.is_empty() { std::future::pending().await } else { drop(select_all(heard).await) } };
        let timer = async {
            match sleep {
                Some(sleep) => tokio::time::sleep(sleep).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = any => {}
            () = timer => {}
            Ok(()) = self.settings.changed() => self.edited = true,
            Ok(()) = self.status.roster.changed() => {}
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
    }
}

/// When a job may be overdue next; earlier when it was not judged yet.
fn next_look(assignment: &Assignment, delay: TimeDelta, catching_up: bool, now: DateTime<Utc>) -> DateTime<Utc> {
    let overdue = overdue_at(&assignment.job, delay, now).filter(|_| !catching_up);
    let otherwise = if catching_up { now + REST } else { now + TimeDelta::days(1) };
    overdue.unwrap_or(otherwise).max(now + REST)
}

/// Does its work, and when the office closes, for a short while more.
async fn until_closed(work: impl Future<Output = ()>, closing: CancellationToken) {
    let late = async {
        closing.cancelled().await;
        tokio::time::sleep(CLOSING).await;
    };
    tokio::select! {
        () = work => {}
        () = late => {}
    }
}
