//! Calls at a fixed rate. The time of a call counts from when it was due, so that those which queue up behind a slow one
//! are slow as well.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use sweepd::clock::Stopwatch;

use crate::daemon::SECRET;

/// An answer that takes longer is an error.
const LIMIT: Duration = Duration::from_secs(10);
/// Before anything counts, all connections are in use for this long.
const WARM_UP: Duration = Duration::from_secs(1);

/// A call: method, path, body, and what its answer must contain.
pub struct Call {
    pub method: &'static str,
    pub path: String,
    pub body: String,
    pub wanted: &'static str,
}

/// What the callers felt.
#[derive(Default)]
pub struct Felt {
    /// Milliseconds of each call that was answered, sorted.
    pub times: Vec<f64>,
    pub errors: usize,
    /// One of them.
    pub error: Option<String>,
    /// Seconds until the last of them was answered.
    pub seconds: f64,
}

/// One connection, which is made anew after an error.
struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

/// Calls `rate` times a second over `connections`, for `time`; `call` makes the n-th call.
pub fn run(
    address: SocketAddr,
    (rate, connections, time): (u32, u32, Duration),
    call: impl Fn(u64) -> Call + Sync,
) -> Felt {
    let start = Arc::new(Barrier::new(connections as usize));
    let period = Duration::from_secs(1) * connections / rate;
    let client = |number: u32| {
        let (start, call) = (Arc::clone(&start), &call);
        move || {
            let mut client = Client { address, stream: None };
            client.connect().expect("a connection");
            start.wait();
            let due = |round: u32| period * number / connections + period * round;
            client
                .work(due, WARM_UP + time, |round| call(u64::from(round) * u64::from(connections) + u64::from(number)))
        }
    };
    let felt = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..connections).map(|number| scope.spawn(client(number))).collect();
        clients.into_iter().map(|client| client.join().expect("a client works")).collect::<Vec<_>>()
    });
    felt.into_iter().fold(Felt::default(), Felt::and).sorted()
}

impl Felt {
    fn and(mut self, other: Self) -> Self {
        self.times.extend(other.times);
        self.errors += other.errors;
        self.error = self.error.or(other.error);
        self.seconds = self.seconds.max(other.seconds);
        self
    }

    fn sorted(mut self) -> Self {
        self.times.sort_by(f64::total_cmp);
        self
    }
}

impl Client {
    fn work(&mut self, due: impl Fn(u32) -> Duration, end: Duration, call: impl Fn(u32) -> Call) -> Felt {
        let (watch, mut felt) = (Stopwatch::start(), Felt::default());
        for round in 0.. {
            let due = due(round);
            if due >= end {
                break;
            }
            std::thread::sleep(due.saturating_sub(watch.elapsed()));
            let done = self.call(&call(round));
            if due < WARM_UP {
                continue;
            }
            match done {
                Ok(()) => felt.times.push(watch.elapsed().saturating_sub(due).as_secs_f64() * 1e3),
                Err(error) => {
                    felt.errors += 1;
                    felt.error = Some(error.to_string());
                }
            }
            felt.seconds = watch.elapsed().saturating_sub(WARM_UP).as_secs_f64();
        }
        felt
    }

    fn connect(&mut self) -> io::Result<&mut BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(self.stream.insert(BufReader::new(stream)))
    }

    fn call(&mut self, call: &Call) -> io::Result<()> {
        let (status, body) = self.exchange(call).inspect_err(|_| self.stream = None)?;
        if status == 200 && body.contains(call.wanted) {
            return Ok(());
        }
        Err(io::Error::other(format!("{} {}: {status} {body}", call.method, call.path)))
    }

    fn exchange(&mut self, call: &Call) -> io::Result<(u16, String)> {
        let stream = match self.stream.take() {
            Some(stream) => self.stream.insert(stream),
            None => self.connect()?,
        };
        let Call { method, path, body, .. } = call;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.get_mut().write_all(request.as_bytes())?;
        answer(stream)
    }
}

fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<(u16, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
