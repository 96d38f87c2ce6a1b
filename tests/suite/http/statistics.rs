//! The statistics: counted once for all who ask, and known when the database is away.

use serde_json::Value;

use super::called::{CRON, Called};
use super::client::Answer;
use crate::process::Deadline;
use crate::servers::Engine;
use crate::stage::{LIMIT, Stage, on_a_private_server, on_every_engine};

const EXACT: &str = "/api/cron/cleanup-sessions?exact=1";

fn expired(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["stats"]["expired"].as_u64().expect("a number")
}

fn age(answer: &Answer) -> u64 {
    answer.header("age").and_then(|age| age.parse().ok()).unwrap_or_else(|| panic!("no age: {answer:?}"))
}

#[test]
pub fn they_are_kept_and_have_an_age_until_a_run_or_somebody_insists() {
    on_every_engine(|stage| {
        stage.fill(10, 5);
        let mut called = Called::start(stage, "", "");
        let first = called.get(CRON);
        assert_eq!(expired(&first), 10);
        stage.fill_again();
        let older = called.get_until(CRON, |answer| age(answer) > 0);
        assert_eq!(expired(&older), 10, "it is kept");
        assert_eq!(older.json()["stats"]["timestamp"], first.json()["stats"]["timestamp"]);
        let exact = called.get(EXACT);
        assert_eq!((expired(&exact), age(&exact)), (11, 0));
        assert_eq!(expired(&called.get(CRON)), 11, "that is the newest");
        assert_eq!(called.post(CRON).json()["deletedCount"], 11);
        called.get_until(CRON, |answer| expired(answer) == 0);
        called.stop();
    });
}

/// Whether 200 ask at once or one: the table is counted once, and what is known is answered without waiting.
#[test]
fn a_crowd_that_asks_makes_one_count() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    stage.fill(60_000, 60_000);
    let mut called = Called::start(&stage, "max_rows = 10\nlock_timeout = \"20s\"", "");
    assert_eq!(expired(&called.get(CRON)), 60_000);
    let (lock, observer) = (stage.database().session(), stage.database().admin());
    let waiting = || {
        observer.count(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    };
    let crowd = |path| {
        std::thread::scope(|scope| {
            let crowd: Vec<_> = (0..200).map(|_| scope.spawn(|| called.get(path))).collect();
            let mut most = 0;
            while !crowd.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                most = most.max(waiting());
                if path == EXACT && most > 0 && called.daemon.id() > 0 {
                    // All have asked by now, and nobody can be answered.
                    std::thread::sleep(std::time::Duration::from_millis(300));
                    most = most.max(waiting());
                    lock.execute("COMMIT");
                }
            }
            (most, crowd.into_iter().map(|call| call.join().expect("it is answered")).collect::<Vec<_>>())
        })
    };
    // What is known is older than the last run, so it is stale.
    assert_eq!(called.post(CRON).json()["deletedCount"], 10);
    lock.execute("BEGIN; LOCK TABLE \"Session\" IN ACCESS EXCLUSIVE MODE");
    let deadline = Deadline::after(LIMIT);
    while waiting() == 0 {
        assert_eq!(expired(&called.get(CRON)), 60_000);
        assert!(!deadline.has_passed(), "nobody counts anew");
    }
    let (most, answers) = crowd(CRON);
    assert_eq!((most, waiting()), (1, 1));
    assert!(answers.iter().all(|answer| expired(answer) == 60_000));
    lock.execute("COMMIT");
    called.get_until(CRON, |answer| expired(answer) == 59_990);

    lock.execute("BEGIN; LOCK TABLE \"Session\" IN ACCESS EXCLUSIVE MODE");
    let (most, answers) = crowd(EXACT);
    assert_eq!(most, 1);
    assert!(answers.iter().all(|answer| expired(answer) == 59_990));
    called.stop();
}

#[test]
fn they_are_known_while_the_database_is_away() {
    std::thread::scope(|scope| {
        for engine in Engine::SERVERS {
            scope.spawn(move || {
                on_a_private_server(engine, |server, stage| {
                    stage.fill(10, 5);
                    let mut called = Called::start(stage, "", "");
                    assert_eq!(expired(&called.get(CRON)), 10);
                    assert_eq!(called.get("/readyz").body, r#"{"status":"ok"}"#);
                    server.stop();
                    let known = called.get(CRON);
                    assert_eq!((expired(&known), age(&known) < 60), (10, true));
                    let exact = called.get(EXACT);
                    assert_eq!(exact.status, 500, "{exact:?}");
                    assert!(exact.error().starts_with("sessions: cannot reach "), "{exact:?}");
                    assert!(exact.error().contains("Connection refused"), "{exact:?}");
                    let run = called.post(CRON);
                    assert_eq!(run.status, 500, "who waits is told at once: {run:?}");
                    assert!(run.error().starts_with("sessions: cannot reach "), "{run:?}");
                    let id = run.json()["runId"].as_str().expect("an id").to_owned();
                    let away = called.get_until("/readyz", |answer| answer.status == 503);
                    assert_eq!(away.body, r#"{"status":"unavailable"}"#);
                    assert_eq!(called.place.call("GET", "/healthz", None, "").status, 200);
                    let jobs = called.get("/api/jobs").json();
                    let problem = jobs["problems"][0].as_str().expect("a problem");
                    assert!(problem.starts_with("sessions: cannot reach "), "{jobs}");
                    assert_eq!(
                        (&jobs["jobs"][0]["statistics"]["expired"], &jobs["jobs"][0]["lastRun"]),
                        (&10.into(), &Value::Null)
                    );
                    let runs = called.get("/api/runs");
                    assert_eq!(runs.status, 500, "{runs:?}");
                    assert!(runs.error().starts_with("cannot reach "), "{runs:?}");

                    server.restart();
                    called.get_until("/readyz", |answer| answer.status == 200);
                    // No ledger knows of it, and the daemon does.
                    assert_eq!(called.run(&id)["outcome"], "failed");
                    assert_eq!(called.post(CRON).json()["deletedCount"], 10);
                    called.stop();
                });
            });
        }
    });
}
