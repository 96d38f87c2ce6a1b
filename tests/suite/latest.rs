//! Something that takes its time is found out once for all who ask, and not all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use futures_util::future::join_all;
use sweepd::lifecycle::{Background, Lifecycle};
use sweepd::status::{Found, Latest};
use tokio::sync::Notify;

struct Counter {
    latest: Latest<u32, String>,
    background: Background,
    begun: Arc<AtomicU32>,
    go_on: Arc<Notify>,
}

impl Counter {
    fn new() -> Self {
        let background = Lifecycle::install().expect("signals").background();
        Self { latest: Latest::default(), background, begun: Arc::default(), go_on: Arc::default() }
    }

    /// What takes its time: until somebody lets it go on.
    fn slowly(&self) -> impl Future<Output = Result<u32, String>> + Send + use<> {
        let (begun, go_on) = (Arc::clone(&self.begun), Arc::clone(&self.go_on));
        async move {
            let number = begun.fetch_add(1, SeqCst) + 1;
            go_on.notified().await;
            if number == 2 { Err("the second time".to_owned()) } else { Ok(number) }
        }
    }

    async fn within(&self, age: Duration) -> Result<u32, String> {
        self.latest.within(age, &self.background, || self.slowly()).await.expect("an answer").map(|found| found.value)
    }

    async fn at_once(&self, stale: bool) -> Result<u32, String> {
        let stale = |_: &Found<u32>| stale;
        let found = self.latest.at_once(stale, &self.background, || self.slowly()).await;
        found.expect("an answer").map(|found| found.value)
    }

    async fn let_go_on(&self, number: u32) {
        while self.begun.load(SeqCst) < number {
            tokio::task::yield_now().await;
        }
        self.go_on.notify_one();
    }
}

#[tokio::test]
async fn a_thousand_who_ask_at_once_get_one_answer() {
    let counter = Counter::new();
    let (answers, ()) = tokio::join!(join_all((0..1000).map(|_| counter.within(Duration::ZERO))), counter.let_go_on(1));
    assert!(answers.iter().all(|answer| answer == &Ok(1)));
    assert_eq!(counter.begun.load(SeqCst), 1);
    assert_eq!(counter.within(Duration::from_mins(1)).await, Ok(1), "it is young enough");
    let (failed, ()) = tokio::join!(counter.within(Duration::ZERO), counter.let_go_on(2));
    assert_eq!(failed, Err("the second time".to_owned()));
    assert_eq!(counter.at_once(false).await, Ok(1), "a failure does not hide what is known");
}

#[tokio::test]
async fn what_is_stale_is_answered_at_once_and_found_out_meanwhile_but_not_all_the_time() {
    let counter = Counter::new();
    let (first, ()) = tokio::join!(counter.at_once(true), counter.let_go_on(1));
    assert_eq!(first, Ok(1));
    // That took a moment, so there is a rest.
    let mut asked = 0;
    while counter.begun.load(SeqCst) < 2 {
        assert_eq!(counter.at_once(true).await, Ok(1));
        tokio::time::sleep(Duration::from_micros(100)).await;
        asked += 1;
    }
    assert!(asked > 1, "begun anew at once");
    for _ in 0..10 {
        assert_eq!(counter.at_once(true).await, Ok(1));
    }
    assert_eq!(counter.begun.load(SeqCst), 2, "one at a time");
}

#[tokio::test]
async fn what_takes_only_a_moment_is_waited_for_when_the_latest_is_stale() {
    let latest = Latest::<u32, String>::default();
    let background = Lifecycle::install().expect("signals").background();
    let number = Arc::new(AtomicU32::new(0));
    let next = async || {
        let count = || {
            let number = Arc::clone(&number);
            async move { Ok(number.fetch_add(1, SeqCst) + 1) }
        };
        latest.at_once(|_| true, &background, count).await.expect("an answer").map(|found| found.value)
    };
    assert_eq!(next().await, Ok(1));
    // After its rest.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(next().await, Ok(2));
}

#[tokio::test]
async fn what_was_begun_before_all_was_forgotten_is_no_news() {
    let counter = Counter::new();
    let before = async { counter.within(Duration::ZERO).await };
    let meanwhile = async {
        while counter.begun.load(SeqCst) < 1 {
            tokio::task::yield_now().await;
        }
        counter.latest.expire();
        counter.let_go_on(1).await;
    };
    let (before, ()) = tokio::join!(before, meanwhile);
    assert_eq!(before, Ok(1), "who asked before is answered");
    let (after, ()) = tokio::join!(counter.within(Duration::from_mins(1)), counter.let_go_on(2));
    assert_eq!(after, Err("the second time".to_owned()), "it is found out anew");
}

#[tokio::test]
async fn it_goes_on_when_nobody_waits_any_more_and_is_given_up_at_a_stop() {
    let counter = Counter::new();
    let gave_up = tokio::time::timeout(Duration::from_millis(20), counter.within(Duration::ZERO)).await;
    assert!(gave_up.is_err());
    counter.let_go_on(1).await;
    assert_eq!(counter.within(Duration::from_mins(1)).await, Ok(1));

    let mut lifecycle = Lifecycle::install().expect("signals");
    let stopped = Counter { background: lifecycle.background(), ..Counter::new() };
    let ask = stopped.latest.within(Duration::ZERO, &stopped.background, || stopped.slowly());
    let (answer, _) = tokio::join!(ask, lifecycle.drain(Duration::from_secs(5)));
    assert!(answer.is_none());
}

#[tokio::test]
async fn who_wants_it_anew_does_not_get_what_was_begun_before() {
    let counter = Counter::new();
    let anew = || async {
        let found = counter.latest.anew(&counter.background, || counter.slowly()).await;
        found.expect("an answer").map(|found| found.value)
    };
    let meanwhile = async {
        counter.let_go_on(1).await;
        counter.let_go_on(2).await;
    };
    let early = counter.within(Duration::ZERO);
    let late = async {
        while counter.begun.load(SeqCst) < 1 {
            tokio::task::yield_now().await;
        }
        join_all((0..100).map(|_| anew())).await
    };
    let (early, late, ()) = tokio::join!(early, late, meanwhile);
    assert_eq!(early, Ok(1));
    assert!(late.iter().all(|late| late == &Err("the second time".to_owned())), "{late:?}");
    assert_eq!(counter.begun.load(SeqCst), 2, "one for all of them");
}
