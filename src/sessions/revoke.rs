//! Ends sessions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::change::{Deed, Rule, SESSION_REVOKED, USER_SESSIONS_REVOKED, Unaudited, Undone, audited};
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
        let change =
            |store: Arc<Store>, unaudited| async move { store.revoke_one(token, unaudited, settings, gone).await };
        self.retried(&[token], |store| audited(store, Rule::Wanted, change)).await
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
        let change = |store: Arc<Store>, unaudited| async move {
            store.revoke_all(user, except, unaudited, settings, gone).await
        };
        self.retried(&[except.unwrap_or_default()], |store| audited(store, Rule::Wanted, change)).await
    }
}

/// Nobody should have another's token, but where the column is not unique it can be: then each owner is told of.
fn deeds(token: &str, owners: &[Option<String>]) -> Vec<Deed> {
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for owner in owners {
        *counts.entry(owner).or_default() += 1;
    }
    let details = |(user, count)| json!({ "userId": user, "token": fingerprint(token), "count": count });
    counts.into_iter().map(details).map(|details| Deed { action: SESSION_REVOKED, details }).collect()
}

impl Store {
    async fn revoke_one(
        &self,
        token: &str,
        unaudited: Unaudited,
        settings: &Settings,
        gone: &Gone,
    ) -> Result<bool, Undone> {
        let key = self.token(token)?;
        if !key.is_possible(self.database.engine()) {
            return Ok(false);
        }
        let _turn = self.turn(settings).await?;
        let mut transaction = self.database.begin(Purpose::Change).await?;
        let Some(owners) = none_where_impossible(transaction.fetch(self.sessions.owner(key)).await)? else {
            return Ok(false);
        };
        let owners = self.database.decode(|| owners.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>())?;
        if owners.is_empty() {
            transaction.rollback().await?;
            return Ok(gone.settle(0) > 0);
        }
        let deeds = |_| deeds(token, &owners);
        Ok(self.revoke(transaction, (key, None), deeds, unaudited, settings, gone).await? > 0)
    }

    async fn revoke_all(
        &self,
        user: &str,
        except: Option<&str>,
        unaudited: Unaudited,
        settings: &Settings,
        gone: &Gone,
    ) -> Result<u64, Undone> {
        let key = self.user(user)?;
        let kept = except.map(|token| self.token(token)).transpose()?;
        if !key.is_possible(self.database.engine()) {
            return Ok(0);
        }
        let _turn = self.turn(settings).await?;
        let transaction = self.database.begin(Purpose::Change).await?;
        let details = |count| json!({ "userId": user, "count": count, "except": except.map(fingerprint) });
        let deeds = |count| vec![Deed { action: USER_SESSIONS_REVOKED, details: details(count) }];
        self.revoke(transaction, (key, kept), deeds, unaudited, settings, gone).await
    }

    async fn revoke(
        &self,
        mut transaction: Transaction,
        (key, except): (Key<'_>, Option<Key<'_>>),
        deeds: impl Fn(u64) -> Vec<Deed>,
        unaudited: Unaudited,
        settings: &Settings,
        gone: &Gone,
    ) -> Result<u64, Undone> {
        let count = match transaction.execute(self.sessions.revoke(key, except)).await {
            Ok(count) => count,
            Err(error) => {
                transaction.rollback().await?;
                return Ok(self.none_if_nobodys(key, Err(error)).await?.unwrap_or_default());
            }
        };
        if count == 0 {
            transaction.rollback().await?;
            return Ok(gone.settle(0));
        }
        let deeds = deeds(count);
        if unaudited.is_none() {
            self.record(&mut transaction, &deeds, settings).await?;
        }
        gone.settle(count);
        transaction.commit().await?;
        self.log(&deeds, unaudited);
        Ok(count)
    }
}
