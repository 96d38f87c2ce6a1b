//! What a fault test has put into its table, and what has to have become of it.

use std::path::PathBuf;
use std::time::Duration;

use super::dice::Dice;
use crate::process::{Deadline, Process, sweepd};
use crate::servers::Engine;
use crate::stage::{Balance, LIMIT, Run, Stage, insert_spread};

/// Sessions that must outlive everything.
const LIVE: u32 = 1000;

/// So many expired rows share an expiry.
const TOGETHER: u32 = 20;

/// The exit code of a `clean` that finds another run of the job active.
const ACTIVE: i32 = 4;

/// A stage, and how many expired rows were added to it.
pub struct Tally<'a> {
    stage: &'a Stage,
    config: PathBuf,
    added: u32,
    portions: u32,
}

impl<'a> Tally<'a> {
    /// Live sessions, an index on the expiry, and sweepd's own tables. `limits` and `daemon` are TOML.
    pub fn set_up(stage: &'a Stage, schedule: &str, limits: &str, daemon: &str) -> Self {
        let config = stage.configure(schedule, limits, daemon);
        stage.database().execute(match stage.database().engine() {
            Engine::MySql => "CREATE INDEX by_expiry ON Session (expires)",
            _ => r#"CREATE INDEX by_expiry ON "Session" ("expires")"#,
        });
        stage.fill(0, LIVE);
        let tally = Self { stage, config, added: 0, portions: 0 };
        assert_eq!(tally.start(&["migrate"], "auto").exit_code(LIMIT), 0);
        tally
    }

    /// Adds expired rows, of which some share an expiry.
    pub fn add(&mut self, rows: u32) {
        self.portions += 1;
        let name = format!("expired-{}", self.portions);
        self.stage.database().execute(&insert_spread(self.stage.database().engine(), &name, rows, -1, TOGETHER));
        self.added += rows;
    }

    /// Adds expired rows until there are so many.
    pub fn top_up(&mut self, rows: u32) {
        let missing = i64::from(rows) - self.stage.balance().left;
        if let Ok(missing @ 1..) = u32::try_from(missing) {
            self.add(missing);
        }
    }

    /// Starts sweepd, which is to sweep in `order`.
    pub fn start(&self, arguments: &[&str], order: &str) -> Process {
        let mut command = sweepd();
        command.arg("--config").arg(&self.config).args(arguments).env("SWEEPD_JOBS__SESSIONS__ORDER", order);
        Process::spawn(command)
    }

    /// Runs `clean` until no dead run that still looks alive is in its way, and until it is done.
    pub fn sweep_the_rest(&self) {
        let deadline = Deadline::after(LIMIT);
        loop {
            let mut clean = self.start(&["clean", "-v"], "auto");
            match clean.exit_code(LIMIT) {
                0 => return,
                ACTIVE if !deadline.has_passed() => std::thread::sleep(Duration::from_millis(100)),
                code => panic!("exit code {code}:\n{}", clean.output()),
            }
        }
    }

    /// Asserts that at this moment the ledger counts exactly what is gone.
    pub fn assert_balance(&self) -> Balance {
        let balance = self.stage.balance();
        let engine = self.stage.database().engine();
        assert_eq!(
            balance.deleted + balance.left,
            i64::from(self.added),
            "{engine:?}: {balance:?} of {} expired rows; {:?}",
            self.added,
            self.stage.runs()
        );
        balance
    }

    /// Asserts that nothing expired is left, all live sessions are there, ledger and audit log count what is gone, and
    /// no two runs overlapped.
    pub fn assert_all_gone(&self) {
        assert_eq!(self.stage.sessions(), (i64::from(LIVE), 0), "live and expired sessions");
        assert_eq!(self.stage.assert_counts(self.added), i64::from(self.added));
        assert_none_overlap(&self.stage.runs());
    }

    pub const fn added(&self) -> u32 {
        self.added
    }
}

/// Asserts that each run had ended when the next began, by the database's clock.
pub fn assert_none_overlap(runs: &[Run]) {
    let mut ran: Vec<_> = runs.iter().filter(|run| run.state != "skipped").collect();
    ran.sort_by_key(|run| &run.started_at);
    for pair in ran.windows(2) {
        let ended = pair[0].finished_at.as_ref();
        assert!(ended.is_some_and(|ended| *ended <= pair[1].started_at), "{:?} overlaps {:?}", pair[0], pair[1]);
    }
}

/// One of the ways to walk a table.
pub fn any_order(dice: &mut Dice) -> &'static str {
    dice.one_of(&["expiry", "physical"])
}
