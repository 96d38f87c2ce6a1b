//! A model of what processes that share a database do: fire, claim, delete in batches, fall silent, take over, end. All
//! orders of events that it allows are explored, with crashes, connections that break, and processes that are slow, at
//! every point; and each rule of the protocol is left out once, which has to be found.
//!
//! It follows `ledger.rs`, `job.rs`, `sweep/run.rs` and `sweep/batches.rs`. One step is one transaction, but a batch takes
//! three: the DELETE, the count (which locks the ledger's row until the end), and the COMMIT. A process that is paused just
//! makes no step for a while.

mod explore;
mod world;

use explore::{Found, explore};
use world::{Bounds, Rule, World};

/// Two instants, of which one may come while the other is answered.
const INSTANTS: Bounds = Bounds { processes: 2, instants: 2, rows: 1, crashes: 1, losses: 1, pauses: 0 };
/// A run that is taken for dead while it lives.
const SLOW: Bounds = Bounds { processes: 2, instants: 1, rows: 2, crashes: 1, losses: 1, pauses: 1 };
/// Two that watch over a third.
const THREE: Bounds = Bounds { processes: 3, instants: 1, rows: 1, crashes: 1, losses: 0, pauses: 0 };
const LONG: [Bounds; 3] =
    [Bounds { pauses: 1, ..INSTANTS }, Bounds { crashes: 2, ..SLOW }, Bounds { pauses: 1, ..THREE }];

/// Explores the protocol without a rule, or as it is.
fn without(rule: Option<Rule>, bounds: Bounds) -> Result<usize, Found> {
    explore(World::new(bounds), |world| world.steps(rule), World::check, World::check_end)
}

fn holds(bounds: Bounds) -> usize {
    without(None, bounds).unwrap_or_else(|found| panic!("{found}"))
}

#[test]
fn the_counts_are_exact_and_one_run_is_active_in_every_state() {
    let states: usize = [INSTANTS, SLOW, THREE].map(holds).into_iter().sum();
    assert!(states > 50_000, "only {states} states");
    if std::env::var_os("TEST_SWEEPD_LONG").is_some() {
        println!("{:?} states", LONG.map(holds));
    }
}

#[test]
fn each_rule_of_the_protocol_is_needed() {
    for (rule, bounds, wrong) in [
        (Rule::CountOnlyWhileRunning, SLOW, "an ended run has deleted"),
        (Rule::CountInTheBatch, SLOW, "rows are gone"),
        (Rule::AuditWithTheEnd, SLOW, "audit rows"),
        (Rule::OneRunning, INSTANTS, "runs are active"),
        (Rule::OnePerInstant, INSTANTS, "rows in the ledger"),
        (Rule::TakeUpWhatWasLeft, SLOW, "expired rows are left"),
        (Rule::WatchAfterALoss, SLOW, "expired rows are left"),
    ] {
        match without(Some(rule), bounds) {
            Err(found) => assert!(found.what.contains(wrong), "{rule:?}: {found}"),
            Ok(states) => panic!("without {rule:?} nothing is wrong in {states} states"),
        }
    }
}
