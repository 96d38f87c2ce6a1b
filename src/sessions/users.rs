//! Changes of users: the role, and the profile. A session reads its user on its next request, so nothing is logged out.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::change::{Deed, Rule, USER_PROFILE_UPDATED, USER_ROLE_UPDATED, Unaudited, Undone, audited};
use super::store::{Store, found, none_where_impossible};
use super::{Error, Sessions, Settings, checked};
use crate::db::session_sql::{self, Key};
use crate::db::{Column, DbError, Purpose, Table, Transaction, Trouble};

/// No role and no name is longer, in characters.
const LONGEST: usize = 255;
/// Nor an e-mail address.
const LONGEST_EMAIL: usize = 254;

/// What is to change of a user; the rest stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The role.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    pub role: Option<String>,
    /// The name; null takes it away.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub name: Name,
    /// The e-mail address.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String, required = false)]
    pub email: Option<String>,
}

/// What cannot be taken away is given or left out. With null, somebody wants what is not done.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// What is to change of a profile; the rest stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name.
    pub name: Name,
    /// The e-mail address.
    pub email: Option<String>,
}

/// What becomes of a name. In JSON: left out, null, or text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Name {
    /// It stays.
    #[default]
    Keep,
    /// The user has none any more.
    Clear,
    /// This one.
    Set(String),
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<String>::deserialize(deserializer).map(|name| name.map_or(Self::Clear, Self::Set))
    }
}

/// What has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Updated {
    /// `role`, `name`, `email`: those that were different before.
    pub changed: Vec<&'static str>,
}

/// A column of a user that is to hold a value.
struct Wish<'a> {
    part: &'static str,
    column: &'a Column,
    value: Option<&'a str>,
}

impl Wish<'_> {
    /// Some types of columns fill values up with blanks.
    fn is_granted_by(&self, value: Option<&str>) -> bool {
        self.value.map(str::trim_end) == value.map(str::trim_end)
    }
}

impl Sessions {
    /// Gives a user a role.
    ///
    /// # Errors
    /// Those of [`Sessions::update_user`].
    pub async fn update_user_role(&self, user: &str, role: &str) -> Result<Updated, Error> {
        self.update_user(user, &Changes { role: Some(role.to_owned()), ..Changes::default() }).await
    }

    /// Changes the name or the e-mail address of a user.
    ///
    /// # Errors
    /// Those of [`Sessions::update_user`].
    pub async fn update_user_profile(&self, user: &str, profile: &Profile) -> Result<Updated, Error> {
        let Profile { name, email } = profile.clone();
        self.update_user(user, &Changes { role: None, name, email }).await
    }

    /// Changes a user, everything or nothing.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], [`Error::RoleNotAllowed`], [`Error::Conflict`], [`Error::Invalid`]; where there is no place for
    /// it [`Error::NoUsersTable`] or [`Error::NoColumn`]; or what the database says.
    pub async fn update_user(&self, user: &str, changes: &Changes) -> Result<Updated, Error> {
        let (user, settings, first) = (checked("user", user)?, self.settings(), &OnceLock::new());
        check(changes, settings)?;
        let change = |store: Arc<Store>, unaudited| async move {
            store.update_user(user, changes, unaudited, settings, first).await
        };
        let name = if let Name::Set(name) = &changes.name { name } else { "" };
        let secrets = [changes.email.as_deref().unwrap_or_default(), name];
        self.retried(&secrets, |store| audited(store, Rule::Needed, change)).await
    }
}

fn check(changes: &Changes, settings: &Settings) -> Result<(), Error> {
    let accepted = &settings.users.roles;
    if let Some(role) = &changes.role {
        if !accepted.is_empty() && !accepted.contains(role) {
            return Err(Error::RoleNotAllowed { accepted: accepted.clone() });
        }
        check_text("role", role, LONGEST)?;
    }
    if let Name::Set(name) = &changes.name {
        check_text("name", name, LONGEST)?;
    }
    if let Some(email) = &changes.email {
        check_text("e-mail address", email, LONGEST_EMAIL)?;
        let parts = email.rsplit_once('@');
        let good = |(local, domain): (&str, &str)| {
            !local.is_empty()
                && !local.contains('@')
                && domain.split('.').all(|label| !label.is_empty())
                && !email.chars().any(char::is_whitespace)
        };
        if !parts.is_some_and(good) {
            return Err(Error::Invalid("the e-mail address is none; expected one such as ada@example.com".to_owned()));
        }
    }
    let nothing = *changes == Changes::default();
    if nothing {
        Err(Error::Invalid("there is nothing to change; give role, name or email".to_owned()))
    } else {
        Ok(())
    }
}

fn check_text(what: &str, text: &str, longest: usize) -> Result<(), Error> {
    let problem = match text {
        _ if text.trim().is_empty() => "is empty".to_owned(),
        _ if text.chars().count() > longest => format!("is longer than {longest} characters"),
        _ if text.chars().any(char::is_control) => "holds a control character".to_owned(),
        _ => return Ok(()),
    };
    Err(Error::Invalid(format!("the {what} {problem}")))
}

impl Store {
    async fn update_user(
        &self,
        user: &str,
        changes: &Changes,
        unaudited: Unaudited,
        settings: &Settings,
        first: &OnceLock<Updated>,
    ) -> Result<Updated, Undone> {
        let table = self.users_table(settings)?;
        let id = Key { column: found(table, &settings.users.id, "users.id")?, value: user };
        let wishes = wishes(table, changes, settings)?;
        if !id.is_possible(self.database.engine()) {
            return Err(Error::UnknownUser.into());
        }
        let _turn = self.turn(settings).await?;
        let mut transaction = self.database.begin(Purpose::Change).await?;
        let before = self.values(&mut transaction, table, id, &wishes).await?;
        let old: Vec<_> = wishes.iter().zip(&before).filter(|(wish, is)| wish.value != is.as_deref()).collect();
        let updated = Updated { changed: old.iter().map(|(wish, _)| wish.part).collect() };
        if old.is_empty() {
            transaction.rollback().await?;
            // When the answer to a COMMIT is lost, the second try finds nothing to change.
            return Ok(first.get().cloned().unwrap_or(updated));
        }
        let mut new: Vec<_> = old.iter().map(|(wish, _)| (wish.column, wish.value)).collect();
        if updated.changed.contains(&"email") {
            new.extend(verified(table).map(|column| (column, None)));
        }
        let update = session_sql::update_user(self.database.engine(), &table.name, id, &new);
        transaction.execute(update).await.map_err(|error| refusal(error, &updated.changed))?;
        // MySQL cuts off what does not fit, where its mode is not strict.
        let after = self.values(&mut transaction, table, id, &wishes).await?;
        if !wishes.iter().zip(&after).all(|(wish, is)| wish.is_granted_by(is.as_deref())) {
            return Err(not_taken(&updated.changed).into());
        }
        let role = old.iter().find(|(wish, _)| wish.part == "role");
        let role = role.map(|(wish, from)| json!({ "from": from, "to": wish.value }));
        let deeds = deeds(user, role, &updated.changed);
        if unaudited.is_none() {
            self.record(&mut transaction, &deeds, settings).await?;
        }
        let _ = first.set(updated.clone());
        transaction.commit().await?;
        self.log(&deeds, unaudited);
        Ok(updated)
    }

    fn users_table(&self, settings: &Settings) -> Result<&Table, Error> {
        self.users.as_ref().ok_or_else(|| {
            Error::NoUsersTable(match settings.users.table(&settings.spec) {
                None => "no table with users is known for these sessions; set `users.table`".to_owned(),
                Some(name) => {
                    let name = self.database.qualify(&name);
                    format!("there is no table {name} with users that this user can see; set `users.table` (names are case-sensitive)")
                }
            })
        })
    }

    /// The columns' values of one user, as text.
    async fn values(
        &self,
        transaction: &mut Transaction,
        table: &Table,
        id: Key<'_>,
        wishes: &[Wish<'_>],
    ) -> Result<Vec<Option<String>>, Error> {
        let columns: Vec<_> = wishes.iter().map(|wish| wish.column).collect();
        let select = session_sql::user(self.database.engine(), &table.name, id, &columns);
        let rows = none_where_impossible(transaction.fetch(select).await)?.unwrap_or_default();
        match rows.as_slice() {
            [] => Err(Error::UnknownUser),
            [row] => Ok(self.database.decode(|| (0..columns.len()).map(|column| row.text(column)).collect())?),
            _ => Err(Error::Refused(format!(
                "several rows of {} have this id in {:?}; set `users.id` to the column that the sessions refer to",
                table.name, id.column.name
            ))),
        }
    }
}

/// The column in which Auth.js notes when somebody proved that the address is theirs: not the new one.
pub(super) fn verified(table: &Table) -> Option<&Column> {
    let column = ["emailVerified", "email_verified"].into_iter().find_map(|name| table.column(name));
    column.filter(|column| column.nullable)
}

fn wishes<'a>(table: &'a Table, changes: &'a Changes, settings: &Settings) -> Result<Vec<Wish<'a>>, Error> {
    let mut wishes = Vec::new();
    let users = &settings.users;
    if let Some(role) = &changes.role {
        wishes.push(Wish { part: "role", column: found(table, &users.role, "users.role")?, value: Some(role) });
    }
    let name = match &changes.name {
        Name::Keep => None,
        Name::Clear => Some(None),
        Name::Set(name) => Some(Some(name.as_str())),
    };
    if let Some(value) = name {
        wishes.push(Wish { part: "name", column: found(table, &users.name, "users.name")?, value });
    }
    if let Some(email) = &changes.email {
        wishes.push(Wish { part: "email", column: found(table, &users.email, "users.email")?, value: Some(email) });
    }
    Ok(wishes)
}

fn refusal(error: DbError, changed: &[&str]) -> Error {
    match error.trouble {
        Trouble::Taken => Error::Conflict(match changed {
            _ if changed.contains(&"email") => "e-mail address",
            _ if changed.contains(&"name") => "name",
            _ => "role",
        }),
        Trouble::Form | Trouble::Constraint => not_taken(changed),
        _ => Error::Database(error),
    }
}

fn not_taken(changed: &[&str]) -> Error {
    Error::Invalid(format!("the database does not take this {}", changed.join(", or this ")))
}

fn deeds(user: &str, role: Option<serde_json::Value>, changed: &[&'static str]) -> Vec<Deed> {
    let profile: Vec<_> = changed.iter().filter(|part| **part != "role").collect();
    let role = role.map(|role| Deed { action: USER_ROLE_UPDATED, details: json!({ "userId": user, "role": role }) });
    let profile = (!profile.is_empty())
        .then(|| Deed { action: USER_PROFILE_UPDATED, details: json!({ "userId": user, "changed": profile }) });
    role.into_iter().chain(profile).collect()
}
