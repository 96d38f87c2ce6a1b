//! What changes something has to come from a page of ours. `SameSite` keeps the cookie from other sites, but another port
//! of the same host is none to it.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::super::failure::Failure;

pub(super) async fn checked(request: Request, next: Next) -> Response {
    if request.method() == Method::POST && !is_ours(request.headers()) {
        let error = "this was asked for by a page of another site; use the buttons of the status page itself";
        return Failure::new(StatusCode::FORBIDDEN, error).into_response();
    }
    next.run(request).await
}

/// Whether a browser says in its first words that it is at `https`. A proxy may have decrypted them on the way.
pub(super) fn is_https(headers: &HeaderMap) -> bool {
    text(headers, "origin").is_some_and(|origin| origin.starts_with("https://"))
}

/// Browsers tell where a request comes from, and who is no browser may. `Sec-Fetch-Site` is the better word, because a
/// proxy may have changed `Host`; it is only sent by `https` and to this machine itself.
fn is_ours(headers: &HeaderMap) -> bool {
    if let Some(site) = text(headers, "sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let origin = origin.to_str().unwrap_or_default().split_once("://").map(|(_, host)| host);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    origin.is_some() && origin == host
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> bool {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        is_ours(&headers.iter().map(header).collect())
    }

    #[test]
    fn other_sites_and_other_ports_are_not_ours() {
        assert!(asked(&[("host", "a:1"), ("origin", "http://a:1")]));
        assert!(asked(&[("host", "a:1")]), "no browser");
        assert!(!asked(&[("host", "a:1"), ("origin", "http://a:2")]));
        assert!(!asked(&[("host", "a:1"), ("origin", "null")]));
        assert!(!asked(&[("origin", "null")]));
        // Behind a proxy that has another name for us.
        assert!(asked(&[("host", "127.0.0.1:8787"), ("origin", "https://a"), ("sec-fetch-site", "same-origin")]));
        assert!(!asked(&[("host", "a"), ("origin", "http://a"), ("sec-fetch-site", "same-site")]));
        assert!(!asked(&[("host", "a"), ("sec-fetch-site", "cross-site")]));
    }
}
