//! Listing and ending sessions, and only the right ones.

use chrono::TimeDelta;
use sweepd::db::Trouble;
use sweepd::sessions::{Error, fingerprint};

use super::{App, minutes, now, on_every_engine};
use crate::servers::Engine;

#[test]
pub fn a_users_live_sessions_are_listed_newest_first_without_their_tokens() {
    on_every_engine(&async |app| {
        app.add("secret-old", "ada", minutes(10));
        app.add("secret-new", "ada", minutes(20));
        app.add("secret-dead", "ada", now());
        app.add("secret-bob", "bob", minutes(20));
        let listed = app.sessions().user_sessions("ada").await.unwrap();
        let json = serde_json::to_value(&listed).unwrap();
        let of = |token, at| serde_json::json!({ "fingerprint": fingerprint(token), "expiresAt": at });
        let wanted = [of("secret-new", "2030-01-02T03:24:05.000Z"), of("secret-old", "2030-01-02T03:14:05.000Z")];
        assert_eq!(json, serde_json::json!(wanted), "{:?}", app.engine);
        assert!(
            listed[0].fingerprint.as_deref().is_some_and(|token| token.starts_with("sha256:") && token.len() == 23)
        );
    });
    assert_eq!(fingerprint("abc"), "sha256:ba7816bf8f01cfea");
}

#[test]
pub fn a_session_is_revoked_once_and_audited_once() {
    on_every_engine(&async |app| {
        app.add("one", "ada", minutes(10));
        app.add("two", "ada", minutes(10));
        let sessions = app.sessions();
        assert!(sessions.revoke_session("one").await.unwrap());
        assert!(!sessions.revoke_session("one").await.unwrap());
        assert_eq!(app.tokens(), ["two"]);
        let audit = app.audit();
        assert_eq!(audit.len(), 1, "{audit:?}");
        let mut wanted =
            serde_json::json!({ "action": "SESSION_REVOKED", "userId": "ada", "count": 1, "by": "library" });
        wanted["token"] = fingerprint("one").into();
        wanted["at"] = "2030-01-02T03:04:05.000Z".into();
        wanted["host"] = audit[0]["host"].clone();
        assert!(audit[0]["host"].is_string());
        assert_eq!(audit[0], wanted, "{:?}", app.engine);
    });
}

#[test]
pub fn all_sessions_of_a_user_go_but_one() {
    on_every_engine(&async |app| {
        for (token, user) in [("a1", "ada"), ("a2", "ada"), ("a3", "ada"), ("b1", "bob")] {
            app.add(token, user, minutes(10));
        }
        app.add("a4", "ada", now() - TimeDelta::days(1));
        let sessions = app.sessions();
        assert_eq!(sessions.invalidate_user_sessions("ada", Some("a2")).await.unwrap(), 3);
        assert_eq!(app.tokens(), ["a2", "b1"]);
        assert_eq!(sessions.invalidate_user_sessions("ada", Some("a2")).await.unwrap(), 0);
        assert_eq!(sessions.invalidate_user_sessions("nobody", None).await.unwrap(), 0);
        // Somebody else's token excepts nothing.
        assert_eq!(sessions.invalidate_user_sessions("ada", Some("b1")).await.unwrap(), 1);
        assert_eq!(sessions.invalidate_user_sessions("bob", None).await.unwrap(), 1);
        let audit = app.audit();
        let counts: Vec<_> = audit.iter().map(|row| (row["userId"].as_str(), row["count"].as_i64())).collect();
        assert_eq!(audit.len(), 3, "{audit:?}");
        assert!(counts.contains(&(Some("ada"), Some(3))) && counts.contains(&(Some("bob"), Some(1))), "{audit:?}");
        let excepts = audit.iter().any(|row| row["except"] == *fingerprint("a2"));
        assert!(excepts && audit.iter().all(|row| row["action"] == "USER_SESSIONS_REVOKED"), "{audit:?}");
    });
}

/// A collation that takes `a` for `A` and `ß` for `ss`, and pads with blanks.
fn lenient(app: &App) {
    let sql = match app.engine {
        Engine::Postgres => return,
        Engine::MySql => "ALTER TABLE Session CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        Engine::Sqlite => {
            r#"DROP TABLE "Session"; CREATE TABLE "Session" ("sessionToken" TEXT COLLATE NOCASE PRIMARY KEY, "userId" TEXT COLLATE NOCASE NOT NULL, "expires" DATETIME NOT NULL)"#
        }
    };
    app.database().execute(sql);
}

#[test]
fn tokens_and_users_are_compared_byte_by_byte() {
    on_every_engine(&async |app| {
        lenient(app);
        app.add("Token", "ada", minutes(1));
        app.add("it's \\ \"x\"", "ada", minutes(1));
        let sessions = app.sessions();
        for other in ["token", "TOKEN", "Token ", " Token", "Tokén", "Toke", "%", "Token'--", "0"] {
            assert!(!sessions.touch_session(other).await.unwrap(), "{:?} {other:?}", app.engine);
            assert!(!sessions.revoke_session(other).await.unwrap(), "{:?} {other:?}", app.engine);
        }
        for other in ["ADA", "ada ", "Ada", "a%", "0"] {
            assert_eq!(sessions.invalidate_user_sessions(other, None).await.unwrap(), 0, "{:?} {other:?}", app.engine);
            assert_eq!(sessions.user_sessions(other).await.unwrap(), [], "{:?} {other:?}", app.engine);
        }
        // An excepted token is no other either.
        assert!(sessions.touch_session("it's \\ \"x\"").await.unwrap());
        assert!(sessions.revoke_session("it's \\ \"x\"").await.unwrap());
        assert_eq!(sessions.invalidate_user_sessions("ada", Some("token")).await.unwrap(), 1);
        assert_eq!(app.tokens(), Vec::<String>::new());
    });
}

#[test]
fn ids_of_another_type_are_nobodys_and_no_error() {
    on_every_engine(&async |app| {
        let kind = if app.engine == Engine::Postgres { "uuid" } else { "varchar(40)" };
        let expires = if app.engine == Engine::Sqlite { "datetime" } else { "timestamp" };
        app.database()
            .execute(&format!("CREATE TABLE numbered (t {kind} PRIMARY KEY, u bigint NOT NULL, e {expires} NULL)"));
        let token = "0190b5a4-0000-7000-8000-00000000000a";
        app.database().execute(&format!("INSERT INTO numbered VALUES ('{token}', 5, NULL)"));
        let encoding = if app.engine == Engine::Sqlite { "epoch-millis" } else { "timestamp" };
        let encoding = if app.engine == Engine::MySql { "timestamptz" } else { encoding };
        let sessions = app.sessions_with(
            &format!("[jobs.n]\nschedule = \"manual\"\ntable = \"numbered\"\nexpires_at = \"e\"\ntoken = \"t\"\nuser = \"u\"\nencoding = \"{encoding}\"\nwriter_timezone = \"UTC\""),
            &sweepd::clock::Clock::fixed(now()),
        );
        for user in ["5abc", "05", "+5", "5.0", " 5", "ada", "99999999999999999999999", "0x5", "5e0"] {
            assert_eq!(sessions.user_sessions(user).await.unwrap(), [], "{:?} {user}", app.engine);
            assert_eq!(sessions.invalidate_user_sessions(user, None).await.unwrap(), 0, "{:?} {user}", app.engine);
        }
        for token in ["x", "0190B5A4-0000-7000-8000-00000000000A", "5"] {
            assert!(!sessions.touch_session(token).await.unwrap(), "{:?} {token}", app.engine);
            assert!(!sessions.revoke_session(token).await.unwrap(), "{:?} {token}", app.engine);
        }
        assert_eq!(sessions.user_sessions("5").await.unwrap().len(), 1, "{:?}", app.engine);
        assert!(sessions.touch_session(token).await.unwrap());
        // The excepted one is no token of the column's type: none is left out.
        assert_eq!(sessions.invalidate_user_sessions("5", Some(token)).await.unwrap(), 0);
        assert_eq!(sessions.invalidate_user_sessions("5", Some("x")).await.unwrap(), 1);
    });
}

#[test]
fn what_can_be_no_token_is_refused_without_repeating_it() {
    on_every_engine(&async |app| {
        let sessions = app.sessions();
        for token in ["", "secret\0", "secret\n", &"secret".repeat(1000)] {
            for error in [
                sessions.touch_session(token).await.unwrap_err(),
                sessions.revoke_session(token).await.unwrap_err(),
                sessions.user_sessions(token).await.unwrap_err(),
                sessions.invalidate_user_sessions("ada", Some(token)).await.unwrap_err(),
            ] {
                assert!(matches!(error, Error::Invalid(_)), "{error:?}");
                assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            }
        }
    });
}

#[test]
fn a_store_without_a_user_column_says_so() {
    on_every_engine(&async |app| {
        app.add("one", "ada", minutes(10));
        let encoding = if app.engine == Engine::Sqlite { "epoch-millis" } else { "timestamp" };
        let sessions = app.sessions_with(
            &format!("[jobs.n]\nschedule = \"manual\"\ntable = \"Session\"\nexpires_at = \"expires\"\ntoken = \"sessionToken\"\nencoding = \"{encoding}\"\nwriter_timezone = \"UTC\""),
            &sweepd::clock::Clock::fixed(now()),
        );
        let error = sessions.user_sessions("ada").await.unwrap_err();
        assert!(matches!(&error, Error::NoUserColumn(table) if table.contains("Session")), "{error:?}");
        assert!(matches!(sessions.invalidate_user_sessions("ada", None).await, Err(Error::NoUserColumn(_))));
        assert!(matches!(sessions.update_user_role("ada", "ADMIN").await, Err(Error::NoUsersTable(_))));
        assert!(sessions.touch_session("one").await.unwrap() && sessions.revoke_session("one").await.unwrap());
        assert_eq!(app.audit()[0]["userId"], serde_json::Value::Null);
    });
}

#[test]
fn an_audit_log_that_takes_nothing_stops_no_revocation() {
    on_every_engine(&async |app| {
        for token in ["one", "two"] {
            app.add(token, "ada", minutes(10));
        }
        let table = app.name("AuditLog");
        let id = app.name("id");
        app.database().execute(&format!(
            "DROP TABLE {table}; CREATE TABLE {table} ({id} varchar(191) PRIMARY KEY CHECK ({id} = 'never'), action varchar(191) NOT NULL, details text)"
        ));
        assert!(app.sessions().revoke_session("one").await.unwrap());
        app.database().execute(&format!("DROP TABLE {table}"));
        assert_eq!(app.sessions().invalidate_user_sessions("ada", None).await.unwrap(), 1);
    });
}

/// A table of an application whose rows keep sessions from being deleted.
#[test]
fn a_revocation_that_the_database_refuses_is_an_error() {
    on_every_engine(&async |app| {
        app.add("one", "ada", minutes(10));
        let (devices, session, token) = (app.name("Device"), app.name("Session"), app.name("sessionToken"));
        let kind = if app.engine == Engine::Postgres { "text" } else { "varchar(191)" };
        app.database().execute(&format!(
            "CREATE TABLE {devices} (s {kind} NOT NULL, FOREIGN KEY (s) REFERENCES {session} ({token}));
             INSERT INTO {devices} VALUES ('one')"
        ));
        let sessions = app.sessions();
        for error in [
            sessions.revoke_session("one").await.unwrap_err(),
            sessions.invalidate_user_sessions("ada", None).await.unwrap_err(),
        ] {
            let constraint = matches!(&error, Error::Database(error) if error.trouble == Trouble::Constraint);
            assert!(constraint, "{:?} {error:?}", app.engine);
        }
        assert_eq!((app.tokens(), app.audit().len()), (vec!["one".to_owned()], 0));
    });
}

/// Somebody looks at the audit log in a way that keeps everybody else out.
#[test]
fn an_audit_log_that_is_locked_stops_no_revocation() {
    on_every_engine(&async |app| {
        let lock = match app.engine {
            Engine::Postgres => "BEGIN; LOCK TABLE \"AuditLog\" IN ACCESS EXCLUSIVE MODE",
            Engine::MySql => "LOCK TABLES AuditLog WRITE",
            // There the lock is on everything.
            Engine::Sqlite => return,
        };
        app.add("one", "ada", minutes(10));
        let sessions = app.sessions();
        assert!(sessions.touch_session("one").await.unwrap());
        let holder = app.database().session();
        holder.execute(lock);
        assert!(sessions.revoke_session("one").await.unwrap(), "{:?}", app.engine);
        drop(holder);
        assert_eq!(app.tokens(), Vec::<String>::new());
    });
}

#[test]
fn each_owner_of_a_token_that_several_have_is_told_of() {
    on_every_engine(&async |app| {
        app.database().execute(match app.engine {
            Engine::Postgres => r#"ALTER TABLE "Session" DROP CONSTRAINT "Session_pkey""#,
            Engine::MySql => "ALTER TABLE Session DROP PRIMARY KEY",
            Engine::Sqlite => {
                r#"DROP TABLE "Session"; CREATE TABLE "Session" ("sessionToken" TEXT, "userId" TEXT, "expires" DATETIME)"#
            }
        });
        for user in ["ada", "bob", "ada"] {
            app.add("one", user, minutes(10));
        }
        assert!(app.sessions().revoke_session("one").await.unwrap());
        let mut audit: Vec<_> = app.audit().iter().map(|row| (row["userId"].clone(), row["count"].clone())).collect();
        audit.sort_by_key(|(user, _)| user.to_string());
        assert_eq!(audit, [("ada".into(), 2.into()), ("bob".into(), 1.into())], "{:?}", app.engine);
    });
}
