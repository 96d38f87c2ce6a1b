//! An application that creates sessions and refreshes them, at the last moment and later, while sweeps run back to back.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use sweepd::clock::Clock;

use super::dice::{Dice, is_long};
use super::tally::{Tally, any_order};
use crate::process::Deadline;
use crate::servers::{Engine, Session};
use crate::stage::{LIMIT, NEVER, QUICK_HEARTBEAT, Stage, on_every_engine};

const WRITERS: u32 = 8;
const LIMITS: &str = "nice = 0\nbatch_target = \"10ms\"";
/// Milliseconds.
const HOUR: i64 = 3_600_000;
const SOON: u32 = 400;

#[test]
fn no_session_that_was_live_at_a_cutoff_is_gone() {
    on_every_engine(|stage| {
        let engine = stage.database().engine();
        let mut dice = Dice::throw(&format!("refreshes, {engine:?}"));
        let tally = Tally::set_up(stage, NEVER, LIMITS, QUICK_HEARTBEAT);
        if engine == Engine::Sqlite && dice.one_in(2) {
            stage.database().execute("PRAGMA journal_mode = WAL");
        }
        let time = Duration::from_secs(if is_long() { 60 } else { 6 });
        let mut sweeps = 0;
        let writers: Vec<Writer<'_>> = thread::scope(|scope| {
            let start = |number| {
                let writer = Writer::new(stage, number, dice.another());
                scope.spawn(move || writer.work(time))
            };
            let writers: Vec<_> = (0..WRITERS).map(start).collect();
            let deadline = Deadline::after(time);
            while !deadline.has_passed() {
                let mut clean = tally.start(&["clean", "-v"], any_order(&mut dice));
                let code = clean.exit_code(LIMIT);
                // 3: rows that the application had locked were left.
                assert!(matches!(code, 0 | 3), "{engine:?}: {code}: {}", clean.output());
                sweeps += 1;
            }
            writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
        });
        // The last ones that were created have yet to expire.
        thread::sleep(Duration::from_millis(u64::from(SOON)));
        tally.sweep_the_rest();
        assert_exactly_the_live_ones_are_there(stage, &writers);
        let sum = |count: fn(&Writer<'_>) -> i64| writers.iter().map(count).sum::<i64>();
        println!(
            "{engine:?}: {sweeps} sweeps, {} created, {} refreshed in time, {} too late",
            sum(|writer| writer.created),
            sum(|writer| writer.refreshed),
            sum(|writer| writer.too_late)
        );
        assert!(sum(|writer| writer.refreshed) > 0 && sum(|writer| writer.too_late) > 0, "{engine:?}");
    });
}

fn assert_exactly_the_live_ones_are_there(stage: &Stage, writers: &[Writer<'_>]) {
    let engine = stage.database().engine();
    let sql = match engine {
        Engine::MySql => "SELECT sessionToken FROM Session WHERE sessionToken LIKE 'w%'",
        _ => r#"SELECT "sessionToken" FROM "Session" WHERE "sessionToken" LIKE 'w%'"#,
    };
    let there: BTreeSet<_> = stage.database().texts(sql).into_iter().flatten().collect();
    let live: BTreeSet<_> = writers.iter().flat_map(|writer| writer.live.iter().cloned()).collect();
    let lost: Vec<_> = live.difference(&there).collect();
    let left: Vec<_> = there.difference(&live).collect();
    assert!(
        lost.is_empty() && left.is_empty(),
        "{engine:?}: live sessions lost: {lost:?}; expired ones left: {left:?}"
    );
    let created: i64 = writers.iter().map(|writer| writer.created).sum();
    stage.assert_gone(created - i64::try_from(live.len()).expect("a count"));
}

/// One connection of the application, with sessions of its own.
struct Writer<'a> {
    stage: &'a Stage,
    session: Session,
    number: u32,
    dice: Dice,
    /// Those that live for an hour or more.
    live: Vec<String>,
    /// Those that expire soon, or have, and when: milliseconds since 1970.
    fading: Vec<(String, i64)>,
    created: i64,
    refreshed: i64,
    too_late: i64,
    /// The latest cutoff that was seen, in milliseconds.
    cutoff: i64,
}

impl<'a> Writer<'a> {
    fn new(stage: &'a Stage, number: u32, dice: Dice) -> Self {
        Self {
            stage,
            session: stage.database().session(),
            number,
            dice,
            live: Vec::new(),
            fading: Vec::new(),
            created: 0,
            refreshed: 0,
            too_late: 0,
            cutoff: 0,
        }
    }

    fn work(mut self, time: Duration) -> Self {
        let deadline = Deadline::after(time);
        while !deadline.has_passed() {
            self.create();
            for _ in 0..6 {
                self.refresh_a_fading_one();
            }
            self.refresh_a_live_one();
            thread::sleep(self.dice.millis(0, 10));
        }
        self
    }

    /// Some that live long, and some that expire now.
    fn create(&mut self) {
        let now = now();
        let mut rows = Vec::new();
        for index in 0..10 {
            let token = format!("w{}-{}", self.number, self.created + index);
            let expires = if index < 2 { now + HOUR } else { now + i64::from(self.dice.below(SOON)) - 50 };
            rows.push(format!("('{token}', 'ada', {})", self.instant(expires)));
            if index < 2 {
                self.live.push(token);
            } else {
                self.fading.push((token, expires));
            }
        }
        self.change(&format!("INSERT INTO {} VALUES {}", self.name("Session"), rows.join(", ")));
        self.created += 10;
    }

    /// One that is gone had expired at a cutoff. One that is still there lives on.
    fn refresh_a_fading_one(&mut self) {
        let index = self.dice.index(self.fading.len());
        let (token, expires) = self.fading.swap_remove(index);
        if self.refresh(&token, now() + HOUR) {
            self.live.push(token);
            self.refreshed += 1;
        } else {
            self.too_late += 1;
            if expires > self.cutoff {
                self.cutoff = self.stage.database().count(latest_cutoff(self.stage.database().engine()));
            }
            assert!(expires <= self.cutoff, "{token}, which expires at {expires}, is gone at {}", self.cutoff);
        }
    }

    fn refresh_a_live_one(&mut self) {
        let index = self.dice.index(self.live.len());
        let token = self.live[index].clone();
        assert!(self.refresh(&token, now() + 2 * HOUR), "the live session {token} is gone");
    }

    fn refresh(&self, token: &str, expires: i64) -> bool {
        let (table, column, key) = (self.name("Session"), self.name("expires"), self.name("sessionToken"));
        self.change(&format!("UPDATE {table} SET {column} = {} WHERE {key} = '{token}'", self.instant(expires))) == 1
    }

    /// Deadlocks and busy files are the application's to try again.
    fn change(&self, sql: &str) -> u64 {
        let deadline = Deadline::after(LIMIT);
        loop {
            match self.session.try_change(sql) {
                Ok(changed) => return changed,
                Err(error) => assert!(!deadline.has_passed(), "{error}, in: {sql}"),
            }
        }
    }

    fn name(&self, name: &str) -> String {
        crate::oneshot::quoted(self.stage.database().engine(), name)
    }

    /// What the application's library writes.
    fn instant(&self, millis: i64) -> String {
        let at = || chrono::DateTime::from_timestamp_millis(millis).expect("an instant");
        match self.stage.database().engine() {
            Engine::Sqlite => millis.to_string(),
            _ => at().format("'%Y-%m-%d %H:%M:%S%.3f'").to_string(),
        }
    }
}

fn now() -> i64 {
    Clock::system().now().timestamp_millis()
}

/// In milliseconds, which is what the table has, too.
fn latest_cutoff(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "SELECT coalesce(floor(max(extract(epoch FROM cutoff)) * 1000), 0)::bigint FROM sweepd.run",
        Engine::MySql => {
            "SELECT CAST(COALESCE(FLOOR(MAX(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', cutoff)) / 1000), 0) AS SIGNED)
            FROM sweepd_run"
        }
        Engine::Sqlite => {
            "SELECT coalesce(max(CAST(strftime('%s', cutoff) AS INTEGER) * 1000 + CAST(substr(cutoff, 21, 3) AS INTEGER)), 0)
            FROM sweepd_run"
        }
    }
}
