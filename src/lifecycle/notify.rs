//! Tells the service manager how this process is, by the protocol of systemd's `sd_notify(3)`.
//!
//! Nothing is sent where `NOTIFY_SOCKET` does not say where to. Nothing here waits, and nothing fails: a service manager
//! that does not listen keeps nobody from sweeping. The variable stays set, as nothing may change the environment of a
//! process with threads; sweepd starts no other programs that could find it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::time::Duration;

use tracing::warn;

use self::socket::Socket;
use crate::clock;

/// Messages that wait for a service manager that is busy; of more than these, the oldest are lost.
const WAITING: usize = 16;

/// The way to the service manager, where there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<Socket>,
    watchdog: Option<Duration>,
    waiting: VecDeque<String>,
    unheard: bool,
}

impl Notifier {
    /// The service manager of this process.
    #[must_use]
    pub fn from_process() -> Self {
        let text = |name| std::env::var(name).ok();
        let (socket, watchdog) = (std::env::var_os("NOTIFY_SOCKET"), text("WATCHDOG_USEC"));
        let Some(socket) = socket.filter(|socket| !socket.is_empty()) else { return Self::default() };
        let socket =
            Socket::to(&socket).inspect_err(|error| warn!("the service manager cannot be told anything: {error}"));
        let watchdog = watchdog.and_then(|period| period_of(&period, text("WATCHDOG_PID").as_deref()));
        Self { socket: socket.ok(), watchdog, ..Self::default() }
    }

    /// Whether anybody is to be told.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.socket.is_some()
    }

    /// How often to say that this process is alive.
    #[must_use]
    pub fn pulse(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.is_on())
    }

    /// Whether messages wait to be sent: then [`Notifier::send_waiting`] has to be called after a while.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Says that a reload begins. `READY=1` ends it.
    pub fn reloading(&mut self) {
        let since = clock::monotonic().map(|time| format!("\nMONOTONIC_USEC={}", time.as_micros()));
        self.send(format!("RELOADING=1{}", since.unwrap_or_default()));
    }

    /// Sends assignments, one a line.
    pub fn send(&mut self, message: String) {
        if !self.is_on() {
            return;
        }
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(message);
        self.send_waiting();
    }

    /// Sends what could not be sent before.
    pub fn send_waiting(&mut self) {
        let Some(socket) = &self.socket else { return };
        while let Some(message) = self.waiting.front() {
            match socket.send(message) {
                // It has too much to read at the moment.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if !self.unheard => {
                    warn!("the service manager does not hear: {error}");
                    self.unheard = true;
                }
                sent => self.unheard = sent.is_err(),
            }
            self.waiting.pop_front();
        }
    }
}

/// Half of the time after which the service manager takes a silent process for dead, if that is meant for this process.
fn period_of(micros: &str, process: Option<&str>) -> Option<Duration> {
    let is_ours = process.is_none_or(|process| process.parse() == Ok(std::process::id()));
    let micros: u64 = micros.parse().ok().filter(|micros| *micros > 0 && is_ours)?;
    Some(Duration::from_micros(micros / 2).max(Duration::from_millis(1)))
}

#[cfg(unix)]
mod socket {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::{OsStr, io};

    #[derive(Debug)]
    pub(super) struct Socket {
        socket: UnixDatagram,
        address: SocketAddr,
    }

    impl Socket {
        pub(super) fn to(address: &OsStr) -> io::Result<Self> {
            let address = match address.as_bytes() {
                [b'@', name @ ..] => of_name(name)?,
                [b'/', ..] => SocketAddr::from_pathname(address)?,
                _ => return Err(io::Error::other("NOTIFY_SOCKET is neither a path nor an abstract name")),
            };
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok(Self { socket, address })
        }

        /// Not connected: there may be another socket at that place after the service manager has started anew.
        pub(super) fn send(&self, message: &str) -> io::Result<()> {
            self.socket.send_to_addr(message.as_bytes(), &self.address).map(drop)
        }
    }

    #[cfg(target_os = "linux")]
    fn of_name(name: &[u8]) -> io::Result<SocketAddr> {
        <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
    }

    #[cfg(not(target_os = "linux"))]
    fn of_name(_: &[u8]) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(not(unix))]
mod socket {
    use super::{OsStr, io};

    #[derive(Debug)]
    pub(super) enum Socket {}

    impl Socket {
        pub(super) fn to(_: &OsStr) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn send(&self, _: &str) -> io::Result<()> {
            match *self {}
        }
    }
}
