//! Sessions of the application: list, touch, revoke. A token is never part of a URL, because URLs are logged.

use axum::Json;
use axum::extract::{Path, Query, State as Of};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::State;
use super::auth::Operator;
use super::body::Body;
use super::failure::{Changing, Failure, FailureBody, Taking};
use crate::sessions::{Error, SessionInfo, Sessions};

/// The header for the token that is to stay.
const EXCEPT: &str = "x-except-token";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// The job whose sessions are meant, where there are several.
    job: Option<String>,
}

/// A session's token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    #[schema(min_length = 1)]
    token: String,
}

/// What is to stay.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Except {
    /// The token of the session that is to stay.
    #[schema(min_length = 1)]
    except_token: Option<String>,
}

/// The live sessions of a user.
#[derive(Serialize, ToSchema)]
pub(super) struct List {
    success: bool,
    /// Those that expire last first, no more than 1000.
    sessions: Vec<SessionInfo>,
}

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ended {
    success: bool,
    revoked_count: u64,
}

/// Whether there was a session with this token.
#[derive(Serialize, ToSchema)]
pub(super) struct Revoked {
    success: bool,
    revoked: bool,
}

/// Whether the session is alive.
#[derive(Serialize, ToSchema)]
pub(super) struct Touched {
    success: bool,
    active: bool,
}

impl State {
    pub(super) fn sessions(&self, parameters: &Parameters) -> Result<Sessions, Failure> {
        let job = parameters.job.as_deref();
        self.status.sessions(job).map_err(|error| {
            let is_unknown = job.is_some_and(|name| self.status.desk(name).is_none());
            let status = if is_unknown { StatusCode::NOT_FOUND } else { StatusCode::UNPROCESSABLE_ENTITY };
            Failure::new(status, error)
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NoUserColumn(_)
            | Error::NoTokenColumn(_)
            | Error::NoUsersTable(_)
            | Error::NoColumn { .. }
            | Error::RoleNotAllowed { .. }
            | Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::UnknownUser => StatusCode::NOT_FOUND,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::Refused(_) | Error::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error)
    }
}

/// The live sessions of a user, their tokens as fingerprints.
#[utoipa::path(get, path = "/api/users/{id}/sessions", tag = "sessions", security(("secret" = [])),
    params(("id" = String, Path, description = "The user"), Parameters),
    responses(
        (status = 200, body = List),
        Changing,
        (status = 422, description = "The store keeps no user beside the session", body = FailureBody),
    )
)]
pub(super) async fn of_user(
    _: Operator,
    Of(state): Of<State>,
    Path(user): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<List>, Failure> {
    let sessions = state.sessions(&parameters)?.user_sessions(&user).await?;
    Ok(Json(List { success: true, sessions }))
}

/// Ends all sessions of a user, but the one whose token is in the body or in the header `X-Except-Token`.
#[utoipa::path(delete, path = "/api/users/{id}/sessions", tag = "sessions", security(("secret" = [])),
    params(
        ("id" = String, Path, description = "The user"),
        Parameters,
        ("X-Except-Token" = Option<String>, Header, description = "The token of the session that is to stay"),
    ),
    request_body = Option<Except>,
    responses(
        (status = 200, body = Ended),
        Changing,
        Taking,
    )
)]
pub(super) async fn revoke_all(
    _: Operator,
    Of(state): Of<State>,
    Path(user): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Option<Body<Except>>,
) -> Result<Json<Ended>, Failure> {
    let except = excepted(&headers, body.and_then(|Body(except)| except.except_token))?;
    let revoked_count = state.sessions(&parameters)?.invalidate_user_sessions(&user, except.as_deref()).await?;
    Ok(Json(Ended { success: true, revoked_count }))
}

/// The one token that is to stay. A caller who gives two would lose a session that was to stay.
fn excepted(headers: &HeaderMap, in_body: Option<String>) -> Result<Option<String>, Failure> {
    let wrong = |error| Failure::new(StatusCode::BAD_REQUEST, error);
    let mut except = in_body;
    for value in headers.get_all(EXCEPT) {
        let token = value
            .to_str()
            .map_err(|_| wrong("the header X-Except-Token holds what no token can hold; use the body"))?;
        if except.as_ref().is_some_and(|other| other != token) {
            return Err(wrong(
                "there are two different tokens that are to stay; give one, in the body or in X-Except-Token",
            ));
        }
        except = Some(token.to_owned());
    }
    Ok(except)
}

/// Ends a session.
#[utoipa::path(post, path = "/api/sessions/revoke", tag = "sessions", security(("secret" = [])),
    params(Parameters), request_body = Token,
    responses(
        (status = 200, body = Revoked),
        Changing,
        Taking,
    )
)]
pub(super) async fn revoke(
    _: Operator,
    Of(state): Of<State>,
    Query(parameters): Query<Parameters>,
    Body(Token { token }): Body<Token>,
) -> Result<Json<Revoked>, Failure> {
    let revoked = state.sessions(&parameters)?.revoke_session(&token).await?;
    Ok(Json(Revoked { success: true, revoked }))
}

/// Says that a session was used, which moves its expiry; one that has expired is not revived.
#[utoipa::path(post, path = "/api/sessions/touch", tag = "sessions", security(("secret" = [])),
    params(Parameters), request_body = Token,
    responses(
        (status = 200, body = Touched),
        Changing,
        Taking,
    )
)]
pub(super) async fn touch(
    _: Operator,
    Of(state): Of<State>,
    Query(parameters): Query<Parameters>,
    Body(Token { token }): Body<Token>,
) -> Result<Json<Touched>, Failure> {
    let active = state.sessions(&parameters)?.touch_session(&token).await?;
    Ok(Json(Touched { success: true, active }))
}
