//! sweepd keeps an application's session tables clean: it deletes expired rows on a schedule, without ever touching a
//! live one, and records every run.
//!
//! The modules, from the outside in:
//!
//! | module | what it does |
//! |---|---|
//! | [`cli`] | the command line; one file per subcommand |
//! | [`config`] | the configuration file and the environment, checked into a [`config::Config`] |
//! | [`daemon`] | puts everything together and keeps it running |
//! | [`lifecycle`] | signals and stopping, and the way to the service manager |
//! | [`status`] | what is known of every job, for those who look from outside |
//! | [`schedule`], [`zone`] | when a job runs |
//! | [`alert`] | telling people when something is wrong, and when it is well again |
//! | [`http`] | the HTTP server: who may call, and what is answered |
//! | [`job`] | one job: its inbox and its runs, one at a time |
//! | [`sweep`] | the engine: guards, plan, batches |
//! | [`sessions`] | session management for applications: list, touch, revoke; a user's role and profile |
//! | [`archive`] | what was deleted, in files |
//! | [`ledger`], [`audit`], [`report`] | what a run did, exactly |
//! | [`preset`], [`detect`] | known session stores, and which of them are in a database |
//! | [`db`] | connections and all SQL text |
//! | [`webhook`] | posting to other people's servers |
//! | [`telemetry`], [`clock`], [`host`] | logs, metrics, the time, and where this is |

#![forbid(unsafe_code)]

pub mod alert;
pub mod archive;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod db;
pub mod detect;
pub mod host;
pub mod http;
pub mod job;
pub mod ledger;
pub mod lifecycle;
pub mod preset;
pub mod report;
pub mod schedule;
pub mod sessions;
pub mod status;
pub mod sweep;
pub mod telemetry;
pub mod webhook;
pub mod zone;
