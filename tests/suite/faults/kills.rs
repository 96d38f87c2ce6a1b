//! SIGKILL at random points of a sweep, again and again.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use super::dice::{Dice, is_long, rounds};
use super::tally::{Tally, any_order};
use crate::process::{Deadline, Process, sweepd};
use crate::servers::Engine;
use crate::stage::{Balance, EVERY_SECOND, LIMIT, Stage, on_every_engine};

const DAEMON: &str = "[daemon]\nheartbeat = \"100ms\"\nstale_after = \"400ms\"";
const STALE: Duration = Duration::from_millis(450);
/// Sweeps of [`ROWS`] rows that take about as long as the longest wait before a kill.
const LIMITS: &str = "nice = 1\nbatch_target = \"10ms\"\nmax_rows_per_second = 20000";
const ROWS: u32 = 5000;

#[test]
fn what_sigkill_leaves_is_counted_exactly_and_nothing_stays_behind() {
    on_every_engine(|stage| {
        let engine = stage.database().engine();
        let mut dice = Dice::throw(&format!("kills, {engine:?}"));
        let mut tally = Tally::set_up(stage, EVERY_SECOND, LIMITS, DAEMON);
        let mut hits = BTreeMap::new();
        for _ in rounds(200, Duration::from_secs(13)) {
            if engine == Engine::Sqlite && dice.one_in(5) {
                change_journal(stage, dice.one_of(&["DELETE", "WAL"]));
            }
            tally.top_up(500 + dice.below(ROWS));
            *hits.entry(kill_once(stage, &tally, &mut dice)).or_insert(0) += 1;
            tally.assert_balance();
        }
        tally.sweep_the_rest();
        tally.assert_all_gone();
        println!("{engine:?}: {} rows, killed {hits:?}", tally.added());
        if is_long() {
            for point in ["before the claim", "claimed", "planned", "between batches", "all deleted", "ended"] {
                assert!(hits.contains_key(point), "{engine:?}: never killed at {point:?}: {hits:?}");
            }
        }
    });
}

/// A connection that was just closed may still be in the way, and is not waited for.
fn change_journal(stage: &Stage, mode: &str) {
    let session = stage.database().session();
    let deadline = Deadline::after(LIMIT);
    while let Err(error) = session.try_execute(&format!("PRAGMA journal_mode = {mode}")) {
        assert!(!deadline.has_passed(), "{error}");
        sleep(Duration::from_millis(5));
    }
}

/// Kills a sweep, and says how far it had come.
fn kill_once(stage: &Stage, tally: &Tally<'_>, dice: &mut Dice) -> &'static str {
    let before = stage.runs();
    let dead = before.iter().any(|run| run.state == "running");
    // Twice as often a run that takes the dead one's place at once as a daemon, which waits for it or for its instant.
    let arguments: &[&str] = if dice.one_in(3) { &["run"] } else { &["clean", "-v"] };
    if dead && arguments[0] == "clean" {
        sleep(STALE);
    }
    let mut process = tally.start(arguments, any_order(dice));
    wait_for_a_moment(stage, &mut process, dice);
    process.signal("KILL");
    process.wait_timeout(LIMIT).expect("SIGKILL ends it");

    let runs = stage.runs();
    let new = runs.iter().rev().find(|run| run.state != "skipped" && before.iter().all(|known| known.id != run.id));
    match new {
        None => "before the claim",
        Some(run) if run.state != "running" => "ended",
        Some(run) if !run.planned => "claimed",
        Some(run) if run.deleted == 0 => "planned",
        Some(_) if stage.balance().left == 0 => "all deleted",
        Some(_) => "between batches",
    }
}

/// The claim, the plan, the batches and the finish each get their share: by time alone the longest would have most.
fn wait_for_a_moment(stage: &Stage, process: &mut Process, dice: &mut Dice) {
    let before = stage.balance().deleted;
    let moment = dice.below(6);
    if moment == 0 {
        return sleep(dice.millis(0, 120));
    }
    process.wait_for_output("run started", LIMIT);
    let scales = stage.scales();
    let is_there = |balance: Balance| match moment {
        1 | 2 => true,
        3 | 4 => balance.deleted > before,
        _ => balance.left == 0,
    };
    while process.wait_timeout(Duration::ZERO).is_none() && !is_there(scales()) {
        sleep(Duration::from_millis(1));
    }
    let longest = [0, 5, 60, 20, 200, 2][moment as usize];
    sleep(dice.millis(0, longest));
}

/// On MySQL each statement of a migration stands for itself: who is killed between two of them must not be in the way
/// of the next.
#[test]
fn migrations_that_were_killed_half_way_are_finished() {
    on_every_engine(|stage| {
        let engine = stage.database().engine();
        if engine == Engine::MySql {
            let script = include_str!("../../../migrations/mysql/0001_ledger.sql");
            stage.database().execute(script);
            stage.database().execute("ALTER TABLE sweepd_run ADD COLUMN plan mediumtext");
            assert_eq!(migrate(stage).exit_code(LIMIT), 0, "after an ALTER that was not recorded");
        }
        let mut dice = Dice::throw(&format!("migrations, {engine:?}"));
        for _ in rounds(100, Duration::from_secs(6)) {
            let Some(stage) = Stage::fresh(engine) else { return };
            let mut first = migrate(&stage);
            sleep(dice.millis(20, 150));
            first.signal("KILL");
            first.wait_timeout(LIMIT).expect("SIGKILL ends it");
            let mut second = migrate(&stage);
            assert_eq!(second.exit_code(LIMIT), 0, "{engine:?}: {}", second.output());
        }
    });
}

fn migrate(stage: &Stage) -> Process {
    let mut command = sweepd();
    command.arg("--config").arg(stage.configure(EVERY_SECOND, "", "")).arg("migrate");
    Process::spawn(command)
}
