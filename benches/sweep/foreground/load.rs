//! An application at a fixed rate. An operation's time counts from when it was due, so that those which queue up behind
//! a slow one are slow as well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use sweepd::clock::Stopwatch;
use tokio::runtime::{Builder, Runtime};

use crate::strategy::millis;

/// What an application does with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    LookUp,
    Refresh,
}

/// Connections, and how often each of them does it: 400 look-ups and 100 refreshes a second.
const CLIENTS: [(Operation, u32, Duration); 2] =
    [(Operation::LookUp, 8, Duration::from_millis(20)), (Operation::Refresh, 4, Duration::from_millis(40))];

/// Before anything counts, everything is in use for this long.
const WARM_UP: Duration = Duration::from_secs(1);

/// Milliseconds of every operation.
pub struct Felt(Vec<(Operation, f64)>);

/// Threads that go on until they are told to stop.
pub struct Load {
    watch: Stopwatch,
    end: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<(Operation, f64)>>>,
}

/// One connection of the application.
struct Client {
    operation: Operation,
    first: Duration,
    period: Duration,
    tokens: Arc<Vec<String>>,
    runtime: Runtime,
    connection: PgConnection,
}

/// For the head of the table.
pub fn describe() -> String {
    let rate = |(operation, clients, period): (Operation, u32, Duration)| {
        format!(
            "{:.0} {} a second on {clients} connections",
            f64::from(clients) / period.as_secs_f64(),
            operation.name()
        )
    };
    CLIENTS.map(rate).join(", ")
}

impl Operation {
    pub fn name(self) -> &'static str {
        match self {
            Self::LookUp => "look-ups",
            Self::Refresh => "refreshes",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::LookUp => r#"SELECT "userId", expires FROM "Session" WHERE "sessionToken" = $1"#,
            Self::Refresh => {
                r#"UPDATE "Session" SET expires = (now() AT TIME ZONE 'UTC') + interval '30 days' WHERE "sessionToken" = $1"#
            }
        }
    }
}

impl Load {
    /// Returns when everything has warmed up.
    pub fn start(url: &str, tokens: &Arc<Vec<String>>) -> Self {
        let clients = clients(url, tokens);
        let end = Arc::new(AtomicU64::new(u64::MAX));
        let start = Arc::new(Barrier::new(clients.len() + 1));
        let thread = |client: Client| {
            let (start, end) = (Arc::clone(&start), Arc::clone(&end));
            std::thread::spawn(move || {
                start.wait();
                client.work(&end)
            })
        };
        let threads = clients.into_iter().map(thread).collect();
        start.wait();
        let watch = Stopwatch::start();
        std::thread::sleep(WARM_UP);
        Self { watch, end, threads }
    }

    /// What was due until now is still done.
    pub fn stop(self) -> Felt {
        self.end.store(micros(self.watch.elapsed()), Ordering::Relaxed);
        Felt(self.threads.into_iter().flat_map(|thread| thread.join().expect("the application works")).collect())
    }
}

fn clients(url: &str, tokens: &Arc<Vec<String>>) -> Vec<Client> {
    let client = |(operation, count, period): (Operation, u32, Duration)| {
        // Evenly apart, as users come.
        (0..count)
            .map(move |number| Client::connect(url, operation, period * number / count, period, Arc::clone(tokens)))
    };
    CLIENTS.into_iter().flat_map(client).collect()
}

impl Client {
    fn connect(url: &str, operation: Operation, first: Duration, period: Duration, tokens: Arc<Vec<String>>) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connection = runtime.block_on(PgConnection::connect(url)).expect("a connection");
        Self { operation, first, period, tokens, runtime, connection }
    }

    fn work(mut self, end: &AtomicU64) -> Vec<(Operation, f64)> {
        let watch = Stopwatch::start();
        let mut times = Vec::new();
        for number in 0.. {
            let due = self.first + self.period * number;
            std::thread::sleep(due.saturating_sub(watch.elapsed()));
            if micros(due) > end.load(Ordering::Relaxed) {
                break;
            }
            self.operate(number);
            if due >= WARM_UP {
                times.push((self.operation, millis(watch.elapsed().saturating_sub(due))));
            }
        }
        times
    }

    fn operate(&mut self, number: u32) {
        // A stride that no client shares, through all tokens in the end.
        let place = (u64::from(number) * 7919 + micros(self.first)) % self.tokens.len() as u64;
        let token = &self.tokens[usize::try_from(place).expect("a place in the list")];
        let query = sqlx::query(self.operation.sql()).bind(token);
        self.runtime.block_on(query.execute(&mut self.connection)).expect("the database answers");
    }
}

impl Felt {
    /// The time that this share of the operations did not exceed.
    pub fn quantile(&self, operation: Option<Operation>, share: f64) -> Option<f64> {
        let wanted = |(done, _): &&(Operation, f64)| operation.is_none_or(|operation| operation == *done);
        let mut times: Vec<f64> = self.0.iter().filter(wanted).map(|(_, time)| *time).collect();
        times.sort_by(f64::total_cmp);
        let last = times.len().checked_sub(1)?;
        times.get(place(last, share)).copied()
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand"
)]
fn place(last: usize, share: f64) -> usize {
    (last as f64 * share).ceil() as usize
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
