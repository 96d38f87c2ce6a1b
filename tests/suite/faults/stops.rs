//! A process that stands still between a change in the ledger and its COMMIT, and so holds the row that others need.
//!
//! The database's own timeout for silent transactions lets them through. A trigger of the test makes the moment long
//! enough to be met.

use std::thread::sleep;
use std::time::Duration;

use sweepd::clock::Stopwatch;

use super::tally::Tally;
use crate::process::{Deadline, Process};
use crate::servers::Engine;
use crate::stage::{EVERY_SECOND, LIMIT, QUICK_HEARTBEAT, Stage, stop, wait};

const ROWS: u32 = 8000;
const LIMITS: &str = "nice = 0\nbatch_target = \"20ms\"\nmax_rows_per_second = 5000\nstatement_timeout = \"2s\"";

/// Where it stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Claim,
    Heartbeat,
    Batch,
    Finish,
}

#[test]
fn a_process_that_stands_still_before_its_commit_does_not_keep_others_from_taking_over() {
    for moments in [[At::Claim, At::Finish], [At::Heartbeat, At::Batch]] {
        std::thread::scope(|scope| {
            for (engine, at) in moments.into_iter().flat_map(|at| Engine::SERVERS.map(|engine| (engine, at))) {
                scope.spawn(move || {
                    if let Some(stage) = Stage::fresh(engine) {
                        stands_still(&stage, at);
                    }
                });
            }
        });
    }
}

fn stands_still(stage: &Stage, at: At) {
    let engine = stage.database().engine();
    let mut tally = Tally::set_up(stage, EVERY_SECOND, LIMITS, QUICK_HEARTBEAT);
    linger(stage, at);
    tally.add(ROWS);
    let mut first = tally.start(&["clean", "-v"], "auto");
    let look = stage.database().session();
    wait(&mut first, "the trigger does not linger", || look.count(lingering(engine)) > 0);
    first.signal("STOP");
    let watch = Stopwatch::start();
    let deadline = Deadline::after(LIMIT);
    while look.count(lingering(engine)) > 0 {
        assert!(!deadline.has_passed(), "the trigger does not end");
        sleep(Duration::from_millis(5));
    }

    let mut second = tally.start(&["run"], "auto");
    let taken_over = |run: &crate::stage::Run| run.trigger != "manual" && run.state == "completed";
    stage.wait_for_runs(&mut second, |runs| runs.iter().any(taken_over));
    println!("{engine:?}, {at:?}: taken over and swept after {:?}", watch.elapsed());
    stop(&mut second);
    let mine = || stage.runs().into_iter().find(|run| run.trigger == "manual");
    let before = mine();

    tally.add(500);
    first.signal("CONT");
    let code = first.exit_code(LIMIT);
    let balance = tally.assert_balance();
    if at == At::Claim {
        // It had nothing yet, and claims again.
        assert_eq!((before, code, balance.left), (None, 0, 0), "{engine:?}: {}", first.output());
    } else {
        assert_lost(engine, at, &first, code);
        assert_eq!(before.as_ref().map(|run| &*run.state), Some("interrupted"), "{engine:?}, {at:?}");
        assert_eq!((mine(), balance.left), (before, 500), "{engine:?}, {at:?}: it went on after it was taken over");
    }
    tally.sweep_the_rest();
    tally.assert_all_gone();
}

fn assert_lost(engine: Engine, at: At, first: &Process, code: i32) {
    let said = first.output();
    assert_eq!(code, 1, "{engine:?}, {at:?}: {said}");
    assert!(said.contains("another process took over this run"), "{engine:?}, {at:?}: {said}");
}

/// Makes one change of a manual run take half a second, in which it holds its row.
fn linger(stage: &Stage, at: At) {
    let (event, when) = match at {
        At::Claim => ("INSERT", "NEW.triggered_by = 'manual'"),
        At::Heartbeat => (
            "UPDATE",
            "OLD.triggered_by = 'manual' AND NEW.state = 'running' AND OLD.plan = NEW.plan AND NEW.batches = OLD.batches",
        ),
        At::Batch => ("UPDATE", "OLD.triggered_by = 'manual' AND NEW.batches = 3 AND OLD.batches = 2"),
        At::Finish => ("UPDATE", "OLD.triggered_by = 'manual' AND NEW.state = 'completed'"),
    };
    stage.database().execute(&match stage.database().engine() {
        Engine::Postgres => format!(
            "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
             CREATE TRIGGER linger AFTER {event} ON sweepd.run FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION linger()"
        ),
        _ => format!(
            "CREATE TRIGGER linger AFTER {event} ON sweepd_run FOR EACH ROW
             BEGIN IF {when} THEN DO SLEEP(0.5); END IF; END"
        ),
    });
}

fn lingering(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => {
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        }
        _ => "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User sleep'",
    }
}
