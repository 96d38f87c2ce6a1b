//! Clocks that are set forward and back, suspends, and days on which the clocks change.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sweepd::clock::Clock;
use sweepd::config::{Config, Environment};
use sweepd::report::{Outcome, StoppedBy, Trigger};
use sweepd::schedule::Schedule;
use sweepd::schedule::timer::{Ticket, Timer};
use sweepd::sweep::{Answer, Progress, Request};
use sweepd::telemetry::metrics::Metrics;
use sweepd::zone::Zone;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::servers::Engine;
use crate::stage::Stage;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(expression, Zone::parse(zone).expect("a zone")).expect("a schedule")
}

/// A timer with one job on a clock that the test moves, and what it fired.
struct Bench {
    timer: Timer,
    ticket: Ticket,
    clock: Clock,
    fired: Arc<Mutex<Vec<DateTime<Utc>>>>,
}

impl Bench {
    async fn new(schedule: &Schedule, start: DateTime<Utc>) -> Self {
        let clock = Clock::fixed(start);
        let mut timer = Timer::new(clock.clone()).await.expect("a timer");
        let fired: Arc<Mutex<Vec<_>>> = Arc::default();
        let sink = Arc::clone(&fired);
        let fire = move |at| sink.lock().expect("no panic").push(at);
        let ticket = timer.add(schedule, Duration::ZERO, fire).await.expect("a job");
        Self { timer, ticket, clock, fired }
    }

    /// Sets the clock, and lets the timer do what it does when the kernel wakes it.
    async fn set(&mut self, to: DateTime<Utc>) {
        self.clock.set(to);
        self.timer.fire_due(to).expect("it fires");
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    fn fired(&self) -> Vec<DateTime<Utc>> {
        self.fired.lock().expect("no panic").clone()
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}

#[test]
fn a_step_forward_runs_once_and_a_step_back_repeats_nothing_and_loses_nothing() {
    run(async {
        let hourly = schedule("0 * * * *", "UTC");
        let mut bench = Bench::new(&hourly, at("2026-11-24T08:30:00Z")).await;
        bench.set(at("2026-11-24T09:00:00Z")).await;
        // A day ahead, for ten minutes: one run for all that seems to have passed.
        bench.set(at("2026-11-25T09:10:00Z")).await;
        bench.set(at("2026-11-24T09:20:00Z")).await;
        bench.set(at("2026-11-24T10:00:00Z")).await;
        bench.set(at("2026-11-24T11:00:00Z")).await;
        // An hour back: 11:00 comes again, and was answered.
        bench.set(at("2026-11-24T10:01:00Z")).await;
        bench.set(at("2026-11-24T11:00:05Z")).await;
        bench.set(at("2026-11-24T12:00:00Z")).await;
        let expected = [
            "2026-11-24T09:00:00Z",
            "2026-11-25T09:00:00Z",
            "2026-11-24T10:00:00Z",
            "2026-11-24T11:00:00Z",
            "2026-11-24T12:00:00Z",
        ];
        assert_eq!(bench.fired(), expected.map(at));
    });
}

/// A job that is edited between its instant and its own delay after it still runs, once.
#[test]
fn an_instant_that_waits_out_its_delay_outlives_an_edit() {
    run(async {
        let daily = schedule("0 2 * * *", "UTC");
        let mut bench = Bench::new(&daily, at("2026-11-24T01:00:00Z")).await;
        bench.timer.change(bench.ticket, &daily, Duration::from_mins(5));
        bench.set(at("2026-11-24T02:02:00Z")).await;
        bench.timer.change(bench.ticket, &daily, Duration::from_mins(4));
        bench.set(at("2026-11-24T02:04:00Z")).await;
        bench.timer.change(bench.ticket, &daily, Duration::from_mins(30));
        bench.set(at("2026-11-24T03:00:00Z")).await;
        assert_eq!(bench.fired(), [at("2026-11-24T02:00:00Z")]);
    });
}

#[test]
fn a_clock_that_was_wrong_at_the_start_loses_nothing_when_it_is_set_right() {
    run(async {
        let mut bench = Bench::new(&schedule("0 2 * * *", "UTC"), at("2027-11-24T01:00:00Z")).await;
        bench.set(at("2026-11-24T01:00:00Z")).await;
        bench.set(at("2026-11-24T02:00:00Z")).await;
        assert_eq!(bench.fired(), [at("2026-11-24T02:00:00Z")]);
    });
}

/// Each instant of each day fires once: at whatever times the clock is looked at, and with steps of a few seconds, an
/// hour and a day in between.
#[test]
fn days_on_which_the_clocks_change_fire_each_instant_once() {
    let days = [
        ("Europe/Berlin", "2026-03-29T00:00:00Z"),
        ("Europe/Berlin", "2026-10-25T00:00:00Z"),
        ("America/New_York", "2026-03-08T05:00:00Z"),
        ("America/New_York", "2026-11-01T04:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T13:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T13:00:00Z"),
        ("America/St_Johns", "2026-03-08T03:00:00Z"),
        ("America/St_Johns", "2026-11-01T02:00:00Z"),
        ("Africa/Cairo", "2026-04-23T21:00:00Z"),
        ("Africa/Cairo", "2026-10-29T21:00:00Z"),
    ];
    let expressions = ["30 2 * * *", "0 0 * * *", "*/15 * * * *", "0 * * * *", "30 1 * * *"];
    for (zone, start) in days {
        for expression in expressions {
            run(async {
                let (schedule, start) = (schedule(expression, zone), at(start));
                let end = start + TimeDelta::hours(27);
                let due: Vec<_> = std::iter::successors(schedule.next_after(start), |next| schedule.next_after(*next))
                    .take_while(|next| *next <= end)
                    .collect();
                let mut bench = Bench::new(&schedule, start).await;
                let mut now = start;
                let mut step = 0_i32;
                while now < end {
                    now = (now + TimeDelta::minutes(7)).min(end);
                    bench.set(now).await;
                    step += 1;
                    match step % 40 {
                        11 => bench.set(now - TimeDelta::hours(1)).await,
                        23 => bench.set(now - TimeDelta::days(1)).await,
                        31 => bench.set(now - TimeDelta::seconds(3)).await,
                        _ => {}
                    }
                    bench.set(now).await;
                }
                // The ledger answers each instant once; those before the start were never scheduled here.
                let fired: BTreeSet<_> = bench.fired().into_iter().filter(|at| *at > start).collect();
                let due: BTreeSet<_> = due.into_iter().collect();
                assert!(fired.is_subset(&due), "{zone} {expression}: {fired:?} of {due:?}");
                let lost: Vec<_> = due.difference(&fired).collect();
                assert!(lost.is_empty(), "{zone} {expression}: lost {lost:?}");
            });
        }
    }
}

/// Host and database are one machine here, whose clock somebody sets a day ahead while the program runs.
#[test]
fn a_machine_whose_clock_is_set_forward_logs_nobody_out() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    stage.fill(10, 5);
    let file = stage.configure("manual", "", "");
    let config = Config::load(Some(&file), &Environment::default(), stage.directory()).expect("a configuration");
    let job = &config.jobs[0];
    let clock = Clock::fixed(Clock::system().now());
    let sweeper = sweepd::daemon::sweeper(&config, job, &clock, &Metrics::default());
    let sweep = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let request = Request::new(Trigger::Manual, clock.now());
        let (stop, progress) = (CancellationToken::new(), watch::Sender::new(Progress::default()));
        match runtime.block_on(sweeper.run(&job.spec, request, &stop, &progress)) {
            Answer::Ran(report) => (report.outcome, report.stopped_by, report.deleted_count),
            other => panic!("{other:?}"),
        }
    };
    clock.step(clock.now() + TimeDelta::days(1));
    assert_eq!(sweep(), (Some(Outcome::Partial), Some(StoppedBy::ClockSet), 10));
    assert_eq!(stage.sessions(), (5, 0));
    clock.step(clock.steady());
    assert_eq!(sweep(), (Some(Outcome::Completed), None, 0));
    // An hour passes, and they have really expired.
    clock.set(clock.now() + TimeDelta::hours(2));
    assert_eq!(sweep(), (Some(Outcome::Completed), None, 5));
}

#[test]
fn a_clock_keeps_apart_what_passed_and_what_was_set() {
    let clock = Clock::fixed(at("2026-11-24T09:00:00Z"));
    clock.set(at("2026-11-24T10:00:00Z"));
    assert_eq!(clock.steady(), clock.now());
    clock.step(at("2026-11-25T10:00:00Z"));
    assert_eq!((clock.now(), clock.steady()), (at("2026-11-25T10:00:00Z"), at("2026-11-24T10:00:00Z")));
    clock.set(at("2026-11-25T10:30:00Z"));
    assert_eq!(clock.steady(), at("2026-11-24T10:30:00Z"));
    let system = Clock::system();
    let apart = (system.now() - system.steady()).abs();
    assert!(apart < TimeDelta::seconds(1), "{apart}");
}
