//! The session that is to stay, when all others of its user go.

use super::{Api, in_minutes, on_every_engine};

const PATH: &str = "/api/users/ada/sessions";

fn left(api: &Api) -> Vec<String> {
    let tokens = api.app.tokens();
    for token in &tokens {
        api.expect("POST", "/api/sessions/revoke", &super::token(token));
    }
    tokens
}

#[test]
fn its_token_is_in_the_body_or_in_the_header() {
    on_every_engine(|api| {
        let (body, header) = (r#"{"exceptToken":"tok3n-1"}"#, "X-Except-Token: tok3n-1");
        let json = "Content-Type: application/json";
        let cases: [(&[&str], &str, &[&str]); 7] = [
            (&[json], body, &["tok3n-1"]),
            (&[header], "", &["tok3n-1"]),
            (&["x-except-token:tok3n-1 "], "{}", &["tok3n-1"]),
            (&[header, json], body, &["tok3n-1"]),
            (&[], "", &[]),
            (&[], r#"{"exceptToken":null}"#, &[]),
            // That of nobody excepts nothing.
            (&["X-Except-Token: tok3n-of-nobody"], "", &[]),
        ];
        for (lines, body, stay) in cases {
            for number in 0..3 {
                api.app.add(&format!("tok3n-{number}"), "ada", in_minutes(10));
            }
            let answer = api.call_with("DELETE", PATH, lines, body);
            let count = 3 - stay.len();
            let wanted = format!(r#"{{"success":true,"revokedCount":{count}}}"#);
            assert_eq!((answer.status, &*answer.body), (200, &*wanted), "{lines:?} {body}");
            assert_eq!(left(api), *stay, "{lines:?} {body}");
        }
    });
}

/// A mistake must not end the session that was to stay.
#[test]
fn where_it_cannot_be_told_which_one_is_meant_none_ends() {
    on_every_engine(|api| {
        for number in 0..3 {
            api.app.add(&format!("tok3n-{number}"), "ada", in_minutes(10));
        }
        let two = ["X-Except-Token: tok3n-0", "X-Except-Token: tok3n-1"];
        let cases: [(&[&str], &str, u16, &str); 9] = [
            (&two[..1], r#"{"exceptToken":"tok3n-1"}"#, 400, "two different tokens that are to stay"),
            (&two, "", 400, "two different tokens that are to stay"),
            (&["X-Except-Token:"], "", 422, "the token is empty"),
            (&[], r#"{"exceptToken":""}"#, 422, "the token is empty"),
            (&["X-Except-Token: tok3n-\u{e9}"], "", 400, "holds what no token can hold; use the body"),
            (&[], r#"{"except_token":"tok3n-1"}"#, 400, "unknown field `except_token`, expected `exceptToken`"),
            (&[], r#"{"exceptToken":["tok3n-1"]}"#, 400, "invalid type: sequence, expected a string"),
            (&[], r#"["tok3n-1"]"#, 400, "expected an object of JSON"),
            (&["Content-Type: text/plain"], r#"{"exceptToken":"tok3n-1"}"#, 415, "send it as application/json"),
        ];
        for (lines, body, status, part) in cases {
            let answer = api.call_with("DELETE", PATH, lines, body);
            assert_eq!(answer.status, status, "{lines:?} {body}: {answer:?}");
            let error = answer.error();
            assert!(error.contains(part) && !error.contains("tok3n"), "{lines:?} {body}: {error}");
        }
        // URLs are logged by everybody on the way.
        for name in ["exceptToken", "except_token", "except", "token"] {
            let error = api.refused(400, "DELETE", &format!("{PATH}?{name}=tok3n-1"), "");
            assert!(error.contains(&format!("unknown field `{name}`, expected `job`")), "{error}");
        }
        assert_eq!((api.app.tokens().len(), api.app.audit().len()), (3, 0));
    });
}
