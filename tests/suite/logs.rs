//! What the daemon writes to its log files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::process::{Process, sweepd};
use crate::servers::Engine;
use crate::stage::{LIMIT, NEVER, Stage};

const EVERY_SECOND: &str = "* * * * * *";

/// Lets a daemon sweep once, and returns the text of its one log file and what it said on the console.
fn sweep(stage: &Stage, log: &str) -> (String, String) {
    stage.fill(7, 3);
    let directory = stage.directory().join("logs/of/sweepd");
    let log = format!("[log]\ndirectory = {}\n{log}", toml::Value::from(directory.to_string_lossy().as_ref()));
    let mut daemon = stage.daemon(EVERY_SECOND, "", &log);
    stage.wait_until_swept(&mut daemon);
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(LIMIT), 0, "{}", daemon.output());
    (only_file(&directory), daemon.stderr())
}

fn only_file(directory: &Path) -> String {
    let files: Vec<_> =
        fs::read_dir(directory).expect("a directory").map(|file| file.expect("a file").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    fs::read_to_string(&files[0]).expect("a text file")
}

/// The lines without their times: each output takes its own.
fn words(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.split_once(' ').expect("a time and words").1).collect()
}

#[test]
fn a_text_file_has_the_result_line_and_the_last_words() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    let (file, console) = sweep(&stage, "");
    let run = stage.runs().into_iter().find(|run| run.deleted == 7).expect("a run");
    let line = file.lines().find(|line| line.contains("run ended") && line.contains(&run.id)).expect("a result line");
    for part in ["job=sessions", "trigger=schedule", "deletedCount=7", "durationMs=", "outcome=completed"] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    assert!(file.lines().last().expect("a line").ends_with("stopped"), "{file}");
    assert!(!file.contains('\u{1b}') && !console.contains('\u{1b}'), "no colours but on a terminal");
    assert_eq!(words(&file), words(&console), "the console shows the same");
}

#[test]
fn a_json_file_has_one_object_a_line() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    let (file, console) = sweep(&stage, "format = \"json\"");
    let run = stage.runs().into_iter().find(|run| run.deleted == 7).expect("a run");
    for text in [&file, &console] {
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
        let of_run = |line: &&Value| line["runId"] == *run.id && !line["outcome"].is_null();
        let results: Vec<_> = lines.iter().filter(of_run).collect();
        assert_eq!(results.len(), 1, "{text}");
        let line = results[0];
        assert_eq!((&line["job"], &line["trigger"]), (&"sessions".into(), &"schedule".into()));
        // The one shape that the report has everywhere.
        let audited = stage.audit().into_iter().find(|row| row["runId"] == *run.id).expect("an audit row");
        for field in
            ["runId", "deletedCount", "durationMs", "outcome", "batches", "order", "cutoff", "host", "startedAt"]
        {
            assert_eq!(line[field], audited[field], "{field}");
        }
        assert_eq!(lines.last().expect("a line")["message"], "stopped");
    }
}

#[test]
fn the_level_holds_for_the_file() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    let (file, _) = sweep(&stage, "level = \"warn\"");
    assert_eq!(file, "");
}

#[test]
fn a_directory_that_cannot_be_written_is_said_and_nothing_runs() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    // Below a file nobody can create a directory, not even root.
    let directory = stage.database().path().join("logs");
    let log = format!("[log]\ndirectory = {}", toml::Value::from(directory.to_string_lossy().as_ref()));
    let mut command = sweepd();
    command.arg("--config").arg(stage.configure(NEVER, "", &log));
    let mut daemon = Process::spawn(command);
    let code = daemon.exit_code(Duration::from_secs(10));
    assert_eq!(code, 1);
    let said = daemon.stderr();
    for part in ["cannot write logs to", &*directory.to_string_lossy(), "log.directory"] {
        assert!(said.contains(part), "no {part} in {said}");
    }
}
