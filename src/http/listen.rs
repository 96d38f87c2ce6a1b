//! Where the server listens, and how connections are accepted.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use self::socket::Socket;
use super::Settings;
use super::answer::answer;
use super::auth::Source;
use super::connection::{Connections, Peer};

#[cfg_attr(not(unix), path = "listen/no_socket.rs")]
mod socket;

/// After a connection could not be accepted, as when there are no file descriptors left.
const PAUSE: Duration = Duration::from_secs(1);

/// An address and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
}

/// The text is no address with a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an address and a port, such as \"127.0.0.1:8787\", \"[::1]:8787\" or \"localhost:8787\"")]
pub struct EndpointError;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(host) if matches!(host.parse(), Ok(IpAddr::V6(_))) => host,
            None if is_name(host) => host,
            _ => return Err(EndpointError),
        };
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| EndpointError)? })
    }
}

/// Whether it can be the name of a host, or an address of IPv4.
fn is_name(host: &str) -> bool {
    !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Endpoint {
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether nobody else than this machine can reach it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

/// The server cannot listen where it should.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place}: {reason}{remedy}")]
pub struct ListenError {
    place: String,
    reason: io::Error,
    remedy: &'static str,
}

/// A server that listens already, and does not answer yet.
#[derive(Debug)]
pub struct Bound {
    settings: watch::Sender<Settings>,
    tcp: Option<TcpListener>,
    socket: Option<Socket>,
}

/// A server that answers.
#[derive(Debug)]
pub struct Server(watch::Sender<Settings>);

impl Bound {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the address or the path is used by somebody else, or cannot be used.
    pub async fn new(settings: Settings) -> Result<Self, ListenError> {
        let tcp = match &settings.listen {
            Some(endpoint) => Some(listen(endpoint).await?),
            None => None,
        };
        let socket = settings.socket.as_deref().map(Socket::bind).transpose()?;
        Ok(Self { settings: watch::Sender::new(settings), tcp, socket })
    }

    /// The settings as they are now, and as a reload changes them.
    #[must_use]
    pub fn settings(&self) -> watch::Receiver<Settings> {
        self.settings.subscribe()
    }

    /// The address that it listens on; its port is the real one.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.local_addr().ok()
    }

    /// Answers by `router` until `stop` is cancelled: then there are no new connections, idle ones are closed, and answers
    /// that are under way are finished, all in `tasks`.
    #[must_use]
    pub fn serve(self, router: Router, stop: &CancellationToken, tasks: &TaskTracker) -> Server {
        let max = self.settings.borrow().max_connections;
        let router = router.layer(from_fn(answer));
        // The socket has places of its own: nobody from outside can take them.
        let connections = || {
            Arc::new(Connections {
                router: router.clone(),
                settings: self.settings.subscribe(),
                free: Arc::new(Semaphore::new(max)),
                stop: stop.clone(),
                tasks: tasks.clone(),
            })
        };
        if let Some(listener) = self.tcp {
            let http = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
            let tls = self.settings.borrow().tls.is_some();
            info!(%http, tls, "listening");
            tasks.spawn(accept(listener, connections()));
        }
        if let Some(socket) = self.socket {
            info!(http = %format_args!("unix:{}", socket.path().display()), "listening");
            tasks.spawn(accept(socket, connections()));
        }
        Server(self.settings)
    }
}

impl Server {
    /// Goes by `new` from the next call on, as far as that is possible without listening anew.
    pub fn follow(&self, new: &Settings) {
        self.0.send_modify(|settings| {
            let place =
                |settings: &Settings| (settings.listen.clone(), settings.socket.clone(), settings.max_connections);
            if place(settings) != place(new) {
                warn!("of [http], listen, socket and max_connections cannot be changed without a restart");
            }
            settings.secrets = new.secrets.clone();
            settings.tls.clone_from(&new.tls);
            settings.vercel_cron = new.vercel_cron;
        });
    }
}

async fn listen(endpoint: &Endpoint) -> Result<TcpListener, ListenError> {
    TcpListener::bind((endpoint.host.as_str(), endpoint.port)).await.map_err(|reason| {
        let remedy = match reason.kind() {
            io::ErrorKind::AddrInUse => "; stop the other process that listens there, or change `http.listen`",
            io::ErrorKind::PermissionDenied => "; take a port above 1023 for `http.listen`",
            _ => "; `http.listen` has to be an address of this host",
        };
        ListenError { place: endpoint.to_string(), reason, remedy }
    })
}

/// What connections come from.
trait Listener: Send + 'static {
    type Stream: Send;

    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Source)>> + Send;

    fn serve(connections: &Connections, stream: Self::Stream, peer: Peer) -> impl Future<Output = ()> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Source)> {
        let (stream, address) = self.accept().await?;
        // An answer is one packet or a few: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        Ok((stream, Source::of(address.ip())))
    }

    async fn serve(connections: &Connections, stream: TcpStream, peer: Peer) {
        connections.serve_tcp(stream, peer).await;
    }
}

async fn accept<L: Listener + Sync>(listener: L, connections: Arc<Connections>) {
    let stop = connections.stop.clone();
    let accepting = async {
        loop {
            match listener.next().await {
                Ok((stream, source)) => {
                    // The place is taken for a connection that is there: no listener keeps one from another.
                    let Ok(place) = Arc::clone(&connections.free).acquire_owned().await else { return };
                    let (connections, stop) = (Arc::clone(&connections), stop.clone());
                    connections.tasks.clone().spawn(async move {
                        L::serve(&connections, stream, Peer { source, encrypted: false, stop }).await;
                        drop(place);
                    });
                }
                // It went away before its turn.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!("no connection can be accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
