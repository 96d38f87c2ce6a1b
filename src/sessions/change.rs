//! A change and its audit row, in one transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::store::Store;
use super::{Error, Settings};
use crate::audit::Entry;
use crate::db::{DbError, Transaction};
use crate::report::{RunId, rfc3339};

/// The action of a session that was revoked.
pub const SESSION_REVOKED: &str = "SESSION_REVOKED";
/// The action of all sessions of a user that were revoked.
pub const USER_SESSIONS_REVOKED: &str = "USER_SESSIONS_REVOKED";
/// The action of a role that was changed.
pub const USER_ROLE_UPDATED: &str = "USER_ROLE_UPDATED";
/// The action of a profile that was changed.
pub const USER_PROFILE_UPDATED: &str = "USER_PROFILE_UPDATED";

/// What a change was, for the audit log.
#[derive(Debug)]
pub(super) struct Deed {
    pub(super) action: &'static str,
    pub(super) details: Value,
}

/// Why a change was not made.
#[derive(Debug)]
pub(super) enum Undone {
    /// Because of itself.
    Change(Error),
    /// Because its audit row could not be written.
    Audit(DbError),
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Change(error)
    }
}

impl From<DbError> for Undone {
    fn from(error: DbError) -> Self {
        Self::Change(error.into())
    }
}

/// Makes a change with its audit rows. Where the audit log takes none, the change is made all the same, and that is said.
pub(super) async fn audited<T, F: Future<Output = Result<T, Undone>>>(
    store: Arc<Store>,
    change: impl Fn(Arc<Store>, bool) -> F,
) -> Result<T, Error> {
    let with_audit = store.audit().is_some();
    match change(Arc::clone(&store), with_audit).await {
        Err(Undone::Audit(error)) if !error.trouble.is_transient() => {
            store.warn_once(&error);
            finished(change(store, false).await)
        }
        done => finished(done),
    }
}

fn finished<T>(done: Result<T, Undone>) -> Result<T, Error> {
    done.map_err(|undone| match undone {
        Undone::Change(error) => error,
        Undone::Audit(error) => Error::Database(error),
    })
}

impl Store {
    /// Writes the audit rows of a change into its transaction.
    pub(super) async fn record(
        &self,
        transaction: &mut Transaction,
        deeds: Vec<Deed>,
        settings: &Settings,
    ) -> Result<(), Undone> {
        let Some(audit) = self.audit() else { return Ok(()) };
        let at = self.now(&settings.clock);
        for deed in deeds {
            transaction.execute(audit.insert(entry(deed, settings, at))).await.map_err(Undone::Audit)?;
        }
        Ok(())
    }
}

fn entry(deed: Deed, settings: &Settings, at: DateTime<Utc>) -> Entry {
    let mut details = deed.details;
    for (key, value) in [("by", &settings.by), ("host", &settings.host), ("at", &rfc3339(at))] {
        details[key] = json!(value);
    }
    Entry { id: RunId::new(at).to_string(), action: deed.action, details: details.to_string(), at }
}
