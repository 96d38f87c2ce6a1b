//! The arguments after `cargo bench --bench http --`.

use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::servers::Engine;

/// Measures session management over HTTP at a fixed rate, while a job fires every second.
#[derive(Debug, Parser)]
pub struct Options {
    /// The databases; PostgreSQL and SQLite if none is given.
    engines: Vec<Database>,
    /// Few sessions, two seconds each: only to try out the program.
    #[arg(long)]
    quick: bool,
    /// Requests a second.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Connections, which stay open.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub connections: u32,
    /// Live sessions in the table.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1000..))]
    rows: Option<u32>,
    /// How long each case is measured.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// `max_connections` of the database.
    #[arg(long)]
    pub max_connections: Option<u32>,
    /// Cargo says so when it is `cargo bench` and not `cargo test`.
    #[arg(long, hide = true)]
    pub bench: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Database {
    Postgres,
    Mysql,
    Sqlite,
}

impl Options {
    /// The databases that were asked for.
    pub fn engines(&self) -> Vec<Engine> {
        let engine = |database: &Database| match database {
            Database::Postgres => Engine::Postgres,
            Database::Mysql => Engine::MySql,
            Database::Sqlite => Engine::Sqlite,
        };
        if self.engines.is_empty() {
            return vec![Engine::Postgres, Engine::Sqlite];
        }
        self.engines.iter().map(engine).collect()
    }

    pub fn rows(&self) -> u32 {
        self.rows.unwrap_or(if self.quick { 10_000 } else { 100_000 })
    }

    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(if self.quick { 2 } else { 15 }))
    }
}
