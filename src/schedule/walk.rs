//! The next instant of a cron line in a zone, under the rules for daylight saving.
//!
//! A cron line says which wall-clock readings it wants; a zone is a chain of periods in which the
//! wall clock runs straight. The walk looks for a reading in one period after the other. What
//! differs between the two kinds of line is only where in the next period it goes on:
//! - an absolute rhythm takes every reading that the clock shows, a repeated one twice;
//! - a fixed time never looks back at a reading that the clock already passed, and one that the
//!   clock skipped falls due when the gap ends.

use super::cron::Line;
use crate::zone::Zone;

/// Wider gaps (a zone that crosses the date line) skip what falls in them. Seconds.
const WIDEST_GAP: i64 = 3 * 60 * 60;

/// The first instant of `line` after `instant`. Unix seconds.
pub(super) fn next_after(line: &Line, zone: &Zone, instant: i64) -> Option<i64> {
    let mut period = zone.period_at(instant);
    let mut floor = instant.checked_add(period.offset)? + 1;
    if line.is_fixed() {
        floor = floor.max(period.first_new_reading());
    }
    loop {
        let reading = line.next_reading(floor)?;
        if reading < period.reading_at_end() {
            return Some(reading - period.offset);
        }
        period = zone.period_at(period.end);
        let skipped = reading < period.reading_at_start();
        if line.is_fixed() && skipped && period.moved_forward() <= WIDEST_GAP {
            return Some(period.start);
        }
        floor = if line.is_fixed() { floor.max(period.first_new_reading()) } else { period.reading_at_start() };
    }
}
