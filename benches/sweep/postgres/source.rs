//! The table, built once for each case and copied for each measurement: every contender finds the same pages.

use std::time::Duration;

use crate::servers::{PrivateServer, Session, TestDatabase};
use crate::sweepd;

/// What the application's table is like.
#[derive(Clone, Copy)]
pub struct Source {
    pub heap: Heap,
    /// Percent.
    pub expired: u64,
    /// Whether there is an index on the expiry.
    pub index: bool,
}

/// In which order the rows lie in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Heap {
    Random,
    /// By their expiry.
    Correlated,
}

/// A database that holds the table, and that nobody is connected to.
pub struct Built {
    database: TestDatabase,
    pub expired: u64,
}

/// A copy to delete from, read into memory.
pub struct Copy {
    pub database: TestDatabase,
    admin: Session,
}

/// What the server has counted.
#[derive(Clone, Copy)]
pub struct Counters {
    pub heap_pages: i64,
    pub index_pages: i64,
    pub wal: i64,
}

/// The condition of the statements that are written by hand.
pub const CUTOFF: &str = "expires <= (now() AT TIME ZONE 'UTC')";

/// Servers report what they counted a little later, at the latest when the connection has ended.
const REPORTED: Duration = Duration::from_millis(300);

impl Source {
    /// Fills the table. Live rows last for another day, so that none expires while the measurements go on.
    pub fn build(self, server: &PrivateServer, rows: u64) -> Built {
        eprintln!("building a table of {rows} rows");
        let database = server.fresh();
        let expired = rows * self.expired / 100;
        database.admin().execute("CREATE EXTENSION pg_prewarm");
        database.execute(&self.sql(rows, expired));
        database.execute("VACUUM (FREEZE, ANALYZE) \"Session\"");
        sweepd::migrate(database.url());
        std::thread::sleep(REPORTED);
        Built { database, expired }
    }

    fn sql(self, rows: u64, expired: u64) -> String {
        let order = if self.heap == Heap::Random { "ORDER BY random()" } else { "" };
        let index = if self.index { r#"CREATE INDEX ON "Session" (expires);"# } else { "" };
        format!(
            r#"CREATE TABLE "Session" (id text NOT NULL, "sessionToken" text NOT NULL, "userId" text NOT NULL,
                expires timestamp(3) NOT NULL) WITH (autovacuum_enabled = off);
            SELECT setseed(0.5);
            INSERT INTO "Session" SELECT 'c' || left(md5(random()::text), 24), gen_random_uuid()::text,
                'c' || left(md5((n / 3)::text), 24),
                (now() AT TIME ZONE 'UTC') + interval '29 days' * (n - {expired}) / {rows}
                    + CASE WHEN n < {expired} THEN interval '0' ELSE interval '1 day' END
                FROM generate_series(0, {rows} - 1) n {order};
            ALTER TABLE "Session" ADD PRIMARY KEY (id);
            CREATE UNIQUE INDEX ON "Session" ("sessionToken");
            {index}"#
        )
    }
}

impl Built {
    /// A fresh copy. The first change of each of its pages is logged as a whole, as it is after any checkpoint.
    pub fn copy(&self) -> Copy {
        let database = self.database.copy();
        let admin = database.admin();
        admin.execute(
            r#"SELECT pg_prewarm('"Session"'); SELECT pg_prewarm(indexrelid) FROM pg_index
                WHERE indrelid = '"Session"'::regclass; CHECKPOINT"#,
        );
        drop(admin);
        std::thread::sleep(REPORTED);
        Copy { admin: database.admin(), database }
    }
}

impl Copy {
    /// What has been counted until now; whoever is measured must have closed the connection.
    pub fn counters(&self) -> Counters {
        std::thread::sleep(REPORTED);
        let count = |sql: &str| self.admin.count(sql);
        let pages = |kind: &str| {
            count(&format!(
                "SELECT {kind}_blks_read + {kind}_blks_hit FROM pg_statio_user_tables WHERE relname = 'Session'"
            ))
        };
        Counters {
            heap_pages: pages("heap"),
            index_pages: pages("idx"),
            wal: count("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"),
        }
    }

    /// A transaction that has read the table and does not end before it is dropped.
    pub fn snapshot(&self) -> Session {
        let session = self.database.session();
        session.execute(r#"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM "Session""#);
        session
    }
}
