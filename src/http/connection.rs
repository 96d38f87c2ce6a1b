//! One connection: its limits, and how it ends.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::Settings;
use super::auth::Source;
use super::wire::Wire;

/// The head of a request has to be there within this time, and the next request begins within it.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// When the server stops: for the last bytes of an answer, and for half a request to become a whole one.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// Who is at the other end, for those who answer.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) source: Source,
    /// Whether the connection is.
    pub(super) encrypted: bool,
    /// Cancelled when the server stops.
    pub(super) stop: CancellationToken,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) router: Router,
    pub(super) settings: watch::Receiver<Settings>,
    /// Places for connections.
    pub(super) free: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Connections {
    /// Encrypted, where there is a certificate now.
    pub(super) async fn serve_tcp(&self, stream: TcpStream, peer: Peer) {
        let Some(tls) = self.settings.borrow().tls.clone() else { return self.serve(stream, peer).await };
        let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, TlsAcceptor::from(tls.0).accept(stream));
        match self.stop.run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => self.serve(stream, Peer { encrypted: true, ..peer }).await,
            Some(Ok(Err(error))) => debug!(from = %peer.source, "no connection by TLS: {error}"),
            Some(Err(_)) => debug!(from = %peer.source, "no connection by TLS in time"),
            None => {}
        }
    }

    pub(super) async fn serve<I: AsyncRead + AsyncWrite + Unpin>(&self, stream: I, peer: Peer) {
        let answering = TaskTracker::new();
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let answer = router.call(request.map(Body::new));
            answering.track_future(async move { answer.await.map(|answer| self.last_if_full(answer)) })
        });
        let stream = TokioIo::new(Wire::new(stream, self.stop.clone()));
        let mut connection = pin!(protocol().serve_connection(stream, service));
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        answering.close();
        let nothing_left = async {
            answering.wait().await;
            tokio::time::sleep(LAST_BYTES).await;
        };
        tokio::select! {
            _ = connection => {}
            () = nothing_left => {}
        }
    }

    /// When somebody waits for a place, nobody keeps theirs while they have nothing to ask.
    fn last_if_full(&self, mut answer: Response<Body>) -> Response<Body> {
        if self.free.available_permits() == 0 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

fn protocol() -> Builder {
    let mut protocol = Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(LARGEST_HEAD);
    protocol
}
