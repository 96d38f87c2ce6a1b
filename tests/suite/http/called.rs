//! A daemon on a stage that is called over HTTP.

use std::time::Duration;

use serde_json::Value;

use super::client::{Answer, Place, request};
use crate::process::{Deadline, Process};
use crate::stage::{self, LIMIT, Stage};

pub const SECRET: &str = "the-secret-of-the-daemon";
pub const READ_SECRET: &str = "the-read-secret-of-the-daemon";

/// A job that POST runs, and the timer does not.
pub const LATER: &str = "@yearly";
pub const CRON: &str = "/api/cron/cleanup-sessions";
/// Some seconds for a thousand rows.
pub const SLOWLY: &str = "max_rows_per_second = 300";

pub struct Called {
    pub daemon: Process,
    pub place: Place,
}

impl Called {
    /// Starts it with a job `sessions`; `limits` are those of the job, `rest` is TOML.
    pub fn start(stage: &Stage, limits: &str, rest: &str) -> Self {
        Self::scheduled(stage, LATER, limits, rest)
    }

    pub fn scheduled(stage: &Stage, schedule: &str, limits: &str, rest: &str) -> Self {
        let mut daemon = stage.daemon(schedule, limits, &with_http(rest));
        let said = daemon.wait_for_output("is ready", LIMIT);
        let address = said.split("http=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
        Self { place: Place::Tcp(address.parse().expect("an address")), daemon }
    }

    /// For clients of others.
    pub fn url(&self, path: &str) -> String {
        let Place::Tcp(address) = &self.place else { panic!("only the socket has no URL") };
        format!("http://{address}{path}")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.place.get(path, SECRET)
    }

    pub fn post(&self, path: &str) -> Answer {
        self.place.call("POST", path, Some(SECRET), "")
    }

    /// Calls the cron endpoint with these headers.
    pub fn cron_with(&self, method: &str, secret: &str, headers: &str) -> Answer {
        let call = request(method, CRON, Some(secret), "");
        let mut connection = self.place.connect();
        connection.send(call.replacen("\r\n\r\n", &format!("\r\n{headers}\r\n\r\n"), 1));
        connection.answer()
    }

    /// Has a run begun, and returns its id.
    pub fn begin(&self, path: &str) -> String {
        let begun = self.post(path);
        assert_eq!(begun.status, 202, "{begun:?}");
        begun.json()["runId"].as_str().expect("an id").to_owned()
    }

    pub fn run(&self, id: &str) -> Value {
        let run = self.get(&format!("/api/runs/{id}"));
        assert_eq!(run.status, 200, "{run:?}");
        run.json()
    }

    /// Calls until the answer is as wanted, and returns it.
    pub fn get_until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let deadline = Deadline::after(LIMIT);
        loop {
            let answer = self.get(path);
            if wanted(&answer) {
                return answer;
            }
            assert!(!deadline.has_passed(), "{path}: {answer:?}\n{}", self.daemon.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end of a run, and returns its report.
    pub fn ended(&self, id: &str) -> Value {
        self.get_until(&format!("/api/runs/{id}"), |run| !run.json()["outcome"].is_null()).json()
    }

    pub fn stop(&mut self) {
        stage::stop(&mut self.daemon);
    }
}

/// A configuration with HTTP, which `rest` goes on with.
pub fn with_http(rest: &str) -> String {
    format!("[http]\nlisten = \"127.0.0.1:0\"\nsecret = \"{SECRET}\"\nread_secret = \"{READ_SECRET}\"\n{rest}")
}

/// The body, with `T` for each instant, all of which have to be of the one form that there is.
pub fn timeless(answer: &Answer) -> String {
    let mut parts = answer.body.split(r#"":""#);
    let mut timeless = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let text = part.split('"').next().unwrap_or_default();
        let value = if timeless.ends_with("imestamp") || is_instant(text) {
            assert!(is_instant(text), "{text} in {answer:?}");
            part.replacen(text, "T", 1)
        } else {
            part.to_owned()
        };
        timeless = format!(r#"{timeless}":"{value}"#);
    }
    timeless
}

/// `2025-12-28T10:00:00.000Z`
pub fn is_instant(text: &str) -> bool {
    let form = "0000-00-00T00:00:00.000Z";
    let fits = |(at, form): (char, char)| if form == '0' { at.is_ascii_digit() } else { at == form };
    text.len() == form.len() && text.chars().zip(form.chars()).all(fits)
}
