//! Instants that pass while nobody is there.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use sweepd::clock::Clock;
use sweepd::config::{Config, Environment};
use sweepd::job::Job;
use sweepd::ledger::Armed;
use sweepd::report::Trigger;

use crate::process::Process;
use crate::servers::Engine;
use crate::stage::{LIMIT, Stage, wait};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn job(keys: &str) -> Job {
    let environment: Environment = [("DATABASE_URL", "sqlite:///tmp/a.db")].into_iter().collect();
    let text = format!("[jobs.sessions]\npreset = \"authjs-prisma\"\n{keys}");
    Config::from_text("sweepd.toml".as_ref(), &text, &environment).expect("a configuration").jobs.remove(0)
}

#[test]
fn an_instant_is_missed_when_it_came_after_the_schedule_and_nobody_answered() {
    let daily = job("schedule = \"daily at 02:00\"");
    let armed = |since: &str, answered: Option<&str>| Armed {
        schedule: daily.armed_as(),
        since: at(since),
        answered: answered.map(at),
    };
    let now = at("2026-11-24T09:00:00Z");
    let two = at("2026-11-24T02:00:00Z");
    let cases = [
        (armed("2026-11-20T00:00:00Z", None), Some(two)),
        (armed("2026-11-20T00:00:00Z", Some("2026-11-23T02:00:00Z")), Some(two)),
        (armed("2026-11-20T00:00:00Z", Some("2026-11-24T02:00:00Z")), None),
        (armed("2026-11-24T08:00:00Z", None), None),
        (armed("2026-11-24T02:00:00Z", None), None),
    ];
    for (armed, missed) in cases {
        assert_eq!(daily.missed(&armed, now), missed, "{armed:?}");
    }
    let armed = armed("2026-11-01T00:00:00Z", None);
    assert_eq!(job("schedule = \"daily at 02:00\"\ncatch_up = false").missed(&armed, now), None);
    assert_eq!(job("schedule = \"daily at 02:00\"\ncatch_up_within = \"6h\"").missed(&armed, now), None);
    assert_eq!(job("schedule = \"manual\"").missed(&armed, now), None);
    // Two weeks off are one run.
    assert_eq!(job("schedule = \"every 15 minutes\"").missed(&armed, now), Some(now));
}

#[test]
fn an_instant_that_comes_late_is_caught_up_with_or_left() {
    let request = |keys: &str, late: i64| {
        let job = job(&format!("schedule = \"daily at 02:00\"\n{keys}"));
        let instant = at("2026-11-24T02:00:00Z");
        let now = instant + TimeDelta::seconds(late) + TimeDelta::seconds(7);
        job.request(instant, Duration::from_secs(7), now).map(|request| request.trigger)
    };
    assert_eq!(request("", 0), Some(Trigger::Schedule));
    assert_eq!(request("catch_up = false", 59), Some(Trigger::Schedule));
    assert_eq!(request("", 3600), Some(Trigger::CatchUp));
    assert_eq!(request("catch_up_within = \"30m\"", 3600), None);
    assert_eq!(request("catch_up = false", 3600), None);
}

#[test]
fn jitter_is_stable_bounded_and_different_elsewhere() {
    let job = job("schedule = \"daily at 02:00\"\njitter = \"10m\"");
    let hosts: Vec<_> = (0..50).map(|number| job.delay(&format!("host-{number}"))).collect();
    assert_eq!(job.delay("host-7"), hosts[7]);
    assert!(hosts.iter().all(|delay| *delay <= Duration::from_mins(10)), "{hosts:?}");
    let (least, most) = (hosts.iter().min().expect("one"), hosts.iter().max().expect("one"));
    assert!(*most > *least + Duration::from_mins(5), "{hosts:?}");
    assert_eq!(self::job("schedule = \"daily at 02:00\"").delay("host"), Duration::ZERO);
}

#[test]
fn jitter_longer_than_the_schedule_is_refused() {
    let environment: Environment = [("DATABASE_URL", "sqlite:///tmp/a.db")].into_iter().collect();
    let text = "[jobs.a]\npreset = \"authjs-prisma\"\nschedule = \"every 5 minutes\"\njitter = \"5m\"";
    let error = Config::from_text("sweepd.toml".as_ref(), text, &environment).expect_err("too long").to_string();
    assert!(error.contains("jitter: must be shorter than the time between two instants"), "{error}");
}

fn stop(daemon: &mut Process) {
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(8)), 0, "{}", daemon.output());
}

/// Lets the ledger believe that the job has had its schedule since yesterday.
fn arm_yesterday(stage: &Stage, schedule: &str) {
    let mut command = crate::process::sweepd();
    command.arg("--config").arg(stage.directory().join("sweepd.toml")).arg("migrate");
    let mut migrate = Process::spawn(command);
    assert_eq!(migrate.exit_code(LIMIT), 0, "{}", migrate.output());
    let (table, target, since) = match stage.database().engine() {
        Engine::Postgres => ("sweepd.armed", "public.Session".to_owned(), "now() - interval '1 day'"),
        Engine::MySql => {
            ("sweepd_armed", format!("{}.Session", stage.database().name()), "UTC_TIMESTAMP(6) - INTERVAL 1 DAY")
        }
        Engine::Sqlite => {
            ("sweepd_armed", "main.Session".to_owned(), "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')")
        }
    };
    stage
        .database()
        .execute(&format!("INSERT INTO {table} VALUES ('{target}', 'sessions', '{schedule} UTC', {since})"));
}

#[test]
fn what_passed_while_nobody_was_there_runs_once() {
    for engine in Engine::all() {
        let Some(stage) = Stage::fresh(engine) else { continue };
        stage.fill(10, 5);
        let instant = Clock::system().now() - TimeDelta::minutes(20);
        let schedule = format!("{} {} * * *", instant.minute(), instant.hour());
        // A fresh installation: nothing was missed.
        let mut first = stage.daemon(&schedule, "", "");
        first.wait_for_output("is ready", LIMIT);
        stop(&mut first);
        assert_eq!(stage.sessions(), (5, 10));

        stage.database().execute(match engine {
            Engine::Postgres => "DROP SCHEMA IF EXISTS sweepd CASCADE",
            Engine::MySql => "DROP TABLE IF EXISTS sweepd_migration, sweepd_run, sweepd_armed",
            Engine::Sqlite => {
                "DROP TABLE IF EXISTS sweepd_migration; DROP TABLE IF EXISTS sweepd_run; DROP TABLE IF EXISTS sweepd_armed"
            }
        });
        arm_yesterday(&stage, &schedule);
        // Two at once: one of them catches up.
        let mut daemons = [stage.daemon(&schedule, "", ""), stage.daemon(&schedule, "", "")];
        for daemon in &mut daemons {
            daemon.wait_for_output("is ready", LIMIT);
        }
        wait(&mut daemons[0], "nobody catches up", || stage.sessions() == (5, 0));
        wait(&mut daemons[0], "the run does not end", || stage.runs().iter().all(|run| run.state == "completed"));
        let runs = stage.runs();
        daemons.iter_mut().for_each(stop);
        let minute = instant.timestamp() - instant.timestamp() % 60;
        assert_eq!(runs.len(), 1, "{runs:?}");
        assert_eq!((&*runs[0].trigger, runs[0].scheduled_for), ("catch-up", Some(minute)), "{runs:?}");
        assert_eq!(stage.audit()[0]["trigger"], "catch-up");

        // The next start finds it answered; and with another schedule nothing was ever missed.
        for schedule in [schedule, format!("{} * * * *", (instant + TimeDelta::minutes(5)).minute())] {
            let mut again = stage.daemon(&schedule, "", "");
            again.wait_for_output("is ready", LIMIT);
            std::thread::sleep(Duration::from_millis(500));
            stop(&mut again);
            assert_eq!(stage.runs().len(), 1, "{:?}", stage.runs());
        }
    }
}
