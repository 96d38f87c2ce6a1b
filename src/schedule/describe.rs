//! What a schedule does, in words.

use super::cron::Line;
use super::names::{MONTHS, ORDINALS, WEEKDAYS, ordinal};

/// More times of day than this are not spelled out.
const MANY: usize = 12;

/// Explains a union of lines.
pub(super) fn describe(lines: &[Line]) -> String {
    let mut parts: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines {
        let days = date(line);
        match (times(line), parts.last_mut()) {
            (Some(times), Some((same, earlier))) if *same == days => earlier.extend(times),
            (Some(times), _) => parts.push((days, times)),
            (None, _) => parts.push((during(line, &days), Vec::new())),
        }
    }
    let parts: Vec<_> = parts.into_iter().map(|(days, times)| phrase(days, &times)).collect();
    parts.join("; ")
}

fn phrase(days: String, times: &[String]) -> String {
    if times.is_empty() { days } else { format!("{days} at {}", join(times)) }
}

fn join(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [init @ .., end] => format!("{} and {end}", init.join(", ")),
    }
}

/// The values of a field of plain numbers and ranges.
fn values(field: &str) -> Option<Vec<u8>> {
    let mut values = Vec::new();
    for item in field.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        values.extend(first.parse::<u8>().ok()?..=last.parse().ok()?);
    }
    Some(values)
}

/// The times of day, if the line has few.
fn times(line: &Line) -> Option<Vec<String>> {
    let [second, minute, hour, ..] = line.fields();
    let (seconds, minutes, hours) = (values(second)?, values(minute)?, values(hour)?);
    let mut times = Vec::new();
    for hour in &hours {
        for minute in &minutes {
            for second in &seconds {
                times.push(clock(*hour, *minute, *second));
            }
        }
    }
    (times.len() <= MANY).then_some(times)
}

fn clock(hour: u8, minute: u8, second: u8) -> String {
    match second {
        0 => format!("{hour:02}:{minute:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}"),
    }
}

fn during(line: &Line, days: &str) -> String {
    match days {
        "every day" => rhythm(line),
        days => format!("{}, {days}", rhythm(line)),
    }
}

/// An interval, or failing that the fields one by one.
fn rhythm(line: &Line) -> String {
    let [second, minute, hour, ..] = line.fields();
    match (second.as_str(), minute.as_str(), hour.as_str()) {
        ("0", "0", hours) if even(hours, 24).is_some() => every(hours, "hour"),
        ("0", minutes, "*") if even(minutes, 60).is_some() => every(minutes, "minute"),
        (seconds, "*", "*") if even(seconds, 60).is_some() => every(seconds, "second"),
        ("0", minute, "*") if minute.parse::<u8>().is_ok() => format!("every hour at :{minute:0>2}"),
        _ => fields(second, minute, hour),
    }
}

/// The step of `*` or `*/n` where it divides the whole evenly.
fn even(field: &str, whole: u8) -> Option<u8> {
    let step = if field == "*" { 1 } else { field.strip_prefix("*/")?.parse().ok()? };
    whole.is_multiple_of(step).then_some(step)
}

fn every(field: &str, unit: &str) -> String {
    match field.strip_prefix("*/") {
        Some(step) if step != "1" => format!("every {step} {unit}s"),
        _ => format!("every {unit}"),
    }
}

fn fields(second: &str, minute: &str, hour: &str) -> String {
    let named = [("second", second), ("minute", minute), ("hour", hour)];
    let shown = named.iter().filter(|(name, field)| (*name, *field) != ("second", "0"));
    let shown: Vec<_> = shown
        .map(|(name, field)| match *field {
            "*" => format!("every {name}"),
            field => format!("{name} {field}"),
        })
        .collect();
    let shown = shown.join(" of ");
    if shown.starts_with("every") { shown } else { format!("at {shown}") }
}

fn date(line: &Line) -> String {
    let [_, _, _, day_of_month, month, day_of_week, year] = line.fields();
    let day = match (day_of_month.as_str(), day_of_week.as_str()) {
        ("*", "*") => "every day".to_owned(),
        ("*", weekday) => days_of_week(weekday.trim_start_matches('+')),
        (date, "*") => days_of_month(date),
        (date, weekday) => either_or_both(date, weekday),
    };
    let month = (month != "*").then(|| format!(" in {}", months(month)));
    let year = (year != "*").then(|| format!(" in {year}"));
    day + &month.unwrap_or_default() + &year.unwrap_or_default()
}

fn either_or_both(date: &str, weekday: &str) -> String {
    let (link, weekday) = match weekday.strip_prefix('+') {
        Some(weekday) => ("but only", weekday),
        None => ("or", weekday),
    };
    format!("{} {link} {}", days_of_month(date), days_of_week(weekday))
}

fn days_of_month(field: &str) -> String {
    match field.split(',').map(day_of_month).collect::<Option<Vec<_>>>() {
        Some(days) => format!("on the {} of the month", join(&days)),
        None => format!("on day {field} of the month"),
    }
}

fn day_of_month(item: &str) -> Option<String> {
    let ordinal = |day: &str| Some(ordinal(day.parse().ok()?));
    match (item, item.split_once('-'), item.strip_suffix('W')) {
        ("L", ..) => Some("last day".to_owned()),
        ("LW", ..) => Some("last weekday".to_owned()),
        (_, Some((first, last)), _) => Some(format!("{} to {}", ordinal(first)?, ordinal(last)?)),
        (_, _, Some(day)) => Some(format!("weekday nearest the {}", ordinal(day)?)),
        (day, ..) => ordinal(day),
    }
}

fn days_of_week(field: &str) -> String {
    let plain = |items: Vec<String>| format!("every {}", join(&items));
    let special = |items: Vec<String>| format!("on the {} of the month", join(&items));
    let items = || field.split(',');
    match field {
        "1-5" => "every weekday".to_owned(),
        "0,6" | "6,0" | "6-7" => "every saturday and sunday".to_owned(),
        _ => items()
            .map(|item| span(item, weekday))
            .collect::<Option<_>>()
            .map(plain)
            .or_else(|| items().map(nth_weekday).collect::<Option<_>>().map(special))
            .unwrap_or_else(|| format!("on day {field} of the week")),
    }
}

fn nth_weekday(item: &str) -> Option<String> {
    let (day, nth) = match item.split_once('#') {
        Some((day, nth)) => (day, name(&ORDINALS, nth, 1)?),
        None => (item.strip_suffix('L')?, "last".to_owned()),
    };
    Some(format!("{nth} {}", weekday(day)?))
}

fn months(field: &str) -> String {
    let names = field.split(',').map(|item| span(item, |month| name(&MONTHS, month, 1)));
    match names.collect::<Option<Vec<_>>>() {
        Some(names) => join(&names),
        None => format!("month {field}"),
    }
}

/// One value or a range of them, by name.
fn span(item: &str, name: impl Fn(&str) -> Option<String>) -> Option<String> {
    match item.split_once('-') {
        Some((first, last)) => Some(format!("{} to {}", name(first)?, name(last)?)),
        None => name(item),
    }
}

/// Sunday is 0, and 7 at the end of a range.
fn weekday(number: &str) -> Option<String> {
    name(&WEEKDAYS, if number == "7" { "0" } else { number }, 0)
}

/// The name of a number; the first name has the number `from`.
fn name(names: &[&str], number: &str, from: usize) -> Option<String> {
    let place = number.parse::<usize>().ok()?.checked_sub(from)?;
    names.get(place).map(|name| (*name).to_owned())
}
