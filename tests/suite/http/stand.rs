//! A server in this process, with calls of the tests' own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::Query;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sweepd::clock::Clock;
use sweepd::http::Settings;
use sweepd::http::auth::{Gate, Operator, Reader, Secret, Secrets};
use sweepd::http::body::Body;
use sweepd::http::listen::{Bound, Server};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Place;

pub const FULL: &str = "the-full-secret-of-tests";
pub const PREVIOUS: &str = "the-previous-secret-of-tests";
pub const READ: &str = "the-read-secret-of-tests";
/// The bytes that `/large` answers with.
pub const LARGE: usize = 32 << 20;

#[derive(Deserialize)]
struct Thing {
    count: u32,
}

/// A server, which ends with this value.
pub struct Stand {
    address: SocketAddr,
    pub server: Server,
    pub stop: CancellationToken,
    /// Lets `/slow` answer.
    pub go: Arc<Notify>,
    /// Has a word for each call of `/slow` that has begun.
    pub began: mpsc::Receiver<()>,
    thread: Option<JoinHandle<bool>>,
}

pub fn settings() -> Settings {
    let secret = |text| Some(Secret::new(text).unwrap());
    Settings {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        socket: None,
        secrets: Secrets { full: secret(FULL).unwrap(), previous: secret(PREVIOUS), read: secret(READ) },
        tls: None,
        vercel_cron: false,
        max_connections: 512,
    }
}

impl Stand {
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: Settings) -> Self {
        let (sender, receiver) = mpsc::channel();
        let (stop, go) = (CancellationToken::new(), Arc::new(Notify::new()));
        let (began_sender, began) = mpsc::channel();
        let (stopping, going) = (stop.clone(), Arc::clone(&go));
        let serve = async move {
            let tasks = TaskTracker::new();
            let bound = Bound::new(settings).await.expect("it listens");
            let address = bound.address().expect("an address");
            let router = router(going, began_sender).with_state(Gate::new(bound.settings(), Clock::system()));
            sender.send((address, bound.serve(router, &stopping, &tasks))).expect("the test waits for it");
            stopping.cancelled().await;
            tasks.close();
            tokio::time::timeout(Duration::from_secs(8), tasks.wait()).await.is_ok()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let thread = Some(std::thread::spawn(move || runtime.block_on(serve)));
        let (address, server) = receiver.recv().expect("it serves");
        Self { address, server, stop, go, began, thread }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn place(&self) -> Place {
        Place::Tcp(self.address)
    }

    /// Waits until all is finished, which has to be soon.
    pub fn drained(&mut self) {
        let clean = self.thread.take().expect("it runs").join().expect("no panic");
        assert!(clean, "a connection was left after 8 s");
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn router(go: Arc<Notify>, began: mpsc::Sender<()>) -> Router<Gate> {
    let slow = async move || {
        let _ = began.send(());
        go.notified().await;
        "done"
    };
    Router::new()
        .route("/open", get(async || "open"))
        .route("/query", get(async |Query(thing): Query<Thing>| thing.count.to_string()))
        .route("/read", get(async |_: Reader| "read"))
        .route("/write", post(async |_: Operator, Body(thing): Body<Thing>| written(&thing)))
        .route("/maybe", post(async |_: Operator, body: Option<Body<Thing>>| body.map_or("none", |_| "some")))
        .route("/panic", get(panics))
        .route("/slow", get(slow))
        .route("/large", get(async || vec![b'x'; LARGE]))
}

fn written(thing: &Thing) -> Json<Value> {
    Json(json!({ "written": thing.count }))
}

async fn panics() -> &'static str {
    panic!("a test panics on purpose")
}
