//! A process that stands still at a random point of its sweep, and wakes after another one has taken over.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use super::dice::{Dice, is_long, rounds};
use super::tally::{Tally, any_order};
use crate::process::Process;
use crate::servers::Engine;
use crate::stage::{LIMIT, NEVER, Run, Stage, on_every_engine};

const DAEMON: &str = "[daemon]\nheartbeat = \"100ms\"\nstale_after = \"400ms\"";
const STALE: Duration = Duration::from_millis(450);
/// A transaction that is silent for a second is ended by the server.
const LIMITS: &str = "nice = 1\nbatch_target = \"10ms\"\nmax_rows_per_second = 25000\nstatement_timeout = \"1s\"";
const ROWS: u32 = 5000;
/// What the process finds when it wakes.
const LATER: u32 = 300;

#[test]
fn a_process_that_wakes_after_it_was_taken_over_deletes_nothing_more() {
    on_every_engine(|stage| {
        let engine = stage.database().engine();
        let mut dice = Dice::throw(&format!("pauses, {engine:?}"));
        let mut tally = Tally::set_up(stage, NEVER, LIMITS, DAEMON);
        if engine == Engine::Sqlite && dice.one_in(2) {
            stage.database().execute("PRAGMA journal_mode = WAL");
        }
        let mut ends = BTreeMap::new();
        for _ in rounds(100, Duration::from_secs(12)) {
            tally.top_up(1000 + dice.below(ROWS));
            *ends.entry(pause_once(stage, &mut tally, &mut dice)).or_insert(0) += 1;
        }
        tally.sweep_the_rest();
        tally.assert_all_gone();
        println!("{engine:?}: {} rows, {ends:?}", tally.added());
        assert!(!is_long() || ends.contains_key("taken over"), "{engine:?}: {ends:?}");
    });
}

/// Stops a sweep, lets another one do its work, and wakes it. Says what became of it.
fn pause_once(stage: &Stage, tally: &mut Tally<'_>, dice: &mut Dice) -> &'static str {
    let before = stage.runs();
    let mut first = tally.start(&["clean", "-v"], any_order(dice));
    first.wait_for_output("run started", LIMIT);
    sleep(dice.millis(0, 250));
    first.signal("STOP");
    if stage.database().engine() == Engine::Sqlite && is_locked(stage) {
        first.signal("CONT");
        assert_eq!(first.exit_code(LIMIT), 0, "{}", first.output());
        tally.assert_balance();
        return "held the lock of the file";
    }
    sleep(STALE);
    let mut second = tally.start(&["clean", "-v"], any_order(dice));
    assert_eq!(second.exit_code(LIMIT), 0, "{}", second.output());
    assert_eq!(tally.assert_balance().left, 0);

    let first_run = |runs: Vec<Run>| runs.into_iter().find(|run| before.iter().all(|known| known.id != run.id));
    let paused = first_run(stage.runs()).expect("a run");
    tally.add(LATER);
    first.signal("CONT");
    let code = first.exit_code(LIMIT);
    let left = tally.assert_balance().left;
    assert_eq!((first_run(stage.runs()).expect("a run"), left), (paused.clone(), i64::from(LATER)), "it went on");
    how_it_ended(&paused, code, &first)
}

fn how_it_ended(run: &Run, code: i32, process: &Process) -> &'static str {
    match &*run.state {
        "completed" => {
            assert_eq!(code, 0, "{}", process.output());
            "had ended"
        }
        "interrupted" => {
            assert_eq!(code, 1, "{}", process.output());
            assert!(process.output().contains("another process took over this run"), "{}", process.output());
            "taken over"
        }
        state => panic!("{state}: {}", process.output()),
    }
}

/// The lock is on the whole file, and nothing can take it from a process that stands still.
fn is_locked(stage: &Stage) -> bool {
    let session = stage.database().session();
    session.execute("PRAGMA busy_timeout = 100");
    session.try_execute("BEGIN EXCLUSIVE; ROLLBACK").is_err()
}
