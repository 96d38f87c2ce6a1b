//! What each field of a cron line accepts, and its normal form: numbers for names, `*` for `?`, no
//! leading zeros.

use super::error::Fault;
use super::names::{MONTHS, WEEKDAYS};
use super::token::Token;

/// One field of a cron line: its bounds, and the names of its values in order from `min`, of which
/// cron uses the first three letters.
pub(super) struct Field {
    name: &'static str,
    min: u16,
    max: u16,
    names: &'static [&'static str],
}

const fn numbers(name: &'static str, min: u16, max: u16) -> Field {
    named(name, min, max, &[])
}

const fn named(name: &'static str, min: u16, max: u16, names: &'static [&'static str]) -> Field {
    Field { name, min, max, names }
}

const DAY_OF_MONTH: &str = "day of month";
const DAY_OF_WEEK: &str = "day of week";

/// The fields of a full line, in order.
pub(super) static FIELDS: [Field; 7] = [
    numbers("second", 0, 59),
    numbers("minute", 0, 59),
    numbers("hour", 0, 23),
    numbers(DAY_OF_MONTH, 1, 31),
    named("month", 1, 12, &MONTHS),
    named(DAY_OF_WEEK, 0, 7, &WEEKDAYS),
    numbers("year", 1970, 2199),
];

impl Field {
    /// Checks a field and writes it in normal form.
    pub(super) fn normal_form(&self, word: Token<'_>) -> Result<String, Fault> {
        let both = self.name == DAY_OF_WEEK && word.text.starts_with('+');
        let list =
            Token { column: word.column + usize::from(both), text: if both { &word.text[1..] } else { word.text } };
        if word.text == "*" || (word.text == "?" && self.is_day()) {
            return Ok("*".to_owned());
        }
        let mut items = Vec::new();
        for item in list.split(|c| c == ',') {
            items.push(self.item(item.text).ok_or_else(|| self.fault(item))?);
        }
        if ["L", "LW"].iter().all(|last| items.iter().any(|item| item == last)) {
            return Err(self.fault(list));
        }
        let sign = if both { "+" } else { "" };
        Ok(format!("{sign}{}", items.join(",")))
    }

    fn is_day(&self) -> bool {
        [DAY_OF_MONTH, DAY_OF_WEEK].contains(&self.name)
    }

    fn item(&self, item: &str) -> Option<String> {
        let item = item.to_ascii_uppercase();
        self.special_day(&item).or_else(|| match item.split_once('/') {
            Some((range, step)) => Some(format!("{}/{}", self.range(range)?, self.step(step)?)),
            None if item.contains('-') => self.range(&item),
            None => self.value(&item).map(|value| self.single(value)),
        })
    }

    fn range(&self, range: &str) -> Option<String> {
        if range == "*" {
            return Some("*".to_owned());
        }
        let (first, last) = range.split_once('-')?;
        let first = self.value(first)?;
        let last = match self.value(last)? {
            0 if last == "SUN" && first > 0 => 7,
            last => last,
        };
        (first <= last).then(|| format!("{first}-{last}"))
    }

    fn step(&self, step: &str) -> Option<u16> {
        let values = self.max - self.min + 1 - u16::from(self.name == DAY_OF_WEEK);
        number(step).filter(|step| (1..values).contains(step))
    }

    fn value(&self, text: &str) -> Option<u16> {
        let named = self.names.iter().position(|name| name[..3].eq_ignore_ascii_case(text));
        let value = match named {
            Some(place) => self.min + u16::try_from(place).ok()?,
            None => number(text)?,
        };
        (self.min..=self.max).contains(&value).then_some(value)
    }

    /// Sunday is 0 and 7.
    fn single(&self, value: u16) -> String {
        let sunday = self.name == DAY_OF_WEEK && value == 7;
        if sunday { 0 } else { value }.to_string()
    }

    /// Days that depend on the month: `L`, `LW`, `15W`, `MON#1`, `5L`.
    fn special_day(&self, item: &str) -> Option<String> {
        match self.name {
            DAY_OF_MONTH if item == "L" || item == "LW" => Some(item.to_owned()),
            DAY_OF_MONTH => Some(format!("{}W", self.value(item.strip_suffix('W')?)?)),
            DAY_OF_WEEK if item.ends_with('L') => {
                let day = self.value(item.strip_suffix('L')?)?;
                Some(format!("{}L", self.single(day)))
            }
            DAY_OF_WEEK => {
                let (day, nth) = item.split_once('#')?;
                let nth = number(nth).filter(|nth| (1..=5).contains(nth))?;
                Some(format!("{}#{nth}", self.single(self.value(day)?)))
            }
            _ => None,
        }
    }

    fn fault(&self, item: Token<'_>) -> Fault {
        let Self { name, min, max, .. } = self;
        let extra = match self.name {
            DAY_OF_MONTH => ", ?, L (the last), LW, 15W",
            "month" => ", JAN to DEC",
            DAY_OF_WEEK => ", ?, SUN to SAT, MON#1 (the first), FRIL (the last), a leading +",
            _ => "",
        };
        let accepted = format!("{min} to {max}, *, lists (1,2), ranges (1-5), steps (*/5, 1-5/2){extra}");
        Fault {
            column: item.column,
            problem: format!("{:?} does not fit the field {name}", item.text),
            accepted,
            suggestion: None,
        }
    }
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
