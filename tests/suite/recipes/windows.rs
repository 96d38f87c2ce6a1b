//! `deploy/windows/`: what the task starts, as far as that is the same elsewhere.

use std::fs;

use super::{deployed, shell};
use crate::oneshot::left;
use crate::servers::Engine;

/// The text of the only element of that name.
fn element<'a>(task: &'a str, name: &str) -> &'a str {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    assert_eq!(task.matches(&start).count(), 1, "{name}");
    task.split(&start).nth(1).and_then(|rest| rest.split(&end).next()).expect("it ends")
}

#[test]
fn what_its_task_starts_deletes_and_says_nothing() {
    let task = deployed("windows/sweepd-task.xml");
    // It is read as it is, without a declared encoding.
    assert!(task.is_ascii());
    assert_eq!(element(&task, "Command"), r#""C:\Program Files\sweepd\sweepd.exe""#);
    assert_eq!(element(&task, "MultipleInstancesPolicy"), "IgnoreNew");
    assert_eq!(element(&task, "StartWhenAvailable"), "true");
    let shell = shell();
    let place = |name: &str| shell.path().join(name).display().to_string();
    let text = deployed("windows/sweepd.toml")
        .replace(r"C:\ProgramData\sweepd\database-url.txt", &place("database-url"))
        .replace(r"C:\ProgramData\sweepd\logs", &place("logs"));
    assert!(!text.contains(r":\ProgramData\sweepd\d") && text.contains("logs"), "{text}");
    shell.configure(&text);
    let arguments = element(&task, "Arguments").replace(r"C:\ProgramData\sweepd\sweepd.toml", &place("sweepd.toml"));
    let said = shell.expect(0, &arguments.split_whitespace().collect::<Vec<_>>());
    assert_eq!((&*said.stdout, &*said.stderr), ("", ""));
    assert_eq!(left(&shell, Engine::Sqlite, "Session"), ["far", "never", "soon"]);
    // Nobody sees what a task prints: its log does.
    let logs: Vec<_> = fs::read_dir(shell.path().join("logs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let log = fs::read_to_string(&logs[0]).unwrap();
    assert!(log.contains("run ended") && log.contains("deletedCount=2"), "{log}");
}
