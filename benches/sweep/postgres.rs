//! PostgreSQL: how fast, and what it costs the server.

mod contender;
pub mod source;

use contender::{COLUMNS, How, SHORT, Strategy};
use source::{Heap, Source};

use crate::options::Options;
use crate::rounds::{Contender, Series, play};
use crate::servers::{Engine, PrivateServer};
use crate::strategy::{Measured, compare, float};
use crate::table::{Table, number};

/// What a server in production has. The table itself has `autovacuum_enabled = off`: see `source.rs`.
pub const TUNING: &str = "-c fsync=on -c full_page_writes=on -c synchronous_commit=on -c shared_buffers=512MB \
                          -c max_wal_size=8GB -c checkpoint_timeout=30min";

/// A table, and who deletes from it.
struct Case {
    name: &'static str,
    rows: u64,
    source: Source,
    strategies: Vec<Strategy>,
    /// How many of them, from the first, are measures for the others.
    bases: usize,
}

/// Half of the rows have expired, anywhere in the table.
pub const HALF: Source = Source { heap: Heap::Random, expired: 50, index: true };

/// The sizes among which the cost of a row must not change.
const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 5_000_000];

/// Every case, on one server.
pub fn measure(options: &Options) {
    let Some(server) = PrivateServer::start_with(Engine::Postgres, TUNING) else { return };
    println!("\n## PostgreSQL\n\n{}", describe(&server));
    println!("sweepd: `nice = 0`, `batch_target = \"{}\"`", options.batch_target);
    for case in cases().iter().filter(|case| options.wants(case.name)) {
        println!("{}", case.table(&case.play(&server, options), options));
    }
    if options.wants("sizes") {
        println!("{}", sizes(&server, options));
    }
}

/// The server and its settings.
pub fn describe(server: &PrivateServer) -> String {
    let version = server.fresh().texts("SELECT version()").remove(0).unwrap_or_default();
    format!("{version}; `{TUNING}`; the table with `autovacuum_enabled = off`")
}

fn cases() -> Vec<Case> {
    let case = |name, source, hows: &[How]| Case {
        name,
        rows: 2_000_000,
        source,
        strategies: hows.iter().map(|&how| how.into()).collect(),
        bases: 1,
    };
    let all = How::all();
    vec![
        case("random heap", HALF, &all),
        case("correlated heap", Source { heap: Heap::Correlated, ..HALF }, &all),
        case("95 % expired", Source { expired: 95, ..HALF }, &all),
        case("1 % expired", Source { expired: 1, ..HALF }, &all),
        Case { rows: 5_000_000, ..case("1 % of 5M", Source { expired: 1, ..HALF }, &SHORT) },
        case("no index", Source { index: false, ..HALF }, &How::without_index()),
        Case { rows: 5_000_000, ..case("5M, no index", Source { index: false, ..HALF }, &SHORT) },
        Case { strategies: Strategy::around_a_snapshot(), bases: 3, ..case("old snapshot", HALF, &[]) },
    ]
}

impl Case {
    fn play(&self, server: &PrivateServer, options: &Options) -> Vec<Series<Measured>> {
        let source = self.source.build(server, options.rows(self.rows));
        let contender = |&strategy: &Strategy| {
            let source = &source;
            Contender::new(strategy.name(), move || strategy.measure(source, &options.batch_target))
        };
        play(self.name, &self.strategies.iter().map(contender).collect::<Vec<_>>(), options)
    }

    fn table(&self, series: &[Series<Measured>], options: &Options) -> Table {
        let index = if self.source.index { "an index" } else { "no index" };
        let rows = number(Some(float(options.rows(self.rows))), 0);
        let expired = self.source.expired;
        let title = format!("PostgreSQL, {}: {rows} rows, {expired} % expired, {index} on the expiry", self.name);
        compare(&title, series, &series[..self.bases], &COLUMNS)
    }
}

/// What a row costs in tables of different sizes.
fn sizes(server: &PrivateServer, options: &Options) -> Table {
    let mut sizes: Vec<_> = SIZES.iter().map(|&size| options.rows(size)).collect();
    sizes.dedup();
    let mut table = Table::new(
        "PostgreSQL, sizes: 50 % expired, an index on the expiry; medians",
        &["rows", "DELETE, µs/row", "sweepd, µs/row", "longest batch, ms", "peak memory, MB"],
    );
    for rows in sizes {
        let case = Case { name: "sizes", rows, source: HALF, strategies: SHORT.map(Strategy::from).to_vec(), bases: 1 };
        let series = case.play(server, options);
        let cost = |one: &Measured| Some(1e6 / one.per_second());
        table.row(vec![
            number(Some(float(rows)), 0),
            number(series[0].median(cost), 2),
            number(series[1].median(cost), 2),
            number(series[1].median(|one| one.longest), 1),
            number(series[1].median(Measured::peak_megabytes), 1),
        ]);
    }
    table
}
