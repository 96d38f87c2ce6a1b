//! The program itself, with a job that fires every second, and what it says and takes.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, sweepd};
use crate::servers::{Engine, TestDatabase};

pub const SECRET: &str = "the-secret-of-the-measurement";
const LIMIT: Duration = Duration::from_secs(30);
/// Of `/proc/PID/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

/// A daemon that runs.
pub struct Daemon {
    process: Process,
    pub address: SocketAddr,
    _directory: TempDir,
}

impl Daemon {
    pub fn start(database: &TestDatabase, max_connections: Option<u32>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = toml::Value::from(database.url());
        let most = max_connections.map(|most| format!("max_connections = {most}\n")).unwrap_or_default();
        let text = format!(
            "[database]\nurl = {url}\n{most}[jobs.sessions]\nschedule = \"* * * * * *\"\npreset = \"authjs-prisma\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\nsecret = \"{SECRET}\"\n"
        );
        fs::write(directory.path().join("sweepd.toml"), text).unwrap();
        let mut command = sweepd();
        command.arg("run").current_dir(directory.path());
        let mut process = Process::spawn(command);
        let said = process.wait_for_output("is ready", LIMIT);
        let address = said.split("http=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address = address.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address: {said}"));
        process.wait_for_output("run ended", LIMIT);
        Self { process, address, _directory: directory }
    }

    /// Seconds that it has computed for.
    pub fn computed(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it runs");
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        [11, 12].iter().map(|&field| fields[field].parse::<f64>().expect("ticks")).sum::<f64>() / TICKS_PER_SECOND
    }

    pub fn stop(mut self) {
        self.process.signal("TERM");
        assert_eq!(self.process.exit_code(LIMIT), 0, "{}", self.process.output());
    }
}

/// How late each run began after its instant, in milliseconds, in order.
pub fn delays(database: &TestDatabase) -> Vec<f64> {
    let sql = match database.engine() {
        Engine::Postgres => {
            "SELECT (extract(epoch FROM started_at - scheduled_for) * 1000)::text FROM sweepd.run
            WHERE scheduled_for IS NOT NULL AND state <> 'skipped' ORDER BY scheduled_for"
        }
        Engine::MySql => {
            "SELECT CAST(TIMESTAMPDIFF(MICROSECOND, scheduled_for, started_at) / 1000 AS CHAR) FROM sweepd_run
            WHERE scheduled_for IS NOT NULL AND state <> 'skipped' ORDER BY scheduled_for"
        }
        Engine::Sqlite => {
            "SELECT CAST((julianday(started_at) - julianday(scheduled_for)) * 86400000 AS TEXT) FROM sweepd_run
            WHERE scheduled_for IS NOT NULL AND state <> 'skipped' ORDER BY scheduled_for"
        }
    };
    let rows = database.texts(sql).into_iter().flatten();
    rows.map(|text| text.parse().expect("a number")).collect()
}
