//! What a wall-clock reading without a zone can mean, and the cutoff that is safe for it.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use sweepd::db::expiry_sql::Expiry;
use sweepd::db::{Encoding, Engine, Mode};
use sweepd::zone::Zone;

const CHANGES: [(&str, &str); 8] = [
    ("Europe/Paris", "2026-03-29T01:00:00Z"),
    ("Europe/Paris", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Asia/Pyongyang", "2018-05-04T15:00:00Z"),
    ("UTC", "2026-10-25T01:00:00Z"),
];

fn zone(name: &str) -> Zone {
    Zone::parse(name).expect("a zone of the database")
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an RFC 3339 instant")
}

fn wall(text: &str) -> NaiveDateTime {
    text.parse().expect("a wall-clock reading")
}

/// The latest instant that a reading near a change can mean.
fn latest_meaning(zone: &Zone, change: DateTime<Utc>, reading: NaiveDateTime) -> DateTime<Utc> {
    let before = zone.local(change - TimeDelta::seconds(1)).offset().local_minus_utc();
    let after = zone.local(change).offset().local_minus_utc();
    let meaning = |offset: i32| (reading - TimeDelta::seconds(offset.into())).and_utc();
    let shown = |meaning: &DateTime<Utc>| zone.local(*meaning).naive_local() == reading;
    let meanings = [meaning(before), meaning(after)];
    // A reading that the clocks skip is counted with the offset of before.
    let latest = meanings.iter().filter(|meaning| shown(meaning)).max();
    *latest.unwrap_or(&meanings[0])
}

#[test]
fn every_reading_up_to_the_cutoff_has_expired_and_the_next_has_not() {
    let (minute, half) = (TimeDelta::minutes(1), TimeDelta::seconds(30));
    for (name, change) in CHANGES {
        let (zone, change) = (zone(name), instant(change));
        for step in -240..240 {
            let cutoff = change + minute * step;
            let expired = |reading| latest_meaning(&zone, change, reading) <= cutoff;
            let mut reading = zone.local(cutoff).naive_local() - TimeDelta::hours(4);
            while expired(reading) {
                reading += half;
            }
            let found = zone.naive_cutoff(cutoff);
            assert!(found < reading, "{name} at {cutoff}: {found} may be live");
            assert!(found >= reading - half, "{name} at {cutoff}: {found} is too early");
        }
    }
}

#[test]
fn the_cutoff_stops_before_a_repeated_hour_until_its_second_pass() {
    let cases = [
        ("Europe/Paris", "2026-07-01T12:00:00.123456789Z", "2026-07-01T14:00:00.123456"),
        ("Europe/Paris", "2026-10-24T23:59:59.999999Z", "2026-10-25T01:59:59.999999"),
        ("Europe/Paris", "2026-10-25T00:30:00Z", "2026-10-25T01:59:59.999999"),
        ("Europe/Paris", "2026-10-25T00:59:59Z", "2026-10-25T01:59:59.999999"),
        ("Europe/Paris", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00"),
        ("Europe/Paris", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00"),
        ("America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T00:59:59.999999"),
        ("America/New_York", "2026-11-01T06:30:00Z", "2026-11-01T01:30:00"),
        ("Australia/Lord_Howe", "2026-04-04T14:40:00Z", "2026-04-05T01:29:59.999999"),
        ("Australia/Lord_Howe", "2026-04-04T15:10:00Z", "2026-04-05T01:40:00"),
    ];
    for (name, cutoff, expected) in cases {
        let found = zone(name).naive_cutoff(instant(cutoff));
        assert_eq!(found, wall(expected), "{name} at {cutoff}");
    }
}

#[test]
fn the_cutoff_follows_the_old_offset_until_skipped_readings_have_passed() {
    let cases = [
        ("Europe/Paris", "2026-03-29T00:59:59Z", "2026-03-29T01:59:59"),
        ("Europe/Paris", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00"),
        ("Europe/Paris", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00"),
        ("Europe/Paris", "2026-03-29T02:00:00Z", "2026-03-29T04:00:00"),
    ];
    for (name, cutoff, expected) in cases {
        let found = zone(name).naive_cutoff(instant(cutoff));
        assert_eq!(found, wall(expected), "{name} at {cutoff}");
    }
}

#[test]
fn an_end_is_written_so_that_it_has_no_earlier_meaning_and_never_comes_nearer() {
    for (name, change) in CHANGES {
        let (zone, change) = (zone(name), instant(change));
        let ends = (-240..240).map(|step| change + TimeDelta::minutes(step));
        let mut before = NaiveDateTime::MIN;
        for end in ends {
            let written = zone.naive_end(end);
            assert!(zone.instant(written) >= end, "{name}: {written} for {end}");
            assert!(zone.instant(written) <= end + TimeDelta::hours(1), "{name}: {written} for {end}");
            assert!(written >= before, "{name}: {written} for {end}");
            before = written;
        }
    }
    let cases = [
        ("2026-11-01T05:30:00Z", "2026-11-01T01:30:00"),
        ("2026-11-01T06:10:00Z", "2026-11-01T02:00:00"),
        ("2026-11-01T07:10:00Z", "2026-11-01T02:10:00"),
    ];
    for (end, written) in cases {
        assert_eq!(zone("America/New_York").naive_end(instant(end)), wall(written), "{end}");
    }
}

/// A run that knows how long a session can live does not take such an end for one of another zone.
#[test]
fn an_end_that_is_written_later_is_expected_later() {
    let zone = zone("America/New_York");
    let expiry = |mode| Expiry {
        engine: Engine::Postgres,
        column: "expires".into(),
        encoding: Encoding::Timestamp(zone.clone()),
        mode,
    };
    let end = instant("2026-11-01T06:10:00Z");
    assert_eq!(expiry(Mode::Expires).as_read(end), instant("2026-11-01T07:00:00Z"));
    assert_eq!(expiry(Mode::Expires).as_read(instant("2026-07-01T06:10:00Z")), instant("2026-07-01T06:10:00Z"));
}

#[test]
fn only_names_of_the_database_are_zones() {
    for name in ["UTC", "Etc/UTC", "Europe/Paris", "America/Argentina/Ushuaia"] {
        assert_eq!(zone(name).name(), name);
    }
    let unknown = ["", "EST5", "CEST", "+02:00", "utc", "europe/paris", "Etc/Unknown", "localtime", "../UTC", "Z"];
    for name in unknown {
        assert!(Zone::parse(name).is_err(), "{name:?}");
    }
}

#[test]
fn an_unknown_zone_is_answered_with_the_nearest() {
    for (name, near) in [("Europe/Pari", "Europe/Paris"), ("europe/paris", "Europe/Paris"), ("Tokyo", "Asia/Tokyo")] {
        let error = Zone::parse(name).expect_err("no such zone");
        assert_eq!(error.suggestion.as_deref(), Some(near));
        assert!(error.to_string().contains(&format!("(did you mean {near:?}?)")));
    }
    assert_eq!(Zone::parse("xyzzyx").expect_err("no such zone").suggestion, None);
}
