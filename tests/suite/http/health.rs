//! Whether all is well: `/readyz`, and what it goes by.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use sweepd::config::{Config, Environment};
use sweepd::job::Job;
use sweepd::ledger::{Armed, Pause, Standing};
use sweepd::report::{Outcome, Report, RunId, Trigger};
use sweepd::status::{Problem, judge, overdue};

use super::called::{CRON, Called, LATER, SECRET, with_http};
use crate::servers::Engine;
use crate::stage::{LIMIT, Stage, on_every_engine, wait};

/// Waits for an answer, which has no word but this one.
fn readiness(called: &Called, status: u16) {
    let word = if status == 200 { "ok" } else { "unavailable" };
    let body = format!(r#"{{"status":"{word}"}}"#);
    let answer = called.get_until("/readyz", |answer| answer.status == status);
    assert_eq!(answer.body, body);
    let without_secret = called.place.call("GET", "/readyz", None, "");
    assert_eq!((without_secret.status, without_secret.body), (status, body));
    assert_eq!(called.place.call("GET", "/healthz", None, "").body, r#"{"status":"ok"}"#);
}

fn problems(called: &Called) -> Vec<String> {
    let jobs = called.get("/api/jobs").json();
    jobs["problems"].as_array().expect("a list").iter().map(|text| text.as_str().expect("text").to_owned()).collect()
}

#[test]
fn an_edit_that_cannot_be_used_makes_it_unready_until_the_next_good_one() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    let mut called = Called::start(&stage, "", "");
    readiness(&called, 200);
    stage.configure(LATER, "max_rows = \"many\"", &with_http(""));
    called.daemon.wait_for_output("cannot be used", LIMIT);
    readiness(&called, 503);
    let problems = problems(&called);
    assert!(problems.len() == 1 && problems[0].contains("jobs.sessions.limits.max_rows"), "{problems:?}");
    assert!(!problems[0].contains(SECRET), "{problems:?}");
    stage.configure(LATER, "max_rows = 7", &with_http(""));
    readiness(&called, 200);
    called.stop();
}

#[test]
fn a_run_that_failed_makes_it_unready_until_one_succeeds() {
    on_every_engine(|stage| {
        let rename = |from: &str, to: &str| {
            let quote = if stage.database().engine() == Engine::MySql { "" } else { "\"" };
            stage.database().execute(&format!("ALTER TABLE {quote}{from}{quote} RENAME TO {quote}{to}{quote}"));
        };
        stage.fill(100, 2);
        let mut called = Called::start(stage, "max_rows = 30", "");
        readiness(&called, 200);
        rename("Session", "Gone");
        assert_eq!(called.post(CRON).status, 500);
        readiness(&called, 503);
        let problems = problems(&called);
        assert!(problems.len() == 1 && problems[0].starts_with("sessions: the last run failed: "), "{problems:?}");
        assert_eq!(called.get("/api/jobs/sessions").json()["problem"], *problems[0]);
        rename("Gone", "Session");
        // Limits are configuration: what they leave is no trouble.
        assert_eq!(called.post(CRON).json()["partial"], true);
        readiness(&called, 200);
        called.stop();
    });
}

#[test]
fn an_instant_that_nobody_answered_makes_it_unready_until_somebody_sweeps() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(3, 2);
    let daily = |stage: &Stage| {
        let job = "[jobs.other]\nschedule = \"daily at 02:00\"\ncatch_up = false\npreset = \"authjs-prisma\"";
        Called::start(stage, "", job)
    };
    let mut called = daily(&stage);
    let armed = "SELECT count(*) FROM sweepd_armed WHERE job = 'other'";
    let is_armed = || stage.database().session().try_count(armed).is_ok_and(|count| count == 1);
    wait(&mut called.daemon, "the job is not armed", is_armed);
    called.stop();
    stage.database().execute("UPDATE sweepd_armed SET since = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-3 days')");
    let mut called = daily(&stage);
    readiness(&called, 503);
    let problems = problems(&called);
    assert!(problems.len() == 1 && problems[0].starts_with("other: nobody ran it at 20"), "{problems:?}");
    assert_eq!(called.post(&format!("{CRON}?job=other")).json()["deletedCount"], 3);
    readiness(&called, 200);
    called.stop();
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-11-{text}Z").parse().expect("an instant")
}

/// Runs daily at two.
fn job() -> Job {
    let text = "[jobs.sessions]\nschedule = \"daily at 02:00\"\npreset = \"authjs-prisma\"";
    let environment: Environment = [("DATABASE_URL", "sqlite:app.db")].into_iter().collect();
    Config::from_text(Path::new("sweepd.toml"), text, &environment).expect("a configuration").jobs.remove(0)
}

fn standing(since: &str, answered: Option<&str>) -> Standing {
    let armed = Armed { schedule: job().armed_as(), since: at(since), answered: answered.map(at) };
    Standing { armed: Some(armed), last: None, last_success: None, paused: None }
}

#[test]
fn a_job_is_overdue_five_minutes_after_an_instant_that_nobody_answered() {
    let two = Some(at("24T02:00:00"));
    let (before, none) = (Some("23T02:00:00"), None);
    let cases = [
        // since, answered, now, overdue
        ("20T12:00:00", before, "24T02:04:59.999", none),
        ("20T12:00:00", before, "24T02:05:00", two),
        ("20T12:00:00", before, "24T23:00:00", two),
        ("20T12:00:00", Some("24T02:00:00"), "24T23:00:00", none),
        ("20T12:00:00", Some("24T02:00:00"), "25T02:04:59", none),
        ("20T12:00:00", Some("24T02:00:00"), "25T02:05:00", Some(at("25T02:00:00"))),
        ("20T12:00:00", None, "24T12:00:00", two),
        // The newest counts.
        ("20T12:00:00", Some("21T02:00:00"), "24T12:00:00", two),
        // What was before there was this schedule was nobody's to answer.
        ("24T01:59:59.999", None, "24T12:00:00", two),
        ("24T02:00:00", None, "24T12:00:00", none),
        ("24T02:00:01", None, "25T02:04:59", none),
    ];
    for (since, answered, now, expected) in cases {
        let found = overdue(&job(), &standing(since, answered), TimeDelta::zero(), at(now));
        assert_eq!(found, expected, "{since} {answered:?} {now}");
    }
    // The ledger does not know yet of an edit.
    let mut other = standing("20T12:00:00", None);
    other.armed.as_mut().expect("a schedule").schedule = "0 3 * * * UTC".to_owned();
    assert_eq!(overdue(&job(), &other, TimeDelta::zero(), at("24T12:00:00")), none);
    let unarmed = Standing { armed: None, ..standing("20T12:00:00", None) };
    assert_eq!(overdue(&job(), &unarmed, TimeDelta::zero(), at("24T12:00:00")), none);
}

#[test]
fn a_host_that_runs_later_than_others_is_overdue_later() {
    let standing = standing("20T12:00:00", Some("23T02:00:00"));
    let overdue = |now| overdue(&job(), &standing, TimeDelta::minutes(10), at(now));
    assert_eq!(overdue("24T02:14:59"), None);
    assert_eq!(overdue("24T02:15:00"), Some(at("24T02:00:00")));
}

#[test]
fn a_run_since_then_is_as_good_whatever_it_was_asked_for_with() {
    let now = at("24T12:00:00");
    for (success, expected) in [("24T01:59:59", Some(at("24T02:00:00"))), ("24T02:00:00", None), ("24T11:00:00", None)]
    {
        let standing = Standing { last_success: Some(at(success)), ..standing("20T12:00:00", Some("23T02:00:00")) };
        assert_eq!(overdue(&job(), &standing, TimeDelta::zero(), now), expected, "{success}");
    }
}

#[test]
fn how_the_last_run_ended_is_judged() {
    let now = at("24T12:00:00");
    let judged = |outcome: Option<Outcome>, error: Option<&str>| {
        let begun = Report::begun("sessions", RunId::new(now), Trigger::Schedule, now, "here");
        let last = Report { outcome, error: error.map(str::to_owned), ..begun };
        let standing = Standing { last: Some(last), ..standing("20T12:00:00", Some("24T02:00:00")) };
        judge(&job(), &standing, TimeDelta::zero(), now).map(|problem| problem.to_string())
    };
    assert_eq!(
        judged(Some(Outcome::Failed), Some("no such table")).as_deref(),
        Some("sessions: the last run failed: no such table")
    );
    assert_eq!(judged(Some(Outcome::Interrupted), None).as_deref(), Some("sessions: the last run was interrupted"));
    // A limit, a window or a stop left something: that is in the metrics and the log.
    for fine in [None, Some(Outcome::Completed), Some(Outcome::Partial)] {
        assert_eq!(judged(fine, None), None, "{fine:?}");
    }
    let paused =
        Standing { paused: Some(Pause { since: now, host: "here".to_owned() }), ..standing("20T12:00:00", None) };
    assert_eq!(judge(&job(), &paused, TimeDelta::zero(), now), None, "who paused it knows");
    let never_ran = standing("20T12:00:00", Some("24T02:00:00"));
    assert_eq!(judge(&job(), &never_ran, TimeDelta::zero(), now), None);
    let overdue = standing("20T12:00:00", None);
    let problem = judge(&job(), &overdue, TimeDelta::zero(), now);
    assert_eq!(problem, Some(Problem::Overdue { job: "sessions".to_owned(), since: at("24T02:00:00") }));
}
