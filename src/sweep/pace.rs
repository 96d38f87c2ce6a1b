//! How large a batch is, and how long the pause after it.

use std::time::Duration;

use super::Limits;
use crate::report::Throttle;

/// No pause to be nice is longer, or than the work itself: a batch that took seconds has waited for something, such as a
/// server that was starting again.
const LONGEST_NICE: Duration = Duration::from_secs(10);

/// A pause, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// How long.
    pub time: Duration,
    /// Why.
    pub reason: Throttle,
}

impl Default for Pause {
    fn default() -> Self {
        Self { time: Duration::ZERO, reason: Throttle::Nice }
    }
}

/// Sizes batches so that each takes about `batch_target`, and spaces them.
#[derive(Debug, Clone)]
pub struct Pace {
    target: Duration,
    nice: f64,
    rows_per_second: Option<u64>,
    /// Whether others can write only between two batches (`SQLite`).
    takes_turns: bool,
    size: u64,
    largest: u64,
    /// What batches of different sizes have taken.
    cost: Cost,
    /// Batches that took longer than they should, one after the other.
    slow: u32,
}

/// Every so many slow batches one is larger, to see whether it is the size that makes them slow.
const TRY_LARGER: u32 = 8;

impl Pace {
    /// The pace of one of so many workers. Begins with batches of `first` units (blocks or rows) and goes up to
    /// `largest`.
    #[must_use]
    pub fn new(limits: &Limits, workers: u64, first: u64, largest: u64) -> Self {
        Self {
            target: limits.batch_target,
            nice: limits.nice,
            rows_per_second: limits.max_rows_per_second.map(|rate| (rate / workers.max(1)).max(1)),
            takes_turns: false,
            size: first,
            largest,
            cost: Cost::default(),
            slow: 0,
        }
    }

    /// Leaves time between batches for others who wait for the lock on the whole database.
    #[must_use]
    pub fn taking_turns(self) -> Self {
        Self { takes_turns: true, ..self }
    }

    /// The size of the next batch.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether batches cannot get smaller.
    #[must_use]
    pub fn is_smallest(&self) -> bool {
        self.size <= 1
    }

    /// A batch of `units` took `took` and deleted `rows`, and the database worked on it for `work`, which finding its
    /// end belongs to: adapts the size, and returns the pause that is due.
    #[must_use]
    pub fn after(&mut self, units: u64, took: Duration, work: Duration, rows: u64) -> Pause {
        self.cost.observe(units, took);
        self.resize(units, took);
        self.keep_to_rate(units, rows);
        let nice = work.mul_f64(self.nice).min(LONGEST_NICE.max(work)).max(if self.takes_turns {
            turn(took)
        } else {
            Duration::ZERO
        });
        let rate = self.rows_per_second.map_or(Duration::ZERO, |rate| time_for(rows, rate).saturating_sub(work));
        if rate > nice {
            Pause { time: rate, reason: Throttle::MaxRowsPerSecond }
        } else {
            Pause { time: nice, reason: Throttle::Nice }
        }
    }

    /// A batch as dense as the last, which had `rows` in `size`, must not hold more than a second's rows: or the pause
    /// after it would be long.
    fn keep_to_rate(&mut self, size: u64, rows: u64) {
        if let Some(rate) = self.rows_per_second.filter(|_| rows > 0) {
            self.size = self.size.min((size.saturating_mul(rate) / rows).max(1));
        }
    }

    /// A batch failed: the next is much smaller.
    pub fn shrink(&mut self) {
        self.size = (self.size / 4).max(1);
    }

    /// Towards the target: at once to a smaller size, at most half; half of the way to a larger one, at most double. What
    /// a batch costs whatever its size, on a slow network or disk or a busy machine, must not shrink it to one row: half of
    /// the target is always for the rows, and a quarter of that cost, up to four targets.
    fn resize(&mut self, units: u64, took: Duration) {
        let fixed = self.cost.fixed().min(took);
        let by_size = took.saturating_sub(fixed);
        let despite_it = (fixed / 4).min(self.target * 4);
        let for_rows = self.target.saturating_sub(fixed).max(self.target / 2).max(despite_it);
        let factor = for_rows.as_secs_f64() / by_size.as_secs_f64().max(1e-6);
        // The end of the path came first, which says nothing about a full batch.
        if factor >= 1.0 && units < self.size {
            return;
        }
        let factor = if factor > 1.0 { f64::midpoint(1.0, factor) } else { factor };
        let percent = (factor.clamp(0.5, 2.0) * 100.0).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "50 to 200")]
        let percent = percent as u64;
        self.size = (units.min(self.size) * percent).div_ceil(100).clamp(1, self.largest);
        self.slow = if took > self.target * 2 { self.slow + 1 } else { 0 };
        if self.slow > 0 && self.slow.is_multiple_of(TRY_LARGER) {
            self.size = (self.size * 4).min(self.largest);
        }
    }
}

/// The straight line through the sizes and times of the last batches (least squares, where older ones count less and less):
/// its height at size zero is what a batch costs whatever its size.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    weight: f64,
    size: f64,
    time: f64,
    size_squared: f64,
    size_time: f64,
}

impl Cost {
    /// What an observation still counts after another one.
    const FADE: f64 = 0.9;

    fn observe(&mut self, units: u64, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        let (size, time) = (units as f64, took.as_secs_f64());
        let add = |sum: &mut f64, value: f64| *sum = *sum * Self::FADE + value;
        add(&mut self.weight, 1.0);
        add(&mut self.size, size);
        add(&mut self.time, time);
        add(&mut self.size_squared, size * size);
        add(&mut self.size_time, size * time);
    }

    fn fixed(&self) -> Duration {
        let (size, time) = (self.size / self.weight, self.time / self.weight);
        let variance = self.size_squared / self.weight - size * size;
        let covariance = self.size_time / self.weight - size * time;
        // Batches of one size do not tell what is fixed.
        if variance < size * size * 1e-4 {
            return Duration::ZERO;
        }
        let per_unit = (covariance / variance).max(0.0);
        Duration::from_secs_f64((time - per_unit * size).clamp(0.0, time))
    }
}

/// Who finds an `SQLite` database locked asks again at these intervals in milliseconds, as in `sqliteDefaultBusyCallback`.
const ASKS_AGAIN: [u64; 12] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100];

/// How long the lock stays free after a batch of `took`: everybody who came while it lasted asks once more in that time.
fn turn(took: Duration) -> Duration {
    let mut asked = Duration::ZERO;
    let longest = ASKS_AGAIN.map(Duration::from_millis).into_iter().find(|interval| {
        asked += *interval;
        asked > took
    });
    longest.unwrap_or(Duration::from_millis(100)) + Duration::from_millis(1)
}

fn time_for(rows: u64, per_second: u64) -> Duration {
    Duration::from_micros(rows.saturating_mul(1_000_000) / per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(limits: &Limits) -> Pace {
        Pace::new(limits, 1, 100, 1000)
    }

    fn after(pace: &mut Pace, took: Duration, rows: u64) -> Pause {
        pace.after(pace.size(), took, took, rows)
    }

    #[test]
    fn slow_batches_shrink_and_quick_ones_grow_back() {
        let limits = Limits::default();
        let mut pace = pace(&limits);
        let _ = after(&mut pace, Duration::from_millis(40), 10);
        assert_eq!(pace.size(), 50);
        for _ in 0..10 {
            let _ = after(&mut pace, Duration::from_millis(1), 10);
        }
        assert_eq!(pace.size(), 1000);
        pace.shrink();
        assert_eq!(pace.size(), 250);
    }

    #[test]
    fn a_batch_that_waited_for_a_server_is_no_reason_for_minutes_of_pause() {
        let mut pace = pace(&Limits::default());
        let pauses = [1, 3, 15].map(|took| after(&mut pace, Duration::from_secs(took), 10).time.as_secs());
        assert_eq!(pauses, [9, 10, 15]);
    }

    /// The size that batches settle at when each takes `fixed`, and `row` for each row.
    fn settles(fixed: Duration, row: Duration) -> u64 {
        let mut pace = pace(&Limits::default());
        for _ in 0..50 {
            let rows = u32::try_from(pace.size()).unwrap_or(u32::MAX);
            let _ = after(&mut pace, fixed + row * rows, 10);
        }
        pace.size()
    }

    #[test]
    fn a_slow_commit_does_not_shrink_batches() {
        let row = Duration::from_micros(100);
        assert!((80..=125).contains(&settles(Duration::ZERO, row)), "{}", settles(Duration::ZERO, row));
        let slow = settles(Duration::from_millis(90), row);
        assert!((180..=280).contains(&slow), "{slow}");
        assert_eq!(settles(Duration::from_millis(90), Duration::ZERO), 1000);
        assert_eq!(settles(Duration::ZERO, Duration::from_millis(20)), 1);
    }

    #[test]
    fn a_busy_machine_does_not_shrink_batches_to_nothing() {
        let limits = Limits { batch_target: Duration::from_millis(1), ..Limits::default() };
        let mut pace = Pace::new(&limits, 1, 4, 8192);
        let (mut units, mut noise) = (0, 1_u64);
        for _ in 0..500 {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let waits = Duration::from_micros(5000 + (noise >> 33) % 25_000);
            let rows = u32::try_from(pace.size()).unwrap_or(u32::MAX);
            units += pace.size();
            let _ = after(&mut pace, waits + Duration::from_micros(20) * rows, 10);
        }
        assert!((30..2000).contains(&(units / 500)), "{} on average", units / 500);
    }

    #[test]
    fn pauses_follow_the_stricter_limit() {
        let limits = Limits { nice: 9.0, max_rows_per_second: Some(1000), ..Limits::default() };
        let mut pace = pace(&limits);
        assert_eq!(
            after(&mut pace, Duration::from_millis(10), 10),
            Pause { time: Duration::from_millis(90), reason: Throttle::Nice }
        );
        let pause = after(&mut pace, Duration::from_millis(10), 1000);
        assert_eq!(pause, Pause { time: Duration::from_millis(990), reason: Throttle::MaxRowsPerSecond });
    }

    #[test]
    fn others_get_their_turn() {
        let turn = |millis| turn(Duration::from_millis(millis)).as_millis();
        assert_eq!([0, 10, 50, 100, 150, 1000].map(turn), [2, 11, 21, 26, 51, 101]);
    }

    #[test]
    fn no_limits_no_pause() {
        let limits = Limits { nice: 0.0, ..Limits::default() };
        assert_eq!(after(&mut pace(&limits), Duration::from_millis(10), 10).time, Duration::ZERO);
    }
}
