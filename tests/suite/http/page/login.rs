//! Logging in and out, and how long that lasts.

use std::time::Duration;

use sweepd::clock::Stopwatch;

use super::visitor::Visitor;
use crate::http::called::{Called, LATER, READ_SECRET, SECRET};
use crate::http::daemon::said;
use crate::servers::Engine;
use crate::stage::Stage;

fn stage() -> Stage {
    Stage::fresh(Engine::Sqlite).expect("SQLite is built in")
}

#[test]
fn who_is_not_logged_in_is_sent_to_the_log_in() {
    let stage = stage();
    let mut called = Called::start(&stage, "", "");
    let nobody = Visitor::new(&called);
    let mut forged = Visitor::new(&called);
    forged.cookie = Some(format!("sweepd={}", "0".repeat(64)));
    for visitor in [&nobody, &forged] {
        for (path, place) in [("/", "/login"), ("/jobs/sessions", "/login?next=/jobs/sessions")] {
            let answer = visitor.get(path);
            assert_eq!((answer.status, answer.header("location")), (303, Some(place)), "{answer:?}");
        }
        for path in ["/jobs/sessions/run", "/jobs/sessions/pause", "/jobs/sessions/dry-run", "/logout"] {
            assert_eq!(visitor.send("POST", path, "", "").status, 303, "{path}");
        }
        let live = visitor.get("/live");
        assert_eq!((live.status, &*live.body), (204, ""));
    }
    // A secret in a header is for programs, and a cookie is for people.
    let header = format!("Authorization: Bearer {SECRET}\r\n");
    assert_eq!(nobody.send("GET", "/", &header, "").status, 303);
    let visitor = Visitor::with(&called, SECRET);
    assert_eq!(visitor.get("/api/jobs").status, 401);
    assert_eq!(visitor.send("POST", "/api/jobs/sessions/pause", "", "").status, 401);
    called.stop();
    assert_eq!(stage.runs(), []);
}

#[test]
fn the_secret_is_given_once_and_a_cookie_stands_for_it() {
    let stage = stage();
    let mut called = Called::start(&stage, "", "");
    let form = Visitor::new(&called).get("/login?next=/jobs/sessions");
    assert!(form.status == 200 && form.body.contains(r#"name="next" value="/jobs/sessions""#), "{form:?}");
    let elsewhere = Visitor::new(&called).page("/login?next=//evil.example");
    assert!(elsewhere.contains(r#"name="next" value="/""#), "{elsewhere}");

    let mut visitor = Visitor::new(&called);
    let answer = visitor.log_in(SECRET, "Origin: http://localhost\r\n");
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{answer:?}");
    let cookie = answer.header("set-cookie").expect("a cookie");
    let (pair, flags) = cookie.split_once("; ").expect("flags");
    assert_eq!(flags, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    assert!(pair.starts_with("sweepd=") && pair.len() == "sweepd=".len() + 64 && !cookie.contains(SECRET), "{cookie}");
    assert_eq!(visitor.get("/").status, 200);
    let again = visitor.get("/login?next=/jobs/sessions");
    assert_eq!((again.status, again.header("location")), (303, Some("/jobs/sessions")));

    // Behind a proxy that decrypts, the browser says itself that it is at https.
    let mut secure = Visitor::new(&called);
    let answer = secure.log_in(SECRET, "Origin: https://status.example\r\nSec-Fetch-Site: same-origin\r\n");
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Host-sweepd=") && cookie.ends_with("; SameSite=Strict; Secure"), "{cookie}");
    assert_eq!(secure.get("/").status, 200);

    let out = visitor.press("/logout");
    assert_eq!((out.status, out.header("location")), (303, Some("/login")));
    assert!(out.head.contains("set-cookie: sweepd=; Path=/; Max-Age=0"), "{out:?}");
    assert_eq!((visitor.get("/").status, secure.get("/").status), (303, 200));
    called.stop();
    let output = called.daemon.output();
    assert!(!output.contains(SECRET) && !output.contains(&pair["sweepd=".len()..]), "{output}");
}

#[test]
fn a_wrong_secret_opens_nothing_and_takes_ever_longer() {
    let stage = stage();
    let mut called = Called::start(&stage, "", "");
    let mut visitor = Visitor::new(&called);
    for (secret, millis) in [("a-secret-that-is-none", 100), ("", 200), (READ_SECRET.trim_end_matches('n'), 400)] {
        let watch = Stopwatch::start();
        let answer = visitor.log_in(secret, "");
        assert!(watch.elapsed() >= Duration::from_millis(millis), "{:?}", watch.elapsed());
        assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{answer:?}");
        assert!(answer.body.contains("This is not the secret.") && !answer.body.contains("is-none"), "{answer:?}");
    }
    // It is one count with that of the API, and a right secret does not wait.
    let watch = Stopwatch::start();
    assert_eq!(called.place.get("/api/jobs", "another-one-that-is-none").status, 401);
    assert!(watch.elapsed() >= Duration::from_millis(800), "{:?}", watch.elapsed());
    assert_eq!(visitor.log_in(SECRET, "").status, 303);
    called.stop();
    assert!(called.daemon.output().contains("from=127.0.0.1"), "{}", called.daemon.output());
}

#[test]
fn a_log_in_ends_with_its_secret() {
    let stage = stage();
    let mut called = Called::start(&stage, "", "");
    let (full, reader) = (Visitor::with(&called, SECRET), Visitor::with(&called, READ_SECRET));
    let next = "the-next-secret-of-the-daemon";
    let reload = |called: &mut Called, keys: &str, times| {
        stage.configure(LATER, "", &format!("[http]\nlisten = \"127.0.0.1:0\"\n{keys}"));
        called.daemon.signal("HUP");
        said(&called.daemon, "was loaded anew", times);
    };
    reload(&mut called, &format!("secret = \"{next}\"\nprevious_secret = \"{SECRET}\""), 1);
    assert_eq!((full.get("/").status, reader.get("/").status), (200, 303));
    reload(&mut called, &format!("secret = \"{next}\"\nread_secret = \"{SECRET}\""), 2);
    let page = full.page("/");
    assert!(!page.contains("formaction"), "it only reads now: {page}");
    reload(&mut called, &format!("secret = \"{next}\""), 3);
    assert_eq!(full.get("/").status, 303);
    assert_eq!(Visitor::with(&called, next).get("/").status, 200);
    called.stop();
}
