//! The latest value of something that takes its time to find out: one task at a time does so, for all who ask.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Stopwatch;
use crate::lifecycle::Background;

/// What took a second to find out is not found out again within this many seconds, unless somebody insists.
const REST: u32 = 50;
/// What takes no longer than this is waited for when the latest value is stale, but not for longer than twice as long.
const QUICK: Duration = Duration::from_millis(20);
/// What failed is not tried again within this time, unless somebody insists.
const FAILED_JUST_NOW: Duration = Duration::from_secs(1);

/// A value that was found out some time ago.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    asked: Stopwatch,
    took: Duration,
    /// It has changed since.
    expired: bool,
}

impl<T> Found<T> {
    /// How old the value is.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.asked.elapsed()
    }

    /// Whether it is known to have changed since.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.expired
    }
}

/// The latest value, or why there is none.
#[derive(Debug)]
pub struct Latest<T, E>(Arc<Mutex<State<T, E>>>);

#[derive(Debug)]
struct State<T, E> {
    value: Option<Found<T>>,
    failure: Option<Found<E>>,
    /// Somebody is about to find out.
    under_way: Option<watch::Receiver<Option<Outcome<T, E>>>>,
}

type Outcome<T, E> = Result<Found<T>, Found<E>>;

impl<T, E> Default for Latest<T, E> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { value: None, failure: None, under_way: None })))
    }
}

impl<T, E> Latest<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// A value (or a failure) no older than `max_age`; where there is none, `work` finds out, or somebody who has begun to
    /// already. None when that was given up, because the process stops.
    pub async fn within<W>(
        &self,
        max_age: Duration,
        background: &Background,
        work: impl FnOnce() -> W,
    ) -> Option<Result<Found<T>, E>>
    where
        W: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut under_way = {
            let mut state = self.lock();
            if let Some(value) = state.value.as_ref().filter(|value| !value.expired && value.age() <= max_age) {
                return Some(Ok(value.clone()));
            }
            if let Some(failure) = state.failure.as_ref().filter(|failure| failure.age() <= max_age) {
                return Some(Err(failure.value.clone()));
            }
            self.begin(&mut state, background, work)
        };
        let outcome = under_way.wait_for(Option::is_some).await.ok()?.clone()?;
        Some(outcome.map_err(|failure| failure.value))
    }

    /// A value that was begun to be found out from now on: at most one that is under way is waited for before.
    pub async fn anew<W>(&self, background: &Background, work: impl FnOnce() -> W) -> Option<Result<Found<T>, E>>
    where
        W: Future<Output = Result<T, E>> + Send + 'static,
    {
        let asked = Stopwatch::start();
        let earlier = self.lock().under_way.clone();
        if let Some(mut earlier) = earlier {
            // Given up or not, the next one is ours.
            let _ = earlier.wait_for(Option::is_some).await;
        }
        self.within(asked.elapsed(), background, work).await
    }

    /// The latest value, if there is one, however old.
    #[must_use]
    pub fn latest(&self) -> Option<Found<T>> {
        self.lock().value.clone()
    }

    /// What came of the last time.
    #[must_use]
    pub fn last(&self) -> Option<Result<Found<T>, Found<E>>> {
        let state = self.lock();
        state.failure.clone().map(Err).or_else(|| state.value.clone().map(Ok))
    }

    /// Whether something is being found out.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.lock().under_way.as_ref().is_some_and(|receiver| receiver.has_changed().is_ok())
    }

    /// The latest value, however old. When it `is_stale`, a newer one is found out meanwhile, but not all the time. That is
    /// waited for where there is none, and for a moment where it took only a moment the last time.
    pub async fn at_once<W>(
        &self,
        is_stale: impl FnOnce(&Found<T>) -> bool,
        background: &Background,
        work: impl FnOnce() -> W,
    ) -> Option<Result<Found<T>, E>>
    where
        W: Future<Output = Result<T, E>> + Send + 'static,
    {
        let Some(latest) = self.latest() else { return self.within(FAILED_JUST_NOW, background, work).await };
        let newer = self.look_again(is_stale, background, work).filter(|_| latest.took <= QUICK);
        let Some(mut newer) = newer else { return Some(Ok(latest)) };
        let newer = tokio::time::timeout(QUICK * 2, newer.wait_for(Option::is_some)).await;
        let newer = newer.ok().and_then(|outcome| outcome.ok()?.clone()?.ok());
        Some(Ok(newer.unwrap_or(latest)))
    }

    /// The latest value, if there is one. When there is none, or it `is_stale`, one is found out meanwhile, but not all the
    /// time.
    pub fn known<W>(
        &self,
        is_stale: impl FnOnce(&Found<T>) -> bool,
        background: &Background,
        work: impl FnOnce() -> W,
    ) -> Option<Found<T>>
    where
        W: Future<Output = Result<T, E>> + Send + 'static,
    {
        drop(self.look_again(is_stale, background, work));
        self.latest()
    }

    /// What was found out until now, or is being found out, is old: it has changed.
    pub fn expire(&self) {
        let mut state = self.lock();
        state.value.iter_mut().for_each(|value| value.expired = true);
        (state.failure, state.under_way) = (None, None);
    }

    /// Has a newer value found out where that is wanted, and says where it will be.
    fn look_again<W>(
        &self,
        is_stale: impl FnOnce(&Found<T>) -> bool,
        background: &Background,
        work: impl FnOnce() -> W,
    ) -> Option<watch::Receiver<Option<Outcome<T, E>>>>
    where
        W: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut state = self.lock();
        let is_wanted = state.value.as_ref().is_none_or(|value| is_stale(value) && value.age() > value.took * REST);
        let failed_lately =
            state.failure.as_ref().is_some_and(|failure| failure.age() < failure.took * REST + FAILED_JUST_NOW);
        (is_wanted && !failed_lately).then(|| self.begin(&mut state, background, work))
    }

    /// Starts to find out, unless somebody does so already. That goes on when nobody waits for it any more.
    fn begin<W>(
        &self,
        state: &mut State<T, E>,
        background: &Background,
        work: impl FnOnce() -> W,
    ) -> watch::Receiver<Option<Outcome<T, E>>>
    where
        W: Future<Output = Result<T, E>> + Send + 'static,
    {
        // A sender that is gone without an answer was given up.
        if let Some(under_way) = state.under_way.as_ref().filter(|receiver| receiver.has_changed().is_ok()) {
            return under_way.clone();
        }
        let (sender, receiver) = watch::channel(None);
        state.under_way = Some(receiver.clone());
        let (work, latest, mine) = (work(), Self(Arc::clone(&self.0)), receiver.clone());
        background.spawn(async move {
            let asked = Stopwatch::start();
            let found = work.await;
            let outcome = latest.keep(found, asked, &mine);
            sender.send_replace(Some(outcome));
        });
        receiver
    }

    /// What was forgotten while it was found out is not kept.
    fn keep(
        &self,
        found: Result<T, E>,
        asked: Stopwatch,
        mine: &watch::Receiver<Option<Outcome<T, E>>>,
    ) -> Outcome<T, E> {
        let took = asked.elapsed();
        let outcome = match found {
            Ok(value) => Ok(Found { value, asked, took, expired: false }),
            // Its age counts from its end: it may have taken long to fail.
            Err(failure) => Err(Found { value: failure, asked: Stopwatch::start(), took, expired: false }),
        };
        let mut state = self.lock();
        if state.under_way.as_ref().is_some_and(|under_way| under_way.same_channel(mine)) {
            state.under_way = None;
            match outcome.clone() {
                Ok(value) => (state.value, state.failure) = (Some(value), None),
                Err(failure) => state.failure = Some(failure),
            }
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
