//! Posting to other people's servers: where to, how, and how they can tell that it was sweepd.

mod address;
mod signature;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper::http::{HeaderName, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

pub use address::{Address, AddressError};
pub use signature::{Key, KeyError};

/// An answer is read up to here: what it says is of no use but for the connection to end well.
const LONGEST_ANSWER: usize = 64 * 1024;
const AGENT: &str = concat!("sweepd/", env!("CARGO_PKG_VERSION"));

/// Posts. Clones share it.
#[derive(Debug, Clone)]
pub struct Client(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What is posted.
#[derive(Debug, Clone)]
pub struct Post {
    /// The media type of the body.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: String,
}

/// It was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server would refuse the same thing again.
    #[error("the receiver refuses it with status {0}")]
    ForGood(StatusCode),
    /// The same may be taken later, and no sooner than after this time, if the server said one.
    #[error("the receiver answers with status {0}")]
    ForNow(StatusCode, Option<Duration>),
    /// There was no answer.
    #[error("{0}")]
    Unreachable(String),
}

/// The certificates of an authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// What is in the file.
    #[error("cannot read certificates as PEM: {0}")]
    File(#[from] pem::Error),
    /// What they are.
    #[error("cannot be used as certificates of an authority: {0}")]
    Certificates(#[from] rustls::Error),
}

impl Client {
    /// One that trusts the public authorities, or those in the file `authority` (PEM) in their place.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn new(authority: Option<&Path>) -> Result<Self, AuthorityError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?;
        let tls = match authority {
            Some(path) => builder.with_root_certificates(roots(path)?).with_no_client_auth(),
            None => builder.with_webpki_roots().with_no_client_auth(),
        };
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        // Between two alerts a connection would only grow old.
        Ok(Self(legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(https)))
    }

    /// Posts something, within `limit`.
    ///
    /// # Errors
    /// When it was not taken, or nobody knows.
    pub async fn post(&self, address: &Address, post: Post, limit: Duration) -> Result<StatusCode, Refusal> {
        let sent = tokio::time::timeout(limit, self.send(address, post)).await;
        sent.unwrap_or_else(|_| {
            Err(Refusal::Unreachable(format!("no answer within {}", humantime::format_duration(limit))))
        })
    }

    async fn send(&self, address: &Address, post: Post) -> Result<StatusCode, Refusal> {
        let mut request = Request::post(address.uri().clone())
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, post.content_type)
            .body(Full::new(Bytes::from(post.body)))
            .map_err(|error| Refusal::Unreachable(error.to_string()))?;
        request.headers_mut().extend(post.headers);
        let answer = self.0.request(request).await.map_err(|error| Refusal::Unreachable(causes(&error)))?;
        let status = answer.status();
        let later = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let _ = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
        match status {
            _ if status.is_success() => Ok(status),
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Refusal::ForGood(status))
            }
            _ => Err(Refusal::ForNow(status, later.map(Duration::from_secs))),
        }
    }
}

fn roots(path: &Path) -> Result<RootCertStore, AuthorityError> {
    let certificates = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate)?;
    }
    if roots.is_empty() { Err(pem::Error::NoItemsFound.into()) } else { Ok(roots) }
}

/// What an error says, and what is behind it. The address may be secret, and is not in it.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    let last = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
    format!("cannot reach the receiver: {last}")
}
