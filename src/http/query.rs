//! What is common to the parameters of calls.

use axum::http::StatusCode;
use serde::de::{Deserialize, Deserializer, Error as _};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use super::failure::Failure;
use crate::sweep;

/// A parameter that is on or off: `1` or `true`, `0` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flag(pub(super) bool);

impl Flag {
    const WORDS: [&str; 4] = ["1", "true", "0", "false"];
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "1" | "true" => Ok(Self(true)),
            "0" | "false" => Ok(Self(false)),
            _ => Err(D::Error::custom(format!("accepted: {}", Self::WORDS.join(", ")))),
        }
    }
}

impl PartialSchema for Flag {
    fn schema() -> RefOr<Schema> {
        let words = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(Self::WORDS));
        words.build().into()
    }
}

impl ToSchema for Flag {}

/// The answer when the process stops before the real one is known.
pub(super) fn stopping() -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "sweepd is stopping; ask again when it has started")
}

/// What the engine could not do.
pub(super) fn failed(job: &str, error: &sweep::Error) -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{job}: {error}"))
}
