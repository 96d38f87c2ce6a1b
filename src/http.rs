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
//! | [`ask`] | a client that asks a daemon how it is |
//! | `answer` | what holds for every answer |
//! | `query` | what is common to the parameters of calls |
//!
//! A handler takes [`auth::Operator`] or [`auth::Reader`] before anything else, so that nothing of a request is read whose
//! sender may not call it. A handler is dropped when its client goes away: what has to go on is the worker's of a job.
//!
//! | call | file |
//! |---|---|
//! | `/api/cron/cleanup-sessions` | `cron` |
//! | `/api/jobs`, `/api/runs` | `jobs`, `runs` |
//! | `/api/sessions`, `/api/users` | `sessions`, `users` |
//! | `/healthz`, `/readyz` | `health` |
//! | `/metrics` | `metrics` |
//! | `/`, `/jobs`, `/login`: the status page | `page` |
//! | `/api/openapi.json` | `openapi` |

mod answer;
pub mod ask;
mod attempts;
pub mod auth;
pub mod body;
mod connection;
mod cron;
pub mod failure;
mod health;
mod jobs;
pub mod listen;
mod metrics;
mod openapi;
mod page;
mod query;
mod runs;
mod sessions;
pub mod tls;
mod users;
mod wire;

use std::path::PathBuf;

use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::auth::{Gate, Secrets};
use self::listen::Endpoint;
use self::tls::Tls;
use crate::status::Status;
use crate::telemetry::metrics::Metrics;

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
    /// What is known of the jobs, and where they are asked for runs.
    pub status: Status,
    /// What is counted.
    pub metrics: Metrics,
    /// Who is logged in to the status page.
    logins: page::Logins,
}

impl State {
    /// The state of a server with these settings.
    #[must_use]
    pub fn new(settings: watch::Receiver<Settings>, status: Status, metrics: Metrics) -> Self {
        let gate = Gate::new(settings.clone(), status.clock.clone());
        Self { gate, settings, status, metrics, logins: page::Logins::default() }
    }
}

impl FromRef<State> for Gate {
    fn from_ref(state: &State) -> Self {
        state.gate.clone()
    }
}

/// All calls.
pub fn router(state: State) -> axum::Router {
    let calls = OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::show))
        .routes(routes!(cron::run, cron::count))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::run))
        .routes(routes!(jobs::pause))
        .routes(routes!(jobs::resume))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(sessions::of_user, sessions::revoke_all))
        .routes(routes!(sessions::revoke))
        .routes(routes!(sessions::touch))
        .routes(routes!(users::update));
    let (router, description) = calls.split_for_parts();
    let counted = from_fn_with_state(state.metrics.clone(), metrics::count);
    router.merge(openapi::router(&description)).merge(page::router()).layer(counted).with_state(state)
}
