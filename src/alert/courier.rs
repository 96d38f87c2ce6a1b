//! Delivers the alerts of one channel: one after the other, the oldest first, until it was taken.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::Channel;
use super::message::wrapped;
use crate::clock::Clock;
use crate::db::{self, Database, DbError};
use crate::ledger::{LONGEST_PAUSE, Queued};
use crate::report::RunId;
use crate::webhook::{Key, Post, Refusal};

/// The pauses between the tries of an alert; the last one is that of all further tries.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
];
/// Who took an alert and is not heard of again leaves it to others after the time for an answer, and this.
const MARGIN: Duration = Duration::from_secs(30);
/// Others may have left something.
const LOOK_AGAIN: Duration = Duration::from_hours(1);
/// After a database could not be reached.
const DATABASE_AWAY: Duration = Duration::from_mins(1);
/// What was not taken for so long is given up.
const GIVE_UP: TimeDelta = TimeDelta::days(7);

/// Delivers to one channel.
#[derive(Debug)]
pub struct Courier {
    channel: Channel,
    databases: Vec<db::Settings>,
    /// What is about a database, and so cannot be kept there.
    kept: VecDeque<Kept>,
    /// What was taken, and could not be removed from the ledger yet.
    delivered: BTreeSet<RunId>,
    clock: Clock,
}

#[derive(Debug)]
struct Kept {
    id: RunId,
    body: String,
    tries: i64,
    made_at: DateTime<Utc>,
    due: DateTime<Utc>,
}

/// What a courier is called for.
#[derive(Debug)]
pub enum Call {
    /// There may be something in a ledger.
    Look,
    /// An alert that no ledger can keep.
    Keep(String),
}

/// What came of a try.
enum Try {
    Done,
    /// To be tried again after this time.
    Later(Duration),
}

impl Courier {
    /// Delivers the alerts in the ledgers of these databases.
    #[must_use]
    pub fn new(channel: Channel, databases: Vec<db::Settings>, clock: Clock) -> Self {
        Self { channel, databases, kept: VecDeque::new(), delivered: BTreeSet::new(), clock }
    }

    fn keep(&mut self, body: String) {
        let now = self.clock.now();
        self.kept.push_back(Kept { id: RunId::new(now), body, tries: 0, made_at: now, due: now });
    }

    /// Delivers until `closing`, after which what is there already is tried once more; or until nobody calls any more,
    /// after which only what no ledger keeps is still delivered.
    pub async fn serve(mut self, mut calls: mpsc::UnboundedReceiver<Call>, closing: CancellationToken) {
        let mut is_last = false;
        while !is_last {
            let next = self.round().await;
            tokio::select! {
                () = closing.cancelled() => is_last = true,
                call = calls.recv() => match call {
                    Some(call) => self.hear(call),
                    None => return self.deliver_all_kept(&closing).await,
                },
                () = tokio::time::sleep(next) => {}
            }
            // Many calls are one round.
            while let Ok(call) = calls.try_recv() {
                self.hear(call);
            }
        }
        self.round().await;
    }

    fn hear(&mut self, call: Call) {
        match call {
            Call::Look => {}
            Call::Keep(body) => self.keep(body),
        }
    }

    async fn deliver_all_kept(&mut self, closing: &CancellationToken) {
        while let Some(next) = self.deliver_kept().await
            && closing.run_until_cancelled(tokio::time::sleep(next)).await.is_some()
        {}
    }

    /// Delivers what is due, and says after what time there may be more.
    pub async fn round(&mut self) -> Duration {
        let mut next = self.deliver_kept().await.unwrap_or(LOOK_AGAIN);
        for settings in self.databases.clone() {
            let again = match self.deliver_from(&settings).await {
                Ok(again) => again,
                Err(error) => {
                    debug!(channel = %self.channel.name, "{error}");
                    Some(DATABASE_AWAY)
                }
            };
            next = next.min(again.unwrap_or(LOOK_AGAIN));
        }
        next
    }

    /// What is behind an alert waits for it, so that a recovery never comes first.
    async fn deliver_kept(&mut self) -> Option<Duration> {
        while let Some(kept) = self.kept.front_mut() {
            let due_in = (kept.due - self.clock.now()).to_std().unwrap_or_default();
            if due_in > Duration::ZERO {
                return Some(due_in);
            }
            kept.tries += 1;
            let (id, tries, made_at) = (kept.id, kept.tries, kept.made_at);
            match send(&self.channel, id, &kept.body, tries, made_at, &self.clock).await {
                Try::Done => drop(self.kept.pop_front()),
                Try::Later(pause) => {
                    kept.due = self.clock.now() + pause;
                    return Some(pause);
                }
            }
        }
        None
    }

    /// No connection is held while somebody else's server takes its time.
    async fn deliver_from(&mut self, settings: &db::Settings) -> Result<Option<Duration>, DbError> {
        loop {
            let hold = self.channel.timeout + MARGIN;
            let taken = with_database(settings, async |database| {
                let Some(alert) = Queued::oldest(database, &self.channel.name).await? else { return Ok(Err(None)) };
                if alert.due_in > Duration::ZERO {
                    return Ok(Err(Some(alert.due_in)));
                }
                Ok(if alert.take(database, hold).await? { Ok(alert) } else { Err(Some(hold)) })
            });
            let alert = match taken.await? {
                Ok(alert) => alert,
                Err(due_in) => return Ok(due_in),
            };
            let tried = if self.delivered.contains(&alert.id) {
                Try::Done
            } else {
                send(&self.channel, alert.id, &alert.body, alert.tries + 1, alert.made_at, &self.clock).await
            };
            match tried {
                Try::Done => {
                    self.delivered.insert(alert.id);
                    with_database(settings, async |database| alert.remove(database).await).await?;
                    self.delivered.remove(&alert.id);
                }
                Try::Later(pause) => {
                    with_database(settings, async |database| alert.put_off(database, pause).await).await?;
                    return Ok(Some(pause));
                }
            }
        }
    }
}

async fn with_database<T>(
    settings: &db::Settings,
    work: impl AsyncFnOnce(&Database) -> Result<T, DbError>,
) -> Result<T, DbError> {
    let database = Database::connect(settings).await?;
    let done = work(&database).await;
    database.close().await;
    done
}

async fn send(channel: &Channel, id: RunId, body: &str, tries: i64, made_at: DateTime<Utc>, clock: &Clock) -> Try {
    let Err(refusal) = post(channel, id, body, clock.now()).await else {
        info!(channel = %channel.name, alert = %id, tries, "an alert was delivered");
        return Try::Done;
    };
    if matches!(refusal, Refusal::ForGood(_)) {
        error!(channel = %channel.name, alert = %id, "an alert is given up: {refusal}");
        return Try::Done;
    }
    if clock.now() - made_at > GIVE_UP {
        error!(channel = %channel.name, alert = %id, tries, "an alert is given up after a week: {refusal}");
        return Try::Done;
    }
    let pause = pause(tries, &refusal);
    let since = crate::report::rfc3339(made_at);
    warn!(channel = %channel.name, alert = %id, tries, since, "an alert is not delivered yet: {refusal}; trying again in {} s", pause.as_secs());
    Try::Later(pause)
}

/// Posts an alert to a channel. Its id stays the same, so that a receiver whose answer was lost can tell that it has it.
///
/// # Errors
/// When it was not taken.
pub async fn post(channel: &Channel, id: RunId, body: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
    let body = wrapped(channel.format, body);
    let headers = Key::headers(channel.key.as_ref(), &id.to_string(), now, &body);
    let post = Post { content_type: "application/json", headers, body };
    channel.client.post(&channel.address, post, channel.timeout).await.map(drop)
}

fn pause(tries: i64, refusal: &Refusal) -> Duration {
    let number = usize::try_from(tries - 1).unwrap_or_default().min(PAUSES.len() - 1);
    let asked = if let Refusal::ForNow(_, Some(asked)) = refusal { *asked } else { Duration::ZERO };
    PAUSES.get(number).copied().unwrap_or(LONGEST_PAUSE).max(asked.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    #[test]
    fn pauses_grow_and_a_receiver_may_ask_for_more() {
        let unreachable = Refusal::Unreachable(String::new());
        let seconds: Vec<_> = (1..8).map(|tries| pause(tries, &unreachable).as_secs()).collect();
        assert_eq!(seconds, [5, 15, 60, 300, 900, 900, 900]);
        let asks = |seconds| Refusal::ForNow(StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(seconds)));
        assert_eq!(
            [pause(1, &asks(1)).as_secs(), pause(1, &asks(77)).as_secs(), pause(1, &asks(1 << 40)).as_secs()],
            [5, 77, 3600]
        );
    }
}
