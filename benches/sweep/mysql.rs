//! MariaDB: against `pt-archiver`, one DELETE and the LIMIT loop.

mod archiver;
mod table;

use crate::options::Options;
use crate::rounds::{Contender, play};
use crate::servers::{Engine, PrivateServer, TestDatabase};
use crate::strategy::{COMMON, Column, MEMORY, Measured, compare, float, limit_loop, one_statement, reported};
use crate::sweepd::Settings;
use crate::table::number;

const ROWS: u64 = 1_000_000;

/// What a server in production has.
const TUNING: &str = "--innodb-flush-log-at-trx-commit=1 --innodb-doublewrite=1 --innodb-buffer-pool-size=1G \
                      --innodb-log-file-size=1G";

/// The condition of the statements that are written by hand.
const CUTOFF: &str = "expires <= UTC_TIMESTAMP(3)";

/// The `batch_target` of each measurement of sweepd.
const TARGETS: [&str; 2] = ["250ms", "50ms"];

const COLUMNS: [Column; 5] = {
    let [speed, cost, longest, typical] = COMMON;
    [speed, cost, longest, typical, MEMORY]
};

/// A way to delete.
#[derive(Clone, Copy)]
enum How {
    OneDelete,
    Archiver,
    LimitLoop,
    Sweepd(&'static str),
}

/// Every way, on one server.
pub fn measure(options: &Options) {
    let Some(server) = PrivateServer::start_with(Engine::MySql, TUNING) else { return };
    let rows = options.rows(ROWS);
    let database = server.fresh();
    let version = database.texts("SELECT VERSION()").remove(0).unwrap_or_default();
    println!("\n## MariaDB\n\n{version}; `{TUNING}`\nsweepd: `nice = 0`; {}", archiver::describe());
    table::build_source(&database, rows);
    let ways = How::all();
    let contender = |&how: &How| {
        let database = &database;
        Contender::new(how.name(), move || how.measure(database, rows / 2))
    };
    let series = play("mysql", &ways.iter().map(contender).collect::<Vec<_>>(), options);
    let title = format!("MariaDB: {} rows, 50 % expired, an index on the expiry", number(Some(float(rows)), 0));
    let bases = if archiver::is_installed() { 0..2 } else { 0..1 };
    println!("{}", compare(&title, &series, &series[bases], &COLUMNS));
}

impl How {
    fn all() -> Vec<Self> {
        let archiver = archiver::is_installed().then_some(Self::Archiver);
        let others = [Self::LimitLoop].into_iter().chain(TARGETS.map(Self::Sweepd));
        [Self::OneDelete].into_iter().chain(archiver).chain(others).collect()
    }

    fn name(self) -> String {
        match self {
            Self::OneDelete => "one DELETE".to_owned(),
            Self::Archiver => "pt-archiver".to_owned(),
            Self::LimitLoop => "LIMIT 1000 loop".to_owned(),
            Self::Sweepd(target) => format!("sweepd {target}"),
        }
    }

    fn measure(self, database: &TestDatabase, expired: u64) -> Measured {
        table::refill(database);
        let session = || database.session();
        let measured = match self {
            Self::OneDelete => one_statement(&session(), &format!("DELETE FROM Session WHERE {CUTOFF}")),
            Self::Archiver => archiver::purge(database, CUTOFF, expired),
            Self::LimitLoop => limit_loop(&session(), &format!("DELETE FROM Session WHERE {CUTOFF} LIMIT 1000")),
            Self::Sweepd(target) => {
                let settings = Settings { batch_target: Some(target), nice: Some(0), ..Settings::default() };
                reported(settings.clean(database.url()))
            }
        };
        let left = database.count(&format!("SELECT COUNT(*) FROM Session WHERE {CUTOFF}"));
        assert_eq!((measured.rows, left), (expired, 0), "{} deletes what has expired", self.name());
        measured
    }
}
