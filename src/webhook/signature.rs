//! Signatures by the Standard Webhooks specification: who knows the key can tell that a post is sweepd's, and is no
//! repetition of an old one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::http::{HeaderName, HeaderValue};
use sha2::Sha256;

/// A key has so many bytes at least.
const SHORTEST: usize = 16;

/// What posts are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

/// It is no key to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too easy to guess.
    #[error("has fewer than 16 bytes; `echo whsec_$(openssl rand -base64 32)` makes a good one")]
    Short,
    /// What the specification's prefix promises is not there.
    #[error("begins with whsec_, and what follows is not base64")]
    NotBase64,
}

impl Key {
    /// Reads a key: `whsec_` and base64, as the specification writes it, or any other text, whose bytes are the key.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let key = match text.strip_prefix("whsec_") {
            Some(encoded) => STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).map_err(|_| KeyError::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if key.len() < SHORTEST { Err(KeyError::Short) } else { Ok(Self(key)) }
    }

    /// The headers that identify, date and sign a body.
    #[must_use]
    pub fn headers(key: Option<&Self>, id: &str, at: DateTime<Utc>, body: &str) -> Vec<(HeaderName, HeaderValue)> {
        let (at, name) = (at.timestamp().to_string(), HeaderName::from_static);
        let signature = key.map(|key| key.sign(&format!("{id}.{at}.{body}")));
        let pairs =
            [("webhook-id", Some(id.to_owned())), ("webhook-timestamp", Some(at)), ("webhook-signature", signature)];
        let header = |(header, value): (&'static str, Option<String>)| Some((name(header), value?.parse().ok()?));
        pairs.into_iter().filter_map(header).collect()
    }

    fn sign(&self, text: &str) -> String {
        // A key of any length will do.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(text.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let headers = Key::headers(Some(&key), "msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        assert_eq!(headers[2].0, "webhook-signature");
        assert_eq!(headers[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_bad_key_is_refused() {
        assert_eq!(Key::parse("short"), Err(KeyError::Short));
        assert_eq!(Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8="), Err(KeyError::Short));
        assert_eq!(Key::parse("whsec_not base64 at all!"), Err(KeyError::NotBase64));
        assert_eq!(format!("{:?}", Key::parse("0123456789abcdef").unwrap()), "***");
    }
}
