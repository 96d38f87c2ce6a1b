//! The sliding expiry: a session that is used lives on.

use chrono::{DateTime, Utc};

use super::store::{Store, none_where_impossible};
use super::{Error, Sessions, Settings, checked};
use crate::db::expiry_sql::Moving;
use crate::db::session_sql::Key;
use crate::db::{DbError, Engine, Mode, Purpose, Row, Transaction};

impl Sessions {
    /// Says that a session was just used: whether it is alive, be its expiry moved or not.
    ///
    /// The expiry becomes `max_age` from now where it lies sooner than `max_age` less `update_age`; it never comes
    /// nearer. With the mode `last-seen` the last use becomes now where it is older than `update_age`. What has expired
    /// stays so, by the later of this host's clock and the database's. A session without an expiry is alive, and left alone.
    ///
    /// # Errors
    /// [`Error::NoTokenColumn`], or what the database says.
    pub async fn touch_session(&self, token: &str) -> Result<bool, Error> {
        let token = checked("token", token)?;
        self.retried(&[token], |store| async move { store.touch(token, self.settings()).await }).await
    }
}

impl Store {
    async fn touch(&self, token: &str, settings: &Settings) -> Result<bool, Error> {
        let token = self.token(token)?;
        if !token.is_possible(self.database.engine()) {
            return Ok(false);
        }
        let now = self.now(&settings.clock);
        let moving = moving(settings, self.sessions.target.expiry.mode, now);
        let alive = match self.database.engine() {
            Engine::Postgres => self.touch_or_find(token, now, &moving).await,
            Engine::MySql => self.touch_matching(token, now, &moving).await,
            Engine::Sqlite => self.look_and_touch(token, now, &moving).await,
        };
        Ok(none_where_impossible(alive)?.unwrap_or(false))
    }

    async fn touch_or_find(&self, token: Key<'_>, now: DateTime<Utc>, moving: &Moving) -> Result<bool, DbError> {
        let mut transaction = self.database.begin(Purpose::Batch).await?;
        let found = transaction.fetch(self.sessions.touch_or_find(token, now, moving)).await?;
        let alive = !found.is_empty() || self.is_alive(&mut transaction, token, now, moving).await?;
        transaction.commit().await?;
        Ok(alive)
    }

    async fn touch_matching(&self, token: Key<'_>, now: DateTime<Utc>, moving: &Moving) -> Result<bool, DbError> {
        let mut transaction = self.database.begin(Purpose::Batch).await?;
        let matched = transaction.execute(self.sessions.touch_matching(token, now, moving)).await?;
        transaction.commit().await?;
        Ok(matched > 0)
    }

    /// Others on `SQLite` can only write one after the other, so the lock is taken where there is something to write.
    async fn look_and_touch(&self, token: Key<'_>, now: DateTime<Utc>, moving: &Moving) -> Result<bool, DbError> {
        let rows = self.database.read(self.sessions.look(token, now, moving)).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let (form, due) = self.database.decode(|| form_and_due(row))?;
        if !due {
            return Ok(true);
        }
        let mut transaction = self.database.begin(Purpose::Batch).await?;
        let touch = self.sessions.touch(token, now, moving, &form);
        let moved = transaction.execute(touch).await? > 0;
        let alive = moved || self.is_alive(&mut transaction, token, now, moving).await?;
        transaction.commit().await?;
        Ok(alive)
    }

    /// Somebody else may have touched the session at the same moment, or deleted it.
    async fn is_alive(
        &self,
        transaction: &mut Transaction,
        token: Key<'_>,
        now: DateTime<Utc>,
        moving: &Moving,
    ) -> Result<bool, DbError> {
        Ok(!transaction.fetch(self.sessions.look(token, now, moving)).await?.is_empty())
    }
}

fn form_and_due(row: &Row) -> Result<(String, bool), crate::db::DecodeError> {
    Ok((row.text(0)?.unwrap_or_default(), row.int(1)? == Some(1)))
}

/// What a touch does to the column at `now`.
fn moving(settings: &Settings, mode: Mode, now: DateTime<Utc>) -> Moving {
    match mode {
        Mode::Expires => {
            let to = now + settings.max_age;
            Moving { due: to - settings.update_age, to }
        }
        // A session that lives for less than `update_age` has to be touched all the same.
        Mode::LastSeen(lifetime) => Moving { due: now - settings.update_age.min(lifetime / 2), to: now },
    }
}
