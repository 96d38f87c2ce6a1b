//! The main job on real input: Auth.js writes sessions through Prisma's client, the daemon sweeps them on schedule,
//! and the application still works.

use crate::prisma::{MIGRATION, PrismaClient};
use crate::process::{Process, sweepd};
use crate::servers::{Engine, TestDatabase};
use crate::stage::{LIMIT, Stage};

const EXPIRED: usize = 5000;
const LIVE: usize = 50;

/// As people keep them to look at their audit log and their sessions.
const AUDIT_QUERY: &str = r#"SELECT * FROM "AuditLog" WHERE action IN ('SESSION_CLEANUP', 'SESSION_CLEANUP_ERROR') ORDER BY "createdAt" DESC LIMIT 10;"#;
const SESSION_QUERY: &str = r#"SELECT COUNT(*) as total_sessions, COUNT(*) FILTER (WHERE expires > NOW()) as active_sessions,
  COUNT(*) FILTER (WHERE expires <= NOW()) as expired_sessions, MIN(expires) as oldest_expiry, MAX(expires) as newest_expiry FROM "Session";"#;

/// The rows of a query that stays as it is, each as JSON.
fn rows(database: &TestDatabase, query: &str) -> Vec<serde_json::Value> {
    let query = query.trim_end_matches(';');
    let rows = database.texts(&format!("SELECT to_jsonb(answer)::text FROM ({query}) AS answer"));
    rows.into_iter().map(|row| serde_json::from_str(&row.expect("a row")).expect("JSON")).collect()
}

#[test]
fn sessions_that_prisma_writes_are_swept_on_schedule() {
    let (Some(client), Some(database)) = (PrismaClient::ready(), TestDatabase::fresh(Engine::Postgres)) else { return };
    database.execute(MIGRATION);
    let written = client.write(database.url(), EXPIRED, LIVE);
    let (expired, live) = (written["expired"].as_i64().expect("a count"), written["live"].as_i64().expect("a count"));
    let before = client.check(database.url());
    assert_eq!(before["sessions"], expired + live);

    let stage = Stage::around(database);
    let mut command = sweepd();
    command.arg("--config").arg(stage.configure("*/2 * * * * *", "", ""));
    let mut daemon = Process::spawn(command);
    let database = stage.database();
    let swept = |runs: &[crate::stage::Run]| runs.iter().filter(|run| run.state == "completed").count() >= 2;
    let runs = stage.wait_for_runs(&mut daemon, swept);
    daemon.signal("TERM");
    assert_eq!(daemon.exit_code(LIMIT), 0, "{}", daemon.output());

    let after = client.check(database.url());
    assert_eq!((&after["sessions"], &after["live"]), (&live.into(), &live.into()), "{after}");
    assert_eq!(after["signedIn"], true, "{after}");
    assert_eq!(runs.iter().map(|run| run.deleted).sum::<i64>(), expired);

    let audit = after["auditLog"].as_array().expect("rows");
    let counted: i64 = audit.iter().filter_map(|row| row["details"]["deletedCount"].as_i64()).sum();
    assert_eq!(counted, expired, "{audit:?}");
    assert!(audit.iter().all(|row| row["action"] == "SESSION_CLEANUP"), "{audit:?}");

    let answered = rows(database, AUDIT_QUERY);
    assert_eq!(answered.len(), audit.len());
    assert_eq!(answered.last().expect("the first run")["details"]["deletedCount"], expired);
    database.execute(AUDIT_QUERY);
    database.execute(SESSION_QUERY);
    let sessions = &rows(database, SESSION_QUERY)[0];
    let counts = ["total_sessions", "active_sessions", "expired_sessions"].map(|key| sessions[key].as_i64());
    assert_eq!(counts, [Some(live), Some(live), Some(0)], "{sessions}");
}
