//! Measures sweepd against what people do without it, on real servers; `benches/README.md` explains it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on fails")]

mod foreground;
mod machine;
mod mysql;
mod options;
mod postgres;
mod rounds;
mod sqlite;
mod strategy;
mod sweepd;
mod table;

/// The servers and processes of the test suite.
#[path = "../../tests/suite"]
mod suite {
    pub mod process;
    pub mod servers;
}

use clap::Parser as _;
use options::{Options, Part};
// The files of the suite expect to find these here.
use suite::{process, servers};

fn main() {
    let options = Options::parse();
    if !options.bench {
        println!("nothing is measured: run it with `cargo bench`");
        return;
    }
    println!("{}", machine::describe());
    for part in options.parts() {
        match part {
            Part::Postgres => postgres::measure(&options),
            Part::Mysql => mysql::measure(&options),
            Part::Sqlite => sqlite::measure(&options),
            Part::Foreground => foreground::measure(&options),
        }
    }
}
