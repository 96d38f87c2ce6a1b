//! `SQLite`: against one DELETE, and what another writer feels meanwhile.

mod writer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use writer::Writer;

use crate::options::Options;
use crate::rounds::{Contender, play};
use crate::servers::{Engine, Session, TestDatabase};
use crate::strategy::{COMMON, Column, MEMORY, Measured, compare, float, one_statement, reported};
use crate::sweepd::Settings;
use crate::table::number;

const ROWS: u64 = 1_000_000;

/// The `batch_target` of each measurement of sweepd.
const TARGETS: [&str; 4] = ["10ms", "50ms", "100ms", "150ms"];

const COLUMNS: [Column; 6] = {
    let [speed, cost, longest, typical] = COMMON;
    [speed, cost, longest, typical, Column("stall of another writer, ms", |one| one.stall, 0), MEMORY]
};

/// A file with the table, which every measurement copies.
struct Source {
    path: PathBuf,
    expired: u64,
    _directory: TempDir,
}

/// A way to delete.
#[derive(Clone, Copy)]
enum How {
    OneDelete,
    Sweepd(&'static str),
}

pub fn measure(options: &Options) {
    let rows = options.rows(ROWS);
    let source = Source::build(rows);
    let version = TestDatabase::fresh(Engine::Sqlite).unwrap().texts("SELECT sqlite_version()").remove(0);
    println!("\n## SQLite\n\n{}; WAL, `synchronous = FULL`", version.unwrap_or_default());
    println!("sweepd: `nice = 0`; another writer inserts a row every {:?}", writer::PERIOD);
    let ways = [How::OneDelete].into_iter().chain(TARGETS.map(How::Sweepd)).collect::<Vec<_>>();
    let contender = |&how: &How| {
        let source = &source;
        Contender::new(how.name(), move || how.measure(source))
    };
    let series = play("sqlite", &ways.iter().map(contender).collect::<Vec<_>>(), options);
    let title = format!("SQLite: {} rows, 50 % expired, three random indexes", number(Some(float(rows)), 0));
    println!("{}", compare(&title, &series, &series[..1], &COLUMNS));
}

impl Source {
    /// Live rows last for another day, so that none expires while the measurements go on.
    fn build(rows: u64) -> Self {
        eprintln!("building a table of {rows} rows");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source.db");
        File::create(&path).unwrap();
        let expired = rows / 2;
        let session = Session::open(Engine::Sqlite, &format!("sqlite://{}", path.display()));
        session.execute("PRAGMA journal_mode = WAL");
        session.execute(&sql(rows, expired));
        session.execute("PRAGMA wal_checkpoint(TRUNCATE)");
        Self { path, expired, _directory: directory }
    }

    fn copy(&self) -> TestDatabase {
        let database = TestDatabase::fresh(Engine::Sqlite).unwrap();
        copy_and_sync(&self.path, &database.path());
        database
    }
}

/// What is still to be written out would slow the measurement down.
fn copy_and_sync(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
    File::open(to).unwrap().sync_all().unwrap();
}

/// The rows lie in no order at all: token, user and expiry of neighbours are far apart in their indexes.
fn sql(rows: u64, expired: u64) -> String {
    format!(
        r#"CREATE TABLE "Session" ("sessionToken" TEXT PRIMARY KEY, "userId" TEXT NOT NULL, "expires" DATETIME NOT NULL);
        CREATE TABLE other (id INTEGER PRIMARY KEY, note TEXT NOT NULL);
        INSERT INTO "Session" WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows} - 1)
            SELECT lower(hex(randomblob(18))), 'c' || lower(hex(randomblob(12))),
                CAST(strftime('%s', 'now') AS INTEGER) * 1000 + (n - {expired}) * 2505600000 / {rows}
                    + CASE WHEN n < {expired} THEN -1000 ELSE 86400000 END
                FROM numbers ORDER BY random();
        CREATE INDEX "Session_userId" ON "Session" ("userId");
        CREATE INDEX "Session_expires" ON "Session" ("expires");
        ANALYZE"#
    )
}

impl How {
    fn name(self) -> String {
        match self {
            Self::OneDelete => "one DELETE".to_owned(),
            Self::Sweepd(target) => format!("sweepd {target}"),
        }
    }

    fn measure(self, source: &Source) -> Measured {
        let database = source.copy();
        let writer = Writer::start(database.session());
        let measured = self.run(&database);
        let stall = Some(writer.stop());
        assert_eq!(measured.rows, source.expired, "{} deletes what has expired", self.name());
        Measured { stall, ..measured }
    }

    fn run(self, database: &TestDatabase) -> Measured {
        match self {
            Self::OneDelete => {
                let session = database.session();
                session.execute(writer::PATIENCE);
                let now = "CAST(strftime('%s', 'now') AS INTEGER) * 1000";
                one_statement(&session, &format!(r#"DELETE FROM "Session" WHERE expires <= {now}"#))
            }
            Self::Sweepd(target) => {
                let settings = Settings { batch_target: Some(target), nice: Some(0), ..Settings::default() };
                reported(settings.clean(database.url()))
            }
        }
    }
}
