//! Why an expression is not a schedule, and where.

use std::fmt;

use super::token::Token;

/// A word this alike or more is offered as a correction (0 is nothing alike, 1 the same).
const ALIKE: f64 = 0.6;

/// An expression that cannot be used as a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The expression is not in the language.
    #[error("{expression:?}: {fault}")]
    Syntax {
        /// The expression as it was given.
        expression: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The expression is well formed, but no instant satisfies it for ten years.
    #[error("{expression:?} never fires: no date within ten years satisfies it")]
    Never {
        /// The expression as it was given.
        expression: String,
    },
}

/// The place where an expression stops making sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Position of the offending text, in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
    /// What would be understood there.
    pub accepted: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Fault {
    /// A fault at a word for which only `accepted` would do; suggests the nearest of them.
    pub(super) fn at_word(word: Token<'_>, problem: String, accepted: &[&str]) -> Self {
        Self { column: word.column, problem, accepted: accepted.join(", "), suggestion: nearest(word.text, accepted) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at column {}", self.problem, self.column)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, ", did you mean {suggestion:?}?")?,
            None => f.write_str(";")?,
        }
        write!(f, " accepted: {}", self.accepted)
    }
}

fn nearest(word: &str, accepted: &[&str]) -> Option<String> {
    let word = word.to_lowercase();
    accepted
        .iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| (*candidate).to_owned())
}
