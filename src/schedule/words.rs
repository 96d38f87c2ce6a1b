//! Schedules in words, translated into cron lines. The grammar is strict: it takes the whole
//! phrase or nothing, and refuses what could be meant in two ways.

use super::clock_time::{ClockTime, digits};
use super::error::Fault;
use super::names::{self, ORDINALS, WEEKDAYS};
use super::reader::Reader;
use super::token::Token;

const OPENINGS: [&str; 11] =
    ["daily", "every", "hourly", "weekdays", "weekends", "weekly", "monthly", "twice", "first", "last", "manual"];

/// Which days, as the cron fields day of month, month and day of week.
struct Days(String);

/// Translates a phrase into cron lines; none at all for `manual`.
pub(super) fn translate(phrase: Token<'_>) -> Result<Vec<String>, Fault> {
    let mut reader = Reader::new(phrase);
    let lines = schedule(&mut reader)?;
    reader.end()?;
    Ok(lines)
}

fn schedule(reader: &mut Reader<'_>) -> Result<Vec<String>, Fault> {
    if reader.take("manual") {
        Ok(Vec::new())
    } else if reader.take("hourly") {
        hourly(reader)
    } else if reader.take("every") {
        every(reader)
    } else if reader.take("twice") {
        twice_daily(reader)
    } else {
        let days = opening_days(reader)?;
        at(reader, &days)
    }
}

fn opening_days(reader: &mut Reader<'_>) -> Result<Days, Fault> {
    if reader.take("daily") {
        Ok(Days::every())
    } else if reader.take("weekdays") {
        Ok(Days::of_week("1-5"))
    } else if reader.take("weekends") {
        Ok(Days::of_week("0,6"))
    } else if reader.take("weekly") {
        reader.expect(&["on"])?;
        weekdays(reader, &WEEKDAYS)
    } else if reader.take("monthly") {
        days_of_month(reader)
    } else if let Some(nth) = ordinal(reader) {
        let days = nth_day(reader, nth)?;
        reader.expect(&["of", "the", "month"])?;
        Ok(days)
    } else {
        Err(reader.fault(&OPENINGS))
    }
}

fn every(reader: &mut Reader<'_>) -> Result<Vec<String>, Fault> {
    let starts_with_digit = |word: &Token<'_>| word.text.starts_with(|c: char| c.is_ascii_digit());
    if reader.take("minute") {
        Ok(vec!["* * * * *".to_owned()])
    } else if reader.take("hour") {
        hourly(reader)
    } else if let Some(count) = reader.peek().filter(starts_with_digit) {
        reader.advance();
        interval(reader, count)
    } else {
        let days = every_days(reader)?;
        at(reader, &days)
    }
}

fn every_days(reader: &mut Reader<'_>) -> Result<Days, Fault> {
    if reader.take("day") {
        Ok(Days::every())
    } else if reader.take("weekday") {
        Ok(Days::of_week("1-5"))
    } else if reader.take("week") {
        reader.expect(&["on"])?;
        weekdays(reader, &WEEKDAYS)
    } else if reader.take("month") {
        days_of_month(reader)
    } else {
        let others = ["day", "weekday", "hour", "minute", "15 minutes"];
        weekdays(reader, &[&others[..], &WEEKDAYS[..]].concat())
    }
}

fn hourly(reader: &mut Reader<'_>) -> Result<Vec<String>, Fault> {
    if !reader.take("at") {
        return Ok(vec!["0 * * * *".to_owned()]);
    }
    let word = reader.peek().and_then(|word| word.text.strip_prefix(':'));
    let minute = word.and_then(|minute| digits(minute, 2..=2)).filter(|minute| *minute < 60);
    let minute = minute.ok_or_else(|| reader.fault(&[":00 to :59"]))?;
    reader.advance();
    Ok(vec![format!("{minute} * * * *")])
}

fn twice_daily(reader: &mut Reader<'_>) -> Result<Vec<String>, Fault> {
    reader.expect(&["daily"])?;
    let times = reader.at_times()?;
    if times.len() != 2 {
        return Err(reader.fault(&["two times, as in \"twice daily at 02:00 and 14:00\""]));
    }
    Ok(lines(&Days::every(), &times))
}

/// Cron counts an interval anew in each minute, hour or day, so it must divide that evenly.
fn interval(reader: &mut Reader<'_>, count: Token<'_>) -> Result<Vec<String>, Fault> {
    let units = ["seconds", "minutes", "hours", "second", "minute", "hour"];
    let unit = reader.expect_one(&units)? % 3;
    let (whole, size) = [("a minute", 60), ("an hour", 60), ("a day", 24)][unit];
    let divides = |count: &u8| *count > 0 && *count < size && size.is_multiple_of(*count);
    let accepted: Vec<_> = (1..size).filter(divides).map(|count| count.to_string()).collect();
    let step = match digits(count.text, 1..=2).filter(divides) {
        Some(1) => "*".to_owned(),
        Some(step) => format!("*/{step}"),
        None => {
            return Err(Fault {
                column: count.column,
                problem: format!("{} {} do not divide {whole} evenly", count.text, units[unit]),
                accepted: accepted.join(", "),
                suggestion: None,
            });
        }
    };
    Ok(vec![match unit {
        0 => format!("{step} * * * * *"),
        1 => format!("{step} * * * *"),
        _ => format!("0 {step} * * *"),
    }])
}

fn ordinal(reader: &mut Reader<'_>) -> Option<usize> {
    let mut ordinals = ORDINALS.iter().chain(&["last"]);
    ordinals.position(|word| reader.take(word))
}

fn weekday(reader: &mut Reader<'_>) -> Option<usize> {
    WEEKDAYS.iter().position(|day| reader.take(day) || reader.take(&day[..3]))
}

fn weekdays(reader: &mut Reader<'_>, accepted: &[&str]) -> Result<Days, Fault> {
    let mut days = reader.list(|reader| weekday(reader).ok_or_else(|| reader.fault(accepted)))?;
    days.sort_unstable();
    days.dedup();
    let days: Vec<_> = days.iter().map(usize::to_string).collect();
    Ok(Days::of_week(&days.join(",")))
}

fn days_of_month(reader: &mut Reader<'_>) -> Result<Days, Fault> {
    reader.expect(&["on", "the"])?;
    if let Some(nth) = ordinal(reader) {
        return nth_day(reader, nth);
    }
    let mut days = reader.list(date)?;
    days.sort_unstable();
    days.dedup();
    let days: Vec<_> = days.iter().map(u8::to_string).collect();
    Ok(Days::of_month(&days.join(",")))
}

/// `1st` to `28th`: a later date would silently leave out the shorter months.
fn date(reader: &mut Reader<'_>) -> Result<u8, Fault> {
    let named = |day: &u8| {
        let name = reader.peek().map(|word| word.text.to_lowercase());
        name == Some(names::ordinal(*day))
    };
    match (1..=31).find(named) {
        Some(day @ 1..=28) => {
            reader.advance();
            Ok(day)
        }
        Some(_) => Err(reader.fault(&["1st to 28th, which every month has", "last day"])),
        None => Err(reader.fault(&["1st to 28th", "last day", "first monday"])),
    }
}

/// The day after an ordinal: `day`, `weekday` or the name of one.
fn nth_day(reader: &mut Reader<'_>, nth: usize) -> Result<Days, Fault> {
    let last = nth == ORDINALS.len();
    let number = nth + 1;
    if reader.take("day") {
        return Ok(Days::of_month(&if last { "L".to_owned() } else { number.to_string() }));
    }
    if (last || number == 1) && reader.take("weekday") {
        return Ok(Days::of_month(if last { "LW" } else { "1W" }));
    }
    let accepted = [&["day"][..], &WEEKDAYS[..]].concat();
    let day = weekday(reader).ok_or_else(|| reader.fault(&accepted))?;
    Ok(Days::of_week(&if last { format!("{day}L") } else { format!("{day}#{number}") }))
}

impl Days {
    fn every() -> Self {
        Self("* * *".to_owned())
    }

    fn of_week(days: &str) -> Self {
        Self(format!("* * {days}"))
    }

    fn of_month(days: &str) -> Self {
        Self(format!("{days} * *"))
    }
}

fn at(reader: &mut Reader<'_>, days: &Days) -> Result<Vec<String>, Fault> {
    let times = reader.at_times()?;
    Ok(lines(days, &times))
}

/// One line where the times differ by the hour only, else one for each time.
fn lines(Days(days): &Days, times: &[ClockTime]) -> Vec<String> {
    let within_hour = |time: &ClockTime| (time.minute, time.second);
    let same = times.windows(2).all(|pair| within_hour(&pair[0]) == within_hour(&pair[1]));
    let groups = times.chunks(if same { times.len() } else { 1 });
    let line = |group: &[ClockTime]| {
        let hours: Vec<_> = group.iter().map(|time| time.hour.to_string()).collect();
        let ClockTime { minute, second, .. } = group[0];
        format!("{second} {minute} {} {days}", hours.join(","))
    };
    groups.map(line).collect()
}
