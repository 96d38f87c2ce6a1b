//! Trying whether alerts arrive, and what a configuration may say of them.

use super::channel;
use super::receiver::{Manner, Receiver, TAKES};
use crate::http::tls::Certificate;
use crate::process::{Process, sweepd};
use crate::servers::Engine;
use crate::stage::{LIMIT, NEVER, Stage, stop};

fn call(stage: &Stage, rest: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = sweepd();
    command.arg("--config").arg(stage.configure(NEVER, "", rest)).args(arguments);
    let mut process = Process::spawn(command);
    (process.exit_code(LIMIT), process.output())
}

#[test]
fn a_test_says_whether_it_arrived() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let receiver = Receiver::start();
    let told = channel(&receiver.url(), "events = [\"failed\"]");
    let (exit, said) = call(&stage, &told, &["alert", "test"]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.starts_with("ops: delivered to 127.0.0.1:"), "{said}");
    assert_eq!(receiver.events(), ["test"]);
    receiver.behave(Manner { status: 404, ..TAKES });
    let (exit, said) = call(&stage, &told, &["alert", "test", "ops"]);
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("ops: not delivered to 127.0.0.1:") && said.contains("with status 404"), "{said}");
    assert!(!said.contains("/hook"), "{said}");
    let (exit, said) = call(&stage, &told, &["alert", "test", "oops"]);
    assert_eq!((exit, &*said), (2, "error: there is no channel \"oops\"; the configuration has ops\n"));
    let (exit, said) = call(&stage, "", &["alert", "test"]);
    assert_eq!(exit, 2, "{said}");
    assert!(said.contains("add a table [alerts.NAME] with a url"), "{said}");
}

#[test]
fn check_says_who_is_told_and_shows_no_secret() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let told = channel("https://hooks.example.com/services/T0/B0/very-secret", "secret = \"0123456789abcdef\"");
    assert_eq!(call(&stage, &told, &["migrate"]).0, 0);
    let (_, said) = call(&stage, &told, &["check"]);
    let line = "ok       alerts: ops is told at hooks.example.com of: failed, partial, interrupted, overdue, unreachable, recovered;";
    assert!(said.contains(line), "{said}");
    let (_, shown) = call(&stage, &told, &["config"]);
    assert!(shown.contains("hooks.example.com, from "), "{shown}");
    assert!(!shown.contains("very-secret") && !shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn only_an_authority_that_is_trusted_is_believed() {
    let Some(stage) = Stage::fresh(Engine::Sqlite) else { return };
    let Some(Certificate { certificate, key }) = Certificate::make(stage.directory(), "receiver") else { return };
    // sweepd itself speaks HTTPS; it takes no alerts, and that it says so is all that is wanted.
    let tls = format!("tls_certificate = {certificate:?}\ntls_key = {key:?}\nsecret = \"0123456789abcdef\"");
    let mut daemon = stage.daemon(NEVER, "", &format!("[http]\nlisten = \"127.0.0.1:0\"\n{tls}"));
    let url = format!("https://{}/healthz", crate::http::daemon::address(&mut daemon));
    let (exit, said) = call(&stage, &channel(&url, ""), &["alert", "test"]);
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("certificate"), "{said}");
    let (exit, said) = call(&stage, &channel(&url, &format!("ca_file = {certificate:?}")), &["alert", "test"]);
    assert_eq!(exit, 1, "{said}");
    assert!(said.contains("the receiver answers with status 405"), "{said}");
    stop(&mut daemon);
}
