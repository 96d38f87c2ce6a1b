//! Changes of roles and profiles.

use sweepd::clock::Clock;
use sweepd::sessions::{Changes, Error, Name, Profile};

use super::{App, now, on_every_engine};
use crate::servers::Engine;

impl App {
    /// Name, e-mail address and role of a user.
    pub fn user(&self, id: &str) -> [Option<String>; 3] {
        let table = self.name("User");
        let text = |column: &str| match self.engine {
            Engine::Postgres => format!("{column}::text"),
            _ => format!("CAST({column} AS CHAR)"),
        };
        let value = |column| {
            let sql = format!("SELECT {} FROM {table} WHERE id = '{id}'", text(column));
            self.database().texts(&sql).remove(0)
        };
        [value("name"), value("email"), value("role")]
    }
}

fn is(name: Option<&str>, email: &str, role: &str) -> [Option<String>; 3] {
    [name, Some(email), Some(role)].map(|text| text.map(str::to_owned))
}

#[test]
pub fn a_role_is_changed_and_audited() {
    on_every_engine(&async |app| {
        let sessions = app.sessions();
        assert_eq!(sessions.update_user_role("ada", "ADMIN").await.unwrap().changed, ["role"]);
        assert_eq!(app.user("ada"), is(Some("Ada"), "ada@example.com", "ADMIN"));
        assert_eq!(app.user("bob"), is(None, "bob@example.com", "ADMIN"));
        // Once more changes nothing, and writes nothing.
        assert_eq!(sessions.update_user_role("ada", "ADMIN").await.unwrap().changed, Vec::<&str>::new());
        let audit = app.audit();
        assert_eq!(audit.len(), 1, "{audit:?}");
        assert_eq!((&audit[0]["action"], &audit[0]["userId"]), (&"USER_ROLE_UPDATED".into(), &"ada".into()));
        assert_eq!(audit[0]["role"], serde_json::json!({ "from": "USER", "to": "ADMIN" }));
    });
}

#[test]
pub fn a_profile_and_a_role_change_together_or_not_at_all() {
    on_every_engine(&async |app| {
        let sessions = app.sessions();
        let json = r#"{ "role": "ADMIN", "name": null, "email": "countess@example.com" }"#;
        let changes: Changes = serde_json::from_str(json).unwrap();
        assert_eq!(sessions.update_user("ada", &changes).await.unwrap().changed, ["role", "name", "email"]);
        assert_eq!(app.user("ada"), is(None, "countess@example.com", "ADMIN"));
        let audit = app.audit();
        let actions: Vec<_> = audit.iter().map(|row| row["action"].as_str().unwrap()).collect();
        assert!(actions.contains(&"USER_ROLE_UPDATED") && actions.contains(&"USER_PROFILE_UPDATED"), "{audit:?}");
        let profile = audit.iter().find(|row| row["action"] == "USER_PROFILE_UPDATED").unwrap();
        assert_eq!(profile["changed"], serde_json::json!(["name", "email"]));
        assert!(!format!("{audit:?}").contains("example.com"), "{audit:?}");

        // The address is taken: the role stays too.
        let taken = Changes { role: Some("USER".into()), email: Some("bob@example.com".into()), ..Changes::default() };
        let error = sessions.update_user("ada", &taken).await.unwrap_err();
        assert!(matches!(error, Error::Conflict("e-mail address")), "{:?} {error:?}", app.engine);
        assert!(!format!("{error} {error:?}").contains("bob"), "{error:?}");
        assert_eq!(app.user("ada"), is(None, "countess@example.com", "ADMIN"));
        assert_eq!(app.audit().len(), 2);

        let profile = Profile { name: Name::Set("Ada \u{1f98b} Lovelace'; --".into()), email: None };
        sessions.update_user_profile("ada", &profile).await.unwrap();
        assert_eq!(app.user("ada")[0].as_deref(), Some("Ada \u{1f98b} Lovelace'; --"));
    });
}

#[test]
fn what_is_not_acceptable_changes_nothing() {
    on_every_engine(&async |app| {
        let sessions = app.sessions();
        let email = |email: &str| Changes { email: Some(email.to_owned()), ..Changes::default() };
        let name = |name: &str| Changes { name: Name::Set(name.to_owned()), ..Changes::default() };
        let role = |role: &str| Changes { role: Some(role.to_owned()), ..Changes::default() };
        let invalid = [
            email("zed"),
            email("zed@"),
            email("@zed.example"),
            email("zed zed@example.com"),
            email("zed@@example.com"),
            email("zed@.example"),
            email("zed\n@example.com"),
            email(&format!("zed@{}.example", "z".repeat(250))),
            name(""),
            name("zed\u{7}"),
            name(&"zed".repeat(100)),
            role(""),
            // The database knows what fits.
            role("ZED"),
            name(&"zed".repeat(21)),
            Changes::default(),
        ];
        for changes in invalid {
            // SQLite takes text of any length.
            if app.engine == Engine::Sqlite && changes == name(&"zed".repeat(21)) {
                continue;
            }
            let error = sessions.update_user("ada", &changes).await.unwrap_err();
            assert!(matches!(error, Error::Invalid(_)), "{:?} {changes:?}: {error:?}", app.engine);
            assert!(!format!("{error} {error:?}").to_lowercase().contains("zed"), "{error:?}");
        }
        for user in ["nobody", "ADA", "ada "] {
            let unknown = sessions.update_user_role(user, "ADMIN").await;
            assert!(matches!(unknown, Err(Error::UnknownUser)), "{:?} {user}: {unknown:?}", app.engine);
        }
        assert_eq!(app.user("ada"), is(Some("Ada"), "ada@example.com", "USER"));
        assert_eq!(app.audit().len(), 0);
    });
}

#[test]
fn only_the_roles_that_are_named_are_accepted() {
    on_every_engine(&async |app| {
        let sessions = app.sessions_with("[users]\nroles = [\"USER\", \"GUEST\"]", &Clock::fixed(now()));
        let error = sessions.update_user_role("ada", "ADMIN").await.unwrap_err();
        assert_eq!(error.to_string(), "this role is not accepted; accepted: USER, GUEST");
        assert!(matches!(sessions.update_user_role("ada", "user").await, Err(Error::RoleNotAllowed { .. })));
        assert_eq!(sessions.update_user_role("bob", "USER").await.unwrap().changed, ["role"]);
    });
}

#[test]
fn tables_and_columns_that_are_missing_are_named() {
    on_every_engine(&async |app| {
        let clock = Clock::fixed(now());
        let absent = app.sessions_with("[users]\ntable = \"people\"", &clock);
        let error = absent.update_user_role("ada", "ADMIN").await.unwrap_err();
        assert!(matches!(error, Error::NoUsersTable(_)) && error.to_string().contains("people"), "{error}");
        let column = app.sessions_with("[users]\nrole = \"rank\"", &clock);
        let error = column.update_user_role("ada", "ADMIN").await.unwrap_err();
        assert!(error.to_string().contains("no column \"rank\"; set `users.role`"), "{error}");
        // The rest works all the same.
        let name = Profile { name: Name::Clear, email: None };
        assert_eq!(column.update_user_profile("ada", &name).await.unwrap().changed, ["name"]);
    });
}

#[test]
fn an_id_that_is_not_unique_changes_nobody() {
    on_every_engine(&async |app| {
        let table = app.name("User");
        app.database().execute(&format!("UPDATE {table} SET name = 'same'"));
        let sessions = app.sessions_with("[users]\nid = \"name\"", &Clock::fixed(now()));
        let error = sessions.update_user_role("same", "USER").await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        assert_eq!(app.user("bob")[2].as_deref(), Some("ADMIN"));
    });
}

/// Who made somebody an administrator has to be known.
#[test]
fn no_role_is_changed_where_the_audit_log_takes_nothing() {
    on_every_engine(&async |app| {
        let (table, id) = (app.name("AuditLog"), app.name("id"));
        app.database().execute(&format!(
            "DROP TABLE {table}; CREATE TABLE {table} ({id} varchar(191) PRIMARY KEY CHECK ({id} = 'never'), action varchar(191) NOT NULL, details text)"
        ));
        let error = app.sessions().update_user_role("ada", "ADMIN").await.unwrap_err();
        assert!(matches!(error, Error::Database(_)), "{error:?}");
        assert_eq!(app.user("ada")[2].as_deref(), Some("USER"), "{:?}", app.engine);
        // A table that cannot be filled is one too.
        app.database().execute(&format!("DROP TABLE {table}; CREATE TABLE {table} ({id} varchar(191), details text)"));
        assert!(matches!(app.sessions().update_user_role("ada", "ADMIN").await, Err(Error::Refused(_))));
        app.database().execute(&format!("DROP TABLE {table}"));
        assert_eq!(app.sessions().update_user_role("ada", "ADMIN").await.unwrap().changed, ["role"]);
    });
}

#[test]
pub fn a_new_address_is_not_verified() {
    on_every_engine(&async |app| {
        let (table, column) = (app.name("User"), app.name("emailVerified"));
        app.database().execute(&format!("UPDATE {table} SET {column} = '2025-01-01 00:00:00'"));
        let verified = |id| app.database().count(&format!("SELECT COUNT({column}) FROM {table} WHERE id = '{id}'"));
        let sessions = app.sessions();
        let profile = |name: Name, email: Option<&str>| Profile { name, email: email.map(str::to_owned) };
        let same = profile(Name::Clear, Some("ada@example.com"));
        sessions.update_user_profile("ada", &same).await.unwrap();
        assert_eq!(verified("ada"), 1, "{:?}", app.engine);
        let new = profile(Name::Keep, Some("countess@example.com"));
        sessions.update_user_profile("ada", &new).await.unwrap();
        assert_eq!((verified("ada"), verified("bob")), (0, 1), "{:?}", app.engine);
    });
}
