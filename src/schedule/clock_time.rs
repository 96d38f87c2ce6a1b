//! A time of day in words: `02:00`, `14:00:30`, `2am`, `2:30pm`, `midnight`, `noon`.

/// How a time of day may be written.
pub(super) const ACCEPTED: [&str; 6] = ["02:00", "14:00:30", "2am", "2:30pm", "midnight", "noon"];

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClockTime {
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
}

impl ClockTime {
    /// `None` when `text` could be read in two ways: `2`, `2:30` and `12am` name no half of the day.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        match text.as_str() {
            "midnight" => Self::new(0, 0, 0),
            "noon" => Self::new(12, 0, 0),
            text => half_day(text, "am", 0).or_else(|| half_day(text, "pm", 12)).or_else(|| full_day(text)),
        }
    }

    fn new(hour: u8, minute: u8, second: u8) -> Option<Self> {
        let exists = hour < 24 && minute < 60 && second < 60;
        exists.then_some(Self { hour, minute, second })
    }
}

fn half_day(text: &str, half: &str, add: u8) -> Option<ClockTime> {
    let text = text.strip_suffix(half)?.trim_end();
    let (hour, minute) = text.split_once(':').unwrap_or((text, "00"));
    let hour = digits(hour, 1..=2).filter(|hour| (1..=11).contains(hour))?;
    ClockTime::new(hour + add, digits(minute, 2..=2)?, 0)
}

fn full_day(text: &str) -> Option<ClockTime> {
    let parts: Option<Vec<u8>> = text.split(':').map(|part| digits(part, 2..=2)).collect();
    match parts?.as_slice() {
        [hour, minute] => ClockTime::new(*hour, *minute, 0),
        [hour, minute, second] => ClockTime::new(*hour, *minute, *second),
        _ => None,
    }
}

/// Reads a number of as many digits as `length` allows.
pub(super) fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<u8> {
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| only_digits && length.contains(&text.len()))
}
