//! Who looks at a page: somebody who has logged in, by the cookie of that.

use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::super::State;
use super::super::auth::Access;
use super::super::failure::Failure;
use super::form::Form;
use super::logins::{LIFETIME, hex};

/// The cookie's name where the browser is at `https`: it keeps others from setting one of that name.
const SECURE: &str = "__Host-sweepd";
const PLAIN: &str = "sweepd";

/// Somebody who is logged in. As an argument of a handler it sends everybody else to the log-in.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) token: String,
    access: Access,
}

impl Visitor {
    /// By the cookie, where it is one of ours and its secret is still accepted.
    pub(super) fn find(headers: &HeaderMap, state: &State) -> Option<Self> {
        let now = state.status.clock.steady();
        [SECURE, PLAIN].into_iter().filter_map(|name| cookie(headers, name)).find_map(|token| {
            let access = state.gate.access(&state.logins.secret(token, now)?)?;
            Some(Self { token: token.to_owned(), access })
        })
    }

    /// Whether the buttons are theirs.
    pub(super) fn may_act(&self) -> bool {
        self.access == Access::Full
    }

    /// What each form of this log-in carries. No other page can know it.
    pub(super) fn form_token(&self) -> String {
        hex(&Sha256::digest(format!("sweepd form {}", self.token)))
    }

    /// That a form is of this log-in, and that its secret allows what it asks for.
    pub(super) fn check(&self, form: &Form) -> Result<(), Failure> {
        self.check_token(form)?;
        if self.may_act() {
            return Ok(());
        }
        let error = "you are logged in with http.read_secret, which only reads; log in with http.secret";
        Err(Failure::new(StatusCode::FORBIDDEN, error))
    }

    /// That a form is of this log-in.
    pub(super) fn check_token(&self, form: &Form) -> Result<(), Failure> {
        let given = form.get("token").unwrap_or_default();
        if given.as_bytes().ct_eq(self.form_token().as_bytes()).into() {
            return Ok(());
        }
        let error = "this button is of another log-in; go back, load the page again, and press it there";
        Err(Failure::new(StatusCode::FORBIDDEN, error))
    }
}

impl FromRequestParts<State> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        Self::find(&parts.headers, state).ok_or_else(|| {
            // Where a button leads is no page.
            let next = if parts.method == Method::POST { "/" } else { super::local(parts.uri.path()) };
            let place = if next == "/" { "/login".to_owned() } else { format!("/login?next={next}") };
            redirect(&place)
        })
    }
}

/// To another page, by GET.
pub(super) fn redirect(place: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response()
}

/// The cookie of a log-in. Strict: it does not come along when another site leads here.
pub(super) fn cookie_of(token: &str, is_secure: bool) -> String {
    let seconds = LIFETIME.num_seconds();
    let (name, secure) = if is_secure { (SECURE, "; Secure") } else { (PLAIN, "") };
    format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// What takes the cookies away again.
pub(super) fn no_cookies() -> [String; 2] {
    let gone = |name, secure| format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict{secure}");
    [gone(PLAIN, ""), gone(SECURE, "; Secure")]
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).map(|(_, value)| value)
}
