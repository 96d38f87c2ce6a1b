//! The arguments after `cargo bench --`.

use clap::{Parser, ValueEnum};

/// Measures sweepd against what people do without it, side by side, and prints ratios.
#[derive(Debug, Parser)]
pub struct Options {
    /// What to measure; everything if none is given.
    parts: Vec<Part>,
    /// Small tables, one round, no warm-up: only to try out the program.
    #[arg(long)]
    quick: bool,
    /// How many rounds count, after a warm-up that does not.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: Option<u32>,
    /// Rows of each table, instead of what the part has.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1000..))]
    rows: Option<u64>,
    /// Only those cases of `postgres` whose name contains this.
    #[arg(long)]
    case: Option<String>,
    /// The `batch_target` of sweepd in the measurements of PostgreSQL's speed.
    #[arg(long, default_value = "50ms")]
    pub batch_target: String,
    /// Cargo says so when it is `cargo bench` and not `cargo test`.
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Postgres,
    Mysql,
    Sqlite,
    Foreground,
}

impl Options {
    /// The parts that were asked for.
    pub fn parts(&self) -> &[Part] {
        if self.parts.is_empty() { Part::value_variants() } else { &self.parts }
    }

    /// How many rows a table has that usually has `usual`.
    pub fn rows(&self, usual: u64) -> u64 {
        self.rows.unwrap_or(if self.quick { usual.min(100_000) } else { usual })
    }

    /// How many rounds count.
    pub fn rounds(&self) -> u32 {
        self.pairs.unwrap_or(if self.quick { 1 } else { 5 })
    }

    /// How many rounds come before those.
    pub fn warm_ups(&self) -> u32 {
        u32::from(!self.quick)
    }

    /// Whether the case is wanted.
    pub fn wants(&self, case: &str) -> bool {
        self.case.as_ref().is_none_or(|part| case.contains(part))
    }

    /// How long something that has no end of its own is measured, in seconds.
    pub fn seconds(&self) -> u64 {
        if self.quick { 2 } else { 10 }
    }
}
