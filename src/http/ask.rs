//! A client that asks a daemon how it is.

mod anybody;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::str::FromStr;

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use url::Url;

use super::listen::Endpoint;

/// Where a daemon can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address, and whether it speaks TLS.
    Address(Endpoint, bool),
    /// A unix socket.
    Socket(PathBuf),
}

/// The text is no URL of a place that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL without a path, such as http://127.0.0.1:8787")]
pub struct PlaceError;

/// Nobody answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connection(#[from] io::Error),
    /// There is one, and what came over it is not an answer.
    #[error("it does not answer: {0}")]
    Answer(#[from] hyper::Error),
    /// The request cannot be written.
    #[error("it cannot be asked: {0}")]
    Request(#[from] axum::http::Error),
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let url = Url::parse(text).map_err(|_| PlaceError)?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(PlaceError),
        };
        let host = url.host_str().ok_or(PlaceError)?;
        let port = url.port_or_known_default().ok_or(PlaceError)?;
        let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        let endpoint = format!("{host}:{port}").parse().map_err(|_| PlaceError)?;
        bare.then_some(Self::Address(endpoint, tls)).ok_or(PlaceError)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(endpoint, tls) => write!(f, "{}://{endpoint}", if *tls { "https" } else { "http" }),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Place {
    /// The status of a GET without a secret.
    ///
    /// A certificate is not verified: nothing is told to whoever answers, and a certificate for a public name does not
    /// fit the loopback address.
    ///
    /// # Errors
    /// When nobody answers. There is no limit of time.
    pub async fn get(&self, path: &str) -> Result<StatusCode, AskError> {
        match self {
            Self::Address(endpoint, false) => get(connect(endpoint).await?, path).await,
            Self::Address(endpoint, true) => {
                let connector = TlsConnector::from(anybody::client().map_err(io::Error::other)?);
                let name = ServerName::try_from(endpoint.host().to_owned()).map_err(io::Error::other)?;
                get(connector.connect(name, connect(endpoint).await?).await?, path).await
            }
            #[cfg(unix)]
            Self::Socket(socket) => get(tokio::net::UnixStream::connect(socket).await?, path).await,
            #[cfg(not(unix))]
            Self::Socket(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
        }
    }
}

/// Whoever listens on every address is asked on this host's own.
async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let port = endpoint.port();
    let loopback = |address: IpAddr| SocketAddr::from((address, port));
    match endpoint.host().parse::<IpAddr>() {
        Ok(any) if any.is_unspecified() => {
            // [::] takes connections of both kinds, and a host may have only one of them.
            let every = [loopback(Ipv6Addr::LOCALHOST.into()), loopback(Ipv4Addr::LOCALHOST.into())];
            TcpStream::connect(&every[usize::from(any.is_ipv4())..]).await
        }
        _ => TcpStream::connect((endpoint.host(), port)).await,
    }
}

async fn get(stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> Result<StatusCode, AskError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(HOST, "localhost").body(Body::empty())?;
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer?,
        // The server may close the connection with its answer.
        ended = connection => {
            ended?;
            answer.await?
        }
    };
    Ok(answer.status())
}
