//! Bodies that are none, and ids that are odd.

use super::{Api, in_minutes, on_every_engine};

/// The calls that need a body.
const CALLS: [(&str, &str); 3] =
    [("POST", "/api/sessions/touch"), ("POST", "/api/sessions/revoke"), ("PATCH", "/api/users/ada")];

#[test]
fn a_body_that_cannot_be_used_is_refused_and_not_repeated() {
    on_every_engine(|api| {
        api.app.add("tok3n-1", "ada", in_minutes(10));
        let larger = format!(r#"{{"token":"tok3n-{}"}}"#, "x".repeat(66_000));
        let cases: [(&str, u16, &str); 13] = [
            ("", 400, "the body is empty; expected JSON"),
            (" \n", 400, "the body is empty; expected JSON"),
            ("token=tok3n-1", 400, "the body cannot be used: expected "),
            (r#""tok3n-1""#, 400, "expected an object of JSON"),
            (r#"["tok3n-1"]"#, 400, "expected an object of JSON"),
            (r#"["ADMIN"]"#, 400, "expected an object of JSON"),
            ("null", 400, "expected an object of JSON"),
            (r#"{"token":"tok3n-1"} {}"#, 400, ""),
            (r#"{"role":1,"token":1}"#, 400, ""),
            (r#"{"token":"tok3n-1","role":"ADMIN"}"#, 400, "unknown field"),
            (r#"{"role":"USER","role":"ADMIN"}"#, 400, ""),
            (&"[".repeat(60_000), 400, ""),
            (&larger, 413, "the body is larger than 65536 bytes"),
        ];
        for (method, path) in CALLS {
            for (body, status, part) in cases {
                let error = api.refused(status, method, path, body);
                assert!(error.contains(part), "{method} {path} {body:.40}: {error}");
            }
        }
        unchanged(api);
    });
}

#[test]
fn values_of_the_wrong_kind_are_not_repeated() {
    on_every_engine(|api| {
        api.app.add("tok3n-1", "ada", in_minutes(10));
        for (method, path, body, part) in [
            ("POST", CALLS[0].1, r#"{"token":["tok3n-1"]}"#, "invalid type: sequence, expected a string"),
            ("POST", CALLS[1].1, r#"{"token":123456789}"#, "invalid type: integer, expected a string"),
            ("POST", CALLS[1].1, r#"{"token":null}"#, "invalid type: null, expected a string"),
            ("PATCH", CALLS[2].1, r#"{"role":{"is":"ADMIN"}}"#, "invalid type: map, expected a string"),
            ("PATCH", CALLS[2].1, r#"{"name":true}"#, "invalid type: boolean, expected a string"),
        ] {
            let error = api.refused(400, method, path, body);
            assert!(error.contains(part) && !error.contains("12345"), "{path} {body}: {error}");
        }
        for (token, part) in [
            ("", "the token is empty"),
            ("tok3n-1\\n", "the token holds a control character"),
            ("tok3n\\u0000", "the token holds a control character"),
            (&"x".repeat(65_000), "the token is too long"),
        ] {
            for (method, path) in &CALLS[..2] {
                assert_eq!(api.refused(422, method, path, &format!(r#"{{"token":"{token}"}}"#)), part);
            }
        }
        // What can be a token, and is nobody's.
        for token in ["tok3n-1' OR '1'='1", "tok3n-%", "tok3n-\u{1f98b}", "TOK3N-1", " tok3n-1", "'; DROP TABLE x; --"]
        {
            assert!(!api.is_alive(token), "{token}");
            assert_eq!(api.expect("POST", CALLS[1].1, &super::token(token))["revoked"], false, "{token}");
        }
        unchanged(api);
    });
}

#[test]
fn odd_ids_are_those_of_nobody_or_of_whom_they_name() {
    on_every_engine(|api| {
        for (number, user) in ["a/b", "Zoë 🦋", "o''brien", "%2F", "a?b#c"].iter().enumerate() {
            api.app.add(&format!("tok3n-{number}"), user, in_minutes(10));
        }
        for id in ["a%2Fb", "Zo%C3%AB%20%F0%9F%A6%8B", "o'brien", "o%27brien", "%252F", "a%3Fb%23c"] {
            let listed = api.expect("GET", &format!("/api/users/{id}/sessions"), "");
            assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{:?} {id}", api.app.engine);
        }
        let long = "x".repeat(5000);
        for (id, status) in [
            ("", 422),
            ("%FF%FE", 400),
            ("%00", 422),
            ("ada%00", 422),
            ("%0A", 422),
            (&*long, 422),
            ("%zz", 200),
            (".", 200),
            ("*", 200),
            ("ada'%20OR%20'1'='1", 200),
            ("%22%3B%20DROP%20TABLE%20%22Session%22%3B--", 200),
            ("ad%25", 200),
            ("ADA", 200),
            ("ada%20", 200),
            ("9223372036854775808", 200),
        ] {
            let path = format!("/api/users/{id}/sessions");
            let listed = api.call("GET", &path, "");
            assert_eq!(listed.status, status, "{:?} {id:.60}: {listed:?}", api.app.engine);
            let ended = api.call("DELETE", &path, "");
            assert_eq!(ended.status, status, "{:?} {id:.60}: {ended:?}", api.app.engine);
            let updated = api.call("PATCH", &format!("/api/users/{id}"), r#"{"role":"ADMIN"}"#);
            let wanted = if status == 200 || id.is_empty() { 404 } else { status };
            assert_eq!(updated.status, wanted, "{:?} {id:.60}: {updated:?}", api.app.engine);
            if status == 200 {
                assert_eq!(listed.body, r#"{"success":true,"sessions":[]}"#, "{id}");
                assert_eq!(ended.body, r#"{"success":true,"revokedCount":0}"#, "{id}");
            } else {
                assert!(!updated.error().contains("xxx"), "{updated:?}");
            }
        }
        assert_eq!((api.app.tokens().len(), api.app.audit().len()), (5, 0));
    });
}

fn unchanged(api: &Api) {
    assert_eq!(api.app.user("ada"), ["Ada", "ada@example.com", "USER"].map(|text| Some(text.to_owned())));
    assert_eq!((api.app.tokens().len(), api.app.audit().len()), (1, 0));
}
