//! Random numbers that can be had again, and how often a fault is repeated.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use crate::process::Deadline;

/// Random numbers (`SplitMix64`): none of the tests needs good ones.
pub struct Dice(u64);

impl Dice {
    /// Prints its seed, and `what` needs it.
    pub fn throw(what: &str) -> Self {
        let given = std::env::var("TEST_SWEEPD_SEED").ok();
        let seed = given.map_or_else(
            || RandomState::new().build_hasher().finish(),
            |seed| seed.parse().expect("TEST_SWEEPD_SEED is a number"),
        );
        println!("{what}: TEST_SWEEPD_SEED={seed}");
        Self(seed)
    }

    /// Dice of its own for another thread.
    pub fn another(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).expect("below a u32")
    }

    pub fn one_in(&mut self, number: u32) -> bool {
        self.below(number) == 0
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.index(choices.len())]
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.below(u32::try_from(length).expect("a short list")) as usize
    }

    pub fn millis(&mut self, from: u32, to: u32) -> Duration {
        Duration::from_millis(u64::from(from + self.below(to - from)))
    }
}

/// Whether the long versions run.
pub fn is_long() -> bool {
    std::env::var_os("TEST_SWEEPD_LONG").is_some()
}

/// Repeats a fault: `most` times, in the short version only until the time is up.
pub fn rounds(most: u32, short: Duration) -> impl Iterator<Item = u32> {
    let deadline = (!is_long()).then(|| Deadline::after(short));
    (0..most).take_while(move |_| deadline.as_ref().is_none_or(|deadline| !deadline.has_passed()))
}
