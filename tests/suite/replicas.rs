//! Replicas that are behind make a sweep pause.

use std::time::Duration;

use crate::process::{Deadline, Process, sweepd};
use crate::servers::{Engine, PrivateServer, Session};
use crate::stage::{LIMIT, NEVER, Stage};

const ROWS: u32 = 2000;

/// A primary with a database, and a replica of it.
fn replicated(engine: Engine, primary: &str, replica: &str) -> Option<(PrivateServer, PrivateServer, Stage)> {
    let primary = PrivateServer::start_with(engine, primary)?;
    let stage = Stage::on(primary.fresh());
    stage.fill(ROWS, 100);
    let replica = primary.replica(replica)?;
    Some((primary, replica, stage))
}

/// Waits until `sql` gives 1; writes something meanwhile, without which nobody would be behind.
fn wait_until(stage: &Stage, session: &Session, sql: &str) {
    let deadline = Deadline::after(LIMIT);
    stage.database().execute("CREATE TABLE IF NOT EXISTS noise (n int)");
    while session.count(sql) != 1 {
        assert!(!deadline.has_passed(), "not within {LIMIT:?}: {sql}");
        stage.database().execute("INSERT INTO noise VALUES (1)");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Starts a sweep, and waits until it pauses.
fn pausing(stage: &Stage, limits: &str, rest: &str) -> Process {
    let path = stage.configure(NEVER, limits, rest);
    let mut command = sweepd();
    command.arg("--config").arg(path).args(["clean", "-v"]);
    let mut sweep = Process::spawn(command);
    sweep.wait_for_output("pausing: a replica is", LIMIT);
    sweep
}

fn completes(stage: &Stage, mut sweep: Process) {
    assert_eq!(sweep.exit_code(LIMIT), 0, "{}", sweep.output());
    assert_eq!(stage.sessions(), (100, 0));
    let audit = stage.audit();
    let report = audit.last().unwrap();
    assert_eq!((&report["outcome"], &report["deletedCount"]), (&"completed".into(), &ROWS.into()), "{report}");
    assert!(report["throttledMs"]["replication-lag"].as_u64().is_some_and(|millis| millis >= 100), "{report}");
}

#[test]
fn a_standby_that_is_behind_makes_a_sweep_pause() {
    let Some((primary, standby, stage)) = replicated(Engine::Postgres, "", "-c wal_receiver_status_interval=1") else {
        return;
    };
    primary.admin().execute("GRANT pg_monitor TO app");
    let (primary, admin) = (primary.admin(), standby.admin());
    let replica = toml::Value::from(standby.url(stage.database().name()));
    let replica = format!("[databases.standby]\nurl = {replica}");
    for (limits, rest) in [("", ""), ("replica = \"standby\"", &replica)] {
        wait_until(&stage, &primary, "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn IS NOT NULL");
        admin.execute("SELECT pg_wal_replay_pause()");
        let behind = "SELECT count(*) FROM pg_stat_replication WHERE replay_lag > interval '1 second'";
        wait_until(&stage, &primary, behind);
        let sweep = pausing(&stage, &format!("max_replication_lag = \"500ms\"\n{limits}"), rest);
        assert_eq!(stage.sessions(), (100, i64::from(ROWS)), "nothing goes before the standby has caught up");
        admin.execute("SELECT pg_wal_replay_resume()");
        completes(&stage, sweep);
        stage.fill(ROWS, 0);
    }
}

#[test]
fn a_mariadb_replica_that_is_behind_makes_a_sweep_pause() {
    let primary = "--server-id=1 --log-bin=bin --binlog-format=row";
    let Some((primary, replica, stage)) = replicated(Engine::MySql, primary, "--server-id=2") else { return };
    primary.admin().execute("GRANT SLAVE MONITOR ON *.* TO app@'127.0.0.1'");
    let name = stage.database().name();
    // The user's privileges come with everything else.
    let arrived = format!(
        "SELECT COUNT(*) = {ROWS} AND (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE LIKE \"'app'%\" AND PRIVILEGE_TYPE LIKE '%MONITOR') > 0 FROM {name}.Session WHERE sessionToken LIKE 'expired-%'"
    );
    let deadline = Deadline::after(LIMIT);
    let admin = replica.admin();
    while !matches!(admin.try_count(&arrived), Ok(1)) {
        assert!(!deadline.has_passed(), "nothing arrives at the replica");
        std::thread::sleep(Duration::from_millis(50));
    }
    // A lock that keeps the replica from repeating what the sweep does from here on.
    admin.execute("FLUSH TABLES WITH READ LOCK");
    let url = toml::Value::from(replica.url(name));
    let limits = "max_rows_per_second = 500\nmax_replication_lag = \"500ms\"\nreplica = \"replica\"";
    let sweep = pausing(&stage, limits, &format!("[databases.replica]\nurl = {url}"));
    admin.execute("UNLOCK TABLES");
    completes(&stage, sweep);
}
