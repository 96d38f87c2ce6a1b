//! Ways to delete the expired rows, what is measured of them, and the table that compares them.

use std::time::Duration;

use sweepd::clock::Stopwatch;

use crate::rounds::{Series, median};
use crate::servers::Session;
use crate::sweepd::Ran;
use crate::table::{Table, number, times};

/// What was measured. Times are in milliseconds.
#[derive(Default)]
pub struct Measured {
    pub rows: u64,
    pub time: Duration,
    /// The longest transaction, and the one in the middle.
    pub longest: Option<f64>,
    pub typical: Option<f64>,
    pub wal_bytes: Option<u64>,
    /// Pages of the table and of its indexes that were asked for.
    pub heap_pages: Option<u64>,
    pub index_pages: Option<u64>,
    /// KiB.
    pub peak_memory: Option<u64>,
    /// The longest wait of somebody else who wanted to write.
    pub stall: Option<f64>,
}

/// A column of the table.
pub struct Column(pub &'static str, pub fn(&Measured) -> Option<f64>, pub usize);

/// The columns that every engine has.
pub const COMMON: [Column; 4] = [
    Column("rows/s", |one| Some(one.per_second()), 0),
    Column("µs/row", |one| Some(1e6 / one.per_second()), 2),
    Column("longest transaction, ms", |one| one.longest, 1),
    Column("typical, ms", |one| one.typical, 1),
];

/// What only sweepd has.
pub const MEMORY: Column = Column("peak memory, MB", Measured::peak_megabytes, 1);

impl Measured {
    pub fn per_second(&self) -> f64 {
        float(self.rows) / self.time.as_secs_f64()
    }

    pub fn peak_megabytes(&self) -> Option<f64> {
        self.peak_memory.map(|kib| float(kib) * 1024.0 / 1e6)
    }

    /// A property of each deleted row.
    pub fn per_row(&self, value: Option<u64>) -> Option<f64> {
        Some(float(value?) / float(self.rows))
    }
}

/// One statement in one transaction.
pub fn one_statement(session: &Session, delete: &str) -> Measured {
    let watch = Stopwatch::start();
    let rows = session.change(delete);
    let time = watch.elapsed();
    Measured { rows, time, longest: Some(millis(time)), typical: Some(millis(time)), ..Measured::default() }
}

/// The same statement, which has a limit, until it finds nothing more; each a transaction of its own.
pub fn limit_loop(session: &Session, delete: &str) -> Measured {
    let watch = Stopwatch::start();
    let (mut rows, mut batches) = (0, Vec::new());
    loop {
        let batch = Stopwatch::start();
        let deleted = session.change(delete);
        if deleted == 0 {
            break;
        }
        rows += deleted;
        batches.push(millis(batch.elapsed()));
    }
    Measured { rows, time: watch.elapsed(), ..batches_of(batches) }
}

/// What a run of sweepd says about itself.
pub fn reported(ran: Ran) -> Measured {
    Measured { rows: ran.deleted, time: ran.time, peak_memory: ran.peak_memory, ..batches_of(ran.batches) }
}

fn batches_of(batches: Vec<f64>) -> Measured {
    let longest = batches.iter().copied().reduce(f64::max);
    Measured { longest, typical: median(batches), ..Measured::default() }
}

/// The contenders side by side, with the speed of each as a multiple of that of each of `bases`.
pub fn compare(title: &str, series: &[Series<Measured>], bases: &[Series<Measured>], columns: &[Column]) -> Table {
    let speeds: Vec<_> = bases.iter().map(|base| format!("speed, × {}", base.name)).collect();
    let head = ["strategy"].into_iter().chain(speeds.iter().map(String::as_str));
    let mut table = Table::new(title, &head.chain(columns.iter().map(|column| column.0)).collect::<Vec<_>>());
    for one in series {
        let speed = |base| times(one.ratio(base, |measured| Some(measured.per_second())));
        let cells = columns.iter().map(|Column(_, property, decimals)| number(one.median(property), *decimals));
        table.row([one.name.clone()].into_iter().chain(bases.iter().map(speed)).chain(cells).collect());
    }
    table
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[allow(clippy::cast_precision_loss, reason = "numbers of rows and bytes, to be shown in a table")]
pub fn float(value: u64) -> f64 {
    value as f64
}
