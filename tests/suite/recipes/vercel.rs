//! `deploy/vercel/vercel.json`, and what the cron services outside send.

use serde_json::Value;

use super::deployed;
use crate::http::called::{CRON, Called, SECRET};
use crate::http::client::{Answer, request};
use crate::servers::Engine;
use crate::stage::Stage;

/// A call as it comes from outside, with the caller's headers.
fn send(called: &Called, method: &str, path: &str, headers: &str) -> Answer {
    let call = request(method, path, Some(SECRET), "");
    let mut connection = called.place.connect();
    connection.send(call.replacen("\r\n\r\n", &format!("\r\n{headers}\r\n\r\n"), 1));
    connection.answer()
}

#[test]
fn its_request_runs_the_clean_up() {
    let file: Value = serde_json::from_str(&deployed("vercel/vercel.json")).unwrap();
    let (cron, rewrite) = (&file["crons"][0], &file["rewrites"][0]);
    assert_eq!(cron["path"], rewrite["source"]);
    assert_eq!(cron["schedule"].as_str().unwrap().split(' ').count(), 5);
    let path = rewrite["destination"].as_str().unwrap().strip_prefix("https://sweepd.example.com").unwrap();
    assert!(path.starts_with(CRON), "{path}");

    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(3, 2);
    let mut called = Called::start(&stage, "", "vercel_cron = true");
    let begun = send(&called, "GET", path, "User-Agent: vercel-cron/1.0");
    assert_eq!(begun.status, 202, "{begun:?}");
    let report = called.ended(begun.json()["runId"].as_str().unwrap());
    assert_eq!((&report["outcome"], &report["deletedCount"]), (&"completed".into(), &3.into()), "{report}");
    assert_eq!(stage.sessions(), (2, 0));
    called.stop();
}

/// A service that waits for 30 seconds is answered at once, and the run goes on without it.
#[test]
fn a_service_that_does_not_wait_is_answered_at_once() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(500, 2);
    let mut called = Called::start(&stage, "max_rows_per_second = 500", "");
    let path = format!("{CRON}?wait=0");
    let begun = send(&called, "POST", &path, "User-Agent: Mozilla/4.0 (compatible; cron-job.org)");
    assert_eq!(begun.status, 202, "{begun:?}");
    let run = begun.json()["runId"].as_str().unwrap().to_owned();
    let again = send(&called, "POST", &path, "User-Agent: Mozilla/4.0 (compatible; cron-job.org)");
    assert_eq!((again.status, &again.json()["runId"]), (409, &run.as_str().into()), "{again:?}");
    assert_eq!(called.ended(&run)["deletedCount"], 500);
    assert_eq!(stage.sessions(), (2, 0));
    called.stop();
}
