//! The application's database: sessions that live, some of them due to be moved, and others that expire all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::servers::{Engine, PrivateServer, TestDatabase};

/// What a server in production has.
const TUNING: &str =
    "-c fsync=on -c full_page_writes=on -c synchronous_commit=on -c shared_buffers=512MB -c max_wal_size=8GB";
/// Each user has so many sessions.
pub const SESSIONS_EACH: u32 = 10;
/// So many expire each second, for the runs.
const EXPIRING: u32 = 100;

/// The database, with its server where it has one.
pub struct Application {
    pub database: TestDatabase,
    _server: Option<PrivateServer>,
}

/// Adds expired sessions until it is dropped.
pub struct Feeder(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Application {
    /// None, with a printed reason, where the server is not installed.
    pub fn start(engine: Engine, rows: u32, due: u32) -> Option<Self> {
        let tuning = if engine == Engine::Postgres { TUNING } else { "" };
        let (database, server) = if engine == Engine::Sqlite {
            (TestDatabase::fresh(engine)?, None)
        } else {
            let server = PrivateServer::start_with(engine, tuning)?;
            (server.fresh(), Some(server))
        };
        database.execute(tables(engine));
        // Touched, a session lives for 30 minutes; one that lives for more than 25 is not due.
        database.execute(&insert(engine, "live", rows, 60));
        database.execute(&insert(engine, "due", due, 10));
        if engine == Engine::Postgres {
            database.execute(r#"VACUUM ANALYZE "Session""#);
        }
        Some(Self { database, _server: server })
    }

    pub fn feed(&self) -> Feeder {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, session, engine) = (Arc::clone(&stop), self.database.session(), self.database.engine());
        let feed = move || {
            for number in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                session.execute(&insert(engine, &format!("dead-{number}"), EXPIRING, -1));
                std::thread::sleep(Duration::from_secs(1));
            }
        };
        Feeder(stop, Some(std::thread::spawn(feed)))
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.1.take() {
            let _ = thread.join();
        }
    }
}

fn tables(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => {
            r#"CREATE TABLE "Session" ("sessionToken" text PRIMARY KEY, "userId" text NOT NULL, "expires" timestamp(3) NOT NULL);
            CREATE INDEX ON "Session" ("userId"); CREATE INDEX ON "Session" ("expires");
            CREATE TABLE "AuditLog" ("id" text PRIMARY KEY, "action" text NOT NULL, "details" jsonb, "createdAt" timestamp(3) NOT NULL DEFAULT now())"#
        }
        Engine::MySql => {
            "CREATE TABLE `Session` (`sessionToken` varchar(191) PRIMARY KEY, `userId` varchar(191) NOT NULL, `expires` datetime(3) NOT NULL, KEY (`userId`), KEY (`expires`));
            CREATE TABLE `AuditLog` (`id` varchar(191) PRIMARY KEY, `action` varchar(191) NOT NULL, `details` json, `createdAt` datetime(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3))"
        }
        Engine::Sqlite => {
            r#"PRAGMA journal_mode = WAL;
            CREATE TABLE "Session" ("sessionToken" TEXT PRIMARY KEY, "userId" TEXT NOT NULL, "expires" DATETIME NOT NULL);
            CREATE INDEX user ON "Session" ("userId"); CREATE INDEX expires ON "Session" ("expires");
            CREATE TABLE "AuditLog" ("id" TEXT PRIMARY KEY, "action" TEXT NOT NULL, "details" JSONB, "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP)"#
        }
    }
}

/// Sessions that expire so many minutes from now, of users `u0`, `u1`, and so on.
fn insert(engine: Engine, name: &str, count: u32, minutes: i32) -> String {
    let last = i64::from(count) - 1;
    match engine {
        Engine::Postgres => format!(
            r#"INSERT INTO "Session" SELECT '{name}-' || n, 'u' || n / {SESSIONS_EACH}, now() AT TIME ZONE 'UTC' + interval '{minutes} minutes' FROM generate_series(0, {last}) AS n"#
        ),
        Engine::MySql => format!(
            "INSERT INTO Session SELECT CONCAT('{name}-', seq), CONCAT('u', seq DIV {SESSIONS_EACH}), UTC_TIMESTAMP(3) + INTERVAL {minutes} MINUTE FROM seq_0_to_{last}"
        ),
        Engine::Sqlite => format!(
            r#"INSERT INTO "Session" WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT '{name}-' || n, 'u' || (n / {SESSIONS_EACH}), CAST(strftime('%s', 'now', '{minutes} minutes') AS INTEGER) * 1000 FROM s"#
        ),
    }
}
