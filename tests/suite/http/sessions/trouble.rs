//! Databases that are away, clients that are, and sweeps at the same time.

use std::thread;
use std::time::Duration;

use chrono::TimeDelta;
use sweepd::clock::{Clock, Stopwatch};

use super::{Api, SECRET, in_minutes, keys, on_every_engine, token};
use crate::http::client::request;
use crate::oneshot::quoted;
use crate::servers::{Engine, PrivateServer};
use crate::sessions::{App, add_all};
use crate::stage::{EVERY_SECOND, Stage, wait};

/// In the race with the sweep.
const SESSIONS: i64 = 300;
const CLIENTS: usize = 8;

/// A daemon beside a server of its own, on both kinds at once.
fn on_private_servers(rest: &str, test: impl Fn(&PrivateServer, &mut Api) + Sync) {
    thread::scope(|scope| {
        for engine in Engine::SERVERS {
            let test = &test;
            scope.spawn(move || {
                let Some(server) = PrivateServer::start(engine) else { return };
                let mut api = Api::start(Stage::on(server.fresh()), rest);
                test(&server, &mut api);
                api.end();
            });
        }
    });
}

#[test]
fn a_database_that_was_restarted_between_two_calls_is_no_error() {
    on_private_servers("", |server, api| {
        for number in 0..3 {
            api.app.add(&format!("tok3n-{number}"), "ada", in_minutes(10));
        }
        assert!(api.is_alive("tok3n-0"));
        server.kill();
        server.restart();
        assert!(api.is_alive("tok3n-0"));
        server.stop();
        server.restart();
        assert_eq!(api.expect("POST", "/api/sessions/revoke", &token("tok3n-0"))["revoked"], true);
        server.kill();
        server.restart();
        assert_eq!(api.expect("PATCH", "/api/users/ada", r#"{"role":"ADMIN"}"#)["changed"][0], "role");
        assert_eq!(api.expect("DELETE", "/api/users/ada/sessions", "")["revokedCount"], 2);
        assert_eq!(api.app.audit().len(), 3);
    });
}

/// Each alone takes a second or so until it is sure that the server is away.
#[test]
fn while_the_database_is_away_calls_fail_soon_however_many_there_are() {
    on_private_servers("", |server, api| {
        api.app.add("tok3n-1", "ada", in_minutes(10));
        assert!(api.is_alive("tok3n-1"));
        server.kill();
        let one = Stopwatch::start();
        assert_away(api);
        let one = one.elapsed();
        assert!(one < Duration::from_secs(6), "{one:?}");

        let all = Stopwatch::start();
        thread::scope(|scope| {
            let calls: Vec<_> = (0..200).map(|_| scope.spawn(|| assert_away(api))).collect();
            for call in calls {
                call.join().expect("it is answered");
            }
        });
        assert!(all.elapsed() < one * 3 + Duration::from_secs(5), "{one:?}, and {:?} for all", all.elapsed());

        // The rest of the daemon goes on, and so does everything when the database is back.
        assert_eq!(api.place.call("GET", "/healthz", None, "").status, 200);
        server.restart();
        assert!(api.is_alive("tok3n-1"));
        assert_eq!(api.app.audit().len(), 0);
    });
}

fn assert_away(api: &Api) {
    let error = api.refused(500, "POST", "/api/sessions/touch", &token("tok3n-1"));
    assert!(error.contains("cannot reach the database") || error.contains("is it running, and reachable"), "{error}");
}

/// A handler is dropped when its client goes away, with what it has begun.
#[test]
fn clients_that_go_away_leave_nothing_half_done() {
    on_every_engine(|api| {
        for number in 0..20 {
            api.app.add(&format!("tok3n-{number}"), "ada", in_minutes(10));
        }
        api.app.add("tok3n-b", "bob", in_minutes(10));
        assert!(api.is_alive("tok3n-0"));
        let holder = api.app.database().session();
        let table = quoted(api.app.engine, "Session");
        holder.execute(&match api.app.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE".to_owned(),
            _ => format!("BEGIN; SELECT * FROM {table} FOR UPDATE"),
        });
        for number in 0..20 {
            let body = token(&format!("tok3n-{number}"));
            let mut client = api.place.connect();
            client.send(request("POST", "/api/sessions/revoke", Some(SECRET), &body));
            // Half of them before they could have come far.
            if number % 2 == 0 {
                thread::sleep(Duration::from_millis(20));
            }
        }
        holder.execute("COMMIT");
        drop(holder);
        // The connections to the database are good for others.
        for _ in 0..20 {
            assert!(api.is_alive("tok3n-b"));
            api.expect("GET", "/api/users/ada/sessions", "");
        }
        let revoked = api.expect("DELETE", "/api/users/ada/sessions", "")["revokedCount"].as_u64().expect("a count");
        let audit = api.app.audit();
        let counted: u64 = audit.iter().filter_map(|row| row["count"].as_u64()).sum();
        assert_eq!(counted, 20, "{:?}: {revoked} at the end, {audit:?}", api.app.engine);
        assert_eq!(api.app.tokens(), ["tok3n-b"]);
    });
}

/// What a touch says holds: alive, then no sweep takes it; dead, then nobody brings it back.
#[test]
fn touches_and_scheduled_sweeps_never_contradict_each_other() {
    thread::scope(|scope| {
        for engine in Engine::all() {
            scope.spawn(move || {
                let Some(stage) = Stage::fresh(engine) else { return };
                let logs = tempfile::tempdir().expect("a directory");
                stage.configure(EVERY_SECOND, "nice = 0", &keys(&logs, ""));
                let mut api = Api::on(App::new(stage), logs);
                // Where the machine is busy, all of them may be dead before anybody comes.
                let was_close = (0..5).any(|_| race(&mut api));
                assert!(was_close, "{engine:?}");
                api.end();
            });
        }
    });
}

/// Whether some sessions were touched in time, and others not.
fn race(api: &mut Api) -> bool {
    api.expect("DELETE", "/api/users/ada/sessions", "");
    // They expire one after the other, while the job fires several times.
    let start = Clock::system().now() + TimeDelta::milliseconds(1500);
    let end = |number: i64| start + TimeDelta::milliseconds(10 * number);
    add_all(&api.app.stage, &(0..SESSIONS).map(end).collect::<Vec<_>>());
    let touched = |first: i64, api: &Api| -> Vec<String> {
        let mut connection = api.place.connect();
        let mut alive = Vec::new();
        for number in (first..SESSIONS).step_by(CLIENTS) {
            // At about the moment at which it expires, some earlier and some later.
            let at = end(number) + TimeDelta::milliseconds(number * 7919 % 400 - 200);
            thread::sleep((at - Clock::system().now()).to_std().unwrap_or_default());
            let name = format!("t{number}");
            let answer = connection.call("POST", "/api/sessions/touch", Some(SECRET), &token(&name));
            assert_eq!(answer.status, 200, "{answer:?}");
            alive.extend((answer.json()["active"] == true).then_some(name));
        }
        alive
    };
    let shared = &*api;
    let mut alive: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..i64::try_from(CLIENTS).expect("a few"))
            .map(|first| scope.spawn(move || touched(first, shared)))
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("it is answered")).collect()
    });
    alive.sort();
    let (app, daemon) = (&api.app, &mut api.daemon);
    wait(daemon, "expired sessions are left", || app.tokens().len() <= alive.len());
    assert_eq!(api.app.tokens(), alive, "{:?}", api.app.engine);
    !alive.is_empty() && alive.len() < usize::try_from(SESSIONS).expect("a few")
}
