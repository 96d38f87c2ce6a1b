//! A service manager that only listens.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Deadline, Process};
use crate::stage::LIMIT;

/// What `NOTIFY_SOCKET` leads to.
pub struct Manager {
    socket: UnixDatagram,
    directory: TempDir,
    /// All messages so far.
    pub heard: Vec<String>,
}

impl Manager {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        Self { socket, directory, heard: Vec::new() }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("notify")
    }

    /// Starts a program that finds it. `watchdog`: the microseconds after which silence means death.
    pub fn start(&self, mut program: Command, watchdog: Option<u32>) -> Process {
        program.env("NOTIFY_SOCKET", self.path());
        program.env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        if let Some(watchdog) = watchdog {
            program.env("WATCHDOG_USEC", watchdog.to_string());
        }
        Process::spawn(program)
    }

    /// Lets so much wait to be heard that there is no room for more.
    pub fn fill(&self) {
        loop {
            // Each sender may have so much under way.
            let sender = UnixDatagram::unbound().expect("a socket");
            sender.set_nonblocking(true).expect("a socket that does not wait");
            let mut sent = 0;
            while sender.send_to(b"X_NOISE=1", self.path()).is_ok() {
                sent += 1;
            }
            if sent == 0 {
                return;
            }
        }
    }

    /// The next message, if one comes within `patience`.
    pub fn hear(&mut self, patience: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(patience)).expect("a time limit");
        let mut message = [0; 4096];
        match self.socket.recv(&mut message) {
            Ok(length) => {
                let text = String::from_utf8(message[..length].to_vec()).expect("text");
                self.heard.push(text.clone());
                Some(text)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits for a message that is as wanted.
    pub fn wait_for(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Deadline::after(LIMIT);
        loop {
            if let Some(message) = self.hear(Duration::from_millis(100)).filter(|message| wanted(message)) {
                return message;
            }
            assert!(!deadline.has_passed(), "not heard within {LIMIT:?}: {:#?}", self.heard);
        }
    }

    /// Waits for a message that has such a line.
    pub fn wait_for_line(&mut self, line: &str) -> String {
        self.wait_for(|message| message.lines().any(|other| other.starts_with(line)))
    }
}

/// The status that a message has.
pub fn status(message: &str) -> &str {
    message.lines().find_map(|line| line.strip_prefix("STATUS=")).unwrap_or_default()
}
