//! The pages in `docs/` show what works: their configurations load, their commands run, their grants are those of `check`.

use std::path::{Path, PathBuf};

use sweepd::config::{Config, Environment};
use sweepd::db::{Engine, TableName, ledger_sql, sweep_sql};
use sweepd::preset::{PRESETS, Preset};

use crate::oneshot::Shell;
use crate::presets::libraries;
use crate::servers;

/// Each page, and a preset on PostgreSQL that it is about.
const PAGES: [(&str, &str); 8] = [
    ("authjs", "authjs-prisma"),
    ("better-auth", "better-auth"),
    ("express", "connect-pg-simple"),
    ("django", "django"),
    ("laravel", "laravel"),
    ("rails", "rails"),
    ("tower-sessions", "tower-sessions"),
    ("others", "lucia"),
];

pub fn page(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs", &format!("{name}.md")].iter().collect();
    std::fs::read_to_string(path).unwrap()
}

/// The blocks of code in a language.
pub fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    page.split(&start).skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn every_preset_has_its_page() {
    let pages: String = PAGES.iter().map(|(name, _)| page(name)).collect();
    for preset in PRESETS {
        assert!(pages.contains(&format!("`{}`", preset.name)), "{}", preset.name);
    }
}

#[test]
fn their_configurations_load() {
    let environment: Environment = [("DATABASE_URL", "postgresql://app@localhost/app")].into_iter().collect();
    for (name, _) in PAGES {
        let text = page(name);
        let blocks = blocks(&text, "toml");
        assert!(!blocks.is_empty(), "{name}");
        for block in blocks {
            let loaded = Config::from_text(Path::new(name), block, &environment);
            assert!(loaded.is_ok(), "{block}\n{}", loaded.unwrap_err());
            assert_eq!(loaded.unwrap().warnings, [""; 0], "{block}");
        }
    }
}

#[test]
fn their_commands_run() {
    let libraries = libraries(servers::Engine::Postgres);
    for (name, preset) in PAGES {
        let Some(shell) = Shell::with(servers::Engine::Postgres, libraries[preset].tables) else { return };
        let text = page(name);
        let lines = blocks(&text, "sh").into_iter().flat_map(str::lines);
        let commands = lines.filter_map(|line| line.split('#').next().unwrap().trim().strip_prefix("sweepd "));
        let mut ran = 0;
        for command in commands.filter(|command| *command != "run") {
            shell.expect(0, &command.split_whitespace().collect::<Vec<_>>());
            ran += 1;
        }
        assert!(ran >= 3, "{name}: {ran}");
    }
}

#[test]
fn their_grants_are_those_that_check_prints() {
    let own = ledger_sql::grants(Engine::Postgres, "public", "sweeper");
    for (name, preset) in PAGES {
        let text = page(name);
        let sql = blocks(&text, "sql").concat();
        let store = Preset::find(preset).unwrap().store(Engine::Postgres).unwrap();
        let schema = Some(store.schema.unwrap_or("public").to_owned());
        let table = TableName { schema, name: store.table.to_owned() };
        for grant in own.lines().chain([sweep_sql::grant(Engine::Postgres, &table, "sweeper").as_str()]) {
            assert!(sql.lines().any(|line| line == grant), "{name}: {grant}");
        }
    }
}
