//! Who is logged in. It is kept in memory only: a restart logs everybody out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::crypto::ring;

use super::super::auth::Secret;

/// So long a log-in lasts.
pub(super) const LIFETIME: TimeDelta = TimeDelta::hours(12);
/// So many are remembered; the oldest go. Each of them knew a secret.
const REMEMBERED: usize = 1000;

/// The log-ins, by the SHA-256 of their tokens.
#[derive(Debug, Clone, Default)]
pub struct Logins(Arc<Mutex<HashMap<[u8; 32], Login>>>);

#[derive(Debug)]
struct Login {
    /// With which secret. When that is not accepted any more, neither is the log-in.
    secret: Secret,
    opened: DateTime<Utc>,
    /// What the next page says.
    notice: Option<Notice>,
}

/// What came of a button, for the next page.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    /// About which job.
    pub(super) job: String,
    pub(super) text: String,
    /// Whether it was not done.
    pub(super) is_refusal: bool,
}

impl Logins {
    /// Lets somebody in who knows the secret, and returns the token of the log-in. None when the system has no random
    /// numbers.
    pub(super) fn open(&self, secret: Secret, now: DateTime<Utc>) -> Option<String> {
        let mut random = [0; 32];
        ring::default_provider().secure_random.fill(&mut random).ok()?;
        let token = hex(&random);
        let mut logins = self.lock();
        logins.retain(|_, login| now - login.opened < LIFETIME);
        if logins.len() >= REMEMBERED {
            let oldest = logins.iter().min_by_key(|(_, login)| login.opened).map(|(key, _)| *key);
            oldest.and_then(|key| logins.remove(&key));
        }
        logins.insert(key(&token), Login { secret, opened: now, notice: None });
        Some(token)
    }

    /// The secret of a log-in that still lasts.
    pub(super) fn secret(&self, token: &str, now: DateTime<Utc>) -> Option<Secret> {
        let logins = self.lock();
        logins.get(&key(token)).filter(|login| now - login.opened < LIFETIME).map(|login| login.secret)
    }

    /// Ends a log-in.
    pub(super) fn close(&self, token: &str) {
        self.lock().remove(&key(token));
    }

    /// Has the next page say something.
    pub(super) fn tell(&self, token: &str, notice: Notice) {
        if let Some(login) = self.lock().get_mut(&key(token)) {
            login.notice = Some(notice);
        }
    }

    /// What this page has to say.
    pub(super) fn told(&self, token: &str) -> Option<Notice> {
        self.lock().get_mut(&key(token))?.notice.take()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Login>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// As text.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_log_in_lasts_for_half_a_day_and_no_two_are_alike() {
        let (logins, secret) = (Logins::default(), Secret::new("the-secret-of-this-test").unwrap());
        let (one, other) = (logins.open(secret, at(0)).unwrap(), logins.open(secret, at(0)).unwrap());
        assert!(one.len() == 64 && one != other);
        assert_eq!(logins.secret(&one, at(719)), Some(secret));
        assert_eq!(logins.secret(&one, at(720)), None);
        assert_eq!(logins.secret("nonsense", at(0)), None);
        logins.close(&other);
        assert_eq!(logins.secret(&other, at(0)), None);
    }

    #[test]
    fn few_are_remembered_and_the_oldest_go_first() {
        let (logins, secret) = (Logins::default(), Secret::new("the-secret-of-this-test").unwrap());
        let tokens: Vec<_> =
            (0..1010).map(|number| logins.open(secret, at(0) + TimeDelta::seconds(number)).unwrap()).collect();
        assert_eq!(logins.lock().len(), REMEMBERED);
        assert!(logins.secret(&tokens[9], at(17)).is_none() && logins.secret(&tokens[10], at(17)).is_some());
        logins.open(secret, at(2000)).unwrap();
        assert_eq!(logins.lock().len(), 1, "those that have ended make room first");
    }
}
