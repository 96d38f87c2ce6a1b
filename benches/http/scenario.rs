//! The cases, side by side on one daemon.

use std::time::Duration;

use sweepd::clock::Stopwatch;

use crate::application::{Application, SESSIONS_EACH};
use crate::daemon::{Daemon, delays};
use crate::load::{self, Call, Felt};
use crate::options::Options;
use crate::servers::Engine;
use crate::table::{Table, number};

const COLUMNS: [&str; 11] =
    ["calls", "calls/s", "errors", "p50, ms", "p99", "max", "daemon, % of a core", "runs", "late, p50", "p99", "max"];
/// In the case with due touches, each call of this number is one.
const DUE: u64 = 10;

/// What is called.
#[derive(Clone, Copy)]
enum Case {
    Nothing,
    Touch,
    TouchDue,
    List,
}

const CASES: [Case; 5] = [Case::Nothing, Case::Touch, Case::TouchDue, Case::List, Case::Nothing];

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Touch => "touch, not due",
            Self::TouchDue => "touch, one in ten due",
            Self::List => "list",
        }
    }

    fn call(self, n: u64, rows: u64) -> Call {
        // A stride through all of them in the end.
        let place = n * 7919 % rows;
        let touch = |token: String| Call {
            method: "POST",
            path: "/api/sessions/touch".to_owned(),
            body: format!(r#"{{"token":"{token}"}}"#),
            wanted: r#""active":true"#,
        };
        match self {
            // Each is due once.
            Self::TouchDue if n.is_multiple_of(DUE) => touch(format!("due-{}", n / DUE)),
            Self::List => Call {
                method: "GET",
                path: format!("/api/users/u{}/sessions", place / u64::from(SESSIONS_EACH)),
                body: String::new(),
                wanted: r#""sessions":[{"token":"sha256:"#,
            },
            _ => touch(format!("live-{place}")),
        }
    }
}

/// All cases on one database; none where its server is not installed.
pub fn measure(engine: Engine, options: &Options) -> Option<Table> {
    let calls = u64::from(options.rate) * (options.time().as_secs() + 2);
    let due = u32::try_from(calls / DUE + 1).expect("a few");
    let application = Application::start(engine, options.rows(), due)?;
    let daemon = Daemon::start(&application.database, options.max_connections);
    let feeder = application.feed();
    let title = format!(
        "{engine:?}, {} sessions: {} calls a second on {} connections, a job every second",
        number(Some(f64::from(options.rows())), 0),
        options.rate,
        options.connections
    );
    let mut table = Table::new(title, &COLUMNS);
    for case in CASES {
        eprintln!("{engine:?}: {}", case.name());
        table.row(one(case, &application, &daemon, options));
    }
    drop(feeder);
    daemon.stop();
    Some(table)
}

fn one(case: Case, application: &Application, daemon: &Daemon, options: &Options) -> Vec<String> {
    let (before, computed, watch) = (delays(&application.database).len(), daemon.computed(), Stopwatch::start());
    let felt = if matches!(case, Case::Nothing) {
        std::thread::sleep(options.time() + Duration::from_secs(1));
        Felt::default()
    } else {
        let how = (options.rate, options.connections, options.time());
        load::run(daemon.address, how, |n| case.call(n, u64::from(options.rows())))
    };
    let share = (daemon.computed() - computed) / watch.elapsed().as_secs_f64() * 100.0;
    if let Some(error) = &felt.error {
        eprintln!("{}: {error}", case.name());
    }
    let mut late = delays(&application.database).split_off(before);
    late.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, reason = "some thousands")]
    let rate = (felt.seconds > 0.0).then(|| felt.times.len() as f64 / felt.seconds);
    let quantiles = |times: &[f64]| [0.5, 0.99, 1.0].map(|share| number(quantile(times, share), 1));
    let mut cells = vec![case.name().to_owned(), number(rate, 0), felt.errors.to_string()];
    cells.extend(quantiles(&felt.times));
    cells.extend([number(Some(share), 0), late.len().to_string()]);
    cells.extend(quantiles(&late));
    cells
}

/// The time that this share of the sorted ones did not exceed.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some thousands"
)]
fn quantile(times: &[f64], share: f64) -> Option<f64> {
    let last = times.len().checked_sub(1)?;
    times.get((last as f64 * share).ceil() as usize).copied()
}
