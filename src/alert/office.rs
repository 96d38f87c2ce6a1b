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
use super::teller::{self, Look, Subject};
use super::{Event, Settings};
use crate::clock::Stopwatch;
use crate::host;
use crate::job::Assignment;
use crate::status::{Status, overdue_at};
use crate::sweep::Error;
use followed::Followed;

/// Looks at one job are at least this far apart, unless a run of it has ended.
const REST: TimeDelta = TimeDelta::minutes(1);
/// And at most this far: the database may be away, and a clock may have been set.
const LONGEST_REST: TimeDelta = TimeDelta::hours(1);
/// Within this time after the start, an instant that was missed is about to be caught up with.
const CATCHING_UP: Duration = Duration::from_mins(1);
/// A database that cannot be reached for so long is told of.
const AWAY: Duration = Duration::from_mins(5);
/// What is under way when the daemon stops has this long, or a quarter of what the stop may take.
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
    /// How long what is under way may go on after that.
    grace: Duration,
}

struct Away {
    since: Stopwatch,
    told: Option<Stopwatch>,
}

impl Office {
    /// Follows the jobs of `status`. A stop may take `shutdown_timeout`.
    #[must_use]
    pub fn new(
        status: Status,
        settings: watch::Receiver<Settings>,
        tasks: TaskTracker,
        shutdown_timeout: Duration,
    ) -> Self {
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
            grace: CLOSING.min(shutdown_timeout / 4),
        }
    }

    /// Works until `stop`, and then until the last run has ended and was looked at.
    pub async fn work(mut self, stop: CancellationToken) {
        let grace = self.grace;
        loop {
            self.follow();
            // A database that does not answer must not hold a stop up.
            until_late(self.hear_and_look(), &stop, grace).await;
            if stop.is_cancelled() && self.jobs.values().all(Followed::is_idle) {
                break;
            }
            self.wait(&stop).await;
        }
        // A run may have ended since.
        until_late(self.hear_and_look(), &stop, grace).await;
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
            followed.sit_at(desk, ping, |pinger, activity| {
                let (token, closing, grace) = (CancellationToken::new(), self.closing.clone(), self.grace);
                let gone = token.clone();
                self.tasks.spawn(async move {
                    let pinging = until_late(pinger.follow(activity), &closing, grace);
                    gone.run_until_cancelled(pinging).await;
                });
                token
            });
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
        // Those from before end when nobody can call them any more, and what they keep is delivered.
        self.couriers.clear();
        for channel in settings.channels {
            let (call, calls) = mpsc::unbounded_channel();
            self.couriers.insert(channel.name.clone(), call);
            let courier = Courier::new(channel, databases.values().cloned().collect(), self.status.clock.clone());
            let (closing, grace) = (self.closing.clone(), self.grace);
            self.tasks.spawn(async move {
                until_late(courier.serve(calls, closing.clone()), &closing, grace).await;
            });
        }
    }

    async fn hear_and_look(&mut self) {
        let ended = self.jobs.iter_mut().filter_map(|(name, job)| job.has_ended().then(|| name.clone())).collect();
        self.look(&ended).await;
    }

    /// Looks at the jobs of which a run has ended, and at those that may be overdue.
    async fn look(&mut self, ended: &BTreeSet<String>) {
        let (settings, now) = (self.settings.borrow().clone(), self.status.now());
        if settings.channels.is_empty() {
            return;
        }
        let catching_up = self.since.elapsed() < CATCHING_UP;
        let mut by_database: BTreeMap<String, Vec<Subject>> = BTreeMap::new();
        for (name, followed) in &mut self.jobs {
            let (Some(desk), true) = (self.status.desk(name), ended.contains(name) || followed.is_due(now)) else {
                continue;
            };
            let (assignment, delay) = (desk.assignment(), desk.delay());
            let answering = desk.activity().active.and_then(|active| active.request.scheduled_for);
            followed.look_at(next_look(&assignment, delay, catching_up, now), now);
            let jobs = by_database.entry(assignment.job.database.clone()).or_default();
            jobs.push(Subject { assignment, delay, answering });
        }
        let look = if catching_up { Look::Patient } else { Look::Whole };
        let looks = by_database.values().map(|jobs| teller::tell(&settings, jobs, look, now));
        for (told, (database, jobs)) in join_all(looks).await.into_iter().zip(&by_database) {
            match told {
                Ok(told) => self.reached(&settings, database, told, now),
                Err(error) => {
                    warn!(%database, "nobody can be told yet how its jobs are: {error}");
                    for subject in jobs {
                        self.look_again(&subject.assignment.job.spec.job, now);
                    }
                    self.not_reached(&settings, database, &error, now);
                }
            }
        }
    }

    fn look_again(&mut self, job: &str, now: DateTime<Utc>) {
        if let Some(followed) = self.jobs.get_mut(job) {
            followed.look_at(now + REST, now);
        }
    }

    fn reached(&mut self, settings: &Settings, database: &str, told: bool, now: DateTime<Utc>) {
        if self.away.remove(database).is_some_and(|away| away.told.is_some()) {
            let sentence = format!("the database {database} can be reached again");
            self.keep(settings, Event::Recovered, &sentence, now);
        }
        if told {
            self.couriers.values().for_each(|courier| drop(courier.send(Call::Look)));
        }
    }

    fn not_reached(&mut self, settings: &Settings, database: &str, error: &Error, now: DateTime<Utc>) {
        let away = self.away.entry(database.to_owned());
        let away = away.or_insert_with(|| Away { since: Stopwatch::start(), told: None });
        let is_new = away.told.is_none_or(|told| told.elapsed() >= settings.remind_after());
        if is_new && away.since.elapsed() >= AWAY {
            away.told = Some(Stopwatch::start());
            self.keep(settings, Event::Unreachable, &teller::unreachable(database, error), now);
        }
    }

    fn keep(&self, settings: &Settings, event: Event, sentence: &str, now: DateTime<Utc>) {
        let body = Message::plain(event, sentence, now, &host::name()).to_json();
        let told = settings.told_of(event).filter_map(|channel| self.couriers.get(&channel.name));
        told.for_each(|courier| drop(courier.send(Call::Keep(body.clone()))));
    }

    /// Waits until there may be something new.
    async fn wait(&mut self, stop: &CancellationToken) {
        let now = self.status.now();
        let due = self.jobs.values().map(Followed::due).min();
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
    let latest = now + if catching_up { REST } else { LONGEST_REST };
    overdue_at(&assignment.job, delay, now).map_or(latest, |overdue| overdue.min(latest)).max(now + REST)
}

/// Does its work, and after `end` for `grace` more.
async fn until_late(work: impl Future<Output = ()>, end: &CancellationToken, grace: Duration) {
    let late = async {
        end.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        () = work => {}
        () = late => {}
    }
}
