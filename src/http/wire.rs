//! A client's end of a connection that makes nobody wait for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

/// A client that takes none of its answer for this long is given up.
const STALLED: Duration = Duration::from_secs(10);
/// After the answer, what the client still sends is read for this long: closing at once would take the answer from a
/// client that sends first and reads then.
const LINGER: Duration = Duration::from_secs(2);

/// Gives up writes that make no progress, and ends a connection so that the client can read the last answer.
pub(super) struct Wire<T> {
    io: T,
    stop: CancellationToken,
    timer: Pin<Box<Sleep>>,
    is_timing: bool,
    is_parting: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    pub(super) fn new(io: T, stop: CancellationToken) -> Self {
        Self { io, stop, timer: Box::pin(sleep(STALLED)), is_timing: false, is_parting: false }
    }

    fn time(&mut self, limit: Duration) {
        self.timer.set(sleep(limit));
        self.is_timing = true;
    }

    /// What came of a write, unless it has been waiting for too long.
    fn in_time<R>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if done.is_ready() {
            self.is_timing = false;
            return done;
        }
        if !self.is_timing {
            self.time(STALLED);
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4096];
        while !self.stop.is_cancelled() && self.timer.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.in_time(cx, done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_flush(cx);
        self.in_time(cx, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_parting {
            let done = Pin::new(&mut self.io).poll_shutdown(cx);
            ready!(self.in_time(cx, done))?;
            self.is_parting = true;
            self.time(LINGER);
        }
        self.poll_linger(cx).map(Ok)
    }
}
