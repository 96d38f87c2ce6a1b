//! What the server stands.

use std::time::Duration;

use sweepd::clock::Stopwatch;

use super::client::{Connection, request};
use super::stand::{FULL, LARGE, Stand, settings};

#[test]
fn a_head_that_is_too_large_is_refused() {
    let stand = Stand::new();
    let mut connection = stand.place().connect();
    let _ = connection.try_send(format!("GET /open HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40_000)));
    assert_eq!(connection.answer().status, 431);
    let mut many = stand.place().connect();
    many.send(format!("GET /open HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200)));
    assert_eq!(many.answer().status, 431);
    let long = stand.place().call("GET", &format!("/open?{}", "x".repeat(9_000)), None, "");
    assert_eq!((long.status, &*long.error()), (414, "the target is longer than 8192 bytes"));
    let fits = stand.place().call("GET", &format!("/open?{}", "x".repeat(8_000)), None, "");
    assert_eq!(fits.body, "open");
}

#[test]
fn what_is_not_http_is_refused() {
    let stand = Stand::new();
    for bytes in
        ["\0\x01\x02\x03 nonsense\r\n\r\n", "GET\r\n\r\n", "GET /open HTTP/3.7\r\n\r\n", "\x16\x03\x01\x02\0\x01"]
    {
        let mut connection = stand.place().connect();
        connection.send(bytes);
        if !bytes.starts_with('\x16') {
            assert!(connection.rest().starts_with(b"HTTP/1.1 400"), "{bytes:?}");
        }
    }
    let smuggled =
        "POST /maybe HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let mut connection = stand.place().connect();
    connection.send(smuggled);
    assert!([400, 401].contains(&connection.answer().status));
    assert_eq!(stand.place().call("GET", "/open", None, "").body, "open");
}

/// The client sends all of it before it reads, and gets the answer all the same.
#[test]
fn a_body_of_ten_megabytes_is_refused_and_the_client_learns_of_it() {
    let stand = Stand::new();
    let body = "x".repeat(10 << 20);
    for (path, secret, status) in [("/write", Some(FULL), 413), ("/write", None, 401), ("/open", None, 405)] {
        let mut connection = stand.place().connect();
        connection.send(request("POST", path, secret, &body));
        assert_eq!(connection.answer().status, status, "{path}");
    }
    // At once, when the client says so before it sends.
    let mut polite = stand.place().connect();
    polite.send(format!(
        "POST /write HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {FULL}\r\nContent-Length: 10485760\r\n\
         Expect: 100-continue\r\n\r\n"
    ));
    let answer = polite.answer();
    assert_eq!((answer.status, &*answer.error()), (413, "the body is larger than 65536 bytes"));
}

#[test]
fn a_body_in_chunks_is_limited_too() {
    let stand = Stand::new();
    let head = format!(
        "POST /write HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {FULL}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    let mut fits = stand.place().connect();
    fits.send(format!("{head}{chunk}b\r\n{{\"count\":7}}\r\n0\r\n\r\n"));
    assert_eq!(fits.answer().body, r#"{"written":7}"#);
    let mut larger = stand.place().connect();
    larger.send(format!("{head}{}", chunk.repeat(3)));
    assert_eq!(larger.answer().status, 413);
    let mut broken = stand.place().connect();
    broken.send(format!("{head}zz\r\n"));
    assert_eq!(broken.answer().status, 400);
}

/// Sends a byte every now and then, until the server has had enough, and says after how long that was.
fn dribble(mut connection: Connection, start: &str) -> (Duration, Vec<u8>) {
    connection.send(start);
    let watch = Stopwatch::start();
    while watch.elapsed() < Duration::from_secs(14) && connection.try_send("x").is_ok() {
        std::thread::sleep(Duration::from_millis(200));
    }
    (watch.elapsed(), connection.rest())
}

/// All in one test, because they last for ten seconds each.
#[test]
fn the_slow_are_given_up_after_ten_seconds_and_do_not_hold_up_others() {
    let stand = Stand::new();
    let place = stand.place();
    let body =
        format!("POST /write HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {FULL}\r\nContent-Length: 60000\r\n\r\n");
    let ends = |took: Duration| Duration::from_secs(9) < took && took < Duration::from_secs(14);
    std::thread::scope(|scope| {
        let heads: Vec<_> =
            (0..100).map(|_| scope.spawn(|| dribble(place.connect(), "GET /open HTTP/1.1\r\nX-Slow: "))).collect();
        let bodies: Vec<_> = (0..10).map(|_| scope.spawn(|| dribble(place.connect(), &body))).collect();
        let idle = scope.spawn(|| {
            let mut connection = place.connect();
            assert_eq!(connection.call("GET", "/open", None, "").body, "open");
            let watch = Stopwatch::start();
            assert_eq!(connection.rest(), b"");
            watch.elapsed()
        });
        let deaf = scope.spawn(|| {
            let mut connection = place.connect();
            connection.send(request("GET", "/large", None, ""));
            std::thread::sleep(Duration::from_secs(13));
            connection.rest().len()
        });

        let watch = Stopwatch::start();
        let mut served = 0;
        while watch.elapsed() < Duration::from_secs(9) {
            let call = Stopwatch::start();
            assert_eq!(place.get("/read", FULL).body, "read");
            assert!(call.elapsed() < Duration::from_secs(2), "{:?}", call.elapsed());
            served += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(served > 50, "{served}");

        for head in heads {
            let (took, said) = head.join().unwrap();
            assert!(ends(took), "{took:?}");
            assert_eq!(said, b"");
        }
        for body in bodies {
            let (took, said) = body.join().unwrap();
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(ends(took), "{took:?} {said}");
            assert!(said.starts_with("HTTP/1.1 408") && said.contains("the body did not arrive in time"), "{said}");
        }
        assert!(ends(idle.join().unwrap()));
        let heard = deaf.join().unwrap();
        assert!(heard < LARGE, "{heard}");
    });
}

#[test]
fn who_comes_when_all_places_are_taken_waits_for_one() {
    let mut settings = settings();
    settings.max_connections = 2;
    let stand = Stand::with(settings);
    let mut first = stand.place().connect();
    let answer = first.call("GET", "/open", None, "");
    assert_eq!((&*answer.body, answer.header("connection")), ("open", None));
    let mut second = stand.place().connect();
    let answer = second.call("GET", "/open", None, "");
    assert_eq!((&*answer.body, answer.header("connection")), ("open", Some("close")), "the last place is not kept");
    let mut third = stand.place().connect();
    third.send(request("GET", "/open", None, ""));
    drop(second);
    assert_eq!(third.answer().body, "open");
}
