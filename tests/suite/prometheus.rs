//! The rules and the dashboard that come with sweepd, held against a real Prometheus that scrapes a real daemon.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::http::daemon::address;
use crate::process::{Deadline, Process, find_program, skip};
use crate::servers::{Engine, server::free_port};
use crate::stage::{EVERY_SECOND, LIMIT, Stage, stop};

const SECRET: &str = "the-secret-of-the-daemon";

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// None, which it says, where it is not installed.
fn program(name: &str) -> Option<PathBuf> {
    let found = find_program(name, &[]);
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

fn promtool(arguments: &[&Path]) {
    let Some(promtool) = program("promtool") else { return };
    let output = Command::new(promtool).args(arguments).output().expect("promtool runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_rules_fire_when_they_should() {
    let directory = tempfile::tempdir().unwrap();
    let rules = file("deploy/prometheus/sweepd.rules.yml");
    let tests = directory.path().join("rules.test.yml");
    let cases = text("tests/cases/prometheus/rules.test.yml");
    std::fs::write(&tests, cases.replace("RULES", &rules.display().to_string())).unwrap();
    promtool(&["check".as_ref(), "rules".as_ref(), &rules]);
    promtool(&["test".as_ref(), "rules".as_ref(), &tests]);
}

/// A Prometheus that scrapes a daemon as `scrape.yml` shows, each second, and judges the rules.
fn prometheus(program: &Path, stage: &Stage, daemon: &str, port: u16) -> Process {
    let at = |name: &str| stage.directory().join(name);
    std::fs::write(at("read-secret"), SECRET).unwrap();
    let scrape = text("deploy/prometheus/scrape.yml")
        .replace("/etc/prometheus/sweepd-read-secret", &at("read-secret").display().to_string())
        .replace("127.0.0.1:8787", daemon);
    let rules = file("deploy/prometheus/sweepd.rules.yml");
    let rules = rules.display();
    let global = format!("global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [\"{rules}\"]\n");
    std::fs::write(at("prometheus.yml"), global + &scrape).unwrap();
    promtool(&["check".as_ref(), "config".as_ref(), &at("prometheus.yml")]);
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", at("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", at("tsdb").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdin(Stdio::null());
    Process::spawn(command)
}

/// What the API of a Prometheus answers; null while it is not ready.
fn ask(port: u16, path: &str, expression: &str) -> Value {
    let url = format!("http://127.0.0.1:{port}/api/v1/{path}");
    let query = format!("query={expression}");
    let output = Command::new("curl").args(["-sG", &url, "--data-urlencode", &query]).output().expect("curl runs");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn has_rows(found: &Value) -> bool {
    found["data"]["result"].as_array().is_some_and(|rows| !rows.is_empty())
}

fn wait_for(process: &mut Process, what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Deadline::after(LIMIT);
    while !done() {
        assert!(!deadline.has_passed(), "{what}:\n{}", process.output());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// The expressions of a dashboard, with a choice of all jobs.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/sweepd.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let expression = |target: &Value| target["expr"].as_str().expect("an expression").to_owned();
    targets.map(|target| expression(target).replace("$job", ".*").replace("$__rate_interval", "10s")).collect()
}

#[test]
fn the_dashboard_shows_what_a_real_prometheus_has_of_a_real_daemon() {
    let (Some(program), Some(_), Some(stage)) = (program("prometheus"), program("curl"), Stage::fresh(Engine::Sqlite))
    else {
        return;
    };
    stage.fill(400, 2);
    let http = format!("[http]\nlisten = \"127.0.0.1:0\"\nsecret = \"{SECRET}\"");
    // A run at each second that is paced, so that there are pauses, and ends at a limit, so that the next has work.
    let mut daemon = stage.daemon(EVERY_SECOND, "max_rows_per_second = 50\nmax_rows = 20", &http);
    let place = address(&mut daemon);
    let port = free_port();
    let mut server = prometheus(&program, &stage, &place.to_string(), port);
    wait_for(&mut server, "it has not scraped", || {
        has_rows(&ask(port, "query", "sum(sweepd_runs_total{job=\"sessions\",outcome=\"partial\"}) >= 4"))
    });
    let mut seen = BTreeSet::new();
    let expressions = expressions();
    assert!(expressions.len() >= 15, "{expressions:?}");
    for expression in expressions {
        // A rate needs two scrapes with something between them.
        wait_for(&mut server, &expression, || {
            let found = ask(port, "query", &expression);
            assert_eq!(found["status"], "success", "{expression}: {found}");
            has_rows(&found)
        });
        let names = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        seen.extend(names.filter(|name| name.starts_with("sweepd_")).map(str::to_owned));
    }
    assert!(seen.len() > 10, "{seen:?}");
    let rules = ask(port, "rules", "");
    let rules = rules["data"]["groups"][0]["rules"].as_array().expect("rules").clone();
    assert!(rules.len() >= 7 && rules.iter().all(|rule| rule["lastError"].is_null()), "{rules:#?}");
    stop(&mut daemon);
}
