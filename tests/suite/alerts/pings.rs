//! A dead man's switch hears of each run.

use super::receiver::{Manner, Receiver, TAKES};
use super::{break_it, mend_it};
use crate::process::Process;
use crate::servers::Engine;
use crate::stage::{EVERY_SECOND, LIMIT, NEVER, Stage, stop};
use std::time::Duration;

/// The job's configuration, with the URL that is pinged.
fn configure(stage: &Stage, schedule: &str, url: &str) -> std::path::PathBuf {
    let path = stage.configure(schedule, "", "");
    let text = std::fs::read_to_string(&path).unwrap();
    let pinged = format!("[jobs.sessions]\nping_url = \"{url}\"\n");
    std::fs::write(&path, text.replace("[jobs.sessions]\n", &pinged)).unwrap();
    path
}

fn start(stage: &Stage, schedule: &str, url: &str, subcommand: &str) -> Process {
    let mut command = crate::process::sweepd();
    command.arg("--config").arg(configure(stage, schedule, url)).arg(subcommand);
    Process::spawn(command)
}

/// The last word of the path, and the run.
fn said(path: &str) -> (String, String) {
    let (path, run) = path.split_once("?rid=").expect("the id of a run");
    (path.rsplit('/').next().unwrap().to_owned(), run.to_owned())
}

#[test]
fn each_run_is_announced_when_it_begins_and_when_it_ends() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let receiver = Receiver::start();
    stage.fill(3, 2);
    let mut daemon = start(&stage, EVERY_SECOND, &receiver.url(), "run");
    receiver.wait_for(4, LIMIT);
    break_it(&stage);
    let deadline = crate::process::Deadline::after(LIMIT);
    while !receiver.all().iter().any(|ping| ping.path.contains("/fail?")) {
        assert!(!deadline.has_passed(), "{:?}", receiver.all());
        std::thread::sleep(Duration::from_millis(10));
    }
    stop(&mut daemon);
    let pings = receiver.taken();
    let runs = stage.runs();
    for run in runs.iter().filter(|run| run.state == "completed" || run.state == "failed") {
        let of_it: Vec<_> = pings.iter().map(|ping| said(&ping.path)).filter(|(_, id)| *id == run.id).collect();
        let words: Vec<_> = of_it.iter().map(|(word, _)| &**word).collect();
        let end = if run.state == "failed" { "fail" } else { "hook" };
        assert!(words == ["start", end] || words == [end], "{run:?}: {pings:?}");
    }
    assert!(pings[1].body.starts_with("completed, 3 rows deleted by "), "{}", pings[1].body);
    let started = pings.iter().filter(|ping| ping.path.contains("/start?")).count();
    assert!(started > 0, "{pings:?}");
}

#[test]
fn a_command_announces_its_run_too_and_waits_for_nobody_for_long() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let receiver = Receiver::start();
    stage.fill(3, 2);
    let mut clean = start(&stage, NEVER, &receiver.url(), "clean");
    assert_eq!(clean.exit_code(LIMIT), 0, "{}", clean.output());
    let words: Vec<_> = receiver.taken().iter().map(|ping| said(&ping.path).0).collect();
    assert!(words == ["start", "hook"] || words == ["hook"], "{words:?}");
    // Where the end cannot be told, the run is done all the same.
    receiver.behave(Manner { status: 500, ..TAKES });
    let mut clean = start(&stage, NEVER, &receiver.url(), "clean");
    assert_eq!(clean.exit_code(LIMIT), 0, "{}", clean.output());
    assert!(clean.output().contains("was not pinged: "), "{}", clean.output());
    break_it(&stage);
    receiver.behave(TAKES);
    let mut clean = start(&stage, NEVER, &receiver.url(), "clean");
    assert_eq!(clean.exit_code(LIMIT), 1, "{}", clean.output());
    assert!(said(&receiver.taken().last().unwrap().path).0 == "fail", "{:?}", receiver.taken());
    mend_it(&stage);
}
