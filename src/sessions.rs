//! Session management for applications: list, touch and revoke sessions, and change a user's role and profile.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sweepd::sessions::Sessions;
//!
//! let sessions = Sessions::open("postgres://app@localhost/app", "authjs-prisma")?;
//! if !sessions.touch_session("the token in the cookie").await? {
//!     // It has expired, or was revoked: log in again.
//! }
//! sessions.update_user_role("ada", "ADMIN").await?;
//! let ended = sessions.invalidate_user_sessions("ada", Some("the token in the cookie")).await?;
//! # Ok(())
//! # }
//! ```

mod change;
mod door;
mod error;
mod privileges;
mod revoke;
mod settings;
mod store;
mod touch;
mod users;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::report::optional_instant;
use door::Door;
use store::Store;

pub use change::{SESSION_REVOKED, USER_PROFILE_UPDATED, USER_ROLE_UPDATED, USER_SESSIONS_REVOKED};
pub use error::{Error, OpenError};
pub use settings::{MAX_AGE, Settings, UPDATE_AGE, Users};
pub use users::{Changes, Name, Profile, Updated};

/// No more sessions of a user are listed.
pub const MOST_LISTED: u32 = 1000;

/// The sessions of an application. Clones share their connections, which are made when they are needed, ended when nobody
/// has used them for a while, and made anew when they break.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    door: Door,
}

/// A live session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// The fingerprint of its token; see [`fingerprint`]. Null where the store has no token column.
    pub token: Option<String>,
    /// When it expires; null when never.
    #[serde(serialize_with = "optional_instant")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What can be shown of a token: `sha256:` and the first 16 digits of its hash.
#[must_use]
pub fn fingerprint(token: &str) -> String {
    let first = Sha256::digest(token).iter().take(8).fold(0_u64, |digits, byte| digits << 8 | u64::from(*byte));
    format!("sha256:{first:016x}")
}

impl Sessions {
    /// The sessions that a library keeps in a database; `preset` is one of [`crate::preset::PRESETS`]. Connects later.
    ///
    /// # Errors
    /// When the URL cannot be read, or there is no such preset for its database.
    pub fn open(url: &str, preset: &str) -> Result<Self, OpenError> {
        Settings::new(url, preset).map(Self::new)
    }

    /// The same from settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner { settings, door: Door::default() }))
    }

    /// The live sessions of a user, those that expire last first, no more than [`MOST_LISTED`].
    ///
    /// # Errors
    /// [`Error::NoUserColumn`], or what the database says.
    pub async fn user_sessions(&self, user: &str) -> Result<Vec<SessionInfo>, Error> {
        let user = checked("user", user)?;
        self.retried(&[], |store| async move { store.list(user, self.settings()).await }).await
    }

    /// Ends all connections. The next call makes new ones.
    pub async fn close(&self) {
        if let Some(store) = self.0.door.shut() {
            store.database.close().await;
        }
    }

    fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Does `work`, and once more over new connections where the old ones turn out to be dead. `secrets` are kept out of
    /// what the database says.
    async fn retried<T, F: Future<Output = Result<T, Error>>>(
        &self,
        secrets: &[&str],
        mut work: impl FnMut(Arc<Store>) -> F,
    ) -> Result<T, Error> {
        let done = match self.0.door.enter(self.settings()).await {
            Err(error) => Err(error),
            Ok(store) => match work(Arc::clone(&store)).await {
                Err(error) if error.is_about_the_connection() => {
                    self.0.door.leave(&store);
                    match self.0.door.enter(self.settings()).await {
                        Err(error) => Err(error),
                        Ok(store) => work(store).await,
                    }
                }
                done => done,
            },
        };
        done.map_err(|error| error.hiding(secrets))
    }
}

/// Refuses what can be no token and no id.
fn checked<'a>(what: &str, value: &'a str) -> Result<&'a str, Error> {
    const LONGEST: usize = 4096;
    let problem = match value {
        "" => "is empty",
        _ if value.len() > LONGEST => "is too long",
        _ if value.chars().any(char::is_control) => "holds a control character",
        _ => return Ok(value),
    };
    Err(Error::Invalid(format!("the {what} {problem}")))
}
