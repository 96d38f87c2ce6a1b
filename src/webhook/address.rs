//! Where to post: a URL that may be a secret by itself.

use std::fmt;

use hyper::Uri;
use url::{Host, Url};

/// The URL of somebody who takes posts. Who knows it may post there, so only its host is ever shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    uri: Uri,
}

/// It is no address to post to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No URL.
    #[error("expected a URL that begins with https:// or http://")]
    NotHttp,
    /// Somebody would read the password on its way, or in a log.
    #[error("has a user or a password in it, which is not supported; most receivers take a token in the path")]
    Credentials,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// When nothing can be posted there.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(AddressError::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        Self::new(url)
    }

    fn new(mut url: Url) -> Result<Self, AddressError> {
        url.set_fragment(None);
        let uri = url.as_str().parse().map_err(|_| AddressError::NotHttp)?;
        Ok(Self { url, uri })
    }

    /// The same with another word at the end of its path, and a parameter more.
    #[must_use]
    pub fn below(&self, word: Option<&str>, parameter: (&str, &str)) -> Self {
        let mut url = self.url.clone();
        if let (Some(word), Ok(mut path)) = (word, url.path_segments_mut()) {
            path.pop_if_empty().push(word);
        }
        url.query_pairs_mut().append_pair(parameter.0, parameter.1);
        Self::new(url).unwrap_or_else(|_| self.clone())
    }

    /// Whether others on the way can read what goes there.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let is_here = match self.url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.url.scheme() == "http" && !is_here
    }

    /// For the client.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }
}

/// Its host, and the port where it is not the usual one.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.host_str().unwrap_or_default())?;
        self.url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}/***)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn only_its_host_is_shown() {
        let address = Address::parse("https://hooks.example.com:8443/services/T0/B0/secret#x").unwrap();
        assert_eq!(format!("{address} {address:?}"), "hooks.example.com:8443 Address(hooks.example.com:8443/***)");
        assert_eq!(address.uri(), "https://hooks.example.com:8443/services/T0/B0/secret");
    }

    #[test]
    fn a_word_and_a_parameter_go_where_they_belong() {
        let address = Address::parse("http://hc.example.com/ping/0d7c?create=1").unwrap();
        assert_eq!(
            address.below(Some("start"), ("rid", "7")).uri(),
            "http://hc.example.com/ping/0d7c/start?create=1&rid=7"
        );
        assert_eq!(address.below(None, ("rid", "7")).uri(), "http://hc.example.com/ping/0d7c?create=1&rid=7");
    }

    #[test]
    fn only_what_stays_on_this_host_may_go_unencrypted() {
        let plain = |text: &str| Address::parse(text).unwrap().is_plain();
        assert!(plain("http://hooks.example.com/x") && plain("http://10.0.0.7/x"));
        assert!(!plain("https://hooks.example.com/x") && !plain("http://127.0.0.1:9/x") && !plain("http://[::1]/"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "hooks.example.com/x", "ftp://example.com/", "file:///etc/passwd", "https://"] {
            assert_eq!(Address::parse(text), Err(AddressError::NotHttp), "{text}");
        }
        assert_eq!(Address::parse("https://a:b@example.com/"), Err(AddressError::Credentials));
    }
}
