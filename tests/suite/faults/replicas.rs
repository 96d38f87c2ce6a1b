//! Several daemons on one database, of which any may be killed or stand still at any moment.

use std::thread::sleep;
use std::time::Duration;

use sweepd::clock::Clock;

use super::dice::{Dice, is_long};
use super::tally::{Tally, any_order};
use crate::process::{Deadline, Process};
use crate::servers::Engine;
use crate::stage::{EVERY_SECOND, LIMIT, QUICK_HEARTBEAT, Run, Stage, assert_consecutive, instants, stop, wait};

const REPLICAS: usize = 4;
/// Of those, so many may stand still at once: with one that is being restarted, one is always there.
const MOST_PAUSED: usize = 2;
/// Sweeps that take from a part of a second to somewhat more than one. A process that stands still in the middle of a
/// transaction loses it after `statement_timeout`.
const LIMITS: &str = "nice = 0\nbatch_target = \"20ms\"\nmax_rows_per_second = 12000\nstatement_timeout = \"1s\"";
const MOST_ADDED: u32 = 15_000;

#[test]
fn of_daemons_that_die_and_stand_still_one_answers_each_instant() {
    std::thread::scope(|scope| {
        for engine in Engine::SERVERS {
            scope.spawn(move || {
                if let Some(stage) = Stage::fresh(engine) {
                    die_and_stand_still(&stage);
                }
            });
        }
    });
}

fn die_and_stand_still(stage: &Stage) {
    let engine = stage.database().engine();
    let mut dice = Dice::throw(&format!("replicas, {engine:?}"));
    let wanted = if is_long() { 60 } else { 10 };
    let mut tally = Tally::set_up(stage, EVERY_SECOND, LIMITS, QUICK_HEARTBEAT);
    let mut fleet = Fleet::start(&tally, &mut dice);
    let (mut kills, mut pauses) = (0, 0);
    let deadline = Deadline::after(LIMIT * 10);
    while instants(&stage.runs()).len() < wanted {
        assert!(!deadline.has_passed(), "too few instants");
        if stage.balance().left < 1000 {
            tally.add(1000 + dice.below(MOST_ADDED));
        }
        fleet.wake_those_that_slept();
        if dice.one_in(2) {
            wait_until_just_after_an_instant(&mut dice);
        } else {
            sleep(dice.millis(20, 300));
        }
        let victim = fleet.victim(stage, &mut dice);
        if dice.one_in(2) && fleet.paused() < MOST_PAUSED && fleet.awake(victim) {
            fleet.pause(victim, dice.millis(1200, 3000));
            pauses += 1;
        } else {
            fleet.replace(victim, &tally, &mut dice);
            kills += 1;
        }
        tally.assert_balance();
    }
    fleet.wake_all();
    fleet.replicas.iter_mut().for_each(|replica| stop(&mut replica.process));
    tally.sweep_the_rest();
    tally.assert_all_gone();

    let runs = stage.runs();
    assert_consecutive(&instants(&runs), 1);
    for run in &runs {
        assert_eq!(run.scheduled_for.is_some(), run.trigger == "schedule", "{run:?}");
    }
    let count = |is: &dyn Fn(&Run) -> bool| runs.iter().filter(|run| is(run)).count();
    println!(
        "{engine:?}: {} instants, {kills} kills, {pauses} pauses: {} completed, {} interrupted, {} skipped, {} takeovers",
        instants(&runs).len(),
        count(&|run| run.state == "completed"),
        count(&|run| run.state == "interrupted"),
        count(&|run| run.state == "skipped"),
        count(&|run| run.trigger == "takeover"),
    );
}

/// Where a daemon is between its trigger and the answer to its claim.
fn wait_until_just_after_an_instant(dice: &mut Dice) {
    let into_second = u64::from(Clock::system().now().timestamp_subsec_millis());
    sleep(Duration::from_millis(1000_u64.saturating_sub(into_second)) + dice.millis(0, 60));
}

struct Replica {
    process: Process,
    /// Until when it stands still.
    asleep: Option<Deadline>,
}

struct Fleet {
    replicas: Vec<Replica>,
    /// What those said that are gone.
    said: Vec<String>,
}

impl Fleet {
    fn start(tally: &Tally<'_>, dice: &mut Dice) -> Self {
        let replica = |_| Replica { process: tally.start(&["run"], any_order(dice)), asleep: None };
        Self { replicas: (0..REPLICAS).map(replica).collect(), said: Vec::new() }
    }

    fn awake(&self, index: usize) -> bool {
        self.replicas[index].asleep.is_none()
    }

    fn paused(&self) -> usize {
        self.replicas.iter().filter(|replica| replica.asleep.is_some()).count()
    }

    /// The one that sweeps, or any. Before that, those that were started anew are ready, so that the others are not
    /// needed.
    fn victim(&mut self, stage: &Stage, dice: &mut Dice) -> usize {
        for replica in self.replicas.iter_mut().filter(|replica| replica.asleep.is_none()) {
            replica.process.wait_for_output("is ready", LIMIT);
        }
        let runs = stage.runs();
        let active = runs.iter().find(|run| run.state == "running");
        let sweeps = |run: &Run| self.replicas.iter().position(|replica| replica.process.output().contains(&run.id));
        match active.and_then(sweeps) {
            Some(index) if !dice.one_in(3) => index,
            _ => dice.index(REPLICAS),
        }
    }

    fn pause(&mut self, index: usize, time: Duration) {
        self.replicas[index].process.signal("STOP");
        self.replicas[index].asleep = Some(Deadline::after(time));
    }

    fn replace(&mut self, index: usize, tally: &Tally<'_>, dice: &mut Dice) {
        let process = tally.start(&["run"], any_order(dice));
        let mut old = std::mem::replace(&mut self.replicas[index], Replica { process, asleep: None }).process;
        old.signal("KILL");
        old.wait_timeout(LIMIT).expect("SIGKILL ends it");
        self.said.push(old.output());
    }

    fn wake_those_that_slept(&mut self) {
        let over = |replica: &Replica| replica.asleep.as_ref().is_some_and(Deadline::has_passed);
        self.replicas.iter_mut().filter(|replica| over(replica)).for_each(Replica::wake);
    }

    fn wake_all(&mut self) {
        self.replicas.iter_mut().for_each(Replica::wake);
    }
}

impl Replica {
    fn wake(&mut self) {
        if self.asleep.take().is_some() {
            self.process.signal("CONT");
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.said.extend(self.replicas.iter().map(|replica| replica.process.output()));
            println!("{}", self.said.join("\n--\n"));
        }
    }
}

/// Both daemons were fired, and neither has its claim, when one of them dies.
#[test]
fn an_instant_is_not_lost_when_a_daemon_dies_between_its_trigger_and_its_claim() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    let mut tally = Tally::set_up(&stage, EVERY_SECOND, "", QUICK_HEARTBEAT);
    tally.add(100);
    let mut first = tally.start(&["run"], "auto");
    let mut second = tally.start(&["run"], "auto");
    second.wait_for_output("is ready", LIMIT);
    stage.wait_for_runs(&mut first, |runs| !runs.is_empty());

    let application = stage.database().session();
    application.execute("BEGIN; LOCK TABLE sweepd.run IN SHARE ROW EXCLUSIVE MODE");
    let look = stage.database().session();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sweepd.run'::regclass";
    wait(&mut second, "no two claims wait", || look.count(waiting) >= 2);
    first.signal("KILL");
    first.wait_timeout(LIMIT).expect("SIGKILL ends it");
    let mut restarted = tally.start(&["run"], "auto");
    application.execute("COMMIT");

    let before = stage.runs().len();
    restarted.wait_for_output("is ready", LIMIT);
    stage.wait_for_runs(&mut second, |runs| runs.len() > before + 1);
    [&mut second, &mut restarted].into_iter().for_each(stop);
    assert_consecutive(&instants(&stage.runs()), 1);
    tally.sweep_the_rest();
    tally.assert_all_gone();
}
