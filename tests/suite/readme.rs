//! README shows what works: its commands run and its configurations load.

use std::path::Path;
use std::process::Command;

use chrono::TimeDelta;
use sweepd::clock::Clock;
use sweepd::config::{Config, Environment};
use sweepd::db::{Engine, ledger_sql};

use crate::http::daemon::address;
use crate::oneshot::{Shell, authjs};
use crate::process::{Process, find_program, skip, sweepd};
use crate::servers;
use crate::sessions::App;
use crate::stage::{NEVER, Stage, stop};

const README: &str = include_str!("../../README.md");
const URL: &str = "postgresql://app@db.example.com:5432/app";

/// The blocks of code in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    let blocks = README.split(start.as_str()).skip(1);
    let blocks: Vec<_> = blocks.map(|block| block.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "{language}");
    blocks
}

#[test]
fn its_configurations_load() {
    let environment: Environment = [("DATABASE_URL", URL)].into_iter().collect();
    for block in blocks("toml") {
        let loaded = Config::from_text(Path::new("README.md"), block, &environment);
        assert!(loaded.is_ok(), "{block}\n{}", loaded.unwrap_err());
    }
}

#[test]
fn its_commands_run() {
    let Some(shell) = Shell::with(servers::Engine::Sqlite, &authjs(servers::Engine::Sqlite, "Session")) else { return };
    let lines = blocks("sh").into_iter().flat_map(str::lines);
    let commands = lines.filter_map(|line| line.split('#').next().unwrap().trim().strip_prefix("sweepd "));
    let mut ran = 0;
    for command in commands.filter(|command| *command != "run") {
        shell.expect(0, &command.split_whitespace().collect::<Vec<_>>());
        ran += 1;
    }
    assert!(ran >= 4, "{ran}");
}

#[test]
fn its_grants_are_those_that_check_prints() {
    for (engine, user) in [(Engine::Postgres, "sweeper"), (Engine::MySql, "'sweeper'@'%'")] {
        let grants = ledger_sql::grants(engine, "app", user);
        for grant in grants.lines().filter(|grant| !grant.contains("USAGE")) {
            assert!(README.contains(&grant.replace('`', "")), "{grant}");
        }
    }
}

#[test]
fn its_table_names_every_command_and_flag() {
    let Some(shell) = Shell::with(servers::Engine::Sqlite, "") else { return };
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `sweepd ")?.split('`').next());
    for row in rows {
        let command = row.split_whitespace().next().unwrap();
        let help = shell.expect(0, &[command, "--help"]).stdout;
        let flags =
            row.split_whitespace().map(|word| word.trim_matches(['[', ']'])).filter(|word| word.starts_with("--"));
        for flag in flags {
            assert!(help.contains(flag), "{command} {flag}: {help}");
        }
    }
}

/// The transcript with `curl`, typed in as it stands.
#[test]
fn its_calls_over_http_answer_what_it_shows() {
    const SECRET: &str = "the-secret-of-the-readers";
    if find_program("curl", &[]).is_none() {
        return skip("no curl");
    }
    let block = blocks("console").into_iter().find(|block| block.contains("curl")).expect("a transcript");
    let (commands, answers): (Vec<_>, Vec<_>) = block.lines().partition(|line| line.starts_with("$ "));
    assert!(commands.len() == answers.len() + 1 && answers.len() >= 7, "{block}");

    let app = App::new(Stage::fresh(servers::Engine::Sqlite).expect("SQLite is built in"));
    let in_minutes = |minutes| Clock::system().now() + TimeDelta::minutes(minutes);
    app.add("abc", "ada", in_minutes(20));
    app.add("def", "ada", in_minutes(10));
    let mut command = sweepd();
    let file = app.stage.configure(NEVER, "", "[http]\nlisten = \"127.0.0.1:0\"");
    command.env("CRON_SECRET", SECRET).arg("--config").arg(file).arg("run");
    let mut daemon = Process::spawn(command);
    let address = address(&mut daemon).to_string();
    let script: Vec<_> = commands.iter().map(|line| &line[2..]).collect();
    let script = script.join("\n").replace("127.0.0.1:8787", &address);
    let said = Command::new("sh").args(["-c", &script]).env("CRON_SECRET", SECRET).output().expect("sh starts");
    let said = String::from_utf8_lossy(&said.stdout);
    let answered: Vec<_> = said.lines().map(without_times).collect();
    assert_eq!(answered, answers.into_iter().map(without_times).collect::<Vec<_>>());
    stop(&mut daemon);
}

/// Without the digits of `expiresAt`.
fn without_times(line: &str) -> String {
    let mut parts = line.split("\"expiresAt\":\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, rest| line + "at " + rest.get(24..).unwrap_or(rest))
}
