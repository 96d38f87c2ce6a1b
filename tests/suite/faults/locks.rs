//! Locks of the application that last longer than a silent run may live.

use std::time::Duration;

use super::tally::Tally;
use crate::process::Deadline;
use crate::servers::Engine;
use crate::stage::{EVERY_SECOND, LIMIT, Stage, stop, wait};

const LIMITS: &str = "nice = 0\nlock_timeout = \"20s\"\nstatement_timeout = \"20s\"";
const DAEMON: &str = "[daemon]\nheartbeat = \"250ms\"\nstale_after = \"2s\"";
/// More than twice `stale_after`.
const LOCKED: Duration = Duration::from_secs(5);

#[test]
fn a_run_whose_batch_waits_for_a_lock_stays_alive_and_nobody_takes_over() {
    let cases = [
        (Engine::Postgres, r#"LOCK TABLE "Session" IN SHARE MODE"#),
        (Engine::Postgres, r#"SELECT 1 FROM "Session" WHERE "sessionToken" LIKE 'expired-%' FOR UPDATE"#),
        (Engine::MySql, "LOCK TABLES Session READ"),
        (Engine::MySql, "SELECT 1 FROM Session WHERE sessionToken LIKE 'expired-%' FOR UPDATE"),
    ];
    std::thread::scope(|scope| {
        for (engine, lock) in cases {
            scope.spawn(move || {
                if let Some(stage) = Stage::fresh(engine) {
                    stays_alive(&stage, lock);
                }
            });
        }
    });
}

fn stays_alive(stage: &Stage, lock: &str) {
    let mut tally = Tally::set_up(stage, EVERY_SECOND, LIMITS, DAEMON);
    tally.add(500);
    let application = stage.database().session();
    application.execute(&format!("BEGIN; {lock}"));
    let mut sweep = tally.start(&["clean", "-v"], "auto");
    sweep.wait_for_output("run started", LIMIT);
    let mut other = tally.start(&["run"], "auto");
    other.wait_for_output("another process is running this job", LIMIT);

    let deadline = Deadline::after(LOCKED);
    let mut seen = Vec::new();
    wait(&mut other, "the lock is still to be held", || {
        seen.extend(stage.database().texts(heartbeat(stage.database().engine())));
        deadline.has_passed()
    });
    seen.dedup();
    assert!(seen.len() >= 4, "{lock}: few heartbeats: {seen:?}");
    let runs = stage.runs();
    let others: Vec<_> = runs.iter().filter(|run| run.state != "skipped").collect();
    assert!(matches!(&*others, [run] if run.state == "running" && run.deleted == 0), "{lock}: {runs:?}");

    application.execute(if lock.starts_with("LOCK TABLES") { "UNLOCK TABLES" } else { "COMMIT" });
    assert_eq!(sweep.exit_code(LIMIT), 0, "{}", sweep.output());
    stop(&mut other);
    tally.assert_all_gone();
    assert!(stage.runs().iter().all(|run| run.trigger != "takeover" && run.state != "interrupted"), "{lock}");
}

fn heartbeat(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "SELECT heartbeat_at::text FROM sweepd.run WHERE state = 'running'",
        _ => "SELECT CAST(heartbeat_at AS CHAR) FROM sweepd_run WHERE state = 'running'",
    }
}
