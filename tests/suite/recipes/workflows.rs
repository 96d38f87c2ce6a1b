//! `deploy/github-actions/`: the steps, run as GitHub's machines run them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{deployed, shell};
use crate::http::called::{Called, SECRET};
use crate::oneshot::{Said, left};
use crate::process::{Process, find_program, skip};
use crate::servers::Engine;
use crate::stage::{LIMIT, Stage};

/// The script of a step: the lines that are further in than its `run:`.
fn script(workflow: &str, step: &str) -> String {
    let step = workflow.split("- name: ").find(|part| part.lines().next() == Some(step)).expect("a step");
    let lines = step.split("run: |\n").nth(1).expect("a script").lines();
    let lines: Vec<_> = lines.map_while(|line| line.strip_prefix("          ")).collect();
    lines.join("\n")
}

/// A script goes into a file, which `bash -e` runs.
fn run(directory: &Path, script: &str, environment: &[(&str, &str)]) -> Said {
    let file = directory.join("step.sh");
    fs::write(&file, script).unwrap();
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-e"]).arg(file).current_dir(directory);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", directory);
    command.envs(environment.iter().copied());
    let mut process = Process::spawn(command);
    let code = process.exit_code(LIMIT);
    Said { code, stdout: process.stdout(), stderr: process.stderr() }
}

#[test]
fn a_call_deletes_and_a_wrong_secret_fails_the_step() {
    if find_program("bash", &[]).is_none() || find_program("curl", &[]).is_none() {
        return skip("no bash or curl");
    }
    let script = script(&deployed("github-actions/call.yml"), "Call sweepd");
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(3, 2);
    let mut called = Called::start(&stage, "", "");
    let url = called.url("");
    let call = |secret| run(stage.directory(), &script, &[("CRON_SECRET", secret), ("SWEEPD_URL", &url)]);
    let wrong = call("another-secret-than-that");
    assert_eq!((wrong.code, &*wrong.stdout), (22, r#"{"success":false,"error":"Unauthorized"}"#), "{}", wrong.stderr);
    assert_eq!(stage.sessions(), (2, 3));
    let right = call(SECRET);
    assert_eq!((right.code, &*right.stderr), (0, ""), "{}", right.stdout);
    assert!(right.stdout.starts_with(r#"{"success":true,"deletedCount":3,"#), "{}", right.stdout);
    assert_eq!(stage.sessions(), (2, 0));
    called.stop();
}

#[test]
fn a_run_on_their_machine_warns_of_what_is_left_and_fails_when_it_fails() {
    if find_program("bash", &[]).is_none() {
        return skip("no bash");
    }
    let workflow = deployed("github-actions/clean.yml");
    let script = script(&workflow, "Clean up");
    let shell = shell();
    // The database alone: the step knows no configuration.
    fs::remove_file(shell.path().join("sweepd.toml")).unwrap();
    fs::create_dir_all(shell.path().join(".cargo/bin")).unwrap();
    symlink(env!("CARGO_BIN_EXE_sweepd"), shell.path().join(".cargo/bin/sweepd")).unwrap();
    let url = shell.database.url();
    let one = ("SWEEPD_JOBS__SESSIONS__LIMITS__MAX_ROWS", "1");
    let some = run(shell.path(), &script, &[("DATABASE_URL", url), one]);
    assert_eq!(some.code, 0, "{}{}", some.stdout, some.stderr);
    assert!(some.stdout.contains("\n::warning title=sweepd::"), "{}", some.stdout);
    let all = run(shell.path(), &script, &[("DATABASE_URL", url)]);
    assert_eq!((all.code, all.stdout.contains("::warning")), (0, false), "{}{}", all.stdout, all.stderr);
    assert_eq!(left(&shell, Engine::Sqlite, "Session"), ["far", "never", "soon"]);
    let none = run(shell.path(), &script, &[("DATABASE_URL", "file:/nowhere/app.db")]);
    assert_eq!(none.code, 1, "{}{}", none.stdout, none.stderr);
}

/// Who registers the name in a registry must not get the database's URL.
#[test]
fn it_installs_nothing_but_a_commit_that_somebody_named() {
    let workflow = deployed("github-actions/clean.yml");
    let commands: Vec<_> = workflow.lines().filter(|line| line.contains("cargo ")).map(str::trim).collect();
    assert_eq!(commands, [r#"run: cargo install --locked --git "$SWEEPD_REPOSITORY" --rev "$SWEEPD_COMMIT" sweepd"#]);
    for name in ["SWEEPD_REPOSITORY", "SWEEPD_COMMIT"] {
        assert!(workflow.contains(&format!("{name}: ${{{{ vars.{name} }}}}\n")), "{name}");
        assert!(crate::docs::blocks::page("docs/one-shot.md").contains(&format!("`{name}`")), "{name}");
    }
    // Another commit is not taken from the cache.
    assert!(workflow.contains("key: sweepd-${{ vars.SWEEPD_COMMIT }}-"));
}

/// GitHub says nothing of a file that it cannot read: it does not run it.
#[test]
fn they_are_made_of_what_a_workflow_is_made_of() {
    for name in ["call.yml", "clean.yml"] {
        let workflow = deployed(&format!("github-actions/{name}"));
        let keys = workflow.lines().filter(|line| line.starts_with(char::is_alphabetic));
        let keys: Vec<_> = keys.map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(keys, ["name", "on", "permissions", "concurrency", "jobs"], "{name}");
        assert!(!workflow.contains('\t') && workflow.contains("    - cron: \"17 3 * * *\""), "{name}");
    }
}
