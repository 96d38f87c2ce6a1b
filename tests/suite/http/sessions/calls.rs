//! Each call: what it answers, what it does, and what it writes down.

use serde_json::{Value, json};
use sweepd::sessions::fingerprint;

use super::{Api, READER, in_minutes, on_every_engine, token};

/// Method, path, and a body that would do.
const CALLS: [(&str, &str, &str); 5] = [
    ("GET", "/api/users/ada/sessions", ""),
    ("DELETE", "/api/users/ada/sessions", ""),
    ("PATCH", "/api/users/ada", r#"{"role":"ADMIN"}"#),
    ("POST", "/api/sessions/revoke", r#"{"token":"tok3n-0"}"#),
    ("POST", "/api/sessions/touch", r#"{"token":"tok3n-0"}"#),
];

fn add(api: &Api) {
    for (number, minutes) in [(0, 10), (1, 20), (2, 60), (3, -10)] {
        api.app.add(&format!("tok3n-{number}"), "ada", in_minutes(minutes));
    }
    api.app.add("tok3n-b", "bob", in_minutes(10));
}

#[test]
fn reading_and_touching_write_nothing_down() {
    on_every_engine(|api| {
        add(api);
        let listed = api.expect("GET", "/api/users/ada/sessions", "");
        let sessions = listed["sessions"].as_array().expect("a list");
        let tokens: Vec<_> = sessions.iter().map(|session| session["token"].as_str().expect("a fingerprint")).collect();
        assert_eq!(tokens, ["tok3n-2", "tok3n-1", "tok3n-0"].map(fingerprint), "newest first");
        assert!(sessions.iter().all(|session| session.as_object().unwrap().len() == 2), "{listed}");
        assert!(sessions[0]["expiresAt"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')), "{listed}");
        assert_eq!(api.call("GET", "/api/users/nobody/sessions", "").body, r#"{"success":true,"sessions":[]}"#);

        let touch = |which: &str| api.call("POST", "/api/sessions/touch", &token(which)).body;
        assert_eq!(api.minutes_left("bob"), 10);
        assert_eq!(touch("tok3n-b"), r#"{"success":true,"active":true}"#);
        assert_eq!(api.minutes_left("bob"), 30);
        for dead in ["tok3n-3", "tok3n-of-nobody"] {
            assert_eq!(touch(dead), r#"{"success":true,"active":false}"#);
        }
        assert_eq!(api.app.audit(), Vec::<Value>::new());
    });
}

#[test]
fn each_change_is_made_and_written_down_once() {
    on_every_engine(|api| {
        add(api);
        let revoke = || api.call("POST", "/api/sessions/revoke", &token("tok3n-0")).body;
        assert_eq!(revoke(), r#"{"success":true,"revoked":true}"#);
        assert_eq!(revoke(), r#"{"success":true,"revoked":false}"#);
        let all = || api.call("DELETE", "/api/users/ada/sessions", r#"{"exceptToken":"tok3n-1"}"#).body;
        // The expired one goes too.
        assert_eq!(all(), r#"{"success":true,"revokedCount":2}"#);
        assert_eq!(all(), r#"{"success":true,"revokedCount":0}"#);
        assert_eq!(api.app.tokens(), ["tok3n-1", "tok3n-b"]);

        let update = |body: &str| api.call("PATCH", "/api/users/ada", body).body;
        assert_eq!(update(r#"{"role":"ADMIN"}"#), r#"{"success":true,"changed":["role"]}"#);
        assert_eq!(update(r#"{"role":"ADMIN"}"#), r#"{"success":true,"changed":[]}"#);
        let profile = r#"{"name":null,"email":"ada.l@example.com"}"#;
        assert_eq!(update(profile), r#"{"success":true,"changed":["name","email"]}"#);
        assert_eq!(api.app.user("ada"), [None, Some("ada.l@example.com"), Some("ADMIN")].map(|v| v.map(str::to_owned)));

        let mut audit = api.app.audit();
        for row in &mut audit {
            assert!(row["host"].is_string() && row["at"].is_string(), "{row}");
            let row = row.as_object_mut().unwrap();
            row.retain(|key, _| !matches!(key.as_str(), "host" | "at"));
        }
        // Those of one moment come in any order.
        audit.sort_by_key(|row| row["action"].to_string());
        let (ada, by) = ("ada", "api");
        let revoked = |action, count| json!({ "action": action, "userId": ada, "by": by, "count": count });
        let with = |mut row: Value, key: &str, token: &str| {
            row[key] = fingerprint(token).into();
            row
        };
        let wanted = [
            with(revoked("SESSION_REVOKED", 1), "token", "tok3n-0"),
            json!({ "action": "USER_PROFILE_UPDATED", "userId": ada, "by": by, "changed": ["name", "email"] }),
            json!({ "action": "USER_ROLE_UPDATED", "userId": ada, "by": by, "role": { "from": "USER", "to": "ADMIN" } }),
            with(revoked("USER_SESSIONS_REVOKED", 2), "except", "tok3n-1"),
        ];
        assert_eq!(json!(audit), json!(wanted), "{:?}", api.app.engine);
    });
}

#[test]
fn what_is_refused_changes_nothing() {
    on_every_engine(|api| {
        add(api);
        let update = |status, user: &str, body: &str| api.refused(status, "PATCH", &format!("/api/users/{user}"), body);
        assert_eq!(update(404, "nobody", r#"{"role":"ADMIN"}"#), "there is no such user");
        assert_eq!(update(404, "ADA", r#"{"role":"ADMIN"}"#), "there is no such user");
        let role = update(422, "ada", r#"{"role":"ROOT"}"#);
        assert_eq!(role, "this role is not accepted; accepted: USER, ADMIN");
        let taken = update(409, "ada", r#"{"role":"ADMIN","email":"bob@example.com"}"#);
        assert_eq!(taken, "another user has this e-mail address");
        let no_address = "the e-mail address is none; expected one such as ada@example.com";
        let answer = api.call("PATCH", "/api/users/ada", r#"{"email":"ada"}"#);
        assert_eq!((answer.status, &*answer.error()), (422, no_address));
        assert_eq!(update(422, "ada", r#"{"name":"  "}"#), "the name is empty");
        assert_eq!(update(422, "ada", "{}"), "there is nothing to change; give role, name or email");
        // Somebody who sends all fields would not learn that these stay.
        for body in [r#"{"role":null,"name":"A"}"#, r#"{"email":null,"name":"A"}"#] {
            assert!(update(400, "ada", body).contains("invalid type: null, expected a string"), "{body}");
        }

        assert_eq!(api.expect("DELETE", "/api/users/nobody/sessions", "")["revokedCount"], 0);
        assert_eq!(api.app.user("ada"), ["Ada", "ada@example.com", "USER"].map(|text| Some(text.to_owned())));
        assert_eq!(api.app.tokens().len(), 5);
        assert_eq!(api.app.audit(), Vec::<Value>::new());
    });
}

#[test]
fn only_the_full_secret_manages_sessions() {
    on_every_engine(|api| {
        add(api);
        for (method, path, body) in CALLS {
            let read = api.place.call(method, path, Some(READER), body);
            assert_eq!(read.status, 403, "{method} {path}: {read:?}");
            assert!(read.error().contains("http.read_secret, which only reads"), "{read:?}");
        }
        // One without a secret after the other would be slowed.
        let (method, path, body) = CALLS[1];
        assert_eq!(api.place.call(method, path, None, body).status, 401);
        assert_eq!(api.place.call("PUT", path, None, "").status, 405);
        assert_eq!((api.app.tokens().len(), api.app.audit().len()), (5, 0));
        for (method, path, body) in CALLS {
            api.expect(method, path, body);
        }
    });
}
