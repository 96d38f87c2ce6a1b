//! Measures session management over HTTP at a fixed rate, and what it does to runs; `benches/README.md` explains it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot go on fails")]

mod application;
mod daemon;
mod load;
#[path = "../sweep/machine.rs"]
mod machine;
mod options;
mod scenario;
#[path = "../sweep/table.rs"]
#[allow(dead_code, reason = "shared with the other measurements")]
mod table;

/// The servers and processes of the test suite.
#[path = "../../tests/suite"]
mod suite {
    pub mod process;
    pub mod servers;
}

use clap::Parser as _;
use options::Options;
// The files of the suite expect to find these here.
use suite::{process, servers};

fn main() {
    let options = Options::parse();
    if !options.bench {
        println!("nothing is measured: run it with `cargo bench --bench http`");
        return;
    }
    println!("{}", machine::describe());
    for engine in options.engines() {
        if let Some(table) = scenario::measure(engine, &options) {
            println!("{table}");
        }
    }
}
