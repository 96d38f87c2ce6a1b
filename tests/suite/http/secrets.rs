//! Who is let in, and how those are slowed that are not.

use std::time::Duration;

use sweepd::clock::Stopwatch;
use sweepd::http::auth::{Secret, Secrets};

use super::client::{Connection, request};
use super::stand::{FULL, PREVIOUS, READ, Stand, settings};

const UNAUTHORIZED: &str = r#"{"success":false,"error":"Unauthorized"}"#;

fn call_with(connection: &mut Connection, headers: &[u8]) -> (u16, String) {
    connection.send([b"GET /read HTTP/1.1\r\nHost: a\r\n", headers, b"\r\n"].concat());
    let answer = connection.answer();
    if answer.status == 401 {
        assert_eq!(answer.body, UNAUTHORIZED);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    (answer.status, answer.body)
}

#[test]
fn without_the_right_secret_nobody_is_let_in() {
    let wrong: [&[u8]; 6] = [
        b"",
        b"Authorization: Bearer the-full-secret-of-test\r\n",
        b"Authorization: Basic dGhlLWZ1bGwtc2VjcmV0LW9mLXRlc3Rz\r\n",
        b"Authorization: \xff\xfe\x80\r\n",
        b"Authorization: the-full-secret-of-tests\r\n",
        b"Authorization: Bearer the-full-secret-of-tests\r\nAuthorization: Bearer other\r\n",
    ];
    for headers in wrong {
        // One for each, so that none is slowed by the others.
        let stand = Stand::new();
        let (status, _) = call_with(&mut stand.place().connect(), headers);
        assert_eq!(status, 401, "{}", String::from_utf8_lossy(headers));
    }
    let stand = Stand::new();
    let (status, body) =
        call_with(&mut stand.place().connect(), b"authorization: bEARER   the-full-secret-of-tests \r\n");
    assert_eq!((status, &*body), (200, "read"));
}

#[test]
fn each_secret_allows_what_it_is_for() {
    let stand = Stand::new();
    let place = stand.place();
    for secret in [FULL, PREVIOUS, READ] {
        assert_eq!(place.get("/read", secret).body, "read", "{secret}");
    }
    for secret in [FULL, PREVIOUS] {
        assert_eq!(place.call("POST", "/maybe", Some(secret), "").body, "none", "{secret}");
    }
    let only_reads = place.call("POST", "/maybe", Some(READ), "");
    assert_eq!(only_reads.status, 403);
    assert_eq!(only_reads.error(), "this secret is http.read_secret, which only reads; use http.secret");
}

#[test]
fn new_secrets_count_from_the_next_call_on() {
    let stand = Stand::new();
    let mut connection = stand.place().connect();
    assert_eq!(connection.call("GET", "/read", Some(PREVIOUS), "").status, 200);
    let full = Secret::new("the-next-secret-of-tests").unwrap();
    let secrets = Secrets { full, previous: Secret::new(FULL).ok(), read: None };
    stand.server.follow(&sweepd::http::Settings { secrets, ..settings() });
    for (secret, status) in [("the-next-secret-of-tests", 200), (FULL, 200), (PREVIOUS, 401), (READ, 401)] {
        assert_eq!(connection.call("GET", "/read", Some(secret), "").status, status, "{secret}");
    }
}

#[test]
fn wrong_secrets_wait_ever_longer_and_a_right_one_never_does() {
    let stand = Stand::new();
    let mut guesser = stand.place().connect();
    for millis in [100, 200, 400, 800] {
        let watch = Stopwatch::start();
        assert_eq!(guesser.call("GET", "/read", Some("a wrong secret"), "").status, 401);
        assert!(watch.elapsed() >= Duration::from_millis(millis), "{:?} of {millis} ms", watch.elapsed());
    }
    // This one waits for 1.6 s. A right secret from the same address is answered before.
    let watch = Stopwatch::start();
    guesser.send(request("GET", "/read", Some("a wrong secret"), ""));
    for _ in 0..10 {
        assert_eq!(stand.place().get("/read", FULL).body, "read");
    }
    let right = watch.elapsed();
    assert_eq!(guesser.answer().status, 401);
    assert!(right < Duration::from_millis(1600) && watch.elapsed() >= Duration::from_millis(1600), "{right:?}");
}

#[test]
fn a_flood_of_wrong_secrets_uses_up_no_connections() {
    let mut settings = settings();
    settings.max_connections = 100;
    let stand = Stand::with(settings);
    let place = stand.place();
    std::thread::scope(|scope| {
        let guess = || {
            let mut connection = place.connect();
            let watch = Stopwatch::start();
            let answer = connection.call("GET", "/read", Some("a wrong secret"), "");
            assert_eq!(answer.status, 401);
            (watch.elapsed(), answer.header("connection") == Some("close"))
        };
        let guessers: Vec<_> = (0..90).map(|_| scope.spawn(guess)).collect();
        // Some 60 wait for five seconds now. A right secret does not.
        std::thread::sleep(Duration::from_secs(1));
        let watch = Stopwatch::start();
        assert_eq!(place.get("/read", FULL).body, "read");
        assert!(watch.elapsed() < Duration::from_secs(2), "{:?}", watch.elapsed());

        let answers: Vec<_> = guessers.into_iter().map(|guesser| guesser.join().unwrap()).collect();
        let (closed, held): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, closed)| *closed);
        // 64 at once, and a few more, because the first ones wait for less than a second.
        assert!((64..=72).contains(&held.len()), "{held:?}");
        assert!(closed.iter().all(|(took, _)| *took < Duration::from_secs(2)), "{closed:?}");
        assert!(held.iter().all(|(took, _)| *took < Duration::from_secs(8)), "{held:?}");
    });
}
