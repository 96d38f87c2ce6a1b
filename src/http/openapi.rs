//! The description of all calls, made from the code.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

use super::State;
use super::auth::Reader;

/// The name of the security scheme, for `security(("secret" = []))` of a handler.
const SECRET: &str = "secret";

/// What holds for all calls.
pub(super) fn frame() -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("`http.secret`, or, for calls that only read, `http.read_secret`"))
        .build();
    let info = InfoBuilder::new().title("sweepd").version(env!("CARGO_PKG_VERSION")).build();
    let components = ComponentsBuilder::new().security_scheme(SECRET, SecurityScheme::Http(bearer)).build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// Serves the description.
pub(super) fn router(description: &OpenApi) -> Router<State> {
    let text = Bytes::from(serde_json::to_vec(description).unwrap_or_default());
    let serve = async move |_: Reader| ([(CONTENT_TYPE, "application/json")], text.clone());
    Router::new().route("/api/openapi.json", get(serve))
}
