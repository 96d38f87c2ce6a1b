//! README shows what works: its commands run and its configurations load.

use std::path::Path;

use sweepd::config::{Config, Environment};
use sweepd::db::{Engine, ledger_sql};

use crate::oneshot::{Shell, authjs};
use crate::servers;

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
