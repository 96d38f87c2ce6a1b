//! Database servers that are killed in the middle of a sweep.

use std::thread::sleep;
use std::time::Duration;

use super::dice::{Dice, rounds};
use super::tally::{Tally, any_order};
use crate::servers::Engine;
use crate::stage::{EVERY_TWO_SECONDS, on_a_private_server, stop, wait};

/// Long enough for a sweep that a crash can come in the middle of.
const ROWS: u32 = 40_000;
const LIMITS: &str = "nice = 0\nbatch_target = \"20ms\"\nmax_rows_per_second = 20000";

#[test]
fn the_daemon_outlives_crash_after_crash_of_its_database_and_counts_exactly() {
    std::thread::scope(|scope| {
        for engine in Engine::SERVERS {
            scope.spawn(move || crash_again_and_again(engine));
        }
    });
}

fn crash_again_and_again(engine: Engine) {
    on_a_private_server(engine, |server, stage| {
        let mut dice = Dice::throw(&format!("crashes, {engine:?}"));
        let mut tally = Tally::set_up(stage, EVERY_TWO_SECONDS, LIMITS, "");
        let mut daemon = tally.start(&["run"], any_order(&mut dice));
        let mut crashes = 0;
        for _ in rounds(20, Duration::from_secs(7)) {
            tally.top_up(ROWS);
            let before = tally.assert_balance().deleted;
            let scales = stage.scales();
            wait(&mut daemon, "nothing more is deleted", || scales().deleted > before);
            sleep(dice.millis(0, 400));
            server.kill();
            sleep(dice.millis(0, 600));
            server.restart();
            tally.assert_balance();
            crashes += 1;
        }
        stage.wait_until_swept(&mut daemon);
        stage.wait_for_runs(&mut daemon, |runs| runs.iter().all(|run| run.state != "running"));
        stop(&mut daemon);
        tally.assert_all_gone();
        println!("{engine:?}: {} rows, {crashes} crashes", tally.added());
    });
}
