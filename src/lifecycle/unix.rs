//! Signals of unix: SIGTERM and SIGINT stop, SIGHUP reloads.

use std::io;
use std::os::unix::net::UnixStream as Pipe;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

/// Signals that ask for the same, as a stream that gets a byte for each.
#[derive(Debug)]
pub(super) struct Signals(UnixStream);

impl Signals {
    pub(super) fn to_stop() -> io::Result<Self> {
        Self::of(&[SIGTERM, SIGINT])
    }

    pub(super) fn to_reload() -> io::Result<Self> {
        Self::of(&[SIGHUP])
    }

    fn of(numbers: &[i32]) -> io::Result<Self> {
        let (reader, writer) = Pipe::pair()?;
        for number in numbers {
            pipe::register(*number, writer.try_clone()?)?;
        }
        reader.set_nonblocking(true)?;
        Ok(Self(UnixStream::from_std(reader)?))
    }

    /// The handlers hold the other end open for the life of the process, so there is always a next byte.
    pub(super) async fn next(&mut self) {
        if !matches!(self.0.read(&mut [0]).await, Ok(1)) {
            std::future::pending::<()>().await;
        }
    }
}
