//! The integration tests, against real servers; `tests/run` runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::type_complexity, reason = "tables of cases")]

mod alerts;
mod archive;
mod brakes;
mod catch_up;
mod clients;
mod clock_steps;
mod config_cases;
mod daemon;
mod databases;
mod demo;
mod docs;
mod engine;
mod faults;
mod fuzz_api;
mod guards;
mod history;
mod house_rules;
mod http;
mod init;
mod latest;
mod layouts;
mod ledger_clocks;
mod logs;
mod metrics;
mod model;
mod network;
mod oneshot;
mod pause;
mod pgbouncer;
mod presets;
mod prisma;
mod prisma_e2e;
mod privileges;
mod process;
mod prometheus;
mod proxy;
mod readme;
mod reload;
mod replicas;
mod resources;
mod schedule_cases;
mod schedule_properties;
mod servers;
mod sessions;
mod sql_text;
mod sqlite;
mod stage;
mod timer;
mod traps;
mod trouble;
mod zone_cutoff;
