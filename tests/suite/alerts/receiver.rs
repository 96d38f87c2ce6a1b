//! A receiver of posts: a real server, that can be slow, refuse, or be away.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use sweepd::clock::Stopwatch;

use crate::process::Deadline;
use crate::stage::LIMIT;

/// What came.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub head: String,
    pub body: String,
    pub at: Stopwatch,
    /// Whether it was taken.
    pub taken: bool,
}

/// How it answers.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub status: u16,
    pub after: Duration,
}

pub const TAKES: Manner = Manner { status: 200, after: Duration::ZERO };

/// A server on a port of its own. Dropped, it is gone.
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    manner: Arc<Mutex<Manner>>,
    open: Arc<AtomicBool>,
}

impl Receiver {
    pub fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    /// One that is away for now: nobody listens at its address.
    pub fn away() -> (SocketAddr, impl FnOnce() -> Self) {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        (address, move || Self::on(TcpListener::bind(address).expect("the port is still free")))
    }

    fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("an address");
        let (manner, open) = (Arc::new(Mutex::new(TAKES)), Arc::new(AtomicBool::new(true)));
        let server = Self { address, received: Arc::default(), manner, open };
        let (received, manner, open) =
            (Arc::clone(&server.received), Arc::clone(&server.manner), Arc::clone(&server.open));
        std::thread::spawn(move || {
            for stream in listener.incoming().take_while(|_| open.load(Ordering::Relaxed)) {
                let (received, manner) = (Arc::clone(&received), Arc::clone(&manner));
                std::thread::spawn(move || stream.ok().and_then(|stream| serve(stream, &received, &manner)));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// All that came.
    pub fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// What was taken.
    pub fn taken(&self) -> Vec<Received> {
        self.all().into_iter().filter(|received| received.taken).collect()
    }

    /// The events of what was taken.
    pub fn events(&self) -> Vec<String> {
        self.taken().iter().map(|received| received.json()["event"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until so many were taken.
    pub fn wait_for(&self, count: usize, limit: Duration) -> Vec<Received> {
        let deadline = Deadline::after(limit);
        while self.taken().len() < count {
            assert!(!deadline.has_passed(), "fewer than {count} within {limit:?}: {:#?}", self.all());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.taken()
    }

    /// Waits until just these came, and that nothing comes after them for a moment.
    pub fn expect(&self, events: &[&str]) -> Vec<Received> {
        self.wait_for(events.len(), LIMIT);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(self.events(), events, "{:#?}", self.all());
        self.taken()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.open.store(false, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let header = |line: &str| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        };
        self.head.lines().find_map(header)
    }
}

fn serve(stream: TcpStream, received: &Mutex<Vec<Received>>, manner: &Mutex<Manner>) -> Option<()> {
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.replace("\r\n", "\n");
    let path = head.split(' ').nth(1)?.to_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let Manner { status, after } = *manner.lock().unwrap();
    let taken = (200..300).contains(&status);
    let body = String::from_utf8(body).ok()?;
    received.lock().unwrap().push(Received { path, head, body, at: Stopwatch::start(), taken });
    std::thread::sleep(after);
    let mut stream = reader.into_inner();
    write!(stream, "HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
}
