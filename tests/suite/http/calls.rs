//! What is answered, call by call.

use super::stand::{FULL, Stand};

#[test]
fn what_the_router_refuses_has_the_shape_of_every_error() {
    let stand = Stand::new();
    let place = stand.place();
    let unknown = place.call("GET", "/nowhere", None, "");
    assert_eq!((unknown.status, &*unknown.body), (404, r#"{"success":false,"error":"Not Found"}"#));
    // Also without a secret.
    let method = place.call("DELETE", "/write", None, "");
    assert_eq!((method.status, &*method.body), (405, r#"{"success":false,"error":"Method Not Allowed"}"#));
    assert_eq!(method.header("allow"), Some("POST"));
    let query = place.call("GET", "/query?count=many", None, "");
    assert_eq!(query.status, 400);
    assert!(query.error().contains("count: invalid digit"), "{query:?}");
    for answer in [unknown, method, query] {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()), "{answer:?}");
    }
    let mut head = place.connect();
    head.send("HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let head = String::from_utf8(head.rest()).unwrap();
    assert!(head.starts_with("HTTP/1.1 404") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn every_answer_has_the_headers_of_security() {
    let stand = Stand::new();
    for (path, status) in [("/open", 200), ("/read", 401), ("/nowhere", 404), ("/panic", 500)] {
        let answer = stand.place().call("GET", path, None, "");
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    }
}

#[test]
fn a_handler_that_panics_is_an_answer_and_the_connection_goes_on() {
    let stand = Stand::new();
    let mut connection = stand.place().connect();
    for _ in 0..3 {
        let answer = connection.call("GET", "/panic", None, "");
        assert_eq!((answer.status, &*answer.error()), (500, "an error in sweepd; its log says more"));
        assert_eq!(connection.call("GET", "/open", None, "").body, "open");
    }
}

#[test]
fn a_body_is_json_and_its_mistakes_are_located() {
    let stand = Stand::new();
    let cases: [(&str, u16, &str); 10] = [
        (r#"{"count": 3}"#, 200, r#"{"written":3}"#),
        ("{\"count\": 3,}", 400, "line 1 column 13"),
        ("{\n  \"count\": \"three\"\n}", 400, "invalid type: string, expected u32 at line 2 column 18"),
        ("{}", 400, "missing field `count` at line 1 column 2"),
        ("[3]", 400, "expected an object of JSON"),
        ("{", 400, "EOF while parsing"),
        ("{\"count\": 3} and more", 400, "trailing characters at line 1 column 14"),
        ("{\"count\": -1}", 400, "expected u32"),
        (" \r\n", 400, "the body is empty; expected JSON"),
        ("", 400, "the body is empty; expected JSON"),
    ];
    for (body, status, part) in cases {
        let answer = stand.place().call("POST", "/write", Some(FULL), body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.body.contains(part), "{body}: no {part:?} in {answer:?}");
    }
    let deep = stand.place().call("POST", "/write", Some(FULL), &"[".repeat(60_000));
    assert_eq!(deep.status, 400, "{deep:?}");
    assert_eq!(stand.place().call("POST", "/maybe", Some(FULL), "").body, "none");
    assert_eq!(stand.place().call("POST", "/maybe", Some(FULL), "null").body, "none");
    assert_eq!(stand.place().call("POST", "/maybe", Some(FULL), r#"{"count": 1}"#).body, "some");
    assert_eq!(stand.place().call("POST", "/maybe", Some(FULL), "nonsense").status, 400);
}

#[test]
fn a_body_that_says_that_it_is_not_json_is_not_read_as_such() {
    let stand = Stand::new();
    let kinds = [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/merge-patch+json", 200),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("", 415),
    ];
    for (kind, status) in kinds {
        let mut connection = stand.place().connect();
        connection.send(format!(
            "POST /write HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {FULL}\r\nContent-Type: {kind}\r\n\
             Content-Length: 11\r\n\r\n{{\"count\":3}}"
        ));
        let answer = connection.answer();
        assert_eq!(answer.status, status, "{kind}: {answer:?}");
    }
}
