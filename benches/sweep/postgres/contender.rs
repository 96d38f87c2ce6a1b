//! Who deletes the expired rows of a PostgreSQL table.

use super::source::{Built, CUTOFF, Copy, Counters};
use crate::strategy::{COMMON, Column, MEMORY, Measured, limit_loop, one_statement, reported};
use crate::sweepd::Settings;

/// A way to delete.
#[derive(Clone, Copy)]
pub enum How {
    OneDelete,
    LimitLoop,
    /// The order that is asked for, and the number of workers where it is not one.
    Sweepd(Option<&'static str>, Option<u32>),
}

/// A way to delete, maybe while an old snapshot is held open.
#[derive(Clone, Copy)]
pub struct Strategy {
    how: How,
    snapshot: bool,
}

const AUTO: How = How::Sweepd(None, None);
const EXPIRY: How = How::Sweepd(Some("expiry"), None);
const PHYSICAL: How = How::Sweepd(Some("physical"), None);
const TWO_WORKERS: How = How::Sweepd(Some("physical"), Some(2));

/// The two that matter most.
pub const SHORT: [How; 2] = [How::OneDelete, AUTO];

/// What the tables show.
pub const COLUMNS: [Column; 8] = {
    let [speed, cost, longest, typical] = COMMON;
    [
        speed,
        cost,
        longest,
        typical,
        Column("WAL, B/row", |one| one.per_row(one.wal_bytes), 0),
        Column("heap pages/row", |one| one.per_row(one.heap_pages), 2),
        Column("index pages/row", |one| one.per_row(one.index_pages), 2),
        MEMORY,
    ]
};

impl How {
    pub const fn all() -> [Self; 6] {
        [Self::OneDelete, Self::LimitLoop, EXPIRY, PHYSICAL, AUTO, TWO_WORKERS]
    }

    /// The order of the expiry wants an index.
    pub const fn without_index() -> [Self; 5] {
        [Self::OneDelete, Self::LimitLoop, PHYSICAL, AUTO, TWO_WORKERS]
    }

    fn name(self) -> String {
        match self {
            Self::OneDelete => "one DELETE".to_owned(),
            Self::LimitLoop => "LIMIT 1000 loop".to_owned(),
            Self::Sweepd(order, workers) => {
                let workers = workers.map(|number| format!(", {number} workers")).unwrap_or_default();
                format!("sweepd {}{workers}", order.unwrap_or("auto"))
            }
        }
    }

    fn run(self, copy: &Copy, batch_target: &str) -> Measured {
        let session = || copy.database.session();
        match self {
            Self::OneDelete => one_statement(&session(), &format!(r#"DELETE FROM "Session" WHERE {CUTOFF}"#)),
            Self::LimitLoop => {
                let some = format!(r#"SELECT id FROM "Session" WHERE {CUTOFF} LIMIT 1000"#);
                limit_loop(&session(), &format!(r#"DELETE FROM "Session" WHERE id IN ({some})"#))
            }
            Self::Sweepd(order, workers) => {
                let settings = Settings { order, workers, batch_target: Some(batch_target), nice: Some(0) };
                reported(settings.clean(copy.database.url()))
            }
        }
    }
}

impl From<How> for Strategy {
    fn from(how: How) -> Self {
        Self { how, snapshot: false }
    }
}

impl Strategy {
    /// The sweep without a snapshot, and then everyone with one.
    pub fn around_a_snapshot() -> Vec<Self> {
        let with = |how| Self { how, snapshot: true };
        let without = [PHYSICAL, EXPIRY, How::OneDelete].map(Self::from);
        without.into_iter().chain(How::all().map(with)).collect()
    }

    pub fn name(self) -> String {
        self.how.name() + if self.snapshot { ", snapshot held" } else { "" }
    }

    /// Deletes from a fresh copy.
    pub fn measure(self, source: &Built, batch_target: &str) -> Measured {
        let copy = source.copy();
        let snapshot = self.snapshot.then(|| copy.snapshot());
        let before = copy.counters();
        let measured = self.how.run(&copy, batch_target);
        drop(snapshot);
        let after = copy.counters();
        assert_eq!(measured.rows, source.expired, "{} deletes what has expired", self.name());
        measured.with(before, after)
    }
}

impl Measured {
    fn with(self, before: Counters, after: Counters) -> Self {
        let since = |counter: fn(Counters) -> i64| u64::try_from(counter(after) - counter(before)).ok();
        Self {
            wal_bytes: since(|counters| counters.wal),
            heap_pages: since(|counters| counters.heap_pages),
            index_pages: since(|counters| counters.index_pages),
            ..self
        }
    }
}
