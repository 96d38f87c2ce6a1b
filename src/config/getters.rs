//! The typed getters of a [`Section`]: each reads one key, checks it and records what is effective.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::environment::like_variable;
use super::error::{may_be_secret, quoted};
use super::key::{did_you_mean, nearest};
use super::reader::Section;
use super::setting::Setting;
use crate::db::{TableName, identifier};

impl Section<'_> {
    /// A key without a default.
    pub(super) fn optional<T: Setting>(&mut self, key: &str) -> Option<T> {
        let value: Option<T> = self.take(key);
        self.record(key, value.as_ref().map(T::to_toml));
        value
    }

    /// A key with a default.
    pub(super) fn or<T: Setting>(&mut self, key: &str, default: T) -> T {
        let value = self.take(key).unwrap_or(default);
        self.record(key, Some(value.to_toml()));
        value
    }

    /// A key without a default, whose value is in a range.
    pub(super) fn optional_within<T: Setting + PartialOrd>(
        &mut self,
        key: &str,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let value = self.take_within(key, &range);
        self.record(key, value.as_ref().map(T::to_toml));
        value
    }

    /// A key with a default, whose value is in a range.
    pub(super) fn within<T: Setting + PartialOrd>(&mut self, key: &str, default: T, range: RangeInclusive<T>) -> T {
        let value = self.take_within(key, &range).unwrap_or(default);
        self.record(key, Some(value.to_toml()));
        value
    }

    fn take_within<T: Setting + PartialOrd>(&mut self, key: &str, range: &RangeInclusive<T>) -> Option<T> {
        let value = self.take(key);
        let (least, most) = (range.start().to_toml(), range.end().to_toml());
        self.accepts(key, format!("{}, from {least} to {most}", T::ACCEPTS));
        let value = value?;
        if range.contains(&value) {
            return Some(value);
        }
        self.problem(key, format!("must be from {least} to {most}"));
        None
    }

    /// A key whose value is one of a few words.
    pub(super) fn choice<T: Copy + PartialEq>(&mut self, key: &str, words: &[(&'static str, T)], default: T) -> T {
        let names: Vec<&'static str> = words.iter().map(|(name, _)| *name).collect();
        let value = match self.take_word(key, &names) {
            Some(name) => words.iter().find(|(word, _)| *word == name).map_or(default, |(_, value)| *value),
            None => default,
        };
        let name = words.iter().find(|(_, word)| *word == value).map(|(name, _)| format!("{name:?}"));
        self.record(key, name);
        value
    }

    /// The same without a default: the word itself.
    pub(super) fn word(&mut self, key: &str, words: &[&'static str]) -> Option<&'static str> {
        let word = self.take_word(key, words);
        self.record(key, word.map(|word| format!("{word:?}")));
        word
    }

    fn take_word(&mut self, key: &str, words: &[&'static str]) -> Option<&'static str> {
        let text: Option<String> = self.take(key);
        self.accepts(key, words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", "));
        let text = text?;
        let word = words.iter().copied().find(|word| *word == text);
        if word.is_none() {
            let accepted = words.join(", ");
            let suggestion = did_you_mean(nearest(&text, words.iter().copied()));
            let message = if self.in_environment(key) {
                format!("accepted: {accepted}{suggestion}")
            } else {
                format!("{} is unknown; accepted: {accepted}{suggestion}", quoted(&text))
            };
            self.problem(key, message);
        }
        word
    }

    /// A key without a default whose text `parse` understands. `accepts` is said where the text must not be repeated.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &str,
        accepts: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text: Option<String> = self.take(key);
        self.accepts(key, accepts);
        self.record(key, text.as_ref().map(String::to_toml));
        let text = text?;
        let hidden = may_be_secret(&text);
        match parse(&text) {
            Ok(value) => return Some(value),
            Err(_) if hidden => self.problem(key, format!("expected {accepts}")),
            Err(error) => self.problem(key, error),
        }
        None
    }

    /// The name of a table, a column or the like.
    pub(super) fn identifier(&mut self, key: &str) -> Option<String> {
        let accepts = "a name of 1 to 64 characters without control characters";
        self.parsed(key, accepts, |text| identifier(text).map(str::to_owned))
    }

    /// The names of the tables in this one, such as `NAME` in `[jobs.NAME]`; wrong ones are reported, and read on.
    pub(super) fn checked_names(&mut self) -> Vec<String> {
        let names = self.names();
        for (index, name) in names.iter().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
                self.problem(name, "a name has 1 to 64 letters, digits, _ and -");
            }
            let same = |other: &&String| like_variable(other) == like_variable(name);
            if let Some(other) = names.iter().take(index).find(same) {
                self.problem(
                    name,
                    format!("is too much like {}: names must differ in more than case, - and _", quoted(other)),
                );
            }
        }
        names
    }

    /// Warns where `table` looks like a schema and a table in one.
    pub(super) fn warn_dotted(&mut self, table: &TableName) {
        if table.schema.is_none() && table.name.contains('.') {
            self.warn("table", "is taken as one name, dot and all; a schema goes into its own key");
        }
    }
}
