//! A change and its audit row, in one transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::store::Store;
use super::{Error, Settings};
use crate::audit::{Entry, Unavailable};
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

/// What becomes of a change whose audit row cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// It is made all the same, and logged: not to log somebody out would be worse.
    Wanted,
    /// It is not made, where there is an audit log at all.
    Needed,
}

/// Why a change gets no audit row; none where it gets one.
pub(super) type Unaudited = Option<String>;

/// Makes a change with its audit rows, or without them where `rule` says so.
pub(super) async fn audited<T, F: Future<Output = Result<T, Undone>>>(
    store: Arc<Store>,
    rule: Rule,
    change: impl Fn(Arc<Store>, Unaudited) -> F,
) -> Result<T, Error> {
    let unaudited = store.unaudited(rule)?;
    let done = match change(Arc::clone(&store), unaudited.clone()).await {
        Err(Undone::Audit(error)) if rule == Rule::Wanted && error.trouble.is_transient() => {
            change(Arc::clone(&store), unaudited).await
        }
        done => done,
    };
    match done {
        Err(Undone::Audit(error)) if rule == Rule::Wanted => finished(change(store, Some(error.to_string())).await),
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
    fn unaudited(&self, rule: Rule) -> Result<Unaudited, Error> {
        match &self.audit {
            None => Ok(Some("audit rows are turned off".to_owned())),
            Some(Ok(_)) => Ok(None),
            Some(Err(reason @ Unavailable::NoTable { .. })) => Ok(Some(reason.to_string())),
            Some(Err(reason)) if rule == Rule::Needed => Err(Error::Refused(reason.to_string())),
            Some(Err(reason)) => Ok(Some(reason.to_string())),
        }
    }

    /// Writes the audit rows of a change into its transaction.
    pub(super) async fn record(
        &self,
        transaction: &mut Transaction,
        deeds: &[Deed],
        settings: &Settings,
    ) -> Result<(), Undone> {
        let Some(Ok(audit)) = &self.audit else { return Ok(()) };
        let at = self.now(&settings.clock);
        for deed in deeds {
            transaction.execute(audit.insert(entry(deed, settings, at))).await.map_err(Undone::Audit)?;
        }
        Ok(())
    }

    /// Logs what has been changed without an audit row.
    pub(super) fn log(&self, deeds: &[Deed], unaudited: Unaudited) {
        let Some(reason) = unaudited else { return };
        for Deed { action, details } in deeds {
            if self.audit.is_none() {
                info!(action, %details, "changed; {reason}");
            } else {
                warn!(action, %details, "changed without an audit row: {reason}");
            }
        }
    }
}

fn entry(deed: &Deed, settings: &Settings, at: DateTime<Utc>) -> Entry {
    let mut details = deed.details.clone();
    for (key, value) in [("by", &settings.by), ("host", &settings.host), ("at", &rfc3339(at))] {
        details[key] = json!(value);
    }
    Entry { id: RunId::new(at).to_string(), action: deed.action, details: details.to_string(), at }
}
