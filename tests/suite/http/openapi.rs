//! The description of all calls: `fuzz_api` tries whether it is kept.

use serde_json::Value;
use sweepd::report::{Outcome, StoppedBy, SweepOrder, Throttle, Trigger};

use super::called::Called;
use crate::servers::Engine;
use crate::stage::Stage;

/// Method and path of each call, and whether it is described to want a secret.
fn calls(description: &Value) -> Vec<(String, String, bool)> {
    let paths = description["paths"].as_object().expect("paths");
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("operations");
        item.iter().map(|(method, operation)| {
            let path = path.replace("{name}", "sessions").replace("{id}", "ada");
            (method.to_uppercase(), path, operation["security"][0]["secret"].is_array())
        })
    });
    operations.collect()
}

#[test]
fn each_call_wants_a_secret_as_described() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    stage.fill(3, 2);
    let mut called = Called::start(&stage, "", "");
    let calls = calls(&called.get("/api/openapi.json").json());
    let open: Vec<_> = calls.iter().filter(|(_, _, secret)| !secret).map(|(_, path, _)| path.as_str()).collect();
    assert_eq!(open, ["/healthz", "/readyz"]);
    assert!(calls.len() > 15, "{calls:?}");
    // All at once, because those that are refused are slowed down.
    std::thread::scope(|scope| {
        for (method, path, secret) in &calls {
            let called = &called;
            scope.spawn(move || {
                let answer = called.place.call(method, path, None, "");
                assert_eq!(answer.status, if *secret { 401 } else { 200 }, "{method} {path}: {answer:?}");
            });
        }
    });
    called.stop();
    assert_eq!((stage.sessions(), stage.runs()), ((2, 3), vec![]));
}

#[test]
fn the_page_names_every_call() {
    const PAGE: &str = include_str!("../../../docs/http.md");
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    let mut called = Called::start(&stage, "", "");
    let description = called.get("/api/openapi.json").json();
    for path in description["paths"].as_object().expect("paths").keys() {
        assert!(PAGE.contains(&format!("{path}`")), "{path}");
    }
    called.stop();
}

#[test]
fn words_are_described_as_they_are_written() {
    let stage = Stage::fresh(Engine::Sqlite).expect("SQLite is built in");
    let mut called = Called::start(&stage, "", "");
    let description = called.get("/api/openapi.json").json();
    let words = |name: &str| description["components"]["schemas"][name]["enum"].clone();
    assert_eq!(words("Trigger"), serde_json::json!(Trigger::ALL));
    assert_eq!(words("Outcome"), serde_json::json!(Outcome::ALL));
    assert_eq!(words("StoppedBy"), serde_json::json!(StoppedBy::ALL));
    assert_eq!(words("SweepOrder"), serde_json::json!(SweepOrder::ALL));
    assert_eq!(words("Throttle"), serde_json::json!(Throttle::ALL));
    called.stop();
}
