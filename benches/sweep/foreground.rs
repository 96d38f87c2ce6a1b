//! What the application feels: the time of its look-ups and refreshes while expired rows are deleted on PostgreSQL.

mod load;

use std::sync::Arc;
use std::time::Duration;

use load::{Felt, Load, Operation};

use crate::options::Options;
use crate::postgres::source::{Built, CUTOFF, Copy};
use crate::postgres::{HALF, TUNING, describe};
use crate::process::Deadline;
use crate::rounds::{Contender, Series, play};
use crate::servers::{Engine, PrivateServer};
use crate::strategy::float;
use crate::sweepd::Settings;
use crate::table::{Table, number, times};

const ROWS: u64 = 2_000_000;

/// How often it is looked whether the sweep has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What goes on meanwhile.
#[derive(Clone, Copy)]
enum Meanwhile {
    Nothing,
    OneDelete,
    Sweepd,
}

pub fn measure(options: &Options) {
    let Some(server) = PrivateServer::start_with(Engine::Postgres, TUNING) else { return };
    println!("\n## The application, meanwhile\n\n{}", describe(&server));
    println!("{}; sweepd at its default pace, at most {} s of it", load::describe(), options.seconds());
    let rows = options.rows(ROWS);
    let source = HALF.build(&server, rows);
    let contender = |name, meanwhile: Meanwhile| {
        let source = &source;
        Contender::new(name, move || meanwhile.measure(source, options.seconds()))
    };
    let contenders = [
        contender("idle", Meanwhile::Nothing),
        contender("sweepd", Meanwhile::Sweepd),
        contender("one DELETE", Meanwhile::OneDelete),
    ];
    let series = play("foreground", &contenders, options);
    println!("{}", table(rows, &series));
}

fn table(rows: u64, series: &[Series<Felt>]) -> Table {
    let title = format!(
        "PostgreSQL, latency in ms: {} rows, 50 % expired, an index on the expiry",
        number(Some(float(rows)), 0)
    );
    let mut table = Table::new(title, &["during", "operation", "p99 against idle", "p50", "p99", "max"]);
    for one in series {
        for operation in [None, Some(Operation::LookUp), Some(Operation::Refresh)] {
            let quantile = |share: f64| move |felt: &Felt| felt.quantile(operation, share);
            let cell = |share| number(one.median(quantile(share)), 2);
            table.row(vec![
                one.name.clone(),
                operation.map_or("both", Operation::name).to_owned(),
                times(one.ratio(&series[0], quantile(0.99))),
                cell(0.5),
                cell(0.99),
                cell(1.0),
            ]);
        }
    }
    table
}

impl Meanwhile {
    fn measure(self, source: &Built, seconds: u64) -> Felt {
        let copy = source.copy();
        let live = format!(r#"SELECT "sessionToken" FROM "Session" WHERE NOT {CUTOFF} ORDER BY random() LIMIT 20000"#);
        let tokens = copy.database.texts(&live).into_iter().flatten().collect();
        let load = Load::start(copy.database.url(), &Arc::new(tokens));
        self.run(&copy, Duration::from_secs(seconds));
        load.stop()
    }

    fn run(self, copy: &Copy, limit: Duration) {
        match self {
            Self::Nothing => std::thread::sleep(limit),
            Self::OneDelete => copy.database.execute(&format!(r#"DELETE FROM "Session" WHERE {CUTOFF}"#)),
            Self::Sweepd => {
                let mut running = Settings::default().start(copy.database.url());
                let deadline = Deadline::after(limit);
                while running.is_running() && !deadline.has_passed() {
                    std::thread::sleep(LOOK);
                }
                running.stop();
            }
        }
    }
}
