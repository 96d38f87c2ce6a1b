//! Reads an expression word by word, and says what would have been understood.

use super::clock_time::{self, ClockTime};
use super::error::Fault;
use super::token::Token;
use crate::zone::Zone;

/// A position in a phrase. Words compare without regard to case; a comma is a word.
pub(super) struct Reader<'a> {
    whole: Token<'a>,
    words: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(whole: Token<'a>) -> Self {
        Self { whole, words: whole.words().into_iter().flat_map(split_off_commas).collect(), next: 0 }
    }

    /// The next word, if there is one.
    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.words.get(self.next).copied()
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Passes over `word` if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let here = self.peek().is_some_and(|next| next.text.eq_ignore_ascii_case(word));
        self.next += usize::from(here);
        here
    }

    /// Passes over all of `words`.
    pub(super) fn expect(&mut self, words: &[&str]) -> Result<(), Fault> {
        match words.iter().find(|word| !self.take(word)) {
            Some(missing) => Err(self.fault(&[missing])),
            None => Ok(()),
        }
    }

    /// Passes over one of `words`, and says which: its place among them.
    pub(super) fn expect_one(&mut self, words: &[&str]) -> Result<usize, Fault> {
        words.iter().position(|word| self.take(word)).ok_or_else(|| self.fault(words))
    }

    /// Reads `one`, `one and one`, `one, one and one`.
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let mut items = vec![one(self)?];
        loop {
            let comma = self.take(",");
            if !self.take("and") && !comma {
                return Ok(items);
            }
            items.push(one(self)?);
        }
    }

    /// Reads `at` and one or more different times of day, in order of the day.
    pub(super) fn at_times(&mut self) -> Result<Vec<ClockTime>, Fault> {
        if self.peek().is_none() {
            let suggestion = format!("{} at 02:00", self.whole.text.trim());
            return Err(Fault { suggestion: Some(suggestion), ..self.fault(&["at"]) });
        }
        self.expect(&["at"])?;
        let mut seen = Vec::new();
        self.list(|reader| {
            let time = reader.time(&seen)?;
            seen.push(time);
            Ok(())
        })?;
        seen.sort_unstable();
        Ok(seen)
    }

    fn time(&mut self, seen: &[ClockTime]) -> Result<ClockTime, Fault> {
        let word = self.peek().ok_or_else(|| self.fault(&clock_time::ACCEPTED))?;
        self.advance();
        let half = ["am", "pm"].into_iter().find(|half| self.take(half)).unwrap_or_default();
        let text = format!("{}{half}", word.text);
        match ClockTime::parse(&text) {
            Some(time) if !seen.contains(&time) => Ok(time),
            Some(_) => Err(not_a_time(word, format!("{text:?} comes twice"))),
            None => Err(not_a_time(word, format!("cannot tell which time of day {text:?} is"))),
        }
    }

    /// The phrase must be over.
    pub(super) fn end(&self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(word) if Zone::parse(word.text).is_ok() => {
                Err(self.fault(&["nothing more (a time zone goes in the key `timezone`)"]))
            }
            Some(_) => Err(self.fault(&["nothing more"])),
        }
    }

    /// What comes next is not one of `accepted`.
    pub(super) fn fault(&self, accepted: &[&str]) -> Fault {
        match self.peek() {
            Some(word) => Fault::at_word(word, format!("unexpected {:?}", word.text), accepted),
            None => Fault {
                column: self.whole.end(),
                problem: "the schedule is not complete".to_owned(),
                accepted: accepted.join(", "),
                suggestion: None,
            },
        }
    }
}

/// Without a suggestion: the nearest spelling is hardly the time that was meant.
fn not_a_time(word: Token<'_>, problem: String) -> Fault {
    Fault { suggestion: None, ..Fault::at_word(word, problem, &clock_time::ACCEPTED) }
}

fn split_off_commas(word: Token<'_>) -> Vec<Token<'_>> {
    let mut pieces = Vec::new();
    for piece in word.split(|c| c == ',') {
        if piece.column > word.column {
            pieces.push(Token { column: piece.column - 1, text: "," });
        }
        if !piece.text.is_empty() {
            pieces.push(piece);
        }
    }
    pieces
}
