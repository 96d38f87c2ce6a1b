//! The integration tests, against real servers; `tests/run` runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::type_complexity, reason = "tables of cases")]

mod archive;
mod brakes;
mod config_cases;
mod daemon;
mod demo;
mod engine;
mod house_rules;
mod layouts;
mod logs;
mod model;
mod oneshot;
mod prisma;
mod prisma_e2e;
mod privileges;
mod process;
mod readme;
mod replicas;
mod schedule_cases;
mod schedule_properties;
mod servers;
mod sql_text;
mod sqlite;
mod stage;
mod timer;
mod trouble;
mod zone_cutoff;
