//! Session management over HTTP: the running daemon on every engine.

mod bodies;
mod calls;
mod excepted;
mod reload;
mod stores;
mod trouble;

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sweepd::clock::Clock;
use tempfile::TempDir;

use super::client::{Answer, Place};
use super::daemon::address;
use crate::process::{Process, sweepd};
use crate::servers::Engine;
use crate::sessions::App;
use crate::stage::{NEVER, Stage, stop};

const SECRET: &str = "the-secret-of-the-application";
const READER: &str = "the-secret-of-the-monitoring";
const USERS: &str = "[users]\nroles = [\"USER\", \"ADMIN\"]";
/// What no log may hold: each token begins with the first, each e-mail address ends with the second.
const CONFIDENTIAL: [&str; 2] = ["tok3n", "example.com"];

/// An application's database, and the daemon beside it.
struct Api {
    app: App,
    daemon: Process,
    place: Place,
    logs: TempDir,
}

/// The same test on every engine that is installed, at once. After it, the logs are searched for what is confidential.
fn on_every_engine(test: impl Fn(&mut Api) + Sync) {
    std::thread::scope(|scope| {
        for engine in Engine::all() {
            let test = &test;
            scope.spawn(move || {
                let Some(stage) = Stage::fresh(engine) else { return };
                let mut api = Api::start(stage, "");
                test(&mut api);
                api.end();
            });
        }
    });
}

/// The configuration beside the job, to which `rest` is added.
fn keys(logs: &TempDir, rest: &str) -> String {
    let directory = toml::Value::from(logs.path().to_str().expect("text"));
    format!(
        "[http]\nlisten = \"127.0.0.1:0\"\nsecret = \"{SECRET}\"\nread_secret = \"{READER}\"\n\
         [log]\nlevel = \"debug\"\ndirectory = {directory}\n{USERS}\n{rest}"
    )
}

fn in_minutes(minutes: i64) -> DateTime<Utc> {
    Clock::system().now() + TimeDelta::minutes(minutes)
}

/// The body with a token.
fn token(token: &str) -> String {
    serde_json::json!({ "token": token }).to_string()
}

impl Api {
    fn start(stage: Stage, rest: &str) -> Self {
        let logs = tempfile::tempdir().expect("a directory");
        stage.configure(NEVER, "", &keys(&logs, rest));
        Self::on(App::new(stage), logs)
    }

    /// On a configuration that is there already.
    fn on(app: App, logs: TempDir) -> Self {
        let mut command = sweepd();
        command.arg("--config").arg(app.stage.directory().join("sweepd.toml")).arg("run");
        let mut daemon = Process::spawn(command);
        let place = Place::Tcp(address(&mut daemon));
        Self { app, daemon, place, logs }
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.place.call(method, path, Some(SECRET), body)
    }

    /// With more lines in the head.
    fn call_with(&self, method: &str, path: &str, lines: &[&str], body: &str) -> Answer {
        let lines: String = lines.iter().flat_map(|line| [*line, "\r\n"]).collect();
        let mut connection = self.place.connect();
        connection.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SECRET}\r\n{lines}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        connection.answer()
    }

    /// A call that does its work: what it answers.
    fn expect(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.call(method, path, body);
        assert_eq!(answer.status, 200, "{:?} {method} {path} {body}: {answer:?}", self.app.engine);
        let json = answer.json();
        assert_eq!(json["success"], true, "{answer:?}");
        json
    }

    /// A call that is refused: what it says, which is nothing confidential.
    fn refused(&self, status: u16, method: &str, path: &str, body: &str) -> String {
        let answer = self.call(method, path, body);
        assert_eq!(answer.status, status, "{:?} {method} {path} {body}: {answer:?}", self.app.engine);
        let error = answer.error();
        let told = CONFIDENTIAL.iter().find(|text| error.contains(**text));
        assert_eq!(told, None, "{:?} {method} {path} {body}: {error}", self.app.engine);
        error
    }

    fn is_alive(&self, of: &str) -> bool {
        self.expect("POST", "/api/sessions/touch", &token(of))["active"] == true
    }

    /// How long the one session of a user lives, in minutes.
    fn minutes_left(&self, user: &str) -> i64 {
        let listed = self.expect("GET", &format!("/api/users/{user}/sessions"), "");
        let end: DateTime<Utc> = listed["sessions"][0]["expiresAt"].as_str().expect("an end").parse().expect("a time");
        (end - Clock::system().now() + TimeDelta::seconds(30)).num_minutes()
    }

    /// Ends the daemon, and looks through everything that was written.
    fn end(mut self) {
        stop(&mut self.daemon);
        let mut written = self.daemon.output() + &serde_json::to_string(&self.app.audit()).expect("JSON");
        let files = fs::read_dir(self.logs.path()).expect("the logs").map(|file| file.expect("a file").path());
        let logs: Vec<_> = files.map(|file| fs::read_to_string(file).expect("text")).collect();
        assert!(logs.iter().any(|log| log.contains("is ready")), "{logs:?}");
        written.extend(logs);
        for secret in CONFIDENTIAL.iter().chain(&[SECRET, READER]) {
            assert!(!written.contains(secret), "{secret}: {written}");
        }
    }
}
