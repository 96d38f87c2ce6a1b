//! How a job is asked for runs, and what can be seen of it meanwhile.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use crate::clock::Stopwatch;
use crate::report::Report;
use crate::sweep::{Answer, Progress, Request};

/// How many requests may wait: more than there are connections by default. They do so only for moments, and while a
/// database is away.
const CAPACITY: usize = 1024;

/// Sends requests to a job.
#[derive(Debug, Clone)]
pub struct Inbox(mpsc::Sender<Order>);

/// An inbox, and what the worker takes out of it.
pub(super) fn new() -> (Inbox, mpsc::Receiver<Order>) {
    let (sender, orders) = mpsc::channel(CAPACITY);
    (Inbox(sender), orders)
}

/// A request, and who waits for its answer.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) request: Request,
    pub(super) reply: Option<oneshot::Sender<Answer>>,
}

/// A job that is stopping or overwhelmed takes no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the job is stopping, or has too many requests; try again in a moment")]
pub struct Refused;

impl Inbox {
    /// Asks for a run. Returns at once.
    pub fn request(&self, request: Request) {
        if self.0.try_send(Order { request, reply: None }).is_err() {
            warn!("a job that is stopping or overwhelmed took no request for {:?}", request.scheduled_for);
        }
    }

    /// Asks for a run whose answer somebody waits for. The run goes on when nobody does any more.
    ///
    /// # Errors
    /// When the job takes no request.
    pub fn order(&self, request: Request) -> Result<oneshot::Receiver<Answer>, Refused> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Order { request, reply: Some(reply) }).map_err(|_| Refused)?;
        Ok(answer)
    }
}

/// A job at work, for those who look at it and ask it for runs.
#[derive(Debug, Clone)]
pub struct Handle {
    /// Where it takes requests.
    pub inbox: Inbox,
    /// What it is doing.
    pub activity: watch::Receiver<Activity>,
}

/// What a job is doing, and did last.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// The run that is under way, or waits for its turn.
    pub active: Option<Active>,
    /// The last run of this process.
    pub last: Option<Report>,
    /// The last request that was not run, and why. Who was told that its run waits looks for it here.
    pub not_run: Option<(Request, Answer)>,
}

/// A run that is under way, or waits for its turn.
#[derive(Debug, Clone)]
pub struct Active {
    /// What it was asked for with.
    pub request: Request,
    /// How far it is.
    pub progress: watch::Receiver<Progress>,
}

/// Who asks for a run while the database is away waits no longer than this for a claim that somebody else waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came while a run was about to be claimed.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) orders: Vec<Order>,
    since: Option<Stopwatch>,
}

impl Held {
    /// Keeps one.
    pub(super) fn push(&mut self, order: Order) {
        self.since.get_or_insert_with(Stopwatch::start);
        self.orders.push(order);
    }

    /// Returns when those who wait for an answer have waited long enough.
    pub(super) async fn impatience(&self) {
        match self.since {
            Some(since) => tokio::time::sleep(PATIENCE.saturating_sub(since.elapsed())).await,
            None => std::future::pending().await,
        }
    }

    /// Sends those away who wait for an answer.
    pub(super) fn refuse(&mut self, why: &Report) {
        let (waiting, others) = std::mem::take(&mut self.orders).into_iter().partition(|order| order.reply.is_some());
        self.orders = others;
        self.since = None;
        let waiting: Vec<Order> = waiting;
        for order in waiting {
            order.answer(Some(Answer::Unclaimed(why.clone())));
        }
    }

    /// Whether there are any.
    pub(super) fn waits(&self) -> bool {
        !self.orders.is_empty()
    }
}

impl Order {
    /// Answers who waits for it, and may have gone.
    pub(super) fn answer(self, answer: Option<Answer>) {
        if let (Some(reply), Some(answer)) = (self.reply, answer) {
            let _ = reply.send(answer);
        }
    }
}
