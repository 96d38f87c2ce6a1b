//! Next instants against an oracle that looks at the wall clock at every single step.

use std::collections::HashSet;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Timelike, Utc};
use proptest::prelude::*;
use sweepd::schedule::{Schedule, ScheduleError};
use sweepd::zone::Zone;

/// Zones, and an instant at which something happens to their clocks.
const CHANGES: [(&str, &str); 13] = [
    ("Europe/Paris", "2026-03-29T01:00:00Z"),
    ("Europe/Paris", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Pacific/Chatham", "2026-09-26T14:00:00Z"),
    ("Africa/Cairo", "2026-04-23T22:00:00Z"),
    ("America/Santiago", "2026-09-06T04:00:00Z"),
    ("America/Havana", "2026-11-01T05:00:00Z"),
    ("Asia/Pyongyang", "2018-05-04T15:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("UTC", "2028-02-29T00:00:00Z"),
];

/// Second, minute, hour, day of month, month, day of week.
type Fields = [String; 6];

/// Whether a field of `*`, numbers, ranges and steps allows a value.
fn allows(field: &str, value: u32) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (first.parse().unwrap(), last.parse().unwrap()),
            None if range == "*" => (0, u32::MAX),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        let step: u32 = step.parse().unwrap();
        (first..=last).contains(&value) && (value - first).is_multiple_of(step)
    })
}

fn matches(fields: &Fields, wall: NaiveDateTime) -> bool {
    let [second, minute, hour, day, month, weekday] = fields;
    let by_day = allows(day, wall.day());
    let by_weekday = allows(weekday, wall.weekday().num_days_from_sunday());
    let either = day != "*" && weekday != "*";
    allows(second, wall.second())
        && allows(minute, wall.minute())
        && allows(hour, wall.hour())
        && allows(month, wall.month())
        && if either { by_day || by_weekday } else { by_day && by_weekday }
}

/// Every instant of the span at which the schedule is due, from the rules as they are written.
fn oracle(fields: &Fields, zone: &Zone, from: DateTime<Utc>, to: DateTime<Utc>, step: TimeDelta) -> Vec<DateTime<Utc>> {
    let rhythm = fields[..3].iter().any(|field| field.starts_with('*'));
    let mut shown = HashSet::new();
    let mut expected_wall = zone.local(from).naive_local();
    let mut due = Vec::new();
    let mut now = from;
    while now <= to {
        let wall = zone.local(now).naive_local();
        let small_gap = wall - expected_wall <= TimeDelta::hours(3);
        let mut skipped = expected_wall;
        let mut caught_up = false;
        while skipped < wall && small_gap && !rhythm {
            caught_up |= matches(fields, skipped);
            skipped += step;
        }
        let first_pass = shown.insert(wall);
        if caught_up || (matches(fields, wall) && (rhythm || first_pass)) {
            due.push(now);
        }
        now += step;
        expected_wall = wall + step;
    }
    due
}

fn check(place: (&str, &str), fields: &Fields, before: TimeDelta, after: TimeDelta, step: TimeDelta) {
    let zone = Zone::parse(place.0).unwrap();
    let change: DateTime<Utc> = place.1.parse().unwrap();
    let (from, to) = (change - before, change + after);
    let schedule = match Schedule::parse(&fields.join(" "), zone.clone()) {
        Err(ScheduleError::Never { .. }) => return,
        other => other.unwrap(),
    };
    let expected = oracle(fields, &zone, from, to, step);
    let nexts = std::iter::successors(Some(from - TimeDelta::seconds(1)), |now| schedule.next_after(*now));
    let found: Vec<_> = nexts.skip(1).take_while(|next| *next <= to).collect();
    assert_eq!(found, expected, "{} in {}", fields.join(" "), place.0);
    // Whatever instant the search starts from, the answers are the same.
    for now in [from + before / 3, change - step, change, change + step, change + after / 2] {
        let next = schedule.next_after(now).filter(|next| *next <= to);
        assert_eq!(next, expected.iter().copied().find(|due| *due > now), "after {now}: {fields:?} in {}", place.0);
        let last = schedule.last_at_or_before(now, from);
        assert_eq!(last, expected.iter().copied().rfind(|due| *due <= now), "until {now}: {fields:?} in {}", place.0);
    }
}

/// A field between two bounds: `*`, `*/n`, one number, two numbers, a range, a stepped range.
fn field(min: u32, max: u32) -> impl Strategy<Value = String> {
    let pair = (min..=max, min..=max).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![
        2 => Just("*".to_owned()),
        1 => (2..=(max - min).max(3) / 2 + 1).prop_map(|step| format!("*/{step}")),
        4 => (min..=max).prop_map(|value| value.to_string()),
        1 => pair.clone().prop_map(|(a, b)| format!("{a},{b}")),
        1 => pair.clone().prop_map(|(a, b)| format!("{a}-{b}")),
        1 => (pair, 1..4_u32).prop_map(|((a, b), step)| format!("{a}-{b}/{step}")),
    ]
}

/// Days that are mostly unrestricted, so that schedules meet the change; without steps, which
/// count from 1 for the day of month while `allows` counts from 0.
fn days() -> impl Strategy<Value = [String; 3]> {
    let free = Just(["*", "*", "*"].map(str::to_owned));
    let dates = (1..=31_u32).prop_map(|day| [day.to_string(), "*".into(), "*".into()]);
    let weekdays = (0..=6_u32).prop_map(|day| ["*".into(), "*".into(), day.to_string()]);
    let either = (1..=31_u32, 0..=6_u32).prop_map(|(day, weekday)| [day.to_string(), "*".into(), weekday.to_string()]);
    prop_oneof![4 => free, 1 => dates, 1 => weekdays, 1 => either]
}

fn fields(second: impl Strategy<Value = String>, hour: impl Strategy<Value = String>) -> impl Strategy<Value = Fields> {
    (second, field(0, 59), hour, days())
        .prop_map(|(second, minute, hour, [day, month, weekday])| [second, minute, hour, day, month, weekday])
}

fn place() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(&CHANGES[..])
}

/// Text that resembles a schedule.
fn gibberish() -> impl Strategy<Value = String> {
    let words = [
        "daily",
        "every",
        "at",
        "02:00",
        "2am",
        "and",
        ",",
        "monday",
        "first",
        "of",
        "the",
        "month",
        "15",
        "minutes",
        "*",
        "0",
        "5-",
        "é",
        "€:",
        "1W",
        "L",
        "#",
        "?",
        "+",
        ";",
        "@daily",
        "twice",
        "on",
        "1st",
        "weekly",
        "monthly",
        "hourly",
        ":15",
        "\u{3000}",
        "İ",
        "99999999999",
    ];
    let phrase = prop::collection::vec(prop::sample::select(words.to_vec()), 0..9).prop_map(|words| words.join(" "));
    prop_oneof![phrase, any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn instants_to_the_minute_are_those_of_the_oracle(
        place in place(),
        fields in fields(Just("0".to_owned()), field(0, 23)),
    ) {
        check(place, &fields, TimeDelta::hours(50), TimeDelta::hours(50), TimeDelta::minutes(1));
    }

    #[test]
    fn instants_to_the_second_are_those_of_the_oracle(
        place in place(),
        fields in fields(field(0, 59), prop_oneof![Just("*".to_owned()), field(0, 4)]),
    ) {
        check(place, &fields, TimeDelta::minutes(70), TimeDelta::minutes(70), TimeDelta::seconds(1));
    }

    #[test]
    fn a_canonical_form_is_a_fixed_point(
        place in place(),
        fields in fields(field(0, 59), field(0, 23)),
    ) {
        let zone = Zone::parse(place.0).unwrap();
        if let Ok(schedule) = Schedule::parse(&fields.join(" "), zone.clone()) {
            let again = Schedule::parse(schedule.canonical(), zone);
            prop_assert_eq!(again, Ok(schedule));
        }
    }

    #[test]
    fn a_time_in_words_is_the_time_in_cron(hour in 0..24_u8, minute in 0..60_u8, second in 0..60_u8) {
        let words = Schedule::parse(&format!("Daily at {hour:02}:{minute:02}:{second:02}"), Zone::utc());
        let cron = Schedule::parse(&format!("{second} {minute} {hour} * * *"), Zone::utc());
        prop_assert!(words.is_ok());
        prop_assert_eq!(words, cron);
    }

    #[test]
    fn no_text_panics_and_a_fault_has_a_place(text in gibberish()) {
        match Schedule::parse(&text, Zone::utc()) {
            Err(ScheduleError::Syntax { fault, .. }) => {
                prop_assert!((1..=text.chars().count() + 1).contains(&fault.column), "{}", fault);
            }
            Err(ScheduleError::Never { .. }) => {}
            Ok(schedule) => prop_assert!(!schedule.describe().is_empty()),
        }
    }
}
