//! One cron line in normal form, matched by croner. The grammar in front of croner is ours: croner
//! reads more than it should (`JAN` as a minute, empty list items, an `L` that never matches) and
//! does not say where a mistake is.

use std::fmt;
use std::str::FromStr;

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::Fault;
use super::field::FIELDS;
use super::token::Token;

const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// One cron line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    fields: [String; 7],
    cron: Cron,
}

impl Line {
    /// Reads five fields, six with the second first, seven with the year last, or a nickname.
    pub(super) fn parse(line: Token<'_>) -> Result<Self, Fault> {
        let words = line.words();
        match words.as_slice() {
            [name] if name.text.starts_with('@') => Self::from_fields(line, &nickname(*name)?),
            words => Self::from_fields(line, words),
        }
    }

    fn from_fields(line: Token<'_>, words: &[Token<'_>]) -> Result<Self, Fault> {
        let every = Token { text: "*", ..line };
        let on_the_minute = Token { text: "0", ..line };
        let words = match words.len() {
            5 => [&[on_the_minute], words, &[every]].concat(),
            6 => [words, &[every]].concat(),
            7 => words.to_vec(),
            found => return Err(wrong_number_of_fields(line, found)),
        };
        let mut fields = FIELDS.each_ref().map(|_| String::new());
        for ((normal, field), word) in fields.iter_mut().zip(&FIELDS).zip(words) {
            *normal = field.normal_form(word)?;
        }
        let cron = Cron::from_str(&fields.join(" ")).map_err(|error| refused(line, &error))?;
        Ok(Self { fields, cron })
    }

    /// The normal forms of second, minute, hour, day of month, month, day of week and year.
    pub(super) fn fields(&self) -> &[String; 7] {
        &self.fields
    }

    /// Whether the line names times of day, rather than an absolute rhythm.
    pub(super) fn is_fixed(&self) -> bool {
        let [second, minute, hour, ..] = &self.fields;
        ![second, minute, hour].iter().any(|field| field.starts_with('*'))
    }

    /// The first matching wall-clock reading at or after `floor`. Readings are in seconds, as a
    /// Unix time would be if the wall clock showed UTC.
    pub(super) fn next_reading(&self, floor: i64) -> Option<i64> {
        let floor = Timestamp::from_second(floor).ok()?.to_zoned(TimeZone::UTC);
        let found = self.cron.find_next_occurrence(&floor, true).ok()?;
        Some(found.timestamp().as_second())
    }

    /// The first year from `year` on that the line allows.
    pub(super) fn first_year_from(&self, year: u16) -> Option<u16> {
        let years = self.cron.pattern.years.values();
        years.into_iter().find(|allowed| *allowed >= year)
    }
}

impl fmt::Display for Line {
    /// The shortest form: without second 0, and without a year where every year will do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [second, five @ .., year] = &self.fields;
        let five = five.join(" ");
        match (second.as_str(), year.as_str()) {
            ("0", "*") => f.write_str(&five),
            (_, "*") => write!(f, "{second} {five}"),
            _ => write!(f, "{second} {five} {year}"),
        }
    }
}

fn nickname(name: Token<'_>) -> Result<Vec<Token<'_>>, Fault> {
    match NICKNAMES.iter().find(|(known, _)| *known == name.text) {
        Some((_, fields)) => Ok(Token { text: fields, ..name }.words()),
        None => {
            Err(Fault::at_word(name, format!("unknown nickname {:?}", name.text), &NICKNAMES.map(|(known, _)| known)))
        }
    }
}

fn wrong_number_of_fields(line: Token<'_>, found: usize) -> Fault {
    Fault {
        column: line.column,
        problem: format!("{found} fields in a cron line"),
        accepted: "5 fields (minute, hour, day of month, month, day of week), 6 with the second \
                   first, 7 with the year last"
            .to_owned(),
        suggestion: None,
    }
}

fn refused(line: Token<'_>, error: &croner::errors::CronError) -> Fault {
    Fault {
        column: line.column,
        problem: format!("a cron line that cannot be read ({error})"),
        accepted: "minute, hour, day of month, month, day of week".to_owned(),
        suggestion: None,
    }
}
