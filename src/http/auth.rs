//! Who may call: secrets, and the extractors that ask for them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use tokio::sync::{Semaphore, watch};
use tracing::warn;

pub use super::attempts::Source;

use super::Settings;
use super::attempts::Attempts;
use super::connection::Peer;
use super::failure::Failure;
use crate::clock::Clock;

/// So many answers to wrong secrets are held back at once. Further ones are not, so that they cannot use up all
/// connections.
const HELD_BACK: usize = 64;

/// A secret: its SHA-256 is all that is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// The secret cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Too easy to guess.
    #[error("has fewer than {} characters; `openssl rand -hex 32` makes a good one", Secret::SHORTEST)]
    Short,
    /// No header can hold it.
    #[error("has a line break or another control character in it")]
    Control,
}

impl Secret {
    /// So many characters at least.
    pub const SHORTEST: usize = 16;

    /// From its text.
    ///
    /// # Errors
    /// When it is too short, or cannot be sent in a header.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        if text.chars().any(char::is_control) {
            return Err(SecretError::Control);
        }
        if text.chars().count() < Self::SHORTEST {
            return Err(SecretError::Short);
        }
        Ok(Self::digest(text.as_bytes()))
    }

    pub(super) fn digest(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    fn is(&self, other: Option<&Self>) -> Choice {
        // Without one, something is compared all the same.
        let set = Choice::from(u8::from(other.is_some()));
        self.0.ct_eq(&other.unwrap_or(&Self([0; 32])).0) & set
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The secrets that are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Allows everything.
    pub full: Secret,
    /// The one before, which allows everything too, until all callers have the new one.
    pub previous: Option<Secret>,
    /// Allows to read.
    pub read: Option<Secret>,
}

/// What a secret allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Full,
    Read,
}

impl Secrets {
    /// Takes equally long whatever was given.
    fn access(&self, given: &Secret) -> Option<Access> {
        let full = given.is(Some(&self.full)) | given.is(self.previous.as_ref());
        let read = given.is(self.read.as_ref());
        match (bool::from(full), bool::from(read)) {
            (true, _) => Some(Access::Full),
            (false, true) => Some(Access::Read),
            (false, false) => None,
        }
    }
}

/// Lets those in who know a secret, and slows down those who do not.
#[derive(Debug, Clone)]
pub struct Gate {
    settings: watch::Receiver<Settings>,
    attempts: Arc<Mutex<Attempts>>,
    waiting: Arc<Semaphore>,
    clock: Clock,
}

impl Gate {
    /// With the secrets of these settings, as they are at each call.
    #[must_use]
    pub fn new(settings: watch::Receiver<Settings>, clock: Clock) -> Self {
        Self { settings, attempts: Arc::default(), waiting: Arc::new(Semaphore::new(HELD_BACK)), clock }
    }

    /// What a secret allows at the moment.
    pub(super) fn access(&self, given: &Secret) -> Option<Access> {
        self.settings.borrow().secrets.access(given)
    }

    async fn admit(&self, parts: &Parts) -> Result<Access, Failure> {
        let access = bearer(&parts.headers).and_then(|given| self.access(&Secret::digest(given)));
        match access {
            Some(access) => Ok(access),
            None => Err(self.refuse(parts.extensions.get()).await),
        }
    }

    /// The answer to a wrong secret, in good time.
    pub(super) async fn refuse(&self, peer: Option<&Peer>) -> Failure {
        let source = peer.map_or(Source::Socket, |peer| peer.source);
        let verdict = self.attempts.lock().unwrap_or_else(PoisonError::into_inner).count(source, self.clock.steady());
        if let Some(attempts) = verdict.to_tell {
            warn!(from = %source, attempts, "a call without a secret, or with a wrong one, was refused");
        }
        let Ok(_held) = self.waiting.try_acquire() else { return Failure::unauthorized().closing() };
        let wait = tokio::time::sleep(verdict.delay);
        match peer {
            Some(peer) => peer.stop.run_until_cancelled(wait).await.unwrap_or_default(),
            None => wait.await,
        }
        Failure::unauthorized()
    }
}

/// What the one `Authorization: Bearer ...` holds.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else { return None };
    let (scheme, secret) = value.as_bytes().split_at_checked(b"Bearer ".len())?;
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !secret.is_empty()).then(|| secret.trim_ascii())
}

/// The caller knows the secret, or the one before. 401 without any, 403 with the one that only reads.
#[derive(Debug, Clone, Copy)]
pub struct Operator;

/// The caller knows one of the secrets. 401 if not.
#[derive(Debug, Clone, Copy)]
pub struct Reader(Access);

impl Reader {
    /// Whether it is one that allows everything; 403 if not.
    ///
    /// # Errors
    /// The answer.
    pub fn operator(self) -> Result<Operator, Failure> {
        match self.0 {
            Access::Full => Ok(Operator),
            Access::Read => Err(Failure::new(
                StatusCode::FORBIDDEN,
                "this secret is http.read_secret, which only reads; use http.secret",
            )),
        }
    }
}

impl<S> FromRequestParts<S> for Operator
where
    Gate: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Reader(Gate::from_ref(state).admit(parts).await?).operator()
    }
}

impl<S> FromRequestParts<S> for Reader
where
    Gate: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Gate::from_ref(state).admit(parts).await.map(Self)
    }
}
