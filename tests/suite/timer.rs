//! The timer in real time, and the part of tokio-cron-scheduler that it stands on.

use std::sync::mpsc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sweepd::clock::Clock;
use sweepd::schedule::Schedule;
use sweepd::schedule::timer::Timer;
use sweepd::zone::Zone;
use tokio::runtime::{Builder, Runtime};
use tokio_cron_scheduler::{Job, JobScheduler};

/// What a run may come late, in a test that shares its machine with others. Idle, it is below 20 ms.
const LATE: TimeDelta = TimeDelta::milliseconds(200);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// When each instant came, as the timer says and as the clock does.
fn fired(expressions: &[&str], for_time: Duration) -> Vec<Vec<(DateTime<Utc>, DateTime<Utc>)>> {
    runtime().block_on(async {
        let clock = Clock::system();
        let mut timer = Timer::new(clock.clone()).await.expect("a timer");
        let mut fired = Vec::new();
        for expression in expressions {
            let (sender, receiver) = mpsc::channel();
            let schedule = Schedule::parse(expression, Zone::utc()).expect("a schedule");
            let clock = clock.clone();
            let fire = move |at| sender.send((at, clock.now())).expect("the test listens");
            timer.add(&schedule, Duration::ZERO, fire).await.expect("a job");
            fired.push(receiver);
        }
        let fire = async {
            loop {
                timer.fire_next().await.expect("it fires");
            }
        };
        let ended: Result<(), _> = tokio::time::timeout(for_time, fire).await;
        ended.expect_err("it goes on");
        fired.into_iter().map(|receiver| receiver.try_iter().collect()).collect()
    })
}

#[test]
fn every_instant_fires_once_and_in_time() {
    let fired = fired(&["* * * * * *", "*/2 * * * * *", "* * * * * *"], Duration::from_millis(4500));
    for (job, step, least) in [(0, 1, 4), (1, 2, 2), (2, 1, 4)] {
        let instants: Vec<_> = fired[job].iter().map(|(at, _)| at.timestamp()).collect();
        assert!(instants.len() >= least, "job {job}: {instants:?}");
        assert!(instants.windows(2).all(|pair| pair[1] - pair[0] == step), "job {job}: {instants:?}");
        for (at, now) in &fired[job] {
            let late = *now - *at;
            assert!(TimeDelta::zero() <= late && late < LATE, "job {job}: {at} came at {now}");
            assert_eq!(at.timestamp_subsec_nanos(), 0);
            assert_eq!(at.timestamp() % step, 0);
        }
    }
}

#[test]
fn a_timer_without_instants_waits_for_its_stop() {
    let fired = fired(&["manual"], Duration::from_millis(50));
    assert_eq!(fired, [[]]);
}

/// What the watchdog is told by: an alarm that does not ring is noticed, and one that is about to ring is no trouble.
#[test]
fn a_timer_keeps_time_unless_the_same_instant_is_overdue_twice() {
    runtime().block_on(async {
        let start = "2026-11-24T00:00:00Z".parse::<DateTime<Utc>>().expect("an instant");
        let clock = Clock::fixed(start);
        let mut timer = Timer::new(clock.clone()).await.expect("a timer");
        assert!(timer.keeps_time() && timer.keeps_time(), "nothing is due");
        let schedule = Schedule::parse("hourly", Zone::utc()).expect("a schedule");
        timer.add(&schedule, Duration::ZERO, |_| {}).await.expect("a job");
        for hour in 1..4 {
            let due = start + TimeDelta::hours(hour);
            clock.set(due - TimeDelta::seconds(1));
            assert!(timer.keeps_time() && timer.keeps_time());
            clock.set(due);
            assert!(timer.keeps_time());
            assert!(!timer.keeps_time() && !timer.keeps_time(), "{due} is overdue");
            timer.fire_due(clock.now()).expect("it fires");
            assert!(timer.keeps_time() && timer.keeps_time());
        }
    });
}

/// The timer relies on this undocumented channel: see `src/schedule/timer.rs`. When a new version of the crate fails
/// here, the timer does not work with it either.
#[test]
fn the_scheduler_runs_what_comes_down_its_activation_channel_without_being_started() {
    runtime().block_on(async {
        let mut scheduler = JobScheduler::new_with_channel_size(16).await.expect("a scheduler");
        scheduler.init().await.expect("it initialises");
        let (sender, mut runs) = tokio::sync::mpsc::unbounded_channel();
        let mut jobs = Vec::new();
        for name in ["first", "second"] {
            let sender = sender.clone();
            let run = move |id, _| sender.send((name, id)).expect("the test listens");
            let job = Job::new_repeated(Duration::from_hours(1), run).expect("a job");
            jobs.push((name, scheduler.add(job).await.expect("it is taken")));
        }
        let activations = scheduler.context().job_activation_tx.clone();
        for index in [1, 0, 1] {
            activations.send(jobs[index].1).expect("somebody listens");
            let run = tokio::time::timeout(Duration::from_secs(5), runs.recv()).await.expect("it runs");
            assert_eq!(run, Some(jobs[index]));
        }
        let more = tokio::time::timeout(Duration::from_millis(100), runs.recv()).await;
        assert!(more.is_err(), "nothing runs twice: {more:?}");
    });
}
