//! People are told when a clean-up fails, ends early, dies or does not happen, and when it is well again: once, in order,
//! and whatever their receiver does meanwhile.

mod pings;
mod receiver;
mod trying;

use std::collections::BTreeSet;
use std::time::Duration;

use sweepd::clock::Stopwatch;

use crate::process::Process;
use crate::servers::Engine;
use crate::stage::{
    EVERY_SECOND, LIMIT, NEVER, QUICK_HEARTBEAT, Stage, assert_consecutive, instants, on_every_engine, stop, wait,
};
use receiver::{Manner, Receiver};

fn channel(url: &str, more: &str) -> String {
    format!("[alerts.ops]\nurl = \"{url}\"\n{more}\n")
}

/// Each run fails from now on: the column of the expiry has another name.
fn break_it(stage: &Stage) {
    rename(stage, "expires", "gone");
}

fn mend_it(stage: &Stage) {
    rename(stage, "gone", "expires");
}

fn rename(stage: &Stage, from: &str, to: &str) {
    stage.database().execute(&match stage.database().engine() {
        Engine::MySql => format!("ALTER TABLE `Session` RENAME COLUMN `{from}` TO `{to}`"),
        _ => format!("ALTER TABLE \"Session\" RENAME COLUMN \"{from}\" TO \"{to}\""),
    });
}

fn own(stage: &Stage, table: &str) -> String {
    let before = if stage.database().engine() == Engine::Postgres { "sweepd." } else { "sweepd_" };
    format!("{before}{table}")
}

fn wait_for_outcomes(stage: &Stage, daemon: &mut Process, outcome: &str, count: i64) {
    let (session, table) = (stage.database().session(), own(stage, "run"));
    let sql = format!("SELECT COUNT(*) FROM {table} WHERE state = '{outcome}'");
    wait(daemon, "there are too few such runs", || session.try_count(&sql).is_ok_and(|there| there >= count));
}

#[test]
pub fn a_failure_is_told_once_and_so_is_that_all_is_well_again() {
    on_every_engine(|stage| {
        let receiver = Receiver::start();
        stage.fill(3, 2);
        break_it(stage);
        let mut daemon = stage.daemon(EVERY_SECOND, "", &channel(&receiver.url(), ""));
        wait_for_outcomes(stage, &mut daemon, "failed", 3);
        let told = receiver.expect(&["failed"]);
        let failed = told[0].json();
        assert_eq!((&failed["job"], &failed["run"]["outcome"]), (&"sessions".into(), &"failed".into()));
        let sentence = failed["message"].as_str().unwrap();
        assert!(sentence.starts_with("sweepd: sessions failed after deleting 0 rows: "), "{sentence}");
        assert!(sentence.contains("expires"), "{sentence}");
        let first = stage.runs().into_iter().find(|run| run.state == "failed").unwrap();
        assert_eq!(failed["run"]["runId"], *first.id);
        mend_it(stage);
        let told = receiver.expect(&["failed", "recovered"]);
        assert_eq!(told[1].json()["recoveredFrom"], "failed");
        assert_eq!(told[1].json()["run"]["deletedCount"], 3);
        let ids: BTreeSet<_> = told.iter().map(|told| told.header("webhook-id")).collect();
        assert_eq!(ids.len(), 2);
        stop(&mut daemon);
        // Nothing is told again by the next process.
        let mut daemon = stage.daemon(EVERY_SECOND, "", &channel(&receiver.url(), ""));
        wait_for_outcomes(stage, &mut daemon, "completed", 3);
        receiver.expect(&["failed", "recovered"]);
        stop(&mut daemon);
        assert_eq!(stage.database().count(&format!("SELECT COUNT(*) FROM {}", own(stage, "alert"))), 0);
    });
}

#[test]
fn one_that_dies_is_told_of_and_so_is_who_went_on() {
    on_every_engine(|stage| {
        let receiver = Receiver::start();
        stage.fill(2000, 0);
        let rest = format!("{QUICK_HEARTBEAT}\n{}", channel(&receiver.url(), ""));
        let mut daemon = stage.daemon(EVERY_SECOND, "max_rows_per_second = 200", &rest);
        stage.wait_for_progress(&mut daemon);
        daemon.signal("KILL");
        daemon.wait_timeout(LIMIT);
        let mut daemon = stage.daemon(NEVER, "", &rest);
        let told = receiver.expect(&["interrupted", "recovered"]);
        let (died, deleted) = (told[0].json(), stage.runs()[0].deleted);
        assert_eq!(died["run"]["deletedCount"], deleted);
        assert!(died["message"].as_str().unwrap().contains(&format!("died after deleting {deleted} rows")), "{died}");
        assert_eq!(told[1].json()["run"]["trigger"], "takeover");
        stop(&mut daemon);
    });
}

#[test]
fn a_run_that_leaves_something_is_told_of_unless_somebody_stopped_it() {
    on_every_engine(|stage| {
        let receiver = Receiver::start();
        stage.fill(2000, 0);
        let told = channel(&receiver.url(), "");
        let mut daemon = stage.daemon(EVERY_SECOND, "max_rows_per_second = 200", &told);
        stage.wait_for_progress(&mut daemon);
        stop(&mut daemon);
        assert_eq!(stage.runs()[0].stopped_by.as_deref(), Some("shutdown"));
        let mut clean = stage.clean("max_rows = 100", &told);
        assert_eq!(clean.exit_code(LIMIT), 3, "{}", clean.output());
        let partial = receiver.expect(&["partial"])[0].json();
        assert_eq!(partial["run"]["stoppedBy"], "max-rows");
        let mut clean = stage.clean("", &told);
        assert_eq!(clean.exit_code(LIMIT), 0, "{}", clean.output());
        receiver.expect(&["partial", "recovered"]);
    });
}

#[test]
fn an_instant_that_nobody_answers_is_told_of() {
    on_every_engine(|stage| {
        let receiver = Receiver::start();
        let (hourly, told) = ("0 0 * * * *", channel(&receiver.url(), ""));
        stage.fill(3, 2);
        let mut daemon = stage.daemon(hourly, "", &told);
        let armed = format!("SELECT COUNT(*) FROM {}", own(stage, "armed"));
        daemon.wait_for_output("is ready", LIMIT);
        wait(&mut daemon, "it is not armed", || {
            stage.database().session().try_count(&armed).is_ok_and(|count| count == 1)
        });
        stop(&mut daemon);
        // Since yesterday, nobody was there.
        let yesterday = match stage.database().engine() {
            Engine::Postgres => "now() - interval '1 day'",
            Engine::MySql => "UTC_TIMESTAMP(6) - INTERVAL 1 DAY",
            Engine::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')",
        };
        stage.database().execute(&format!("UPDATE {} SET since = {yesterday}", own(stage, "armed")));
        let no_catch_up = format!("{told}[jobs.again]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\n");
        let path = stage.configure(hourly, "", &no_catch_up);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("[jobs.sessions]\n", "[jobs.sessions]\ncatch_up = false\n")).unwrap();
        let run = |arguments: &[&str]| {
            let mut command = crate::process::sweepd();
            command.arg("--config").arg(&path).args(arguments);
            Process::spawn(command)
        };
        let mut daemon = run(&["run"]);
        let overdue = receiver.expect(&["overdue"])[0].json();
        assert!(overdue["message"].as_str().unwrap().starts_with("sweepd: nobody ran sessions at 2"), "{overdue}");
        assert!(overdue["overdueSince"].as_str().unwrap().ends_with(":00:00.000Z"), "{overdue}");
        stop(&mut daemon);
        // A run by hand does the work, and says so.
        assert_eq!(run(&["clean", "sessions"]).exit_code(LIMIT), 0);
        let well = receiver.expect(&["overdue", "recovered"])[1].json();
        assert_eq!((&well["recoveredFrom"], &well["run"]["trigger"]), (&"overdue".into(), &"manual".into()));
    });
}

#[test]
fn a_receiver_that_is_away_gets_everything_later_and_in_order() {
    on_every_engine(|stage| {
        let (address, come_back) = Receiver::away();
        let told = channel(&format!("http://{address}/hook"), "");
        stage.fill(3, 2);
        break_it(stage);
        let mut daemon = stage.daemon(EVERY_SECOND, "", &told);
        daemon.wait_for_output("an alert is not delivered yet: cannot reach the receiver", LIMIT);
        mend_it(stage);
        wait_for_outcomes(stage, &mut daemon, "completed", 1);
        // Killed at any time, nothing is lost.
        daemon.signal("KILL");
        daemon.wait_timeout(LIMIT);
        assert!(!daemon.output().contains("/hook"), "{}", daemon.output());
        let mut daemon = stage.daemon(EVERY_SECOND, "", &told);
        daemon.wait_for_output("run ended", LIMIT);
        let receiver = come_back();
        receiver.wait_for(2, Duration::from_mins(1));
        receiver.expect(&["failed", "recovered"]);
        // Runs went on all the time.
        let runs = stage.runs();
        assert!(runs.iter().filter(|run| run.scheduled_for.is_some()).count() > 3, "{runs:?}");
        stop(&mut daemon);
    });
}

#[test]
fn a_slow_receiver_delays_no_run_and_is_told_once() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let receiver = Receiver::start();
    receiver.behave(Manner { status: 200, after: Duration::from_secs(4) });
    stage.fill(3, 2);
    break_it(&stage);
    let mut daemon = stage.daemon(EVERY_SECOND, "", &channel(&receiver.url(), ""));
    wait_for_outcomes(&stage, &mut daemon, "failed", 2);
    mend_it(&stage);
    wait_for_outcomes(&stage, &mut daemon, "completed", 6);
    receiver.wait_for(2, LIMIT);
    stop(&mut daemon);
    assert_eq!(receiver.events(), ["failed", "recovered"]);
    let told = receiver.taken();
    assert!(told[0].at.elapsed() > told[1].at.elapsed() + Duration::from_secs(3), "one after the other: {told:?}");
    assert_consecutive(&instants(&stage.runs()), 1);
}

#[test]
fn who_never_answers_gets_the_same_alert_again_with_the_same_id() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let receiver = Receiver::start();
    receiver.behave(Manner { status: 503, after: Duration::from_secs(2) });
    break_it(&stage);
    let secret = "secret = \"the-secret-of-the-hook\"\ntimeout = \"1s\"";
    let mut daemon = stage.daemon(EVERY_SECOND, "", &channel(&receiver.url(), secret));
    daemon.wait_for_output("no answer within 1s; trying again in 5 s", LIMIT);
    receiver.behave(receiver::TAKES);
    receiver.expect(&["failed"]);
    let all = receiver.all();
    let ids: BTreeSet<_> = all.iter().map(|received| received.header("webhook-id")).collect();
    assert!(all.len() >= 2 && ids.len() == 1, "{all:#?}");
    assert!(all.iter().all(|received| received.header("webhook-signature").unwrap().starts_with("v1,")));
    stop(&mut daemon);
    assert!(!daemon.output().contains("the-secret-of-the-hook"));
}

#[test]
fn one_that_the_receiver_does_not_understand_is_given_up() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let receiver = Receiver::start();
    receiver.behave(Manner { status: 400, after: Duration::ZERO });
    break_it(&stage);
    let mut daemon = stage.daemon(EVERY_SECOND, "", &channel(&receiver.url(), ""));
    daemon.wait_for_output("an alert is given up: the receiver refuses it with status 400", LIMIT);
    receiver.behave(receiver::TAKES);
    mend_it(&stage);
    receiver.expect(&["recovered"]);
    stop(&mut daemon);
}

#[test]
fn a_command_tells_of_a_database_that_is_away() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let receiver = Receiver::start();
    let nobody = crate::servers::server::free_port();
    let stage = stage.reached_by(format!("postgresql://app:hunter2@127.0.0.1:{nobody}/app"));
    let mut clean = stage.clean("", &channel(&receiver.url(), ""));
    assert_eq!(clean.exit_code(LIMIT), 1, "{}", clean.output());
    let told = receiver.expect(&["unreachable"])[0].json();
    let sentence = told["message"].as_str().unwrap();
    assert!(sentence.starts_with("sweepd: the database default cannot be reached, so nothing is"), "{sentence}");
    assert!(!sentence.contains("hunter2") && !sentence.contains('\n'), "{sentence}");
}

#[test]
fn a_stop_waits_for_no_receiver_and_what_is_left_is_told_later() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let receiver = Receiver::start();
    receiver.behave(Manner { status: 200, after: Duration::from_secs(30) });
    break_it(&stage);
    let told = channel(&receiver.url(), "timeout = \"1m\"");
    let mut daemon = stage.daemon(EVERY_SECOND, "", &told);
    receiver.wait_for(1, LIMIT);
    let watch = Stopwatch::start();
    stop(&mut daemon);
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
    mend_it(&stage);
    receiver.behave(receiver::TAKES);
    let mut clean = stage.clean("", &told);
    assert_eq!(clean.exit_code(LIMIT), 0, "{}", clean.output());
    // It is held for the answer that did not come.
    stage.database().execute(&format!("UPDATE {} SET due_at = made_at", own(&stage, "alert")));
    let mut clean = stage.clean("", &told);
    assert_eq!(clean.exit_code(LIMIT), 0, "{}", clean.output());
    assert_eq!(receiver.events(), ["failed", "failed", "recovered"]);
    let ids: BTreeSet<_> = receiver.taken().iter().map(|told| told.header("webhook-id")).collect();
    assert_eq!(ids.len(), 2, "the one whose answer did not come has the same id");
}

#[test]
fn a_clock_that_was_ahead_hides_nothing() {
    on_every_engine(|stage| {
        let receiver = Receiver::start();
        let told = channel(&receiver.url(), "");
        let clean = |exit| {
            let mut clean = stage.clean("", &told);
            assert_eq!(clean.exit_code(LIMIT), exit, "{}", clean.output());
        };
        clean(0);
        let tomorrow = match stage.database().engine() {
            Engine::Postgres => "now() + interval '1 day'",
            Engine::MySql => "UTC_TIMESTAMP(6) + INTERVAL 1 DAY",
            Engine::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '1 day')",
        };
        stage.database().execute(&format!("UPDATE {} SET run_ended_at = {tomorrow}", own(stage, "told")));
        break_it(stage);
        clean(1);
        receiver.expect(&["failed"]);
        stage.database().execute(&format!("UPDATE {} SET run_ended_at = {tomorrow}", own(stage, "told")));
        mend_it(stage);
        clean(0);
        receiver.expect(&["failed", "recovered"]);
    });
}

#[test]
pub fn several_daemons_tell_it_once() {
    on_every_engine(|stage| {
        let receiver = Receiver::start();
        stage.fill(3, 2);
        break_it(stage);
        let told = channel(&receiver.url(), "");
        let mut daemons: Vec<_> = (0..3).map(|_| stage.daemon(EVERY_SECOND, "", &told)).collect();
        wait_for_outcomes(stage, &mut daemons[0], "failed", 3);
        mend_it(stage);
        wait_for_outcomes(stage, &mut daemons[0], "completed", 3);
        receiver.expect(&["failed", "recovered"]);
        daemons.iter_mut().for_each(stop);
    });
}

#[test]
fn an_edit_adds_a_channel_and_chooses_events() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let (first, second) = (Receiver::start(), Receiver::start());
    let wanted = channel(&first.url(), "events = [\"recovered\"]\nformat = \"slack\"");
    break_it(&stage);
    let mut daemon = stage.daemon(EVERY_SECOND, "", &wanted);
    wait_for_outcomes(&stage, &mut daemon, "failed", 1);
    let more = format!("{wanted}[alerts.chat]\nurl = \"{}\"\nformat = \"discord\"", second.url());
    stage.configure(EVERY_SECOND, "", &more);
    daemon.wait_for_output("was loaded anew", LIMIT);
    mend_it(&stage);
    first.wait_for(1, LIMIT);
    second.wait_for(1, LIMIT);
    stop(&mut daemon);
    let (slack, discord) = (first.taken()[0].json(), second.taken()[0].json());
    let sentence = "sweepd: sessions is well again: completed, 0 rows deleted (it had failed before)";
    assert_eq!((&slack["text"], &discord["content"]), (&sentence.into(), &sentence.into()));
    assert_eq!((first.all().len(), second.all().len()), (1, 1));
}
