//! The daemon with HTTP: how it starts, follows edits, stands a crowd, and stops.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use sweepd::clock::Stopwatch;

use super::client::Place;
use super::tls::Certificate;
use crate::process::{Deadline, Process, sweepd};
use crate::servers::Engine;
use crate::stage::{LIMIT, NEVER, Stage};

const SECRET: &str = "the-secret-of-the-daemon";
const NEXT: &str = "the-next-secret-of-the-daemon";
/// A call that any secret allows.
const READ: &str = "/api/openapi.json";

fn http(keys: &str) -> String {
    format!("[http]\nlisten = \"127.0.0.1:0\"\n{keys}")
}

fn with_secret() -> String {
    http(&format!("secret = \"{SECRET}\""))
}

fn start(http: &str) -> (Stage, Process) {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    let daemon = stage.daemon(NEVER, "", http);
    (stage, daemon)
}

/// Where it says that it listens.
pub fn address(daemon: &mut Process) -> SocketAddr {
    let said = daemon.wait_for_output("is ready", LIMIT);
    let address = said.split("http=").nth(1).expect("an address").split_whitespace().next().expect("an address");
    address.parse().unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn stop(daemon: &mut Process) {
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(8)), 0, "{}", daemon.output());
}

/// Waits until its output has `text` `times` times.
pub fn said(daemon: &Process, text: &str, times: usize) {
    let deadline = Deadline::after(LIMIT);
    while daemon.output().matches(text).count() < times {
        assert!(!deadline.has_passed(), "not {times} times {text:?}:\n{}", daemon.output());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn it_is_alive_and_lets_nobody_in_without_a_secret() {
    let (_stage, mut daemon) = start(&with_secret());
    let place = Place::Tcp(address(&mut daemon));
    let alive = place.call("GET", "/healthz", None, "");
    assert_eq!((alive.status, &*alive.body), (200, r#"{"status":"ok"}"#));
    assert_eq!(place.call("GET", READ, None, "").status, 401);
    let wrong = place.get(READ, "a-secret-that-is-not-the-one");
    assert_eq!((wrong.status, &*wrong.body), (401, r#"{"success":false,"error":"Unauthorized"}"#));
    assert_eq!(place.call("POST", READ, None, "").status, 405);
    let described = place.get(READ, SECRET).json();
    assert!(described["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{described}");
    assert_eq!(described["paths"]["/healthz"]["get"]["responses"]["200"]["description"], "alive");
    assert_eq!(described["components"]["securitySchemes"]["secret"]["scheme"], "bearer");
    stop(&mut daemon);
    let output = daemon.output();
    assert!(output.contains("from=127.0.0.1 attempts=1"), "{output}");
    assert!(!output.contains("secret-that-is-not") && !output.contains(SECRET), "{output}");
    assert_eq!(output.matches("was refused").count(), 1, "one line a minute: {output}");
}

#[test]
fn check_says_where_it_would_listen() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    let check = |http: &str| {
        let mut command = sweepd();
        command.arg("--config").arg(stage.configure(NEVER, "", http)).arg("check");
        let output = command.output().expect("it runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let secret = format!("secret = \"{SECRET}\"");
    let said = check(&format!("[http]\n{secret}"));
    assert!(said.contains("ok       http: `sweepd run` takes calls at http://127.0.0.1:8787\n"), "{said}");
    let both = check(&format!("[http]\nlisten = \"0.0.0.0:80\"\nsocket = \"/run/sweepd/http.sock\"\n{secret}"));
    let part = "takes calls at http://0.0.0.0:80 and on the socket /run/sweepd/http.sock\n";
    assert!(both.contains(part) && both.contains("warning  http.listen: others can reach"), "{both}");
    assert!(!both.contains(SECRET), "{both}");
    assert!(!check("").contains("http"));
}

#[test]
fn without_a_good_secret_it_does_not_start() {
    for (keys, part) in [
        ("", "http.secret: is missing; HTTP does not start without one"),
        ("secret = \"too-short\"", "http.secret: has fewer than 16 characters; `openssl rand -hex 32` makes"),
        ("previous_secret = \"the-secret-before\"", "http.secret: is missing"),
    ] {
        let (_stage, mut daemon) = start(&http(keys));
        assert_eq!(daemon.exit_code(LIMIT), 2, "{}", daemon.output());
        assert!(daemon.output().contains(part), "{part}: {}", daemon.output());
    }
}

#[test]
fn a_port_that_is_in_use_is_said_and_the_daemon_does_not_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (_stage, mut daemon) = start(&format!("[http]\nlisten = \"{address}\"\nsecret = \"{SECRET}\""));
    assert_eq!(daemon.exit_code(LIMIT), 1, "{}", daemon.output());
    let output = daemon.output();
    assert!(output.contains(&format!("cannot listen on {address}: Address already in use")), "{output}");
    assert!(output.contains("change `http.listen`") && !output.contains("is ready"), "{output}");
}

#[test]
fn the_variable_of_the_application_counts_and_alone_turns_nothing_on() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    let run = |http: &str| {
        let mut command = sweepd();
        command.env("CRON_SECRET", SECRET).arg("--config").arg(stage.configure(NEVER, "", http)).arg("run");
        Process::spawn(command)
    };
    let mut off = run("");
    assert!(!off.wait_for_output("is ready", LIMIT).contains("http="), "{}", off.output());
    stop(&mut off);
    let mut on = run(&http(""));
    assert_eq!(Place::Tcp(address(&mut on)).get(READ, SECRET).status, 200);
    stop(&mut on);
}

#[test]
fn secrets_are_changed_by_a_reload_and_places_are_not() {
    let (stage, mut daemon) = start(&with_secret());
    let place = Place::Tcp(address(&mut daemon));
    let mut connection = place.connect();
    assert_eq!(connection.call("GET", READ, Some(SECRET), "").status, 200);
    let rotated = format!("secret = \"{NEXT}\"\nprevious_secret = \"{SECRET}\"");
    stage.configure(NEVER, "", &http(&rotated));
    said(&daemon, "loaded anew", 1);
    for secret in [NEXT, SECRET] {
        assert_eq!(connection.call("GET", READ, Some(secret), "").status, 200, "{secret}");
    }
    assert!(!daemon.output().contains("restart"), "{}", daemon.output());

    // The old one has gone, and what takes a restart is said.
    stage.configure(NEVER, "", &format!("[http]\nlisten = \"127.0.0.1:1\"\nsecret = \"{NEXT}\""));
    said(&daemon, "of [http], listen, socket and max_connections cannot be changed without a restart", 1);
    assert_eq!(place.get(READ, SECRET).status, 401);
    assert_eq!(place.get(READ, NEXT).status, 200);

    // A bad one changes nothing.
    stage.configure(NEVER, "", &http("secret = \"short\""));
    said(&daemon, "cannot be used", 1);
    assert_eq!(place.get(READ, NEXT).status, 200);

    stage.configure(NEVER, "", "");
    said(&daemon, "[http] is gone; HTTP goes on as before until a restart", 1);
    assert_eq!(place.get(READ, NEXT).status, 200);
    stop(&mut daemon);
}

#[test]
fn a_certificate_is_read_again_at_a_reload_unless_it_is_broken() {
    let directory = tempfile::tempdir().unwrap();
    let Some((first, second)) = Certificate::pair(directory.path()) else { return };
    let (certificate, key) = (directory.path().join("now.crt"), directory.path().join("now.key"));
    let install = |from: &Certificate| {
        fs::copy(&from.certificate, &certificate).unwrap();
        fs::copy(&from.key, &key).unwrap();
    };
    install(&first);
    let quoted = |path: &Path| toml::Value::from(path.to_str().unwrap()).to_string();
    let keys = format!("secret = \"{SECRET}\"\ntls_certificate = {}\ntls_key = {}", quoted(&certificate), quoted(&key));
    let (_stage, mut daemon) = start(&http(&keys));
    let address = address(&mut daemon);
    assert_eq!(first.connect(address).call("GET", READ, Some(SECRET), "").status, 200);

    fs::write(&key, "broken").unwrap();
    daemon.signal("HUP");
    said(&daemon, "cannot read a private key as PEM", 1);
    assert_eq!(first.connect(address).call("GET", READ, Some(SECRET), "").status, 200);

    install(&second);
    daemon.signal("HUP");
    said(&daemon, "loaded anew", 1);
    assert_eq!(second.connect(address).call("GET", READ, Some(SECRET), "").status, 200);
    stop(&mut daemon);
}

#[test]
fn it_stands_a_thousand_calls_at_once() {
    let (_stage, mut daemon) = start(&with_secret());
    let place = Place::Tcp(address(&mut daemon));
    // Each takes a file descriptor here, and other tests need some too.
    let calls = if limit_of_files() < 4096 { 500 } else { 1000 };
    let call = |number: usize| match number % 4 {
        0 => place.call("GET", "/healthz", None, "").status == 200,
        1 => place.call("DELETE", "/healthz", None, "").status == 405,
        2 => place.call("GET", "/nowhere", None, "").status == 404,
        _ => place.get(READ, SECRET).status == 200,
    };
    let right_answers = || {
        std::thread::scope(|scope| {
            let spawn = |number| {
                let builder = std::thread::Builder::new().stack_size(128 << 10);
                builder.spawn_scoped(scope, move || call(number)).expect("a thread")
            };
            let crowd: Vec<_> = (0..calls).map(spawn).collect();
            crowd.into_iter().map(|call| call.join().expect("it is answered")).filter(|right| *right).count()
        })
    };
    // Once to warm up: allocators keep what they had at the peak.
    assert_eq!(right_answers(), calls);
    let before = kilobytes(&daemon);
    for _ in 0..3 {
        assert_eq!(right_answers(), calls);
    }
    let after = kilobytes(&daemon);
    assert!(after < before + 4096 && after < 96 << 10, "{before} kB, then {after} kB");
    assert_eq!(place.get(READ, SECRET).status, 200);
    stop(&mut daemon);
}

fn limit_of_files() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").expect("the limits");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("the limit");
    line.split_whitespace().next().and_then(|limit| limit.parse().ok()).unwrap_or(u64::MAX)
}

/// The memory that it has now.
fn kilobytes(daemon: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn it_stops_soon_whoever_is_still_connected() {
    let (_stage, mut daemon) = start(&with_secret());
    let place = Place::Tcp(address(&mut daemon));
    let mut idle = place.connect();
    assert_eq!(idle.call("GET", "/healthz", None, "").status, 200);
    let mut half = place.connect();
    half.send("GET /healthz HTTP/1.1\r\nHost:");
    let _silent = place.connect();
    let watch = Stopwatch::start();
    stop(&mut daemon);
    assert!(watch.elapsed() < Duration::from_secs(4), "{:?}", watch.elapsed());
}

#[test]
fn it_listens_on_a_socket_alone_and_takes_the_place_of_one_that_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http.sock");
    let keys = format!("[http]\nsocket = {}\nsecret = \"{SECRET}\"", toml::Value::from(path.to_str().unwrap()));
    let (_stage, mut daemon) = start(&keys);
    daemon.wait_for_output("is ready", LIMIT);
    assert!(!daemon.output().contains("http=127"), "only the socket: {}", daemon.output());
    let place = Place::Unix(path.clone());
    assert_eq!(place.call("GET", "/healthz", None, "").status, 200);
    // Killed, it leaves the file behind, and the next one takes its place.
    daemon.signal("KILL");
    daemon.wait_timeout(LIMIT).expect("SIGKILL ends it");
    assert!(path.exists());
    let (_stage, mut next) = start(&keys);
    next.wait_for_output("is ready", LIMIT);
    assert_eq!(place.get(READ, SECRET).status, 200);
    stop(&mut next);
    assert!(!path.exists());
}
