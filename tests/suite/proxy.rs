//! A TCP proxy on loopback that does what networks do: it delays, cuts connections, falls silent, and loses answers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::servers::Engine;

pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    commit: &'static [u8],
    state: Mutex<State>,
    lost: AtomicUsize,
    ended: AtomicBool,
}

#[derive(Default)]
struct State {
    /// How long an answer of the server takes on its way.
    delay: Duration,
    /// New connections get no answer.
    silent: bool,
    /// What happens at the COMMITs of transactions with this text, so many times.
    at_commit: Option<(String, usize, AtCommit)>,
    links: Vec<Arc<Link>>,
}

#[derive(Clone, Copy)]
enum AtCommit {
    LoseAnswer,
    FallSilent,
}

/// A connection of a client, and the one to the server that belongs to it.
struct Link {
    client: TcpStream,
    server: TcpStream,
    /// Half-open: what comes is swallowed, for good.
    dead: AtomicBool,
    /// Its next answer is lost, and it with that.
    losing: AtomicBool,
}

impl Proxy {
    /// Forwards to a port of loopback.
    pub fn to(engine: Engine, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let shared = Arc::new(Shared {
            upstream: (Ipv4Addr::LOCALHOST, port).into(),
            // The messages with which the driver sends it: PostgreSQL's simple query, MySQL's COM_QUERY.
            commit: if engine == Engine::Postgres { b"Q\0\0\0\x0bCOMMIT\0" } else { b"\x07\0\0\0\x03COMMIT" },
            state: Mutex::default(),
            lost: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let port = listener.local_addr().unwrap().port();
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Self { port, shared }
    }

    /// A database URL that leads through the proxy.
    pub fn url(&self, url: &str, port: u16) -> String {
        let through = url.replace(&format!("127.0.0.1:{port}/"), &format!("127.0.0.1:{}/", self.port));
        assert_ne!(through, url, "the URL names port {port}");
        through
    }

    /// From now on each answer of the server takes so long.
    pub fn delay(&self, delay: Duration) {
        self.shared.state.lock().unwrap().delay = delay;
    }

    /// Ends all connections, and returns how many there were.
    pub fn cut(&self) -> usize {
        let links = std::mem::take(&mut self.shared.state.lock().unwrap().links);
        links.iter().filter(|link| link.cut()).count()
    }

    /// Half-opens all connections, and those to come: nothing is closed, and nothing arrives.
    pub fn fall_silent(&self) {
        self.shared.state.lock().unwrap().fall_silent();
    }

    /// The same as soon as a transaction in which `statement` is sent shall be committed: the server never gets the COMMIT,
    /// and keeps its locks.
    pub fn fall_silent_before_commit(&self, statement: &str) {
        self.shared.state.lock().unwrap().at_commit = Some((statement.to_owned(), 1, AtCommit::FallSilent));
    }

    /// Lets new connections through again. The others stay half-open.
    pub fn heal(&self) {
        self.shared.state.lock().unwrap().silent = false;
    }

    /// Loses the answer to the COMMIT of a transaction in which `statement` is sent, so many times. The server has
    /// committed by then.
    pub fn lose_answers(&self, statement: &str, times: usize) {
        self.shared.state.lock().unwrap().at_commit = Some((statement.to_owned(), times, AtCommit::LoseAnswer));
    }

    /// How many answers were lost.
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            // A server that is down refuses: then the client is cut off.
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(self.upstream)) else { continue };
            for stream in [&client, &server] {
                stream.set_nodelay(true).unwrap();
            }
            let mut state = self.state.lock().unwrap();
            let (dead, losing) = (AtomicBool::new(state.silent), AtomicBool::new(false));
            let link = Arc::new(Link { client, server, dead, losing });
            // Dropping one closes it, which its client must not see of one that is half-open.
            state.links.retain(|link| link.dead.load(Ordering::SeqCst) || Arc::strong_count(link) > 1);
            state.links.push(Arc::clone(&link));
            drop(state);
            let (shared, there) = (Arc::clone(&self), Arc::clone(&link));
            thread::spawn(move || shared.forward_questions(&there));
            let shared = Arc::clone(&self);
            thread::spawn(move || shared.forward_answers(&link));
        }
    }

    fn forward_questions(&self, link: &Link) {
        let mut marked = false;
        forward(&link.client, &link.server, link, |bytes| {
            let mut state = self.state.lock().unwrap();
            let Some((statement, times, fault)) = &mut state.at_commit else { return true };
            marked |= contains(bytes, statement.as_bytes());
            if !contains(bytes, self.commit) || !std::mem::take(&mut marked) || *times == 0 {
                return true;
            }
            *times -= 1;
            match fault {
                AtCommit::LoseAnswer => link.losing.store(true, Ordering::SeqCst),
                AtCommit::FallSilent => state.fall_silent(),
            }
            !state.silent
        });
    }

    fn forward_answers(&self, link: &Link) {
        forward(&link.server, &link.client, link, |_| {
            if link.losing.load(Ordering::SeqCst) {
                self.lost.fetch_add(1, Ordering::SeqCst);
                return false;
            }
            let delay = self.state.lock().unwrap().delay;
            thread::sleep(delay);
            true
        });
    }
}

impl State {
    fn fall_silent(&mut self) {
        self.silent = true;
        self.links.iter().for_each(|link| link.dead.store(true, Ordering::SeqCst));
    }
}

impl Link {
    /// False when it had ended already.
    fn cut(&self) -> bool {
        let client = self.client.shutdown(Shutdown::Both);
        let server = self.server.shutdown(Shutdown::Both);
        client.is_ok() && server.is_ok()
    }
}

/// Copies until one end closes, or `passes` says no; then closes both.
fn forward(from: &TcpStream, to: &TcpStream, link: &Link, mut passes: impl FnMut(&[u8]) -> bool) {
    let (mut from, mut to) = (from, to);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if link.dead.load(Ordering::SeqCst) {
            continue;
        }
        if !passes(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // The other end of a half-open connection does not learn that this one is closed.
    if !link.dead.load(Ordering::SeqCst) {
        link.cut();
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
