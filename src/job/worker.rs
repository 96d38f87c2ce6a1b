//! A job at work: its inbox, its runs one after the other, and what happens between them.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::Job;
use super::inbox::{Active, Activity, Handle, Held, Order};
use crate::clock::Stopwatch;
use crate::ledger::Found;
use crate::report::{Outcome, Report, RunId, Trigger, rfc3339};
use crate::sweep::{Answer, Error, Phase, Progress, Request, Spec, Sweeper};

/// An instant that passed this short a time ago may be about to be answered by somebody else.
const GRACE: Duration = Duration::from_secs(5);

/// What a worker works with. A reload puts another in its place, and each run keeps the one that it began with.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The job.
    pub job: Arc<Job>,
    /// What runs it.
    pub sweeper: Sweeper,
    /// One job at a time sweeps a database.
    pub turn: Arc<Semaphore>,
}

impl Assignment {
    /// The schedule, and the table whose ledger knows it.
    fn place(&self) -> String {
        let (schedule, location) = (self.job.armed_as(), self.sweeper.database.url.location());
        format!("{schedule} {location} {}", self.job.spec.layout.table)
    }
}

/// A job at work.
pub struct Worker {
    assignment: watch::Receiver<Assignment>,
    orders: mpsc::Receiver<Order>,
    activity: watch::Sender<Activity>,
    /// Skipped instants are recorded one by one: many may come while the database is away.
    skips: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// The schedule that this worker has told the ledger, and where that is.
    armed: Option<String>,
}

/// What ends a wait.
enum Event {
    Order(Order),
    /// There is another assignment.
    Reassigned,
    Stop,
}

/// What a worker does after an answer.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Waits for the next request.
    Wait,
    /// Watches over the run of another process.
    WatchOver,
    /// Looks after a claim that was lost on its way, and tells the ledger the schedule again, which says what is still to
    /// be answered.
    ArmAgain,
}

impl Worker {
    /// A worker and the way to reach it.
    #[must_use]
    pub fn new(assignment: watch::Receiver<Assignment>, stop: CancellationToken, tasks: TaskTracker) -> (Self, Handle) {
        let (inbox, orders) = super::inbox::new();
        let activity = watch::Sender::default();
        let handle = Handle { inbox, activity: activity.subscribe() };
        let skips = Arc::new(Semaphore::new(1));
        (Self { assignment, orders, activity, skips, stop, tasks, armed: None }, handle)
    }

    /// Serves requests until it has to stop.
    pub async fn serve(mut self) {
        let mut next = Next::WatchOver;
        loop {
            let event = match next {
                Next::WatchOver => self.watch_over().await,
                Next::ArmAgain => {
                    self.armed = None;
                    self.watch_over().await
                }
                Next::Wait => None,
            };
            let event = match event {
                None => {
                    next = Next::Wait;
                    self.arm().await
                }
                event => event,
            };
            let event = match event {
                None => self.event().await,
                Some(event) => event,
            };
            match event {
                Event::Order(order) => next = self.answer(order).await,
                // Another table may have a run that was left.
                Event::Reassigned if self.armed != Some(self.assigned().place()) => next = Next::WatchOver,
                Event::Reassigned => {}
                Event::Stop => return,
            }
        }
    }

    fn assigned(&self) -> Assignment {
        self.assignment.borrow().clone()
    }

    async fn event(&mut self) -> Event {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Event::Stop,
            order = self.orders.recv() => order.map_or(Event::Stop, Event::Order),
            changed = self.assignment.changed() => changed.map_or(Event::Stop, |()| Event::Reassigned),
        }
    }

    /// While another process runs this job: looks whether it is alive, and asks to take over when it is dead. At start
    /// it may be this job's own run before a crash. A request ends it, and is returned: its claim looks too.
    async fn watch_over(&mut self) -> Option<Event> {
        let mut pause = FIRST_PAUSE;
        loop {
            let Assignment { job, sweeper, .. } = self.assigned();
            let found = tokio::select! {
                () = self.stop.cancelled() => return Some(Event::Stop),
                found = sweeper.recover(&job.spec) => found,
            };
            match found {
                Ok(Found::Nobody) => return None,
                Ok(Found::Alive) => pause = sweeper.stale_after / 2,
                Ok(Found::Dead(_)) => return Some(takeover(&sweeper)),
                Ok(Found::Left(run)) => {
                    info!(job = %job.spec.job, runId = %run, "nobody has gone on with a run that was found dead");
                    return Some(takeover(&sweeper));
                }
                Err(error) => pause = later(&job.spec, &error, pause)?,
            }
            if let Some(event) = self.event_within(pause).await {
                return Some(event);
            }
        }
    }

    /// Tells the ledger which schedule the job has from now on, and catches up with an instant that passed while nobody
    /// was there. Where the ledger cannot be told, that is tried again after the next event.
    async fn arm(&mut self) -> Option<Event> {
        let mut pause = FIRST_PAUSE;
        loop {
            let assignment = self.assigned();
            let (job, sweeper) = (&assignment.job, &assignment.sweeper);
            if job.schedule.is_manual() || self.armed == Some(assignment.place()) {
                return None;
            }
            let schedule = job.armed_as();
            let armed = tokio::select! {
                () = self.stop.cancelled() => return Some(Event::Stop),
                armed = sweeper.arm(&job.spec, &schedule) => armed,
            };
            let now = sweeper.clock.now();
            // Somebody else may be about to answer it, and hosts that spread their runs wait for each other.
            let grace = GRACE + job.delay(&sweeper.host);
            let wait = match armed.map(|armed| job.missed(&armed, now)) {
                Ok(Some(at)) if (now - at).to_std().is_ok_and(|passed| passed >= grace) => {
                    self.armed = Some(assignment.place());
                    info!(job = %job.spec.job, "nobody was there at {}: catching up", rfc3339(at));
                    let request = Request::scheduled(Trigger::CatchUp, at, now);
                    return Some(Event::Order(Order { request, reply: None }));
                }
                Ok(Some(at)) => grace.saturating_sub((now - at).to_std().unwrap_or_default()),
                Ok(None) => {
                    self.armed = Some(assignment.place());
                    return None;
                }
                Err(error) => {
                    pause = later(&job.spec, &error, pause)?;
                    pause
                }
            };
            if let Some(event) = self.event_within(wait).await {
                return Some(event);
            }
        }
    }

    async fn event_within(&mut self, pause: Duration) -> Option<Event> {
        tokio::time::timeout(pause, self.event()).await.ok()
    }

    /// Runs, and meanwhile records the instants that come as skipped.
    async fn answer(&mut self, Order { request, reply }: Order) -> Next {
        let assignment = self.assigned();
        let progress = watch::Sender::default();
        let active = Active { request, progress: progress.subscribe() };
        self.activity.send_modify(|activity| activity.active = Some(active));
        let stop = self.stop.clone();
        let mut phase = progress.subscribe();
        let run = run(&assignment, request, &stop, &progress);
        tokio::pin!(run);
        let mut held = Held::default();
        let answer = loop {
            tokio::select! {
                answer = &mut run => break answer,
                Some(other) = self.orders.recv() => held.push(other),
                Ok(_) = phase.wait_for(|progress| progress.phase != Phase::Claiming), if held.waits() => {}
                () = held.impatience() => held.refuse(&waits(&assignment, request)),
            }
            // Until it is claimed, nobody knows whether there will be a run.
            if progress.borrow().phase != Phase::Claiming {
                held.orders.drain(..).for_each(|other| self.put_off(&assignment, other, request.id));
            }
        };
        self.settle(&assignment, held, request.id, answer.as_ref());
        self.activity.send_modify(|activity| {
            activity.active = None;
            match answer.as_ref().map(|answer| (answer, answer.report())) {
                Some((_, Some(report))) => activity.last = Some(report.clone()),
                Some((answer, None)) => activity.not_run = Some((request, answer.clone())),
                None => {}
            }
        });
        if let (Some(reply), Some(answer)) = (reply, &answer) {
            // Who asked may have gone.
            let _ = reply.send(answer.clone());
        }
        self.after(&assignment, request, answer)
    }

    /// What came while a run was about to be claimed, when it ends without having been. When it could not be claimed, the
    /// instants are still to be answered: the ledger tells which.
    fn settle(&self, assignment: &Assignment, held: Held, active: RunId, answer: Option<&Answer>) {
        for other in held.orders {
            match answer {
                Some(Answer::Unclaimed(_) | Answer::Paused(_)) if other.reply.is_some() => {
                    other.answer(answer.cloned());
                }
                Some(Answer::Unclaimed(_)) => {}
                _ => self.put_off(assignment, other, active),
            }
        }
    }

    /// A request that comes while a run is active: who waits for it is told so, an instant is recorded as skipped.
    fn put_off(&self, assignment: &Assignment, order: Order, active: RunId) {
        match order.reply {
            Some(reply) => drop(reply.send(Answer::Active(active))),
            None => drop(self.tasks.spawn(self.skip(assignment, order.request))),
        }
    }

    fn after(&self, assignment: &Assignment, request: Request, answer: Option<Answer>) -> Next {
        let job = &assignment.job.spec.job;
        match answer {
            Some(Answer::Active(run)) => {
                info!(%job, runId = %run, "another process is running this job");
                self.tasks.spawn(self.skip(assignment, request));
                Next::WatchOver
            }
            Some(Answer::Paused(pause)) => {
                info!(%job, trigger = %request.trigger, "not run: the job is {pause}");
                Next::Wait
            }
            Some(Answer::Answered(run)) => {
                info!(%job, runId = %run, "another process answered this instant");
                Next::WatchOver
            }
            Some(Answer::Unfinished(_)) => Next::WatchOver,
            // It was declared dead, and who goes on in its place may die as well.
            Some(Answer::Ran(report)) if report.outcome == Some(Outcome::Interrupted) => Next::WatchOver,
            // Its instant is still to be answered, when the database is back.
            Some(Answer::Unclaimed(_)) => Next::ArmAgain,
            Some(Answer::Ran(_)) | None => Next::Wait,
        }
    }

    /// Records a skipped instant, unless the worker has to stop.
    fn skip(&self, assignment: &Assignment, request: Request) -> impl Future<Output = ()> + Send + 'static {
        let (assignment, stop, skips) = (assignment.clone(), self.stop.clone(), Arc::clone(&self.skips));
        async move {
            let one_by_one = async {
                let _turn = skips.acquire().await;
                skip(&assignment.job.spec, &assignment.sweeper, request).await;
            };
            stop.run_until_cancelled(one_by_one).await.unwrap_or_default();
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait before the ledger is asked again; none when that is no use.
fn later(spec: &Spec, error: &Error, pause: Duration) -> Option<Duration> {
    if !error.is_transient() {
        error!(job = %spec.job, "{error}");
        return None;
    }
    warn!(job = %spec.job, "{error}; looking again in {pause:?}");
    Some((pause * 2).min(LONGEST_PAUSE))
}

/// What is said to who asks for a run while another waits for the database.
fn waits(assignment: &Assignment, active: Request) -> Report {
    let Assignment { job, sweeper, .. } = assignment;
    let now = sweeper.clock.now();
    Report {
        finished_at: Some(now),
        outcome: Some(Outcome::Failed),
        error: Some("the database is away, and a run waits for it already".to_owned()),
        ..Report::begun(&job.spec.job, active.id, active.trigger, active.id.made_at(), &sweeper.host)
    }
}

fn takeover(sweeper: &Sweeper) -> Event {
    Event::Order(Order { request: Request::new(Trigger::Takeover, sweeper.clock.now()), reply: None })
}

/// One run, when it is the job's turn; none when the worker had to stop before.
async fn run(
    assignment: &Assignment,
    request: Request,
    stop: &CancellationToken,
    progress: &watch::Sender<Progress>,
) -> Option<Answer> {
    let Assignment { job, sweeper, turn } = assignment;
    let phase = |phase| progress.send_modify(|progress| progress.phase = phase);
    let _turn = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        turn = turn.acquire() => turn.ok()?,
        // Not at once.
        () = async { phase(Phase::Waiting); std::future::pending().await } => return None,
    };
    phase(Phase::Claiming);
    Some(sweeper.run(&job.spec, request, stop, progress).await)
}

/// Records a skipped instant, and is as patient with the database as a run is: each instant shall have its row.
async fn skip(spec: &Spec, sweeper: &Sweeper, request: Request) {
    let Some(at) = request.scheduled_for else { return };
    let watch = Stopwatch::start();
    let mut pause = FIRST_PAUSE;
    loop {
        match sweeper.skip(spec, request).await {
            Ok(true) => return log_skip(spec, at),
            Ok(false) => return,
            Err(error) if error.is_transient() && watch.elapsed() + pause < spec.limits.max_duration => {
                warn!(job = %spec.job, "the skipped instant {at} is not recorded yet: {error}; trying again in {} s", pause.as_secs());
            }
            Err(error) => {
                return warn!(job = %spec.job, "the skipped instant {at} could not be recorded: {error}");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn log_skip(spec: &Spec, at: DateTime<Utc>) {
    warn!(job = %spec.job, scheduledFor = %crate::report::rfc3339(at), outcome = "skipped", "a run of the job is still active, so this instant is skipped");
}
