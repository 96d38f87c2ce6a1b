//! Users of the application: their role and profile.

use axum::Json;
use axum::extract::{Path, Query, State as Of};
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::auth::Operator;
use super::body::Body;
use super::failure::{Changing, Failure, FailureBody, Taking};
use super::sessions::Parameters;
use crate::sessions::{Changes, Updated};

/// What has changed.
#[derive(Serialize, ToSchema)]
pub(super) struct Changed {
    success: bool,
    #[serde(flatten)]
    updated: Updated,
}

/// Changes the role, the name or the e-mail address of a user; everything or nothing.
#[utoipa::path(patch, path = "/api/users/{id}", tag = "users", security(("secret" = [])),
    params(("id" = String, Path, description = "The user"), Parameters), request_body = Changes,
    responses(
        (status = 200, body = Changed),
        (status = 409, description = "Another user has this e-mail address", body = FailureBody),
        Changing,
        Taking,
    )
)]
pub(super) async fn update(
    _: Operator,
    Of(state): Of<State>,
    Path(user): Path<String>,
    Query(parameters): Query<Parameters>,
    Body(changes): Body<Changes>,
) -> Result<Json<Changed>, Failure> {
    let updated = state.sessions(&parameters)?.update_user(&user, &changes).await?;
    Ok(Json(Changed { success: true, updated }))
}
