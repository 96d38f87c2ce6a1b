//! The units under a real systemd.

use super::machine::Machine;
use crate::servers::Engine;
use crate::stage::{EVERY_SECOND, NEVER, Stage};

const QUICK: &str = "[Service]\nRestartSec=100ms\n";

fn machine() -> Option<(Machine, Stage)> {
    let machine = Machine::boot()?;
    Some((machine, Stage::fresh(Engine::Postgres)?))
}

fn wait_until(machine: &Machine, missing: &str, mut done: impl FnMut() -> bool) {
    let deadline = crate::process::Deadline::after(crate::stage::LIMIT);
    while !done() {
        assert!(!deadline.has_passed(), "{missing}:\n{}", machine.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn the_daemon_starts_follows_edits_survives_a_crash_and_stops_in_the_middle_of_a_run() {
    let Some((machine, stage)) = machine() else { return };
    stage.fill(50, 10);
    machine.configure(&stage, "daily at 02:00", "", "");
    machine.drop_in("sweepd.service", &format!("{QUICK}{}", include_str!("../../../systemd/local-database.conf")));
    machine.run("systemctl start sweepd");
    // That returns when it is ready.
    assert_eq!(machine.show("sweepd", "ActiveState"), "active");
    let status = machine.show("sweepd", "StatusText");
    assert!(status.starts_with("next: sessions at 02:00 UTC (in "), "{status}");

    // A user of its own, who cannot read the file with the URL.
    let user = machine.run("ps -o user= -p $(systemctl show --value -p MainPID sweepd)");
    assert_eq!(user, "sweepd");
    assert!(!machine.succeeds("setpriv --reuid sweepd --clear-groups cat /etc/sweepd/credentials/database.url"));

    machine.write("/etc/sweepd/sweepd.toml", "nonsense [");
    machine.run("chmod 644 /etc/sweepd/sweepd.toml; systemctl reload sweepd");
    machine.wait_for("sweepd", "StatusText", |status| {
        status.starts_with("the configuration was edited and cannot be used")
    });
    machine.configure(&stage, EVERY_SECOND, "max_rows_per_second = 20000", "");
    machine.run("systemctl reload sweepd");
    wait_until(&machine, "expired rows are left", || stage.sessions() == (10, 0));

    machine.run("systemctl kill --signal=KILL sweepd");
    machine.wait_for("sweepd", "NRestarts", |restarts| restarts == "1");
    machine.wait_for("sweepd", "ActiveState", |state| state == "active");

    stage.fill(100_000, 0);
    machine.wait_for("sweepd", "StatusText", |status| status.starts_with("sessions: running, "));
    wait_until(&machine, "nothing is deleted", || {
        stage.runs().iter().any(|run| run.state == "running" && run.deleted > 0)
    });
    machine.run("systemctl stop sweepd");
    assert_eq!(
        (machine.show("sweepd", "ActiveState"), machine.show("sweepd", "Result")),
        ("inactive".into(), "success".into())
    );
    let stopped = stage.runs().into_iter().rfind(|run| run.state == "partial").expect("a partial run");
    assert_eq!(stopped.stopped_by.as_deref(), Some("shutdown"), "{stopped:?}");
    assert_eq!(stage.sessions().0, 10);
    stage.assert_counts(100_050);
}

#[test]
fn the_watchdog_kills_what_hangs_and_starts_it_again() {
    let Some((machine, stage)) = machine() else { return };
    machine.configure(&stage, NEVER, "", "");
    machine.drop_in("sweepd.service", &format!("{QUICK}WatchdogSec=1\nTimeoutAbortSec=1\n"));
    machine.run("systemctl start sweepd");
    let first = machine.show("sweepd", "MainPID");
    // It is alive for longer than that.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!((machine.show("sweepd", "NRestarts"), machine.show("sweepd", "MainPID")), ("0".into(), first.clone()));
    machine.run(&format!("kill -STOP {first}"));
    machine.wait_for("sweepd", "NRestarts", |restarts| restarts == "1");
    machine.wait_for("sweepd", "ActiveState", |state| state == "active");
    assert_ne!(machine.show("sweepd", "MainPID"), first);
    machine.wait_for_log("Watchdog timeout");
}

/// `EXTEND_TIMEOUT_USEC` is heeded.
#[test]
fn a_stop_may_take_longer_than_the_unit_allows() {
    let Some((machine, stage)) = machine() else { return };
    stage.fill(10, 10);
    let application = stage.database().session();
    application.execute(r#"BEGIN; LOCK TABLE "Session" IN SHARE MODE"#);
    let limits = "lock_timeout = \"20s\"\nstatement_timeout = \"20s\"";
    machine.configure(&stage, EVERY_SECOND, limits, "[daemon]\nshutdown_timeout = \"6s\"");
    machine.drop_in("sweepd.service", "[Service]\nTimeoutStopSec=1\n");
    machine.run("systemctl start sweepd");
    let session = stage.database().session();
    let waiting = r#"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '"Session"'::regclass"#;
    wait_until(&machine, "no batch waits for the lock", || session.count(waiting) > 0);
    machine.run("systemctl stop sweepd");
    assert_eq!(machine.show("sweepd", "Result"), "success", "{}", machine.log());
    assert_eq!((stage.sessions(), &*stage.runs()[0].state), ((10, 10), "partial"));
}

#[test]
fn a_configuration_that_cannot_be_used_is_no_reason_to_start_again() {
    let Some(machine) = Machine::boot() else { return };
    machine.drop_in("sweepd.service", QUICK);
    // Nor is a directory for credentials that is missing, which sweepd says better.
    machine.run("rmdir /etc/sweepd/credentials");
    assert!(!machine.succeeds("systemctl start sweepd"));
    let state = |property| machine.show("sweepd", property);
    assert_eq!(
        (state("ActiveState"), state("ExecMainStatus"), state("NRestarts")),
        ("failed".into(), "2".into(), "0".into())
    );
    machine.wait_for_log("DATABASE_URL");
}

#[test]
fn the_timer_runs_the_one_shot_and_a_partial_run_is_no_failure() {
    let Some((machine, stage)) = machine() else { return };
    stage.fill(50, 10);
    machine.configure(&stage, NEVER, "max_rows = 20", "");
    let often = "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0\nAccuracySec=1ms\n";
    machine.drop_in("sweepd-clean.timer", often);
    machine.run("systemctl start sweepd-clean.timer");
    wait_until(&machine, "expired rows are left", || stage.sessions() == (10, 0));
    machine.run("systemctl stop sweepd-clean.timer");
    machine.wait_for("sweepd-clean", "ActiveState", |state| state != "activating" && state != "active");
    assert_eq!(machine.show("sweepd-clean", "Result"), "success", "{}", machine.log());
    let states: Vec<_> = stage.runs().into_iter().map(|run| run.state).collect();
    assert_eq!(states[..3], ["partial", "partial", "completed"]);
    assert_eq!(stage.assert_counts(50), 50);

    // A failure is one.
    stage.database().execute(r#"DROP TABLE "Session""#);
    assert!(!machine.succeeds("systemctl start sweepd-clean"));
    assert_eq!(machine.show("sweepd-clean", "ExecMainStatus"), "1");
}
