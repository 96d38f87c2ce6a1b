//! How a job is asked for runs, and what can be seen of it meanwhile.

use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use crate::report::Report;
use crate::sweep::{Answer, Progress, Request};

/// How many requests may wait. A job that is busy for longer than this many of its instants skips the rest unrecorded.
const CAPACITY: usize = 64;

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
}

/// A run that is under way, or waits for its turn.
#[derive(Debug, Clone)]
pub struct Active {
    /// What it was asked for with.
    pub request: Request,
    /// How far it is.
    pub progress: watch::Receiver<Progress>,
}
