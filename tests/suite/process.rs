//! Runs the sweepd program, as a person or a service manager would, and watches what it does.

#![allow(dead_code, reason = "a toolbox: not every tool is needed at all times")]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const POLL: Duration = Duration::from_millis(5);

/// The built program, with none of the settings that the surroundings may hold. Add arguments and environment, then
/// hand it to [`Process::spawn`].
pub fn sweepd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sweepd"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SWEEPD_") || matches!(&*text, "DATABASE_URL" | "CRON_SECRET" | "RUST_LOG" | "TZ") {
            command.env_remove(&name);
        }
    }
    command
}

/// A running program. It is killed when this value is dropped, and also when the test process is killed itself.
pub struct Process {
    child: Child,
    watchdog: Child,
    home: TempDir,
}

impl Process {
    /// Starts the command, in an empty directory of its own unless it names one, with its output kept in files.
    pub fn spawn(command: Command) -> Self {
        Self::spawn_reading(Stdio::null(), command)
    }

    /// The same with something on its standard input.
    pub fn spawn_reading(input: Stdio, mut command: Command) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        if command.get_current_dir().is_none() {
            fs::create_dir(home.path().join("work")).expect("an empty directory");
            command.current_dir(home.path().join("work"));
        }
        let output = |name| File::create(home.path().join(name)).expect("an output file");
        let child = command
            .stdin(input)
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .unwrap_or_else(|error| panic!("{} starts: {error}", command.get_program().display()));
        let watchdog = watch(child.id());
        Self { child, watchdog, home }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&self) -> String {
        self.read("stdout")
    }

    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// Both outputs, for searching and for messages.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout(), self.stderr())
    }

    /// The status, or `None` when the program still runs after `limit`.
    pub fn wait_timeout(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Deadline::after(limit);
        loop {
            let status = self.child.try_wait().expect("the state of a child");
            if status.is_some() {
                self.dismiss_watchdog();
                return status;
            }
            if deadline.has_passed() {
                return None;
            }
            std::thread::sleep(POLL);
        }
    }

    /// The exit code of a program that must end within `limit`.
    pub fn exit_code(&mut self, limit: Duration) -> i32 {
        let status =
            self.wait_timeout(limit).unwrap_or_else(|| panic!("still running after {limit:?}:\n{}", self.output()));
        status.code().unwrap_or_else(|| panic!("{status}:\n{}", self.output()))
    }

    /// Waits until either output contains `text`, and returns all of the output.
    pub fn wait_for_output(&mut self, text: &str, limit: Duration) -> String {
        let deadline = Deadline::after(limit);
        loop {
            // Asked before reading, so that the last words of a program are still seen.
            let ended = self.wait_timeout(Duration::ZERO).is_some();
            let output = self.output();
            if output.contains(text) {
                return output;
            }
            assert!(!ended, "ended without saying {text:?}:\n{output}");
            assert!(!deadline.has_passed(), "no {text:?} within {limit:?}:\n{output}");
            std::thread::sleep(POLL);
        }
    }

    /// Sends a signal, named as `TERM`, `INT`, `HUP`, `STOP` or `KILL`. A program that has ended gets none.
    pub fn signal(&mut self, name: &str) {
        if self.wait_timeout(Duration::ZERO).is_none() {
            send_signal(name, self.id());
        }
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.home.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The number of an ended process may be given to a new one, which the watchdog must not kill.
    fn dismiss_watchdog(&mut self) {
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.dismiss_watchdog();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long a test waits at most. That is real time, whatever clock the tested code is given.
pub struct Deadline(Instant);

#[allow(clippy::disallowed_methods, reason = "the tests wait for other processes, which live in real time")]
impl Deadline {
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    pub fn has_passed(&self) -> bool {
        Instant::now() >= self.0
    }
}

/// Kills a process when this one ends, even by SIGKILL: then the kernel closes the pipe that the watchdog reads.
fn watch(id: u32) -> Child {
    Command::new("sh")
        .args(["-c", r#"read -r _; kill -s KILL "$1""#, "watchdog"])
        .arg(id.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C on the terminal must not end the watchdog first.
        .process_group(0)
        .spawn()
        .expect("sh starts")
}

/// Through the shell, whose `kill` is built in: the program of that name is not installed everywhere.
pub fn send_signal(name: &str, id: u32) {
    let status = Command::new("sh")
        .args(["-c", r#"kill -s "$1" "$2""#, "signal", name])
        .arg(id.to_string())
        .status()
        .expect("sh starts");
    assert!(status.success(), "kill -s {name} {id}");
}

/// A program on the PATH or in one of the given directories.
pub fn find_program(name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(directories.iter().cloned())
        .map(|directory| directory.join(name))
        .find(|file| Path::is_file(file))
}

/// Says on the terminal why a test does not run. Where `CI` is set every test must run: there it fails instead.
pub fn skip(reason: &str) {
    let in_ci = std::env::var("CI").is_ok_and(|value| !matches!(&*value, "" | "false" | "0"));
    assert!(!in_ci, "{reason} (tests/run installs what is missing)");
    // Not `eprintln!`, which the test runner hides for tests that pass.
    let _ = writeln!(std::io::stderr(), "skipped: {reason} (tests/run installs what is missing)");
}
