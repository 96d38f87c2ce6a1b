//! The model: the ledger, the rows, the processes, and what each of them can do next.

use super::explore::Step;

/// How much there is of everything.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub processes: usize,
    /// Every process fires at each of them.
    pub instants: u8,
    /// Expired rows; a batch deletes one.
    pub rows: u8,
    pub crashes: u8,
    /// Connections that break.
    pub losses: u8,
    /// Times at which a living run is so slow that it is taken for dead.
    pub pauses: u8,
}

/// A rule that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The count touches only a running run.
    CountOnlyWhileRunning,
    /// The count is in the transaction of the DELETE.
    CountInTheBatch,
    /// The audit row is in the transaction that ends a run.
    AuditWithTheEnd,
    /// One run is running (a unique index).
    OneRunning,
    /// One row in the ledger answers an instant (a unique index).
    OnePerInstant,
    /// Who finds that nobody has gone on with a dead run does so.
    TakeUpWhatWasLeft,
    /// A process whose run was declared dead watches over what becomes of it.
    WatchAfterALoss,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum State {
    Running,
    Completed,
    Failed,
    Interrupted,
    Skipped,
}

/// A row of the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Run {
    state: State,
    instant: Option<u8>,
    deleted: u8,
    /// Whether its heartbeat is so old that it is taken for dead.
    silent: bool,
    audit_rows: u8,
    /// What they count.
    audited: u8,
}

/// A batch whose process is gone or has lost the connection. The database rolls it back when it notices; or commits it,
/// if the COMMIT may be under way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Orphan {
    run: usize,
    counted: bool,
}

/// What a run is to answer: an instant, or none when it takes over.
type Request = Option<u8>;

/// Where a process is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum At {
    Down,
    /// Waits for the next instant.
    Idle,
    /// Looks for a dead run.
    Watch,
    /// Found one, and is about to close it.
    CloseWatched(usize),
    /// Inserts its run; it may be there already, if the answer was lost.
    Claim(Request, Option<usize>),
    /// It was not inserted: looks who answered the instant,
    Answered(Request, Option<usize>),
    /// and what is running.
    Active(Request, Option<usize>),
    /// Closes a dead run that is in the way.
    Close(Request, usize),
    /// Records its instant as skipped.
    Skip(u8),
    /// Between two batches.
    Sweep(usize),
    /// A batch has deleted its row.
    Deleted(usize),
    /// And counted it.
    Counted(usize),
    Finish(usize, State),
    /// Ended, but for the audit row (without [`Rule::AuditWithTheEnd`]).
    Audit(usize),
}

impl At {
    fn runs(self, run: usize) -> bool {
        match self {
            Self::Claim(_, mine) | Self::Answered(_, mine) | Self::Active(_, mine) => mine == Some(run),
            Self::Sweep(mine) | Self::Deleted(mine) | Self::Counted(mine) | Self::Finish(mine, _) => mine == run,
            _ => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Process {
    at: At,
    /// The instants that came so far.
    fired: u8,
    /// A bit for each instant that it still has to record as skipped, in the background.
    skips: u8,
    /// Whether it was up all the time.
    steady: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct World {
    processes: Vec<Process>,
    ledger: Vec<Run>,
    orphans: Vec<Orphan>,
    /// Expired rows that are not deleted.
    left: u8,
    rows: u8,
    instants: u8,
    crashes: u8,
    losses: u8,
    pauses: u8,
}

impl World {
    pub fn new(bounds: Bounds) -> Self {
        // At start a process watches: its own run before a crash may be there.
        let process = Process { at: At::Watch, fired: 0, skips: 0, steady: true };
        Self {
            processes: vec![process; bounds.processes],
            ledger: Vec::new(),
            orphans: Vec::new(),
            left: bounds.rows,
            rows: bounds.rows,
            instants: bounds.instants,
            crashes: bounds.crashes,
            losses: bounds.losses,
            pauses: bounds.pauses,
        }
    }

    /// What has to hold at all times.
    pub fn check(&self) -> Result<(), String> {
        let counted: u8 = self.ledger.iter().map(|run| run.deleted).sum();
        let gone = self.rows - self.left;
        if counted != gone {
            return Err(format!("{gone} rows are gone, and the ledger counts {counted}"));
        }
        let running = self.ledger.iter().filter(|run| run.state == State::Running).count();
        if running > 1 {
            return Err(format!("{running} runs are active"));
        }
        for instant in 1..=self.instants {
            let rows = self.answers(instant);
            if rows > 1 {
                return Err(format!("instant {instant} has {rows} rows in the ledger"));
            }
        }
        for run in &self.ledger {
            let wanted = u8::from(!matches!(run.state, State::Running | State::Skipped));
            if run.audit_rows != wanted {
                return Err(format!("a run that is {:?} has {} audit rows", run.state, run.audit_rows));
            }
            if wanted > 0 && run.audited != run.deleted {
                return Err(format!(
                    "an ended run has deleted {}, and its audit row says {}",
                    run.deleted, run.audited
                ));
            }
        }
        Ok(())
    }

    /// What has to hold when nothing goes on any more, if a process was up all the time. (One that comes back does not
    /// know the instants before, which a slow process may still be about to answer. A run that is found dead by nobody is
    /// closed by the claim for the next instant.)
    pub fn check_end(&self) -> Result<(), String> {
        if !self.processes.iter().any(|process| process.steady) {
            return Ok(());
        }
        if let Some(instant) = (1..=self.instants).find(|instant| self.answers(*instant) != 1) {
            return Err(format!("nobody answered instant {instant}"));
        }
        if self.left > 0 { Err(format!("{} expired rows are left", self.left)) } else { Ok(()) }
    }

    /// What can happen next, without a rule or with all of them.
    pub fn steps(&self, without: Option<Rule>) -> Vec<Step<Self>> {
        let mut next = Next { world: self, without, steps: Vec::new() };
        for number in 0..self.processes.len() {
            next.fire(number);
            next.go_on(number);
            next.beat(number);
            next.record_skips(number);
            next.fail(number);
        }
        next.server();
        next.time();
        next.steps
    }

    fn answers(&self, instant: u8) -> usize {
        self.ledger.iter().filter(|run| run.instant == Some(instant)).count()
    }

    fn running(&self) -> Option<usize> {
        self.ledger.iter().position(|run| run.state == State::Running)
    }

    /// Whether a batch holds the lock on a run's row in the ledger.
    fn is_locked(&self, run: usize) -> bool {
        self.processes.iter().any(|process| process.at == At::Counted(run))
            || self.orphans.iter().any(|orphan| orphan.counted && orphan.run == run)
    }

    /// Whether there is an expired row that no open batch has deleted.
    fn has_row(&self) -> bool {
        let open = self.processes.iter().filter(|process| matches!(process.at, At::Deleted(_) | At::Counted(_)));
        open.count() + self.orphans.len() < usize::from(self.left)
    }

    /// Inserts a row into the ledger; none when a unique index forbids it.
    fn insert(&mut self, instant: Request, state: State, without: Option<Rule>) -> Option<usize> {
        let taken = without != Some(Rule::OnePerInstant) && instant.is_some_and(|instant| self.answers(instant) > 0);
        let active = without != Some(Rule::OneRunning) && state == State::Running && self.running().is_some();
        if taken || active {
            return None;
        }
        self.ledger.push(Run { state, instant, deleted: 0, silent: false, audit_rows: 0, audited: 0 });
        Some(self.ledger.len() - 1)
    }

    /// Ends a running run, with its audit row in the same transaction. Changes nothing when it has ended already.
    fn end(&mut self, run: usize, state: State, without: Option<Rule>) -> bool {
        if self.ledger[run].state != State::Running {
            return false;
        }
        self.ledger[run].state = state;
        if without != Some(Rule::AuditWithTheEnd) {
            self.audit(run);
        }
        true
    }

    /// The same for one that is silent.
    fn close_dead(&mut self, run: usize, without: Option<Rule>) -> bool {
        self.ledger[run].silent && self.end(run, State::Interrupted, without)
    }

    /// Whether the newest run was found dead, and nobody has gone on.
    fn is_left(&self) -> bool {
        self.ledger.iter().rfind(|run| run.state != State::Skipped).is_some_and(|run| run.state == State::Interrupted)
    }

    fn audit(&mut self, run: usize) {
        self.ledger[run].audit_rows += 1;
        self.ledger[run].audited = self.ledger[run].deleted;
    }

    fn commit(&mut self, run: usize) {
        self.left -= 1;
        self.ledger[run].deleted += 1;
        self.ledger[run].silent = false;
    }

    fn leave_behind(&mut self, run: usize, counted: bool) {
        self.orphans.push(Orphan { run, counted });
        // Their order means nothing.
        self.orphans.sort_unstable();
    }
}

/// Collects the steps that lead on from a world.
struct Next<'a> {
    world: &'a World,
    without: Option<Rule>,
    steps: Vec<Step<World>>,
}

impl Next<'_> {
    fn add(&mut self, who: Option<usize>, what: &'static str, fault: bool, change: impl FnOnce(&mut World)) {
        let mut to = self.world.clone();
        change(&mut to);
        to.processes.sort_unstable();
        self.steps.push(Step { who, what, fault, to });
    }

    /// A process goes from where it is to where `change` says.
    fn step(&mut self, number: usize, what: &'static str, change: impl FnOnce(&mut World) -> At) {
        self.add(Some(number), what, false, |world| world.processes[number].at = change(world));
    }

    /// An instant comes. Who is busy with another skips it.
    fn fire(&mut self, number: usize) {
        let Process { at, fired, .. } = self.world.processes[number];
        let instant = fired + 1;
        let listens = !matches!(at, At::Down | At::Skip(_) | At::CloseWatched(_));
        if instant > self.world.instants || !listens {
            return;
        }
        self.add(Some(number), "fires for an instant", false, |world| {
            let process = &mut world.processes[number];
            process.fired = instant;
            if matches!(at, At::Idle | At::Watch) {
                process.at = At::Claim(Some(instant), None);
            } else {
                process.skips |= 1 << instant;
            }
        });
    }

    fn go_on(&mut self, number: usize) {
        match self.world.processes[number].at {
            At::Down | At::Idle => {}
            At::Watch | At::CloseWatched(_) => self.watch(number),
            At::Claim(..) | At::Answered(..) | At::Active(..) | At::Close(..) => self.claim(number),
            At::Skip(instant) => {
                let without = self.without;
                self.step(number, "records its instant as skipped", |world| {
                    world.insert(Some(instant), State::Skipped, without);
                    At::Watch
                });
            }
            At::Sweep(_) | At::Deleted(_) | At::Counted(_) => self.batch(number),
            At::Finish(..) | At::Audit(_) => self.finish(number),
        }
    }

    fn watch(&mut self, number: usize) {
        let without = self.without;
        if let At::CloseWatched(run) = self.world.processes[number].at {
            if !self.world.is_locked(run) {
                self.step(number, "closes the dead run", |world| {
                    if world.close_dead(run, without) { At::Claim(None, None) } else { At::Watch }
                });
            }
            return;
        }
        match self.world.running() {
            None if without != Some(Rule::TakeUpWhatWasLeft) && self.world.is_left() => {
                self.step(number, "sees that nobody has gone on with a dead run", |_| At::Claim(None, None));
            }
            None => self.step(number, "sees that no run is active", |_| At::Idle),
            Some(run) if self.world.ledger[run].silent => {
                self.step(number, "sees a dead run", |_| At::CloseWatched(run));
            }
            // It looks again later.
            Some(_) => {}
        }
    }

    fn claim(&mut self, number: usize) {
        let without = self.without;
        match self.world.processes[number].at {
            At::Claim(request, mine) => self.step(number, "claims", |world| {
                let inserted = if mine.is_none() { world.insert(request, State::Running, without) } else { None };
                inserted.map_or(At::Answered(request, mine), At::Sweep)
            }),
            At::Answered(request, mine) => self.step(number, "looks who answered", |world| {
                let answer = request.and_then(|_| world.ledger.iter().position(|run| run.instant == request));
                match answer {
                    Some(run) if mine == Some(run) => At::Sweep(run),
                    Some(_) => At::Watch,
                    None => At::Active(request, mine),
                }
            }),
            At::Active(request, mine) => self.step(number, "looks what is active", |world| {
                match world.running() {
                    Some(run) if mine == Some(run) => At::Sweep(run),
                    Some(run) if world.ledger[run].silent => At::Close(request, run),
                    Some(_) => request.map_or(At::Watch, At::Skip),
                    // Its run was closed before it knew of it.
                    None if mine.is_some() => At::Watch,
                    None => At::Claim(request, mine),
                }
            }),
            At::Close(request, run) if !self.world.is_locked(run) => {
                self.step(number, "closes the dead run that is in the way", |world| {
                    world.close_dead(run, without);
                    At::Claim(request, None)
                });
            }
            _ => {}
        }
    }

    fn batch(&mut self, number: usize) {
        let apart = self.without == Some(Rule::CountInTheBatch);
        let fenced = self.without != Some(Rule::CountOnlyWhileRunning);
        match self.world.processes[number].at {
            At::Sweep(run) if self.world.left == 0 => {
                self.step(number, "finds nothing left", |_| At::Finish(run, State::Completed));
            }
            // Otherwise it waits for those who have locked the rows.
            At::Sweep(run) if self.world.has_row() => self.step(number, "deletes a row", |world| {
                world.left -= u8::from(apart);
                At::Deleted(run)
            }),
            At::Deleted(run) if !self.world.is_locked(run) => self.step(number, "counts it", |world| {
                if apart {
                    world.ledger[run].deleted += 1;
                    At::Sweep(run)
                } else if fenced && world.ledger[run].state != State::Running {
                    At::Finish(run, State::Failed)
                } else {
                    At::Counted(run)
                }
            }),
            At::Counted(run) => self.step(number, "commits", |world| {
                world.commit(run);
                At::Sweep(run)
            }),
            _ => {}
        }
    }

    fn finish(&mut self, number: usize) {
        let without = self.without;
        match self.world.processes[number].at {
            At::Finish(run, state) if !self.world.is_locked(run) => self.step(number, "ends its run", |world| {
                let ended = world.end(run, state, without);
                let lost = world.ledger[run].state == State::Interrupted;
                if ended && without == Some(Rule::AuditWithTheEnd) {
                    At::Audit(run)
                } else if lost && without != Some(Rule::WatchAfterALoss) {
                    At::Watch
                } else {
                    At::Idle
                }
            }),
            At::Audit(run) => self.step(number, "writes the audit row", |world| {
                world.audit(run);
                At::Idle
            }),
            _ => {}
        }
    }

    /// The heartbeat, on a connection of its own, also while a batch is open. A run that was closed stops: its batch is
    /// dropped wherever it is.
    fn beat(&mut self, number: usize) {
        let at = self.world.processes[number].at;
        let (At::Sweep(run) | At::Deleted(run) | At::Counted(run)) = at else { return };
        if self.world.is_locked(run) {
            return;
        }
        if self.world.ledger[run].state != State::Running {
            self.step(number, "learns that its run was closed", |world| {
                if at == At::Deleted(run) {
                    world.leave_behind(run, false);
                }
                At::Finish(run, State::Failed)
            });
        } else if self.world.ledger[run].silent {
            self.step(number, "says that it is alive", |world| {
                world.ledger[run].silent = false;
                at
            });
        }
    }

    fn record_skips(&mut self, number: usize) {
        let (skips, without) = (self.world.processes[number].skips, self.without);
        for instant in (1..=self.world.instants).filter(|instant| skips & (1 << instant) != 0) {
            self.add(Some(number), "records an instant as skipped", false, |world| {
                world.processes[number].skips &= !(1 << instant);
                world.insert(Some(instant), State::Skipped, without);
            });
        }
    }

    /// What can go wrong with a process at any point, and that it comes back.
    fn fail(&mut self, number: usize) {
        let at = self.world.processes[number].at;
        let apart = self.without == Some(Rule::CountInTheBatch);
        let leave_behind = move |world: &mut World| match at {
            At::Deleted(run) if !apart => world.leave_behind(run, false),
            At::Counted(run) => world.leave_behind(run, true),
            _ => {}
        };
        if at == At::Down {
            self.add(Some(number), "starts again", true, |world| world.processes[number].at = At::Watch);
            return;
        }
        if self.world.crashes > 0 {
            self.add(Some(number), "crashes", true, |world| {
                world.crashes -= 1;
                leave_behind(world);
                let process = &mut world.processes[number];
                *process = Process { at: At::Down, skips: 0, steady: false, ..*process };
            });
        }
        let (At::Deleted(run) | At::Counted(run)) = at else { return self.lose_claim(number) };
        if self.world.losses > 0 {
            self.add(Some(number), "loses its connection in its batch", true, |world| {
                world.losses -= 1;
                leave_behind(world);
                world.processes[number].at = At::Sweep(run);
            });
        }
    }

    /// The connection breaks after a claim, or a dead run, was committed, and before the answer came.
    fn lose_claim(&mut self, number: usize) {
        let (at, without) = (self.world.processes[number].at, self.without);
        if self.world.losses == 0 {
            return;
        }
        match at {
            At::Claim(request, None) => {
                self.add(Some(number), "claims, and the answer is lost", true, |world| {
                    world.losses -= 1;
                    let mine = world.insert(request, State::Running, without);
                    world.processes[number].at = At::Claim(request, mine);
                });
            }
            At::CloseWatched(run) if !self.world.is_locked(run) => {
                self.add(Some(number), "closes a dead run, and the answer is lost", true, |world| {
                    world.losses -= 1;
                    world.close_dead(run, without);
                    world.processes[number].at = At::Watch;
                });
            }
            _ => {}
        }
    }

    /// The database ends what nobody is there for any more.
    fn server(&mut self) {
        for (index, orphan) in self.world.orphans.iter().enumerate() {
            self.add(None, "the database rolls an abandoned batch back", false, |world| {
                world.orphans.remove(index);
            });
            if orphan.counted {
                self.add(None, "the COMMIT of an abandoned batch arrives", true, |world| {
                    world.orphans.remove(index);
                    world.commit(orphan.run);
                });
            }
        }
    }

    /// A run whose process is gone falls silent; one whose process is there, when that is too slow.
    fn time(&mut self) {
        let Some(run) = self.world.running().filter(|run| !self.world.ledger[*run].silent) else { return };
        if !self.world.processes.iter().any(|process| process.at.runs(run)) {
            self.add(None, "the run falls silent", false, |world| world.ledger[run].silent = true);
        } else if self.world.pauses > 0 {
            self.add(None, "the run is silent for too long", true, |world| {
                world.pauses -= 1;
                world.ledger[run].silent = true;
            });
        }
    }
}
