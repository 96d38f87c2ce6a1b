//! Jobs and runs: what is told of them.

use serde_json::{Value, json};

use super::called::{CRON, Called, READ_SECRET, SLOWLY, is_instant};
use crate::servers::Engine;
use crate::stage::{Stage, on_every_engine};

const REPORT: [&str; 18] = [
    "batches",
    "cutoff",
    "deletedCount",
    "durationMs",
    "error",
    "finishedAt",
    "host",
    "job",
    "order",
    "outcome",
    "plan",
    "progress",
    "runId",
    "scheduledFor",
    "startedAt",
    "stoppedBy",
    "throttledMs",
    "trigger",
];
const JOB: [&str; 14] = [
    "activeRun",
    "database",
    "description",
    "lastRun",
    "lastSuccess",
    "name",
    "nextRun",
    "paused",
    "problem",
    "schedule",
    "statistics",
    "table",
    "throttle",
    "timezone",
];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}

#[test]
fn a_job_says_what_it_is_and_what_it_did() {
    on_every_engine(|stage| {
        stage.fill(10, 5);
        let mut called = Called::start(stage, "", "");
        let list = called.get_until("/api/jobs", |jobs| !jobs.json()["jobs"][0]["statistics"].is_null()).json();
        assert_eq!(keys(&list), ["jobs", "problems"]);
        assert_eq!(list["problems"], json!([]));
        let job = &list["jobs"][0];
        assert_eq!(keys(job), JOB);
        assert_eq!((&job["name"], &job["database"]), (&json!("sessions"), &json!("default")));
        assert!(job["table"].as_str().is_some_and(|table| table.ends_with("Session")), "{job}");
        assert!(job["nextRun"].as_str().is_some_and(is_instant), "{job}");
        for none in ["paused", "activeRun", "throttle", "lastRun", "lastSuccess", "problem"] {
            assert!(job[none].is_null(), "{none}: {job}");
        }
        assert_eq!((&job["statistics"]["total"], &job["statistics"]["active"]), (&json!(15), &json!(5)));

        let done = called.post("/api/jobs/sessions/runs");
        assert_eq!(done.status, 200, "{done:?}");
        let done = done.json();
        assert_eq!(keys(&done), REPORT);
        assert_eq!(
            (&done["deletedCount"], &done["trigger"], &done["outcome"]),
            (&json!(10), &json!("api"), &json!("completed"))
        );
        // What stands in the ledger may be some seconds old.
        let shown = called.get_until("/api/jobs/sessions", |job| !job.json()["lastRun"].is_null()).json();
        let mut expected = JOB.to_vec();
        expected.extend(["nextRuns", "plan"]);
        expected.sort_unstable();
        assert_eq!(keys(&shown), expected);
        assert_eq!((&shown["lastRun"]["runId"], &shown["lastSuccess"]), (&done["runId"], &done["finishedAt"]));
        let next: Vec<_> = shown["nextRuns"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert!(next.len() == 5 && next.iter().all(|at| is_instant(at)) && next.is_sorted(), "{next:?}");
        assert_eq!(shown["nextRun"], next[0]);
        assert_eq!(
            (&shown["plan"]["column"], &shown["plan"]["walks"][0]["order"]),
            (&json!("expires"), &json!("physical"))
        );
        called.stop();
    });
}

#[test]
fn a_run_that_is_held_up_says_why() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(1000, 5);
    let file = stage.directory().join("stop");
    let limits = format!("{SLOWLY}\nstop_file = {}", toml::Value::from(file.to_str().expect("text")));
    let mut called = Called::start(&stage, &limits, "");
    let id = called.begin("/api/jobs/sessions/runs?wait=0");
    std::fs::write(&file, "").expect("a file");
    let held = called.get_until("/api/jobs/sessions", |job| job.json()["throttle"] == "stop-file").json();
    assert_eq!(held["activeRun"], id);
    assert_eq!(called.run(&id)["progress"]["throttle"], "stop-file");
    std::fs::remove_file(&file).expect("it is there");
    called.stop();
    stage.assert_counts(1000);
}

#[test]
fn runs_are_listed_newest_first_and_one_by_one() {
    on_every_engine(|stage| {
        let mut called = Called::start(stage, "", "");
        assert_eq!(called.get("/api/runs").json(), json!({"runs": []}));
        let ids: Vec<_> = (0..3).map(|_| called.post("/api/jobs/sessions/runs").json()["runId"].clone()).collect();
        let listed = |path: &str| {
            let answer = called.place.get(path, READ_SECRET);
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()["runs"].as_array().expect("a list").clone()
        };
        let newest: Vec<_> = listed("/api/runs").iter().map(|run| run["runId"].clone()).collect();
        assert_eq!(newest, ids.iter().rev().cloned().collect::<Vec<_>>());
        let two = listed("/api/runs?limit=2");
        assert_eq!((two.len(), &two[0]["runId"]), (2, &ids[2]));
        assert_eq!(keys(&two[0]), REPORT);
        assert_eq!(called.run(ids[2].as_str().expect("an id")), two[0]);

        let unknown = "/api/runs/01a00000-0000-7000-8000-000000000000";
        let cases = [
            ("/api/runs?limit=0", 400, "limit must be from 1 to 1000"),
            ("/api/runs?limit=1001", 400, "limit must be from 1 to 1000"),
            ("/api/runs?limit=-1", 400, "limit: invalid digit"),
            ("/api/runs?limt=1", 400, "unknown field `limt`"),
            ("/api/runs/nonsense", 400, "a run's id is a UUID"),
            (unknown, 404, "there is no such run"),
            ("/api/jobs/nobody", 404, "there is no enabled job \"nobody\"; there are: sessions"),
        ];
        for (path, status, part) in cases {
            let answer = called.get(path);
            assert_eq!(answer.status, status, "{path}: {answer:?}");
            assert!(answer.error().contains(part), "{path}: {answer:?}");
        }
        for path in ["runs", "runs?wait=0", "runs?dryRun=1", "pause", "resume"] {
            let path = format!("/api/jobs/nobody/{path}");
            assert_eq!(called.post(&path).status, 404, "{path}");
        }
        called.stop();
    });
}

#[test]
fn who_may_only_read_changes_nothing() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(3, 2);
    let mut called = Called::start(&stage, "", "");
    for path in [CRON, "/api/jobs/sessions/runs", "/api/jobs/sessions/pause", "/api/jobs/sessions/resume"] {
        for (secret, status) in [(Some(READ_SECRET), 403), (None, 401)] {
            let answer = called.place.call("POST", path, secret, "");
            assert_eq!(answer.status, status, "{path}: {answer:?}");
        }
    }
    for path in ["/api/jobs", "/api/jobs/sessions", "/api/runs", "/metrics", "/api/openapi.json", CRON] {
        assert_eq!(called.place.get(path, READ_SECRET).status, 200, "{path}");
        assert_eq!(called.place.call("GET", path, None, "").status, 401, "{path}");
    }
    called.stop();
    assert_eq!((stage.sessions(), stage.runs()), ((2, 3), vec![]));
}

/// Each look at the ledger takes a connection, which the application may need.
#[test]
fn a_crowd_that_looks_at_runs_takes_few_connections() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    let mut called = Called::start(&stage, "", "");
    let (ledger, observer) = (stage.database().session(), stage.database().admin());
    called.post(CRON);
    ledger.execute("BEGIN; LOCK TABLE sweepd.run IN ACCESS EXCLUSIVE MODE");
    let connected = || {
        observer.count(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    };
    std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..60).map(|_| scope.spawn(|| called.get("/api/runs").status)).collect();
        let deadline = crate::process::Deadline::after(crate::stage::LIMIT);
        while connected() < 4 {
            assert!(!deadline.has_passed());
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(connected(), 4);
        ledger.execute("COMMIT");
        assert!(crowd.into_iter().all(|call| call.join().expect("it is answered") == 200));
    });
    called.stop();
}
