//! Faults: processes and servers that die or stand still at any moment, locks that last, and an application that goes on.
//!
//! Each test has a short version, which repeats its fault for some seconds, and a long one with the full numbers, which
//! runs where `TEST_SWEEPD_LONG` is set. The seed of its random numbers is printed when it fails; `TEST_SWEEPD_SEED`
//! gives them again, as far as time repeats itself.

mod crashes;
mod dice;
mod kills;
mod locks;
mod pauses;
mod refreshes;
mod replicas;
mod stops;
mod tally;
