//! Many jobs and many runs.

use std::fmt::Write as _;
use std::io::Write as _;

use sweepd::clock::Stopwatch;

use super::visitor::Visitor;
use crate::http::called::{Called, SECRET};
use crate::servers::{Engine, PrivateServer, TestDatabase};
use crate::stage::Stage;

const JOBS: usize = 50;
const RUNS: usize = 200;
const LARGEST: usize = 200_000;

fn others() -> String {
    (1..JOBS).fold(String::new(), |mut text, number| {
        let _ = writeln!(
            text,
            "[jobs.sessions-of-shop-{number:02}]\nschedule = \"daily at 02:{number:02}\"\ntimezone = \"Europe/Paris\"\n\
             preset = \"authjs-prisma\""
        );
        text
    })
}

/// Past runs of all jobs, of which each tenth failed.
fn fill(database: &TestDatabase) {
    let (table, day) = match database.engine() {
        Engine::Postgres => ("sweepd.run", "T"),
        Engine::MySql => ("sweepd_run", " "),
        Engine::Sqlite => ("sweepd_run", "T"),
    };
    let zone = if database.engine() == Engine::MySql { "" } else { "Z" };
    let target = database.texts(&format!("SELECT target FROM {table}")).remove(0).expect("a run");
    for job in 0..JOBS {
        let name = if job == 0 { "sessions".to_owned() } else { format!("sessions-of-shop-{job:02}") };
        let rows: Vec<_> = (0..RUNS)
            .map(|run| {
                let (minute, second, deleted) = (run / 60, run % 60, run * 7919 % 100_000);
                let (state, error) = if run % 10 == 3 { ("failed", "'the database went away'") } else { ("completed", "NULL") };
                let at = |second: usize| format!("'2026-01-02{day}03:{minute:02}:{second:02}.000{zone}'");
                format!(
                    "('01900000-0000-7000-8000-{job:06}{run:06}', '{target}', '{name}', 'schedule', '{state}', 'host', {}, {}, {}, {deleted}, 12, {error})",
                    at(second), at(second), at(59)
                )
            })
            .collect();
        database.execute(&format!(
            "INSERT INTO {table} (id, target, job, triggered_by, state, host, started_at, heartbeat_at, finished_at, deleted, batches, error) VALUES {}",
            rows.join(", ")
        ));
    }
}

/// A page of many jobs, as large as it is when all is known.
fn crowded(stage: &Stage) -> (Called, Visitor) {
    let called = Called::start(stage, "", &others());
    called.post("/api/jobs/sessions/runs");
    fill(stage.database());
    let visitor = Visitor::with(&called, SECRET);
    called.get_until("/api/jobs", |answer| {
        let jobs = answer.json()["jobs"].as_array().expect("jobs").clone();
        jobs.len() == JOBS && jobs.iter().all(|job| !job["statistics"].is_null() && !job["lastRun"].is_null())
    });
    (called, visitor)
}

#[test]
fn fifty_jobs_and_ten_thousand_runs_make_a_small_page() {
    for engine in Engine::all() {
        let Some(stage) = Stage::fresh(engine) else { continue };
        stage.fill(10, 5);
        let (mut called, visitor) = crowded(&stage);
        let mut times = Vec::new();
        let mut page = String::new();
        for _ in 0..5 {
            let watch = Stopwatch::start();
            page = visitor.page("/");
            times.push(watch.elapsed().as_millis());
        }
        let line = format!("{engine:?}: the page of {JOBS} jobs has {} bytes, and took {times:?} ms", page.len());
        let _ = writeln!(std::io::stderr(), "{line}");
        assert!(page.len() < LARGEST, "{}", page.len());
        assert_eq!(page.matches("<article").count(), JOBS);
        assert_eq!(page.matches(r#"class="chart""#).count(), 2 * JOBS);
        assert!(page.contains("by sessions-of-shop-49 in its last 30 runs"), "{page}");
        called.stop();
    }
}

/// However many jobs there are, a database is asked a few questions.
#[test]
fn a_page_is_a_few_statements() {
    let Some(server) = PrivateServer::start(Engine::MySql) else { return };
    let stage = Stage::on(server.fresh());
    let (mut called, visitor) = crowded(&stage);
    let admin = server.admin();
    let selects = || {
        admin.count("SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'COM_SELECT'")
    };
    // Rows may be counted meanwhile, but not each time.
    let asked = || {
        // What was known counts no more.
        called.post("/api/jobs/sessions/pause");
        called.post("/api/jobs/sessions/resume");
        let before = selects();
        visitor.page("/");
        visitor.page("/");
        selects() - before
    };
    let asked: Vec<_> = (0..3).map(|_| asked()).collect();
    assert!(asked.iter().any(|asked| *asked < 25), "{asked:?}");
    called.stop();
}
