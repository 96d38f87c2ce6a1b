//! What the database's user has to be allowed for session management.

use super::users::verified;
use super::{Error, Sessions, Settings};
use crate::db::session_sql::{change_nothing, grant_sessions, grant_users};
use crate::db::{Column, Database, DbError, Purpose, Statement, Table, Trouble, introspect};

impl Sessions {
    /// The GRANTs that are missing for session management; none where all is well. Changes nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn missing_grants(&self) -> Result<Vec<String>, Error> {
        let database = Database::connect(&self.settings().database).await?;
        let missing = missing(&database, self.settings()).await;
        database.close().await;
        Ok(missing?)
    }
}

/// Nobody who may not read the sessions gets past the guards, so the tables are looked at without them.
async fn missing(database: &Database, settings: &Settings) -> Result<Vec<String>, DbError> {
    let engine = database.engine();
    let user = database.read(introspect::current_user(engine)).await?;
    let user = database.decode(|| user.first().map_or(Ok(None), |row| row.text(0)))?.unwrap_or_default();
    let mut grants = Vec::new();
    if let Some(sessions) = introspect::table(database, &settings.spec.layout.table).await?
        && let Some(expiry) = sessions.column(&settings.spec.layout.expires_at)
        && !may(database, change_nothing(engine, &sessions.name, expiry, &[expiry])).await?
    {
        grants.push(grant_sessions(engine, &sessions.name, &expiry.name, &user));
    }
    let users = match settings.users.table(&settings.spec) {
        Some(name) => introspect::table(database, &name).await?,
        None => None,
    };
    if let Some((users, id, columns)) = users.as_ref().and_then(|users| changeable(users, settings))
        && !may(database, change_nothing(engine, &users.name, id, &columns)).await?
    {
        grants.push(grant_users(engine, &users.name, id, &columns, &user));
    }
    Ok(grants)
}

/// The column of the id, and those that can be changed.
fn changeable<'a>(users: &'a Table, settings: &Settings) -> Option<(&'a Table, &'a Column, Vec<&'a Column>)> {
    let names = &settings.users;
    let id = users.column(&names.id)?;
    let mut columns: Vec<_> =
        [&names.role, &names.name, &names.email].into_iter().filter_map(|name| users.column(name)).collect();
    // A new address makes it NULL.
    if users.column(&names.email).is_some() {
        columns.extend(verified(users));
    }
    (!columns.is_empty()).then_some((users, id, columns))
}

async fn may(database: &Database, statement: Statement) -> Result<bool, DbError> {
    let mut transaction = database.begin(Purpose::Write).await?;
    match transaction.execute(statement).await {
        Ok(_) => transaction.rollback().await.map(|()| true),
        Err(error) if error.trouble == Trouble::Privilege => Ok(false),
        Err(error) => Err(error),
    }
}
