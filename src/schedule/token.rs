//! Pieces of an expression that remember their column.

/// A piece of an expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    /// Position of the first character, in characters, from 1.
    pub(super) column: usize,
    pub(super) text: &'a str,
}

impl<'a> Token<'a> {
    /// A whole expression.
    pub(super) fn whole(text: &'a str) -> Self {
        Self { column: 1, text }
    }

    /// The pieces between separators; empty ones are kept.
    pub(super) fn split(self, separator: impl Fn(char) -> bool) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut column = self.column;
        for text in self.text.split(separator) {
            pieces.push(Self { column, text });
            column += text.chars().count() + 1;
        }
        pieces
    }

    /// The pieces between white space.
    pub(super) fn words(self) -> Vec<Self> {
        let mut words = self.split(char::is_whitespace);
        words.retain(|word| !word.text.is_empty());
        words
    }

    /// The column just after the last character that is not white space.
    pub(super) fn end(self) -> usize {
        self.column + self.text.trim_end().chars().count()
    }
}
