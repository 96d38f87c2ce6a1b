//! Runs the program, and reads what it says about itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Process, sweepd};

/// A sweep that takes longer has gone wrong.
const LIMIT: Duration = Duration::from_mins(30);

/// How often the memory of the program is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What goes into the configuration. Where nothing is said, the default holds.
#[derive(Clone, Copy, Default)]
pub struct Settings<'a> {
    pub order: Option<&'static str>,
    pub workers: Option<u32>,
    pub batch_target: Option<&'a str>,
    pub nice: Option<u32>,
}

/// What a run did.
pub struct Ran {
    pub deleted: u64,
    pub time: Duration,
    /// Milliseconds of every batch, in order.
    pub batches: Vec<f64>,
    /// KiB; `None` where it ended before anybody could look.
    pub peak_memory: Option<u64>,
}

/// A run that is under way.
pub struct Running {
    process: Process,
    directory: TempDir,
}

impl Settings<'_> {
    fn text(&self, logs: &Path) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let line =
            |key: &str, value: Option<String>| value.map(|value| format!("{key} = {value}\n")).unwrap_or_default();
        let job =
            line("order", self.order.map(quoted)) + &line("workers", self.workers.map(|number| number.to_string()));
        let limits = line("batch_target", self.batch_target.map(quoted))
            + &line("nice", self.nice.map(|number| number.to_string()));
        let logs = quoted(&logs.to_string_lossy());
        format!(
            "[jobs.sessions]\nschedule = \"manual\"\npreset = \"authjs-prisma\"\n{job}[jobs.sessions.limits]\n{limits}\
             [log]\nlevel = \"debug\"\nformat = \"json\"\nrotation = \"never\"\ndirectory = {logs}\n"
        )
    }

    /// Starts a run.
    pub fn start(&self, url: &str) -> Running {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("sweepd.toml"), self.text(&directory.path().join("logs"))).unwrap();
        let mut command = sweepd();
        command.args(["clean", "--json"]).env("DATABASE_URL", url).current_dir(directory.path());
        Running { process: Process::spawn(command), directory }
    }

    /// A whole run.
    pub fn clean(&self, url: &str) -> Ran {
        let mut running = self.start(url);
        let mut peak_memory = None;
        while running.is_running() {
            peak_memory = peak_memory_of(running.process.id()).or(peak_memory);
            std::thread::sleep(LOOK);
        }
        running.result(peak_memory)
    }
}

/// Creates sweepd's own tables, as the first run of all does.
pub fn migrate(url: &str) {
    let mut command = sweepd();
    command.arg("migrate").env("DATABASE_URL", url);
    let mut migrate = Process::spawn(command);
    assert_eq!(migrate.exit_code(LIMIT), 0, "{}", migrate.output());
}

impl Running {
    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.process.wait_timeout(Duration::ZERO).is_none()
    }

    /// Asks it to stop, and waits until it has ended.
    pub fn stop(mut self) {
        self.process.signal("TERM");
        self.process.exit_code(LIMIT);
    }

    fn result(mut self, peak_memory: Option<u64>) -> Ran {
        let code = self.process.exit_code(LIMIT);
        assert_eq!(code, 0, "sweepd has failed:\n{}", self.process.output());
        let said: Value = serde_json::from_str(&self.process.stdout()).unwrap();
        let time = said["runs"][0]["durationMs"].as_u64().expect("a duration");
        let batches = batches(&self.directory.path().join("logs"));
        let deleted = said["deletedCount"].as_u64().expect("a count");
        Ran { deleted, time: Duration::from_millis(time), batches, peak_memory }
    }
}

/// How long each batch took, by the log.
fn batches(logs: &Path) -> Vec<f64> {
    let files = fs::read_dir(logs).into_iter().flatten();
    let text: String = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == "batch").filter_map(|line| line["tookMs"].as_f64()).collect()
}

/// The most memory that a process has had, in KiB.
fn peak_memory_of(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
