//! What the daemon tells a service manager, and when it says nothing.

use std::fs;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sweepd::clock::Stopwatch;

use super::manager::{Manager, status};
use crate::process::{Deadline, Process, sweepd};
use crate::servers::Engine;
use crate::stage::{EVERY_SECOND, LIMIT, NEVER, Stage, stop, wait};

/// Half a second: so that a quarter of one is the pace of the pings.
const WATCHDOG: Option<u32> = Some(500_000);
/// Longer than any ping takes.
const SILENCE: Duration = Duration::from_millis(1500);

fn stage() -> Stage {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(20, 5);
    stage
}

fn daemon(stage: &Stage, schedule: &str, rest: &str) -> Command {
    let mut command = sweepd();
    command.arg("--config").arg(stage.configure(schedule, "", rest)).arg("run");
    command
}

fn is_ping(message: &str) -> bool {
    message.lines().any(|line| line == "WATCHDOG=1")
}

#[test]
fn ready_is_said_without_a_database_once_http_listens() {
    let mut manager = Manager::new();
    let http = "[http]\nlisten = \"127.0.0.1:0\"\nsecret = \"a-secret-that-is-long-enough\"";
    let stage = stage().reached_by("postgresql://app@127.0.0.1:1/app".to_owned());
    let mut daemon = manager.start(daemon(&stage, "daily at 02:00", http), None);
    let ready = manager.hear(LIMIT).expect("a message");
    assert!(daemon.output().contains("listening"), "{}", daemon.output());
    assert_eq!(ready, "READY=1\nSTATUS=next: sessions at 02:00 UTC");
    stop(&mut daemon);
    manager.wait_for_line("STOPPING=1");
}

#[test]
#[ignore = "a measurement, of the profile that the tests are built with"]
fn how_long_it_takes_to_be_ready() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    let mut times: Vec<_> = (0..21)
        .map(|_| {
            let mut manager = Manager::new();
            let program = daemon(&stage, "daily at 02:00", "");
            let watch = Stopwatch::start();
            let mut daemon = manager.start(program, None);
            manager.wait_for_line("READY=1");
            let time = watch.elapsed();
            stop(&mut daemon);
            time
        })
        .collect();
    times.sort_unstable();
    println!("from start to READY: {:?}, at least {:?}, at most {:?}", times[10], times[0], times[20]);
}

#[test]
fn a_reload_is_said_when_it_begins_and_when_it_has_ended_well_or_not() {
    let mut manager = Manager::new();
    let stage = stage();
    let file = stage.configure(NEVER, "", "");
    let text = fs::read_to_string(&file).expect("the configuration");
    let mut daemon = manager.start(daemon(&stage, NEVER, ""), None);
    assert_eq!(status(&manager.wait_for_line("READY=1")), "no job is run by itself");

    let before = micros();
    fs::write(&file, text.replace(NEVER, "monthly on the 1st at 02:30")).expect("it is written");
    let reloading = manager.wait_for_line("RELOADING=1");
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("the time in the same message");
    assert!((before..=micros()).contains(&since.parse().expect("a number")), "{before} {since} {}", micros());
    let ready = manager.wait_for_line("READY=1");
    assert!(
        status(&ready).starts_with("next: sessions on 20") && status(&ready).ends_with("-01 at 02:30 UTC"),
        "{ready}"
    );

    fs::write(&file, "nonsense [").expect("it is written");
    manager.wait_for_line("RELOADING=1");
    let refused = manager.wait_for_line("READY=1");
    let words = "the configuration was edited and cannot be used, so the one from before stays in force";
    assert!(status(&refused).starts_with(words) && status(&refused).ends_with("-01 at 02:30 UTC"), "{refused}");

    // With SIGHUP too.
    daemon.signal("HUP");
    manager.wait_for_line("RELOADING=1");
    assert!(status(&manager.wait_for_line("READY=1")).starts_with(words));
    fs::write(&file, &text).expect("it is written");
    manager.wait_for_line("RELOADING=1");
    assert_eq!(status(&manager.wait_for_line("READY=1")), "no job is run by itself");
    stop(&mut daemon);
}

fn micros() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

#[test]
fn the_status_tells_of_a_run_and_of_its_failure() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    stage.fill(60_000, 5);
    let mut manager = Manager::new();
    let file = stage.configure(EVERY_SECOND, "nice = 0\nmax_rows_per_second = 20000", "");
    let mut command = sweepd();
    command.arg("--config").arg(&file).arg("run");
    let mut daemon = manager.start(command, WATCHDOG);
    let rows =
        |message: &str| status(message).split_once("sessions: running, ")?.1.split_once(' ')?.0.parse::<u64>().ok();
    let first = manager.wait_for(|message| rows(message).is_some_and(|rows| rows > 0));
    let later = manager.wait_for(|message| rows(message) > rows(&first));
    assert!(rows(&later) < Some(60_000) && status(&later).contains("; next: sessions at "), "{later}");
    assert!(status(&later).ends_with("UTC (in less than a minute)"), "{later}");
    stage.wait_until_swept(&mut daemon);
    manager.wait_for(|message| status(message).starts_with("next: "));

    stage.database().execute(r#"ALTER TABLE "Session" RENAME TO "Elsewhere""#);
    manager.wait_for(|message| status(message).starts_with("sessions: the last run failed (the log says why); "));
    stage.database().execute(r#"ALTER TABLE "Elsewhere" RENAME TO "Session""#);
    manager.wait_for(|message| status(message).starts_with("next: "));
    stop(&mut daemon);
}

#[test]
fn a_stop_asks_for_more_time_while_it_takes_some() {
    let Some(stage) = Stage::fresh(Engine::Postgres) else { return };
    stage.fill(10, 10);
    let application = stage.database().session();
    application.execute(r#"BEGIN; LOCK TABLE "Session" IN SHARE MODE"#);
    let limits = "lock_timeout = \"20s\"\nstatement_timeout = \"20s\"";
    let mut manager = Manager::new();
    let mut command = sweepd();
    let file = stage.configure(EVERY_SECOND, limits, "[daemon]\nshutdown_timeout = \"5s\"");
    command.arg("--config").arg(file).arg("run");
    let mut daemon = manager.start(command, WATCHDOG);
    let session = stage.database().session();
    let waiting = r#"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '"Session"'::regclass"#;
    wait(&mut daemon, "no batch waits for the lock", || session.count(waiting) > 0);
    daemon.signal("TERM");
    manager.wait_for_line("STOPPING=1");
    // The batch is given up after half of the time.
    for _ in 0..3 {
        assert!(is_ping(&manager.wait_for_line("EXTEND_TIMEOUT_USEC=5000000")));
    }
    assert_eq!(daemon.exit_code(LIMIT), 0, "{}", daemon.output());
}

/// What blocks the one thread of the daemon here is a configuration file that does not answer, as on a file server that is away.
#[test]
fn the_watchdog_hears_from_the_loop_of_the_daemon_and_nothing_when_that_is_stuck() {
    let mut manager = Manager::new();
    let stage = stage();
    let mut daemon = manager.start(daemon(&stage, NEVER, ""), WATCHDOG);
    for _ in 0..5 {
        manager.wait_for(is_ping);
    }
    let (file, pipe) = (stage.directory().join("sweepd.toml"), stage.directory().join("pipe"));
    let text = fs::read_to_string(&file).expect("the configuration");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo starts").success());
    fs::hard_link(&pipe, stage.directory().join("link")).expect("a link");
    fs::rename(stage.directory().join("link"), &file).expect("the pipe takes the place of the configuration");
    let deadline = Deadline::after(LIMIT);
    while manager.hear(SILENCE).is_some() {
        assert!(!deadline.has_passed(), "still heard: {:#?}", manager.heard);
    }

    // It goes on when there is an answer.
    fs::write(stage.directory().join("new"), &text).expect("a new file");
    fs::rename(stage.directory().join("new"), &file).expect("it takes the place of the pipe");
    let mut answer = fs::OpenOptions::new().write(true).open(&pipe).expect("somebody reads");
    answer.write_all(text.as_bytes()).expect("an answer");
    drop(answer);
    for _ in 0..5 {
        manager.wait_for(is_ping);
    }
    stop(&mut daemon);
}

#[test]
fn a_watchdog_of_another_process_is_none() {
    let stage = stage();
    let program = daemon(&stage, "daily at 02:00", "");
    for (process, is_ours) in [("$$", true), ("1", false)] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("WATCHDOG_PID={process} exec \"$@\""), "sh"]);
        command.arg(program.get_program()).args(program.get_args());
        let mut manager = Manager::new();
        let mut daemon = manager.start(command, WATCHDOG);
        let ready = manager.wait_for_line("READY=1");
        // Only who comes round again can say how long it is from now.
        assert_eq!(status(&ready).contains("UTC (in "), is_ours, "{ready}");
        if is_ours {
            manager.wait_for(is_ping);
        } else {
            assert_eq!(manager.hear(SILENCE), None);
        }
        stop(&mut daemon);
    }
}

#[test]
fn nobody_is_woken_without_a_watchdog() {
    let mut manager = Manager::new();
    let stage = stage();
    let mut daemon = manager.start(daemon(&stage, "monthly on the 1st at 02:00", ""), None);
    manager.wait_for_line("READY=1");
    // The ledger is told of the schedule first.
    let mut before = wakes(&daemon);
    let deadline = Deadline::after(LIMIT);
    loop {
        assert_eq!(manager.hear(Duration::from_secs(2)), None);
        let now = wakes(&daemon);
        if now == before {
            break;
        }
        assert!(!deadline.has_passed(), "it is never idle");
        before = now;
    }
    stop(&mut daemon);
}

/// How often its threads have gone to sleep.
fn wakes(daemon: &Process) -> u64 {
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.id())).expect("its threads");
    let wakes = threads.flatten().filter_map(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse::<u64>().ok()
    });
    wakes.sum()
}

#[test]
fn an_abstract_socket_is_found_too() {
    let name = format!("sweepd-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    let socket = UnixDatagram::bind_addr(&address).expect("a socket");
    socket.set_read_timeout(Some(LIMIT)).expect("a time limit");
    let stage = stage();
    let mut command = daemon(&stage, NEVER, "");
    command.env("NOTIFY_SOCKET", format!("@{name}")).env_remove("WATCHDOG_USEC");
    let mut daemon = Process::spawn(command);
    let mut message = [0; 100];
    let length = socket.recv(&mut message).expect("a message");
    assert_eq!(&message[..length], b"READY=1\nSTATUS=no job is run by itself");
    stop(&mut daemon);
}

#[test]
fn a_manager_that_is_gone_or_nonsense_hinders_nobody() {
    let long = format!("/{}", "x".repeat(200));
    for (socket, warning) in [("/nowhere/notify", true), ("vsock:2:1234", true), (&*long, true), ("", false)] {
        let stage = stage();
        let mut command = daemon(&stage, EVERY_SECOND, "");
        command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", "200000");
        let mut daemon = Process::spawn(command);
        stage.wait_until_swept(&mut daemon);
        stop(&mut daemon);
        let said = daemon.output();
        assert_eq!(said.matches("the service manager").count(), usize::from(warning), "{socket}: {said}");
    }
}

#[test]
fn a_manager_that_is_busy_is_told_later() {
    let mut manager = Manager::new();
    let stage = stage();
    let mut daemon = manager.start(daemon(&stage, NEVER, ""), None);
    manager.wait_for_line("READY=1");
    manager.fill();
    for times in 1..=20 {
        daemon.signal("HUP");
        let loaded = |daemon: &Process| daemon.output().matches("loaded anew").count();
        let deadline = Deadline::after(LIMIT);
        while loaded(&daemon) < times {
            assert!(!deadline.has_passed(), "{}", daemon.output());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    manager.wait_for_line("RELOADING=1");
    while manager.hear(Duration::from_secs(3)).is_some() {}
    assert_eq!(manager.heard.last().expect("messages"), "READY=1\nSTATUS=no job is run by itself");
    stop(&mut daemon);
    assert!(!daemon.output().contains("the service manager"), "{}", daemon.output());
}
