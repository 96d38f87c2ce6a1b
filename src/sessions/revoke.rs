//! Ends sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::change::{Deed, SESSION_REVOKED, USER_SESSIONS_REVOKED, Undone, audited};
use super::store::{Store, none_where_impossible};
use super::{Error, Sessions, Settings, checked, fingerprint};
use crate::db::session_sql::Key;
use crate::db::{Purpose, Transaction};

/// How many sessions are gone. When the answer to a COMMIT is lost, the second try finds nothing to delete: then the first
/// one's count is the true one.
#[derive(Debug, Default)]
struct Gone(AtomicU64);

impl Gone {
    fn settle(&self, found: u64) -> u64 {
        if found > 0 {
            self.0.store(found, Ordering::Relaxed);
        }
        self.0.load(Ordering::Relaxed)
    }
}

impl Sessions {
    /// Ends a session: whether there was one with this token, expired or not.
    ///
    /// # Errors
    /// [`Error::NoTokenColumn`], or what the database says.
    pub async fn revoke_session(&self, token: &str) -> Result<bool, Error> {
        let token = checked("token", token)?;
        let (settings, gone) = (self.settings(), &Gone::default());
        let change = |store: Arc<Store>, audit| async move { store.revoke_one(token, audit, settings, gone).await };
        self.retried(&[token], |store| audited(store, change)).await
    }

    /// Ends all sessions of a user, expired or not, but the one with the token `except_token`, and returns how many there
    /// were.
    ///
    /// # Errors
    /// [`Error::NoUserColumn`], [`Error::NoTokenColumn`] where one is to be excepted, or what the database says.
    pub async fn invalidate_user_sessions(&self, user: &str, except_token: Option<&str>) -> Result<u64, Error> {
        let user = checked("user", user)?;
        let except = except_token.map(|token| checked("token", token)).transpose()?;
        let (settings, gone) = (self.settings(), &Gone::default());
        let change =
            |store: Arc<Store>, audit| async move { store.revoke_all(user, except, audit, settings, gone).await };
        self.retried(&[except.unwrap_or_default()], |store| audited(store, change)).await
    }
}

impl Store {
    async fn revoke_one(&self, token: &str, audit: bool, settings: &Settings, gone: &Gone) -> Result<bool, Undone> {
        let key = self.token(token)?;
        if !key.is_possible(self.database.engine()) {
            return Ok(false);
        }
        let mut transaction = self.database.begin(Purpose::Write).await?;
        let Some(owners) = none_where_impossible(transaction.fetch(self.sessions.owner(key)).await)? else {
            return Ok(false);
        };
        let Some(owner) = owners.first() else {
            transaction.rollback().await?;
            return Ok(gone.settle(0) > 0);
        };
        let user = self.database.decode(|| owner.text(0))?;
        let details = |count| json!({ "userId": user, "token": fingerprint(token), "count": count });
        let deed = |count| Deed { action: SESSION_REVOKED, details: details(count) };
        Ok(self.revoke(transaction, (key, None), deed, audit, settings, gone).await? > 0)
    }

    async fn revoke_all(
        &self,
        user: &str,
        except: Option<&str>,
        audit: bool,
        settings: &Settings,
        gone: &Gone,
    ) -> Result<u64, Undone> {
        let key = self.user(user)?;
        let kept = except.map(|token| self.token(token)).transpose()?;
        if !key.is_possible(self.database.engine()) {
            return Ok(0);
        }
        let transaction = self.database.begin(Purpose::Write).await?;
        let details = |count| json!({ "userId": user, "count": count, "except": except.map(fingerprint) });
        let deed = |count| Deed { action: USER_SESSIONS_REVOKED, details: details(count) };
        self.revoke(transaction, (key, kept), deed, audit, settings, gone).await
    }

    async fn revoke(
        &self,
        mut transaction: Transaction,
        (key, except): (Key<'_>, Option<Key<'_>>),
        deed: impl Fn(u64) -> Deed,
        audit: bool,
        settings: &Settings,
        gone: &Gone,
    ) -> Result<u64, Undone> {
        let Some(count) = none_where_impossible(transaction.execute(self.sessions.revoke(key, except)).await)? else {
            return Ok(0);
        };
        if count == 0 {
            transaction.rollback().await?;
            return Ok(gone.settle(0));
        }
        if audit {
            self.record(&mut transaction, vec![deed(count)], settings).await?;
        }
        gone.settle(count);
        transaction.commit().await?;
        Ok(count)
    }
}
