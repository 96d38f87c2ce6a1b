//! The schedule language against tables of known answers.

use std::cmp::Ordering;
use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use sweepd::schedule::Schedule;
use sweepd::zone::Zone;

const CASES: &str = include_str!("../cases/schedule.toml");
const CRONOS: &str = include_str!("../cases/cronos-vectors.tsv");

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
    parse: Vec<Parse>,
    english: Vec<English>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    cron: String,
    tz: String,
    from: String,
    expected: Vec<String>,
}

#[derive(Deserialize)]
struct Parse {
    cron: String,
    want: String,
}

#[derive(Deserialize)]
struct English {
    phrase: String,
}

fn cases() -> Cases {
    toml::from_str(CASES).expect("the cases are TOML")
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an RFC 3339 instant")
}

fn zone(name: &str) -> Zone {
    Zone::parse(name).expect("a zone of the database")
}

fn schedule(expression: &str, zone_name: &str) -> Schedule {
    Schedule::parse(expression, zone(zone_name)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_case_gives_the_expected_instants() {
    for case in cases().case {
        let schedule = schedule(&case.cron, &case.tz);
        let mut from = instant(&case.from);
        for expected in &case.expected {
            let next = schedule.next_after(from);
            assert_eq!(next, Some(instant(expected)), "{} after {from}", case.id);
            from = instant(expected);
        }
    }
}

#[test]
fn every_expression_is_accepted_or_rejected_as_wanted() {
    for Parse { cron, want } in cases().parse {
        let accepted = Schedule::parse(&cron, Zone::utc()).is_ok();
        assert_eq!(accepted, want == "accept", "{cron:?}: {want}");
    }
}

#[test]
fn every_phrase_is_translated_rightly_or_refused() {
    let right = HashMap::from([
        ("weekdays at 18:00", Some("0 18 * * 1-5")),
        ("every weekday at 18:00", Some("0 18 * * 1-5")),
        ("last day of the month at 23:00", Some("0 23 L * *")),
        ("first monday of the month at 10:00", Some("0 10 * * 1#1")),
        ("every day except sunday at 5am", None),
        ("weekly on sunday", None),
        ("daily at 02:00 Europe/Paris", None),
        ("every day at 02:00:30", Some("30 0 2 * * *")),
        ("every 90 minutes", None),
        ("every 5 minutes between 8 and 10 am", None),
        ("every sunday at 25:00", None),
        ("evry day at 2am", None),
        ("daily", None),
    ]);
    for English { phrase } in cases().english {
        let schedule = Schedule::parse(&phrase, Zone::utc()).ok();
        let canonical = schedule.as_ref().map(Schedule::canonical);
        assert_eq!(Some(&canonical), right.get(phrase.as_str()), "{phrase:?}");
    }
}

/// Phrase, canonical form, explanation.
const WORDS: [(&str, &str, &str); 32] = [
    ("daily at 02:00", "0 2 * * *", "every day at 02:00 (UTC)"),
    ("Every Day AT 2am", "0 2 * * *", "every day at 02:00 (UTC)"),
    ("daily at 2:30 pm", "30 14 * * *", "every day at 14:30 (UTC)"),
    ("daily at midnight", "0 0 * * *", "every day at 00:00 (UTC)"),
    ("daily at noon", "0 12 * * *", "every day at 12:00 (UTC)"),
    ("daily at 14:00:30", "30 0 14 * * *", "every day at 14:00:30 (UTC)"),
    ("twice daily at 14:00 and 02:00", "0 2,14 * * *", "every day at 02:00 and 14:00 (UTC)"),
    (
        "daily at 02:00, 08:00 and 14:30",
        "0 2 * * *; 0 8 * * *; 30 14 * * *",
        "every day at 02:00, 08:00 and 14:30 (UTC)",
    ),
    ("every minute", "* * * * *", "every minute (UTC)"),
    ("every 1 minutes", "* * * * *", "every minute (UTC)"),
    ("every 15 minutes", "*/15 * * * *", "every 15 minutes (UTC)"),
    ("every 30 seconds", "*/30 * * * * *", "every 30 seconds (UTC)"),
    ("every 2 hours", "0 */2 * * *", "every 2 hours (UTC)"),
    ("hourly", "0 * * * *", "every hour (UTC)"),
    ("hourly at :05", "5 * * * *", "every hour at :05 (UTC)"),
    ("every hour at :15", "15 * * * *", "every hour at :15 (UTC)"),
    ("weekdays at 03:30", "30 3 * * 1-5", "every weekday at 03:30 (UTC)"),
    ("weekends at 04:00", "0 4 * * 0,6", "every saturday and sunday at 04:00 (UTC)"),
    ("every sunday at 04:00", "0 4 * * 0", "every sunday at 04:00 (UTC)"),
    ("every thursday and mon at 04:00", "0 4 * * 1,4", "every monday and thursday at 04:00 (UTC)"),
    ("weekly on sunday at 04:00", "0 4 * * 0", "every sunday at 04:00 (UTC)"),
    ("monthly on the 1st at 02:00", "0 2 1 * *", "on the 1st of the month at 02:00 (UTC)"),
    ("monthly on the 22nd and 13th at 02:00", "0 2 13,22 * *", "on the 13th and 22nd of the month at 02:00 (UTC)"),
    ("monthly on the last day at 02:00", "0 2 L * *", "on the last day of the month at 02:00 (UTC)"),
    ("last friday of the month at 10:00", "0 10 * * 5L", "on the last friday of the month at 10:00 (UTC)"),
    ("last weekday of the month at 10:00", "0 10 LW * *", "on the last weekday of the month at 10:00 (UTC)"),
    ("@weekly", "0 0 * * 0", "every sunday at 00:00 (UTC)"),
    (
        "0 12 13 JAN-Mar FRI-SUN",
        "0 12 13 1-3 5-7",
        "on the 13th of the month or every friday to sunday in january to march at 12:00 (UTC)",
    ),
    (
        "*/7 9 1-7 * +MON",
        "*/7 9 1-7 * +1",
        "at minute */7 of hour 9, on the 1st to 7th of the month but only every monday (UTC)",
    ),
    (
        "0 9-17 * * 1-5",
        "0 9-17 * * 1-5",
        "every weekday at 09:00, 10:00, 11:00, 12:00, 13:00, 14:00, 15:00, 16:00 and 17:00 (UTC)",
    ),
    ("* 9 * * *", "* 9 * * *", "every minute of hour 9 (UTC)"),
    ("manual", "manual", "only when asked for"),
];

#[test]
fn words_have_a_canonical_form_and_an_explanation() {
    for (phrase, canonical, explanation) in WORDS {
        let schedule = schedule(phrase, "UTC");
        assert_eq!(schedule.to_string(), canonical, "{phrase:?}");
        assert_eq!(schedule.describe(), explanation, "{phrase:?}");
    }
}

/// What a user reads.
const FAULTS: [(&str, &str); 10] = [
    ("dayly at 02:00", "unexpected \"dayly\" at column 1, did you mean \"daily\"? accepted: daily, every, "),
    ("daily", "the schedule is not complete at column 6, did you mean \"daily at 02:00\"? accepted: at"),
    ("every dya at 2am", "unexpected \"dya\" at column 7, did you mean \"day\"? accepted: day, "),
    ("daily at 2", "cannot tell which time of day \"2\" is at column 10; accepted: 02:00, 14:00:30, 2am, "),
    ("every 7 minutes", "7 minutes do not divide an hour evenly at column 7; accepted: 1, 2, 3, 4, 5, 6, 10, "),
    ("daily at 02:00 UTC", "unexpected \"UTC\" at column 16; accepted: nothing more (a time zone goes in the key "),
    ("daily àé 2", "unexpected \"àé\" at column 7; accepted: at"),
    ("0 2 1,é * *", "\"é\" does not fit the field day of month at column 7; accepted: 1 to 31, *, "),
    ("* * * *", "4 fields in a cron line at column 1; accepted: 5 fields (minute, hour, "),
    ("@Daily", "unknown nickname \"@Daily\" at column 1, did you mean \"@daily\"? accepted: @hourly, "),
];

#[test]
fn a_fault_names_its_place_and_what_is_accepted() {
    for (expression, fault) in FAULTS {
        let error = Schedule::parse(expression, Zone::utc()).expect_err(expression).to_string();
        assert!(error.starts_with(&format!("{expression:?}: {fault}")), "{error}");
    }
    let never = Schedule::parse("0 2 31 2 *", Zone::utc()).expect_err("no such date");
    assert_eq!(never.to_string(), "\"0 2 31 2 *\" never fires: no date within ten years satisfies it");
}

/// A row of Cronos' own tests.
struct Row {
    zone: Zone,
    fields: Vec<String>,
    from: DateTime<Utc>,
    expected: DateTime<Utc>,
    inclusive: bool,
}

fn rows() -> Vec<Row> {
    let lines = CRONOS.lines().filter(|line| !line.starts_with('#'));
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    let columns: Vec<_> = line.split('\t').collect();
    let [_method, zone_name, expression, from, expected, inclusive] = columns[..] else {
        panic!("six columns: {line}");
    };
    Row {
        zone: zone(zone_name),
        fields: expression.split(' ').map(str::to_owned).collect(),
        from: instant(from),
        expected: instant(expected),
        inclusive: inclusive == "true",
    }
}

impl Row {
    /// Cronos takes both days for a condition; here a `+` says so.
    fn expression(&self) -> String {
        let (weekday, others) = self.fields.split_last().expect("a field");
        let restricted = !others.is_empty() && !["*", "?"].contains(&weekday.as_str());
        let plus = if restricted { "+" } else { "" };
        [others, &[format!("{plus}{weekday}")]].concat().join(" ")
    }

    /// Where Cronos has a syntax of its own, which the language refuses.
    fn is_foreign(&self) -> bool {
        let times = self.fields.len().saturating_sub(3);
        let mut items = self.fields.iter().flat_map(|field| field.split(','));
        items.any(is_foreign) || self.fields[..times].iter().any(|field| field == "?")
    }

    /// Where Cronos has another policy around a clock change: intervals, ranges included, run at
    /// the end of a gap and in both passes of a repeated hour; a search that starts at the very
    /// end of a gap has missed what fell in it.
    fn is_other_policy(&self) -> bool {
        let offset = |instant| self.zone.local(instant).offset().local_minus_utc();
        let before = offset(self.from - TimeDelta::hours(2));
        let after = offset(self.expected);
        let times = &self.fields[..self.fields.len().saturating_sub(3)];
        let interval = times.iter().any(|field| field.contains(['*', '-', '/']));
        let rhythm = times.iter().any(|field| field.starts_with('*'));
        let from_gap = self.inclusive && offset(self.from) > offset(self.from - TimeDelta::seconds(1));
        let same_day = self.expected - self.from < TimeDelta::days(1);
        match before.cmp(&after) {
            Ordering::Less if same_day => interval,
            Ordering::Greater if same_day => interval && !rhythm,
            _ => from_gap,
        }
    }
}

/// `5/15`, ranges that wrap, `L-3`, nicknames in capitals or of Cronos' own.
fn is_foreign(item: &str) -> bool {
    let starts = ["12-2", "9-8", "20-5", "sat-tue", "l-", "@every"];
    let lower = item.to_lowercase();
    let open_step = item.split_once('/').is_some_and(|(range, _)| !range.contains(['*', '-']));
    open_step || starts.iter().any(|start| lower.starts_with(start)) || (item.starts_with('@') && item != lower)
}

#[test]
fn the_vectors_of_cronos_agree_where_the_rules_do() {
    let rows = rows();
    let (foreign, ours): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_foreign());
    for row in &foreign {
        let expression = row.expression();
        assert!(Schedule::parse(&expression, Zone::utc()).is_err(), "{expression:?}");
    }
    let (other, same): (Vec<_>, Vec<_>) = ours.into_iter().partition(|row| row.is_other_policy());
    for row in &same {
        let exclusive = TimeDelta::seconds(i64::from(row.inclusive));
        let next = schedule(&row.expression(), row.zone.name()).next_after(row.from - exclusive);
        assert_eq!(next, Some(row.expected), "{:?} after {}", row.expression(), row.from);
    }
    assert_eq!((foreign.len(), other.len(), same.len()), (210, 55, 589));
}
