//! HTTP: the server, who may call it, and what it answers.
//!
//! | module | what it does |
//! |---|---|
//! | [`listen`] | addresses and the unix socket; accepting connections |
//! | `connection`, `wire` | one connection: its limits, and how it ends |
//! | [`tls`] | certificates |
//! | [`auth`], `attempts` | secrets, and how those are slowed that try wrong ones |
//! | [`body`] | the JSON of a request |
//! | [`failure`] | what an answer that is an error looks like |
//! | `answer` | what holds for every answer |
//! | one for each resource | its calls |
//!
//! A handler takes [`auth::Operator`] or [`auth::Reader`] before anything else, so that nothing of a request is read whose
//! sender may not call it. A handler is dropped when its client goes away: what has to go on is spawned on
//! [`State::tasks`].

mod answer;
mod attempts;
pub mod auth;
pub mod body;
mod connection;
pub mod failure;
mod health;
pub mod listen;
mod openapi;
pub mod tls;
mod wire;

use std::path::PathBuf;

use axum::extract::FromRef;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::auth::{Gate, Secrets};
use self::listen::Endpoint;
use self::tls::Tls;
use crate::clock::Clock;

/// How to serve, and whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on; none when there is only a socket.
    pub listen: Option<Endpoint>,
    /// The path of a unix socket to listen on, too.
    pub socket: Option<PathBuf>,
    /// Who may call.
    pub secrets: Secrets,
    /// What `listen` is encrypted with.
    pub tls: Option<Tls>,
    /// Whether an authorised GET by Vercel's cron runs the clean-up.
    pub vercel_cron: bool,
    /// At most this many connections at once.
    pub max_connections: usize,
}

impl Settings {
    /// Where to listen, if nothing else is said.
    pub const LISTEN: &str = "127.0.0.1:8787";
    /// How many connections at once, if nothing else is said.
    pub const MAX_CONNECTIONS: u32 = 512;
}

/// What all handlers share.
#[derive(Debug, Clone)]
pub struct State {
    /// Who may call.
    pub gate: Gate,
    /// The settings as they are now: a reload changes them.
    pub settings: watch::Receiver<Settings>,
    /// Where to spawn what must go on when a client goes away.
    pub tasks: TaskTracker,
}

impl State {
    /// The state of a server with these settings.
    #[must_use]
    pub fn new(settings: watch::Receiver<Settings>, clock: Clock, tasks: TaskTracker) -> Self {
        Self { gate: Gate::new(settings.clone(), clock), settings, tasks }
    }
}

impl FromRef<State> for Gate {
    fn from_ref(state: &State) -> Self {
        state.gate.clone()
    }
}

/// All calls.
pub fn router(state: State) -> axum::Router {
    let calls = OpenApiRouter::with_openapi(openapi::frame()).routes(routes!(health::alive));
    let (router, description) = calls.split_for_parts();
    router.merge(openapi::router(&description)).with_state(state)
}
