//! A client's commands. `tests/clients/protocol.mjs` describes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::Zones;
use super::cases::Case;
use crate::process::Process;

/// It writes or judges some dozens of sessions, while others do the same.
const LIMIT: Duration = Duration::from_mins(2);

pub struct Client<'a> {
    clients: &'a Path,
    case: &'a Case,
    zones: Zones,
    url: &'a str,
}

impl<'a> Client<'a> {
    pub fn new(clients: &'a Path, case: &'a Case, zones: Zones, url: &'a str) -> Self {
        Self { clients, case, zones, url }
    }

    /// Lets the library create its tables and write sessions, and returns their tokens.
    pub fn write(&self) -> Result<Vec<String>, String> {
        let lines = self.call(&["create", "write"], &[])?;
        Ok(lines.iter().map(token).collect())
    }

    /// For each token, whether the library accepts it now.
    pub fn judge(&self, tokens: &[String]) -> Result<BTreeMap<String, bool>, String> {
        let lines = self.call(&["judge"], tokens)?;
        Ok(lines.iter().map(|line| (token(line), line["accepted"] == true)).collect())
    }

    /// The versions of the library's packages.
    pub fn versions(&self) -> Result<Value, String> {
        self.call(&["versions"], &[]).map(|mut lines| lines.remove(0))
    }

    fn call(&self, commands: &[&str], input: &[String]) -> Result<Vec<Value>, String> {
        let mut command = self.program();
        command
            .args(commands)
            .env("DATABASE_URL", self.url)
            .env("TZ", self.zones.process)
            .env("TIME_ZONE", self.zones.process)
            .envs(self.case.environment.iter().copied());
        let mut process = Process::spawn_reading(lines(input), command);
        let code = process.exit_code(LIMIT);
        if code != 0 {
            return Err(format!("{commands:?}: {}", process.stderr()));
        }
        process.stdout().lines().map(|line| serde_json::from_str(line).map_err(|error| error.to_string())).collect()
    }

    fn program(&self) -> Command {
        let directory = self.clients.join(self.case.client);
        let has = |file: &str| directory.join(file).exists();
        let mut command = if has("Cargo.toml") {
            Command::new(directory.join("target/debug").join(format!("{}-client", self.case.client)))
        } else if has("main.py") {
            Command::new(self.clients.join("venv/bin/python"))
        } else {
            Command::new("node")
        };
        let script = ["main.py", "main.mjs"].into_iter().find(|script| has(script));
        command.args(script).current_dir(directory);
        command
    }
}

fn token(line: &Value) -> String {
    line["token"].as_str().expect("a token").to_owned()
}

fn lines(texts: &[String]) -> Stdio {
    let mut file: File = tempfile::tempfile().expect("a temporary file");
    for text in texts {
        writeln!(file, "{text}").expect("a line");
    }
    file.rewind().expect("its start");
    file.into()
}
