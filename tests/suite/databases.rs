//! One daemon, several databases: what is wrong with one is no concern of the others.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::time::Duration;

use crate::process::{Process, sweepd};
use crate::servers::{Engine, TestDatabase};
use crate::stage::{Stage, wait};

const SCHEDULE: &str = "*/2 * * * * *";
const EXPIRED: u32 = 300;

/// A healthy database with its job.
struct Healthy {
    name: &'static str,
    stage: Stage,
}

fn names(database: &TestDatabase, postgres: &str, others: &str) -> Vec<String> {
    let sql = if database.engine() == Engine::Postgres { postgres } else { others };
    database.texts(sql).into_iter().flatten().collect()
}

/// The jobs that have rows in the ledger.
fn ledger(database: &TestDatabase) -> Vec<String> {
    let sql = |table| format!("SELECT DISTINCT job FROM {table} ORDER BY job");
    names(database, &sql("sweepd.run"), &sql("sweepd_run"))
}

/// The jobs that have audit rows.
fn audited(stage: &Stage) -> Vec<String> {
    let mut jobs: Vec<_> = stage.audit().iter().map(|row| row["job"].as_str().unwrap().to_owned()).collect();
    jobs.sort();
    jobs.dedup();
    jobs
}

#[test]
fn databases_that_are_down_closed_silent_or_bare_do_not_hold_up_the_healthy_ones() {
    let healthy: Vec<_> = [("main", Engine::Postgres), ("shop", Engine::MySql), ("file", Engine::Sqlite)]
        .into_iter()
        .filter_map(|(name, engine)| Some(Healthy { name, stage: Stage::fresh(engine)? }))
        .collect();
    let Some(bare) = Stage::fresh(Engine::Postgres) else { return };
    bare.database().execute("DROP TABLE \"Session\"");
    // The system accepts for it, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("postgresql://app@127.0.0.1:{}/app", silent.local_addr().unwrap().port());
    let locked = bare.database().url_as("nobody_here", "wrong-s3cret");
    let sick = [
        ("away", "postgresql://app@127.0.0.1:1/app"),
        ("locked", &locked),
        ("silent", &silent),
        ("bare", bare.database().url()),
    ];
    let mut config = String::new();
    let databases = healthy.iter().map(|healthy| (healthy.name, healthy.stage.database().url())).chain(sick);
    for (name, url) in databases {
        let url = toml::Value::from(url);
        writeln!(config, "[databases.{name}]\nurl = {url}\n[jobs.{name}]\ndatabase = \"{name}\"").unwrap();
        writeln!(config, "schedule = \"{SCHEDULE}\"\npreset = \"authjs-prisma\"").unwrap();
    }
    // In the database of a healthy job, too.
    writeln!(config, "[jobs.absent]\ndatabase = \"main\"\nschedule = \"{SCHEDULE}\"\npreset = \"authjs-prisma\"\ntable = \"nothing_here\"").unwrap();
    for Healthy { stage, .. } in &healthy {
        stage.fill(EXPIRED, 10);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sweepd.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = sweepd();
    command.arg("--config").arg(&file).arg("run");
    let mut daemon = Process::spawn(command);

    // A job that waited for another database would wait for longer than this does.
    for Healthy { stage, .. } in &healthy {
        stage.wait_until_swept(&mut daemon);
        stage.wait_for_runs(&mut daemon, |runs| runs.iter().filter(|run| run.state == "completed").count() >= 3);
    }
    wait(&mut daemon, "the failure of the bare database is recorded", || !bare.audit().is_empty());
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(Duration::from_secs(8)), 0, "{}", daemon.output());

    let said = daemon.output();
    for part in ["job=away", "cannot reach", "job=locked", "cannot log in to", "nothing_here"] {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert!(!said.contains("wrong-s3cret"), "{said}");
    for Healthy { stage, name } in &healthy {
        let own: &[&str] = if *name == "main" { &["absent", "main"] } else { &[name] };
        assert_eq!(ledger(stage.database()), own, "{name}");
        assert_eq!(audited(stage), own, "{name}");
        assert_eq!(stage.sessions(), (10, 0), "{name}");
        assert_eq!(stage.assert_counts(EXPIRED), i64::from(EXPIRED), "{name}");
    }
    assert_eq!((ledger(bare.database()), audited(&bare)), (vec!["bare".to_owned()], vec!["bare".to_owned()]));
    assert!(bare.runs().iter().all(|run| run.state != "completed"), "{:?}", bare.runs());
}
