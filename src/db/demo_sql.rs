//! The statements of the demo: a little application that logs people in.

use chrono::{DateTime, Utc};

use super::{Engine, Statement};

/// Inserts a user, unless it is there.
#[must_use]
pub fn user(id: &str) -> Statement {
    Statement::text(Engine::Sqlite, "INSERT OR IGNORE INTO \"User\" (id, name) VALUES (")
        .bind(id)
        .push(", ")
        .bind(id)
        .push(")")
}

/// Inserts a session of a user.
#[must_use]
pub fn session(id: &str, user: &str, expires: DateTime<Utc>) -> Statement {
    Statement::text(Engine::Sqlite, "INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires) VALUES (")
        .bind(id)
        .push(", ")
        .bind(format!("token-{id}"))
        .push(", ")
        .bind(user)
        .push(", ")
        .bind(expires.timestamp_millis())
        .push(")")
}
