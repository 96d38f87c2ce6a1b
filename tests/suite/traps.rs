//! Traps of the databases that the ledger must not step into.

use std::time::Duration;

use sweepd::audit::{self, AuditLog};
use sweepd::clock::Clock;
use sweepd::db::ledger_sql::{Ending, NewRun};
use sweepd::db::{self, Database, DatabaseUrl, Purpose, Statement, migrate};
use sweepd::ledger::{Claim, Ledger};
use sweepd::report::{Outcome, RunId, Trigger};

use crate::servers::Engine;
use crate::stage::Stage;

pub const TARGET: &str = "app.Session";
pub const JOB: &str = "sessions";

/// Does the same on every engine, with sweepd's own tables there.
pub fn on_every_engine(test: &impl AsyncFn(&Stage, &Database, &Ledger)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for engine in Engine::all() {
        let Some(stage) = Stage::fresh(engine) else { continue };
        runtime.block_on(async {
            let database = Database::connect(&settings(stage.database().url())).await.unwrap();
            migrate::run(&database).await.unwrap();
            let audit = AuditLog::find(&database, &audit::Settings::default()).await.unwrap().unwrap().unwrap();
            let ledger = Ledger::new(&database, Some(audit), Duration::from_secs(10));
            test(&stage, &database, &ledger).await;
            database.close().await;
        });
    }
}

fn settings(url: &str) -> db::Settings {
    db::Settings {
        url: DatabaseUrl::parse(url).unwrap(),
        max_connections: 4,
        connect_timeout: Duration::from_secs(10),
        lock_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
        idle_timeout: None,
    }
}

pub fn run(at: Option<&str>) -> NewRun {
    NewRun {
        id: RunId::new(Clock::system().now()),
        target: TARGET.to_owned(),
        job: JOB.to_owned(),
        trigger: if at.is_some() { Trigger::Schedule } else { Trigger::Manual },
        scheduled_for: at.map(|at| at.parse().unwrap()),
        host: "here".to_owned(),
    }
}

pub fn ending() -> Ending {
    Ending { outcome: Outcome::Completed, stopped_by: None, throttled: "{}".to_owned(), error: None }
}

pub fn won() -> Claim {
    Claim::Won
}

/// The driver asks `MySQL` for the rows that were found, where others count those that were changed: a claim that lost
/// must not look like one that won.
#[test]
fn the_loser_of_a_claim_knows_it() {
    on_every_engine(&async |stage, _, ledger| {
        let (today, tomorrow) = (Some("2026-11-24T02:00:00Z"), Some("2026-11-25T02:00:00Z"));
        let (first, second, third) = (run(today), run(today), run(tomorrow));
        assert_eq!(ledger.claim(&first, |_| {}).await.unwrap(), won());
        assert_eq!(ledger.claim(&second, |_| {}).await.unwrap(), Claim::Answered(first.id));
        assert_eq!(ledger.claim(&third, |_| {}).await.unwrap(), Claim::Active(first.id));
        let skipped = run(tomorrow);
        assert_eq!(
            (ledger.skip(&skipped, None).await.unwrap(), ledger.skip(&third, None).await.unwrap()),
            (true, false)
        );
        ledger.finish(first.id, &ending(), true).await.unwrap();
        assert_eq!(ledger.claim(&second, |_| {}).await.unwrap(), Claim::Answered(first.id));
        assert_eq!(ledger.claim(&third, |_| {}).await.unwrap(), Claim::Answered(skipped.id), "{:?}", stage.runs());
    });
}

/// When the answer to a COMMIT was lost, the same is done again.
#[test]
fn claim_and_finish_may_be_done_again() {
    on_every_engine(&async |stage, database, ledger| {
        for at in [Some("2026-11-24T02:00:00Z"), None] {
            let run = run(at);
            assert_eq!(ledger.claim(&run, |_| {}).await.unwrap(), won());
            assert_eq!(ledger.claim(&run, |_| {}).await.unwrap(), won());
            let mut batch = database.begin(Purpose::Batch).await.unwrap();
            assert!(ledger.count(&mut batch, run.id, 7).await.unwrap());
            batch.commit().await.unwrap();
            let report = ledger.finish(run.id, &ending(), true).await.unwrap();
            assert_eq!(ledger.finish(run.id, &ending(), true).await.unwrap(), report);
            let audit = stage.audit();
            let rows: Vec<_> = audit.iter().filter(|row| row["runId"] == *run.id.to_string()).collect();
            assert_eq!((rows.len(), &rows[0]["deletedCount"]), (1, &7.into()), "{audit:?}");
        }
    });
}

/// `now()` is when the transaction began: a batch that has waited for a lock would set the heartbeat back, and a run that
/// works would look dead.
#[test]
fn a_heartbeat_has_the_time_of_its_statement() {
    on_every_engine(&async |stage, database, ledger| {
        let run = run(None);
        ledger.claim(&run, |_| {}).await.unwrap();
        let mut batch = database.begin(Purpose::Batch).await.unwrap();
        let (waits, apart) = match stage.database().engine() {
            Engine::Postgres => (
                "SELECT pg_sleep(0.3)",
                "SELECT (extract(epoch FROM heartbeat_at - started_at) * 1000)::bigint FROM sweepd.run",
            ),
            Engine::MySql => (
                "SELECT SLEEP(0.3)",
                "SELECT TIMESTAMPDIFF(MICROSECOND, started_at, heartbeat_at) DIV 1000 FROM sweepd_run",
            ),
            Engine::Sqlite => (
                "SELECT 1",
                "SELECT CAST((julianday(heartbeat_at) - julianday(started_at)) * 86400000 + 1 AS INTEGER) FROM sweepd_run",
            ),
        };
        batch.fetch(Statement::text(database.engine(), waits)).await.unwrap();
        if stage.database().engine() == Engine::Sqlite {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(ledger.count(&mut batch, run.id, 1).await.unwrap());
        batch.commit().await.unwrap();
        let millis = stage.database().count(apart);
        assert!(millis >= 300, "{millis} ms");
    });
}
