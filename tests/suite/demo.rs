//! `sweepd demo`: the newcomer's first minute.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::process::{Deadline, Process, sweepd};

const SOON: Duration = Duration::from_secs(12);

fn demo(directory: &Path) -> Process {
    let mut command = sweepd();
    command.arg("demo").current_dir(directory);
    Process::spawn(command)
}

fn wait_for_a_sweep(demo: &mut Process) {
    let deadline = Deadline::after(SOON);
    while !has_deleted(&demo.output()) {
        assert!(!deadline.has_passed(), "nothing is deleted after {SOON:?}:\n{}", demo.output());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn has_deleted(output: &str) -> bool {
    let mut results = output.lines().filter(|line| line.contains("run ended"));
    results.any(|line| line.contains("deletedCount=") && !line.contains("deletedCount=0 "))
}

fn interrupt(demo: &mut Process) {
    demo.signal("INT");
    assert_eq!(demo.exit_code(Duration::from_secs(8)), 0, "{}", demo.output());
}

/// Runs the commands that the farewell names.
fn follow(directory: &Path, farewell: &str) {
    let commands = farewell.lines().filter_map(|line| line.trim().strip_prefix("sweepd "));
    let mut followed = 0;
    for line in commands {
        let (arguments, _) = line.split_once("   ").expect("a command and what it shows");
        let mut command = sweepd();
        command.args(arguments.split_whitespace()).current_dir(directory);
        let mut process = Process::spawn(command);
        assert_eq!(process.exit_code(SOON), 0, "{arguments}: {}", process.output());
        followed += 1;
    }
    assert!(followed >= 3, "{farewell}");
}

#[test]
fn the_demo_sweeps_within_seconds_and_an_edited_file_stays() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut first = demo(directory.path());
    wait_for_a_sweep(&mut first);
    interrupt(&mut first);
    let said = first.stdout();
    let (greeting, farewell) = said.split_once("Where to look next:").expect("a farewell");
    assert!(greeting.contains("Ctrl-C"), "{said}");
    follow(directory.path(), farewell);

    let file = directory.path().join("sweepd-demo/sweepd.toml");
    let written = fs::read_to_string(&file).expect("a configuration file");
    let edited = written.replace("\"every 5 seconds\" ", "\"every 2 seconds\" ");
    assert_ne!(edited, written);
    fs::write(&file, &edited).expect("it can be edited");
    let mut second = demo(directory.path());
    let said = second.wait_for_output("is ready", SOON);
    assert!(said.contains("every 2 seconds (UTC)"), "{said}");
    wait_for_a_sweep(&mut second);
    interrupt(&mut second);
    assert_eq!(fs::read_to_string(&file).expect("it is still there"), edited);
}
