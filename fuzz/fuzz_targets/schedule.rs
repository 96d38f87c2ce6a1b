//! A schedule that is read fires in order, at the times that its canonical form names, wherever one looks from.
//!
//! An input has three lines: a zone, the seconds since 1970 to look from, and the expression.
#![no_main]

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Timelike, Utc};
use libfuzzer_sys::fuzz_target;
use sweepd::schedule::{Schedule, ScheduleError};
use sweepd::zone::Zone;

/// The years that a cron line can name and people schedule for, 1970 to 2100, from their second day in any zone.
const SPAN: std::ops::Range<i64> = 172_800..4_102_444_800;

fuzz_target!(|input: &str| {
    let mut lines = input.splitn(3, '\n');
    let (Some(zone), Some(start), Some(expression)) = (lines.next(), lines.next(), lines.next()) else { return };
    let zone = Zone::parse(zone).unwrap_or_else(|_| Zone::utc());
    let start = start.parse::<i64>().unwrap_or(1_767_225_600).rem_euclid(SPAN.end).max(SPAN.start);
    let start = DateTime::from_timestamp(start, 0).expect("a time in this century");
    match Schedule::parse(expression, zone) {
        Ok(schedule) => check(&schedule, start),
        Err(error) => check_error(expression, &error),
    }
});

fn check_error(expression: &str, error: &ScheduleError) {
    assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
    if let ScheduleError::Syntax { fault, .. } = error {
        assert!((1..=expression.chars().count() + 1).contains(&fault.column), "{expression:?}: {fault}");
    }
}

fn check(schedule: &Schedule, start: DateTime<Utc>) {
    let again = Schedule::parse(schedule.canonical(), schedule.zone().clone());
    assert_eq!(again.as_ref(), Ok(schedule), "the canonical form is another schedule");
    assert!(!schedule.describe().chars().any(char::is_control), "{schedule}");
    let mut now = start;
    for _ in 0..12 {
        let Some(next) = schedule.next_after(now) else { break };
        assert!(next > now, "{schedule}: {next} is not after {now}");
        assert_eq!(next.timestamp_subsec_nanos(), 0);
        assert_eq!(schedule.next_after(next - TimeDelta::seconds(1)), Some(next), "{schedule}: {now}");
        assert_eq!(schedule.last_at_or_before(next, now), Some(next), "{schedule}: {now}");
        assert!(is_due(schedule, next), "{schedule} in {} is not due at {next}", schedule.zone().name());
        now = next;
    }
}

/// Whether one of the lines allows what the wall clock shows, or the clocks were just put forward.
fn is_due(schedule: &Schedule, instant: DateTime<Utc>) -> bool {
    let offset = |at| schedule.zone().local(at).offset().local_minus_utc();
    let wall = schedule.zone().local(instant).naive_local();
    let moved = offset(instant - TimeDelta::seconds(1)) != offset(instant);
    moved || schedule.canonical().split("; ").any(|line| allows_all(line, wall))
}

fn allows_all(line: &str, wall: NaiveDateTime) -> bool {
    let mut fields: Vec<_> = line.split(' ').collect();
    if fields.len() == 5 {
        fields.insert(0, "0");
    }
    fields.push("*");
    let [second, minute, hour, day, month, weekday, year] = fields[..7] else { return false };
    let (by_day, by_weekday) = (allows(day, wall.day(), 1), by_weekday(weekday, wall));
    let either = day != "*" && weekday != "*" && !weekday.starts_with('+');
    allows(second, wall.second(), 0)
        && allows(minute, wall.minute(), 0)
        && allows(hour, wall.hour(), 0)
        && allows(month, wall.month(), 1)
        && allows(year, wall.year().unsigned_abs(), 1970)
        && if either { by_day || by_weekday } else { by_day && by_weekday }
}

fn by_weekday(field: &str, wall: NaiveDateTime) -> bool {
    let field = field.trim_start_matches('+');
    let day = wall.weekday().num_days_from_sunday();
    allows(field, day, 0) || (day == 0 && allows(field, 7, 0))
}

/// Whether a field of `*`, numbers, ranges and steps allows a value. Others (`L`, `15W`, `1#2`) may.
fn allows(field: &str, value: u32, min: u32) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let bounds = match range.split_once('-') {
            Some((first, last)) => first.parse().ok().zip(last.parse().ok()),
            None if range == "*" => Some((min, u32::MAX)),
            None => range.parse().ok().map(|only| (only, only)),
        };
        let (Some((first, last)), Ok(step)) = (bounds, step.parse::<u32>()) else { return true };
        (first..=last).contains(&value) && (value - first) % step == 0
    })
}
